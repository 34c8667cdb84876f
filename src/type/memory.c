#include "type/memory.h"

#include "utils/memutils.h"

static void *
allocate(void *context, size_t size)
{
	return MemoryContextAllocHuge(context, size);
}

static void
release(void *context, void *pointer)
{
	pfree(pointer);
}

SketchMemory
sketch_memory(MemoryContext context)
{
	return (SketchMemory){allocate, release, context};
}

MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return context;
}
