/*
 * A continuous view is, to PostgreSQL, a simple view over its state table, and a simple view can be
 * written through: UPDATE of the view would change the state, and the view no longer equal its
 * query.
 *
 * The planner's hook sees what the rewriter has made of every such statement: the target is the
 * state table by then, and the view is still in the range table, as a relation that is not read.
 * (One that is read has become a subquery.) So views over the view, stored statements and those
 * within WITH are seen as well, and our own statements, which name the state table, are not
 * concerned.
 */
#include "postgres.h"

#include "base/name.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "nodes/parsenodes.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "view/read_only.h"

static planner_hook_type next_hook;

static void
refuse_write(const Query *query)
{
	Oid target = rt_fetch(query->resultRelation, query->rtable)->relid;
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst(cell);
		ViewRow *row;

		if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
			continue;
		row = view_by_oid(rte->relid, CurrentMemoryContext);
		/* A rule or trigger of the user's may lead elsewhere, to what the view follows. */
		if (row == NULL || row->state != target)
			continue;
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot change continuous view \"%s\"", get_rel_name(rte->relid)),
						errdetail("It always equals its query."),
						errhint("Change what it follows, %s.", qualified_name(row->target))));
	}
}

static void
check(const Query *query)
{
	ListCell *cell;

	if (query->commandType == CMD_UTILITY)
		return;
	if (query->commandType != CMD_SELECT)
		refuse_write(query);
	/* Only those of the outermost WITH can write. */
	foreach (cell, query->cteList)
	{
		Query *part = (Query *) ((CommonTableExpr *) lfirst(cell))->ctequery;

		if (part->commandType != CMD_SELECT)
			refuse_write(part);
	}
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo params)
{
	check(query);
	return (next_hook ? next_hook : standard_planner)(query, text, options, params);
}

void
read_only_init(void)
{
	next_hook = planner_hook;
	planner_hook = plan;
}
