/*
 * Which continuous views are being built now, by whom, and how far that has come.
 *
 * Kept in shared memory alone: a build that ended in whatever way (cancel, error, crash) has no
 * entry any more, and by that its writers see that nobody waits for their changes.
 */
#ifndef TELEMETRY_VIEW_PROGRESS_H
#define TELEMETRY_VIEW_PROGRESS_H

#include "postgres.h"

#include "catalog/view.h"
#include "executor/execdesc.h"

typedef enum BuildPhase
{
	BUILD_WAITS,   /* for transactions that are open on the table */
	BUILD_READS,   /* the table */
	BUILD_MERGES,  /* what was written meanwhile */
	BUILD_FINISHES /* the last of it, while writers wait */
} BuildPhase;

/* This session builds the view. ereports if too many builds run. */
extern void progress_begin(const ViewRow *row);
extern void progress_phase(BuildPhase phase);
extern void progress_total(double rows);
extern void progress_end(void);

/* While the query runs, rows that it read of these tables are counted as done, now and then. */
extern void progress_watch(QueryDesc *query, const List *tables);
extern void progress_unwatch(void);

/* The query ended by an error. */
extern void progress_forget(void);

/* True while somebody builds the view of that number. */
extern bool progress_running(int view_id);

/* From view_init(). */
extern void progress_init(void);

#endif
