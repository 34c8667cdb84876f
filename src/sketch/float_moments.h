/*
 * Exact moments of doubles, from which variance, covariance, correlation and regression follow: how
 * many, and the exact sums of x and x^2, or of x, x^2, y, y^2 and xy. As FloatSum they merge, lose
 * what is taken away again, and do not depend on the order of values.
 */
#ifndef TELEMETRY_SKETCH_FLOAT_MOMENTS_H
#define TELEMETRY_SKETCH_FLOAT_MOMENTS_H

#include "sketch/float_sum.h"

typedef enum FloatMoment
{
	MOMENT_X,
	MOMENT_XX,
	MOMENT_Y,
	MOMENT_YY,
	MOMENT_XY
} FloatMoment;

#define FLOAT_MOMENTS 5

/* Does not move. A variable that is NaN or infinite in a row is in none of its sums there. */
typedef struct FloatMoments
{
	int64_t n;     /* rows */
	int variables; /* 0: nothing came yet; 1: only x; 2 */
	ExactNumber sum[FLOAT_MOMENTS];
	FloatSpecial special[2]; /* x, y */
} FloatMoments;

static inline int
float_moments_sums(int variables)
{
	return variables == 0 ? 0 : variables == 1 ? 2 : FLOAT_MOMENTS;
}

extern void float_moments_init(FloatMoments *moments);
extern void float_moments_reset(FloatMoments *moments, const SketchMemory *memory);

/* One moments takes rows by one of the two alone. */
extern void float_moments_add(FloatMoments *moments, double x, bool subtract,
							  const SketchMemory *memory);
extern void float_moments_add_pair(FloatMoments *moments, double y, double x, bool subtract,
								   const SketchMemory *memory);

/* May these two be merged? Not where one has one variable, the other two. */
static inline bool
float_moments_alike(const FloatMoments *a, const FloatMoments *b)
{
	return a->variables == 0 || b->variables == 0 || a->variables == b->variables;
}

/* False, and dst of no use, where a count or a sum leaves its range: only made-up ones do. */
extern bool float_moments_merge(FloatMoments *dst, const FloatMoments *src, bool subtract,
								const SketchMemory *memory);

/* ---- statistics ------------------------------------------------------------------------------ */

typedef enum FloatStatistic
{
	STATISTIC_VAR_POP,
	STATISTIC_VAR_SAMP,
	STATISTIC_STDDEV_POP,
	STATISTIC_STDDEV_SAMP,
	/* of two variables */
	STATISTIC_COVAR_POP,
	STATISTIC_COVAR_SAMP,
	STATISTIC_CORR,
	STATISTIC_REGR_AVGX,
	STATISTIC_REGR_AVGY,
	STATISTIC_REGR_SXX,
	STATISTIC_REGR_SYY,
	STATISTIC_REGR_SXY,
	STATISTIC_REGR_SLOPE,
	STATISTIC_REGR_INTERCEPT,
	STATISTIC_REGR_R2
} FloatStatistic;

/*
 * The exact value of the formula, rounded once to the nearest double. False where SQL's aggregate
 * of this name gives NULL.
 */
extern bool float_moments_statistic(const FloatMoments *moments, FloatStatistic statistic,
									double *result, bool *overflow);

/* ---- packed bytes and text ---------------------------------------------------------------------
 *
 * Canonical, as FloatSum's. Bytes: format, version, flags (variables; 4: x has counts of NaN,
 * infinity, -infinity; 8: y has), n, those counts, the sums in the order of FloatMoment.
 */

#define FLOAT_MOMENTS_FORMAT  0x4d
#define FLOAT_MOMENTS_VERSION 1
#define FLOAT_MOMENTS_SIZE                                                                         \
	(3 + EXACT_PACKED_INTEGER + 2 * FLOAT_SPECIAL_SIZE + FLOAT_MOMENTS * EXACT_PACKED_NUMBER)
#define FLOAT_MOMENTS_TEXT                                                                         \
	(40 + EXACT_TEXT_INTEGER + 2 * FLOAT_SPECIAL_TEXT + FLOAT_MOMENTS * (EXACT_TEXT_NUMBER + 4))

extern size_t float_moments_pack(const FloatMoments *moments, uint8_t *out);
extern const char *float_moments_unpack(const void *bytes, size_t size, FloatMoments *moments,
										const SketchMemory *memory);
extern const char *float_moments_check(const void *bytes, size_t size, FloatMoments *moments,
									   const SketchMemory *memory);
extern void float_moments_write(const FloatMoments *moments, char *out);
extern const char *float_moments_read(const char *text, FloatMoments *moments,
									  const SketchMemory *memory);

#endif
