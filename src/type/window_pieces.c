/*
 * window_pieces(started_at, ended_at, step): an interval of time, cut at the bounds of windows.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "type/interval.h"
#include "type/window.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_window_pieces);

/* More of them are a slip of the pen, as for concurrent(). */
#define MAX_PIECES 1000000

enum
{
	PIECE_COLUMNS = 3
};

typedef struct Pieces
{
	int64 width;
	int64 window; /* the start of the next piece's */
	int64 start;  /* and of the piece */
	int64 end;    /* of the interval */
	bool done;
} Pieces;

static void
pieces_begin(FunctionCallInfo fcinfo, Pieces *pieces)
{
	int64 start = PG_GETARG_TIMESTAMPTZ(0), end = PG_GETARG_TIMESTAMPTZ(1);

	pieces->width = interval_length(PG_GETARG_INTERVAL_P(2), "step", "");
	interval_check_order(start, end, "");
	pieces->done = TIMESTAMP_NOT_FINITE(start) || TIMESTAMP_NOT_FINITE(end);
	if (pieces->done)
		return;
	if (((uint64) end - (uint64) start) / (uint64) pieces->width >= MAX_PIECES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an interval of time goes on in more than %d windows", MAX_PIECES),
				 errdetail("It starts at %s and ends at %s.", pstrdup(timestamptz_to_str(start)),
						   pstrdup(timestamptz_to_str(end))),
				 errhint("Give a longer step.")));
	pieces->start = start;
	pieces->end = end;
	pieces->window = window_since_epoch(start, pieces->width);
}

Datum
telemetry_window_pieces(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Pieces *pieces;
	Datum values[PIECE_COLUMNS];
	bool nulls[PIECE_COLUMNS] = {false};
	int64 next;

	if (SRF_IS_FIRSTCALL())
	{
		const ReturnSetInfo *caller = (const ReturnSetInfo *) fcinfo->resultinfo;
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		pieces = palloc0(sizeof(Pieces));
		pieces_begin(fcinfo, pieces);
		/* What the caller expects is what comes, and costs no look into the catalogs. */
		if (caller->expectedDesc && caller->expectedDesc->natts == PIECE_COLUMNS)
			call->tuple_desc = BlessTupleDesc(CreateTupleDescCopy(caller->expectedDesc));
		else if (get_call_result_type(fcinfo, NULL, &call->tuple_desc) == TYPEFUNC_COMPOSITE)
			call->tuple_desc = BlessTupleDesc(call->tuple_desc);
		else
			elog(ERROR, "return type must be a row type");
		call->user_fctx = pieces;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	pieces = call->user_fctx;
	if (pieces->done)
		SRF_RETURN_DONE(call);
	/* There is no time behind the last one. */
	if (pg_add_s64_overflow(pieces->window, pieces->width, &next))
		next = PG_INT64_MAX;
	pieces->done = pieces->end < next;
	values[0] = TimestampTzGetDatum(pieces->window);
	values[1] = TimestampTzGetDatum(pieces->start);
	values[2] = TimestampTzGetDatum(pieces->end);
	nulls[2] = !pieces->done;
	pieces->window = pieces->start = next;
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}
