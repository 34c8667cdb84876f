/*
 * set_retention(), drop_retention(), apply_retention(); set_partition_schema().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "api/pipeline.h"
#include "base/compat.h"
#include "base/name.h"
#include "catalog/partition_schema.h"
#include "catalog/retention.h"
#include "funcapi.h"
#include "ingest/partitions.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "worker/retention.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(telemetry_set_retention);
PG_FUNCTION_INFO_V1(telemetry_drop_retention);
PG_FUNCTION_INFO_V1(telemetry_apply_retention);
PG_FUNCTION_INFO_V1(telemetry_has_partition);
PG_FUNCTION_INFO_V1(telemetry_set_partition_schema);

static void
check_owner(Oid target)
{
	if (get_rel_name(target) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table with OID %u does not exist", target)));
	if (!compat_table_owner(target, GetUserId()))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("must be owner of table %s", qualified_name(target)),
						errdetail("Its partitions are dropped and made as its owner.")));
}

static void
check_options(const Retention *retention)
{
	static const Interval zero = {0};

	if (retention->keep &&
		DatumGetBool(DirectFunctionCall2(interval_le, IntervalPGetDatum(retention->keep),
										 IntervalPGetDatum(unconstify(Interval *, &zero)))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("keep must be longer than nothing, not %s",
							   DatumGetCString(DirectFunctionCall1(
								   interval_out, IntervalPGetDatum(retention->keep)))),
						errhint("NULL keeps all partitions.")));
	if (strcmp(retention->create_partitions, "none") != 0 &&
		partition_unit(retention->create_partitions) == PARTITIONS_BY_HAND)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("create_partitions must be none, hour, day or month, not \"%s\"",
							   retention->create_partitions)));
	if (retention->ahead < 0 || retention->ahead > 1000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("ahead must be between 0 and 1000, not %d", retention->ahead)));
}

Datum
telemetry_set_retention(PG_FUNCTION_ARGS)
{
	Retention retention = {0};
	Relation target;

	for (int i = 0; i < 4; i++)
		if (i != 1 && PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("of set_retention()'s arguments only keep may be NULL")));
	retention.target = PG_GETARG_OID(0);
	retention.keep = PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1);
	retention.create_partitions = admin_text(fcinfo, 2);
	retention.ahead = PG_GETARG_INT32(3);
	check_options(&retention);
	check_owner(retention.target);
	worker_require();
	target = table_open(retention.target, AccessShareLock);
	partition_check_key(target, partition_unit(retention.create_partitions),
						qualified_name(retention.target));
	table_close(target, NoLock);
	retention_store(&retention);
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

/* The retention of a table that the caller owns. */
static Retention *
must_have(Oid target)
{
	Retention *retention;

	check_owner(target);
	retention = retention_of(target, CurrentMemoryContext);
	if (retention == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("table %s has no retention", qualified_name(target)),
						errhint("SELECT telemetry.set_retention(...) gives it one.")));
	return retention;
}

Datum
telemetry_drop_retention(PG_FUNCTION_ARGS)
{
	(void) must_have(PG_GETARG_OID(0));
	(void) retention_remove(PG_GETARG_OID(0));
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

Datum
telemetry_apply_retention(PG_FUNCTION_ARGS)
{
	Retention *retention = must_have(PG_GETARG_OID(0));
	RetentionResult result = {0};
	TupleDesc desc;
	Datum values[3];
	bool isnull[3] = {false};
	ListCell *cell;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	/* The stronger lock first: the worker, which only makes, could wait for us, and we for it. */
	foreach (cell, retention_expired(retention))
		result.dropped += retention_drop(retention, lfirst_oid(cell));
	result.made = retention_make(retention);
	result.ahead = retention_ahead(retention);
	retention_report(retention->target, &result, 60);
	values[0] = Int32GetDatum(result.dropped);
	values[1] = Int32GetDatum(result.made);
	values[2] = Int32GetDatum(result.ahead);
	isnull[2] = result.ahead < 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}

Datum
telemetry_has_partition(PG_FUNCTION_ARGS)
{
	Relation target = NULL;
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	bool by_time;
	bool exists;

	/* Who asks what is wrong shall not wait for it. */
	if (ConditionalLockRelationOid(PG_GETARG_OID(0), AccessShareLock))
		target = try_relation_open(PG_GETARG_OID(0), NoLock);
	if (target == NULL)
		PG_RETURN_NULL();
	by_time = partition_is_by_time(target);
	exists = by_time && partition_exists(target, at);
	table_close(target, AccessShareLock);
	if (!by_time)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(exists);
}

Datum
telemetry_set_partition_schema(PG_FUNCTION_ARGS)
{
	Oid schema = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	Oid target;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the table of set_partition_schema() must not be NULL")));
	target = PG_GETARG_OID(0);
	check_owner(target);
	if (get_rel_relkind(target) != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("%s is not a partitioned table", qualified_name(target))));
	if (OidIsValid(schema) && get_namespace_name(schema) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA),
						errmsg("schema with OID %u does not exist", schema)));
	partition_schema_store(target, schema);
	PG_RETURN_VOID();
}
