#include "view/renamed.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "type/holds.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct Search
{
	Oid type;
	bool in_text; /* within what is made text of */
} Search;

static bool
counts(Oid function)
{
	const char *name = get_func_name(function);

	return name && (strncmp(name, "hll_", 4) == 0 || strcmp(name, "approx_count_distinct") == 0);
}

/* Sketches count values of enums by their names (type/hll_hash.c). */
static bool
counts_names(Node *node, Oid type)
{
	ListCell *cell;

	if (IsA(node, FuncExpr) && counts(((FuncExpr *) node)->funcid))
		foreach (cell, ((FuncExpr *) node)->args)
			if (type_holds(exprType(lfirst(cell)), type))
				return true;
	if (IsA(node, Aggref) && counts(((Aggref *) node)->aggfnoid))
		foreach (cell, ((Aggref *) node)->aggargtypes)
			if (type_holds(lfirst_oid(cell), type))
				return true;
	return false;
}

static bool
makes_text(Node *node, void *context)
{
	Search *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, makes_text, context, 0);
	if (IsA(node, CoerceViaIO))
	{
		Search within = {search->type, true};

		return makes_text((Node *) ((CoerceViaIO *) node)->arg, &within);
	}
	if (counts_names(node, search->type))
		return true;
	/* Whatever else gives values is made of these. */
	if (search->in_text && (IsA(node, Var) || IsA(node, Const) || IsA(node, FuncExpr)) &&
		type_holds(exprType(node), search->type))
		return true;
	return expression_tree_walker(node, makes_text, context);
}

bool
renamed_matters(Oid partial, Oid type)
{
	Search search = {.type = type};
	Relation relation = table_open(partial, AccessShareLock);
	bool matters = makes_text((Node *) get_view_query(relation), &search);

	table_close(relation, AccessShareLock);
	return matters;
}

static const Oid names[] = {REGPROCOID,       REGPROCEDUREOID, REGOPEROID,     REGOPERATOROID,
							REGCLASSOID,      REGCOLLATIONOID, REGTYPEOID,     REGCONFIGOID,
							REGDICTIONARYOID, REGROLEOID,      REGNAMESPACEOID};

static bool
is_name(Oid type)
{
	for (size_t i = 0; i < lengthof(names); i++)
		if (names[i] == type)
			return true;
	return false;
}

Expr *
renamed_by_number(Expr *value)
{
	Oid type = getBaseType(exprType((Node *) value));
	Oid element = get_element_type(type);
	Oid number = is_name(type)                                          ? OIDOID
				 : OidIsValid(element) && is_name(getBaseType(element)) ? OIDARRAYOID
																		: InvalidOid;

	if (OidIsValid(number))
		return (Expr *) coerce_to_target_type(NULL, (Node *) value, exprType((Node *) value),
											  number, -1, COERCION_EXPLICIT, COERCE_EXPLICIT_CALL,
											  -1);
	for (size_t i = 0; i < lengthof(names); i++)
		if (type_holds(type, names[i]))
			return NULL;
	return value;
}

typedef struct Reads
{
	const Query *query;
	Oid table;
	AttrNumber column;
} Reads;

static bool
reads(Node *node, void *context)
{
	const Reads *wanted = context;
	const Var *var = (const Var *) node;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && var->varlevelsup == 0 && var->varattno == wanted->column &&
		rt_fetch(var->varno, wanted->query->rtable)->rtekind == RTE_RELATION &&
		rt_fetch(var->varno, wanted->query->rtable)->relid == wanted->table)
		return true;
	return expression_tree_walker(node, reads, context);
}

bool
renamed_reads(Oid partial, Oid table, const char *column)
{
	Relation relation = table_open(partial, AccessShareLock);
	Query *query = get_view_query(relation);
	Reads wanted = {.query = query, .table = table, .column = get_attnum(table, column)};
	bool found = query_tree_walker(query, reads, &wanted, 0);

	table_close(relation, AccessShareLock);
	return found;
}
