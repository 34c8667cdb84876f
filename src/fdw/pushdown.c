#include "postgres.h"

#include "base/epoch.h"
#include "fdw/pushdown.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fdw/options.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* One condition, as three integers in fdw_private: a plan must be copyable. */
typedef struct Condition
{
	ColumnOrigin origin;
	StrategyNumber strategy;
	bool is_array; /* = ANY (array) */
} Condition;

static List *
condition_to_list(const Condition *condition)
{
	return list_make3_int(condition->origin, condition->strategy, condition->is_array);
}

static Condition
condition_from_list(const List *list)
{
	return (Condition){linitial_int(list), lsecond_int(list), lthird_int(list)};
}

/* ---- finding ------------------------------------------------------------------------------- */

static bool
type_is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* The origin of a column of the relation, if expr is one whose conditions can be pushed down. */
static bool
expr_is_metadata(Node *expr, RelOptInfo *relation, Oid relid, ColumnOrigin *origin)
{
	Var *var = (Var *) expr;
	ColumnOptions options;

	if (!IsA(expr, Var) || var->varno != (int) relation->relid || var->varlevelsup != 0 ||
		var->varattno <= 0)
		return false;
	options_read_column(GetForeignColumnOptions(relid, var->varattno), &options);
	*origin = options.origin;
	switch (options.origin)
	{
		case ORIGIN_PARTITION:
		case ORIGIN_OFFSET:
			return type_is_integer(var->vartype);
		case ORIGIN_TIMESTAMP:
			return var->vartype == TIMESTAMPTZOID || var->vartype == INT8OID;
		default:
			return false;
	}
}

/* True for what has one value during a scan, of a type that can be compared with that origin. */
static bool
expr_is_bound(Node *expr, ColumnOrigin origin, bool is_array)
{
	Oid type = exprType(expr);

	if (is_array)
		type = get_element_type(type);
	if (!type_is_integer(type) && (origin != ORIGIN_TIMESTAMP || type != TIMESTAMPTZOID))
		return false;
	return !contain_var_clause(expr) && !contain_volatile_functions(expr) &&
		   !contain_subplans(expr);
}

static StrategyNumber
operator_strategy(Oid operator, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);

	return OidIsValid(entry->btree_opf) ? get_op_opfamily_strategy(operator, entry->btree_opf)
										: InvalidStrategy;
}

static bool
condition_match(Node *clause, RelOptInfo *relation, Oid relid, Condition *condition, Node **bound)
{
	List *args;
	Oid operator;

	condition->is_array = false;
	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
	{
		args = ((OpExpr *) clause)->args;
		operator=((OpExpr *) clause)->opno;
	}
	else if (IsA(clause, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) clause)->useOr)
	{
		args = ((ScalarArrayOpExpr *) clause)->args;
		operator=((ScalarArrayOpExpr *) clause)->opno;
		condition->is_array = true;
	}
	else
		return false;

	if (expr_is_metadata(linitial(args), relation, relid, &condition->origin))
		*bound = lsecond(args);
	else if (!condition->is_array &&
			 expr_is_metadata(lsecond(args), relation, relid, &condition->origin))
	{
		*bound = linitial(args);
		operator= get_commutator(operator);
		args = list_make2(lsecond(args), linitial(args));
	}
	else
		return false;

	if (!OidIsValid(operator) || !expr_is_bound(*bound, condition->origin, condition->is_array))
		return false;
	condition->strategy = operator_strategy(operator, exprType(linitial(args)));
	return condition->strategy != InvalidStrategy &&
		   (!condition->is_array || condition->strategy == BTEqualStrategyNumber);
}

/* ---- evaluation ---------------------------------------------------------------------------- */

static void
bounds_init(ScanBounds *bounds)
{
	*bounds = (ScanBounds){.min_partition = 0,
						   .max_partition = PG_INT32_MAX,
						   .min_offset = 0,
						   .max_offset = PG_INT64_MAX - 1,
						   .min_timestamp_ms = PG_INT64_MIN};
}

/* An integer, or a timestamptz's microseconds. */
static int64
condition_number(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static void
range_narrow(ScanBounds *bounds, int64 *min, int64 *max, StrategyNumber strategy, int64 value)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			if (value == PG_INT64_MIN)
				bounds->nothing = true;
			else
				*max = Min(*max, value - 1);
			break;
		case BTLessEqualStrategyNumber:
			*max = Min(*max, value);
			break;
		case BTEqualStrategyNumber:
			*min = Max(*min, value);
			*max = Min(*max, value);
			break;
		case BTGreaterEqualStrategyNumber:
			*min = Max(*min, value);
			break;
		case BTGreaterStrategyNumber:
			if (value == PG_INT64_MAX)
				bounds->nothing = true;
			else
				*min = Max(*min, value + 1);
			break;
	}
	if (*min > *max)
		bounds->nothing = true;
}

/*
 * A time only bounds from below: offsets follow the order of arrival, so before the first message
 * that is late enough there are none, but producers' clocks let early ones follow it.
 */
static void
timestamp_narrow(ScanBounds *bounds, StrategyNumber strategy, int64 value, Oid type)
{
	int64 ms;

	if (type != TIMESTAMPTZOID) /* a column of milliseconds */
	{
		if (strategy == BTGreaterStrategyNumber && value < PG_INT64_MAX)
			value++;
		if (strategy != BTLessStrategyNumber && strategy != BTLessEqualStrategyNumber)
			bounds->min_timestamp_ms = Max(bounds->min_timestamp_ms, Max(value, 0));
		return;
	}

	if (strategy == BTLessStrategyNumber || strategy == BTLessEqualStrategyNumber ||
		value == DT_NOBEGIN)
		return;
	if (value == DT_NOEND || value > PG_INT64_MAX + UNIX_EPOCH)
	{
		bounds->nothing = true;
		return;
	}
	value -= UNIX_EPOCH;
	ms = value / 1000;
	if (ms * 1000 > value) /* division rounds to zero; wanted is the floor */
		ms--;
	if (strategy == BTGreaterStrategyNumber || ms * 1000 < value)
		ms++;
	bounds->min_timestamp_ms = Max(bounds->min_timestamp_ms, Max(ms, 0));
}

static void
bounds_apply(ScanBounds *bounds, const Condition *condition, Datum value, Oid type)
{
	switch (condition->origin)
	{
		case ORIGIN_PARTITION:
			range_narrow(bounds, &bounds->min_partition, &bounds->max_partition,
						 condition->strategy, condition_number(value, type));
			break;
		case ORIGIN_OFFSET:
			range_narrow(bounds, &bounds->min_offset, &bounds->max_offset, condition->strategy,
						 condition_number(value, type));
			break;
		case ORIGIN_TIMESTAMP:
			timestamp_narrow(bounds, condition->strategy, condition_number(value, type), type);
			break;
		default:
			elog(ERROR, "no bounds by origin %d", condition->origin);
	}
}

/* Partitions are a set; offsets and times are taken from the least to the greatest. */
static void
bounds_apply_array(ScanBounds *bounds, const Condition *condition, Datum value, Oid type)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Oid element = ARR_ELEMTYPE(array);
	Bitmapset *set = NULL;
	int64 min = PG_INT64_MAX;
	int64 max = PG_INT64_MIN;
	Datum *values;
	bool *nulls;
	bool byval;
	char align;
	int16 length;
	int n;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		int64 number;

		if (nulls[i])
			continue;
		number = condition_number(values[i], element);
		min = Min(min, number);
		max = Max(max, number);
		if (condition->origin == ORIGIN_PARTITION && number >= 0 && number <= 1000000)
			set = bms_add_member(set, (int) number);
	}
	if (min > max)
	{
		bounds->nothing = true;
		return;
	}
	if (condition->origin == ORIGIN_TIMESTAMP)
	{
		timestamp_narrow(bounds, BTGreaterEqualStrategyNumber, min, element);
		return;
	}
	if (condition->origin == ORIGIN_OFFSET)
	{
		range_narrow(bounds, &bounds->min_offset, &bounds->max_offset, BTGreaterEqualStrategyNumber,
					 min);
		range_narrow(bounds, &bounds->min_offset, &bounds->max_offset, BTLessEqualStrategyNumber,
					 max);
		return;
	}
	bounds->partitions =
		bounds->partitions != NULL ? bms_int_members(bounds->partitions, set) : set;
	if (bms_is_empty(bounds->partitions))
		bounds->nothing = true;
}

static void
bounds_apply_any(ScanBounds *bounds, const Condition *condition, Datum value, bool isnull, Oid type)
{
	if (isnull)
		bounds->nothing = true; /* no comparison with NULL is true */
	else if (condition->is_array)
		bounds_apply_array(bounds, condition, value, type);
	else
		bounds_apply(bounds, condition, value, type);
}

void
pushdown_evaluate(List *conditions, List *exprs, List *states, ExprContext *econtext,
				  ScanBounds *bounds)
{
	ListCell *condition_cell;
	ListCell *expr;
	ListCell *state;

	bounds_init(bounds);
	forthree(condition_cell, conditions, expr, exprs, state, states)
	{
		Condition condition = condition_from_list(lfirst(condition_cell));
		bool isnull;
		Datum value = ExecEvalExprSwitchContext(lfirst(state), econtext, &isnull);

		bounds_apply_any(bounds, &condition, value, isnull, exprType(lfirst(expr)));
	}
}

void
pushdown_find(RelOptInfo *relation, Oid relid, List **exprs, List **conditions, double *rows,
			  double *partitions)
{
	ScanBounds known;
	ListCell *cell;

	*exprs = *conditions = NIL;
	bounds_init(&known);
	foreach (cell, relation->baserestrictinfo)
	{
		Condition condition;
		Node *bound;

		if (!condition_match((Node *) lfirst_node(RestrictInfo, cell)->clause, relation, relid,
							 &condition, &bound))
			continue;
		*exprs = lappend(*exprs, bound);
		*conditions = lappend(*conditions, condition_to_list(&condition));
		if (IsA(bound, Const))
			bounds_apply_any(&known, &condition, ((Const *) bound)->constvalue,
							 ((Const *) bound)->constisnull, exprType(bound));
	}

	*rows = known.nothing ? 0
			: known.max_offset < PG_INT64_MAX - 1
				? (double) known.max_offset - (double) known.min_offset + 1
				: -1;
	*partitions = known.partitions != NULL ? bms_num_members(known.partitions)
				  : known.max_partition < PG_INT32_MAX
					  ? (double) (known.max_partition - known.min_partition + 1)
					  : -1;
}

/* ---- EXPLAIN ------------------------------------------------------------------------------- */

static char *
origin_explain(ColumnOrigin origin, List *conditions, List *exprs, List *context)
{
	static const char *const signs[] = {"", "<", "<=", "=", ">=", ">"};
	StringInfoData text;
	ListCell *condition_cell;
	ListCell *expr;

	initStringInfo(&text);
	forboth (condition_cell, conditions, expr, exprs)
	{
		Condition condition = condition_from_list(lfirst(condition_cell));
		char *bound;

		if (condition.origin != origin)
			continue;
		bound = deparse_expression(lfirst(expr), context, false, false);
		appendStringInfo(&text, condition.is_array ? "%s%s ANY (%s)" : "%s%s %s",
						 text.len > 0 ? " AND " : "", signs[condition.strategy], bound);
	}
	return text.data;
}

void
pushdown_explain(List *conditions, List *exprs, Plan *plan, ExplainState *es)
{
	List *context = set_deparse_context_plan(es->deparse_cxt, plan, NIL);
	char *partitions = origin_explain(ORIGIN_PARTITION, conditions, exprs, context);
	char *offsets = origin_explain(ORIGIN_OFFSET, conditions, exprs, context);
	char *timestamps = origin_explain(ORIGIN_TIMESTAMP, conditions, exprs, context);

	ExplainPropertyText("Partitions", partitions[0] != '\0' ? partitions : "all", es);
	ExplainPropertyText("Offsets", offsets[0] != '\0' ? offsets : "from low to high watermark", es);
	if (timestamps[0] != '\0')
		ExplainPropertyText("Timestamps", timestamps, es);
}
