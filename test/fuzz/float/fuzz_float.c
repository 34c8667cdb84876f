/*
 * Any bytes as packed exact sums and moments, as text of them and as values: never a crash, never a
 * wrong sum.
 *
 * The first byte chooses what the rest is taken for. What passes the check must come back byte for
 * byte, in bytes and in text; values must give the same bytes in the opposite order, merged from
 * two halves, and nothing when they are all taken away again.
 */
#include <math.h>
/* Exact numbers are small. */
#define FUZZ_MOST ((size_t) 1 << 20)
#include "../fuzz.h"

#include "sketch/float_moments.h"
#include "sketch/float_sum.h"

/* A block of its own, so that reading behind its end shows. */
static char *
own_text(const uint8_t *data, size_t size)
{
	char *text = fuzz_allocate(NULL, size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void
require_sum(const FloatSum *sum, const uint8_t *bytes, size_t size)
{
	uint8_t *again = fuzz_allocate(NULL, FLOAT_SUM_SIZE);

	require(float_sum_pack(sum, again) == size && memcmp(again, bytes, size) == 0);
	free(again);
}

/* A sum that passed the check, through everything that can be done with one. */
static void
exercise_sum(FloatSum *sum)
{
	uint8_t *bytes = fuzz_allocate(NULL, FLOAT_SUM_SIZE);
	char *text = fuzz_allocate(NULL, FLOAT_SUM_TEXT);
	size_t size = float_sum_pack(sum, bytes);
	FloatSum other;
	bool overflow;

	float_sum_init(&other);
	require(float_sum_check(bytes, size, &other, &heap) == NULL);
	require_sum(&other, bytes, size);
	if (float_sum_count(sum) != 0)
	{
		(void) float_sum_value(sum, &overflow);
		(void) float_sum_average(sum, &overflow);
	}
	/* Twice and once less: itself again. */
	if (float_sum_merge(&other, sum, false, &heap))
	{
		require(float_sum_merge(&other, sum, true, &heap));
		require_sum(&other, bytes, size);
	}
	float_sum_reset(&other, &heap);
	float_sum_write(sum, text);
	require(strlen(text) < FLOAT_SUM_TEXT);
	float_sum_init(&other);
	require(float_sum_read(text, &other, &heap) == NULL);
	require_sum(&other, bytes, size);
	float_sum_reset(&other, &heap);
	free(text);
	free(bytes);
}

static void
sum_bytes(const uint8_t *data, size_t size)
{
	FloatSum sum;

	float_sum_init(&sum);
	(void) float_sum_unpack(data, size, &sum, &heap);
	float_sum_reset(&sum, &heap);
	float_sum_init(&sum);
	if (float_sum_check(data, size, &sum, &heap) == NULL)
	{
		require_sum(&sum, data, size);
		exercise_sum(&sum);
	}
	float_sum_reset(&sum, &heap);
}

static void
sum_text(const uint8_t *data, size_t size)
{
	char *text = own_text(data, size);
	FloatSum sum;

	float_sum_init(&sum);
	if (float_sum_read(text, &sum, &heap) == NULL)
		exercise_sum(&sum);
	float_sum_reset(&sum, &heap);
	free(text);
}

/* ---- moments --------------------------------------------------------------------------------- */

static void
require_moments(const FloatMoments *moments, const uint8_t *bytes, size_t size)
{
	uint8_t *again = fuzz_allocate(NULL, FLOAT_MOMENTS_SIZE);

	require(float_moments_pack(moments, again) == size && memcmp(again, bytes, size) == 0);
	free(again);
}

/* One statistic an input: they take longer than all the rest. */
static int statistic;

static void
exercise_moments(FloatMoments *moments)
{
	uint8_t *bytes = fuzz_allocate(NULL, FLOAT_MOMENTS_SIZE);
	char *text = fuzz_allocate(NULL, FLOAT_MOMENTS_TEXT);
	size_t size = float_moments_pack(moments, bytes);
	FloatMoments other;
	double result;
	bool overflow;

	float_moments_init(&other);
	require(float_moments_check(bytes, size, &other, &heap) == NULL);
	require_moments(&other, bytes, size);
	if (statistic <= (moments->variables == 2 ? STATISTIC_REGR_R2 : STATISTIC_STDDEV_SAMP))
		(void) float_moments_statistic(moments, (FloatStatistic) statistic, &result, &overflow);
	require(float_moments_alike(&other, moments));
	if (float_moments_merge(&other, moments, false, &heap))
	{
		require(float_moments_merge(&other, moments, true, &heap));
		require_moments(&other, bytes, size);
	}
	float_moments_reset(&other, &heap);
	float_moments_write(moments, text);
	require(strlen(text) < FLOAT_MOMENTS_TEXT);
	float_moments_init(&other);
	require(float_moments_read(text, &other, &heap) == NULL);
	require_moments(&other, bytes, size);
	float_moments_reset(&other, &heap);
	free(text);
	free(bytes);
}

static void
moments_bytes(const uint8_t *data, size_t size)
{
	FloatMoments moments;

	float_moments_init(&moments);
	(void) float_moments_unpack(data, size, &moments, &heap);
	float_moments_reset(&moments, &heap);
	float_moments_init(&moments);
	if (float_moments_check(data, size, &moments, &heap) == NULL)
	{
		require_moments(&moments, data, size);
		exercise_moments(&moments);
	}
	float_moments_reset(&moments, &heap);
}

static void
moments_text(const uint8_t *data, size_t size)
{
	char *text = own_text(data, size);
	FloatMoments moments;

	float_moments_init(&moments);
	if (float_moments_read(text, &moments, &heap) == NULL)
		exercise_moments(&moments);
	float_moments_reset(&moments, &heap);
	free(text);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Three bytes are the top of a double: sign, exponent, a little of the fraction. */
static double
value_at(const uint8_t *data, size_t i)
{
	uint64_t bits = (uint64_t) data[3 * i] << 56 | (uint64_t) data[3 * i + 1] << 48 |
					(uint64_t) data[3 * i + 2] << 40;
	double value;

	/* And of others the end. */
	if (data[3 * i + 2] % 4 == 3)
		bits |= data[3 * i + 2];
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void
sum_values(const uint8_t *data, size_t size)
{
	size_t n = size / 3, packed;
	uint8_t *bytes = fuzz_allocate(NULL, FLOAT_SUM_SIZE);
	FloatSum forward, backward, half, empty;

	float_sum_init(&forward);
	float_sum_init(&backward);
	float_sum_init(&half);
	float_sum_init(&empty);
	for (size_t i = 0; i < n; i++)
	{
		float_sum_add(&forward, value_at(data, i), false, &heap);
		float_sum_add(i % 2 ? &half : &backward, value_at(data, n - 1 - i), false, &heap);
	}
	require(float_sum_merge(&backward, &half, false, &heap));
	packed = float_sum_pack(&forward, bytes);
	require_sum(&backward, bytes, packed);
	exercise_sum(&forward);
	for (size_t i = 0; i < n; i++)
		float_sum_add(&backward, value_at(data, i), true, &heap);
	packed = float_sum_pack(&empty, bytes);
	require_sum(&backward, bytes, packed);
	float_sum_reset(&forward, &heap);
	float_sum_reset(&backward, &heap);
	float_sum_reset(&half, &heap);
	free(bytes);
}

static void
add_row(FloatMoments *moments, const uint8_t *data, size_t i, bool pair, bool subtract)
{
	if (pair)
		float_moments_add_pair(moments, value_at(data, 2 * i), value_at(data, 2 * i + 1), subtract,
							   &heap);
	else
		float_moments_add(moments, value_at(data, i), subtract, &heap);
}

static void
moments_values(const uint8_t *data, size_t size, bool pair)
{
	size_t n = size / (pair ? 6 : 3), packed;
	uint8_t *bytes = fuzz_allocate(NULL, FLOAT_MOMENTS_SIZE);
	FloatMoments forward, backward, half;

	float_moments_init(&forward);
	float_moments_init(&backward);
	float_moments_init(&half);
	for (size_t i = 0; i < n; i++)
	{
		add_row(&forward, data, i, pair, false);
		add_row(i % 2 ? &half : &backward, data, n - 1 - i, pair, false);
	}
	require(float_moments_merge(&backward, &half, false, &heap));
	packed = float_moments_pack(&forward, bytes);
	require_moments(&backward, bytes, packed);
	exercise_moments(&forward);
	/* All taken away again, by rows and at once. */
	require(float_moments_merge(&forward, &backward, true, &heap));
	packed = float_moments_pack(&forward, bytes);
	for (size_t i = 0; i < n; i++)
		add_row(&backward, data, i, pair, true);
	require_moments(&backward, bytes, packed);
	require(backward.n == 0);
	float_moments_reset(&forward, &heap);
	float_moments_reset(&backward, &heap);
	float_moments_reset(&half, &heap);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	statistic = data[size - 1] % 32;
	switch (data[0])
	{
		case 's':
			sum_text(data + 1, size - 1);
			break;
		case 'm':
			moments_text(data + 1, size - 1);
			break;
		case 'S':
			sum_bytes(data + 1, size - 1);
			break;
		case 'M':
			moments_bytes(data + 1, size - 1);
			break;
		case 'v':
			sum_values(data + 1, size - 1);
			break;
		case '1':
			moments_values(data + 1, size - 1, false);
			break;
		default:
			moments_values(data + 1, size - 1, true);
			break;
	}
	return 0;
}
