/*
 * Where the rows of groups lie in their state table, as this session last saw it: it spares the way
 * down the index. What is remembered may be wrong at any time; whoever finds something there looks
 * whether it is that group's row.
 */
#ifndef TELEMETRY_VIEW_LOCATED_H
#define TELEMETRY_VIEW_LOCATED_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "view/known.h"

/* Of the keys as they look. */
extern uint32 located_hash(const KnownView *view, TupleTableSlot *row);

/* Do the keys of two rows look the same? Then they are equal; else they still may be. */
extern bool located_same(const KnownView *view, TupleTableSlot *one, TupleTableSlot *other);

/* Soon that group is looked for, or kept. */
extern void located_prefetch(const KnownView *view, uint32 hash);

extern bool located_find(const KnownView *view, uint32 hash, ItemPointer row);
extern void located_keep(KnownView *view, uint32 hash, const ItemPointerData *row);

extern void located_forget(KnownView *view);

#endif
