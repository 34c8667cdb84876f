#include "view/zone_calls.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/fmgroids.h"

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
