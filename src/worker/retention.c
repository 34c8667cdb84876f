#include "worker/retention.h"

#include "access/table.h"
#include "base/crash.h"
#include "base/owner.h"
#include "catalog/pg_class.h"
#include "base/spi.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "ingest/partitions.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

List *
retention_expired(const Retention *retention)
{
	Relation target;
	List *expired;
	OwnerScope scope;
	TimestampTz before;

	if (retention->keep == NULL)
		return NIL;
	/* For its settings: months are counted in UTC. */
	owner_begin(&scope, owner_of(retention->target));
	before = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
													 TimestampTzGetDatum(GetCurrentTimestamp()),
													 IntervalPGetDatum(retention->keep)));
	owner_end(&scope);
	target = table_open(retention->target, AccessShareLock);
	expired = partitions_before(target, before);
	table_close(target, NoLock);
	return expired;
}

bool
retention_drop(const Retention *retention, Oid partition)
{
	OwnerScope scope;
	char *name;
	char *sql;

	/* DROP would take these locks anyway; from here on nobody detaches the partition. */
	LockRelationOid(retention->target, AccessExclusiveLock);
	if (!list_member_oid(retention_expired(retention), partition))
		return false;
	/* Nor does anybody rename it: by its name it is dropped, which was another's a moment ago. */
	LockRelationOid(partition, AccessExclusiveLock);
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(partition)),
									  get_rel_name(partition));
	/* A foreign table may be a partition, too. */
	sql = psprintf("DROP %s %s",
				   get_rel_relkind(partition) == RELKIND_FOREIGN_TABLE ? "FOREIGN TABLE" : "TABLE",
				   name);
	owner_begin(&scope, owner_of(retention->target));
	spi_connect();
	spi_run(sql);
	SPI_finish();
	owner_end(&scope);
	crash_point("partition_dropped");
	ereport(LOG, (errmsg("telemetry dropped partition %s of %s, whose retention has passed", name,
						 get_rel_name(retention->target))));
	return true;
}

int
retention_make(const Retention *retention)
{
	PartitionUnit unit = partition_unit(retention->create_partitions);
	int64 time = GetCurrentTimestamp();
	int made = 0;
	OwnerScope scope;

	if (unit == PARTITIONS_BY_HAND)
		return 0;
	owner_begin(&scope, owner_of(retention->target));
	for (int i = 0; i <= retention->ahead; i++)
	{
		made += partition_make(retention->target, unit, time);
		time = partition_end(unit, time);
	}
	owner_end(&scope);
	return made;
}

int
retention_ahead(const Retention *retention)
{
	PartitionUnit unit = partition_unit(retention->create_partitions);
	Relation target;
	int64 time = GetCurrentTimestamp();
	int ahead = 0;

	if (unit == PARTITIONS_BY_HAND)
		return -1;
	target = table_open(retention->target, AccessShareLock);
	for (time = partition_end(unit, time);
		 ahead < retention->ahead && partition_exists(target, time);
		 time = partition_end(unit, time))
		ahead++;
	table_close(target, NoLock);
	return ahead;
}
