/*
 * An exact sum of doubles that can be taken back: a multiset's sum, whatever the order, and after
 * subtraction exactly the sum of what is left.
 *
 * Finite values are added exactly (exact.h); NaN, infinity and -infinity are counted apart, so that
 * they, too, can go again. Counts may be negative: the negative of a sum is one, too.
 */
#ifndef TELEMETRY_SKETCH_FLOAT_SUM_H
#define TELEMETRY_SKETCH_FLOAT_SUM_H

#include <math.h>

#include "sketch/exact.h"

/* How often what is no number came. */
typedef struct FloatSpecial
{
	int64_t nan;
	int64_t inf;
	int64_t minus_inf;
} FloatSpecial;

/* Does not move. */
typedef struct FloatSum
{
	int64_t finite; /* finite values */
	ExactNumber sum;
	FloatSpecial special;
} FloatSum;

static inline void
float_special_add(FloatSpecial *special, double value, bool subtract)
{
	int64_t *count = isnan(value) ? &special->nan : value > 0 ? &special->inf : &special->minus_inf;

	*count += subtract ? -1 : 1;
}

static inline bool
float_special_any(const FloatSpecial *special)
{
	return (special->nan | special->inf | special->minus_inf) != 0;
}

/* What IEEE 754 addition of them gives; only where there is one. */
extern double float_special_value(const FloatSpecial *special);
extern bool float_special_merge(FloatSpecial *dst, const FloatSpecial *src, bool subtract);

/* The next three are for the packed and text forms of float_sum and float_moments alone. */
extern uint8_t *float_special_pack(uint8_t *out, const FloatSpecial *special);
extern const uint8_t *float_special_unpack(const uint8_t *in, const uint8_t *end,
										   FloatSpecial *special);
extern char *float_special_write(char *out, const char *prefix, const FloatSpecial *special);
extern const char *float_special_read(const char *in, const char *prefix, FloatSpecial *special);

extern void float_sum_init(FloatSum *sum);
extern void float_sum_reset(FloatSum *sum, const SketchMemory *memory);

/*
 * True when the value was one of the usual ones and is in; else float_sum_add() has to be called.
 */
static inline bool
float_sum_add_fast(FloatSum *sum, double value, bool subtract)
{
	if (!exact_add_fast(&sum->sum, value, subtract))
		return false;
	sum->finite += subtract ? -1 : 1;
	return true;
}

extern void float_sum_add(FloatSum *sum, double value, bool subtract, const SketchMemory *memory);

/* False, and dst of no use, where a count or the sum leaves its range: only made-up sums do. */
extern bool float_sum_merge(FloatSum *dst, const FloatSum *src, bool subtract,
							const SketchMemory *memory);

/* Values, those that are no numbers included. */
extern int64_t float_sum_count(const FloatSum *sum);

/* The nearest double to sum and average. */
extern double float_sum_value(const FloatSum *sum, bool *overflow);
extern double float_sum_average(const FloatSum *sum, bool *overflow); /* count is not 0 */

/* ---- packed bytes and text ---------------------------------------------------------------------
 *
 * Canonical: they follow from counts and exact sum alone. Bytes: format, version, flags (1: there
 * are counts of NaN, infinity, -infinity), finite values, those counts, sum.
 */

#define FLOAT_SUM_FORMAT   0x53
#define FLOAT_SUM_VERSION  1
#define FLOAT_SPECIAL_SIZE (3 * EXACT_PACKED_INTEGER)
#define FLOAT_SUM_SIZE     (3 + EXACT_PACKED_INTEGER + FLOAT_SPECIAL_SIZE + EXACT_PACKED_NUMBER)
#define FLOAT_SPECIAL_TEXT (3 * (EXACT_TEXT_INTEGER + 16))
#define FLOAT_SUM_TEXT     (40 + EXACT_TEXT_INTEGER + FLOAT_SPECIAL_TEXT + EXACT_TEXT_NUMBER)

/* out has room for FLOAT_SUM_SIZE; returns the bytes written. */
extern size_t float_sum_pack(const FloatSum *sum, uint8_t *out);

/* Into a sum just made, safe on any bytes. NULL, or what is wrong. */
extern const char *float_sum_unpack(const void *bytes, size_t size, FloatSum *sum,
									const SketchMemory *memory);

/* As unpacking, and accepts only what packing writes. */
extern const char *float_sum_check(const void *bytes, size_t size, FloatSum *sum,
								   const SketchMemory *memory);

/* out has room for FLOAT_SUM_TEXT characters. */
extern void float_sum_write(const FloatSum *sum, char *out);
extern const char *float_sum_read(const char *text, FloatSum *sum, const SketchMemory *memory);

#endif
