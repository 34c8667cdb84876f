/*
 * Rows of telemetry._retention and telemetry.retention_state.
 */
#ifndef TELEMETRY_CATALOG_RETENTION_H
#define TELEMETRY_CATALOG_RETENTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct Retention
{
	Oid target;
	Interval *keep;          /* NULL: partitions are never dropped */
	char *create_partitions; /* none, hour, day, month */
	int ahead;               /* how many to have ready beyond the present one */
	bool active;             /* switched on in this database */
} Retention;

/* What a run came to. */
typedef struct RetentionResult
{
	int dropped;
	int made;
	int ahead;   /* partitions that are ready beyond the present one; -1: none are asked for */
	char *error; /* the first; NULL: none */
} RetentionResult;

/* The row of one table; NULL: there is none. */
extern Retention *retention_of(Oid target, MemoryContext context);

/* Those that are active and due. *any: whether any is active at all. */
extern List *retention_due(MemoryContext context, bool *any);

/* Makes or replaces the row of a table, active from now on and due at once. */
extern void retention_store(const Retention *retention);

/* Removes it; false: there was none. */
extern bool retention_remove(Oid target);

/* Writes down what a run came to, and when the next is due (seconds from now). */
extern void retention_report(Oid target, const RetentionResult *result, int next);

#endif
