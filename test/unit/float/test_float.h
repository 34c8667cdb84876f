/*
 * What the unit tests of exact numbers share.
 */
#ifndef TELEMETRY_TEST_FLOAT_H
#define TELEMETRY_TEST_FLOAT_H

#include "common.h"
#include "sketch/float_sum.h"

extern double random_value(int kind);
extern void test_moments(void);

#endif
