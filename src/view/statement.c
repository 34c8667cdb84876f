/*
 * The statements by which partial rows are merged into a state table.
 *
 * They are text, for PostgreSQL to plan and for a DBA to read, made anew from the view's OIDs by
 * every session: what is shown is never what is run from.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "view/distinct.h"
#include "view/generate.h"
#include "view/session_statement.h"
#include "view/statement.h"

static char *
qualified_function(Oid function)
{
	return quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
									  get_func_name(function));
}

/* Two of PostgreSQL's refuse to be called but by an aggregate. */
static Oid
callable_combine(Oid function)
{
	switch (function)
	{
		case F_RANGE_INTERSECT_AGG_TRANSFN:
			return F_RANGE_INTERSECT;
		case F_MULTIRANGE_INTERSECT_AGG_TRANSFN:
			return F_MULTIRANGE_INTERSECT;
		default:
			return function;
	}
}

static char *
combine_function(Oid aggregate)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	name =
		qualified_function(callable_combine(((Form_pg_aggregate) GETSTRUCT(tuple))->aggcombinefn));
	ReleaseSysCache(tuple);
	return name;
}

static const char *
name_at(const KnownView *view, int i, const char *prefix)
{
	bool is_there = i >= view->row.nkeys && i < view->ncolumns;

	return is_there ? psprintf("%s%s", prefix, view->columns[i].name) : "";
}

/* Of the columns that are aside of another, each has its share. */
static char *
room_of(const KnownView *view)
{
	int n = 0;

	for (int i = view->row.nkeys; i < view->ncolumns; i++)
		n += view->columns[i].kind && view->columns[i].kind->aside;
	return psprintf("%d", COMPONENT_ROOM / Max(n, 1));
}

/* A template of column i, of the rows a and b: prefixes of their columns. */
static char *
expand(const char *template, const KnownView *view, int i, const char *a, const char *b)
{
	const ComponentNames names = {.a = name_at(view, i, a),
								  .b = name_at(view, i, b),
								  .at = name_at(view, i + 1, a),
								  .bt = name_at(view, i + 1, b),
								  .au = name_at(view, i + 2, a),
								  .bu = name_at(view, i + 2, b),
								  .ap = name_at(view, i - 1, a),
								  .bp = name_at(view, i - 1, b),
								  .room = room_of(view)};

	return component_expand(template, &names);
}

/* Column i of the rows a merged with that of the rows b. */
static char *
merged(const KnownView *view, int i, const char *a, const char *b)
{
	const KnownColumn *column = &view->columns[i];
	char *one = psprintf("%s%s", a, column->name);
	char *other = psprintf("%s%s", b, column->name);

	if (column->kind->merge == NULL)
		return psprintf("COALESCE(%s(%s, %s), %s, %s)", combine_function(column->aggregate), one,
						other, one, other);
	return expand(column->kind->merge, view, i, a, b);
}

/* Column i gathered over rows of one group. */
static char *
gathered(const KnownView *view, int i)
{
	const KnownColumn *column = &view->columns[i];

	if (column->kind->gather == NULL)
		return psprintf("%s(%s)", qualified_function(column->aggregate), column->name);
	return expand(column->kind->gather, view, i, "", "");
}

/* Told that it has no length, lest char and bit be those of length 1. */
static char *
type_of(const KnownView *view, int i)
{
	return format_type_extended(TupleDescAttr(view->desc, i)->atttypid, -1,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* The equality that GROUP BY goes by, wherever it is: found by name, that of citext is text's. */
static char *
equality_of(const KnownView *view, int i)
{
	Oid type = TupleDescAttr(view->desc, i)->atttypid;
	Oid equality = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(equality));
	Form_pg_operator form;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", equality);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

static char *
column_list(const KnownView *view, int from, int to, const char *prefix)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = from; i < to; i++)
		appendStringInfo(&sql, "%s%s%s", i > from ? ", " : "", prefix, view->columns[i].name);
	return sql.data;
}

static void
append_keys(StringInfo sql, const KnownView *view, const char *prefix)
{
	appendStringInfoString(sql, column_list(view, 0, view->row.nkeys, prefix));
}

static void
append_columns(StringInfo sql, const KnownView *view)
{
	appendStringInfoString(sql, column_list(view, 0, view->ncolumns, ""));
}

/* The columns of rows that take away what they hold; what cannot be taken away is NULL. */
static void
append_negated(StringInfo sql, const KnownView *view)
{
	for (int i = 0; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];
		char *value = column->name;

		if (column->kind && column->kind->negate)
			value = expand(column->kind->negate, view, i, "", "");
		else if (column->kind)
			value = psprintf("NULL::%s", type_of(view, i));
		appendStringInfo(sql, "%s%s AS %s", i ? ", " : "", value, column->name);
	}
}

static void
append_gathering(StringInfo sql, const KnownView *view)
{
	appendStringInfoString(sql, statement_gathering(view, true));
}

/* Any order will do that is the same for all: bytes compare faster than words of a language. */
static void
append_order_by(StringInfo sql, const KnownView *view)
{
	for (int i = 0; i < view->row.nkeys; i++)
	{
		Oid collation = TupleDescAttr(view->desc, i)->attcollation;
		bool by_bytes = OidIsValid(collation) && get_collation_isdeterministic(collation);

		appendStringInfo(sql, "%s%s%s", i ? ", " : " ORDER BY ", view->columns[i].name,
						 by_bytes ? " COLLATE pg_catalog.\"C\"" : "");
	}
}

static void
append_group_by(StringInfo sql, const KnownView *view, bool order)
{
	if (view->row.nkeys == 0)
		return;
	appendStringInfoString(sql, " GROUP BY ");
	append_keys(sql, view, "");
	if (order)
		append_order_by(sql, view);
}

static void
append_set(StringInfo sql, const KnownView *view, const char *from)
{
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
		appendStringInfo(sql, "%s%s = %s", i == view->row.nkeys ? " SET " : ", ",
						 view->columns[i].name, merged(view, i, "s.", from));
}

/* What the state's unique index is over. */
static void
append_conflict(StringInfo sql, const KnownView *view)
{
	appendStringInfoString(sql, " ON CONFLICT (");
	if (view->row.nkeys == 0)
		appendStringInfoString(sql, "(true)");
	append_keys(sql, view, "");
	appendStringInfoString(sql, ") DO UPDATE");
}

static void
append_returning(StringInfo sql, const KnownView *view)
{
	appendStringInfoString(sql, " RETURNING s.ctid");
	for (int i = 0; i < view->ncolumns; i++)
		appendStringInfo(sql, ", s.%s", view->columns[i].name);
}

/* Counts are never NULL; what else a group without rows has is. */
static void
append_keys_and_counts(StringInfo sql, const KnownView *view, const char *count)
{
	const char *comma = "";

	for (int i = 0; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (column->kind && !known_is_count(column->kind))
			continue;
		appendStringInfo(sql, "%s%s", comma, column->kind && count ? count : column->name);
		comma = ", ";
	}
}

char *
generate_lock(const KnownView *view, bool plus, bool minus)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS s (", view->state);
	append_keys_and_counts(&sql, view, NULL);
	appendStringInfoString(&sql, ") SELECT ");
	append_keys_and_counts(&sql, view, "0");
	appendStringInfoString(&sql, " FROM (");
	for (int i = 0; i < 2; i++)
	{
		if (!(i == 0 ? plus : minus))
			continue;
		appendStringInfoString(&sql, i == 1 && plus ? " UNION ALL SELECT " : "SELECT ");
		append_keys(&sql, view, "");
		appendStringInfo(&sql, " FROM %s", i == 0 ? PLUS_ROWS : MINUS_ROWS);
	}
	appendStringInfoString(&sql, ") AS d");
	if (view->row.nkeys > 0)
		append_group_by(&sql, view, true);
	else
		appendStringInfoString(&sql, " LIMIT 1");
	append_conflict(&sql, view);
	appendStringInfoString(&sql, " SET _count = s._count");
	append_returning(&sql, view);
	return sql.data;
}

char *
generate_append(const KnownView *view)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", view->state);
	append_columns(&sql, view);
	appendStringInfoString(&sql, ") SELECT ");
	append_columns(&sql, view);
	appendStringInfoString(&sql, " FROM " PLUS_ROWS);
	return sql.data;
}

/* Behind all that users named. */
static const char *
hash_of(const KnownView *view)
{
	return view->columns[view->ncolumns - 1].name;
}

/* How many rows of each hash are left to take away. */
static char *
left_to_remove(const KnownView *view)
{
	return psprintf("SELECT h AS _hash, pg_catalog.sum(n) AS _n FROM (SELECT %s, 1 FROM " MINUS_ROWS
					" UNION ALL SELECT r, -1 FROM pg_catalog.unnest($1) AS r) AS d (h, n) "
					"GROUP BY h HAVING pg_catalog.sum(n) > 0",
					hash_of(view));
}

/* FOR UPDATE stands below the LIMIT: in the place of rows that others have, it takes the next. */
char *
generate_remove(const KnownView *view, bool wait)
{
	return psprintf("DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM (%2$s) AS m, "
					"LATERAL (SELECT s.ctid FROM %1$s AS s WHERE s.%3$s = m._hash LIMIT m._n "
					"FOR UPDATE%4$s) AS r)) RETURNING %3$s",
					view->state, left_to_remove(view), hash_of(view), wait ? "" : " SKIP LOCKED");
}

char *
generate_left(const KnownView *view)
{
	return psprintf("SELECT FROM (%s) AS m WHERE EXISTS (SELECT FROM %s AS s WHERE s.%s = m._hash) "
					"LIMIT 1",
					left_to_remove(view), view->state, hash_of(view));
}

char *
generate_fold(const KnownView *view, bool plus, bool minus, bool wanted, bool gathered)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS s (", view->state);
	append_columns(&sql, view);
	appendStringInfoString(&sql, ") SELECT ");
	if (gathered)
		append_columns(&sql, view);
	else
		append_gathering(&sql, view);
	appendStringInfoString(&sql, " FROM (");
	if (plus)
	{
		appendStringInfoString(&sql, "SELECT ");
		append_columns(&sql, view);
		appendStringInfoString(&sql, " FROM " PLUS_ROWS);
	}
	if (plus && minus)
		appendStringInfoString(&sql, " UNION ALL ");
	if (minus)
	{
		appendStringInfoString(&sql, "SELECT ");
		append_negated(&sql, view);
		appendStringInfoString(&sql, " FROM " MINUS_ROWS);
	}
	appendStringInfoString(&sql, ") AS d");
	if (gathered)
		append_order_by(&sql, view);
	else
		append_group_by(&sql, view, true);
	append_conflict(&sql, view);
	append_set(&sql, view, "excluded.");
	if (minus || wanted)
		append_returning(&sql, view);
	return sql.data;
}

char *
generate_merge(const KnownView *view)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s", view->state);
	append_set(&sql, view, "d.");
	appendStringInfo(&sql, " FROM %s AS d", view->state);
	return sql.data;
}

char *
generate_unsafe(const KnownView *view)
{
	StringInfoData sql;
	const char * or = "";

	initStringInfo(&sql);
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (column->kind->unsafe == NULL)
			continue;
		appendStringInfo(&sql, "%s%s", or, expand(column->kind->unsafe, view, i, "", ""));
		or = " OR ";
	}
	return sql.len > 0 ? sql.data : NULL;
}

bool
statement_is_extreme(const KnownColumn *column)
{
	const char *name;

	if (column->kind->merge != NULL ||
		get_func_namespace(column->aggregate) != PG_CATALOG_NAMESPACE)
		return false;
	name = get_func_name(column->aggregate);
	return strcmp(name, "max") == 0 || strcmp(name, "min") == 0;
}

/* Whether the least, or greatest, of the groups may be one that goes. */
static char *
extreme_goes(const char *extreme, bool apart)
{
	if (apart)
		return psprintf("%1$s IS DISTINCT FROM %1$s FILTER (WHERE _comes)", extreme);
	return psprintf("%1$s FILTER (WHERE NOT _comes) = %1$s", extreme);
}

char *
generate_negation(const KnownView *view)
{
	StringInfoData sql;
	char *unsafe = generate_unsafe(view);

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_negated(&sql, view);
	appendStringInfo(&sql, ", COALESCE(%s, false) FROM %s", unsafe ? unsafe : "false", view->state);
	return sql.data;
}

/*
 * Groups that nothing goes from only gain. Neither is there anything to compute where the least of
 * what goes is not the least of all: either it was not the least of the group, or what comes is
 * less. Where the two are apart, so that nothing goes that came, it may also be equal.
 */
char *
generate_dirty(const KnownView *view, bool apart)
{
	StringInfoData sql;
	const char * or = "";

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (column->kind->negate == NULL && statement_is_extreme(column))
			appendStringInfo(&sql, "%sCOALESCE(%s, false)", or,
							 extreme_goes(gathered(view, i), apart));
		else if (column->kind->negate == NULL)
			appendStringInfo(&sql, "%sNOT pg_catalog.bool_and(_comes)", or);
		else if (column->kind->unsafe)
			appendStringInfo(&sql,
							 "%sCOALESCE(pg_catalog.bool_or(%s) FILTER (WHERE NOT _comes), false)",
							 or, expand(column->kind->unsafe, view, i, "", ""));
		else
			continue;
		or = " OR ";
	}
	appendStringInfoString(&sql, " FROM (SELECT ");
	append_columns(&sql, view);
	appendStringInfoString(&sql, ", true AS _comes FROM " PLUS_ROWS " UNION ALL SELECT ");
	append_columns(&sql, view);
	appendStringInfoString(&sql, ", false FROM " MINUS_ROWS ") AS d");
	append_group_by(&sql, view, true);
	return sql.data;
}

/* What the columns that helpers feed are to hold. */
typedef enum Fed
{
	FED_NOT,      /* nothing: they are left alone */
	FED_BY_STATE, /* what the helpers have, which were built before */
	FED_ANEW
} Fed;

/*
 * What the target's rows and the expired partitions give together, as rows of the state's shape;
 * of the groups for which condition holds.
 */
static void
append_whole(StringInfo sql, const KnownView *view, const char *condition, Fed fed)
{
	if (view->earlier)
	{
		appendStringInfoString(sql, session_whole(view, true));
		return;
	}
	appendStringInfoString(sql, "SELECT ");
	if (view->rows)
		append_columns(sql, view);
	else
		append_gathering(sql, view);
	appendStringInfoString(sql, " FROM (SELECT ");
	append_columns(sql, view);
	appendStringInfo(sql, " FROM %s%s UNION ALL SELECT ", view->partial, condition);
	append_columns(sql, view);
	appendStringInfo(sql, " FROM %s%s", view->expired, condition);
	if (fed != FED_NOT)
		distinct_append_all(sql, view, fed == FED_ANEW);
	appendStringInfoString(sql, ") AS w");
	if (!view->rows)
		append_group_by(sql, view, false);
}

/*
 * The partial query is narrowed by each key alone, which reaches the target's indexes and
 * partitions; the join on all keys then picks the groups.
 */
char *
generate_recompute(const KnownView *view)
{
	StringInfoData condition;
	StringInfoData sql;
	const char *comma = "";

	initStringInfo(&condition);
	for (int i = 0; i < view->row.nkeys; i++)
		/* There are no arrays of arrays. */
		if (OidIsValid(get_array_type(TupleDescAttr(view->desc, i)->atttypid)))
			appendStringInfo(&condition, "%s($%d::%s[] IS NULL OR %s %s ANY ($%d::%s[]))",
							 condition.len > 0 ? " AND " : " WHERE ", i + 1, type_of(view, i),
							 view->columns[i].name, equality_of(view, i), i + 1, type_of(view, i));
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s AS s SET ", view->state);
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		if (distinct_is_fed(view->columns[i].kind))
			continue;
		appendStringInfo(&sql, "%s%s = w.%s", comma, view->columns[i].name, view->columns[i].name);
		comma = ", ";
	}
	appendStringInfoString(&sql, " FROM (");
	append_whole(&sql, view, condition.data, FED_NOT);
	appendStringInfoString(&sql, ") AS w, " DIRTY_ROWS " AS d WHERE s.ctid = d._row");
	if (view->row.nkeys > 0)
		appendStringInfo(&sql, " AND %s = %s", statement_key_record(view, "w."),
						 statement_key_record(view, "d."));
	append_returning(&sql, view);
	return sql.data;
}

char *
generate_rebuild(const KnownView *view)
{
	StringInfoData sql;

	if (view->earlier)
		return session_rebuild(view, true);
	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", view->state);
	append_columns(&sql, view);
	appendStringInfoString(&sql, ") ");
	append_whole(&sql, view, "", FED_BY_STATE);
	return sql.data;
}

char *
generate_reset(const KnownView *view)
{
	StringInfoData sql;

	if (view->earlier)
		return session_rebuild(view, false);
	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", view->state);
	append_columns(&sql, view);
	appendStringInfoString(&sql, ") SELECT ");
	if (view->rows)
		append_columns(&sql, view);
	else
		append_gathering(&sql, view);
	appendStringInfoString(&sql, " FROM (SELECT ");
	append_columns(&sql, view);
	appendStringInfo(&sql, " FROM %s", view->expired);
	distinct_append_all(&sql, view, false);
	appendStringInfoString(&sql, ") AS w");
	if (!view->rows)
		append_group_by(&sql, view, false);
	return sql.data;
}

char *
generate_columns(const KnownView *view, const char *table)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, view);
	appendStringInfo(&sql, " FROM %s", table);
	return sql.data;
}

char *
generate_whole(const KnownView *view)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_whole(&sql, view, "", FED_ANEW);
	return sql.data;
}

char *
generate_shown(const KnownView *view, int i)
{
	const KnownColumn *column = &view->columns[i];

	if (column->kind == NULL || column->kind->whole == NULL)
		return column->name;
	return expand(column->kind->whole, view, i, "", "");
}

/* ---- for other statements -------------------------------------------------------------------- */

char *
statement_columns(const KnownView *view, const char *prefix)
{
	return column_list(view, 0, view->ncolumns, prefix);
}

char *
statement_keys(const KnownView *view, const char *prefix)
{
	return column_list(view, 0, view->row.nkeys, prefix);
}

char *
statement_values(const KnownView *view, const char *prefix)
{
	return column_list(view, view->row.nkeys, view->ncolumns, prefix);
}

char *
statement_gathering(const KnownView *view, bool keys)
{
	StringInfoData sql;
	const char *comma = "";

	initStringInfo(&sql);
	for (int i = keys ? 0 : view->row.nkeys; i < view->ncolumns; i++)
	{
		const char *name = view->columns[i].name;

		appendStringInfo(&sql, "%s%s AS %s", comma, i < view->row.nkeys ? name : gathered(view, i),
						 name);
		comma = ", ";
	}
	return sql.data;
}

char *
statement_order(const KnownView *view)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_order_by(&sql, view);
	return sql.data;
}

char *
statement_key_record(const KnownView *view, const char *prefix)
{
	return psprintf("ROW(%s)::record", statement_keys(view, prefix));
}
