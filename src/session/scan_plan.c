/*
 * Where session windows are read by a plan node of our own (scan.c), in the place of PostgreSQL's
 * Sort and WindowAgg: of rows that do not come by keys and time already. Costs decide.
 */
#include "postgres.h"

#include "session/scan.h"

#include <math.h>

#include "base/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/tlist.h"
#include "session/internal.h"
#include "session/sort.h"
#include "utils/lsyscache.h"

/* ---- the plan ------------------------------------------------------------------------------- */

/* The columns are those of the path below, which are made exactly as they are asked for. */
static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *plans)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan *child = linitial(plans);
	WindowFunc *start = linitial(path->custom_private);
	List *columns = NIL;
	ListCell *cell;

	foreach (cell, child->targetlist)
		columns = lappend(columns, makeTargetEntry(copyObject(((TargetEntry *) lfirst(cell))->expr),
												   list_length(columns) + 1, NULL, false));
	scan->custom_scan_tlist =
		lappend(columns,
				makeTargetEntry(copyObject((Expr *) start), list_length(columns) + 1, NULL, false));
	scan->custom_exprs = copyObject(start->args);
	scan->custom_private = list_copy_tail(path->custom_private, 1);
	scan->custom_plans = plans;
	scan->scan.plan.targetlist = tlist;
	scan->flags = path->flags;
	scan->methods = &session_scan_methods;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {.CustomName = "TelemetrySessions",
											   .PlanCustomPath = make_plan};

/* ---- the path ------------------------------------------------------------------------------- */

/* Appends to the lists what a key's place and order are; false: it is no column below. */
static bool
add_key(PlannerInfo *root, const Path *below, SortGroupClause *clause, List **lists)
{
	Node *expr = get_sortgroupclause_expr(clause, root->processed_tlist);
	int column = 0;
	ListCell *cell;

	foreach (cell, below->pathtarget->exprs)
	{
		if (equal(lfirst(cell), expr))
		{
			lists[SESSION_SCAN_COLUMNS] = lappend_int(lists[SESSION_SCAN_COLUMNS], column);
			lists[SESSION_SCAN_OPERATORS] =
				lappend_oid(lists[SESSION_SCAN_OPERATORS], clause->sortop);
			lists[SESSION_SCAN_COLLATIONS] =
				lappend_oid(lists[SESSION_SCAN_COLLATIONS], exprCollation(expr));
			lists[SESSION_SCAN_NULLS_FIRST] =
				lappend_int(lists[SESSION_SCAN_NULLS_FIRST], clause->nulls_first);
			return true;
		}
		column++;
	}
	return false;
}

static double
bytes_of(const Path *below)
{
	double row = MAXALIGN(below->pathtarget->width) + 16 +
				 sizeof(Datum) * list_length(below->pathtarget->exprs);

	return below->rows * row;
}

/*
 * As PostgreSQL's sort, but that a comparison within the cache costs half of one without; and no
 * row is put into a tuplestore and taken from it again, as WindowAgg does.
 */
static void
add_cost(PlannerInfo *root, const Path *below, double bytes, WindowFunc *start, Path *path)
{
	double rows = Max(below->rows, 2.0);
	QualCost arguments;

	compat_cost_sort(path, root, below, work_mem);
	if (bytes <= work_mem * 1024.0)
	{
		path->startup_cost = below->total_cost + cpu_operator_cost * rows * log2(rows);
		path->total_cost = path->startup_cost + cpu_operator_cost * rows;
	}
	cost_qual_eval(&arguments, start->args, root);
	path->startup_cost += arguments.startup + path->pathtarget->cost.startup;
	path->total_cost +=
		arguments.startup + path->pathtarget->cost.startup +
		rows * (cpu_operator_cost + arguments.per_tuple + path->pathtarget->cost.per_tuple);
	path->rows = below->rows;
}

void
session_scan_add_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *windowed, WindowFunc *start,
					  List *pathkeys)
{
	WindowClause *window = linitial(root->parse->windowClause);
	Path *below = input->cheapest_total_path;
	CustomPath *path;
	List *lists[SESSION_SCAN_BYTES] = {NIL};
	ListCell *cell;
	double bytes;

	if (!enable_sort || windowed->pathlist == NIL || below->param_info != NULL ||
		list_length(below->pathtarget->exprs) > SESSION_SORT_COLUMNS)
		return;
	foreach (cell, window->partitionClause)
		if (!add_key(root, below, lfirst(cell), lists))
			return;
	if (!add_key(root, below, linitial(window->orderClause), lists))
		return;
	bytes = bytes_of(below);
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = windowed;
	path->path.pathtarget = ((Path *) linitial(windowed->pathlist))->pathtarget;
	path->path.parallel_safe = windowed->consider_parallel && below->parallel_safe;
	path->path.pathkeys = pathkeys;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(below);
	path->custom_private =
		lappend(list_make5(start, lists[SESSION_SCAN_COLUMNS], lists[SESSION_SCAN_OPERATORS],
						   lists[SESSION_SCAN_COLLATIONS], lists[SESSION_SCAN_NULLS_FIRST]),
				makeFloat(psprintf("%.0f", bytes)));
	path->methods = &path_methods;
	add_cost(root, below, bytes, start, &path->path);
	add_path(windowed, &path->path);
}
