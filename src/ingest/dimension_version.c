/*
 * Versions of members (a type-2 dimension): each is valid from one event time to the next one's.
 *
 * What the versions are is a function of the events alone (docs/dimensions.md), whatever the order
 * in which they come. A late event may end a version in whose time others of the old values lie:
 * then these begin a version again, and where the first of them is only the facts can tell. So a
 * batch that brings news is alone with the dimension: the guard's lock, taken exclusively from the
 * start, waits for all batches that have not committed yet. Then the versions from the time of the
 * news on are computed anew, out of the versions that are there, the events at hand and the facts,
 * and what differs is written; then facts that stand in another version now get its key.
 *
 * It is done before the rows are written, in their transaction. A batch that fails takes it back.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "base/guc.h"
#include "base/spi.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define VALID_FROM "valid_from"
#define VALID_TO   "valid_to"

/* ---- which dimensions ------------------------------------------------------------------------ */

static bool
is_bound(const Ingest *ingest, Relation dimension, const char *name)
{
	AttrNumber number = target_find_column(RelationGetDescr(dimension), name);
	Form_pg_attribute attribute;

	if (number == InvalidAttrNumber ||
		target_find_column(ingest->source_desc, name) != InvalidAttrNumber)
		return false;
	attribute = TupleDescAttr(RelationGetDescr(dimension), number - 1);
	return attribute->atttypid == TIMESTAMPTZOID && attribute->atttypmod == -1 &&
		   attribute->attnotnull && !attribute->attgenerated;
}

bool
dimension_index_has_versions(const Ingest *ingest, Relation dimension, Relation index)
{
	int last = index->rd_index->indnkeyatts - 1;
	AttrNumber number = index->rd_index->indkey.values[last];

	return last > 0 && number > 0 &&
		   strcmp(NameStr(TupleDescAttr(RelationGetDescr(dimension), number - 1)->attname),
				  VALID_FROM) == 0 &&
		   is_bound(ingest, dimension, VALID_FROM) && is_bound(ingest, dimension, VALID_TO);
}

/* Whether the target has the source's column of that name, as it comes. */
static bool
is_stored(const Ingest *ingest, Relation target, AttrNumber source)
{
	Form_pg_attribute from = TupleDescAttr(ingest->source_desc, source - 1);
	AttrNumber number = target_find_column(RelationGetDescr(target), NameStr(from->attname));
	Form_pg_attribute to;

	if (number == InvalidAttrNumber)
		return false;
	to = TupleDescAttr(RelationGetDescr(target), number - 1);
	return to->atttypid == from->atttypid &&
		   (to->atttypmod == -1 || to->atttypmod == from->atttypmod);
}

/* Whether the facts of a version are found without reading all of them. */
static bool
is_indexed(Relation target, AttrNumber column)
{
	bool found = false;
	ListCell *cell;

	foreach (cell, RelationGetIndexList(target))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index->rd_index->indisvalid && index->rd_index->indkey.values[0] == column &&
				 RelationGetIndexPredicate(index) == NIL;
		index_close(index, NoLock);
	}
	return found;
}

/* A pipeline into another target that refers to this dimension; NULL: there is none. */
static char *
other_pipeline(Oid dimension, Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(dimension), ObjectIdGetDatum(target)};
	MemoryContext context = CurrentMemoryContext;
	char *name = NULL;
	OwnSpi scope;

	own_spi_begin(&scope);
	if (own_spi_run(&plan,
					"SELECT p.name FROM telemetry._pipeline p "
					"JOIN pg_catalog.pg_constraint o ON o.conrelid = p.target "
					"WHERE o.contype = 'f' AND o.confrelid = $1 AND p.target <> $2 "
					"ORDER BY 1 LIMIT 1",
					2, types, values, NULL) > 0)
		name = own_spi_text(0, 1, context);
	own_spi_end(&scope);
	return name;
}

/* What the owner lacks for making versions, and what the target does; NULL: nothing. */
static const char *
misses(const Ingest *ingest, const Dimension *dimension, Relation target, AttrNumber column)
{
	Oid owner = ingest->options.owner;
	char *other;

	if (pg_class_aclcheck(dimension->relation, owner, ACL_UPDATE) != ACLCHECK_OK)
		return "the pipeline's owner has no UPDATE on it";
	if (pg_class_aclcheck(RelationGetRelid(target), owner, ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(RelationGetRelid(target), owner, ACL_UPDATE) != ACLCHECK_OK)
		return "the pipeline's owner has no SELECT and UPDATE on the target";
	if (check_enable_rls(RelationGetRelid(target), owner, true) == RLS_ENABLED)
		return "row-level security of the target applies to the pipeline's owner";
	if (!is_stored(ingest, target, ingest->event_time))
		return "the target does not store the event time under its name and type";
	if (!is_indexed(target, column))
		return "the target has no index that begins with that column";
	other = other_pipeline(dimension->relation, RelationGetRelid(target));
	return other ? psprintf("pipeline \"%s\" refers to it from another target", other) : NULL;
}

/* NULL: it can be tracked. */
static const char *
cannot_track(const Ingest *ingest, const Versions *versions, const TrackedColumn *column,
			 Form_pg_attribute attribute, Relation target)
{
	if (attribute->attnotnull)
		return "is NOT NULL, but unknown before the first event that says it";
	if (column->operator== NULL)
		return "has a type without equality";
	if (versions->kept && !is_stored(ingest, target, column->value.source))
		return "is not stored in the target under its name and type";
	return NULL;
}

/* The equality of an attribute's type, with its collation. */
static void
describe_equality(TrackedColumn *column, Form_pg_attribute attribute)
{
	TypeCacheEntry *entry = lookup_type_cache(column->value.type, TYPECACHE_EQ_OPR);
	Oid collation = attribute->attcollation;

	column->operator= OidIsValid(entry->eq_opr) ? target_operator(entry->eq_opr) : NULL;
	column->collate = "";
	if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID)
		column->collate = psprintf(" COLLATE %s", generate_collation_name(collation));
}

bool
dimension_versions_track(Ingest *ingest, Dimension *dimension, DimensionColumn *value,
						 Form_pg_attribute attribute, Relation target, StringInfo misfits)
{
	Versions *versions = dimension->versions;
	TrackedColumn *column = &versions->tracked[versions->ntracked];
	const char *reason;

	column->value = *value;
	describe_equality(column, attribute);
	reason = cannot_track(ingest, versions, column, attribute, target);
	if (reason)
	{
		target_misfit(misfits, "column \"%s\" of dimension %s, which keeps versions, %s",
					  value->name, dimension->name, reason);
		return false;
	}
	versions->ntracked++;
	return true;
}

bool
dimension_versions_begin(Ingest *ingest, Dimension *dimension, Relation relation, Relation target,
						 AttrNumber column, StringInfo misfits)
{
	const char *reason = NULL;

	dimension->versions = palloc0(sizeof(Versions));
	dimension->versions->tracked =
		palloc0(sizeof(TrackedColumn) * RelationGetDescr(relation)->natts);
	dimension->versions->kept = dimension->may_insert;
	if (ingest->event_time == InvalidAttrNumber || ingest->event_time_type != TIMESTAMPTZOID)
		reason = "the pipeline has no event_time_column of type timestamptz";
	else if (dimension->versions->kept)
		reason = misses(ingest, dimension, target, column);
	if (reason)
		target_misfit(misfits, "dimension %s cannot keep versions: %s", dimension->name, reason);
	return reason == NULL;
}

/* ---- statements ------------------------------------------------------------------------------ */

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

/* ---- arguments ------------------------------------------------------------------------------- */

typedef struct Arguments
{
	int n;
	Oid *types;
	Datum *values;
} Arguments;

static Arguments
make_arguments(const Dimension *dimension)
{
	int most = dimension->nkeys + dimension->versions->ntracked + 4;

	return (Arguments){
		.types = palloc(sizeof(Oid) * most),
		.values = palloc(sizeof(Datum) * most),
	};
}

static void
add_array(Arguments *arguments, Datum *values, bool *nulls, int n, Oid type, Oid array,
		  int16 length, bool byval, char align)
{
	int dims[1] = {n};
	int lower[1] = {1};

	arguments->types[arguments->n] = array;
	arguments->values[arguments->n++] = PointerGetDatum(
		construct_md_array(values, nulls, 1, dims, lower, type, length, byval, align));
}

static void
add_times(Arguments *arguments, Datum *values, int n)
{
	add_array(arguments, values, NULL, n, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, 8, FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE);
}

/* A column of these rows. */
static void
add_column(Arguments *arguments, const DimensionColumn *column, const IngestRow *rows,
		   const int *which, int n)
{
	Datum *values = palloc(sizeof(Datum) * n);
	bool *nulls = palloc(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		nulls[i] = rows[which[i]].isnull[column->source - 1];
		values[i] = rows[which[i]].values[column->source - 1];
	}
	add_array(arguments, values, nulls, n, column->type, column->array, column->length,
			  column->byval, column->align);
}

static void
add_event_times(Arguments *arguments, const IngestRow *rows, const int *which, int n)
{
	Datum *values = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		values[i] = TimestampTzGetDatum(rows[which[i]].event_time);
	add_times(arguments, values, n);
}

/* The facts are found by their index: a version has few of them. */
static void
run(const char *sql, Arguments *arguments)
{
	static const char *const off[] = {"enable_seqscan", "jit"};
	int level = NewGUCNestLevel();

	guc_switch_off(off, lengthof(off));
	spi_run_with(sql, arguments->n, arguments->types, arguments->values, NULL);
	AtEOXact_GUC(false, level);
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* Which row, as a place in which[], has which version. */
static void
take_versions(const Dimension *dimension, int number, IngestRow *rows, const int *which,
			  MemoryContext context)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		int64 at = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		Datum key = SPI_getbinval(tuple, desc, 2, &isnull);
		IngestRow *row = &rows[which[at - 1]];
		MemoryContext old = MemoryContextSwitchTo(context);

		/* A version made by hand may lack its key, where that is UNIQUE alone. */
		row->member_isnull[number] = isnull;
		if (!isnull)
			row->members[number] = datumCopy(key, dimension->key_byval, dimension->key_length);
		MemoryContextSwitchTo(old);
		row->news[number] = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull)) && !isnull;
	}
}

/* For those of the rows that have a member. */
static void
assign(const Dimension *dimension, int number, IngestRow *rows, const int *which, int n)
{
	MemoryContext context = CurrentMemoryContext;
	Arguments arguments = make_arguments(dimension);

	if (n == 0)
		return;
	spi_connect();
	for (int i = 0; i < dimension->nkeys; i++)
		add_column(&arguments, &dimension->columns[i], rows, which, n);
	add_event_times(&arguments, rows, which, n);
	for (int i = 0; i < dimension->versions->ntracked; i++)
		add_column(&arguments, &dimension->versions->tracked[i].value, rows, which, n);
	run(dimension->versions->lookup_sql, &arguments);
	take_versions(dimension, number, rows, which, context);
	SPI_finish();
}

static bool
has_version(const IngestRow *row, int number)
{
	const Member *member = row->found[number];

	return member && member->state == MEMBER_KNOWN && !member->isnull;
}

bool
dimensions_keep_versions(const Ingest *ingest)
{
	for (int i = 0; i < ingest->ndimensions; i++)
		if (ingest->dimensions[i].versions)
			return true;
	return false;
}

void
dimensions_assign_versions(const Ingest *ingest, IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions && n > 0; d++)
	{
		const Dimension *dimension = ingest->by_oid[d];
		int number = dimension - ingest->dimensions;
		int *which;
		int some = 0;

		if (dimension->versions == NULL)
			continue;
		which = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n);
		for (int i = 0; i < n; i++)
		{
			rows[i].news[number] = false;
			if (has_version(&rows[i], number))
				which[some++] = i;
		}
		assign(dimension, number, rows, which, some);
		pfree(which);
	}
}

bool
dimensions_have_news(const Ingest *ingest, const IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions; d++)
	{
		if (ingest->dimensions[d].versions == NULL || !ingest->dimensions[d].versions->kept)
			continue;
		for (int i = 0; i < n; i++)
			if (rows[i].news[d])
				return true;
	}
	return false;
}

/* Whether an event says something of its member's attributes: all of them, at a time. */
static bool
says(const Versions *versions, const IngestRow *row)
{
	for (int i = 0; i < versions->ntracked; i++)
		if (row->isnull[versions->tracked[i].value.source - 1])
			return false;
	return !TIMESTAMP_NOT_FINITE(row->event_time);
}

/* What a batch has to say of one dimension. */
typedef struct News
{
	Dimension *dimension;
	int number;
	IngestRow *rows;
	int nmembers;
	int *first; /* a row of each member */
	Datum *since;
	TimestampTz least;
	int nsaid;
	int *said; /* rows */
	int ntouched;
	int *touched; /* all rows of these members */
} News;

static void
note_members(News *news, int n)
{
	news->dimension->follow_round++;
	for (int i = 0; i < n; i++)
	{
		Member *member = news->rows[i].found[news->number];
		TimestampTz at = news->rows[i].event_time;

		if (!news->rows[i].news[news->number])
			continue;
		if (member->followed != news->dimension->follow_round)
		{
			member->followed = news->dimension->follow_round;
			member->slot = news->nmembers++;
			news->first[member->slot] = i;
			news->since[member->slot] = TimestampTzGetDatum(at);
		}
		else if (at < DatumGetTimestampTz(news->since[member->slot]))
			news->since[member->slot] = TimestampTzGetDatum(at);
		news->least = Min(news->least, at);
	}
}

static void
note_rows(News *news, int n)
{
	for (int i = 0; i < n; i++)
	{
		const IngestRow *row = &news->rows[i];
		const Member *member = row->found[news->number];

		if (!has_version(row, news->number) || member->followed != news->dimension->follow_round)
			continue;
		news->touched[news->ntouched++] = i;
		if (says(news->dimension->versions, row) &&
			row->event_time >= DatumGetTimestampTz(news->since[member->slot]))
			news->said[news->nsaid++] = i;
	}
}

static void
add_members(Arguments *arguments, const News *news)
{
	for (int i = 0; i < news->dimension->nkeys; i++)
		add_column(arguments, &news->dimension->columns[i], news->rows, news->first,
				   news->nmembers);
	add_times(arguments, news->since, news->nmembers);
}

static void
add_least(Arguments *arguments, const News *news)
{
	arguments->types[arguments->n] = TIMESTAMPTZOID;
	arguments->values[arguments->n++] = TimestampTzGetDatum(news->least);
}

static void
write_versions(const News *news)
{
	const Versions *versions = news->dimension->versions;
	Arguments arguments = make_arguments(news->dimension);
	Datum *numbers = palloc(sizeof(Datum) * news->nsaid);

	for (int i = 0; i < news->nsaid; i++)
		numbers[i] = Int64GetDatum(news->rows[news->said[i]].found[news->number]->slot + 1);
	add_members(&arguments, news);
	add_array(&arguments, numbers, NULL, news->nsaid, INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE);
	add_event_times(&arguments, news->rows, news->said, news->nsaid);
	for (int i = 0; i < versions->ntracked; i++)
		add_column(&arguments, &versions->tracked[i].value, news->rows, news->said, news->nsaid);
	add_least(&arguments, news);
	run(versions->write_sql, &arguments);
}

static void
repoint_facts(const News *news)
{
	Arguments arguments = make_arguments(news->dimension);

	add_members(&arguments, news);
	add_least(&arguments, news);
	run(news->dimension->versions->repoint_sql, &arguments);
}

static void
tell(Dimension *dimension, int number, IngestRow *rows, int n)
{
	News news = {
		.dimension = dimension,
		.number = number,
		.rows = rows,
		.first = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
		.since = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * n),
		.least = DT_NOEND,
		.said = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
		.touched = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
	};

	note_members(&news, n);
	if (news.nmembers > 0)
	{
		note_rows(&news, n);
		spi_connect();
		write_versions(&news);
		repoint_facts(&news);
		SPI_finish();
		assign(dimension, number, rows, news.touched, news.ntouched);
	}
	pfree(news.first);
	pfree(news.since);
	pfree(news.said);
	pfree(news.touched);
}

void
dimensions_write_versions(Ingest *ingest, IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions && n > 0; d++)
	{
		Dimension *dimension = ingest->by_oid[d];

		if (dimension->versions && dimension->versions->kept)
			tell(dimension, dimension - ingest->dimensions, rows, n);
	}
}
