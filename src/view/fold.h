/*
 * Partial rows that wait are merged into the state tables.
 */
#ifndef TELEMETRY_VIEW_FOLD_H
#define TELEMETRY_VIEW_FOLD_H

#include "postgres.h"

#include "view/known.h"

/* All that waits; nothing waits any more. Called before the commit of a transaction. */
extern void fold_pending(void);

/*
 * The same for a worker that has already tried once in vain: a view whose state does not take the
 * changes (a sum that overflows) is marked broken, and the others go on.
 */
extern void fold_or_break(void);

/* The same, but it goes on waiting: for a subtransaction that is rolled back. */
extern void fold_for_now(void);

/* Fills the state from the target and the expired partitions; it must be empty. */
extern void fold_rebuild(const KnownView *view);

#endif
