#include "view/scale.h"

#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

/* Of equal numerics they give equal values, whatever zeros stand behind the point. */
static const Oid blind[] = {
	F_NUMERIC_ADD,   F_NUMERIC_SUB,        F_NUMERIC_MUL,          F_NUMERIC_MOD,
	F_NUMERIC_UPLUS, F_NUMERIC_UMINUS,     F_NUMERIC_ABS,          F_ABS_NUMERIC,
	F_SIGN_NUMERIC,  F_CEIL_NUMERIC,       F_CEILING_NUMERIC,      F_FLOOR_NUMERIC,
	F_ROUND_NUMERIC, F_ROUND_NUMERIC_INT4, F_TRUNC_NUMERIC,        F_TRUNC_NUMERIC_INT4,
	F_NUMERIC_EQ,    F_NUMERIC_NE,         F_NUMERIC_LT,           F_NUMERIC_LE,
	F_NUMERIC_GT,    F_NUMERIC_GE,         F_NUMERIC_NUMERIC_INT4, F_INT2_NUMERIC,
	F_INT4_NUMERIC,  F_INT8_NUMERIC,       F_FLOAT4_NUMERIC,       F_FLOAT8_NUMERIC,
};

static bool
sees_scale(Oid function, void *context)
{
	for (size_t i = 0; i < lengthof(blind); i++)
		if (blind[i] == function)
			return false;
	return true;
}

static bool
holds(Node *node, void *aggref)
{
	return node && (equal(node, aggref) || expression_tree_walker(node, holds, aggref));
}

static bool
shows(Node *node, void *aggref)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Aggref:
			return false;
		case T_List:
		case T_TargetEntry:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_NullTest:
		case T_CoalesceExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_MinMaxExpr:
			if (check_functions_in_node(node, sees_scale, NULL))
				return holds(node, aggref);
			return expression_tree_walker(node, shows, aggref);
		default:
			return holds(node, aggref);
	}
}

bool
scale_matters(const Query *query, const Aggref *aggref)
{
	return shows((Node *) query->targetList, (void *) aggref) ||
		   shows(query->havingQual, (void *) aggref);
}
