/*
 * telemetry.concurrency inside the server: how many intervals of time go on, as steps over time.
 */
#ifndef TELEMETRY_TYPE_CONCURRENCY_TYPE_H
#define TELEMETRY_TYPE_CONCURRENCY_TYPE_H

#include "postgres.h"

#include "base/compat.h"

/* From this moment on, so many more go on, or fewer. */
typedef struct ConcurrencyStep
{
	int64 time;
	int64 change;
} ConcurrencyStep;

/* Steps, of which the first so many are in order, each moment once and none of nothing. */
typedef struct Concurrency
{
	MemoryContext context;
	ConcurrencyStep *steps;
	size_t count;
	size_t sorted;
	size_t room;
} Concurrency;

extern void concurrency_init(Concurrency *concurrency, MemoryContext context, size_t room);

/* Adds a step; in any order, and more than once a moment. */
extern void concurrency_add(Concurrency *concurrency, int64 time, int64 change);

/* Appends one that is not before the last, to steps that are in order; there must be room. */
extern void concurrency_append(Concurrency *concurrency, ConcurrencyStep step);

extern void concurrency_settle(Concurrency *concurrency);

/* As a value; must be settled. */
extern Datum concurrency_datum(const Concurrency *concurrency);

/* How many go on after a step, of so many before it. */
extern int64 concurrency_after(int64 active, const ConcurrencyStep *step);

/* How many of a value go on at that moment; what is later is not looked at. */
extern int64 concurrency_active(Datum datum, int64 moment);

/* Made here, in the current context. */
extern void concurrency_from_datum(Datum datum, Concurrency *concurrency);

#endif
