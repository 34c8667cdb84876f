/*
 * Partial rows of a view in the order of their keys, which is the same for all who write into its
 * state: that of append_order_by() of statement.c, so that statements keep it, too.
 */
#ifndef TELEMETRY_VIEW_SORTED_H
#define TELEMETRY_VIEW_SORTED_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/tuplestore.h"
#include "view/known.h"

typedef struct SortedRows SortedRows;

/* slot is of minimal tuples; rows must not change until the end. */
extern SortedRows *sorted_begin(const KnownView *view, Tuplestorestate *rows, TupleTableSlot *slot);

/* Of two stores together, of a group the rows of plus first. NULL: cannot be done in memory. */
extern SortedRows *sorted_begin_both(const KnownView *view, Tuplestorestate *plus,
									 Tuplestorestate *minus, TupleTableSlot *slot);

/* Then: was the last row one of minus? */
extern bool sorted_is_minus(const SortedRows *sorted);

/* The next row; at the end false, and an empty slot. It is there until the next call. */
extern bool sorted_next(SortedRows *sorted, TupleTableSlot *slot);
extern void sorted_end(SortedRows *sorted);

/* By which operators and collations a key is ordered. */
extern void sorted_order_of(const KnownView *view, int key, Oid *less, Oid *equal, Oid *collation);

#endif
