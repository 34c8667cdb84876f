/*
 * The one pass over a JSON message: finds the values that columns name, checks all others.
 */
#ifndef TELEMETRY_DECODE_WALK_H
#define TELEMETRY_DECODE_WALK_H

#include "postgres.h"

#include "decode/json_scan.h"
#include "decode/path.h"

/* A top-level field that no column's path starts with. */
typedef struct RestField
{
	JsonToken key;
	JsonToken value;
} RestField;

typedef struct Walk
{
	const PathNode *root;
	int nslots;
	JsonToken *slots; /* by PathNode.id: what was found there, KIND_NONE if nothing */

	bool want_rest;
	RestField *rest;
	uint32 nrest;
	uint32 rest_allocated;
	MemoryContext context;

	JsonScan scan; /* fault and place, after walk_document() gave false */
	bool not_object;
	bool trailing;
	JsonToken document; /* the whole, without space or byte order mark around it */
} Walk;

/* Of equal keys the last one counts, with all that is in it. */
extern bool walk_document(Walk *walk, const char *bytes, size_t length);

#endif
