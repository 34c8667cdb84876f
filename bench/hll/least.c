/*
 * The least relative RMSE that any estimator can have, from registers alone, as CSV.
 *
 *   least PRECISION TRIALS
 *
 * No estimator's greatest error is less than the mean error of the best one where n itself is drawn
 * from a known distribution (a Bayes risk). Here log n is drawn from 1e3 to 1e9, with a density of
 * a sine squared, which leaves little to be gained at the ends. Of the registers drawn with that n
 * the best estimate is E[1/n] / E[1/n^2], and its relative squared error 1 - E[1/n]^2 / E[1/n^2],
 * both a posteriori. Columns, each times sqrt(m): that bound; its sampling error; and what an
 * estimator has that does not know the ends (log n uniform, without them: Pitman's).
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAST    6.907755278982137  /* log 1e3 */
#define GREATEST 20.723265836946414 /* log 1e9 */
#define TOP      63

static uint64_t seed = 1;

/* SplitMix64, as a number between 0 and 1. */
static double
random_fraction(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return ((double) ((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static double
prior(double u, bool ends)
{
	double s = sin(M_PI * (u - LEAST) / (GREATEST - LEAST));

	return !ends ? 1 : u < LEAST || u > GREATEST ? 0 : s * s;
}

static double
draw_log_n(bool ends)
{
	double u;

	do
		u = LEAST + (GREATEST - LEAST) * random_fraction();
	while (random_fraction() > prior(u, ends));
	return u;
}

static double
log_likelihood(const int *histogram, double x)
{
	double sum = -x * histogram[0];

	for (int k = 1; k <= TOP; k++)
		if (histogram[k] != 0)
		{
			double t = ldexp(x, -k);

			sum += histogram[k] * (log(-expm1(-t)) - t);
		}
	return sum;
}

/* Relative squared error that is left, knowing registers that were drawn with this log n. */
static double
posterior_risk(double u, double m, bool ends)
{
	int histogram[TOP + 1] = {0};
	double step = 0.1 / sqrt(m);
	double scale;
	double moments[3] = {0};

	for (int i = 0; i < (int) m; i++)
	{
		double k = ceil(log2(exp(u) / m / -log(random_fraction())));

		histogram[k < 0 ? 0 : k > TOP ? TOP : (int) k]++;
	}
	scale = log_likelihood(histogram, exp(u) / m);
	for (double d = -12 / sqrt(m); d <= 12 / sqrt(m); d += step)
	{
		double weight = exp(log_likelihood(histogram, exp(u + d) / m) - scale) * prior(u + d, ends);

		for (int i = 0; i < 3; i++)
			moments[i] += weight * exp(-i * d);
	}
	return 1 - moments[1] * moments[1] / (moments[2] * moments[0]);
}

int
main(int argc, char **argv)
{
	double m = ldexp(1, argc > 1 ? atoi(argv[1]) : 4);
	int trials = argc > 2 ? atoi(argv[2]) : 10000;
	double sums[2] = {0};
	double squares = 0;

	for (int trial = 0; trial < trials; trial++)
		for (int ends = 0; ends < 2; ends++)
		{
			double risk = posterior_risk(draw_log_n(ends == 1), m, ends == 1);

			sums[ends] += risk / trials;
			squares += ends == 1 ? risk * risk / trials : 0;
		}
	printf("least,sampling,pitman\n%.4f,%.4f,%.4f\n", sqrt(m * sums[1]),
		   sqrt(m * (squares - sums[1] * sums[1]) / trials / sums[1]) / 2, sqrt(m * sums[0]));
	return 0;
}
