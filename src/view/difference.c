/*
 * What comes into the groups of a view and what goes from them, as one row to be merged into each.
 *
 * A view over sessions is told of each session that goes on as it was and as it is, in every batch.
 * Statements write the row of a group twice for it, to lock it and to merge. Here the two are put
 * together first, and the row is written once, as upsert.c does it. It is found out before anything
 * is written whether each value that goes can be taken away: where one cannot, none is.
 */
#include "view/difference.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "rewrite/rewriteManip.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "view/generate.h"
#include "view/plain.h"
#include "view/sorted.h"
#include "view/statement.h"
#include "view/upsert_internal.h"

typedef struct Difference
{
	Upsert upsert;
	TupleTableSlot *row;     /* that comes or goes */
	TupleTableSlot *group;   /* what came and went of its group by now */
	ProjectionInfo *negated; /* of row */
	ExprState *unsafe;       /* whether row cannot be taken away */
	ExprState **extremes;    /* by column: the extreme of group and row; NULL: it has none */
	ExprState *same_group;
	Tuplestorestate *deltas; /* a row for each group, in order */
} Difference;

/* ---- whether it can be done, and by what expressions ----------------------------------------- */

/* Rows that came in the same transaction could be the extreme that a group has no more. */
static bool
can_be_taken_away(const KnownView *view, bool apart)
{
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (column->kind->negate == NULL && !(apart && statement_is_extreme(column)))
			return false;
	}
	return true;
}

/* A row that takes away another, and behind its columns whether that cannot be. */
static List *
make_negation(const KnownView *view)
{
	char *sql = generate_negation(view);
	Query *query = parse_analyze_fixedparams(
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)), sql, NULL, 0, NULL);
	ListCell *cell;

	ChangeVarNodes((Node *) query->targetList, 1, OUTER_VAR, 0);
	foreach (cell, query->targetList)
	{
		TargetEntry *entry = lfirst(cell);
		int i = foreach_current_index(cell);

		entry->expr = expression_planner(entry->expr);
		if (i < view->ncolumns &&
			exprType((Node *) entry->expr) != TupleDescAttr(view->desc, i)->atttypid)
			return NIL;
	}
	return query->targetList;
}

/* Kept as the expressions that merge. */
static bool
know_negation(KnownView *view)
{
	MemoryContext old;
	List *negation;

	if (view->negation_known)
		return view->negation != NIL;
	negation = make_negation(view);
	old = MemoryContextSwitchTo(view->context);
	view->negation = copyObject(negation);
	MemoryContextSwitchTo(old);
	view->plain_state = view->plain_state && plain_expressions(negation);
	view->negation_known = true;
	return view->negation != NIL;
}

static void
prepare(Difference *difference)
{
	EState *estate = difference->upsert.estate;
	const KnownView *view = difference->upsert.view;
	List *negation = list_copy_head(view->negation, view->ncolumns);
	TargetEntry *unsafe = llast_node(TargetEntry, view->negation);

	difference->row = ExecInitExtraTupleSlot(estate, view->desc, &TTSOpsMinimalTuple);
	difference->group = ExecInitExtraTupleSlot(estate, view->desc, &TTSOpsMinimalTuple);
	difference->negated = ExecBuildProjectionInfo(
		negation, GetPerTupleExprContext(estate),
		ExecInitExtraTupleSlot(estate, view->desc, &TTSOpsVirtual), NULL, NULL);
	difference->unsafe = ExecInitExpr(unsafe->expr, NULL);
	difference->same_group = upsert_same_group(&difference->upsert);
	difference->extremes = palloc0(sizeof(ExprState *) * view->ncolumns);
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
		if (view->columns[i].kind->negate == NULL)
			difference->extremes[i] =
				ExecInitExpr(((TargetEntry *) list_nth(view->merges, i))->expr, NULL);
	difference->deltas = tuplestore_begin_heap(false, false, work_mem);
}

/* ---- gathering ------------------------------------------------------------------------------- */

/* The group loses nothing by a value that is less of an extreme than one which comes. */
static bool
keeps_extreme(Difference *difference, int i, ExprContext *context)
{
	Form_pg_attribute attribute = TupleDescAttr(difference->upsert.view->desc, i);
	Datum comes;
	Datum extreme;
	bool isnull;

	if (slot_attisnull(difference->row, i + 1))
		return true;
	if (TupIsNull(difference->group))
		return false;
	comes = slot_getattr(difference->group, i + 1, &isnull);
	if (isnull)
		return false;
	extreme = ExecEvalExprSwitchContext(difference->extremes[i], context, &isnull);
	return !isnull && datum_image_eq(comes, extreme, attribute->attbyval, attribute->attlen);
}

/* group has all that comes, and of extremes nothing else. */
static bool
may_go(Difference *difference)
{
	ExprContext *context = GetPerTupleExprContext(difference->upsert.estate);
	bool isnull;

	context->ecxt_outertuple = difference->row;
	if (DatumGetBool(ExecEvalExprSwitchContext(difference->unsafe, context, &isnull)))
		return false;
	context->ecxt_outertuple = difference->group;
	context->ecxt_innertuple = difference->row;
	for (int i = 0; i < difference->upsert.view->ncolumns; i++)
		if (difference->extremes[i] && !keeps_extreme(difference, i, context))
			return false;
	return true;
}

/* What merging the row means: itself if it comes, its negation if it goes. */
static TupleTableSlot *
meaning(Difference *difference, bool goes)
{
	if (!goes)
		return difference->row;
	difference->negated->pi_exprContext->ecxt_outertuple = difference->row;
	return ExecProject(difference->negated);
}

static bool
is_same_group(Difference *difference)
{
	ExprContext *context = GetPerTupleExprContext(difference->upsert.estate);

	context->ecxt_outertuple = difference->group;
	context->ecxt_innertuple = difference->row;
	return ExecQual(difference->same_group, context);
}

/* The row at hand goes into its group. False if it cannot be taken away. */
static bool
gather_row(Difference *difference, bool goes)
{
	TupleTableSlot *group = difference->group;
	TupleTableSlot *meant;

	if (!TupIsNull(group) && !is_same_group(difference))
	{
		tuplestore_puttupleslot(difference->deltas, group);
		ExecClearTuple(group);
	}
	if (goes && !may_go(difference))
		return false;
	meant = meaning(difference, goes);
	ExecCopySlot(group,
				 TupIsNull(group) ? meant : upsert_merged(&difference->upsert, group, meant));
	ResetPerTupleExprContext(difference->upsert.estate);
	return true;
}

/* False if the state cannot be told what goes, or rows do not fit into memory. */
static bool
gather(Difference *difference, const PendingView *pending)
{
	SortedRows *sorted =
		sorted_begin_both(difference->upsert.view, pending->plus, pending->minus, difference->row);
	bool possible = sorted != NULL;

	while (possible && sorted_next(sorted, difference->row))
	{
		CHECK_FOR_INTERRUPTS();
		possible = gather_row(difference, sorted_is_minus(sorted));
	}
	if (possible && !TupIsNull(difference->group))
		tuplestore_puttupleslot(difference->deltas, difference->group);
	ExecClearTuple(difference->row);
	ExecClearTuple(difference->group);
	if (sorted)
		sorted_end(sorted);
	return possible;
}

/* ---- merging --------------------------------------------------------------------------------- */

bool
difference_upsert(KnownView *view, const PendingView *pending, Tuplestorestate *old,
				  Tuplestorestate *new)
{
	BeforeAndAfter change = {.old = old, .new = new};
	Difference difference = {
		.upsert = {
			.view = view, .rules = &upsert_keeping_both, .argument = &change, .takes_away = true}};
	Upsert *upsert = &difference.upsert;
	bool possible;

	if (pending->emptied || !can_be_taken_away(view, pending->apart) || !upsert_begin(upsert))
		return false;
	possible = know_negation(view);
	if (possible)
	{
		prepare(&difference);
		possible = gather(&difference, pending);
		tuplestore_rescan(difference.deltas);
		while (possible && tuplestore_gettupleslot(difference.deltas, true, false, upsert->delta))
			upsert_take(upsert);
		ExecClearTuple(upsert->delta);
		tuplestore_end(difference.deltas);
	}
	upsert_end(upsert);
	return possible;
}
