/*
 * The newest session of a key, and one that comes:
 *
 *     begins within it  --> merged into it
 *     begins after it   --> takes its place, and it is an earlier one from now on
 *     anything else, or several for the key --> left to the statement; the key is locked
 */
#include "view/session_upsert.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "utils/timestamp.h"
#include "view/session_statement.h"
#include "view/sorted.h"
#include "view/upsert_internal.h"

typedef struct Newcomers
{
	SessionUpsert *result;
	bool several;         /* of the key of delta */
	bool extends;         /* else it takes the newest one's place */
	TupleTableSlot *row;  /* as it is written */
	TupleTableSlot *both; /* two pieces that meet */
	ExprState *next_key;  /* gives the number of a new key */
	TupleTableSlot *past; /* of replaced_desc */
} Newcomers;

/* ---- columns --------------------------------------------------------------------------------- */

static TimestampTz
time_of(const KnownView *view, TupleTableSlot *slot, int behind_count, bool *isnull)
{
	return DatumGetTimestampTz(slot_getattr(slot, view->row.nkeys + 1 + behind_count, isnull));
}

/* The delta as a row of the state, of the key with that number. */
static TupleTableSlot *
delta_with_key(Upsert *upsert, Datum key)
{
	Newcomers *sessions = upsert->argument;
	TupleTableSlot *row = ExecClearTuple(sessions->row);
	int n = upsert->view->ncolumns;

	slot_getallattrs(upsert->delta);
	memcpy(row->tts_values, upsert->delta->tts_values, sizeof(Datum) * n);
	memcpy(row->tts_isnull, upsert->delta->tts_isnull, sizeof(bool) * n);
	row->tts_values[n] = key;
	row->tts_isnull[n] = false;
	return ExecStoreVirtualTuple(row);
}

/* Locks the key until what has several sessions is done: its count is 0, and all else NULL. */
static void
make_placeholder(const KnownView *view, TupleTableSlot *row)
{
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		bool count = strcmp(view->columns[i].kind->name, "count") == 0;

		row->tts_values[i] = Int64GetDatum(0);
		row->tts_isnull[i] = !count;
	}
}

/* ---- the rules ------------------------------------------------------------------------------- */

/* Would the two, merged, have an event that ends sessions before their last one, or be too long? */
static bool
tears(const KnownView *view, TupleTableSlot *one, TupleTableSlot *other)
{
	bool isnull;
	TimestampTz ends[2] = {time_of(view, one, 2, &isnull), time_of(view, other, 2, &isnull)};
	TimestampTz lasts[2] = {time_of(view, one, 3, &isnull), time_of(view, other, 3, &isnull)};

	if (session_is_limited(view) && Max(lasts[0], lasts[1]) > Min(time_of(view, one, 4, &isnull),
																  time_of(view, other, 4, &isnull)))
		return true;
	return (ends[0] == lasts[0] && lasts[1] > lasts[0]) ||
		   (ends[1] == lasts[1] && lasts[0] > lasts[1]);
}

static TupleTableSlot *
change(Upsert *upsert)
{
	Newcomers *sessions = upsert->argument;
	const KnownView *view = upsert->view;
	bool isnull[4];
	TimestampTz start = time_of(view, upsert->delta, 1, &isnull[0]);
	TimestampTz newest_start = time_of(view, upsert->old, 1, &isnull[1]);
	TimestampTz newest_reach = time_of(view, upsert->old, 2, &isnull[2]);

	if (sessions->several || isnull[0] || isnull[1] || isnull[2] || start < newest_start)
		return NULL;
	sessions->extends = start <= newest_reach;
	if (sessions->extends && session_ends(view) && tears(view, upsert->old, upsert->delta))
		return NULL;
	return sessions->extends
			   ? upsert_merged(upsert, upsert->old, upsert->delta)
			   : delta_with_key(upsert, slot_getattr(upsert->old, view->ncolumns + 1, &isnull[3]));
}

static TupleTableSlot *
fresh(Upsert *upsert)
{
	Newcomers *sessions = upsert->argument;
	bool isnull;
	TupleTableSlot *row = delta_with_key(
		upsert, ExecEvalExprSwitchContext(sessions->next_key,
										  GetPerTupleExprContext(upsert->estate), &isnull));

	if (sessions->several)
		make_placeholder(upsert->view, row);
	return row;
}

static void
keep(const KnownView *view, TupleTableSlot *row, Tuplestorestate *store)
{
	if (store == NULL)
		return;
	slot_getallattrs(row);
	tuplestore_putvalues(store, view->desc, row->tts_values, row->tts_isnull);
}

/* The session that was the newest until now. */
static void
keep_replaced(Upsert *upsert)
{
	Newcomers *sessions = upsert->argument;
	TupleTableSlot *past = ExecClearTuple(sessions->past);
	int n = upsert->view->ncolumns;

	slot_getallattrs(upsert->old);
	past->tts_values[0] = upsert->old->tts_values[n];
	past->tts_isnull[0] = false;
	memcpy(past->tts_values + 1, upsert->old->tts_values, sizeof(Datum) * n);
	memcpy(past->tts_isnull + 1, upsert->old->tts_isnull, sizeof(bool) * n);
	tuplestore_puttupleslot(sessions->result->replaced, ExecStoreVirtualTuple(past));
}

static void
done(Upsert *upsert, TupleTableSlot *row)
{
	Newcomers *sessions = upsert->argument;
	SessionUpsert *result = sessions->result;

	if (sessions->several)
		return;
	if (row == NULL)
	{
		keep(upsert->view, upsert->delta, result->otherwise);
		return;
	}
	keep(upsert->view, row, result->new);
	if (TupIsNull(upsert->old))
		return;
	if (sessions->extends)
		keep(upsert->view, upsert->old, result->old);
	else
		keep_replaced(upsert);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/*
 * A piece that meets delta, which is all that came for the key by now, becomes a part of it: false
 * if it does not meet it.
 */
static bool
join_piece(Upsert *upsert, TupleTableSlot *piece)
{
	Newcomers *sessions = upsert->argument;
	const KnownView *view = upsert->view;
	TupleTableSlot *both = ExecClearTuple(sessions->both);
	TupleTableSlot *merged;
	bool isnull[4];
	TimestampTz start = time_of(view, piece, 1, &isnull[0]);
	TimestampTz reach = time_of(view, piece, 2, &isnull[1]);
	TimestampTz other_start = time_of(view, upsert->delta, 1, &isnull[2]);
	TimestampTz other_reach = time_of(view, upsert->delta, 2, &isnull[3]);

	if (session_ends(view) || isnull[0] || isnull[1] || isnull[2] || isnull[3] ||
		start > other_reach || other_start > reach)
		return false;
	merged = upsert_merged(upsert, delta_with_key(upsert, Int64GetDatum(0)), piece);
	slot_getallattrs(merged);
	memcpy(both->tts_values, merged->tts_values, sizeof(Datum) * view->ncolumns);
	memcpy(both->tts_isnull, merged->tts_isnull, sizeof(bool) * view->ncolumns);
	ExecCopySlot(upsert->delta, ExecStoreVirtualTuple(both));
	ResetPerTupleExprContext(upsert->estate);
	return true;
}

/* All that come for one key: the first is in delta, the next key's first will be in next. */
static void
take_key(Upsert *upsert, SortedRows *sorted, TupleTableSlot *next, ExprState *same,
		 ExprContext *context)
{
	Newcomers *sessions = upsert->argument;

	sessions->several = false;
	context->ecxt_outertuple = upsert->delta;
	context->ecxt_innertuple = next;
	while (sorted_next(sorted, next) && ExecQualAndReset(same, context))
	{
		if (!sessions->several && join_piece(upsert, next))
			continue;
		if (!sessions->several)
			keep(upsert->view, upsert->delta, sessions->result->otherwise);
		sessions->several = true;
		keep(upsert->view, next, sessions->result->otherwise);
	}
	upsert_take(upsert);
}

static void
take_all(Upsert *upsert, Tuplestorestate *plus)
{
	TupleTableSlot *next =
		ExecInitExtraTupleSlot(upsert->estate, upsert->view->desc, &TTSOpsMinimalTuple);
	ExprContext *context = CreateExprContext(upsert->estate);
	ExprState *same = upsert_same_group(upsert);
	SortedRows *sorted = sorted_begin(upsert->view, plus, next);

	if (sorted_next(sorted, next))
		while (!TupIsNull(next))
		{
			ExecCopySlot(upsert->delta, next);
			take_key(upsert, sorted, next, same, context);
		}
	ExecClearTuple(upsert->delta);
	sorted_end(sorted);
}

static TupleDesc
describe_replaced(const KnownView *view)
{
	TupleDesc desc = CreateTemplateTupleDesc(view->ncolumns + 1);

	TupleDescInitEntry(desc, 1, "_key", INT8OID, -1, 0);
	for (int i = 1; i <= view->ncolumns; i++)
		TupleDescCopyEntry(desc, i + 1, view->desc, i);
	return desc;
}

bool
session_upsert(KnownView *view, Tuplestorestate *plus, SessionUpsert *result)
{
	static const UpsertRules rules = {.change = change, .fresh = fresh, .done = done};
	Newcomers sessions = {.result = result};
	Upsert upsert = {.view = view, .rules = &rules, .argument = &sessions};
	TupleDesc desc;

	if (!upsert_begin(&upsert))
		return false;
	desc = RelationGetDescr(upsert.state);
	result->replaced_desc = describe_replaced(view);
	result->replaced = tuplestore_begin_heap(false, false, work_mem);
	result->otherwise = tuplestore_begin_heap(false, false, work_mem);
	sessions.row = ExecInitExtraTupleSlot(upsert.estate, desc, &TTSOpsVirtual);
	sessions.both = ExecInitExtraTupleSlot(upsert.estate, view->desc, &TTSOpsVirtual);
	sessions.past = ExecInitExtraTupleSlot(upsert.estate, result->replaced_desc, &TTSOpsVirtual);
	sessions.next_key = ExecPrepareExpr(
		(Expr *) build_column_default(upsert.state, view->ncolumns + 1), upsert.estate);
	take_all(&upsert, plus);
	upsert_end(&upsert);
	return true;
}
