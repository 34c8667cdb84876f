/*
 * What a set of events says of the attributes of one dimension's members. Private to the folder.
 */
#ifndef TELEMETRY_INGEST_DIMENSION_FOLLOW_H
#define TELEMETRY_INGEST_DIMENSION_FOLLOW_H

#include "postgres.h"

#include "ingest/dimension.h"
#include "ingest/internal.h"

typedef struct Following
{
	const Dimension *dimension;
	const IngestRow *rows;
	int nmembers;
	Datum *keys;
	int *newest; /* rows, by member and attribute; -1: none has a value */
} Following;

/* Whether a value comes after another of the same time. */
extern bool dimension_value_is_greater(FollowedColumn *column, Datum value, Datum other);

/*
 * ---- dimension_write.c ----
 * Updates the members row by row, in the order of their keys; false if only a statement can do it.
 */
extern bool dimension_write(const Following *following);

#endif
