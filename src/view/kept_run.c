/*
 * What is kept lives in a context of its own below that of what is known of the view, and goes with
 * it when anything changes. It holds nothing of a transaction between two runs: no snapshot, no
 * relation, no file, no rows. The scan at the bottom is given the rows of each run; after it all
 * nodes are told to begin anew, by which they give up what they held.
 *
 * An error leaves nodes in the midst of something: then all of it is made anew.
 */
#include "view/kept_run.h"

#include "access/table.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "view/generate.h"

/* A hash table begins with so many groups, and grows. */
#define FEW_GROUPS 32

/*
 * One that has grown beyond these rows is cleared, in each run, for longer than it takes to make
 * all anew once few rows come.
 */
#define FEW_ROWS  32
#define MANY_ROWS 500

/* A function that is called once, for all runs: what it gives is kept in memory. */
#define ROWS_OF_CONSTANT 100

typedef struct KeptRun
{
	MemoryContext context;
	Tuplestorestate *none; /* what the scan is over between two runs */
	NamedTuplestoreScanState *scan;
	QueryDesc *query;
	int64 most;   /* rows of a run so far */
	bool running; /* also after an error in the midst of it */
} KeptRun;

/* ---- which plans ----------------------------------------------------------------------------- */

/*
 * Its result goes when what it depends on changes; where it depends on nothing, it stays, which may
 * neither be in a file nor be another by the next run.
 */
static bool
function_can_be_kept(const FunctionScan *node)
{
	ListCell *cell;

	foreach (cell, node->functions)
	{
		const RangeTblFunction *function = lfirst(cell);

		if (bms_is_empty(function->funcparams) && (node->scan.plan.plan_rows > ROWS_OF_CONSTANT ||
												   contain_mutable_functions(function->funcexpr)))
			return false;
	}
	return true;
}

/* Nodes that, told to begin anew, give up all that they hold. scans: of the rows, among them. */
static bool
node_can_be_kept(const Plan *node, int *scans)
{
	if (node == NULL)
		return true;
	if (node->initPlan != NIL)
		return false;
	switch (nodeTag(node))
	{
		case T_Agg:
		case T_Sort:
		case T_Result:
		case T_NestLoop:
		case T_Material:
			break;
		case T_FunctionScan:
			if (!function_can_be_kept((const FunctionScan *) node))
				return false;
			break;
		case T_NamedTuplestoreScan:
			(*scans)++;
			break;
		default:
			return false;
	}
	return node_can_be_kept(node->lefttree, scans) && node_can_be_kept(node->righttree, scans);
}

static bool
can_be_kept(const PlannedStmt *plan)
{
	int scans = 0;

	return plan->subplans == NIL && plan->rowMarks == NIL &&
		   node_can_be_kept(plan->planTree, &scans) && scans == 1;
}

/* A hash table that was estimated for a large batch would be cleared after each row. */
static void
expect_few_groups(Plan *node)
{
	if (node == NULL)
		return;
	if (IsA(node, Agg))
		((Agg *) node)->numGroups = Min(((Agg *) node)->numGroups, FEW_GROUPS);
	expect_few_groups(node->lefttree);
	expect_few_groups(node->righttree);
}

/* What is compiled goes with the transaction. */
static PlannedStmt *
plan_for_few_rows(const PlannedStmt *original)
{
	PlannedStmt *plan = copyObject(unconstify(PlannedStmt *, original));

	plan->jitFlags = 0;
	expect_few_groups(plan->planTree);
	return plan;
}

/* ---- making it ------------------------------------------------------------------------------- */

static NamedTuplestoreScanState *
find_scan(PlanState *node)
{
	NamedTuplestoreScanState *found;

	if (node == NULL || IsA(node, NamedTuplestoreScanState))
		return (NamedTuplestoreScanState *) node;
	found = find_scan(outerPlanState(node));
	return found ? found : find_scan(innerPlanState(node));
}

static KeptRun *
make_run(const KnownView *view, const PlannedStmt *plan, Oid relation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry kept executor",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KeptRun *run = palloc0(sizeof(KeptRun));
	EphemeralNamedRelation named = palloc0(sizeof(EphemeralNamedRelationData));
	QueryEnvironment *environment = create_queryEnv();
	Relation layout = table_open(relation, AccessShareLock);

	run->context = context;
	run->none = tuplestore_begin_heap(true, false, work_mem);
	named->md.name = pstrdup(DELTA_ROWS);
	/*
	 * A copy, for the relation's own would be pinned by this transaction; with what stands for
	 * columns that were added after a row was written, which the rows do not have.
	 */
	named->md.tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(layout));
	named->md.enrtype = ENR_NAMED_TUPLESTORE;
	named->md.enrtuples = 1;
	named->reldata = run->none;
	register_ENR(environment, named);
	table_close(layout, NoLock);
	run->query = CreateQueryDesc(plan_for_few_rows(plan), "", InvalidSnapshot, InvalidSnapshot,
								 None_Receiver, NULL, environment, 0);
	ExecutorStart(run->query, 0);
	run->scan = find_scan(run->query->planstate);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, view->context);
	return run;
}

/* ---- running it ------------------------------------------------------------------------------ */

/* A store's first position is free for whoever reads it whole; others could not be given back. */
static void
read_from(KeptRun *run, Tuplestorestate *rows)
{
	run->scan->relation = rows;
	run->scan->readptr = 0;
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
}

static void
mark_changed(PlanState *node, int nparams)
{
	if (node == NULL)
		return;
	node->chgParam = bms_add_range(node->chgParam, 0, Max(nparams - 1, 0));
	mark_changed(outerPlanState(node), nparams);
	mark_changed(innerPlanState(node), nparams);
}

/* From the top down: a node gives up what it has of one below it that has something new. */
static void
rescan(PlanState *node)
{
	if (node == NULL)
		return;
	ExecReScan(node);
	rescan(outerPlanState(node));
	rescan(innerPlanState(node));
}

/* The nodes are told that what they read is another: else a hash table would be read once more. */
static void
begin_anew(const QueryDesc *query)
{
	mark_changed(query->planstate, list_length(query->plannedstmt->paramExecTypes));
	rescan(query->planstate);
}

static void
run_over(KeptRun *run, Tuplestorestate *rows, DestReceiver *receiver)
{
	EState *estate = run->query->estate;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	TupleTableSlot *slot;

	run->running = true;
	run->most = Max(run->most, tuplestore_tuple_count(rows));
	read_from(run, rows);
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
	read_from(run, run->none);
	begin_anew(run->query);
	estate->es_snapshot = InvalidSnapshot;
	run->running = false;
	MemoryContextSwitchTo(old);
}

bool
kept_run(KeptRun **kept, const KnownView *view, const PlannedStmt *plan, Oid relation,
		 Tuplestorestate *rows, DestReceiver *receiver)
{
	KeptRun *run = *kept;

	if (run &&
		(run->running || (run->most > MANY_ROWS && tuplestore_tuple_count(rows) <= FEW_ROWS)))
	{
		MemoryContextDelete(run->context);
		*kept = NULL;
	}
	if (*kept == NULL)
	{
		if (!can_be_kept(plan))
			return false;
		*kept = make_run(view, plan, relation);
	}
	run_over(*kept, rows, receiver);
	return true;
}
