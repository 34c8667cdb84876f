/*
 * From GROUP BY keys, session_window(ts, gap) to what PostgreSQL can plan:
 *
 *     SELECT k, max(x), session_window(ts, gap)         SELECT s.k, max(s.x), s.session_start
 *     FROM f WHERE w                               ->   FROM (SELECT k, x,
 *     GROUP BY k, session_window(ts, gap)                        _session_start(ts, gap) OVER
 *     HAVING h ORDER BY o                                          (PARTITION BY k ORDER BY ts)
 *                                                             FROM f WHERE w) AS s
 *                                                       GROUP BY s.k, s.session_start
 *                                                       HAVING h ORDER BY o
 *
 * FROM and WHERE move as they are. What the outer level needs of them becomes a column of the
 * subquery: each Var, and each grouping key as a whole, so that it is computed once for a row.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "session/internal.h"
#include "session/session.h"
#include "utils/builtins.h"

typedef struct Rewrite
{
	const SessionWindow *session;
	Query *inner;
	List *computed; /* of TargetEntry * of inner: those found as a whole, by the next list */
	List *wholes;   /* of Expr *: what of the outer level they stand for */
	int level;      /* how many queries deep within the outer one the mutator is */
} Rewrite;

/* ---- columns of the subquery ---------------------------------------------------------------- */

static char *
column_name(const Query *inner, Node *expr)
{
	if (IsA(expr, Var))
	{
		const Var *var = (const Var *) expr;
		RangeTblEntry *rte = rt_fetch(var->varno, inner->rtable);

		if (var->varattno > 0)
			return get_rte_attribute_name(rte, var->varattno);
		return pstrdup(var->varattno == 0 ? rte->eref->aliasname : "system");
	}
	return pstrdup("key");
}

static TargetEntry *
inner_column(Rewrite *rewrite, Node *expr)
{
	Query *inner = rewrite->inner;
	TargetEntry *entry;
	ListCell *cell;

	foreach (cell, inner->targetList)
	{
		entry = lfirst(cell);
		if (equal(entry->expr, expr))
			return entry;
	}
	entry = makeTargetEntry((Expr *) copyObject(expr), list_length(inner->targetList) + 1,
							column_name(inner, expr), false);
	inner->targetList = lappend(inner->targetList, entry);
	return entry;
}

static Var *
outer_var(const TargetEntry *entry, int level)
{
	Node *expr = (Node *) entry->expr;

	return makeVar(1, entry->resno, exprType(expr), exprTypmod(expr), exprCollation(expr), level);
}

/* The same expression, seen from a query so many levels deeper. */
static bool
equal_at_level(Node *node, Expr *whole, int level)
{
	if (nodeTag(node) != nodeTag(whole))
		return false;
	if (level > 0)
	{
		whole = copyObject(whole);
		IncrementVarSublevelsUp((Node *) whole, level, 0);
	}
	return equal(node, whole);
}

static Node *
outer_mutator(Node *node, Rewrite *rewrite)
{
	ListCell *column, *whole;

	if (node == NULL)
		return NULL;
	forboth (column, rewrite->computed, whole, rewrite->wholes)
		if (equal_at_level(node, lfirst(whole), rewrite->level))
			return (Node *) outer_var(lfirst(column), rewrite->level);
	if (IsA(node, Var) && (int) ((Var *) node)->varlevelsup == rewrite->level)
	{
		Var *var = copyObject((Var *) node);

		var->varlevelsup = 0;
		return (Node *) outer_var(inner_column(rewrite, (Node *) var), rewrite->level);
	}
	if (IsA(node, Query))
	{
		Query *query;

		rewrite->level++;
		query = query_tree_mutator((Query *) node, outer_mutator, rewrite, 0);
		rewrite->level--;
		return (Node *) query;
	}
	return expression_tree_mutator(node, outer_mutator, rewrite);
}

/* ---- the window ----------------------------------------------------------------------------- */

static SortGroupClause *
order_by_time(TargetEntry *time)
{
	SortGroupClause *clause = makeNode(SortGroupClause);

	get_sort_group_operators(exprType((Node *) time->expr), true, true, false, &clause->sortop,
							 &clause->eqop, NULL, &clause->hashable);
	clause->tleSortGroupRef = time->ressortgroupref;
	return clause;
}

static WindowFunc *
window_function(const SessionWindow *session)
{
	const SessionFunctions *ours = session_functions();
	bool options = session->end_when || session->max_length;
	int type = session->call->funcid == ours->window[0] ? 0 : 1;
	WindowFunc *function = makeNode(WindowFunc);

	function->winfnoid = options ? ours->start_options[type] : ours->start[type];
	function->wintype = session->call->funcresulttype;
	function->args = list_make2(copyObject(session->event_time), copyObject(session->gap));
	if (options)
	{
		Expr *end =
			session->end_when ? copyObject(session->end_when) : (Expr *) makeBoolConst(false, true);
		Expr *length = session->max_length ? copyObject(session->max_length)
										   : (Expr *) makeNullConst(INTERVALOID, -1, InvalidOid);

		function->args = lappend(lappend(function->args, end), length);
	}
	function->winref = 1;
	function->location = -1;
	return function;
}

/* Columns for the keys and the time, which the window is made of, and the window's own. */
static void
add_window(Rewrite *rewrite, Query *outer, const char *text)
{
	const SessionWindow *session = rewrite->session;
	Query *inner = rewrite->inner;
	WindowClause *window = makeNode(WindowClause);
	TargetEntry *entry;
	Index last = 0;
	ListCell *cell;

	foreach (cell, session->keys)
	{
		SortGroupClause *clause = copyObject((SortGroupClause *) lfirst(cell));
		Expr *key = get_sortgroupclause_tle(clause, outer->targetList)->expr;

		if (!OidIsValid(clause->sortop))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
							errmsg("session_window() cannot be used beside a key of type %s",
								   format_type_be(exprType((Node *) key))),
							errdetail("The type has no order."),
							errhint("Group by an expression of another type, such as its text."),
							session_position(text, (Node *) session->call)));
		entry = inner_column(rewrite, (Node *) key);
		if (entry->ressortgroupref == 0)
			entry->ressortgroupref = ++last;
		clause->tleSortGroupRef = entry->ressortgroupref;
		window->partitionClause = lappend(window->partitionClause, clause);
		if (!IsA(key, Var) && !IsA(key, Const) && !IsA(key, Param))
		{
			rewrite->computed = lappend(rewrite->computed, entry);
			rewrite->wholes = lappend(rewrite->wholes, key);
		}
	}
	entry = inner_column(rewrite, (Node *) session->event_time);
	if (entry->ressortgroupref == 0)
		entry->ressortgroupref = ++last;
	window->orderClause = list_make1(order_by_time(entry));
	window->frameOptions = FRAMEOPTION_NONDEFAULT | FRAMEOPTION_ROWS | FRAMEOPTION_BETWEEN |
						   FRAMEOPTION_START_UNBOUNDED_PRECEDING | FRAMEOPTION_END_CURRENT_ROW;
	window->winref = 1;
	inner->windowClause = list_make1(window);

	entry = makeTargetEntry((Expr *) window_function(session), list_length(inner->targetList) + 1,
							pstrdup("session_start"), false);
	entry->ressortgroupref = ++last;
	inner->targetList = lappend(inner->targetList, entry);
	/* Before the keys: it may be found within them. */
	rewrite->computed = lcons(entry, rewrite->computed);
	rewrite->wholes = lcons(session->call, rewrite->wholes);
}

/* ---- both levels ---------------------------------------------------------------------------- */

/* Those CTEs stay where they are, a level above what refers to them now. */
static bool
raise_own_ctes(Node *node, int *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		/* It is met below the query that it stands in, which has been counted. */
		if (rte->rtekind == RTE_CTE && (int) rte->ctelevelsup == *depth - 1)
			rte->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		bool result;

		++*depth;
		result = query_tree_walker((Query *) node, raise_own_ctes, depth, QTW_EXAMINE_RTES_BEFORE);
		--*depth;
		return result;
	}
	return expression_tree_walker(node, raise_own_ctes, depth);
}

static Query *
make_inner(Query *outer)
{
	Query *inner = makeNode(Query);

	inner->commandType = CMD_SELECT;
	inner->querySource = outer->querySource;
	inner->canSetTag = true;
	inner->rtable = outer->rtable;
	compat_move_rights(inner, outer);
	inner->jointree = outer->jointree;
	inner->hasWindowFuncs = true;
	inner->hasSubLinks = outer->hasSubLinks;
	inner->hasRowSecurity = outer->hasRowSecurity;
	return inner;
}

static void
make_outer_from(Query *outer, Query *inner)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *reference = makeNode(RangeTblRef);
	List *names = NIL;
	ListCell *cell;

	foreach (cell, inner->targetList)
		names = lappend(names, makeString(pstrdup(((TargetEntry *) lfirst(cell))->resname)));
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = inner;
	rte->eref = makeAlias("session", names);
	rte->inFromCl = true;
	reference->rtindex = 1;
	outer->rtable = list_make1(rte);
	outer->jointree = makeFromExpr(list_make1(reference), NULL);
}

void
session_rewrite(Query *query, const char *text)
{
	SessionWindow *session = session_window_of(query, text);
	Rewrite rewrite = {.session = session};
	int depth = 0;

	if (session == NULL)
		return;
	compat_flatten_group(query);
	rewrite.inner = make_inner(query);
	add_window(&rewrite, query, text);
	query->targetList = (List *) outer_mutator((Node *) query->targetList, &rewrite);
	query->havingQual = outer_mutator(query->havingQual, &rewrite);
	/* A set-returning key went along. */
	rewrite.inner->hasTargetSRFs = expression_returns_set((Node *) rewrite.inner->targetList);
	query->hasTargetSRFs = expression_returns_set((Node *) query->targetList);
	IncrementVarSublevelsUp((Node *) rewrite.inner, 1, 1);
	(void) raise_own_ctes((Node *) rewrite.inner, &depth);
	make_outer_from(query, rewrite.inner);

	/* The order in which the subquery delivers, the session last. */
	if (session->clause)
		query->groupClause =
			lappend(list_delete_ptr(query->groupClause, session->clause), session->clause);
}
