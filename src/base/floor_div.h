/*
 * Division rounded down, as times before an epoch need it: C's rounds to zero.
 */
#ifndef TELEMETRY_BASE_FLOOR_DIV_H
#define TELEMETRY_BASE_FLOOR_DIV_H

#include "postgres.h"

/* unit: above zero. */
static inline int64
floor_div(int64 value, int64 unit)
{
	return value / unit - (value % unit < 0);
}

#endif
