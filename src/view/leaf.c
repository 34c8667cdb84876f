/*
 * Who writes straight into a partition has locked that alone, until his statement is through: only
 * then its rows are collected, in the layout of the table, which is locked for it. Who alters the
 * table has it, and waits for the partition: the two would wait for each other, and mostly the
 * writer would be told of a deadlock. So the table is locked as the statement begins; before COPY
 * and TRUNCATE that is before the partition, otherwise right behind it, as PostgreSQL itself does
 * where it has to look up what may be in the partition.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/view.h"
#include "executor/executor.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "view/known.h"
#include "view/leaf.h"
#include "view/trigger.h"

static ExecutorStart_hook_type next_hook;

static void
lock_table_of(Oid partition)
{
	Oid root;

	if (!get_rel_relispartition(partition) || !view_catalog_exists())
		return;
	root = root_of(partition);
	if (known_views(root) != NIL)
		LockRelationOid(root, AccessShareLock);
}

static void
lock_table_of_named(const RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relation))
		lock_table_of(relation);
}

void
leaf_copy(const CopyStmt *copy)
{
	if (copy->is_from && copy->relation)
		lock_table_of_named(copy->relation);
}

void
leaf_truncate(const TruncateStmt *truncate)
{
	ListCell *cell;

	foreach (cell, truncate->relations)
		lock_table_of_named(lfirst(cell));
}

/* The relation that is named: of a partitioned one, all that are written into are below it. */
static void
lock_for(const PlannedStmt *statement, const Plan *plan)
{
	if (plan && IsA(plan, ModifyTable))
		lock_table_of(
			rt_fetch(((const ModifyTable *) plan)->nominalRelation, statement->rtable)->relid);
}

static void
start(QueryDesc *query, int eflags)
{
	const PlannedStmt *plan = query->plannedstmt;
	ListCell *cell;

	if (plan->resultRelations != NIL && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
	{
		lock_for(plan, plan->planTree);
		/* WITH ... AS (INSERT ...) */
		foreach (cell, plan->subplans)
			lock_for(plan, lfirst(cell));
	}
	if (next_hook)
		next_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
leaf_init(void)
{
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
