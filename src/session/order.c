/*
 * The order that sessions come in. Rows that come by keys and time come by keys, session and time
 * as well: PostgreSQL does not know that _session_start() never goes back, and is told here. So
 * what groups by session above needs no sort and no hash table.
 */
#include "postgres.h"

#include "base/compat.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "session/internal.h"

static create_upper_paths_hook_type next_hook;

/* The column of a subquery of rewrite.c, or NULL. */
static TargetEntry *
session_column(PlannerInfo *root)
{
	const SessionFunctions *ours;
	TargetEntry *entry;
	Oid function;

	if (list_length(root->parse->windowClause) != 1 || (ours = session_functions()) == NULL)
		return NULL;
	entry = llast(root->parse->targetList);
	if (!IsA(entry->expr, WindowFunc) || entry->ressortgroupref == 0)
		return NULL;
	function = ((WindowFunc *) entry->expr)->winfnoid;
	return function == ours->start[0] || function == ours->start[1] ||
				   function == ours->start_options[0] || function == ours->start_options[1]
			   ? entry
			   : NULL;
}

static void
tell_order(PlannerInfo *root, RelOptInfo *windowed, const TargetEntry *column)
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
		tell_order(root, output, column);
}

void
session_order_init(void)
{
	next_hook = create_upper_paths_hook;
	create_upper_paths_hook = add_paths;
}
