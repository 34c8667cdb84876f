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

/* Of KnownView *, for list_sort(): which is folded first, in every transaction. */
extern int fold_order(const ListCell *one, const ListCell *other);

/* What a builder took out of journals: PendingView *, of a view and all of its helpers. */
extern void fold_journal(List *pendings);

/*
 * Fills the state from the target and the expired partitions; it must be empty. Gives how many
 * groups it has then.
 */
extern uint64 fold_rebuild(const KnownView *view);

#endif
