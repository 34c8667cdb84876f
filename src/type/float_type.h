/*
 * telemetry.float8_sum and telemetry.float8_moments inside the server: what their files share.
 */
#ifndef TELEMETRY_TYPE_FLOAT_TYPE_H
#define TELEMETRY_TYPE_FLOAT_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "sketch/float_sum.h"

/* The result of a function, or error 22003 where it is beyond the greatest double. */
extern double float_result(double result, bool overflow);

/* Counts or magnitudes are beyond what the type holds. */
extern void float_out_of_range(const char *type) pg_attribute_noreturn();

#endif
