/*
 * What the unit tests of the HyperLogLog sketch share.
 */
#ifndef TELEMETRY_TEST_HLL_TEST_H
#define TELEMETRY_TEST_HLL_TEST_H

#include "common.h"
#include "sketch/hll_internal.h"

static inline uint32_t
below(uint32_t n)
{
	return (uint32_t) (random64() % n);
}

/* estimate_test.c */
extern void test_estimates(void);

#endif
