#include "view/zone_calls.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static Oid
function_of_ours(const char *name, int n, const Oid *types)
{
	return LookupFuncName(list_make2(makeString("telemetry"), makeString(pstrdup(name))), n, types,
						  false);
}

static bool
replace(Node *node, void *context)
{
	static const Oid truncated[] = {TEXTOID, TIMESTAMPTZOID, TEXTOID};
	static const Oid shown[] = {TEXTOID, TIMESTAMPTZOID};

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, replace, context, 0);
	if (IsA(node, FuncExpr))
	{
		FuncExpr *call = (FuncExpr *) node;

		if (call->funcid == F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT)
			call->funcid = function_of_ours("_date_trunc", lengthof(truncated), truncated);
		else if (call->funcid == F_TIMEZONE_TEXT_TIMESTAMPTZ)
			call->funcid = function_of_ours("_at_time_zone", lengthof(shown), shown);
	}
	return expression_tree_walker(node, replace, context);
}

void
zone_calls(Query *query)
{
	(void) replace((Node *) query, NULL);
}

static bool
is_window_function(Oid function)
{
	char *schema = get_namespace_name(get_func_namespace(function));
	char *name = get_func_name(function);

	return strcmp(schema, "telemetry") == 0 &&
		   (strcmp(name, "hop") == 0 || strcmp(name, "cumulate") == 0);
}

Node *
zone_of_call(const FuncExpr *call)
{
	ListCell *cell;

	switch (call->funcid)
	{
		case F_TIMEZONE_TEXT_TIMESTAMPTZ:
		case F_TIMEZONE_TEXT_TIMESTAMP:
		case F_TIMEZONE_TEXT_TIMETZ:
			return linitial(call->args);
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
			return lthird(call->args);
		default:
			break;
	}
	if (!is_window_function(call->funcid))
		return NULL;
	foreach (cell, call->args)
	{
		Node *argument = lfirst(cell);

		if (IsA(argument, NamedArgExpr))
			argument = (Node *) ((NamedArgExpr *) argument)->arg;
		if (exprType(argument) == TEXTOID)
			return argument;
	}
	return NULL;
}

/* No abbreviation has a slash. */
bool
zone_may_be_abbreviated(const FuncExpr *call)
{
	const Const *zone = (const Const *) zone_of_call(call);
	char *name;

	if (zone == NULL)
		return false;
	if (!IsA(zone, Const))
		return true;
	if (zone->constisnull)
		return false;
	name = TextDatumGetCString(zone->constvalue);
	return strchr(name, '/') == NULL && pg_strcasecmp(name, "UTC") != 0;
}
