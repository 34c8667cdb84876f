/*
 * Where session_window() is found before PostgreSQL plans a query: the planner's hook, which walks
 * over the levels of the query, and what the function itself says where the hook found none.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "session/internal.h"
#include "session/session.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(telemetry_session_window);
PG_FUNCTION_INFO_V1(telemetry_session_window_support);

static planner_hook_type next_hook;

/* The statement that is being planned. */
static bool planning;
static const char *planned_text;

typedef struct Walk
{
	const char *text;
	PlannerGlobal *glob; /* what plans of inlined functions depend on */
	ParamListInfo params;
} Walk;

static void visit_query(Query *query, Walk *walk);

/* ---- SQL functions in FROM ------------------------------------------------------------------- */

static bool
is_sql(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * PostgreSQL inlines such a function a moment later, while it plans: too late for a
 * session_window() in it. So it is asked to do so now; where it does not want to, the function's
 * queries are planned when it runs.
 */
static void
visit_function(Query *query, RangeTblEntry *rte, Walk *walk)
{
	RangeTblFunction *function;
	PlannerInfo *root;
	Query *body;

	if (list_length(rte->functions) != 1 || rte->funcordinality)
		return;
	function = linitial(rte->functions);
	if (!IsA(function->funcexpr, FuncExpr) ||
		((FuncExpr *) function->funcexpr)->funcid < FirstNormalObjectId ||
		!is_sql(((FuncExpr *) function->funcexpr)->funcid))
		return;
	root = makeNode(PlannerInfo);
	root->parse = query;
	root->glob = walk->glob;
	root->query_level = 1;
	root->planner_cxt = CurrentMemoryContext;
	walk->glob->boundParams = walk->params;
	function->funcexpr = eval_const_expressions(root, function->funcexpr);
	body = inline_set_returning_function(root, rte);
	if (body == NULL)
		return;
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = body;
	rte->security_barrier = false;
	rte->functions = NIL;
	/* Its locations count in its own text. */
	visit_query(body, &(Walk){.glob = walk->glob, .params = walk->params});
}

/* ---- levels of a query ----------------------------------------------------------------------- */

static bool
visit_sublinks(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		visit_query((Query *) node, context);
		return false;
	}
	return expression_tree_walker(node, visit_sublinks, context);
}

/* From the inside out: what is moved then needs no second look. */
static void
visit_query(Query *query, Walk *walk)
{
	ListCell *cell;

	check_stack_depth();
	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind == RTE_SUBQUERY && rte->subquery)
			visit_query(rte->subquery, walk);
		else if (rte->rtekind == RTE_FUNCTION)
			visit_function(query, rte, walk);
	}
	foreach (cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst(cell);

		if (IsA(cte->ctequery, Query))
			visit_query((Query *) cte->ctequery, walk);
	}
	if (query->hasSubLinks)
		(void) query_tree_walker(query, visit_sublinks, walk,
								 QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
	if (query->groupClause != NIL)
		session_rewrite(query, walk->text);
}

static PlannedStmt *
visit_and_plan(Query *query, const char *text, int options, ParamListInfo params)
{
	planner_hook_type go = next_hook ? next_hook : standard_planner;
	PlannerGlobal *glob;
	PlannedStmt *result;

	if (session_functions() == NULL)
		return go(query, text, options, params);
	glob = makeNode(PlannerGlobal);
	visit_query(query, &(Walk){.text = text, .glob = glob, .params = params});
	result = go(query, text, options, params);
	result->invalItems = list_concat(result->invalItems, glob->invalItems);
	result->dependsOnRole |= glob->dependsOnRole;
	return result;
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo params)
{
	const char *outer_text = planned_text;
	bool outer_planning = planning;
	PlannedStmt *result;

	PG_TRY();
	{
		planning = true;
		planned_text = text;
		result = visit_and_plan(query, text, options, params);
	}
	PG_FINALLY();
	{
		planning = outer_planning;
		planned_text = outer_text;
	}
	PG_END_TRY();
	return result;
}

void
session_init(void)
{
	next_hook = planner_hook;
	planner_hook = plan;
	session_order_init();
}

/* ---- where it is not grouped by -------------------------------------------------------------- */

static void refuse(const Node *call) pg_attribute_noreturn();

static void
refuse(const Node *call)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_WINDOWING_ERROR),
		 errmsg("session_window() is here not part of what the query groups by"),
		 errdetail("A session is known only when all events are: it stands in GROUP BY, and what "
				   "is written the same in the select list, in HAVING, in ORDER BY and within "
				   "aggregates stands for the session's first event time."),
		 errhint("Write GROUP BY keys, telemetry.session_window(event_time, gap), in a subquery "
				 "where you need its result in WHERE or without grouping."),
		 call ? session_position(planned_text, call) : 0));
}

/*
 * The planner asks what a call might be simplified to. Calls in GROUP BY are gone by then, unless
 * this very question loaded the library.
 */
Datum
telemetry_session_window_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
	{
		SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

		if (simplify->root && !planning)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("session_window() was not there yet when planning began"),
				 errdetail("The library has been loaded by this statement, and serves from the "
						   "next one on."),
				 errhint("Repeat the statement. To have the library from the start, put "
						 "telemetry into shared_preload_libraries or session_preload_libraries, "
						 "or begin with LOAD 'telemetry'.")));
		refuse((Node *) simplify->fcall);
	}
	PG_RETURN_POINTER(NULL);
}

Datum
telemetry_session_window(PG_FUNCTION_ARGS)
{
	refuse(NULL);
}
