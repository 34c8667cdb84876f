/*
 * What the unit tests of exact numbers share.
 */
#ifndef TELEMETRY_TEST_FLOAT_H
#define TELEMETRY_TEST_FLOAT_H

#include <stdio.h>

#include "sketch/float_sum.h"

extern int passed;
extern int failed;
extern const SketchMemory heap;

extern uint64_t random64(void);
extern double random_value(int kind);
extern void test_moments(void);

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

#endif
