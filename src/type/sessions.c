/*
 * telemetry.sessions: functions and aggregates.
 *
 * A group's state is a SessionsAggregate in the aggregate's context. It does not move, and settling
 * it changes nothing that can be seen: a final function may do so, though two aggregates share it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "type/interval.h"
#include "type/memory.h"
#include "type/sessions_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_sessions_union);
PG_FUNCTION_INFO_V1(telemetry_sessions_unnest);
PG_FUNCTION_INFO_V1(telemetry_sessions_at);
PG_FUNCTION_INFO_V1(telemetry_sessions_count);
PG_FUNCTION_INFO_V1(telemetry_sessions_events);
PG_FUNCTION_INFO_V1(telemetry_sessions_total);
PG_FUNCTION_INFO_V1(telemetry_sessions_longest);
PG_FUNCTION_INFO_V1(telemetry_sessions_gap);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_add);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_union);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_combine);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_serialize);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_deserialize);
PG_FUNCTION_INFO_V1(telemetry_sessions_agg_final);

typedef struct SessionsAggregate
{
	Sessions sessions;
	Interval gap; /* as the last row had it; zero: no row had one */
} SessionsAggregate;

static const char *
gap_text(int64 gap)
{
	Interval interval = {.time = gap};

	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(&interval)));
}

static void
check_gap(int64 a, int64 b)
{
	if (a != b)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("sessions of gap %s and of gap %s cannot be one set", gap_text(a), gap_text(b)),
			 errdetail("What a gap joins cannot be told from the sessions of another one."),
			 errhint("Use one gap, or group by it.")));
}

static void too_many_events(void) pg_attribute_noreturn();

static void
too_many_events(void)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("sessions have more events than a bigint can count")));
}

static void
unite(Sessions *into, const Sessions *from, const SketchMemory *memory)
{
	check_gap(into->gap, from->gap);
	if (!sessions_merge(into, from, memory))
		too_many_events();
}

static void
settle(Sessions *sessions, const SketchMemory *memory)
{
	if (!sessions_settle(sessions, memory))
		too_many_events();
}

/* ---- functions ------------------------------------------------------------------------------- */

Datum
telemetry_sessions_union(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	Sessions a, b;

	sessions_from_datum(PG_GETARG_DATUM(0), &a);
	sessions_from_datum(PG_GETARG_DATUM(1), &b);
	unite(&a, &b, &memory);
	settle(&a, &memory);
	return sessions_datum(&a);
}

/* What the caller expects is what the function returns, and costs no look into the catalogs. */
static TupleDesc
unnested_desc(FunctionCallInfo fcinfo)
{
	const ReturnSetInfo *caller = (const ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc row;

	if (caller->expectedDesc && caller->expectedDesc->natts == 3)
		return BlessTupleDesc(CreateTupleDescCopy(caller->expectedDesc));
	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(row);
}

Datum
telemetry_sessions_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Sessions *sessions;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		sessions = palloc(sizeof(Sessions));
		sessions_from_datum(PG_GETARG_DATUM(0), sessions);
		call->tuple_desc = unnested_desc(fcinfo);
		call->user_fctx = sessions;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	sessions = call->user_fctx;
	if (call->call_cntr < sessions->count)
	{
		const Session *session = &sessions->list[call->call_cntr];
		Datum values[3] = {TimestampTzGetDatum(session->first), TimestampTzGetDatum(session->last),
						   Int64GetDatum(session->count)};
		bool nulls[3] = {false, false, false};

		SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(call);
}

Datum
telemetry_sessions_at(PG_FUNCTION_ARGS)
{
	Sessions sessions;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	PG_RETURN_BOOL(sessions_find(&sessions, PG_GETARG_TIMESTAMPTZ(1)) != NULL);
}

Datum
telemetry_sessions_count(PG_FUNCTION_ARGS)
{
	Sessions sessions;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	PG_RETURN_INT64((int64) sessions.count);
}

Datum
telemetry_sessions_events(PG_FUNCTION_ARGS)
{
	Sessions sessions;
	int64 events;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	if (!sessions_events(&sessions, &events))
		too_many_events();
	PG_RETURN_INT64(events);
}

Datum
telemetry_sessions_total(PG_FUNCTION_ARGS)
{
	Sessions sessions;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	return sessions_interval(sessions_total(&sessions));
}

Datum
telemetry_sessions_longest(PG_FUNCTION_ARGS)
{
	Sessions sessions;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	if (sessions.count == 0)
		PG_RETURN_NULL();
	return sessions_interval(sessions_longest(&sessions));
}

/* Hours, as they are given: a gap of 48 hours is no 2 days anywhere else. */
Datum
telemetry_sessions_gap(PG_FUNCTION_ARGS)
{
	Interval *interval = palloc0(sizeof(Interval));
	Sessions sessions;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	interval->time = sessions.gap;
	PG_RETURN_INTERVAL_P(interval);
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static SketchMemory
aggregate_memory(FunctionCallInfo fcinfo)
{
	return sketch_memory(aggregate_context(fcinfo));
}

static SessionsAggregate *
state_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : (SessionsAggregate *) PG_GETARG_POINTER(argno);
}

static SessionsAggregate *
new_state(MemoryContext context, int64 gap)
{
	SessionsAggregate *state = MemoryContextAllocZero(context, sizeof(SessionsAggregate));

	sessions_init(&state->sessions, gap);
	return state;
}

/* The gap is looked at once more only where a row gives another one than the row before. */
static SessionsAggregate *
take_gap(FunctionCallInfo fcinfo, SessionsAggregate *state, MemoryContext context)
{
	const Interval *gap;
	int64 length;

	if (PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("gap of a session must not be NULL"),
						errhint("Give an interval such as 30 minutes.")));
	gap = PG_GETARG_INTERVAL_P(2);
	if (likely(state != NULL && memcmp(gap, &state->gap, sizeof(Interval)) == 0))
		return state;
	length = session_length(gap, "gap");
	if (state == NULL)
		state = new_state(context, length);
	check_gap(state->sessions.gap, length);
	state->gap = *gap;
	return state;
}

Datum
telemetry_sessions_agg_add(PG_FUNCTION_ARGS)
{
	SketchMemory memory = aggregate_memory(fcinfo);
	SessionsAggregate *state = take_gap(fcinfo, state_argument(fcinfo, 0), memory.arg);

	if (!PG_ARGISNULL(1))
	{
		int64 time = PG_GETARG_TIMESTAMPTZ(1);

		if (!sessions_add(&state->sessions, &(Session){time, time, 1}, &memory))
			too_many_events();
	}
	PG_RETURN_POINTER(state);
}

Datum
telemetry_sessions_agg_union(PG_FUNCTION_ARGS)
{
	SketchMemory memory = aggregate_memory(fcinfo);
	SessionsAggregate *state = state_argument(fcinfo, 0);
	Sessions other;

	if (!PG_ARGISNULL(1))
	{
		sessions_from_datum(PG_GETARG_DATUM(1), &other);
		if (state == NULL)
			state = new_state(memory.arg, other.gap);
		unite(&state->sessions, &other, &memory);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
telemetry_sessions_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory = aggregate_memory(fcinfo);
	SessionsAggregate *state = state_argument(fcinfo, 0);
	SessionsAggregate *other = state_argument(fcinfo, 1);

	if (other != NULL)
	{
		if (state == NULL)
			state = new_state(memory.arg, other->sessions.gap);
		settle(&other->sessions, &memory);
		unite(&state->sessions, &other->sessions, &memory);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
telemetry_sessions_agg_serialize(PG_FUNCTION_ARGS)
{
	SketchMemory memory = aggregate_memory(fcinfo);
	SessionsAggregate *state = state_argument(fcinfo, 0);

	settle(&state->sessions, &memory);
	return sessions_datum(&state->sessions);
}

Datum
telemetry_sessions_agg_deserialize(PG_FUNCTION_ARGS)
{
	SessionsAggregate *state = palloc0(sizeof(SessionsAggregate));

	(void) aggregate_memory(fcinfo);
	sessions_from_datum(PG_GETARG_DATUM(0), &state->sessions);
	PG_RETURN_POINTER(state);
}

/* NULL where there was no row; of rows without a time, the empty set. */
Datum
telemetry_sessions_agg_final(PG_FUNCTION_ARGS)
{
	SketchMemory memory = aggregate_memory(fcinfo);
	SessionsAggregate *state = state_argument(fcinfo, 0);

	if (state == NULL)
		PG_RETURN_NULL();
	settle(&state->sessions, &memory);
	return sessions_datum(&state->sessions);
}
