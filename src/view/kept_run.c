/*
 * What is kept lives in a context of its own below that of what is known of the view, and goes with
 * it when anything changes. It holds nothing of a transaction between two runs: no snapshot, no
 * relation, no file. Rows are copied into a store of its own, which is in memory whatever it
 * takes; after each run the nodes are told to begin anew, by which they give up what they held.
 *
 * An error leaves nodes in the midst of something: then all of it is made anew.
 */
#include "view/kept_run.h"

#include "access/table.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "view/generate.h"

typedef struct KeptRun
{
	MemoryContext context;
	Tuplestorestate *rows;
	TupleTableSlot *slot; /* of rows */
	QueryDesc *query;
	bool running; /* also after an error in the midst of it */
} KeptRun;

/* Nodes of which each has one below it, down to the rows; what they keep, they can give up. */
static bool
can_be_kept(const PlannedStmt *plan)
{
	if (plan->subplans != NIL || plan->rowMarks != NIL)
		return false;
	for (const Plan *node = plan->planTree; node; node = node->lefttree)
	{
		if (node->initPlan != NIL || node->righttree)
			return false;
		switch (nodeTag(node))
		{
			case T_Agg:
			case T_Sort:
			case T_Result:
				break;
			case T_NamedTuplestoreScan:
				return node->lefttree == NULL;
			default:
				return false;
		}
	}
	return false;
}

/*
 * A hash table that was estimated for a large batch would be cleared after each row. What is
 * compiled goes with the transaction.
 */
static PlannedStmt *
plan_for_few_rows(PlannedStmt *original)
{
	PlannedStmt *plan = copyObject(original);

	plan->jitFlags = 0;
	for (Plan *node = plan->planTree; node; node = node->lefttree)
		if (IsA(node, Agg))
			((Agg *) node)->numGroups = Min(((Agg *) node)->numGroups, ROWS_FOR_KEPT_RUN);
	return plan;
}

static KeptRun *
make_run(const KnownView *view)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry kept executor",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KeptRun *run = palloc0(sizeof(KeptRun));
	EphemeralNamedRelation named = palloc0(sizeof(EphemeralNamedRelationData));
	QueryEnvironment *environment = create_queryEnv();
	Relation target = table_open(view->row.target, AccessShareLock);

	run->context = context;
	run->rows = tuplestore_begin_heap(true, false, MAX_KILOBYTES);
	named->md.name = pstrdup(DELTA_ROWS);
	/*
	 * A copy, for the relation's own would be pinned by this transaction; with what stands for
	 * columns that were added after a row was written, which the rows do not have.
	 */
	named->md.tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(target));
	named->md.enrtype = ENR_NAMED_TUPLESTORE;
	named->md.enrtuples = 1;
	named->reldata = run->rows;
	register_ENR(environment, named);
	run->slot = MakeSingleTupleTableSlot(named->md.tupdesc, &TTSOpsMinimalTuple);
	table_close(target, NoLock);
	run->query = CreateQueryDesc(plan_for_few_rows(view->plan), "", InvalidSnapshot,
								 InvalidSnapshot, None_Receiver, NULL, environment, 0);
	ExecutorStart(run->query, 0);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, view->context);
	return run;
}

/* The nodes are told that what they read is another: else a hash table would be read once more. */
static void
begin_anew(PlanState *plan)
{
	for (PlanState *node = plan; node; node = outerPlanState(node))
		if (node->chgParam == NULL)
			node->chgParam = bms_make_singleton(0);
	ExecReScan(plan);
}

static void
run_over(KeptRun *run, Tuplestorestate *rows, DestReceiver *receiver)
{
	EState *estate = run->query->estate;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	TupleTableSlot *slot;

	run->running = true;
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, run->slot))
		tuplestore_puttupleslot(run->rows, run->slot);
	ExecClearTuple(run->slot);
	estate->es_snapshot = GetActiveSnapshot();
	receiver->rStartup(receiver, CMD_SELECT, run->query->tupDesc);
	for (;;)
	{
		ResetPerTupleExprContext(estate);
		slot = ExecProcNode(run->query->planstate);
		if (TupIsNull(slot))
			break;
		/* Keys that the query does not show, as where a session view's stretch of time begins. */
		if (estate->es_junkFilter)
			slot = ExecFilterJunk(estate->es_junkFilter, slot);
		(void) receiver->receiveSlot(slot, receiver);
	}
	receiver->rShutdown(receiver);
	begin_anew(run->query->planstate);
	tuplestore_clear(run->rows);
	estate->es_snapshot = InvalidSnapshot;
	run->running = false;
	MemoryContextSwitchTo(old);
}

bool
kept_run(KnownView *view, Tuplestorestate *rows, DestReceiver *receiver)
{
	if (view->run && view->run->running)
	{
		MemoryContextDelete(view->run->context);
		view->run = NULL;
	}
	if (view->run == NULL)
	{
		if (!can_be_kept(view->plan))
			return false;
		view->run = make_run(view);
	}
	run_over(view->run, rows, receiver);
	return true;
}
