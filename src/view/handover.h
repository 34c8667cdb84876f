/*
 * Rows of tuplestores as relations of statements that SPI runs.
 */
#ifndef TELEMETRY_VIEW_HANDOVER_H
#define TELEMETRY_VIEW_HANDOVER_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/spi.h"
#include "utils/tuplestore.h"

/* Until hand_back() or the end of SPI's connection. */
extern void hand_over(const char *name, Tuplestorestate *rows, TupleDesc desc);

/* The same, for a plan that is kept: planned as for many rows, since many may come later. */
extern void hand_over_many(const char *name, Tuplestorestate *rows, TupleDesc desc);
extern void hand_back(const char *name);

/*
 * With a snapshot of now, also where the transaction's is older: for what nobody else may write,
 * or for what is to take into account what others have written since.
 */
extern void execute_latest(const char *sql);
extern void execute_latest_with(const char *sql, int nargs, Oid *types, Datum *values);

/* Prepares it the first time, and keeps the plan there. */
extern void execute_kept(SPIPlanPtr *kept, const char *sql);

#endif
