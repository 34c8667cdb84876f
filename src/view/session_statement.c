#include "view/session_statement.h"

#include "lib/stringinfo.h"
#include "view/generate.h"
#include "view/statement.h"

/*
 * Earlier sessions of the key of row l that its interval meets. They do not meet each other, so
 * the order of their reaches is that of their starts: two looks into the index find them, however
 * many sessions the key has. NULL is the session of events without a time.
 */
static char *
near(const KnownView *view)
{
	return psprintf(
		"SELECT t.ctid FROM %1$s AS t WHERE t._key = l._key AND t._reach >= l._start AND "
		"t._reach <= l._reach UNION ALL SELECT t.ctid FROM (SELECT t.ctid, t._start FROM %1$s AS t "
		"WHERE t._key = l._key AND t._reach > l._reach ORDER BY t._reach LIMIT 1) AS t "
		"WHERE t._start <= l._reach UNION ALL SELECT t.ctid FROM %1$s AS t "
		"WHERE t._key = l._key AND t._reach IS NULL AND l._start IS NULL",
		view->earlier);
}

/* Columns of a session behind the count: start, reach, last, limit. */
static bool
has_reach(const KnownView *view, const char *kind)
{
	return view->earlier && strcmp(view->columns[view->row.nkeys + 2].kind->name, kind) == 0;
}

bool
session_is_limited(const KnownView *view)
{
	return has_reach(view, "session_limited_reach");
}

bool
session_ends(const KnownView *view)
{
	return has_reach(view, "session_reach") || session_is_limited(view);
}

/* Intervals of rows one and other meet. */
static char *
meets(const char *one, const char *other)
{
	return psprintf("(%1$s._start <= %2$s._reach AND %2$s._start <= %1$s._reach OR "
					"%1$s._start IS NULL AND %2$s._start IS NULL)",
					one, other);
}

static char *
same_key(const KnownView *view, const char *one, const char *other)
{
	if (view->row.nkeys == 0)
		return "true";
	return psprintf("%s = %s", statement_key_record(view, psprintf("%s.", one)),
					statement_key_record(view, psprintf("%s.", other)));
}

/*
 * Of pieces, intervals with their values: those of a key that meet become one. key: the columns,
 * with a comma behind, or "".
 */
static char *
islands(const KnownView *view, const char *key, const char *selected, const char *pieces)
{
	if (session_ends(view))
		return psprintf("SELECT %2$s FROM (SELECT p.*, telemetry._session_of_piece(_start, _reach, "
						"_last) OVER (PARTITION BY %1$s_start IS NULL ORDER BY _start, _last, "
						"_reach) AS _session FROM (%3$s) AS p) AS n GROUP BY %1$s_start IS NULL, "
						"_session",
						key, selected, pieces);
	return psprintf(
		"SELECT %2$s FROM (SELECT m.*, pg_catalog.sum(m._new) OVER (PARTITION BY %1$s"
		"_start IS NULL ORDER BY _start, _reach ROWS UNBOUNDED PRECEDING) AS _session FROM "
		"(SELECT p.*, CASE WHEN _start IS NULL OR _start <= pg_catalog.max(_reach) OVER "
		"(PARTITION BY %1$s_start IS NULL ORDER BY _start, _reach ROWS BETWEEN UNBOUNDED "
		"PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS _new FROM (%3$s) AS p) AS m) AS n "
		"GROUP BY %1$s_start IS NULL, _session",
		key, selected, pieces);
}

static char *
with_comma(char *list)
{
	return *list ? psprintf("%s, ", list) : list;
}

/* Without what expired: that is no part of its state. */
static char *
limited_whole(const KnownView *view, bool live)
{
	return psprintf("SELECT %s FROM %s WHERE %s", statement_columns(view, ""), view->partial,
					live ? "true" : "false");
}

char *
session_whole(const KnownView *view, bool live)
{
	char *columns = statement_columns(view, "");
	char *pieces = psprintf("SELECT %s FROM %s", columns, view->expired);

	if (session_is_limited(view))
		return psprintf("%s UNION ALL %s", limited_whole(view, live), pieces);
	if (live)
		pieces = psprintf("SELECT %s FROM %s UNION ALL %s", columns, view->partial, pieces);
	return islands(view, with_comma(statement_keys(view, "")), statement_gathering(view, true),
				   pieces);
}

char *
session_rebuild(const KnownView *view, bool live)
{
	char *keys = statement_keys(view, "");

	return psprintf(
		"WITH w AS MATERIALIZED (SELECT i.*, pg_catalog.row_number() OVER (%1$s%2$s ORDER BY "
		"_start DESC NULLS LAST) AS _rank FROM (%3$s) AS i), "
		"h AS (INSERT INTO %4$s AS s (%5$s) SELECT %5$s FROM w WHERE _rank = 1 "
		"RETURNING s._key%6$s) "
		"INSERT INTO %7$s (_key, %5$s) SELECT h._key, %8$s FROM w JOIN h ON %9$s "
		"WHERE w._rank > 1",
		*keys ? "PARTITION BY " : "", keys,
		session_is_limited(view) ? limited_whole(view, live) : session_whole(view, live),
		view->state, statement_columns(view, ""),
		*keys ? psprintf(", %s", statement_keys(view, "s.")) : "", view->earlier,
		statement_columns(view, "w."), same_key(view, "w", "h"));
}

/* Counts of a key without a session are 0; what else it has is NULL. */
static char *
counts(const KnownView *view, const char *value)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (strcmp(column->kind->name, "count") == 0)
			appendStringInfo(&sql, "%s%s", sql.len > 0 ? ", " : "", value ? value : column->name);
	}
	return sql.data;
}

char *
session_lock(const KnownView *view, bool plus, bool minus)
{
	char *keys = statement_keys(view, "");
	char *changed = psprintf("%s%s%s%s%s", plus ? "SELECT " : "", plus ? keys : "",
							 plus ? " FROM " PLUS_ROWS : "", plus && minus ? " UNION ALL " : "",
							 minus ? psprintf("SELECT %s FROM " MINUS_ROWS, keys) : "");

	return psprintf("INSERT INTO %1$s AS s (%2$s%3$s) SELECT %2$s%4$s FROM (%5$s) AS d%6$s "
					"ON CONFLICT (%7$s) DO UPDATE SET _count = s._count "
					"RETURNING s.ctid AS _row, s._key, %8$s",
					view->state, with_comma(keys), counts(view, NULL), counts(view, "0"), changed,
					*keys ? psprintf(" GROUP BY %s%s", keys, statement_order(view)) : " LIMIT 1",
					*keys ? keys : "(true)", statement_columns(view, "s."));
}

char *
session_put_earlier(const KnownView *view)
{
	return psprintf("INSERT INTO %1$s (_key, %2$s) SELECT _key, %2$s FROM " REPLACED_ROWS,
					view->earlier, statement_columns(view, ""));
}

/* SET name = prefix.name, ... of all values behind the keys; prefix NULL: as without a session. */
static char *
assignments(const KnownView *view, const char *prefix)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];
		bool count = strcmp(column->kind->name, "count") == 0;

		appendStringInfo(&sql, "%s%s = %s%s", sql.len > 0 ? ", " : "", column->name,
						 prefix  ? prefix
						 : count ? "0"
								 : "NULL",
						 prefix ? column->name : "");
	}
	return sql.data;
}

/*
 * A session within which an event is that ends one, or that is too long, so that it has to be
 * split. Two pieces make such a one; no piece is one by itself.
 */
static char *
torn(const KnownView *view)
{
	return psprintf(", COALESCE(pg_catalog.min(_last) FILTER (WHERE _reach = _last) < "
					"pg_catalog.max(_last), false)%s AS _torn",
					session_is_limited(view)
						? " OR COALESCE(pg_catalog.max(_last) > pg_catalog.min(_limit), false)"
						: "");
}

char *
session_merge(const KnownView *view, bool wanted)
{
	bool ends = session_ends(view);
	StringInfoData sql;
	char *columns = statement_columns(view, "");
	char *of_heads =
		psprintf("%s%s", with_comma(statement_keys(view, "h.")), statement_values(view, "n."));

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "WITH came AS MATERIALIZED (SELECT h._key, %s FROM " PLUS_ROWS
					 " AS d JOIN " HEAD_ROWS " AS h ON %s), ",
					 statement_columns(view, "d."), same_key(view, "d", "h"));
	/* What begins within the newest session, or after it, cannot meet an earlier one. */
	appendStringInfo(&sql,
					 "late AS (SELECT d._key, d._start, d._reach FROM came AS d JOIN " HEAD_ROWS
					 " AS h ON h._key = d._key WHERE (d._start >= h._start) IS NOT TRUE), "
					 "near AS (DELETE FROM %s AS e WHERE e.ctid = ANY (ARRAY(SELECT t.ctid FROM "
					 "late AS l, LATERAL (%s) AS t)) RETURNING e._key, %s), ",
					 view->earlier, near(view), statement_columns(view, "e."));
	appendStringInfo(
		&sql,
		"old AS (SELECT _key, %1$s FROM near UNION ALL SELECT _key, %1$s FROM " HEAD_ROWS
		" WHERE _count > 0), ",
		columns);
	appendStringInfo(
		&sql,
		"sessions AS MATERIALIZED (SELECT i.*, pg_catalog.row_number() OVER (PARTITION BY _key "
		"ORDER BY _start DESC NULLS LAST) AS _rank FROM (%s) AS i), ",
		islands(view, "_key, ",
				psprintf("_key, %s%s", statement_gathering(view, false), ends ? torn(view) : ""),
				psprintf("SELECT _key, %1$s FROM came UNION ALL SELECT _key, %1$s FROM old",
						 statement_values(view, ""))));
	appendStringInfo(&sql,
					 "%1$s AS (INSERT INTO %2$s (_key, %3$s) SELECT h._key, %4$s FROM sessions AS "
					 "n JOIN " HEAD_ROWS " AS h ON h._key = n._key WHERE n._rank > 1)",
					 "others", view->earlier, columns, of_heads);
	appendStringInfo(&sql,
					 "%sUPDATE %s AS s SET %s FROM sessions AS n JOIN " HEAD_ROWS
					 " AS h ON h._key = n._key WHERE n._rank = 1 AND s.ctid = h._row",
					 wanted || ends ? ", heads AS (" : " ", view->state, assignments(view, "n."));
	if (!wanted && !ends)
		return sql.data;
	appendStringInfo(
		&sql, ") SELECT %s, %s FROM sessions AS n JOIN " HEAD_ROWS " AS h ON h._key = n._key",
		ends ? "CASE WHEN NOT n._torn THEN true END" : "true", of_heads);
	if (wanted)
		appendStringInfo(&sql, " UNION ALL SELECT false, %s FROM old", columns);
	else
		appendStringInfoString(&sql, " WHERE n._torn");
	return sql.data;
}

/* Up to where sessions of the row d are taken out: the reach of so many that follow it. */
static char *
reach_ahead(const KnownView *view, int ahead)
{
	if (ahead == 0 || !session_is_limited(view))
		return "d._reach";
	return psprintf(
		"GREATEST(d._last, COALESCE((SELECT t._reach FROM %s AS t WHERE t._key = h._key "
		"AND t._reach > d._reach ORDER BY t._reach OFFSET %d LIMIT 1), h._reach))",
		view->earlier, ahead - 1);
}

char *
session_take_out(const KnownView *view, int ahead)
{
	const char *told = ahead == 0 ? "true"
					   : session_is_limited(view)
						   ? "NOT EXISTS (SELECT FROM went AS d WHERE d._key = o._key AND "
							 "d._start = o._start)"
						   : "false";

	return psprintf(
		"WITH went AS MATERIALIZED (SELECT h._key, d._start, %9$s AS _reach FROM " MINUS_ROWS
		" AS d JOIN " HEAD_ROWS " AS h ON %1$s), "
		"others AS (DELETE FROM %2$s AS e WHERE e.ctid = ANY (ARRAY(SELECT t.ctid FROM went AS l, "
		"LATERAL (%3$s) AS t)) RETURNING e._key, %4$s), "
		"hit AS MATERIALIZED (SELECT h.* FROM " HEAD_ROWS " AS h WHERE h._count > 0 AND EXISTS "
		"(SELECT FROM went AS d WHERE d._key = h._key AND %5$s)), "
		"heads AS (UPDATE %6$s AS s SET %7$s FROM hit AS h WHERE s.ctid = h._row) "
		"SELECT NULL::bigint, %10$s, %8$s FROM others AS o UNION ALL SELECT o._key, %10$s, %8$s "
		"FROM hit AS o",
		same_key(view, "d", "h"), view->earlier, near(view), statement_columns(view, "e."),
		meets("d", "h"), view->state, assignments(view, NULL), statement_columns(view, "o."),
		reach_ahead(view, ahead), told);
}

char *
session_promote(const KnownView *view)
{
	return psprintf(
		"DELETE FROM %1$s AS e WHERE e.ctid = ANY (ARRAY(SELECT n.ctid FROM "
		"pg_catalog.unnest($1) AS l (_key), LATERAL ((SELECT t.ctid FROM %1$s AS t "
		"WHERE t._key = l._key AND t._reach IS NOT NULL ORDER BY t._reach DESC LIMIT 1) UNION ALL "
		"(SELECT t.ctid FROM %1$s AS t WHERE t._key = l._key AND t._reach IS NULL)) AS n)) "
		"RETURNING %2$s",
		view->earlier, statement_columns(view, "e."));
}

char *
session_expired(const KnownView *view)
{
	return psprintf("SELECT %s FROM %s AS e JOIN " DIRTY_ROWS " AS d ON %s AND (e._start BETWEEN "
					"d._start AND d._reach OR e._start IS NULL AND d._start IS NULL)",
					statement_columns(view, "e."), view->expired, same_key(view, "e", "d"));
}

char *
session_clear(const KnownView *view)
{
	return psprintf("DELETE FROM %s AS s USING " HEAD_ROWS
					" AS h WHERE s.ctid = h._row AND s._count = 0",
					view->state);
}
