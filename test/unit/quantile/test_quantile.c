/*
 * Quantile sketches against sorted arrays: the stated error, bytes that follow from the multiset
 * alone, what is taken away, folding, text.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "sketch/quantile.h"

#define MOST_VALUES 3000
#define MOST_BYTES  (QUANTILE_HEADER + 15 * MOST_VALUES * 4)

static double
uniform(void)
{
	return (double) (random64() >> 11) / (double) (UINT64_C(1) << 53);
}

/* Distributions of a kind each: small and large numbers, any bits at all. */
static double
random_value(int kind)
{
	uint64_t image;
	double value;

	switch (kind)
	{
		case 0:
			return (double) (random64() % 20);
		case 1:
			return exp(20 * uniform() - 5);
		case 2:
			return 1000 * uniform() - 500;
		case 3:
			return ldexp(1 + uniform(), -1022 + (int) (random64() % 3));
		case 4:
			return uniform() < 0.1 ? INFINITY : -0.0;
		default:
			image = random64();
			memcpy(&value, &image, sizeof(value));
			/* Where doubles lose digits, so does the sketch. */
			return fabs(value) < 2.3e-308 ? 0 : value;
	}
}

static int
compare(const void *a, const void *b)
{
	double one = *(const double *) a;
	double other = *(const double *) b;

	/* NaN last, as SQL sorts. */
	if (isnan(one) || isnan(other))
		return !isnan(other) ? 1 : isnan(one) ? 0 : -1;
	return one < other ? -1 : one > other;
}

static size_t
sketch_of(const double *values, int n, int bits, uint8_t *out)
{
	QuantileSketch sketch;
	size_t size;

	quantile_init(&sketch);
	for (int i = 0; i < n; i++)
		quantile_add(&sketch, bits, values[i], 1, &heap);
	size = quantile_pack(&sketch, out, &heap);
	CHECK(size <= quantile_pack_bound(&sketch), "%zu", size);
	quantile_reset(&sketch, &heap);
	return size;
}

static bool
is_near(double value, double exact, double error)
{
	if (isnan(exact))
		return isnan(value);
	if (isinf(exact) || exact == 0)
		return value == exact;
	return fabs(value - exact) <= fabs(exact) * error * (1 + 1e-12);
}

static void
test_error(void)
{
	static double values[MOST_VALUES];
	static uint8_t bytes[MOST_BYTES];

	for (int round = 0; round < 600; round++)
	{
		int n = 1 + (int) (random64() % MOST_VALUES);
		int bits = QUANTILE_LEAST_BITS + (int) (random64() % QUANTILE_MOST_BITS);
		double fraction = round % 3 == 0 ? (double) (round % 2) : uniform();
		double value;
		size_t size;
		int64_t count;
		int rank;

		for (int i = 0; i < n; i++)
			values[i] = random_value(round % 6);
		size = sketch_of(values, n, bits, bytes);
		CHECK(quantile_check(bytes, size) == NULL, "%s", quantile_check(bytes, size));
		CHECK(quantile_count(bytes, size, &count) && count == n, "%lld", (long long) count);
		qsort(values, (size_t) n, sizeof(double), compare);
		rank = (int) ceil(fraction * n);
		value = quantile_value(bytes, size, n, fraction);
		CHECK(is_near(value, values[rank > 0 ? rank - 1 : 0], quantile_error_of(bits)),
			  "%d bits, %g of %d: %.17g instead of %.17g", bits, fraction, n, value,
			  values[rank > 0 ? rank - 1 : 0]);
	}
}

/* The ends of buckets: the error is as large as stated there, and no larger. */
static void
test_ends(void)
{
	for (int bits = QUANTILE_LEAST_BITS; bits <= QUANTILE_MOST_BITS; bits++)
		for (int exponent = -1022; exponent <= 1023; exponent += 93)
		{
			double low = ldexp(1, exponent);
			double high = nextafter(ldexp(1 + ldexp(1, -bits), exponent), 0);
			double ends[] = {low, high, -low, -high};
			double worst = 0;

			for (int i = 0; i < 4; i++)
			{
				uint8_t bytes[64];
				size_t size = sketch_of(&ends[i], 1, bits, bytes);
				double value = quantile_value(bytes, size, 1, 0.5);
				double error = fabs(value / ends[i] - 1);

				CHECK(is_near(value, ends[i], quantile_error_of(bits)), "%d bits, %g: %g", bits,
					  ends[i], value);
				worst = error > worst ? error : worst;
			}
			CHECK(worst > 0.999 * quantile_error_of(bits), "%d bits: %g", bits, worst);
		}
}

static size_t
unite(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, bool subtract, uint8_t *out)
{
	size_t size = quantile_union(a, a_size, b, b_size, subtract, out);

	CHECK(size <= quantile_union_bound(a_size, b_size), "%zu", size);
	CHECK(quantile_check(out, size) == NULL, "%s", quantile_check(out, size));
	return size;
}

/* In two parts of different bits, together, in any order, and apart again. */
static void
test_union(void)
{
	static double values[MOST_VALUES];
	static uint8_t all[MOST_BYTES];
	static uint8_t one[MOST_BYTES];
	static uint8_t other[MOST_BYTES];
	static uint8_t both[MOST_BYTES * 2];
	static uint8_t rest[MOST_BYTES * 4];

	for (int round = 0; round < 300; round++)
	{
		int n = (int) (random64() % MOST_VALUES);
		int cut = n == 0 ? 0 : (int) (random64() % (uint64_t) n);
		int bits = QUANTILE_LEAST_BITS + (int) (random64() % QUANTILE_MOST_BITS);
		int fewer = random64() % 2 ? bits : 1 + (int) (random64() % (uint64_t) bits);
		QuantileSketch sketch;
		size_t size;
		size_t one_size;
		size_t other_size;
		size_t rest_size;
		size_t all_size;

		for (int i = 0; i < n; i++)
			values[i] = random_value(round % 6);
		one_size = sketch_of(values, cut, bits, one);
		other_size = sketch_of(values + cut, n - cut, fewer, other);
		all_size = sketch_of(values, n, n > cut ? fewer : bits, all);
		size = unite(one, one_size, other, other_size, false, both);
		CHECK(size == all_size && memcmp(all, both, size) == 0, "round %d: %zu %zu", round, size,
			  all_size);
		size = unite(other, other_size, one, one_size, false, both);
		CHECK(size == all_size && memcmp(all, both, size) == 0, "round %d", round);
		quantile_init(&sketch);
		quantile_merge(&sketch, one, one_size, false, &heap);
		quantile_merge(&sketch, other, other_size, false, &heap);
		size = quantile_pack(&sketch, rest, &heap);
		CHECK(size == all_size && memcmp(all, rest, size) == 0, "round %d", round);
		quantile_merge(&sketch, one, one_size, true, &heap);
		size = quantile_pack(&sketch, rest, &heap);
		CHECK(size == other_size && memcmp(rest, other, size) == 0, "round %d", round);
		quantile_reset(&sketch, &heap);
		rest_size = unite(both, all_size, other, other_size, true, rest);
		/* What went had fewer bits: so has the rest. */
		one_size = sketch_of(values, cut, n > cut ? fewer : bits, one);
		CHECK(rest_size == one_size && memcmp(rest, one, one_size) == 0, "round %d", round);
		rest_size = unite(one, one_size, one, one_size, true, rest);
		CHECK(rest_size == QUANTILE_HEADER && rest[2] == 0, "%zu", rest_size);
		/* Of negative counts again the positive ones, which may take a byte more each. */
		rest_size = unite(rest, rest_size, one, one_size, true, both);
		all_size = unite(rest, QUANTILE_HEADER, both, rest_size, true, all);
		CHECK(all_size == one_size && memcmp(all, one, one_size) == 0, "round %d", round);
	}
}

/* What comes goes in front of bytes that stay; merged, they are what it all is. */
static void
test_loose(void)
{
	static const double values[] = {1, -2, 3e7, 0, INFINITY, NAN, -1e-300, 1e300, 1, 1};
	uint8_t packed[4096];
	uint8_t loose[4096];
	uint8_t more[4096];
	uint8_t all[4096];
	size_t size = 0;
	size_t loose_size;
	QuantileSketch sketch;
	QuantileReader reader;

	quantile_init(&sketch);
	for (int i = 0; i < 9; i++)
	{
		size_t packed_size = sketch_of(values + i, 2, 7, packed);
		size_t more_size =
			quantile_loose_write(size ? loose : NULL, size, packed, packed_size, more);

		CHECK(more_size > 0 && more_size <= quantile_loose_bound(size, packed_size), "%d", i);
		if (size)
			CHECK(memcmp(more + more_size - (size - QUANTILE_LOOSE_HEAD),
						 loose + QUANTILE_LOOSE_HEAD, size - QUANTILE_LOOSE_HEAD) == 0,
				  "%d: bytes that were there changed", i);
		memcpy(loose, more, more_size);
		size = more_size;
		quantile_merge(&sketch, packed, packed_size, false, &heap);
	}
	CHECK(quantile_is_loose(loose, size) && quantile_open(&reader, loose, size) != NULL &&
			  quantile_check(loose, size) != NULL,
		  "loose bytes are taken for packed ones");
	(void) quantile_pack(&sketch, all, &heap);
	quantile_reset(&sketch, &heap);
	loose_size = size;
	CHECK(quantile_merge(&sketch, loose, size, false, &heap), "it cannot be merged");
	size = quantile_pack(&sketch, packed, &heap);
	CHECK(memcmp(packed, all, size) == 0, "what came is not all");
	quantile_reset(&sketch, &heap);
	size = sketch_of(values, 2, 6, packed);
	CHECK(quantile_loose_write(loose, loose_size, packed, size, more) == 0, "of other bits");
}

static void
test_text(void)
{
	static const char *const bad[] = {"",
									  "quantile_sketch/2;bits=0",
									  "quantile_sketch/1;bits=",
									  "quantile_sketch/1;bits=11;1=1",
									  "quantile_sketch/1;bits=6",
									  "quantile_sketch/1;bits=0;1=1",
									  "quantile_sketch/1;bits=6;1=0",
									  "quantile_sketch/1;bits=6;01=1",
									  "quantile_sketch/1;bits=6;-0=1",
									  "quantile_sketch/1;bits=6;+1=1",
									  "quantile_sketch/1;bits=6;1=1;1=1",
									  "quantile_sketch/1;bits=6;2=1;1=1",
									  "quantile_sketch/1;bits=6;1=1;",
									  "quantile_sketch/1;bits=6;1=1 ",
									  "quantile_sketch/1;bits=6;131011=1",
									  "quantile_sketch/1;bits=6;-131010=1",
									  "quantile_sketch/1;bits=6;1=4611686018427387905",
									  "quantile_sketch/1;bits=6;1=99999999999999999999"};
	static const char *const good[] = {
		"quantile_sketch/1;bits=0", "quantile_sketch/1;bits=6;0=1",
		"quantile_sketch/1;bits=6;-131009=1;0=-7;131010=4611686018427387904",
		"quantile_sketch/1;bits=10;-2096129=-64;-2096128=64"};
	uint8_t bytes[256];
	char text[512];
	size_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(quantile_read(bad[i], bytes, &size) != NULL, "%s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
	{
		const char *error = quantile_read(good[i], bytes, &size);

		CHECK(error == NULL, "%s: %s", good[i], error);
		CHECK(size <= quantile_read_bound(good[i]), "%s", good[i]);
		CHECK(quantile_check(bytes, size) == NULL, "%s", good[i]);
		quantile_write(bytes, size, text);
		CHECK(strcmp(text, good[i]) == 0, "%s: %s", good[i], text);
		CHECK(strlen(text) < quantile_text_bound(size), "%s", good[i]);
	}
}

static void
test_range(void)
{
	QuantileSketch sketch;
	uint8_t bytes[64];
	uint8_t both[256];
	size_t size;
	int64_t count;

	quantile_init(&sketch);
	CHECK(quantile_add(&sketch, 6, 1, INT64_C(1) << 62, &heap), "2^62 fits");
	size = quantile_pack(&sketch, bytes, &heap);
	CHECK(!quantile_add(&sketch, 6, 1, 1, &heap), "more does not");
	quantile_reset(&sketch, &heap);
	CHECK(quantile_union(bytes, size, bytes, size, false, both) == 0, "twice does not");
	CHECK(quantile_count(bytes, size, &count), "count");
	CHECK(quantile_bits_for(0.01) == 6, "%d", quantile_bits_for(0.01));
	CHECK(quantile_bits_for(0.2) == 1 && quantile_bits_for(0.0005) == 10, "ends");
	CHECK(quantile_bits_for(0.21) == 0 && quantile_bits_for(0.0004) == 0, "beyond");
	CHECK(quantile_bits_for(NAN) == 0 && quantile_bits_for(-1) == 0, "none");
}

int
main(void)
{
	seed = 20261121;
	test_error();
	test_ends();
	test_union();
	test_loose();
	test_text();
	test_range();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
