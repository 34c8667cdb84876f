/*
 * Partitions by time, made as the target's owner would make them by hand.
 */
#ifndef TELEMETRY_INGEST_PARTITIONS_H
#define TELEMETRY_INGEST_PARTITIONS_H

#include "postgres.h"

#include "ingest/ingest.h"
#include "utils/rel.h"

/* By the name that create_partitions has: none, hour, day, month. */
extern PartitionUnit partition_unit(const char *name);

/* True for a table partitioned by RANGE of one column of type date, timestamp or timestamptz. */
extern bool partition_is_by_time(Relation target);

/*
 * ereports unless partitions of a table that is called so can be told by time (and made by unit).
 */
extern void partition_check_key(Relation target, PartitionUnit unit, const char *name);

/* Where the unit that a time belongs into ends. Times are microseconds since 2000, UTC. */
extern int64 partition_end(PartitionUnit unit, int64 time);

/* True if some partition, the default one included, takes rows of that time. */
extern bool partition_exists(Relation target, int64 time);

/*
 * Makes the partition of a time, as the current user; false: there is one, or something is in its
 * way. The table must not be open.
 */
extern bool partition_make(Oid target, PartitionUnit unit, int64 time);

/* Partitions that hold nothing at or after a time, as OIDs, the oldest first. */
extern List *partitions_before(Relation target, int64 time);

#endif
