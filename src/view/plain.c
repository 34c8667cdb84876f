#include "view/plain.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "view/zone_calls.h"

/* ---- functions and types --------------------------------------------------------------------- */

static bool
is_in_our_schema(Oid namespace)
{
	char *name = get_namespace_name(namespace);

	return name && strcmp(name, "telemetry") == 0;
}

static bool
is_foreign_function(Oid function, void *context)
{
	return function >= FirstUnpinnedObjectId && !is_in_our_schema(get_func_namespace(function));
}

/* A type that users made brings functions of theirs along: to compare, to hash, to check. */
static bool
is_foreign_type(Oid type)
{
	HeapTuple tuple;
	bool foreign;

	if (type < FirstUnpinnedObjectId)
		return type == RECORDOID || type == RECORDARRAYOID;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	foreign = !HeapTupleIsValid(tuple) ||
			  !is_in_our_schema(((Form_pg_type) GETSTRUCT(tuple))->typnamespace);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return foreign;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static bool is_not_plain(Node *node, void *context);

/*
 * Rows of no named type are what its own parameters say, of which columns are read, by their types.
 * Where the query says what they are, values are converted to that.
 */
static bool
is_plain_source(const RangeTblFunction *function, void *context)
{
	const FuncExpr *call = (const FuncExpr *) function->funcexpr;

	if (!IsA(call, FuncExpr) || call->funcresulttype != RECORDOID || function->funccoltypes != NIL)
		return !is_not_plain(function->funcexpr, context);
	return !is_foreign_function(call->funcid, context) &&
		   !is_not_plain((Node *) call->args, context);
}

/*
 * Whatever is not known to be plain is not. CoerceViaIO is not: texts of float, interval and bytea
 * do depend on settings, though their functions are called immutable; and so do quote_ident() and
 * abbreviations of time zones.
 */
static bool
is_not_plain(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_SortGroupClause:
		case T_CaseWhen:
			break;
		case T_RangeTblFunction:
			return !is_plain_source((const RangeTblFunction *) node, context);
		case T_Query:
			return query_tree_walker((Query *) node, is_not_plain, context, 0);
		case T_Var:
		case T_Const:
		case T_Aggref:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
			if (IsA(node, FuncExpr) && (((FuncExpr *) node)->funcid == F_QUOTE_IDENT ||
										zone_may_be_abbreviated((const FuncExpr *) node)))
				return true;
			if (is_foreign_type(exprType(node)) ||
				check_functions_in_node(node, is_foreign_function, NULL))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, is_not_plain, context);
}

bool
plain_query(Oid view, Query *query)
{
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		const RangeTblEntry *rte = lfirst(cell);

		switch (rte->rtekind)
		{
			case RTE_RELATION:
				/* What the rewriter puts there for the view itself is not read. */
				if (rte->relid != view)
					return false;
				break;
			case RTE_SUBQUERY:
			case RTE_TABLEFUNC:
			case RTE_VALUES:
			case RTE_CTE:
				return false;
			default:
				break;
		}
	}
	return !is_not_plain((Node *) query, NULL);
}

bool
plain_expressions(const List *entries)
{
	return !is_not_plain((Node *) entries, NULL);
}

/* ---- the state ------------------------------------------------------------------------------- */

/* Users may make indexes on a view, with expressions and operators of their own. */
static bool
is_plain_index(Oid index)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool plain;
	bool isnull;
	const oidvector *classes;

	if (!HeapTupleIsValid(tuple))
		return false;
	plain = heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	classes = (oidvector *) DatumGetPointer(
		SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull));
	for (int i = 0; plain && i < classes->dim1; i++)
		plain = classes->values[i] < FirstUnpinnedObjectId;
	ReleaseSysCache(tuple);
	return plain;
}

bool
plain_state(const List *merges, Relation state)
{
	List *indexes = RelationGetIndexList(state);
	bool plain = plain_expressions(merges);
	ListCell *cell;

	foreach (cell, indexes)
		plain = plain && is_plain_index(lfirst_oid(cell));
	list_free(indexes);
	return plain;
}
