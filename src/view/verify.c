/*
 * verify(): the view and its query side by side, in one statement and so in one snapshot.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/owner.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "base/spi.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "view/alike.h"
#include "view/distinct.h"
#include "view/fold.h"
#include "view/generate.h"
#include "view/known.h"
#include "view/pending.h"
#include "view/view.h"

/*
 * Sums of floats that PostgreSQL itself makes depend on the rows' order: the exact states do not.
 * (What else depends on it, alike.c knows of: states compare by equality.)
 */
static bool
has_exact_floats(const KnownView *view)
{
	for (int i = view->row.nkeys; i < view->ncolumns; i++)
		if (strcmp(view->columns[i].kind->name, "sum_float8") == 0 ||
			strcmp(view->columns[i].kind->name, "moments") == 0)
			return true;
	return false;
}

static bool
has_expired(const KnownView *view)
{
	if (SPI_execute(psprintf("SELECT FROM %s LIMIT 1", view->expired), true, 1) < 0)
		elog(ERROR, "could not look for expired partitions of %s", view->name);
	return SPI_processed > 0;
}

/* Of types that nothing is equal in (json, point), the texts are compared. */
static const char *
comparable_as(Oid type)
{
	return OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr) ? "" : "::pg_catalog.text";
}

/* The columns of a view, as they compare. */
static char *
comparable_columns(Oid oid)
{
	Relation relation = table_open(oid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(relation);
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));

		appendStringInfo(&sql, "%s%s%s AS %s", i > 0 ? ", " : "", name,
						 comparable_as(TupleDescAttr(desc, i)->atttypid), name);
	}
	table_close(relation, AccessShareLock);
	return sql.data;
}

/*
 * What users read, by its query and not by the view's name: the owner may lack USAGE on the schema
 * that others put the view into.
 */
static char *
public_query(const KnownView *view)
{
	char *query =
		TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(view->row.view)));
	size_t length = strlen(query);

	if (length > 0 && query[length - 1] == ';')
		query[length - 1] = '\0';
	return psprintf("SELECT %s FROM (%s) AS p", comparable_columns(view->row.view), query);
}

/*
 * Rows of the state's shape, as they compare: the sum of no values is NULL, and that of values
 * which were all taken away is 0. Which of them it is, the count beside it says to those who read.
 * A sketch is all of it, wherever it stands.
 */
static char *
comparable(const KnownView *view, const char *rows)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];
		bool sum = column->kind && strstr(column->kind->name, "sum_") != NULL &&
				   strcmp(column->kind->name, "sum_float8") != 0;

		appendStringInfo(&sql, sum ? "%sCOALESCE(%s, '0')%s AS %s" : "%s%s%s AS %s",
						 i > 0 ? ", " : "", generate_shown(view, i),
						 comparable_as(TupleDescAttr(view->desc, i)->atttypid), column->name);
	}
	appendStringInfo(&sql, " FROM (%s) AS c", rows);
	return sql.data;
}

/* The groups that are compared: those whose key is from one time on and before another. */
typedef struct Range
{
	int key; /* column of the state table; -1: all groups */
	Oid type;
	Datum bounds[2];
	bool open[2]; /* no such bound */
} Range;

/*
 * Rows of the range. The condition stands around the rows: PostgreSQL moves it inwards past the
 * grouping, to where it leaves out partitions or uses an index.
 */
static char *
within(const Range *range, const KnownView *part, const char *rows)
{
	const char *name;

	if (range->key < 0)
		return pstrdup(rows);
	name = part->columns[range->key].name;
	return psprintf("SELECT * FROM (%s) AS r WHERE %s%s%s%s%s", rows, range->open[0] ? "" : name,
					range->open[0] ? "true" : " >= $1", " AND ", range->open[1] ? "true" : name,
					range->open[1] ? "" : " < $2");
}

/* A whole row is v.*, since a column may bear the name v. */
static void
append_difference(StringInfo sql, const char *kept, const char *whole)
{
	appendStringInfo(sql,
					 "%3$sSELECT 'view', to_jsonb(v.*) FROM ((%1$s) EXCEPT ALL (%2$s)) AS v UNION "
					 "ALL SELECT 'query', to_jsonb(q.*) FROM ((%2$s) EXCEPT ALL (%1$s)) AS q",
					 kept, whole, sql->len > 0 ? " UNION ALL " : "");
}

static char *
comparison(const KnownView *view, const Range *range)
{
	bool by_state =
		range->key >= 0 || has_exact_floats(view) || alike_told_apart(view) || has_expired(view);
	StringInfoData sql;
	char *one;
	char *other;
	ListCell *cell;

	if (by_state)
	{
		one = comparable(view, within(range, view, generate_columns(view, view->source)));
		other = comparable(view, within(range, view, generate_whole(view)));
	}
	else
	{
		one = public_query(view);
		other = psprintf("SELECT %s FROM %s", comparable_columns(view->row.definition),
						 qualified_name(view->row.definition));
	}
	initStringInfo(&sql);
	append_difference(&sql, one, other);
	foreach (cell, known_helpers(view))
	{
		const KnownView *helper = lfirst(cell);

		append_difference(&sql, within(range, helper, distinct_kept(helper)),
						  within(range, helper, distinct_whole(helper)));
	}
	return sql.data;
}

/* So many differences are in memory at once; the result itself spills to disk. */
#define FETCHED_ROWS 1000

static void
fetch_all(Portal portal, ReturnSetInfo *result)
{
	do
	{
		SPI_cursor_fetch(portal, true, FETCHED_ROWS);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum values[2];
			bool isnull[2];

			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, isnull);
			tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
}

static Portal
open_comparison(const KnownView *view, Range *range)
{
	Oid types[] = {range->type, range->type};

	return SPI_cursor_open_with_args(NULL, comparison(view, range), range->key >= 0 ? 2 : 0, types,
									 range->bounds, NULL, true, 0);
}

static void
compare(const KnownView *view, Range *range, ReturnSetInfo *result)
{
	MemoryContext outer = CurrentMemoryContext;
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	CommandCounterIncrement();
	/* The first time for its locks: a partition that goes while they are waited for is seen. */
	for (int i = 0; i < 2; i++)
	{
		Portal portal;

		/*
		 * Of now, also where the transaction's is older: a partition that went since has no table
		 * any more, and the older state would have its rows without what expired.
		 */
		PushActiveSnapshot(GetLatestSnapshot());
		portal = open_comparison(view, range);
		if (i == 1)
			fetch_all(portal, result);
		SPI_cursor_close(portal);
		PopActiveSnapshot();
	}
	SPI_finish();
	owner_end(&scope);
	MemoryContextSwitchTo(outer);
}

/*
 * With what this transaction has not folded yet; and then as if it had not been. Who has a
 * partition for himself is waited for before groups are locked, which he may wait for.
 */
static void
compare_with_pending(const KnownView *view, Range *range, ReturnSetInfo *result)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid table = view_table(view->row.view, NULL);

	LockRelationOid(table, AccessShareLock);
	(void) find_all_inheritors(table, AccessShareLock, NULL);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	fold_for_now();
	compare(view, range, result);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static KnownView *
checked_view(Oid oid)
{
	KnownView *view = known_view(oid);
	AclResult allowed;

	if (view == NULL)
		view_refuse_other(oid);
	allowed = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_VIEW, get_rel_name(oid));
	return view;
}

static void
verify(KnownView *view, Range *range, FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	if (pending_any())
		compare_with_pending(view, range, (ReturnSetInfo *) fcinfo->resultinfo);
	else
		compare(view, range, (ReturnSetInfo *) fcinfo->resultinfo);
}

PG_FUNCTION_INFO_V1(telemetry_verify);
Datum
telemetry_verify(PG_FUNCTION_ARGS)
{
	Range all = {.key = -1};

	verify(checked_view(PG_GETARG_OID(0)), &all, fcinfo);
	return (Datum) 0;
}

/* The first key of a type of time. A session's key is not one: it moves as events come. */
static int
time_key(const KnownView *view)
{
	for (int i = 0; i < view->row.nkeys && view->earlier == NULL; i++)
	{
		Oid type = TupleDescAttr(view->desc, i)->atttypid;

		if (type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID)
			return i;
	}
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("continuous view %s cannot be verified for a range of time", view->name),
					view->earlier
						? errdetail("Sessions that reach into a range begin outside of it.")
						: errdetail("None of its keys is of type date, timestamp or timestamptz."),
					errhint("Without a range, telemetry.verify() compares all of it.")));
}

/* In the time zone of the session, as PostgreSQL itself converts when it compares. */
static Datum
as_key(Oid type, Datum time)
{
	if (type == DATEOID)
		return DirectFunctionCall1(timestamptz_date, time);
	if (type == TIMESTAMPOID)
		return DirectFunctionCall1(timestamptz_timestamp, time);
	return time;
}

PG_FUNCTION_INFO_V1(telemetry_verify_range);
Datum
telemetry_verify_range(PG_FUNCTION_ARGS)
{
	KnownView *view;
	Range range;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("view must not be NULL")));
	view = checked_view(PG_GETARG_OID(0));
	range.key = time_key(view);
	range.type = TupleDescAttr(view->desc, range.key)->atttypid;
	for (int i = 0; i < 2; i++)
	{
		range.open[i] = PG_ARGISNULL(i + 1);
		range.bounds[i] =
			as_key(range.type, range.open[i] ? TimestampTzGetDatum(0) : PG_GETARG_DATUM(i + 1));
	}
	verify(view, &range, fcinfo);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(telemetry_maintenance_sql);
Datum
telemetry_maintenance_sql(PG_FUNCTION_ARGS)
{
	KnownView *view = known_view(PG_GETARG_OID(0));
	StringInfoData text;
	ListCell *cell;

	if (view == NULL)
		PG_RETURN_NULL();
	initStringInfo(&text);
	appendStringInfo(
		&text, "-- %s: rows that a statement gives\n%s;\n-- %s: rows that it takes\n%s;\n",
		PLUS_ROWS,
		view->rows ? generate_append(view) : generate_fold(view, true, false, false, false),
		MINUS_ROWS,
		view->rows ? generate_remove(view, false) : generate_fold(view, true, true, false, false));
	if (!view->rows)
		appendStringInfo(&text, "-- groups that cannot be taken from\n%s;\n",
						 generate_recompute(view));
	foreach (cell, known_helpers(view))
		appendStringInfo(&text, "-- distinct values, before the rows above\n%s;\n",
						 distinct_fold(lfirst(cell), true, true, false));
	appendStringInfo(&text, "-- REFRESH\n%s", generate_rebuild(view));
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
