/*
 * Which aggregates a continuous view can hold, and in what.
 *
 * Each becomes one or more components: aggregates whose results merge. avg(x), for instance, is
 * kept as sum(x) and count(x), from which the final expression divides as PostgreSQL's own avg
 * does, so that both give the same digits.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "type/hll_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "view/distinct.h"
#include "view/scale.h"
#include "view/value_set.h"

/* ---- building aggregates --------------------------------------------------------------------- */

static Oid
find_function(const char *schema, const char *name, int nargs, const Oid *types)
{
	return LookupFuncName(list_make2(makeString(pstrdup(schema)), makeString(pstrdup(name))), nargs,
						  types, false);
}

/* An aggregate over the same rows as another: its filter, and these arguments. */
static Aggref *
aggregate_over(const Aggref *like, const char *schema, const char *name, List *args)
{
	Aggref *aggref = makeNode(Aggref);
	Oid types[FUNC_MAX_ARGS];
	int nargs = 0;
	ListCell *cell;

	foreach (cell, args)
	{
		Expr *arg = lfirst(cell);

		types[nargs] = exprType((Node *) arg);
		aggref->aggargtypes = lappend_oid(aggref->aggargtypes, types[nargs]);
		aggref->args = lappend(aggref->args, makeTargetEntry(arg, nargs + 1, NULL, false));
		nargs++;
	}
	aggref->aggfnoid = find_function(schema, name, nargs, types);
	aggref->aggtype = get_func_rettype(aggref->aggfnoid);
	if (IsPolymorphicType(aggref->aggtype))
		aggref->aggtype = types[0];
	aggref->inputcollid = like->inputcollid;
	if (type_is_collatable(aggref->aggtype))
		aggref->aggcollid = nargs > 0 ? exprCollation(linitial(args)) : InvalidOid;
	aggref->aggfilter = copyObject(like->aggfilter);
	aggref->aggstar = nargs == 0;
	aggref->aggkind = AGGKIND_NORMAL;
	aggref->aggsplit = AGGSPLIT_SIMPLE;
	aggref->aggno = -1;
	aggref->aggtransno = -1;
	aggref->location = -1;
	return aggref;
}

static Expr *
argument(const Aggref *aggref, int n)
{
	return copyObject(((TargetEntry *) list_nth(aggref->args, n))->expr);
}

static Expr *
cast_to(Expr *expr, Oid type)
{
	Node *cast = coerce_to_target_type(NULL, (Node *) expr, exprType((Node *) expr), type, -1,
									   COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1);

	if (cast == NULL)
		elog(ERROR, "cannot cast %s to %s", format_type_be(exprType((Node *) expr)),
			 format_type_be(type));
	return (Expr *) cast;
}

static Expr *
square(Expr *expr)
{
	return (Expr *) makeFuncExpr(F_NUMERIC_MUL, NUMERICOID, list_make2(expr, copyObject(expr)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The aggregate over rows where the argument is not NULL. */
static Aggref *
where_not_null(Aggref *aggref, Expr *arg)
{
	NullTest *test = makeNode(NullTest);

	test->arg = copyObject(arg);
	test->nulltesttype = IS_NOT_NULL;
	test->argisrow = false;
	test->location = -1;
	aggref->aggfilter =
		aggref->aggfilter ? (Expr *) makeBoolExpr(AND_EXPR, list_make2(aggref->aggfilter, test), -1)
						  : (Expr *) test;
	return aggref;
}

/*
 * The state's column for a partial aggregate, made if it is not there yet, as the final names it.
 */
static char *
column_of(ViewShape *shape, const char *kind, Expr *partial)
{
	return psprintf("s.%s", quote_identifier(shape_component(shape, kind, partial)->name));
}

/*
 * The same of a sketch, in two columns; of sessions in one: there are many, of a few events each.
 */
static char *
sketch_of(ViewShape *shape, const char *kind, const char *base, const char *aside, Expr *partial)
{
	StateColumn *column;
	const StateColumn *before = NULL;
	ComponentNames names = {0};
	int n = list_length(shape->columns);
	ListCell *cell;

	if (shape->session)
		return column_of(shape, kind, partial);
	column = shape_component(shape, base, partial);
	if (list_length(shape->columns) > n)
	{
		Const *nothing = makeNullConst(column->type, -1, column->collation);
		StateColumn *first = shape_own_component(shape, aside, (Expr *) nothing);

		first->name = psprintf("%s_aside", column->name);
		lfirst(list_nth_cell(shape->columns, n)) = first;
		lfirst(list_nth_cell(shape->columns, n + 1)) = column;
	}
	foreach (cell, shape->columns)
	{
		if (lfirst(cell) == column)
			break;
		before = lfirst(cell);
	}
	names.a = psprintf("s.%s", quote_identifier(column->name));
	names.ap = psprintf("s.%s", quote_identifier(before->name));
	return component_expand(column->kind->whole, &names);
}

static char *
count_of(ViewShape *shape, const Aggref *like, Expr *arg)
{
	/* "any" takes every type, so the function is looked up by that name. */
	Oid any = ANYOID;
	Aggref *count = aggregate_over(like, "pg_catalog", "count", NIL);

	count->aggfnoid = find_function("pg_catalog", "count", 1, &any);
	count->aggstar = false;
	count->aggargtypes = list_make1_oid(exprType((Node *) arg));
	count->args = list_make1(makeTargetEntry(copyObject(arg), 1, NULL, false));
	return column_of(shape, "count", (Expr *) count);
}

static char *
sum_of(ViewShape *shape, const Aggref *like, Expr *arg)
{
	Aggref *sum = aggregate_over(like, "pg_catalog", "sum", list_make1(copyObject(arg)));
	const char *kind = sum->aggtype == INT8OID       ? "sum_bigint"
					   : sum->aggtype == NUMERICOID  ? "sum_numeric"
					   : sum->aggtype == INTERVALOID ? "sum_interval"
													 : "sum_money";

	return column_of(shape, kind, (Expr *) sum);
}

/* ---- the aggregates -------------------------------------------------------------------------- */

static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/*
 * The quotient of two numerics has as many digits as the larger scale asks for. So after the value
 * with the largest scale is gone, the group is computed anew, unless the type fixes the scale.
 */
static void
watch_scale(ViewShape *shape, const Aggref *like, Expr *arg)
{
	Expr *scale;

	if (exprType((Node *) arg) != NUMERICOID || exprTypmod((Node *) arg) != -1)
		return;
	scale = (Expr *) makeFuncExpr(F_SCALE, INT4OID, list_make1(copyObject(arg)), InvalidOid,
								  InvalidOid, COERCE_EXPLICIT_CALL);
	shape_component(shape, "combine",
					(Expr *) aggregate_over(like, "pg_catalog", "max", list_make1(scale)));
}

/*
 * What is taken away from a sum leaves its digits behind the point: 3.75 may be 3.7500, which is
 * the same, but not the quotient that is made of it. So they are watched where the view shows them.
 */
static char *
final_of_sum(ViewShape *shape, Aggref *aggref)
{
	Expr *arg = argument(aggref, 0);
	Oid type = exprType((Node *) arg);
	char *sum;

	if (is_float(type))
	{
		sum = column_of(shape, "sum_float8",
						(Expr *) aggregate_over(aggref, "telemetry", "float8_sum_agg",
												list_make1(cast_to(arg, FLOAT8OID))));
		return psprintf("telemetry.float8_sum_value(%s)%s", sum,
						aggref->aggtype == FLOAT4OID ? "::real" : "");
	}
	if (scale_matters(shape->query, aggref))
		watch_scale(shape, aggref, arg);
	sum = sum_of(shape, aggref, arg);
	return psprintf("CASE WHEN %s > 0 THEN %s END", count_of(shape, aggref, arg), sum);
}

static char *
final_of_avg(ViewShape *shape, Aggref *aggref)
{
	Expr *arg = argument(aggref, 0);
	Oid type = exprType((Node *) arg);
	char *sum;
	char *n;

	if (is_float(type))
	{
		sum = column_of(shape, "sum_float8",
						(Expr *) aggregate_over(aggref, "telemetry", "float8_sum_agg",
												list_make1(cast_to(arg, FLOAT8OID))));
		return psprintf("telemetry.float8_sum_avg(%s)", sum);
	}
	watch_scale(shape, aggref, arg);
	sum = sum_of(shape, aggref, arg);
	n = count_of(shape, aggref, arg);
	if (type == INTERVALOID)
		return psprintf("CASE WHEN %s > 0 THEN %s / %s::float8 END", n, sum, n);
	return psprintf("CASE WHEN %s > 0 THEN %s::numeric / %s::numeric END", n, sum, n);
}

/*
 * Variance of numbers that are exact, by PostgreSQL's own formula on exact sums:
 * (n * sum(x^2) - sum(x)^2) / (n * (n - 1)), numeric.c's numeric_stddev_internal(). Its root is
 * rounded once, to the digits of the variance: ours is computed with 30 more, so that rounding it
 * is that.
 */
static char *
final_of_exact_variance(ViewShape *shape, Aggref *aggref, bool sample, bool root)
{
	Expr *arg = cast_to(argument(aggref, 0), NUMERICOID);
	Expr *original = argument(aggref, 0);
	char *sum;
	char *squares;
	char *n;
	char *variance;

	watch_scale(shape, aggref, original);
	sum = sum_of(shape, aggref, arg);
	squares = sum_of(shape, aggref, square(copyObject(arg)));
	n = count_of(shape, aggref, original);
	variance = psprintf(
		"GREATEST(%1$s::numeric * %2$s - %3$s * %3$s, 0) / (%1$s::numeric * (%1$s - %4$d))", n,
		squares, sum, sample ? 1 : 0);
	/* NaN has no scale, and is its own root. */
	if (root)
		variance = psprintf("COALESCE(pg_catalog.round(pg_catalog.sqrt(pg_catalog.round(%1$s, "
							"pg_catalog.scale(%1$s) + 30)), pg_catalog.scale(%1$s)), %1$s)",
							variance);
	return psprintf("CASE WHEN %s > %d THEN %s END", n, sample ? 1 : 0, variance);
}

static char *
final_of_moments(ViewShape *shape, Aggref *aggref, const char *name)
{
	List *args = NIL;
	char *column;

	for (int i = 0; i < list_length(aggref->args); i++)
		args = lappend(args, cast_to(argument(aggref, i), FLOAT8OID));
	column = column_of(shape, "moments",
					   (Expr *) aggregate_over(aggref, "telemetry", "float8_moments_agg", args));
	return psprintf("telemetry.float8_moments_%s(%s)", name, column);
}

static char *
final_of_variance(ViewShape *shape, Aggref *aggref, const char *name)
{
	bool sample = strstr(name, "_pop") == NULL;
	bool root = strncmp(name, "stddev", 6) == 0;

	if (is_float(exprType((Node *) argument(aggref, 0))))
		return final_of_moments(
			shape, aggref, psprintf("%s_%s", root ? "stddev" : "var", sample ? "samp" : "pop"));
	return final_of_exact_variance(shape, aggref, sample, root);
}

/* The state itself is shown. */
static char *
final_of_state(ViewShape *shape, Aggref *aggref, const char *kind)
{
	Aggref *partial = copyObject(aggref);

	partial->location = -1;
	return column_of(shape, kind, (Expr *) partial);
}

static char *
final_of_sketch(ViewShape *shape, Aggref *aggref, const char *kind, const char *base,
				const char *aside)
{
	Aggref *partial = copyObject(aggref);

	partial->location = -1;
	return sketch_of(shape, kind, base, aside, (Expr *) partial);
}

static char *
final_of_quantiles(ViewShape *shape, Aggref *aggref)
{
	if (list_length(aggref->args) > 1 && contain_var_clause((Node *) argument(aggref, 1)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot keep quantiles whose relative error differs "
						"from row to row"),
				 errhint("Name the error as a constant: quantile_agg(value, 0.001)."),
				 shape_position(shape, exprLocation((Node *) argument(aggref, 1)))));
	return final_of_sketch(shape, aggref, "quantiles", "quantiles_base", "quantile_aside");
}

static char *
final_of_sessions(ViewShape *shape, Aggref *aggref)
{
	if (list_length(aggref->args) > 1 && contain_var_clause((Node *) argument(aggref, 1)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot keep a set of sessions whose gap differs from "
						"row to row"),
				 errhint("Name the gap as a constant: sessions_agg(event_time, '30 minutes')."),
				 shape_position(shape, exprLocation((Node *) argument(aggref, 1)))));
	return final_of_state(shape, aggref, "sessions");
}

static char *
final_of_hll(ViewShape *shape, Aggref *aggref, const char *name)
{
	bool is_union = strcmp(name, "hll_union_agg") == 0;
	Expr *arg = argument(aggref, 0);
	Oid types[] = {is_union ? exprType((Node *) arg) : ANYELEMENTOID, INT4OID};
	bool hashed = strcmp(name, "hll_hash_agg") == 0;
	Aggref *partial = copyObject(aggref);
	char *column;

	if (hashed)
		types[0] = INT8OID;
	/* What has no hash would fail with the first row. */
	else if (!is_union)
		hll_hasher_check(exprType((Node *) arg), aggref->inputcollid);
	partial->aggfnoid =
		find_function("telemetry", strcmp(name, "approx_count_distinct") == 0 ? "hll_agg" : name,
					  list_length(aggref->args), types);
	partial->aggtype = get_func_rettype(partial->aggfnoid);
	partial->location = -1;
	column = sketch_of(shape, "hll", "hll_base", "hll_aside", (Expr *) partial);
	if (strcmp(name, "approx_count_distinct") == 0)
		return psprintf("COALESCE(pg_catalog.round(telemetry.hll_cardinality(%s))::bigint, 0)",
						column);
	return column;
}

/*
 * Of a domain that is NOT NULL the state has NULLs, too, as the aggregate has: it is kept, and
 * shown, as what the domain is made of.
 */
static void
without_domain(Aggref *partial)
{
	TargetEntry *value = linitial(partial->args);
	Oid type = exprType((Node *) value->expr);
	Oid base = getBaseType(type);

	if (base == type)
		return;
	value->expr = cast_to(value->expr, base);
	partial->aggtype = linitial_oid(partial->aggargtypes) = base;
}

static char *
final_of_extreme_by_time(ViewShape *shape, Aggref *aggref, const char *name)
{
	Expr *value = argument(aggref, 0);
	Expr *time = argument(aggref, 1);
	Aggref *partial = copyObject(aggref);
	StateColumn *column;
	Aggref *extreme = aggregate_over(aggref, "pg_catalog",
									 strcmp(name, "first") == 0 ? "min" : "max", list_make1(time));

	partial->location = -1;
	without_domain(partial);
	column = shape_component(shape, name, (Expr *) partial);
	/* The merge of the value reads the time in the column behind it: never shared. */
	if (column == llast(shape->columns))
	{
		StateColumn *at =
			shape_component(shape, "combine", (Expr *) where_not_null(extreme, value));

		if (at != llast(shape->columns))
		{
			StateColumn *twin = palloc(sizeof(StateColumn));

			*twin = *at;
			twin->name = psprintf("_c%d", list_length(shape->columns) - list_length(shape->keys));
			twin->partial = copyObject(at->partial);
			shape->columns = lappend(shape->columns, twin);
		}
	}
	return psprintf("s.%s", quote_identifier(column->name));
}

/* CASE WHEN bool_or(end_when) THEN last ELSE reach END */
static Expr *
reach_or_end(const ViewShape *shape, Expr *last, Expr *reach)
{
	const Aggref any = {0};
	CaseExpr *choice = makeNode(CaseExpr);
	CaseWhen *ended = makeNode(CaseWhen);

	if (shape->session->end_when == NULL)
		return reach;
	ended->expr = (Expr *) aggregate_over(&any, "pg_catalog", "bool_or",
										  list_make1(copyObject(shape->session->end_when)));
	ended->result = last;
	ended->location = -1;
	choice->casetype = exprType((Node *) last);
	choice->args = list_make1(ended);
	choice->defresult = reach;
	choice->location = -1;
	return (Expr *) choice;
}

/* LEAST(reach, limit) */
static Expr *
reach_or_limit(Expr *reach, Expr *limit)
{
	MinMaxExpr *least = makeNode(MinMaxExpr);

	if (limit == NULL)
		return reach;
	least->minmaxtype = exprType((Node *) reach);
	least->op = IS_LEAST;
	least->args = list_make2(reach, limit);
	least->location = -1;
	return (Expr *) least;
}

/*
 * An aggregate of PostgreSQL's over the events' times, length added to each; NULL: over the times.
 */
static Expr *
over_times(const ViewShape *shape, const char *name, Expr *length)
{
	const Aggref any = {0};
	Expr *time = copyObject(shape->session->event_time);
	Oid types[] = {exprType((Node *) time), INTERVALOID};

	if (length)
		time = (Expr *) makeFuncExpr(find_function("telemetry", "_session_reach", 2, types),
									 types[0], list_make2(time, copyObject(length)), InvalidOid,
									 InvalidOid, COERCE_EXPLICIT_CALL);
	return (Expr *) aggregate_over(&any, "pg_catalog", name, list_make1(time));
}

void
aggregate_add_session(ViewShape *shape)
{
	const SessionWindow *session = shape->session;
	Expr *last = over_times(shape, "max", NULL);
	Expr *limit = session->max_length ? over_times(shape, "min", session->max_length) : NULL;
	Expr *reach = over_times(shape, "max", session->gap);
	const char *kind = limit               ? "session_limited_reach"
					   : session->end_when ? "session_reach"
										   : "combine";

	reach = reach_or_end(shape, copyObject(last), reach_or_limit(reach, copyObject(limit)));
	shape_component(shape, "combine", over_times(shape, "min", NULL))->name = "_start";
	shape_component(shape, kind, reach)->name = "_reach";
	if (session->end_when || limit)
		shape_component(shape, "combine", last)->name = "_last";
	if (limit)
		shape_component(shape, "combine", limit)->name = "_limit";
}

/*
 * An aggregate whose values merge by its own combine function: min, max, bool_and, bit_or and their
 * like, and a user's own where state and result are one.
 */
static bool
is_combinable(const Aggref *aggref)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	Form_pg_aggregate form;
	bool combinable;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	combinable =
		OidIsValid(form->aggcombinefn) && !OidIsValid(form->aggfinalfn) &&
		form->aggcombinefn == form->aggtransfn && form->aggtranstype != INTERNALOID &&
		list_length(aggref->args) == 1 &&
		exprType((Node *) ((TargetEntry *) linitial(aggref->args))->expr) == aggref->aggtype;
	ReleaseSysCache(tuple);
	return combinable;
}

static bool
is_regression(const char *name)
{
	static const char *const names[] = {"covar_pop", "covar_samp", "corr"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return strncmp(name, "regr_", 5) == 0;
}

static bool
is_variance(const char *name)
{
	static const char *const names[] = {"variance", "var_samp",    "var_pop",
										"stddev",   "stddev_samp", "stddev_pop"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* To these the same value once more means nothing, so that DISTINCT does not either. */
static bool
takes_each_value_once(const char *name, bool builtin, bool ours)
{
	static const char *const names[] = {"min",   "max",     "bool_and", "bool_or",
										"every", "bit_and", "bit_or"};

	if (ours)
		return strcmp(name, "approx_count_distinct") == 0 || strncmp(name, "hll_", 4) == 0 ||
			   strcmp(name, "first") == 0 || strcmp(name, "last") == 0;
	for (size_t i = 0; i < lengthof(names) && builtin; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Of an aggregate of telemetry's; NULL: it is kept as any other, or not at all. */
static char *
final_of_ours(ViewShape *shape, Aggref *aggref, const char *name)
{
	if (strcmp(name, "approx_count_distinct") == 0 || strncmp(name, "hll_", 4) == 0)
		return final_of_hll(shape, aggref, name);
	if (strcmp(name, "exact_sum") == 0)
		return final_of_sum(shape, aggref);
	if (strcmp(name, "exact_avg") == 0)
		return final_of_avg(shape, aggref);
	if (strcmp(name, "float8_sum_agg") == 0)
		return final_of_state(shape, aggref, "sum_float8");
	if (strcmp(name, "float8_moments_agg") == 0)
		return final_of_state(shape, aggref, "moments");
	if (strcmp(name, "quantile_agg") == 0)
		return final_of_quantiles(shape, aggref);
	if (strcmp(name, "quantile_union_agg") == 0)
		return final_of_sketch(shape, aggref, "quantile_union", "quantile_union_base",
							   "quantile_aside");
	if (strcmp(name, "funnel_agg") == 0 || strcmp(name, "funnel_union_agg") == 0)
		return final_of_sketch(shape, aggref, "funnel", "funnel_base", "funnel_aside");
	if (strcmp(name, "sum_by") == 0 || strcmp(name, "sums_union_agg") == 0)
		return final_of_state(shape, aggref, "sums");
	if (strcmp(name, "concurrency_agg") == 0 || strcmp(name, "concurrency_union_agg") == 0)
		return final_of_state(shape, aggref, "concurrency");
	if (strcmp(name, "sessions_agg") == 0 || strcmp(name, "sessions_union_agg") == 0)
		return final_of_sessions(shape, aggref);
	if (strcmp(name, "first") == 0 || strcmp(name, "last") == 0)
		return final_of_extreme_by_time(shape, aggref, name);
	return NULL;
}

static char *
final_of(ViewShape *shape, Aggref *aggref)
{
	char *name = get_func_name(aggref->aggfnoid);
	char *schema = get_namespace_name(get_func_namespace(aggref->aggfnoid));
	bool builtin = strcmp(schema, "pg_catalog") == 0;

	if (aggref->aggkind != AGGKIND_NORMAL || aggref->aggorder != NIL)
		return NULL;
	if (aggref->aggdistinct != NIL)
	{
		if (takes_each_value_once(name, builtin, strcmp(schema, "telemetry") == 0))
			return final_of(shape, distinct_undone(aggref));
		return !builtin         ? NULL
			   : shape->session ? value_set_final(shape, aggref, name)
								: distinct_final(shape, aggref, name);
	}
	if (builtin && strcmp(name, "count") == 0)
	{
		Aggref *partial = copyObject(aggref);

		partial->location = -1;
		return column_of(shape, "count", (Expr *) partial);
	}
	if (builtin && strcmp(name, "sum") == 0)
		return final_of_sum(shape, aggref);
	if (builtin && strcmp(name, "avg") == 0)
		return final_of_avg(shape, aggref);
	if (builtin && is_variance(name))
		return final_of_variance(shape, aggref, name);
	if (builtin && is_regression(name))
		return final_of_moments(shape, aggref, name);
	if (strcmp(schema, "telemetry") == 0)
	{
		char *final = final_of_ours(shape, aggref, name);

		if (final)
			return final;
	}
	/* Whichever came first, of no two runs the same. */
	if (builtin && strcmp(name, "any_value") == 0)
		return NULL;
	if (is_combinable(aggref))
	{
		Aggref *partial = copyObject(aggref);

		partial->location = -1;
		return column_of(shape, "combine", (Expr *) partial);
	}
	return NULL;
}

/* array_agg, string_agg, json_object_agg, ...: these hold all values. */
static bool
is_collection(const Aggref *aggref)
{
	return strstr(get_func_name(aggref->aggfnoid), "_agg") != NULL;
}

static const char *
hint_for(const Aggref *aggref)
{
	if (is_collection(aggref))
		return "What collects all values grows without end, in an order that later rows change. "
			   "Keep the rows in a continuous view without GROUP BY and collect them where you "
			   "read it; telemetry.first() and last() keep one value by its time.";
	if (strcmp(get_func_name(aggref->aggfnoid), "any_value") == 0)
		return "Which value that is depends on the order of the rows. min(), max() and "
			   "telemetry.first() keep a certain one.";
	if (aggref->aggdistinct)
		return "It can keep count(DISTINCT), sum and avg(DISTINCT) of whole numbers, and "
			   "telemetry.approx_count_distinct(). For others, make a view that groups by the "
			   "values as well, and aggregate that.";
	if (AGGKIND_IS_ORDERED_SET(aggref->aggkind))
		return "Quantiles within a stated error are "
			   "telemetry.quantile(telemetry.quantile_agg(value), 0.5). For others, keep the rows "
			   "in a continuous view without GROUP BY and aggregate where you read it.";
	return "It can keep count, sum, avg, min, max, bool_and, bool_or, the bit_ aggregates, "
		   "variance, stddev and the regression family, telemetry.first, last, "
		   "approx_count_distinct and the hll, quantile, sessions, funnel, sums and concurrency "
		   "aggregates, and aggregates whose combine function is their transition function.";
}

void
aggregate_add(ViewShape *shape, Aggref *aggref)
{
	ViewAggregate *aggregate = palloc0(sizeof(ViewAggregate));

	aggregate->aggref = aggref;
	aggregate->final_sql = final_of(shape, aggref);
	if (aggregate->final_sql == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot keep aggregate %s%s up to date",
							   format_procedure(aggref->aggfnoid),
							   aggref->aggdistinct ? " with DISTINCT"
							   : aggref->aggorder  ? " with ORDER BY"
												   : ""),
						errhint("%s", hint_for(aggref)), shape_position(shape, aggref->location)));
	shape->aggregates = lappend(shape->aggregates, aggregate);
}
