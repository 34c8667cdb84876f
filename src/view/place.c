#include "view/place.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "parser/parsetree.h"

/* ---- expressions ----------------------------------------------------------------------------- */

typedef struct Search
{
	bool (*wanted)(Node *node);
	int location;
} Search;

static bool
search(Node *node, void *context)
{
	Search *found = context;

	if (node == NULL)
		return false;
	if (found->wanted(node))
	{
		found->location = exprLocation(node);
		return true;
	}
	return expression_tree_walker(node, search, context);
}

static int
place_of(const Query *query, bool (*wanted)(Node *node))
{
	Search found = {.wanted = wanted, .location = -1};

	(void) query_tree_walker(unconstify(Query *, query), search, &found,
							 QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
	return found.location;
}

static bool
is_window_function(Node *node)
{
	return IsA(node, WindowFunc);
}

static bool
is_set_returning(Node *node)
{
	return (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcretset) ||
		   (IsA(node, OpExpr) && ((OpExpr *) node)->opretset);
}

static bool
is_sublink(Node *node)
{
	return IsA(node, SubLink);
}

int
place_of_window_function(const Query *query)
{
	return place_of(query, is_window_function);
}

/* Of the select list: in FROM they may stand. */
int
place_of_set_returning(const Query *query)
{
	Search found = {.wanted = is_set_returning, .location = -1};

	(void) expression_tree_walker((Node *) query->targetList, search, &found);
	return found.location;
}

int
place_of_sublink(const Query *query)
{
	return place_of(query, is_sublink);
}

int
place_of_clause(const Query *query, const List *clauses)
{
	const SortGroupClause *clause = linitial(clauses);
	ListCell *cell;

	foreach (cell, query->targetList)
		if (((TargetEntry *) lfirst(cell))->ressortgroupref == clause->tleSortGroupRef)
			return exprLocation((Node *) ((TargetEntry *) lfirst(cell))->expr);
	return -1;
}

/* ---- entries of FROM ------------------------------------------------------------------------- */

static int
place_of_subquery(const Query *query)
{
	return query->targetList == NIL ? -1 : exprLocation((Node *) query->targetList);
}

int
place_of_set_operation(const Query *query)
{
	const SetOperationStmt *operation = castNode(SetOperationStmt, query->setOperations);
	const Node *right = operation->rarg;

	while (IsA(right, SetOperationStmt))
		right = ((const SetOperationStmt *) right)->larg;
	return place_of_subquery(
		rt_fetch(((const RangeTblRef *) right)->rtindex, query->rtable)->subquery);
}

typedef struct NameSearch
{
	const char *name;
	int location;
} NameSearch;

static bool
search_name(Node *node, void *context)
{
	NameSearch *found = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		const RangeVar *relation = (RangeVar *) node;

		if (strcmp(relation->alias ? relation->alias->aliasname : relation->relname, found->name) !=
			0)
			return false;
		found->location = relation->location;
		return true;
	}
	return raw_expression_tree_walker(node, search_name, context);
}

/* The text is parsed once more: it may hold other statements, before or behind. */
int
place_of_source(const Query *query, int rti, const char *source_text)
{
	const RangeTblEntry *rte = rt_fetch(rti, query->rtable);
	NameSearch found = {.name = rte->eref->aliasname, .location = -1};
	ListCell *cell;

	if (rte->rtekind == RTE_SUBQUERY)
		return place_of_subquery(rte->subquery);
	if (rte->rtekind == RTE_FUNCTION)
		return exprLocation(((RangeTblFunction *) linitial(rte->functions))->funcexpr);
	if (source_text == NULL || rte->rtekind != RTE_RELATION)
		return -1;
	foreach (cell, raw_parser(source_text, RAW_PARSE_DEFAULT))
	{
		Node *statement = ((RawStmt *) lfirst(cell))->stmt;

		if (IsA(statement, CreateTableAsStmt) &&
			search_name(((CreateTableAsStmt *) statement)->query, &found))
			break;
	}
	return found.location;
}

int
place_of_first_source(const Query *query, const char *source_text)
{
	const Node *node = query->jointree->fromlist ? linitial(query->jointree->fromlist) : NULL;

	while (node && IsA(node, JoinExpr))
		node = ((const JoinExpr *) node)->larg;
	if (node && IsA(node, RangeTblRef))
		return place_of_source(query, ((const RangeTblRef *) node)->rtindex, source_text);
	return place_of_subquery(query);
}
