/*
 * What happens to partitions of a followed table, as its continuous views see it.
 */
#ifndef TELEMETRY_VIEW_PARTITION_H
#define TELEMETRY_VIEW_PARTITION_H

#include "postgres.h"

/* A partition was made or attached (with its rows): triggers, and the rows fold in. */
extern void partition_came(Oid partition, bool with_rows);

/* Before it is detached, or dropped: what it contributed is kept apart. */
extern void partition_goes(Oid partition, bool dropped);

#endif
