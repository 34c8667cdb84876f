/*
 * A memory context of which each block is malloc()'s own, seen by AddressSanitizer. Only PostgreSQL
 * 15 and before let a module have one: from 16 on, contexts are of the server's kinds.
 */
#include "fuzz_server.h"

#include "nodes/memnodes.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 160000

typedef struct FuzzBlock
{
	struct FuzzBlock *next;
	struct FuzzBlock *previous;
	Size size;
	MemoryContext context; /* where GetMemoryChunkContext() looks for it: before the bytes */
} FuzzBlock;

typedef struct FuzzContext
{
	MemoryContextData header;
	FuzzBlock live;
} FuzzContext;

static void *
block_alloc(MemoryContext context, Size size)
{
	FuzzContext *fuzz = (FuzzContext *) context;
	FuzzBlock *block = malloc(sizeof(FuzzBlock) + size);

	if (block == NULL)
		return NULL;
	block->size = size;
	block->context = context;
	block->next = fuzz->live.next;
	block->previous = &fuzz->live;
	fuzz->live.next->previous = block;
	fuzz->live.next = block;
	memset(block + 1, 0x7F, size);
	return block + 1;
}

static void
block_free(MemoryContext context, void *pointer)
{
	FuzzBlock *block = (FuzzBlock *) pointer - 1;

	block->next->previous = block->previous;
	block->previous->next = block->next;
	free(block);
}

static void *
block_realloc(MemoryContext context, void *pointer, Size size)
{
	void *copy = block_alloc(context, size);

	if (copy == NULL)
		return NULL;
	memcpy(copy, pointer, Min(size, ((FuzzBlock *) pointer - 1)->size));
	block_free(context, pointer);
	return copy;
}

static void
context_reset(MemoryContext context)
{
	FuzzContext *fuzz = (FuzzContext *) context;

	while (fuzz->live.next != &fuzz->live)
		block_free(context, fuzz->live.next + 1);
}

/* It lives as long as its process. */
static void
context_delete(MemoryContext context)
{
	context_reset(context);
}

static Size
block_space(MemoryContext context, void *pointer)
{
	return ((FuzzBlock *) pointer - 1)->size;
}

static bool
context_is_empty(MemoryContext context)
{
	FuzzContext *fuzz = (FuzzContext *) context;

	return fuzz->live.next == &fuzz->live;
}

static void
context_stats(MemoryContext context, MemoryStatsPrintFunc print, void *passthru,
			  MemoryContextCounters *totals, bool print_to_stderr)
{
}

static const MemoryContextMethods methods = {
	.alloc = block_alloc,
	.free_p = block_free,
	.realloc = block_realloc,
	.reset = context_reset,
	.delete_context = context_delete,
	.get_chunk_space = block_space,
	.is_empty = context_is_empty,
	.stats = context_stats,
};

MemoryContext
fuzz_context(void)
{
	FuzzContext *fuzz = calloc(1, sizeof(FuzzContext));

	fuzz->live.next = fuzz->live.previous = &fuzz->live;
	MemoryContextCreate(&fuzz->header, T_AllocSetContext, &methods, TopMemoryContext,
						"fuzzed input");
	return &fuzz->header;
}

#else

MemoryContext
fuzz_context(void)
{
	return AllocSetContextCreate(TopMemoryContext, "fuzzed input", ALLOCSET_DEFAULT_SIZES);
}

#endif
