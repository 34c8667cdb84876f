/*
 * Where the memory of types and aggregates comes from.
 */
#ifndef TELEMETRY_TYPE_MEMORY_H
#define TELEMETRY_TYPE_MEMORY_H

#include "postgres.h"

#include "fmgr.h"
#include "sketch/memory.h"

/* That of a memory context, for a summary. */
extern SketchMemory sketch_memory(MemoryContext context);

/* The context of the aggregate that calls; elog(ERROR) when none does. */
extern MemoryContext aggregate_context(FunctionCallInfo fcinfo);

#endif
