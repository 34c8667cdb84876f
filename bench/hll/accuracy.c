/*
 * Relative RMSE of the estimator from 1 to 1e9 distinct values, as CSV.
 *
 *   accuracy PRECISION TRIALS [LARGEST [SEED]]
 *
 * LARGEST: points up to that many values only; SEED: another series of random numbers.
 * Up to 16 m values are really added (random 64-bit hashes). Above, registers are drawn from their
 * distribution: with N ~ Poisson(n) values they are independent, P(value <= k) = exp(-n/m 2^-k),
 * and the 1/n that a random N adds to the relative variance is taken off again. Columns: n, RMSE
 * and bias of telemetry.hll, RMSE from its registers alone (without tokens), RMSE of the formula
 * that postgresql-hll uses on the same registers; each times sqrt(m), bias times m.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sketch/hll_internal.h"

static void *
bench_allocate(void *arg, size_t size)
{
	void *pointer = malloc(size);

	(void) arg;
	if (pointer == NULL)
		abort();
	return pointer;
}

static void
bench_release(void *arg, void *pointer)
{
	(void) arg;
	free(pointer);
}

static const SketchMemory heap = {bench_allocate, bench_release, NULL};

static uint64_t seed = 1;

/* SplitMix64. */
static uint64_t
random64(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Flajolet's raw estimate, with linear counting below 2.5 m: the formula of postgresql-hll. */
static double
classic(const HllState *state)
{
	double m = hll_register_count(state->precision);
	uint32_t histogram[HLL_VALUES];
	double sum = 0;
	double raw;

	hll_simd_chosen()->histogram(hll_registers(state), hll_padded_count(state->precision),
								 histogram);
	histogram[0] -= hll_padded_count(state->precision) - hll_register_count(state->precision);
	for (int value = 0; value <= 64; value++)
		sum += ldexp(histogram[value], -value);
	raw = 0.7213 / (1 + 1.079 / m) * m * m / sum;
	return histogram[0] != 0 && raw < 2.5 * m ? m * log(m / histogram[0]) : raw;
}

static void
draw_registers(HllState *state, double n)
{
	double lambda = n / hll_register_count(state->precision);
	uint32_t top = hll_max_value(state->precision, state->width);
	double at_most[HLL_VALUES];
	int log_lambda;

	(void) frexp(lambda, &log_lambda);
	for (uint32_t k = 0; k < top; k++)
		at_most[k] = exp(-ldexp(lambda, -(int) k));
	for (uint32_t i = 0; i < hll_register_count(state->precision); i++)
	{
		double u = (double) (random64() >> 11) / 9007199254740992.0;
		uint32_t k = log_lambda > 3 ? (uint32_t) log_lambda - 3 : 0;

		/* Few are less than log2(lambda) by three or more. */
		if (k > 0 && u < at_most[k - 1])
			k = 0;
		while (k < top && u >= at_most[k])
			k++;
		hll_registers(state)[i] = (uint8_t) k;
	}
}

typedef struct Point
{
	double n;
	double squares;
	double sum;
	double register_squares;
	double classic_squares;
} Point;

static void
note(Point *point, const HllState *state, const HllState *registers)
{
	double error = hll_estimate(state) / point->n - 1;
	double register_error = hll_estimate(registers) / point->n - 1;
	double classic_error = classic(registers) / point->n - 1;

	point->squares += error * error;
	point->sum += error;
	point->register_squares += register_error * register_error;
	point->classic_squares += classic_error * classic_error;
}

int
main(int argc, char **argv)
{
	int precision = argc > 1 ? atoi(argv[1]) : 11;
	int trials = argc > 2 ? atoi(argv[2]) : 1000;
	double largest = argc > 3 ? atof(argv[3]) : 1.3e9;
	double m = hll_register_count(precision);
	Point points[128] = {{0}};
	int npoints = 0;

	if (argc > 4)
		seed = strtoull(argv[4], NULL, 10);
	for (double n = 1; n < largest; n *= 1.25)
		if (npoints == 0 || floor(n) > points[npoints - 1].n)
			points[npoints++].n = floor(n);
	for (int trial = 0; trial < trials; trial++)
	{
		HllState *state = hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
		HllState *registers = hll_create_registers(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
		double added = 0;

		for (int i = 0; i < npoints; i++)
		{
			if (points[i].n <= 16 * m)
				for (; added < points[i].n; added++)
				{
					uint64_t hash = random64();

					state = hll_add(state, hash, &heap);
					registers = hll_add(registers, hash, &heap);
				}
			else
			{
				draw_registers(registers, points[i].n);
				state = hll_to_registers(state, &heap);
				memcpy(hll_registers(state), hll_registers(registers), (size_t) m);
			}
			note(&points[i], state, registers);
		}
		free(state);
		free(registers);
	}
	printf("n,rmse,bias,registers,classic\n");
	for (int i = 0; i < npoints; i++)
	{
		double extra = points[i].n <= 16 * m ? 0 : 1 / points[i].n;

		printf("%.0f,%.4f,%.4f,%.4f,%.4f\n", points[i].n,
			   sqrt(m * (points[i].squares / trials - extra)), m * points[i].sum / trials,
			   sqrt(m * (points[i].register_squares / trials - extra)),
			   sqrt(m * (points[i].classic_squares / trials - extra)));
	}
	return 0;
}
