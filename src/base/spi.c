#include "base/spi.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

void
spi_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
spi_run(const char *sql)
{
	spi_run_with(sql, 0, NULL, NULL, NULL);
}

void
spi_run_with(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	int result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

SPIPlanPtr
spi_keep_plan(const char *sql, int nargs, const Oid *types)
{
	SPIPlanPtr plan = SPI_prepare(sql, nargs, unconstify(Oid *, types));

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", sql);
	return plan;
}

void
own_spi_begin(OwnSpi *scope)
{
	GetUserIdAndSecContext(&scope->saved_user, &scope->saved_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   scope->saved_context | SECURITY_LOCAL_USERID_CHANGE);
	scope->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	spi_connect();
}

void
own_spi_end(OwnSpi *scope)
{
	SPI_finish();
	AtEOXact_GUC(true, scope->guc_level);
	SetUserIdAndSecContext(scope->saved_user, scope->saved_context);
}

uint64
own_spi_run(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, Datum *values,
			const char *nulls)
{
	int result;

	if (*plan == NULL)
		*plan = spi_keep_plan(sql, nargs, types);
	result = SPI_execute_plan(*plan, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

uint64
own_spi_run_latest(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, Datum *values,
				   const char *nulls)
{
	int result;

	if (!IsolationUsesXactSnapshot() || !FirstSnapshotSet || IsInParallelMode())
		return own_spi_run(plan, sql, nargs, types, values, nulls);
	if (*plan == NULL)
		*plan = spi_keep_plan(sql, nargs, types);
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(*plan, values, nulls, GetActiveSnapshot(), InvalidSnapshot, false,
								  false, 0);
	PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

Datum
own_spi_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int64
own_spi_int64(uint64 row, int column, int64 otherwise)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

int32
own_spi_int32(uint64 row, int column, int32 otherwise)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt32(value);
}

Oid
own_spi_oid(uint64 row, int column)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

char *
own_spi_text(uint64 row, int column, MemoryContext context)
{
	char *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

Datum
own_spi_ask(SPIPlanPtr *plan, const char *sql, Oid relation, bool *isnull)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	OwnSpi scope;
	Datum answer;

	own_spi_begin(&scope);
	own_spi_run(plan, sql, 1, types, values, NULL);
	answer = own_spi_datum(0, 1, isnull);
	own_spi_end(&scope);
	return answer;
}

bool
own_extension_stays(void)
{
	Oid extension = get_extension_oid("telemetry", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("telemetry", true) == extension;
}

bool
own_table_stays(const char *table)
{
	return own_extension_stays() &&
		   OidIsValid(get_relname_relid(table, get_namespace_oid("telemetry", false)));
}
