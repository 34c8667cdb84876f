/*
 * Partitions made on the fly, one per hour, day or month of the partition key.
 *
 * They are made as the target's owner would make them by hand, in the batch's own transaction. Two
 * workers that need the same one meet at the parent's lock, and the second finds it there.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition_schema.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "base/spi.h"
#include "executor/spi.h"
#include "ingest/internal.h"
#include "ingest/partitions.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/timestamp.h"

/* A batch that needs more is a sign of nonsense in its event times. */
#define NEW_PARTITIONS 400

bool
partition_is_by_time(Relation target)
{
	PartitionKey key = RelationGetPartitionKey(target);

	return key && key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
		   key->partattrs[0] != 0 &&
		   (key->parttypid[0] == DATEOID || key->parttypid[0] == TIMESTAMPOID ||
			key->parttypid[0] == TIMESTAMPTZOID);
}

void
partition_check_key(Relation target, PartitionUnit unit, const char *name)
{
	PartitionKey key = RelationGetPartitionKey(target);
	Oid type;

	if (key == NULL || key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->partattrs[0] == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s is not partitioned by time", name),
						errdetail("It has to be partitioned by RANGE of one column.")));
	type = key->parttypid[0];
	if (type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not partitioned by time", name),
				 errdetail("Its partition key is of type %s, not date, timestamp or timestamptz.",
						   format_type_be(type))));
	if (type == DATEOID && unit == PARTITIONS_BY_HOUR)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("partitions of %s cannot be created by the hour", name),
						errdetail("Its partition key is a date."),
						errhint("Use create_partitions => 'day'.")));
}

void
partitions_check(Ingest *ingest, Relation target)
{
	partition_check_key(target, ingest->options.create_partitions, ingest->target_name);
}

/*
 * A key value as microseconds since 2000; false: NULL or infinite, which no partition is made for.
 */
static bool
key_time(Oid type, Datum value, bool isnull, int64 *time)
{
	if (isnull)
		return false;
	if (type == DATEOID)
	{
		DateADT date = DatumGetDateADT(value);

		/* Dates reach farther than timestamps: to the year 5,874,897. */
		if (DATE_NOT_FINITE(date) || date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return false;
		*time = (int64) date * USECS_PER_DAY;
		return true;
	}
	*time = DatumGetTimestamp(value);
	return !TIMESTAMP_NOT_FINITE(*time);
}

/* Bounds of the partition that a time belongs into, and the end of its name. */
static void
unit_bounds(PartitionUnit unit, int64 time, int64 *from, int64 *to, char *suffix, size_t size)
{
	struct pg_tm tm;
	fsec_t fraction;
	int64 width = unit == PARTITIONS_BY_HOUR ? USECS_PER_HOUR : USECS_PER_DAY;

	if (timestamp2tm(time, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("partition key is out of range")));
	if (unit == PARTITIONS_BY_MONTH)
	{
		int next_year = tm.tm_mon == 12 ? tm.tm_year + 1 : tm.tm_year;
		int next_month = tm.tm_mon == 12 ? 1 : tm.tm_mon + 1;

		*from = (date2j(tm.tm_year, tm.tm_mon, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
		*to = (date2j(next_year, next_month, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
		snprintf(suffix, size, "%04d%02d", tm.tm_year, tm.tm_mon);
		return;
	}
	*from = time - (time % width + width) % width;
	*to = *from + width;
	if (unit == PARTITIONS_BY_HOUR)
		snprintf(suffix, size, "%04d%02d%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour);
	else
		snprintf(suffix, size, "%04d%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
}

static char *
bound_literal(Oid type, int64 time)
{
	if (type == DATEOID)
		return DatumGetCString(
			DirectFunctionCall1(date_out, DateADTGetDatum((DateADT) (time / USECS_PER_DAY))));
	/* TimeZone is pinned to UTC, so that both types print and read alike. */
	if (type == TIMESTAMPTZOID)
		return DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(time)));
	return DatumGetCString(DirectFunctionCall1(timestamp_out, TimestampGetDatum(time)));
}

/* True if some partition, the default one included, takes this key. */
static bool
has_partition(Relation target, PartitionKey key, Datum value)
{
	PartitionDesc desc = RelationGetPartitionDesc(target, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	bool equal = false; /* left alone where every bound is greater */
	int offset;

	if (desc->nparts == 0)
		return false;
	if (partition_bound_has_default(bounds))
		return true;
	offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &value,
										   &equal);
	return bounds->indexes[offset + 1] >= 0;
}

static Datum
key_datum(Oid type, int64 time)
{
	if (type == DATEOID)
		return DateADTGetDatum((DateADT) (time / USECS_PER_DAY));
	return TimestampGetDatum(time);
}

/*
 * True if [from, to) overlaps no partition. Where it does, as beside partitions of another width,
 * none is made, and a row that none takes is bad.
 */
static bool
has_room(Relation target, PartitionKey key, int64 from, int64 to)
{
	PartitionBoundInfo bounds = RelationGetPartitionDesc(target, false)->boundinfo;
	Datum first = key_datum(key->parttypid[0], from);
	Datum behind = key_datum(key->parttypid[0], to);
	bool equal = false; /* left alone where every bound is greater */
	int low;
	int high;

	if (bounds == NULL)
		return true;
	if (partition_bound_has_default(bounds))
		return false;
	low = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &first,
										&equal);
	high = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &behind,
										 &equal);
	if (equal)
		high--;
	return low == high && bounds->indexes[low + 1] < 0;
}

/* How a table is called in statements. */
typedef struct TableName
{
	Oid oid;
	char *schema;
	char *table;
	char *quoted; /* both */
} TableName;

/* Where its owner wants partitions to stand. */
static char *
schema_of_partitions(const TableName *target)
{
	char *schema = partition_schema_of(target->oid);

	if (schema == NULL)
		return target->schema;
	if (!OidIsValid(get_namespace_oid(schema, true)))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_SCHEMA),
			 errmsg("the schema of partitions of %s does not exist any more", target->quoted),
			 errhint("Name another by telemetry.set_partition_schema(); NULL: the table's own.")));
	return schema;
}

static void
create_partition(const TableName *target, PartitionUnit unit, Oid type, int64 time)
{
	char suffix[16];
	char *name;
	char *sql;
	int64 from;
	int64 to;

	unit_bounds(unit, time, &from, &to, suffix, sizeof(suffix));
	name = quote_qualified_identifier(schema_of_partitions(target),
									  makeObjectName(target->table, suffix, NULL));
	sql = psprintf("CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%s) TO (%s)", name,
				   target->quoted, quote_literal_cstr(bound_literal(type, from)),
				   quote_literal_cstr(bound_literal(type, to)));
	spi_connect();
	spi_run(sql);
	SPI_finish();
	ereport(LOG, (errmsg("telemetry created partition %s of %s", name, target->quoted)));
}

/* A period that no partition covers, and a time in it. */
typedef struct Missing
{
	int64 time;
	int64 from;
	int64 to;
} Missing;

static bool
is_listed(const Missing *missing, int n, int64 time)
{
	for (int i = 0; i < n; i++)
		if (time >= missing[i].from && time < missing[i].to)
			return true;
	return false;
}

/* Looks through the rows' keys. Returns how many periods are missing. */
static int
find_missing(Ingest *ingest, const IngestRow *rows, int n, Missing *missing, Oid *type)
{
	Relation target = table_open(ingest->options.target, AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(target);
	PartitionUnit unit = ingest->options.create_partitions;
	int64 known_from = 0;
	int64 known_to = 0;
	int found = 0;
	char suffix[16];

	*type = key->parttypid[0];
	for (int i = 0; i < n; i++)
	{
		bool isnull;
		Datum value;
		int64 time;

		/* An error here is this row's fault. */
		ingest->current = i;
		value = project_column(ingest, &rows[i], key->partattrs[0], &isnull);
		if (!key_time(*type, value, isnull, &time) || (time >= known_from && time < known_to))
			continue;
		if (!has_partition(target, key, value) && !is_listed(missing, found, time))
		{
			Missing *next = &missing[found];

			if (found == NEW_PARTITIONS)
			{
				/* They are too many together: the caller takes fewer rows at once. */
				ingest->current = -1;
				ereport(ERROR,
						(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						 errmsg("one batch asks for more than %d new partitions", NEW_PARTITIONS)));
			}
			next->time = time;
			unit_bounds(unit, time, &next->from, &next->to, suffix, sizeof(suffix));
			found += has_room(target, key, next->from, next->to);
		}
		unit_bounds(unit, time, &known_from, &known_to, suffix, sizeof(suffix));
	}
	ingest->current = -1;
	table_close(target, NoLock);
	return found;
}

void
partitions_ensure(Ingest *ingest, const IngestRow *rows, int n)
{
	Missing *missing = palloc(sizeof(Missing) * NEW_PARTITIONS);
	const TableName name = {
		.oid = ingest->options.target,
		.schema = ingest->target_schema,
		.table = ingest->target_table,
		.quoted = ingest->target_name,
	};
	Oid type;
	int found = find_missing(ingest, rows, n, missing, &type);

	/* From here on nobody else adds one; somebody may just have done so. */
	if (found > 0)
		LockRelationOid(ingest->options.target, ShareUpdateExclusiveLock);
	for (int i = 0; i < found; i++)
	{
		Relation target = table_open(ingest->options.target, NoLock);
		bool room =
			has_room(target, RelationGetPartitionKey(target), missing[i].from, missing[i].to);

		/* DDL wants nobody, us included, to have the table open. */
		table_close(target, NoLock);
		if (room)
			create_partition(&name, ingest->options.create_partitions, type, missing[i].time);
	}
	pfree(missing);
}

/* ---- without a batch: ahead of time, and at its end ------------------------------------------ */

int64
partition_end(PartitionUnit unit, int64 time)
{
	int64 from;
	int64 to;
	char suffix[16];

	unit_bounds(unit, time, &from, &to, suffix, sizeof(suffix));
	return to;
}

bool
partition_exists(Relation target, int64 time)
{
	PartitionKey key = RelationGetPartitionKey(target);

	return has_partition(target, key, key_datum(key->parttypid[0], time));
}

bool
partition_make(Oid target, PartitionUnit unit, int64 time)
{
	Relation relation;
	PartitionKey key;
	TableName name;
	Oid type;
	int64 from;
	int64 to;
	char suffix[16];
	bool room;

	unit_bounds(unit, time, &from, &to, suffix, sizeof(suffix));
	relation = table_open(target, AccessShareLock);
	room = !partition_exists(relation, time);
	table_close(relation, NoLock);
	if (!room)
		return false;
	LockRelationOid(target, ShareUpdateExclusiveLock);
	relation = table_open(target, NoLock);
	key = RelationGetPartitionKey(relation);
	type = key->parttypid[0];
	room = has_room(relation, key, from, to);
	name.oid = target;
	name.schema = get_namespace_name(RelationGetNamespace(relation));
	name.table = pstrdup(RelationGetRelationName(relation));
	name.quoted = quote_qualified_identifier(name.schema, name.table);
	table_close(relation, NoLock);
	if (room)
		create_partition(&name, unit, type, time);
	return room;
}

List *
partitions_before(Relation target, int64 time)
{
	PartitionKey key = RelationGetPartitionKey(target);
	PartitionDesc desc = RelationGetPartitionDesc(target, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	List *found = NIL;

	/* In the order of their bounds; what stands at a bound is the partition that ends there. */
	for (int i = 0; bounds && i < bounds->ndatums; i++)
	{
		int64 end;

		if (bounds->indexes[i] < 0 ||
			(bounds->kind && bounds->kind[i][0] != PARTITION_RANGE_DATUM_VALUE) ||
			!key_time(key->parttypid[0], bounds->datums[i][0], false, &end))
			continue;
		if (end <= time)
			found = lappend_oid(found, desc->oids[bounds->indexes[i]]);
	}
	return found;
}
