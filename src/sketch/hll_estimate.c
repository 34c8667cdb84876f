/*
 * From registers to a number.
 *
 * Registers: the improved raw estimator of O. Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (arXiv:1702.01284, 2017), section 4, algorithm 6: the raw estimator, with
 * the registers at zero and at saturation accounted for by the series sigma and tau. It needs no
 * bias tables, no empirical thresholds, and no switch to linear counting.
 *
 * Its one remaining bias is that of any reciprocal: E[1/Z] exceeds 1/E[Z] by the relative variance
 * of Z, which is (3 ln 2 - 1) / m (the 1.079 / m in Flajolet's alpha_m): nothing at m = 2,048, but
 * 7 % at m = 16. It is divided out.
 *
 * Tokens are a sketch of 2^26 registers of which next to none is hit twice: counting those that
 * were hit, with the expected number of double hits put back, is then the maximum likelihood.
 */
#include "sketch/hll_internal.h"

#include <math.h>

/* Of the estimate, times m, for many values. */
#define RELATIVE_VARIANCE (3 * M_LN2 - 1)

/* Both series stop where they no longer move; what is not a number stops them, too. */

/* x + sum over k >= 1 of x^(2^k) 2^(k-1). */
static double
sigma(double x)
{
	double y = 1;
	double z = x;
	double before;

	if (x == 1)
		return INFINITY;
	do
	{
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z > before);
	return z;
}

/* (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3. */
static double
tau(double x)
{
	double y = 1;
	double z = 1 - x;
	double before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z < before);
	return z / 3;
}

double
hll_estimate_histogram(const uint32_t *histogram, int precision, int width)
{
	int top = (int) hll_max_value(precision, width);
	double m = (double) hll_register_count(precision);
	double z = m * tau(1 - histogram[top] / m);

	for (int value = top - 1; value >= 1; value--)
		z = 0.5 * (z + histogram[value]);
	z += m * sigma(histogram[0] / m);
	return m * m / (2 * M_LN2) / z / (1 + RELATIVE_VARIANCE / m);
}

static double
estimate_tokens(uint32_t count)
{
	double m = (double) (UINT32_C(1) << HLL_INDEX_BITS);

	return -m * log1p(-(double) count / m);
}

double
hll_estimate(const HllState *state)
{
	uint32_t histogram[HLL_VALUES];

	if (state->form == HLL_EXPLICIT)
		return state->count;
	if (state->form == HLL_TOKENS)
		return estimate_tokens(state->count);
	hll_simd_chosen()->histogram(hll_registers(state), hll_padded_count(state->precision),
								 histogram);
	histogram[0] -= hll_padded_count(state->precision) - hll_register_count(state->precision);
	return hll_estimate_histogram(histogram, state->precision, state->width);
}

double
hll_estimate_packed(const HllView *view, const char **error)
{
	uint32_t histogram[HLL_VALUES];
	HllRiceReader reader;
	uint32_t pairs[HLL_RICE_BATCH];

	*error = hll_is_loose(view) ? "it is what came to another" : NULL;
	if (*error != NULL)
		return 0;
	if (view->kind == HLL_PACKED_EXPLICIT)
		return view->count;
	if (view->kind == HLL_PACKED_TOKENS)
		return estimate_tokens(view->count);
	if (view->kind == HLL_PACKED_DENSE)
	{
		if (!hll_dense_histogram(view->payload, view->length, view->precision, histogram))
			*error = "registers are damaged";
	}
	else
	{
		memset(histogram, 0, sizeof(histogram));
		histogram[0] = hll_register_count(view->precision) - view->count;
		if (!hll_rice_open(&reader, view->payload, view->length, view->precision))
			*error = "registers are damaged";
		for (uint32_t left = view->count, n; *error == NULL && left > 0; left -= n)
		{
			n = left < HLL_RICE_BATCH ? left : HLL_RICE_BATCH;
			if (!hll_rice_read(&reader, pairs, n))
				*error = "registers are damaged";
			for (uint32_t i = 0; *error == NULL && i < n; i++)
				histogram[pairs[i] & 63]++;
		}
	}
	if (*error != NULL)
		return 0;
	return hll_estimate_histogram(histogram, view->precision, view->width);
}

double
hll_standard_error(int precision, bool tokens, bool exact)
{
	if (exact)
		return 0;
	/* Linear counting while nearly all registers are zero; Ertl's asymptotic value else. */
	if (tokens)
		return sqrt(0.5 / (double) (UINT32_C(1) << HLL_INDEX_BITS));
	return sqrt(RELATIVE_VARIANCE / (double) hll_register_count(precision));
}
