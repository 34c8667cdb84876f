/*
 * What the fuzzers of src/sketch share: a heap on which what follows an unchecked length shows, and
 * the way to say that something is wrong.
 */
#ifndef TELEMETRY_TEST_FUZZ_H
#define TELEMETRY_TEST_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sketch/memory.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * No input of a fuzzer's size can need more: an allocation that follows an unchecked length shows.
 */
#ifndef FUZZ_MOST
#define FUZZ_MOST ((size_t) 16 << 20)
#endif

static void *
fuzz_allocate(void *arg, size_t size)
{
	void *pointer;

	(void) arg;
	if (size > FUZZ_MOST)
		abort();
	pointer = malloc(size == 0 ? 1 : size);
	if (pointer == NULL)
		abort();
	memset(pointer, 0xA5, size);
	return pointer;
}

static void
fuzz_release(void *arg, void *pointer)
{
	(void) arg;
	free(pointer);
}

static const SketchMemory heap = {fuzz_allocate, fuzz_release, NULL};

static inline void
require(int condition)
{
	if (!condition)
		abort();
}

#endif
