/*
 * SELECT on a topic: costs, plan and EXPLAIN.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fdw/options.h"
#include "fdw/pushdown.h"
#include "fdw/topic.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

/*
 * Planning asks no broker: it may be slow, or gone, and a plan is made for EXPLAIN and for every
 * use of a view. Without a bound on offsets a partition counts as this long.
 */
#define DEFAULT_MESSAGES   100000.0
#define DEFAULT_PARTITIONS 4.0

/* Reaching the broker and asking for offsets, in units of a page read. */
#define CONNECT_COST 1000.0

/* Decoding a message, in units of an operator. */
#define DECODE_OPERATORS 20.0

typedef struct TopicPlan
{
	List *exprs;
	List *conditions;
	double messages;
} TopicPlan;

static void
topic_rel_size(PlannerInfo *root, RelOptInfo *relation, Oid relid)
{
	TopicPlan *plan = palloc0(sizeof(TopicPlan));
	double messages;
	double partitions;

	pushdown_find(relation, relid, &plan->exprs, &plan->conditions, &messages, &partitions);
	if (messages < 0)
		messages = DEFAULT_MESSAGES;
	if (partitions < 0)
		partitions = DEFAULT_PARTITIONS;
	plan->messages = clamp_row_est(messages * partitions);
	relation->fdw_private = plan;
	relation->tuples = plan->messages;
	set_baserel_size_estimates(root, relation);
}

static void
topic_paths(PlannerInfo *root, RelOptInfo *relation, Oid relid)
{
	TopicPlan *plan = relation->fdw_private;
	Cost startup = CONNECT_COST + relation->baserestrictcost.startup;
	Cost each = cpu_tuple_cost + DECODE_OPERATORS * cpu_operator_cost +
				relation->baserestrictcost.per_tuple;

	add_path(relation, (Path *) compat_create_foreignscan_path(
						   root, relation, relation->rows, startup, startup + each * plan->messages,
						   relation->lateral_relids));
}

static ForeignScan *
topic_plan(PlannerInfo *root, RelOptInfo *relation, Oid relid, ForeignPath *path, List *tlist,
		   List *clauses, Plan *outer)
{
	TopicPlan *plan = relation->fdw_private;

	return make_foreignscan(tlist, extract_actual_clauses(clauses, false), relation->relid,
							plan->exprs, list_make1(plan->conditions), NIL, NIL, outer);
}

static void
topic_explain(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TableOptions table;

	options_read_table(GetForeignTable(RelationGetRelid(node->ss.ss_currentRelation))->options,
					   &table);
	ExplainPropertyText("Topic", table.topic, es);
	pushdown_explain(linitial(plan->fdw_private), plan->fdw_exprs, (Plan *) plan, es);
}

static bool
topic_analyze(Relation relation, AcquireSampleRowsFunc *function, BlockNumber *pages)
{
	ereport(WARNING,
			(errmsg("no statistics are kept about foreign table \"%s\", a Kafka topic",
					RelationGetRelationName(relation)),
			 errdetail("The whole topic would have to be read. Plans assume %.0f messages.",
					   DEFAULT_MESSAGES * DEFAULT_PARTITIONS)));
	return false;
}

void
topic_plan_callbacks(FdwRoutine *routine)
{
	routine->GetForeignRelSize = topic_rel_size;
	routine->GetForeignPaths = topic_paths;
	routine->GetForeignPlan = topic_plan;
	routine->ExplainForeignScan = topic_explain;
	routine->AnalyzeForeignTable = topic_analyze;
}
