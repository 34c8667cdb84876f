/*
 * What the folds of each continuous view cost, in shared memory: for telemetry.stat_view.
 *
 * Counts since the server started; a transaction that rolls back later is counted all the same, as
 * in PostgreSQL's own statistics of functions.
 */
#ifndef TELEMETRY_VIEW_STATISTICS_H
#define TELEMETRY_VIEW_STATISTICS_H

#include "postgres.h"

extern void statistics_init(void);

/* rows: partial rows that were folded, one for each group that a statement touched. */
extern void statistics_add(Oid view, int64 folds, int64 rows, int64 microseconds);

/* The view is dropped: its room is another's. Where that is rolled back it counts from 0 on. */
extern void statistics_forget(Oid view);

/* The same of all views of a database. */
extern void statistics_forget_database(Oid database);

#endif
