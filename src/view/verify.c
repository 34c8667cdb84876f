/*
 * verify(): the view and its query side by side, in one statement and so in one snapshot.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/owner.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "view/distinct.h"
#include "view/fold.h"
#include "view/generate.h"
#include "view/known.h"
#include "view/pending.h"

static char *
qualified(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

/* Sums of floats that PostgreSQL itself makes depend on the rows' order: the exact states do not.
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
	return psprintf("SELECT * FROM (%s) AS p", query);
}

/*
 * Rows of the state's shape, as they compare: the sum of no values is NULL, and that of values
 * which were all taken away is 0. Which of them it is, the count beside it says to those who read.
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

		appendStringInfo(&sql, sum ? "%sCOALESCE(%s, '0') AS %s" : "%s%s", i > 0 ? ", " : "",
						 column->name, column->name);
	}
	appendStringInfo(&sql, " FROM (%s) AS c", rows);
	return sql.data;
}

static char *
comparison(const KnownView *view)
{
	bool by_state = has_exact_floats(view) || has_expired(view);
	StringInfoData sql;
	char *one;
	char *other;

	if (by_state)
	{
		one = comparable(view, generate_columns(view, view->source));
		other = comparable(view, generate_whole(view));
	}
	else
	{
		one = public_query(view);
		other = psprintf("SELECT * FROM %s", qualified(view->row.definition));
	}
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT 'view', to_jsonb(v) FROM (%1$s EXCEPT ALL (%2$s)) AS v UNION ALL "
					 "SELECT 'query', to_jsonb(q) FROM ((%2$s) EXCEPT ALL %1$s) AS q",
					 one, other);
	distinct_append_differences(&sql, view);
	return sql.data;
}

static void
compare(const KnownView *view, ReturnSetInfo *result)
{
	MemoryContext outer = CurrentMemoryContext;
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute(comparison(view), true, 0) < 0)
		elog(ERROR, "could not compare %s with its query", view->name);
	PopActiveSnapshot();
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum values[2];
		bool isnull[2];

		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, isnull);
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	SPI_finish();
	owner_end(&scope);
	MemoryContextSwitchTo(outer);
}

/* With what this transaction has not folded yet; and then as if it had not been. */
static void
compare_with_pending(const KnownView *view, ReturnSetInfo *result)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	fold_for_now();
	compare(view, result);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

PG_FUNCTION_INFO_V1(telemetry_verify);
Datum
telemetry_verify(PG_FUNCTION_ARGS)
{
	Oid oid = PG_GETARG_OID(0);
	KnownView *view = known_view(oid);
	AclResult allowed;

	if (view == NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a continuous view",
							   get_rel_name(oid) ? get_rel_name(oid) : "?"),
						errhint("telemetry.continuous_view lists those that are.")));
	allowed = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_VIEW, get_rel_name(oid));
	InitMaterializedSRF(fcinfo, 0);
	if (pending_any())
		compare_with_pending(view, (ReturnSetInfo *) fcinfo->resultinfo);
	else
		compare(view, (ReturnSetInfo *) fcinfo->resultinfo);
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
		view->rows ? generate_remove(view) : generate_fold(view, true, true, false, false));
	if (!view->rows)
		appendStringInfo(&text, "-- groups that cannot be taken from\n%s;\n",
						 generate_recompute(view));
	foreach (cell, known_helpers(view))
		appendStringInfo(&text, "-- distinct values, before the rows above\n%s;\n",
						 distinct_fold(lfirst(cell), true, true, false));
	appendStringInfo(&text, "-- REFRESH\n%s", generate_rebuild(view));
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
