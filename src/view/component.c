/*
 * How the columns of a state table merge: by templates of SQL.
 *
 * A sketch stands in two columns, what is aside (src/type/aside.h) and the sketch itself, in this
 * order: the log of an update has a row from its first changed byte to its last, and the long one,
 * where it is in line, is to be behind that. For the same reason all other columns stand before
 * them, and right before them the count of rows.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "view/shape.h"

#define HLL_WHOLE "COALESCE(telemetry.hll_union({a}, {ap}), {a}, {ap})"
/* In brackets, since a - may stand before them. */
#define FUNNEL_WHOLE    "(COALESCE({a} OPERATOR(telemetry.+) {ap}, {a}, {ap}))"
#define QUANTILES_WHOLE "(COALESCE({a} OPERATOR(telemetry.+) {ap}, {a}, {ap}))"

static const ComponentKind kinds[] = {
	{"count", "{a} + {b}", "COALESCE(pg_catalog.sum({a})::bigint, 0)", "- {a}", NULL},
	{"sum_bigint", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})::bigint", "- {a}", NULL},
	{"sum_numeric", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})", "- {a}",
	 "{a} IN ('NaN', 'Infinity', '-Infinity')"},
	/* From PostgreSQL 17 on there are infinite ones; nothing is left of two that are opposite. */
	{"sum_interval", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})",
	 "CASE WHEN pg_catalog.isfinite({a}) THEN - {a} END", "NOT pg_catalog.isfinite({a})"},
	{"sum_money", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})", "'0'::money - {a}", NULL},
	{"sum_float8", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.float8_sum_union_agg({a})", "OPERATOR(telemetry.-) {a}", NULL},
	{"moments", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.float8_moments_union_agg({a})", "OPERATOR(telemetry.-) {a}", NULL},
	{"quantiles", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.quantile_union_agg({a})", "OPERATOR(telemetry.-) {a}", NULL},
	{"quantile_aside", "telemetry._quantile_aside({a}, {at}, {b}, {bt}, {room})",
	 "NULL::telemetry.quantile_sketch", "{a}", NULL, "NULL::telemetry.quantile_sketch", true},
	{"quantiles_base", "telemetry._quantile_base({a}, {ap}, {b}, {bp}, {room})",
	 "telemetry.quantile_union_agg(" QUANTILES_WHOLE ")", "OPERATOR(telemetry.-) " QUANTILES_WHOLE,
	 NULL, QUANTILES_WHOLE},
	/* Of different errors: when the coarsest goes, the rest is finer than what was merged. */
	{"quantile_union", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.quantile_union_agg({a})", NULL, NULL},
	{"quantile_union_base", "telemetry._quantile_base({a}, {ap}, {b}, {bp}, {room})",
	 "telemetry.quantile_union_agg(" QUANTILES_WHOLE ")", NULL, NULL, QUANTILES_WHOLE},
	{"hll", "COALESCE(telemetry.hll_union({a}, {b}), {a}, {b})", "telemetry.hll_union_agg({a})",
	 NULL, NULL},
	{"hll_aside", "telemetry._hll_aside({a}, {at}, {b}, {bt}, {room})", "NULL::telemetry.hll",
	 "{a}", NULL, "NULL::telemetry.hll", true},
	{"hll_base", "telemetry._hll_base({a}, {ap}, {b}, {bp}, {room})",
	 "telemetry.hll_union_agg(" HLL_WHOLE ")", NULL, NULL, HLL_WHOLE},
	{"funnel", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.funnel_union_agg({a})", "OPERATOR(telemetry.-) {a}", NULL},
	{"funnel_aside", "telemetry._funnel_aside({a}, {at}, {b}, {bt}, {room})",
	 "NULL::telemetry.funnel", "{a}", NULL, "NULL::telemetry.funnel", true},
	{"funnel_base", "telemetry._funnel_base({a}, {ap}, {b}, {bp}, {room})",
	 "telemetry.funnel_union_agg(" FUNNEL_WHOLE ")", "OPERATOR(telemetry.-) " FUNNEL_WHOLE, NULL,
	 FUNNEL_WHOLE},
	{"sums", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})", "telemetry.sums_union_agg({a})",
	 "OPERATOR(telemetry.-) {a}", NULL},
	{"concurrency", "COALESCE({a} OPERATOR(telemetry.+) {b}, {a}, {b})",
	 "telemetry.concurrency_union_agg({a})", "OPERATOR(telemetry.-) {a}", NULL},
	{"sessions", "COALESCE({a} OPERATOR(telemetry.||) {b}, {a}, {b})",
	 "telemetry.sessions_union_agg({a})", NULL, NULL},
	{"first",
	 "CASE WHEN {bt} IS NULL OR {at} < {bt} THEN {a} WHEN {at} IS NULL OR {bt} < {at} THEN {b} "
	 "ELSE LEAST({a}, {b}) END",
	 "telemetry.first({a}, {at})", NULL, NULL},
	{"last",
	 "CASE WHEN {bt} IS NULL OR {at} > {bt} THEN {a} WHEN {at} IS NULL OR {bt} > {at} THEN {b} "
	 "ELSE GREATEST({a}, {b}) END",
	 "telemetry.last({a}, {at})", NULL, NULL},
	/* Where events end sessions: the last one's time, in the next column, if that event does. */
	{"session_reach",
	 "CASE WHEN {at} IS NULL THEN {b} WHEN {bt} IS NULL THEN {a} "
	 "WHEN {a} = {at} AND {at} >= {bt} OR {b} = {bt} AND {bt} >= {at} THEN GREATEST({at}, {bt}) "
	 "ELSE GREATEST({a}, {b}) END",
	 "CASE WHEN pg_catalog.max({at}) FILTER (WHERE {a} = {at}) = pg_catalog.max({at}) "
	 "THEN pg_catalog.max({at}) ELSE pg_catalog.max({a}) END",
	 NULL, NULL},
	/*
	 * Where sessions have a greatest length: the same, and no event behind the limit, in the column
	 * after that, belongs to it.
	 */
	{"session_limited_reach",
	 "CASE WHEN {at} IS NULL THEN {b} WHEN {bt} IS NULL THEN {a} "
	 "WHEN {a} = {at} AND {at} >= {bt} OR {b} = {bt} AND {bt} >= {at} THEN GREATEST({at}, {bt}) "
	 "ELSE LEAST(GREATEST({a}, {b}), {au}, {bu}) END",
	 "CASE WHEN pg_catalog.max({at}) FILTER (WHERE {a} = {at}) = pg_catalog.max({at}) "
	 "THEN pg_catalog.max({at}) ELSE LEAST(pg_catalog.max({a}), pg_catalog.min({au})) END",
	 NULL, NULL},
	/* Fed by a helper: distinct.c. */
	{"distinct", "{a} + {b}", "COALESCE(pg_catalog.sum({a})::bigint, 0)", "- {a}", NULL},
	{"distinct_sum_bigint", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})::bigint", "- {a}",
	 NULL},
	{"distinct_sum_numeric", "COALESCE({a} + {b}, {a}, {b})", "pg_catalog.sum({a})", "- {a}", NULL},
	/* The distinct values of a session: value_set.c. */
	{"value_set", "COALESCE(telemetry._values_union({a}, {b}), {a}, {b})",
	 "telemetry._values_union_agg({a})", NULL, NULL},
	/* In such a helper: the last fold inserted the row. */
	{"fresh", "false", "true", "{a}", NULL},
	/* Of a row that is kept as it is: nothing merges. */
	{"row_hash", NULL, NULL, NULL, NULL},
	/* By the aggregate's own combine function; statement.c names it. */
	{"combine", NULL, NULL, NULL, NULL},
};

const ComponentKind *
component_kind(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	elog(ERROR, "unknown kind of component of a continuous view: %s", name);
}

char *
component_expand(const char *template, const ComponentNames *names)
{
	const struct
	{
		const char *name;
		const char *value;
	} places[] = {{"{a}", names->a},   {"{b}", names->b},   {"{at}", names->at},
				  {"{bt}", names->bt}, {"{au}", names->au}, {"{bu}", names->bu},
				  {"{ap}", names->ap}, {"{bp}", names->bp}, {"{room}", names->room}};
	StringInfoData sql;

	initStringInfo(&sql);
	while (*template)
	{
		size_t i;

		for (i = 0; i < lengthof(places); i++)
			if (strncmp(template, places[i].name, strlen(places[i].name)) == 0)
				break;
		if (i == lengthof(places))
			appendStringInfoChar(&sql, *template ++);
		else
		{
			appendStringInfoString(&sql, places[i].value);
			template += strlen(places[i].name);
		}
	}
	return sql.data;
}
