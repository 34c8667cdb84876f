/*
 * Rows by keys and time, as session windows read them.
 */
#ifndef TELEMETRY_SESSION_SORT_H
#define TELEMETRY_SESSION_SORT_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"

/* A row has at most so many columns. */
#define SESSION_SORT_COLUMNS 32

typedef struct SessionSortKey
{
	AttrNumber column; /* from 0 */
	Oid sort_operator; /* of a btree: less or greater */
	Oid collation;
	bool nulls_first;
} SessionSortKey;

typedef struct SessionSort SessionSort;

/*
 * In the current memory context. The last key is the time: timestamptz or timestamp, ascending,
 * nulls last. keys and desc stay the caller's. expected: bytes that are thought to come. At most
 * work_mem is used.
 */
extern SessionSort *session_sort_begin(TupleDesc desc, const SessionSortKey *keys, int n_keys,
									   double expected);
extern void session_sort_put(SessionSort *sort, TupleTableSlot *slot);
extern void session_sort_perform(SessionSort *sort);

/*
 * The next row's columns, which stay valid until the call after the next one; false: no more.
 * same_keys: all keys but the time are those of the row before.
 */
extern bool session_sort_next(SessionSort *sort, Datum *values, bool *nulls, bool *same_keys);
extern void session_sort_end(SessionSort *sort);

/* For EXPLAIN, after session_sort_perform(): kilobytes in memory, or on disk. */
extern int64 session_sort_space(SessionSort *sort, bool *on_disk);

#endif
