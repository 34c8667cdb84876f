/*
 * Reads all rows below, sorts them by keys and time, and says of each in which session it is: what
 * PostgreSQL does by a Sort and a WindowAgg over _session_start(). Memory: work_mem.
 */
#include "postgres.h"

#include "session/scan.h"

#include "base/compat.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "session/advance.h"
#include "session/internal.h"
#include "session/sort.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

typedef struct SessionScan
{
	CustomScanState custom; /* first: what PostgreSQL knows of it */
	MemoryContext memory;   /* of sort */
	SessionSort *sort;      /* NULL: nothing has been read yet */
	SessionSortKey *keys;
	int n_keys;
	double expected; /* bytes */
	int n_arguments;
	ExprState *arguments[4]; /* of _session_start() */
	SessionState state;
} SessionScan;

static PlanState *
child_of(SessionScan *scan)
{
	return linitial(scan->custom.custom_ps);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void
read_and_sort(SessionScan *scan)
{
	PlanState *child = child_of(scan);
	MemoryContext before = MemoryContextSwitchTo(scan->memory);

	scan->sort =
		session_sort_begin(ExecGetResultType(child), scan->keys, scan->n_keys, scan->expected);
	MemoryContextSwitchTo(before);
	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(child);

		if (TupIsNull(slot))
			break;
		CHECK_FOR_INTERRUPTS();
		session_sort_put(scan->sort, slot);
	}
	session_sort_perform(scan->sort);
}

static NullableDatum
argument(SessionScan *scan, int n)
{
	NullableDatum value;

	value.value = ExecEvalExprSwitchContext(scan->arguments[n], scan->custom.ss.ps.ps_ExprContext,
											&value.isnull);
	return value;
}

/* The last column of the slot, whose others are there. */
static void
find_session(SessionScan *scan, TupleTableSlot *slot, bool same_keys)
{
	AttrNumber time = scan->keys[scan->n_keys - 1].column;
	AttrNumber start = slot->tts_tupleDescriptor->natts - 1;
	NullableDatum ends = {.isnull = true};

	if (!same_keys)
	{
		scan->state.begun = false;
		scan->state.length = 0;
	}
	slot->tts_isnull[start] = slot->tts_isnull[time];
	slot->tts_values[start] = (Datum) 0;
	if (slot->tts_isnull[time])
		return;
	session_set_gap(&scan->state, argument(scan, 1));
	if (scan->n_arguments > 2)
	{
		if (scan->state.length == 0)
			session_set_length(&scan->state, argument(scan, 3));
		ends = argument(scan, 2);
	}
	slot->tts_values[start] =
		Int64GetDatum(session_advance(&scan->state, DatumGetInt64(slot->tts_values[time]),
									  !ends.isnull && DatumGetBool(ends.value)));
}

static TupleTableSlot *
next_row(CustomScanState *custom)
{
	SessionScan *scan = (SessionScan *) custom;
	TupleTableSlot *slot = custom->ss.ss_ScanTupleSlot;
	ExprContext *context = custom->ss.ps.ps_ExprContext;
	bool same_keys;

	CHECK_FOR_INTERRUPTS();
	if (scan->sort == NULL)
		read_and_sort(scan);
	ResetExprContext(context);
	ExecClearTuple(slot);
	if (!session_sort_next(scan->sort, slot->tts_values, slot->tts_isnull, &same_keys))
		return custom->ss.ps.ps_ProjInfo ? ExecClearTuple(custom->ss.ps.ps_ResultTupleSlot) : slot;
	/* The arguments see the columns; the session's start is not among what they need. */
	slot->tts_isnull[slot->tts_tupleDescriptor->natts - 1] = true;
	ExecStoreVirtualTuple(slot);
	context->ecxt_scantuple = slot;
	find_session(scan, slot, same_keys);
	return custom->ss.ps.ps_ProjInfo ? ExecProject(custom->ss.ps.ps_ProjInfo) : slot;
}

/* ---- begin and end -------------------------------------------------------------------------- */

static void
begin(CustomScanState *custom, EState *estate, int flags)
{
	SessionScan *scan = (SessionScan *) custom;
	CustomScan *plan = (CustomScan *) custom->ss.ps.plan;
	List *columns = list_nth(plan->custom_private, SESSION_SCAN_COLUMNS);
	List *operators = list_nth(plan->custom_private, SESSION_SCAN_OPERATORS);
	List *collations = list_nth(plan->custom_private, SESSION_SCAN_COLLATIONS);
	List *nulls_first = list_nth(plan->custom_private, SESSION_SCAN_NULLS_FIRST);
	ListCell *cell;
	int i;

	custom->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate, flags));
	scan->n_keys = list_length(columns);
	scan->keys = palloc(sizeof(SessionSortKey) * scan->n_keys);
	for (i = 0; i < scan->n_keys; i++)
	{
		scan->keys[i].column = list_nth_int(columns, i);
		scan->keys[i].sort_operator = list_nth_oid(operators, i);
		scan->keys[i].collation = list_nth_oid(collations, i);
		scan->keys[i].nulls_first = list_nth_int(nulls_first, i) != 0;
	}
	scan->expected = floatVal(list_nth(plan->custom_private, SESSION_SCAN_BYTES));
	foreach (cell, plan->custom_exprs)
		scan->arguments[scan->n_arguments++] = ExecInitExpr(lfirst(cell), &custom->ss.ps);
	scan->memory =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry sessions", ALLOCSET_DEFAULT_SIZES);
}

static void
forget(SessionScan *scan)
{
	ExecClearTuple(scan->custom.ss.ss_ScanTupleSlot);
	if (scan->sort)
		session_sort_end(scan->sort);
	scan->sort = NULL;
	MemoryContextReset(scan->memory);
	memset(&scan->state, 0, sizeof(SessionState));
}

static void
end(CustomScanState *custom)
{
	forget((SessionScan *) custom);
	ExecEndNode(child_of((SessionScan *) custom));
}

static void
rescan(CustomScanState *custom)
{
	PlanState *child = child_of((SessionScan *) custom);

	forget((SessionScan *) custom);
	if (custom->ss.ps.chgParam)
		UpdateChangedParamSet(child, custom->ss.ps.chgParam);
	/* With changed parameters it does so by itself, before it gives its first row. */
	if (child->chgParam == NULL)
		ExecReScan(child);
}

/* ---- EXPLAIN -------------------------------------------------------------------------------- */

static void
explain_keys(SessionScan *scan, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) scan->custom.ss.ps.plan;
	List *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	bool prefix = list_length(es->rtable) > 1 || es->verbose;
	List *names = NIL;
	int i;

	for (i = 0; i < scan->n_keys; i++)
	{
		TargetEntry *column = list_nth(plan->custom_scan_tlist, scan->keys[i].column);

		names = lappend(names, deparse_expression((Node *) column->expr, context, prefix, false));
	}
	ExplainPropertyList("Session Key", names, es);
}

static void
explain(CustomScanState *custom, List *ancestors, ExplainState *es)
{
	SessionScan *scan = (SessionScan *) custom;
	bool on_disk;
	int64 space;

	explain_keys(scan, ancestors, es);
	if (!es->analyze || scan->sort == NULL)
		return;
	space = session_sort_space(scan->sort, &on_disk);
	ExplainPropertyText("Sort Space Type", on_disk ? "Disk" : "Memory", es);
	ExplainPropertyInteger("Sort Space Used", "kB", space, es);
}

/* ---- what PostgreSQL calls ------------------------------------------------------------------ */

static const CustomExecMethods exec_methods = {.CustomName = "TelemetrySessions",
											   .BeginCustomScan = begin,
											   .ExecCustomScan = next_row,
											   .EndCustomScan = end,
											   .ReScanCustomScan = rescan,
											   .ExplainCustomScan = explain};

/*
 * The planner finds the session's start by the window function that it is. From here on the entry
 * serves EXPLAIN alone, which from 18 on wants to find a WindowAgg to a window function: so it
 * becomes a plain call.
 */
static void
show_plain_call(CustomScan *plan)
{
	TargetEntry *entry = llast_node(TargetEntry, plan->custom_scan_tlist);
	WindowFunc *start = (WindowFunc *) entry->expr;
	MemoryContext before;

	if (!IsA(start, WindowFunc))
		return;
	before = MemoryContextSwitchTo(GetMemoryChunkContext(plan));
	entry->expr = (Expr *) makeFuncExpr(start->winfnoid, start->wintype, copyObject(start->args),
										start->wincollid, start->inputcollid, COERCE_EXPLICIT_CALL);
	MemoryContextSwitchTo(before);
}

static Node *
create_state(CustomScan *plan)
{
	SessionScan *scan = (SessionScan *) newNode(sizeof(SessionScan), T_CustomScanState);

	show_plain_call(plan);
	scan->custom.methods = &exec_methods;
	return (Node *) scan;
}

const CustomScanMethods session_scan_methods = {.CustomName = "TelemetrySessions",
												.CreateCustomScanState = create_state};
