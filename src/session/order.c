/*
 * The order that sessions come in. Rows that come by keys and time come by keys, session and time
 * as well: PostgreSQL does not know that _session_start() never goes back, and is told here. So
 * what groups by session above needs no sort and no hash table.
 */
#include "postgres.h"

#include "base/compat.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parse_oper.h"
#include "session/internal.h"
#include "session/scan.h"

static create_upper_paths_hook_type next_hook;

static bool
is_session_start(const TargetEntry *entry, const SessionFunctions *ours)
{
	Oid function;

	if (!IsA(entry->expr, WindowFunc) || entry->ressortgroupref == 0)
		return false;
	function = ((WindowFunc *) entry->expr)->winfnoid;
	return function == ours->start[0] || function == ours->start[1] ||
		   function == ours->start_options[0] || function == ours->start_options[1];
}

/* Is the window that of rewrite.c? Somebody may have written another one by hand. */
static bool
by_time(const WindowClause *window, const WindowFunc *function, List *tlist)
{
	SortGroupClause *order;
	Node *time = linitial(function->args);
	Oid less;

	if (list_length(window->orderClause) != 1)
		return false;
	order = linitial(window->orderClause);
	get_sort_group_operators(exprType(time), true, false, false, &less, NULL, NULL, NULL);
	return order->sortop == less && !order->nulls_first &&
		   equal(get_sortgroupclause_expr(order, tlist), time);
}

/* The column of a subquery of rewrite.c, or NULL. */
static TargetEntry *
session_column(PlannerInfo *root)
{
	const SessionFunctions *ours;
	ListCell *cell;

	if (list_length(root->parse->windowClause) != 1 || (ours = session_functions()) == NULL)
		return NULL;
	foreach (cell, root->processed_tlist)
	{
		TargetEntry *entry = lfirst(cell);

		if (is_session_start(entry, ours) &&
			by_time(linitial(root->parse->windowClause), (WindowFunc *) entry->expr,
					root->processed_tlist))
			return entry;
	}
	return NULL;
}

/* No other window function beside it; somebody may have written one by hand. */
static bool
is_alone(PlannerInfo *root)
{
	WindowFuncLists *functions = find_window_functions((Node *) root->processed_tlist, 1);

	return functions->numWindowFuncs == 1;
}

static void
tell_order(PlannerInfo *root, RelOptInfo *input, RelOptInfo *windowed, const TargetEntry *column)
{
	WindowClause *window = linitial(root->parse->windowClause);
	SortGroupClause *clause = copyObject(linitial_node(SortGroupClause, window->orderClause));
	List *tlist = root->processed_tlist;
	List *keys = make_pathkeys_for_sortclauses(root, window->partitionClause, tlist);
	List *time = make_pathkeys_for_sortclauses(root, window->orderClause, tlist);
	List *before = list_concat_unique_ptr(list_copy(keys), time);
	List *start;
	ListCell *cell;

	clause->tleSortGroupRef = column->ressortgroupref;
	start = make_pathkeys_for_sortclauses(root, list_make1(clause), tlist);
	if (is_alone(root))
		session_scan_add_path(root, input, windowed, (WindowFunc *) column->expr,
							  list_concat(list_concat_unique_ptr(list_copy(keys), start), time));
	foreach (cell, windowed->pathlist)
	{
		Path *path = lfirst(cell);

		if (IsA(path, WindowAggPath) && pathkeys_contained_in(before, path->pathkeys))
			path->pathkeys = list_concat(list_concat_unique_ptr(list_copy(keys), start),
										 list_copy_tail(path->pathkeys, list_length(keys)));
	}
}

static void
add_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
		  void *extra)
{
	TargetEntry *column;

	if (next_hook)
		next_hook(root, stage, input, output, extra);
	if (stage == UPPERREL_WINDOW && (column = session_column(root)) != NULL)
		tell_order(root, input, output, column);
}

void
session_order_init(void)
{
	RegisterCustomScanMethods(&session_scan_methods);
	next_hook = create_upper_paths_hook;
	create_upper_paths_hook = add_paths;
}
