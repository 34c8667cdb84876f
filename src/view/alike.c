#include "view/alike.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* As btree asks whether it may keep one of equal values in the place of all. */
static bool
looks_the_same(Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(type), TYPECACHE_BTREE_OPFAMILY);
	Oid procedure;

	/* Early minor releases say so of intervals, and char has its blanks. */
	if (!OidIsValid(entry->btree_opf) || entry->btree_opintype == INTERVALOID ||
		entry->btree_opintype == BPCHAROID)
		return false;
	procedure = get_opfamily_proc(entry->btree_opf, entry->btree_opintype, entry->btree_opintype,
								  BTEQUALIMAGE_PROC);
	return OidIsValid(procedure) &&
		   DatumGetBool(
			   OidFunctionCall1Coll(procedure, collation, ObjectIdGetDatum(entry->btree_opintype)));
}

/* A column of the state that holds one of the values that rows have; others are computed of all. */
static bool
is_one_of_many(const KnownColumn *column)
{
	return column->kind == NULL || column->kind->merge == NULL ||
		   strcmp(column->kind->name, "first") == 0 || strcmp(column->kind->name, "last") == 0;
}

typedef struct Search
{
	const KnownView *view;
	const Query *query;
} Search;

static bool
is_such_value(const Search *search, const Node *node)
{
	const Var *var = (const Var *) node;
	int i;

	if (!IsA(node, Var) ||
		rt_fetch(var->varno, search->query->rtable)->relid != search->view->row.source)
		return false;
	i = var->varattno - 1;
	return i >= 0 && i < search->view->ncolumns && is_one_of_many(&search->view->columns[i]) &&
		   !looks_the_same(var->vartype, var->varcollid);
}

static bool told_apart(Node *node, void *context);

/* What compares goes by equality, and whether a value is NULL they have in common. */
static bool
told_apart_within(Node *node, void *context)
{
	if (node == NULL || is_such_value(context, node))
		return false;
	return told_apart(node, context);
}

static bool
told_apart(Node *node, void *context)
{
	bool compares;

	if (node == NULL)
		return false;
	compares = IsA(node, NullTest) ||
			   (IsA(node, OpExpr) && get_op_btree_interpretation(((OpExpr *) node)->opno) != NIL);
	if (is_such_value(context, node))
		return true;
	return expression_tree_walker(node, compares ? told_apart_within : told_apart, context);
}

bool
alike_told_apart(const KnownView *view)
{
	Relation relation = table_open(view->row.view, AccessShareLock);
	const Query *query = get_view_query(relation);
	Search search = {.view = view, .query = query};
	bool found = told_apart(query->jointree->quals, &search);
	ListCell *cell;

	/* A value that is shown as it is, is compared by equality with that of the query. */
	foreach (cell, query->targetList)
		found = found || told_apart_within((Node *) ((TargetEntry *) lfirst(cell))->expr, &search);
	table_close(relation, AccessShareLock);
	return found && !view->rows;
}
