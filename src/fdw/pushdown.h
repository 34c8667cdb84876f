/*
 * Conditions on a message's partition, offset and timestamp: found in a query's plan, and turned
 * into what is fetched from the broker. They remain filters as well, so these bounds may be wider
 * than the condition, never narrower.
 */
#ifndef TELEMETRY_FDW_PUSHDOWN_H
#define TELEMETRY_FDW_PUSHDOWN_H

#include "postgres.h"

#include "base/compat.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/bitmapset.h"
#include "nodes/pathnodes.h"

/* What remains to be fetched. Everything is inclusive. */
typedef struct ScanBounds
{
	bool nothing; /* no message can qualify */
	int64 min_partition;
	int64 max_partition;
	Bitmapset *partitions; /* NULL: all from min to max */
	int64 min_offset;
	int64 max_offset;
	int64 min_timestamp_ms; /* PG_INT64_MIN: any */
} ScanBounds;

/*
 * Looks through the relation's conditions. *exprs: the other sides, for a plan's fdw_exprs;
 * *conditions: what they mean, in the same order, for fdw_private. *rows: the greatest number of
 * messages of one partition, or -1; *partitions: the number of partitions, or -1.
 */
extern void pushdown_find(RelOptInfo *relation, Oid relid, List **exprs, List **conditions,
						  double *rows, double *partitions);

/* Evaluates them. states: of exprs, by ExecInitExprList(). */
extern void pushdown_evaluate(List *conditions, List *exprs, List *states, ExprContext *econtext,
							  ScanBounds *bounds);

extern void pushdown_explain(List *conditions, List *exprs, Plan *plan, ExplainState *es);

#endif
