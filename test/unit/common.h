/*
 * What the unit tests of src/sketch share: counting checks, memory, and numbers that follow from a
 * seed.
 */
#ifndef TELEMETRY_TEST_UNIT_H
#define TELEMETRY_TEST_UNIT_H

#include <stdint.h>
#include <stdio.h>

#include "sketch/memory.h"

extern int passed;
extern int failed;

#define CHECK(condition, ...)                                                                      \
	do                                                                                             \
	{                                                                                              \
		if (condition)                                                                             \
			passed++;                                                                              \
		else                                                                                       \
		{                                                                                          \
			failed++;                                                                              \
			printf("%s:%d: %s: ", __func__, __LINE__, #condition);                                 \
			printf(__VA_ARGS__);                                                                   \
			printf("\n");                                                                          \
		}                                                                                          \
	} while (0)

/* What it gives is filled with a pattern: what is not written must not be relied upon. */
extern void *test_allocate(void *arg, size_t size);
extern const SketchMemory heap;

/* Uniform. */
extern uint64_t seed;
extern uint64_t random64(void);

#endif
