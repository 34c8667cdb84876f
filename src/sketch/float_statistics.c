/*
 * Variance, covariance, correlation and regression from exact moments.
 *
 * With Sxx = n sum(x^2) - sum(x)^2, and Syy and Sxy alike, all exact integers times a power of two,
 * each statistic is one quotient of such numbers, or its root. It is computed in full and rounded
 * once. Where the difference cancels, nothing is lost.
 */
#include "sketch/float_moments.h"

/* n * sum(ab) - sum(a) * sum(b) */
static void
product_moment(const FloatMoments *moments, FloatMoment ab, FloatMoment a, FloatMoment b,
			   ExactBig *result)
{
	ExactBig left;
	ExactBig right;
	ExactBig first;
	ExactBig second;

	exact_big_integer(&left, moments->n);
	exact_big_number(&right, &moments->sum[ab]);
	exact_big_multiply(&first, &left, &right);
	exact_big_number(&left, &moments->sum[a]);
	exact_big_number(&right, &moments->sum[b]);
	exact_big_multiply(&second, &left, &right);
	exact_big_subtract(result, &first, &second);
	/* Squares: only made-up moments, and negative ones, are less than nothing. */
	if (a == b && result->negative)
		exact_big_integer(result, 0);
}

static void
sxx_of(const FloatMoments *moments, ExactBig *result)
{
	product_moment(moments, MOMENT_XX, MOMENT_X, MOMENT_X, result);
}

static void
syy_of(const FloatMoments *moments, ExactBig *result)
{
	product_moment(moments, MOMENT_YY, MOMENT_Y, MOMENT_Y, result);
}

static void
sxy_of(const FloatMoments *moments, ExactBig *result)
{
	product_moment(moments, MOMENT_XY, MOMENT_X, MOMENT_Y, result);
}

/* moment / (n * (n - less)), or its root */
static double
per_rows(const ExactBig *moment, int64_t n, int less, bool root, bool *overflow)
{
	ExactBig rows;
	ExactBig others;
	ExactBig divisor;

	exact_big_integer(&rows, n);
	exact_big_integer(&others, n - less);
	exact_big_multiply(&divisor, &rows, &others);
	return root ? exact_big_divide_root(moment, &divisor, overflow)
				: exact_big_divide(moment, &divisor, overflow);
}

static double
per_row(const ExactBig *sum, int64_t n, bool *overflow)
{
	ExactBig rows;

	exact_big_integer(&rows, n);
	return exact_big_divide(sum, &rows, overflow);
}

static double
average(const FloatMoments *moments, int variable, bool *overflow)
{
	ExactBig sum;

	if (float_special_any(&moments->special[variable]))
		return float_special_value(&moments->special[variable]);
	exact_big_number(&sum, &moments->sum[variable == 0 ? MOMENT_X : MOMENT_Y]);
	return per_row(&sum, moments->n, overflow);
}

/* (sum(y) Sxx - sum(x) Sxy) / (n Sxx) */
static double
intercept(const FloatMoments *moments, const ExactBig *sxx, const ExactBig *sxy, bool *overflow)
{
	ExactBig number;
	ExactBig first;
	ExactBig second;
	ExactBig dividend;

	exact_big_number(&number, &moments->sum[MOMENT_Y]);
	exact_big_multiply(&first, &number, sxx);
	exact_big_number(&number, &moments->sum[MOMENT_X]);
	exact_big_multiply(&second, &number, sxy);
	exact_big_subtract(&dividend, &first, &second);
	exact_big_integer(&number, moments->n);
	exact_big_multiply(&first, &number, sxx);
	return exact_big_divide(&dividend, &first, overflow);
}

/* Sxy^2 / (Sxx Syy), or the root with Sxy's sign */
static double
correlation(const ExactBig *sxx, const ExactBig *syy, const ExactBig *sxy, bool root,
			bool *overflow)
{
	ExactBig dividend;
	ExactBig divisor;
	double result;

	exact_big_multiply(&dividend, sxy, sxy);
	exact_big_multiply(&divisor, sxx, syy);
	if (!root)
		return exact_big_divide(&dividend, &divisor, overflow);
	result = exact_big_divide_root(&dividend, &divisor, overflow);
	return sxy->negative ? -result : result;
}

/*
 * What divides by Sxx. PostgreSQL's sums of a variable with NaN or infinity are NaN, which is not
 * zero: the tests for zero come in its order.
 */
static bool
regression(const FloatMoments *moments, FloatStatistic statistic, double *result, bool *overflow)
{
	bool x_bad = float_special_any(&moments->special[0]);
	bool y_bad = float_special_any(&moments->special[1]);
	ExactBig sxx;
	ExactBig syy;
	ExactBig sxy;

	sxx_of(moments, &sxx);
	syy_of(moments, &syy);
	sxy_of(moments, &sxy);
	if (!x_bad && sxx.n == 0)
		return false;
	if (!y_bad && syy.n == 0 && statistic == STATISTIC_CORR)
		return false;
	if (!y_bad && syy.n == 0 && statistic == STATISTIC_REGR_R2)
		*result = 1;
	else if (x_bad || y_bad)
		*result = (double) NAN;
	else if (statistic == STATISTIC_REGR_SLOPE)
		*result = exact_big_divide(&sxy, &sxx, overflow);
	else if (statistic == STATISTIC_REGR_INTERCEPT)
		*result = intercept(moments, &sxx, &sxy, overflow);
	else
		*result = correlation(&sxx, &syy, &sxy, statistic == STATISTIC_CORR, overflow);
	return true;
}

bool
float_moments_statistic(const FloatMoments *moments, FloatStatistic statistic, double *result,
						bool *overflow)
{
	bool x_bad = float_special_any(&moments->special[0]);
	bool y_bad = float_special_any(&moments->special[1]);
	int sample = statistic == STATISTIC_VAR_SAMP || statistic == STATISTIC_STDDEV_SAMP ||
						 statistic == STATISTIC_COVAR_SAMP
					 ? 1
					 : 0;
	bool root = statistic == STATISTIC_STDDEV_POP || statistic == STATISTIC_STDDEV_SAMP;
	ExactBig moment;

	*overflow = false;
	if (moments->n < 1 + sample)
		return false;
	switch (statistic)
	{
		case STATISTIC_VAR_POP:
		case STATISTIC_VAR_SAMP:
		case STATISTIC_STDDEV_POP:
		case STATISTIC_STDDEV_SAMP:
			sxx_of(moments, &moment);
			*result = x_bad ? (double) NAN : per_rows(&moment, moments->n, sample, root, overflow);
			return true;
		case STATISTIC_COVAR_POP:
		case STATISTIC_COVAR_SAMP:
			sxy_of(moments, &moment);
			*result = x_bad || y_bad ? (double) NAN
									 : per_rows(&moment, moments->n, sample, false, overflow);
			return true;
		case STATISTIC_REGR_AVGX:
		case STATISTIC_REGR_AVGY:
			*result = average(moments, statistic == STATISTIC_REGR_AVGX ? 0 : 1, overflow);
			return true;
		case STATISTIC_REGR_SXX:
			sxx_of(moments, &moment);
			*result = x_bad ? (double) NAN : per_row(&moment, moments->n, overflow);
			return true;
		case STATISTIC_REGR_SYY:
			syy_of(moments, &moment);
			*result = y_bad ? (double) NAN : per_row(&moment, moments->n, overflow);
			return true;
		case STATISTIC_REGR_SXY:
			sxy_of(moments, &moment);
			*result = x_bad || y_bad ? (double) NAN : per_row(&moment, moments->n, overflow);
			return true;
		default:
			return regression(moments, statistic, result, overflow);
	}
}
