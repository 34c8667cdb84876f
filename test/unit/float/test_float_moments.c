/*
 * Unit tests of exact moments and of the statistics from them.
 */
#include <stdlib.h>

#include "reference.h"
#include "sketch/float_moments.h"
#include "test_float.h"

static bool
same_moments(const FloatMoments *a, const FloatMoments *b)
{
	uint8_t a_bytes[FLOAT_MOMENTS_SIZE];
	uint8_t b_bytes[FLOAT_MOMENTS_SIZE];
	size_t size = float_moments_pack(a, a_bytes);

	return float_moments_pack(b, b_bytes) == size && memcmp(a_bytes, b_bytes, size) == 0;
}

static void
check_forms(const FloatMoments *moments, int test)
{
	uint8_t bytes[FLOAT_MOMENTS_SIZE];
	char text[FLOAT_MOMENTS_TEXT];
	size_t size = float_moments_pack(moments, bytes);
	FloatMoments again;
	const char *error;

	float_moments_init(&again);
	error = float_moments_check(bytes, size, &again, &heap);
	CHECK(error == NULL && same_moments(moments, &again), "%d: %s", test, error);
	float_moments_reset(&again, &heap);
	float_moments_write(moments, text);
	CHECK(strlen(text) < FLOAT_MOMENTS_TEXT, "%d", test);
	error = float_moments_read(text, &again, &heap);
	CHECK(error == NULL && same_moments(moments, &again), "%d: %s: %s", test, text, error);
	float_moments_reset(&again, &heap);
}

/* Each of the five sums, as its nearest double, against the plain way; then all taken away. */
static void
test_sums(void)
{
	enum
	{
		N = 40
	};
	double y[N];
	double x[N];

	for (int test = 0; test < 700; test++)
	{
		Reference reference[FLOAT_MOMENTS] = {{{0}}};
		FloatMoments moments;
		FloatMoments empty;

		float_moments_init(&moments);
		float_moments_init(&empty);
		for (int i = 0; i < N; i++)
		{
			y[i] = random_value(test % 6);
			x[i] = random_value(test / 6 % 6);
			float_moments_add_pair(&moments, y[i], x[i], false, &heap);
			reference_add(&reference[MOMENT_X], x[i], false);
			reference_add(&reference[MOMENT_Y], y[i], false);
			reference_add_product(&reference[MOMENT_XX], x[i], x[i], false);
			reference_add_product(&reference[MOMENT_YY], y[i], y[i], false);
			reference_add_product(&reference[MOMENT_XY], x[i], y[i], false);
		}
		for (int i = 0; i < FLOAT_MOMENTS; i++)
		{
			bool overflow;
			double value = exact_round(&moments.sum[i], &overflow);

			CHECK(overflow || reference_nearest(&reference[i], value, 1), "%d, %d: %a", test, i,
				  value);
		}
		check_forms(&moments, test);
		for (int i = 0; i < N; i++)
			float_moments_add_pair(&moments, y[i], x[i], true, &heap);
		CHECK(same_moments(&moments, &empty), "%d: all gone", test);
		float_moments_reset(&moments, &heap);
	}
}

/* 113 bits: where long double has them there may be no other name for it. */
#if __LDBL_MANT_DIG__ == 113
typedef long double Quad;
#else
__extension__ typedef __float128 Quad;
#endif

/* Small integers: the formulas in 128-bit integers, with a quotient of 113 bits. */
static void
test_statistics(void)
{
	for (int test = 0; test < 2000; test++)
	{
		int n = 2 + (int) (random64() % 50);
		__extension__ __int128 sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
		FloatMoments moments;
		double result;
		bool overflow;

		float_moments_init(&moments);
		for (int i = 0; i < n; i++)
		{
			int64_t x = (int64_t) (random64() % 2000001) - 1000000;
			int64_t y = (int64_t) (random64() % 20001) + x / 7;

			float_moments_add_pair(&moments, (double) y, (double) x, false, &heap);
			sx += x;
			sy += y;
			sxx += x * x;
			syy += y * y;
			sxy += x * y;
		}
		sxx = n * sxx - sx * sx;
		syy = n * syy - sy * sy;
		sxy = n * sxy - sx * sy;
		CHECK(float_moments_statistic(&moments, STATISTIC_VAR_SAMP, &result, &overflow) &&
				  result == (double) ((Quad) sxx / n / (n - 1)),
			  "%d: %a", test, result);
		CHECK(float_moments_statistic(&moments, STATISTIC_COVAR_POP, &result, &overflow) &&
				  result == (double) ((Quad) sxy / n / n),
			  "%d: %a", test, result);
		CHECK(float_moments_statistic(&moments, STATISTIC_REGR_SLOPE, &result, &overflow) &&
				  result == (double) ((Quad) sxy / (Quad) sxx),
			  "%d: %a", test, result);
		CHECK(float_moments_statistic(&moments, STATISTIC_REGR_R2, &result, &overflow) &&
				  fabs(result - (double) ((Quad) sxy / (Quad) sxx * (Quad) sxy / (Quad) syy)) <=
					  0x1p-53,
			  "%d: %a", test, result);
		CHECK(float_moments_statistic(&moments, STATISTIC_CORR, &result, &overflow) &&
				  fabs(result * result -
					   (double) ((Quad) sxy / (Quad) sxx * (Quad) sxy / (Quad) syy)) <= 0x1p-51 &&
				  (result < 0) == (sxy < 0),
			  "%d: %a", test, result);
		/* The root of a double is rounded right by sqrt(); the variance was rounded before. */
		CHECK(float_moments_statistic(&moments, STATISTIC_STDDEV_POP, &result, &overflow) &&
				  fabs(result / sqrt((double) ((Quad) sxx / n / n)) - 1) <= 0x1p-52,
			  "%d: %a", test, result);
		float_moments_reset(&moments, &heap);
	}
}

static void
test_any_bytes(void)
{
	int accepted = 0;

	for (int test = 0; test < 50000; test++)
	{
		uint8_t bytes[FLOAT_MOMENTS_SIZE];
		size_t size;
		uint8_t *exact;
		FloatMoments moments;
		FloatMoments other;

		float_moments_init(&moments);
		float_moments_init(&other);
		for (int i = 0; i < 3; i++)
			float_moments_add_pair(&moments, random_value(test % 6), random_value(test / 6 % 6),
								   false, &heap);
		size = float_moments_pack(&moments, bytes);
		for (int i = (int) (random64() % 4); i > 0; i--)
			bytes[random64() % (i == 1 ? size : 20)] = (uint8_t) random64();
		size -= random64() % 8 == 0 ? random64() % size : 0;
		exact = malloc(size);
		if (exact == NULL)
			abort();
		memcpy(exact, bytes, size);
		if (float_moments_unpack(exact, size, &other, &heap) == NULL)
		{
			double result;
			bool overflow;

			if (test % 8 == 0)
				for (int i = STATISTIC_VAR_POP; i <= STATISTIC_REGR_R2; i++)
					(void) float_moments_statistic(&other, (FloatStatistic) i, &result, &overflow);
			if (float_moments_alike(&moments, &other))
				(void) float_moments_merge(&moments, &other, true, &heap);
			float_moments_reset(&other, &heap);
			accepted += float_moments_check(exact, size, &other, &heap) == NULL;
		}
		float_moments_reset(&moments, &heap);
		float_moments_reset(&other, &heap);
		free(exact);
	}
	CHECK(accepted > 5000 && accepted < 45000, "%d", accepted);
}

void
test_moments(void)
{
	test_sums();
	test_statistics();
	test_any_bytes();
}
