/*
 * What happens to partitions of a followed table, as its continuous views see it.
 */
#ifndef TELEMETRY_VIEW_PARTITION_H
#define TELEMETRY_VIEW_PARTITION_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A partition was made or attached (with its rows): triggers, and the rows fold in. */
extern void partition_came(Oid partition, bool with_rows);

/*
 * Before a partition of this table is detached: locks it as PostgreSQL will, so that who attaches
 * one, or makes a view, at the same time has committed when it is looked for.
 */
extern void partition_hold(Oid parent, bool concurrently);

/* Before it is detached, or dropped: what it contributed is kept apart. */
extern void partition_goes(Oid partition, bool dropped);

/*
 * After tables were dropped; views: all, as ViewRow. What goes by other ways than DROP TABLE (with
 * its schema, its owner) is gone before we could read it: ereports, so that nothing is dropped, if
 * a view still follows what it was a partition of. One that was detached before cannot come back.
 */
extern void partition_dropped(const List *views);

extern void partition_init(void);

#endif
