/*
 * The statements of a dimension that keeps versions: which version an event is in, the versions as
 * they follow from what is known and what is new, and the facts that stand in another one now.
 */
#include "postgres.h"

#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/*
 * A pattern for each tracked column: # is its number, $ its name, ~ its equality and ^ the
 * collation to compare by.
 */
static char *
each(const Versions *versions, const char *separator, const char *pattern)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < versions->ntracked; i++)
	{
		const TrackedColumn *column = &versions->tracked[i];

		if (i > 0)
			appendStringInfoString(&sql, separator);
		for (const char *c = pattern; *c; c++)
			switch (*c)
			{
				case '#':
					appendStringInfo(&sql, "%d", i);
					break;
				case '$':
					appendStringInfoString(&sql, quote_identifier(column->value.name));
					break;
				case '~':
					appendStringInfoString(&sql, column->operator);
					break;
				case '^':
					appendStringInfoString(&sql, column->collate);
					break;
				default:
					appendStringInfoChar(&sql, *c);
			}
	}
	return sql.data;
}

static char *
natural_names(const Dimension *dimension)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < dimension->nkeys; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(dimension->columns[i].name));
	return sql.data;
}

/* The version that is valid at an event's time, and whether the event says anything else. */
static char *
compose_lookup(const Dimension *dimension)
{
	const Versions *versions = dimension->versions;
	int n = dimension->nkeys;

	return psprintf("SELECT u.n, CAST(v.%s AS %s), pg_catalog.isfinite(u.t) AND %s AND (%s) "
					"FROM ROWS FROM (%s) WITH ORDINALITY AS u(%s, t, %s, n) CROSS JOIN LATERAL "
					"(SELECT d.* FROM ONLY %s AS d WHERE %s AND d.valid_from <= u.t "
					"AND d.valid_from < d.valid_to ORDER BY d.valid_from DESC LIMIT 1) AS v",
					quote_identifier(dimension->key_name), target_type(dimension->key_type),
					each(versions, " AND ", "u.v# IS NOT NULL"),
					each(versions, " OR ", "v.$ IS NULL OR NOT v.$ ~ u.v#^"),
					dimension_unnest(1, n + 1 + versions->ntracked),
					dimension_parameters(dimension->nkeys, ""), each(versions, ", ", "v#"),
					dimension->name, dimension->natural_sql);
}

/*
 * The members that have news, each with the time from which on; and their versions from the one
 * before that time on, which stays as it is but for its end.
 */
static char *
compose_members(const Dimension *dimension, const char *attributes)
{
	int n = dimension->nkeys;

	return psprintf(
		"member AS MATERIALIZED (SELECT * FROM ROWS FROM (%s) WITH ORDINALITY AS u(%s, lo, m)), "
		"old AS MATERIALIZED (SELECT u.m, u.lo, d.%s AS k, d.valid_from AS f, d.valid_to AS e%s "
		"FROM member AS u CROSS JOIN LATERAL (SELECT d.valid_from AS f FROM ONLY %s AS d WHERE %s "
		"AND d.valid_from < u.lo AND d.valid_from < d.valid_to "
		"ORDER BY d.valid_from DESC LIMIT 1) AS b JOIN ONLY %s AS d ON %s AND d.valid_from >= b.f "
		"AND (d.valid_from = b.f OR d.valid_from >= u.lo))",
		dimension_unnest(1, n + 1), dimension_parameters(dimension->nkeys, ""),
		quote_identifier(dimension->key_name), attributes, dimension->name, dimension->natural_sql,
		dimension->name, dimension->natural_sql);
}

/*
 * All that is known to have been said of the members from that time on; of each time, the greatest
 * text.
 */
static void
append_said(StringInfo sql, const Ingest *ingest, const Dimension *dimension)
{
	const Versions *versions = dimension->versions;
	const char *time = quote_identifier(ingest->event_time_column);
	int n = dimension->nkeys;

	appendStringInfo(
		sql,
		"said AS MATERIALIZED (SELECT DISTINCT ON (s.m, s.f) s.* FROM (SELECT m, f, %s FROM old "
		"WHERE f < e UNION ALL SELECT * FROM ROWS FROM (%s) AS s(m, f, %s) "
		"UNION ALL SELECT o.m, x.%s, %s FROM old AS o JOIN %s AS x ON o.k %s x.%s "
		"WHERE x.%s >= o.lo AND x.%s >= $%d AND x.%s < 'infinity' AND %s) AS s "
		"ORDER BY s.m, s.f, %s), ",
		each(versions, ", ", "a#"), dimension_unnest(n + 2, 2 + versions->ntracked),
		each(versions, ", ", "a#"), time, each(versions, ", ", "x.$"), ingest->target_name,
		dimension->key_operator, quote_identifier(dimension->target_column), time, time,
		n + 4 + versions->ntracked, time, each(versions, " AND ", "x.$ IS NOT NULL"),
		each(versions, ", ", "pg_catalog.format('%s', s.a#) COLLATE pg_catalog.\"C\" DESC"));
}

/* The versions that follow from it: where something else is said than before. */
static void
append_new(StringInfo sql, const Versions *versions)
{
	appendStringInfo(sql,
					 "new AS MATERIALIZED (SELECT n.m, n.f, pg_catalog.lead(n.f, 1, 'infinity') "
					 "OVER (PARTITION BY n.m ORDER BY n.f) AS e, %s FROM (SELECT s.*, "
					 "pg_catalog.row_number() OVER w AS r, %s FROM said AS s "
					 "WINDOW w AS (PARTITION BY s.m ORDER BY s.f)) AS n WHERE n.r = 1 OR %s), ",
					 each(versions, ", ", "n.a#"),
					 each(versions, ", ", "pg_catalog.lag(s.a#) OVER w AS p#"),
					 each(versions, " OR ", "n.p# IS NULL OR NOT n.p# ~ n.a#^"));
}

/*
 * gone, come: versions of which there is no more, or was none, from that time.
 * moved: of these, those that only begin at another time: they keep their key.
 */
static void
append_moved(StringInfo sql, const Versions *versions)
{
	const char *texts =
		each(versions, ", ", "pg_catalog.format('%s', s.a#) COLLATE pg_catalog.\"C\"");

	appendStringInfo(sql,
					 "gone AS MATERIALIZED (SELECT s.*, pg_catalog.row_number() "
					 "OVER (PARTITION BY s.m, %s ORDER BY s.f) AS r FROM old AS s "
					 "WHERE NOT EXISTS (SELECT FROM new AS n WHERE n.m = s.m AND n.f = s.f)), "
					 "come AS MATERIALIZED (SELECT s.*, pg_catalog.row_number() "
					 "OVER (PARTITION BY s.m, %s ORDER BY s.f) AS r FROM new AS s "
					 "WHERE NOT EXISTS (SELECT FROM old AS o WHERE o.m = s.m AND o.f = s.f)), "
					 "moved AS MATERIALIZED (SELECT g.k, c.* FROM gone AS g JOIN come AS c "
					 "ON c.m = g.m AND c.r = g.r AND %s), ",
					 texts, texts,
					 each(versions, " AND ",
						  "pg_catalog.format('%s', c.a#) COLLATE pg_catalog.\"C\" = "
						  "pg_catalog.format('%s', g.a#) COLLATE pg_catalog.\"C\""));
}

/* What is gone keeps its row, valid for no time: something may refer to it. */
static void
append_update(StringInfo sql, const Dimension *dimension, const char *key_equality)
{
	const Versions *versions = dimension->versions;

	appendStringInfo(
		sql,
		"changed AS (SELECT o.k, n.f, n.e, %s FROM new AS n JOIN old AS o ON o.m = n.m "
		"AND o.f = n.f WHERE o.e <> n.e OR %s UNION ALL SELECT k, f, e, %s FROM moved "
		"UNION ALL SELECT g.k, g.f, g.f, %s FROM gone AS g WHERE g.f < g.e "
		"AND NOT EXISTS (SELECT FROM moved AS x WHERE x.k %s g.k)), "
		"written AS (UPDATE ONLY %s AS d SET valid_from = c.f, valid_to = c.e, %s "
		"FROM changed AS c WHERE d.%s %s c.k) ",
		each(versions, ", ", "n.a#"),
		each(versions, " OR ", "(n.a# IS NOT NULL AND (o.a# ~ n.a#^) IS NOT TRUE)"),
		each(versions, ", ", "a#"), each(versions, ", ", "g.a#"), key_equality, dimension->name,
		each(versions, ", ", "$ = c.a#"), quote_identifier(dimension->key_name), key_equality);
}

static void
append_insert(StringInfo sql, const Dimension *dimension)
{
	const Versions *versions = dimension->versions;

	appendStringInfo(sql,
					 "INSERT INTO %s (%s, valid_from, valid_to, %s) SELECT %s, c.f, c.e, %s "
					 "FROM come AS c JOIN member AS u ON u.m = c.m WHERE NOT EXISTS "
					 "(SELECT FROM moved AS x WHERE x.m = c.m AND x.f = c.f) ORDER BY c.m, c.f",
					 dimension->name, natural_names(dimension), each(versions, ", ", "$"),
					 dimension_parameters(dimension->nkeys, "u."), each(versions, ", ", "c.a#"));
}

/* One statement: from what is known and what is new, the versions as they are now. */
static char *
compose_write(const Ingest *ingest, const Dimension *dimension, const char *key_equality)
{
	const Versions *versions = dimension->versions;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH %s, ",
					 compose_members(dimension, each(versions, "", ", d.$ AS a#")));
	append_said(&sql, ingest, dimension);
	append_new(&sql, versions);
	append_moved(&sql, versions);
	append_update(&sql, dimension, key_equality);
	append_insert(&sql, dimension);
	return sql.data;
}

/* Facts that stand in the time of another version than they refer to. */
static char *
compose_repoint(const Ingest *ingest, const Dimension *dimension)
{
	const char *column = quote_identifier(dimension->target_column);
	const char *time = quote_identifier(ingest->event_time_column);

	return psprintf("WITH %s UPDATE %s AS x SET %s = CAST((SELECT t.k FROM old AS t "
					"WHERE t.m = o.m AND t.f <= x.%s AND t.f < t.e ORDER BY t.f DESC LIMIT 1) "
					"AS %s) FROM old AS o WHERE o.k %s x.%s AND x.%s >= o.lo AND x.%s >= $%d "
					"AND (x.%s < o.f OR (x.%s >= o.e AND o.e < 'infinity'))",
					compose_members(dimension, ""), ingest->target_name, column, time,
					target_type(dimension->key_type), dimension->key_operator, column, time, time,
					dimension->nkeys + 2, time, time);
}

bool
dimension_versions_compose(Ingest *ingest, Dimension *dimension, Relation relation,
						   StringInfo misfits)
{
	Versions *versions = dimension->versions;
	Oid type = TupleDescAttr(RelationGetDescr(relation), dimension->key - 1)->atttypid;
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(type), TYPECACHE_EQ_OPR);

	if (versions->ntracked == 0 || !OidIsValid(entry->eq_opr))
	{
		target_misfit(misfits,
					  "dimension %s cannot keep versions: the source delivers none of its "
					  "attributes",
					  dimension->name);
		return false;
	}
	versions->lookup_sql = compose_lookup(dimension);
	versions->write_sql = compose_write(ingest, dimension, target_operator(entry->eq_opr));
	versions->repoint_sql = compose_repoint(ingest, dimension);
	return true;
}
