/*
 * Unit tests of exact sums. Deterministic: a seeded generator, no clock.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reference.h"
#include "test_float.h"

/* Finite values of several kinds: of one magnitude, of any, denormal, round, zero. */
double
random_value(int kind)
{
	uint64_t bits = random64();
	double value;

	switch (kind)
	{
		case 0: /* money */
			return (double) (int64_t) (bits % 2000001) / 100 - 10000;
		case 1: /* any finite value */
			memcpy(&value, &bits, sizeof(value));
			return isfinite(value) ? value : 1.5;
		case 2: /* denormal */
			bits &= UINT64_C(0x800fffffffffffff);
			memcpy(&value, &bits, sizeof(value));
			return value;
		case 3: /* powers of two, far apart */
			return ldexp((bits & 1) != 0 ? 1 : -1, (int) (bits >> 8 & 0x7ff) % 2098 - 1074);
		case 4: /* the greatest magnitudes */
			return ldexp((double) (int64_t) bits, 960 + (int) (bits & 1));
		default: /* few bits, some zeros */
			return (double) ((int64_t) (bits % 17) - 8);
	}
}

static bool
same_sum(const FloatSum *a, const FloatSum *b)
{
	uint8_t a_bytes[FLOAT_SUM_SIZE];
	uint8_t b_bytes[FLOAT_SUM_SIZE];
	size_t size = float_sum_pack(a, a_bytes);

	return float_sum_pack(b, b_bytes) == size && memcmp(a_bytes, b_bytes, size) == 0;
}

/* Packed, text and back: the same; and anything shorter is refused. */
static void
check_forms(const FloatSum *sum, int test)
{
	uint8_t bytes[FLOAT_SUM_SIZE];
	char text[FLOAT_SUM_TEXT];
	size_t size = float_sum_pack(sum, bytes);
	FloatSum again;
	const char *error;

	float_sum_init(&again);
	error = float_sum_check(bytes, size, &again, &heap);
	CHECK(error == NULL && same_sum(sum, &again), "%d: %s", test, error);
	float_sum_reset(&again, &heap);
	float_sum_write(sum, text);
	CHECK(strlen(text) < FLOAT_SUM_TEXT, "%d", test);
	error = float_sum_read(text, &again, &heap);
	CHECK(error == NULL && same_sum(sum, &again), "%d: %s: %s", test, text, error);
	float_sum_reset(&again, &heap);
	error = float_sum_check(bytes, size - 1, &again, &heap);
	CHECK(error != NULL, "%d", test);
	float_sum_reset(&again, &heap);
}

static void
test_against_reference(void)
{
	for (int test = 0; test < 3000; test++)
	{
		int kind = test % 7;
		int n = 1 + (int) (random64() % (test % 50 == 0 ? 5000 : 60));
		Reference reference = {{0}};
		FloatSum sum;
		bool overflow;
		double value;

		seed = (uint64_t) test;
		float_sum_init(&sum);
		for (int i = 0; i < n; i++)
		{
			double x = random_value(kind < 6 ? kind : i % 6);
			bool subtract = random64() % 5 == 0;

			if (!float_sum_add_fast(&sum, x, subtract))
				float_sum_add(&sum, x, subtract, &heap);
			reference_add(&reference, x, subtract);
		}
		value = float_sum_value(&sum, &overflow);
		if (overflow)
		{
			Reference most = {{0}};

			/* Half a unit beyond the greatest double, which then is the even neighbour: 2^1024. */
			reference_add_bits(&most, (UINT64_C(1) << 54) - 1, 970, false);
			CHECK(reference_compare(reference, most) >= 0, "%d", test);
		}
		else
			CHECK(reference_nearest(&reference, value, 1), "%d: %a", test, value);
		sum.finite = 1 + (int64_t) (random64() % 9);
		value = float_sum_average(&sum, &overflow);
		if (!overflow)
			CHECK(reference_nearest(&reference, value, (int) sum.finite), "%d: %a / %d", test,
				  value, (int) sum.finite);
		check_forms(&sum, test);
		float_sum_reset(&sum, &heap);
	}
}

/* Any order, any grouping, and what comes and goes: the same bytes. */
static void
test_order_and_subtraction(void)
{
	enum
	{
		N = 300
	};
	double values[N];

	for (int test = 0; test < 300; test++)
	{
		FloatSum forward;
		FloatSum backward;
		FloatSum part[3];
		FloatSum rest;
		int kept = (int) (random64() % N);

		float_sum_init(&forward);
		float_sum_init(&backward);
		float_sum_init(&rest);
		for (int i = 0; i < 3; i++)
			float_sum_init(&part[i]);
		for (int i = 0; i < N; i++)
		{
			values[i] = random_value(test % 7 < 6 ? test % 7 : i % 6);
			if (random64() % 40 == 0)
				values[i] = i % 3 == 0 ? (double) NAN : i % 3 == 1 ? INFINITY : -INFINITY;
			float_sum_add(&forward, values[i], false, &heap);
			float_sum_add(&part[i % 3], values[i], false, &heap);
			if (i < kept)
				float_sum_add(&rest, values[i], false, &heap);
		}
		for (int i = N - 1; i >= 0; i--)
			float_sum_add(&backward, values[i], false, &heap);
		CHECK(same_sum(&forward, &backward), "%d", test);
		CHECK(float_sum_count(&forward) == N, "%d", test);
		CHECK(float_sum_merge(&part[2], &part[0], false, &heap) &&
				  float_sum_merge(&part[2], &part[1], false, &heap),
			  "%d", test);
		CHECK(same_sum(&forward, &part[2]), "%d", test);
		check_forms(&forward, test);
		for (int i = kept; i < N; i++)
			float_sum_add(&forward, values[i], true, &heap);
		CHECK(same_sum(&forward, &rest), "%d", test);
		CHECK(float_sum_merge(&backward, &rest, true, &heap), "%d", test);
		CHECK(float_sum_merge(&backward, &rest, false, &heap), "%d", test);
		CHECK(same_sum(&backward, &part[2]), "%d", test);
		CHECK(float_sum_merge(&backward, &part[2], true, &heap), "%d", test);
		float_sum_reset(&forward, &heap);
		CHECK(same_sum(&backward, &forward), "%d: all gone", test);
		float_sum_reset(&backward, &heap);
		float_sum_reset(&rest, &heap);
		for (int i = 0; i < 3; i++)
			float_sum_reset(&part[i], &heap);
	}
}

/* A chunk has room for a thousand values before carries: many more, at each place in a chunk. */
static void
test_many_values(void)
{
	for (int exponent = 0; exponent < 32; exponent++)
	{
		double value = ldexp(0x1.fffffffffffffp0, exponent);
		FloatSum sum;
		bool overflow;

		float_sum_init(&sum);
		for (int i = 0; i < 20000; i++)
			if (!float_sum_add_fast(&sum, value, false))
				float_sum_add(&sum, value, false, &heap);
		CHECK(float_sum_value(&sum, &overflow) == value * 20000, "%d: %a", exponent,
			  float_sum_value(&sum, &overflow));
		CHECK(float_sum_average(&sum, &overflow) == value, "%d", exponent);
		float_sum_reset(&sum, &heap);
	}
}

static void
test_special_values(void)
{
	static const struct
	{
		FloatSpecial special;
		double value;
	} cases[] = {
		{{1, 0, 0}, (double) NAN},       {{0, 1, 0}, (double) INFINITY},
		{{0, 0, 1}, -(double) INFINITY}, {{0, 1, 1}, (double) NAN},
		{{2, 1, 0}, (double) NAN},       {{0, -1, 0}, -(double) INFINITY},
		{{0, 1, -1}, (double) INFINITY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		double value = float_special_value(&cases[i].special);

		CHECK(isnan(value) ? isnan(cases[i].value) : value == cases[i].value, "%d: %g", (int) i,
			  value);
	}
}

/* Sizes that docs/numbers.md states. */
static void
test_sizes(void)
{
	uint8_t bytes[FLOAT_SUM_SIZE];
	FloatSum sum;

	float_sum_init(&sum);
	CHECK(float_sum_pack(&sum, bytes) == 5, "empty");
	for (int i = 0; i < 100000; i++)
		float_sum_add(&sum, random_value(0), false, &heap);
	CHECK(float_sum_pack(&sum, bytes) <= 24, "money: %d", (int) float_sum_pack(&sum, bytes));
	float_sum_add(&sum, 0x1p-1074, false, &heap);
	float_sum_add(&sum, 0x1.fffffffffffffp+1023, false, &heap);
	CHECK(float_sum_pack(&sum, bytes) <= 300, "all magnitudes: %d",
		  (int) float_sum_pack(&sum, bytes));
	float_sum_reset(&sum, &heap);
}

static void
test_refused(void)
{
	static const char *texts[] = {
		"",
		"float8_sum/2;finite=0;sum=0",
		"float8_sum/1;finite=0;sum=",
		"float8_sum/1;finite=0;sum=-0",
		"float8_sum/1;finite=-0;sum=0",
		"float8_sum/1;finite=01;sum=0",
		"float8_sum/1;finite=0;sum=00",
		"float8_sum/1;finite=0;sum=0x0p0",
		"float8_sum/1;finite=0;sum=0x01p0",
		"float8_sum/1;finite=0;sum=0x10p0",
		"float8_sum/1;finite=0;sum=0xAp0",
		"float8_sum/1;finite=0;sum=0x1p1",
		"float8_sum/1;finite=0;sum=0x1p2176",
		"float8_sum/1;finite=0;sum=0x1p-2180",
		"float8_sum/1;finite=0;sum=0x1p0 ",
		"float8_sum/1;finite=4611686018427387905;sum=0",
		"float8_sum/1;finite=99999999999999999999;sum=0",
		"float8_sum/1;finite=1;sum=0;nan=0",
		"float8_sum/1;finite=1;sum=0;inf=1;nan=1",
	};
	static const char *good[] = {
		"float8_sum/1;finite=0;sum=0x1p2172",
		"float8_sum/1;finite=-4611686018427387904;sum=-0x1p-2176;nan=1;inf=-1;-inf=2",
	};
	FloatSum sum;

	float_sum_init(&sum);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		CHECK(float_sum_read(texts[i], &sum, &heap) != NULL, "%s", texts[i]);
		float_sum_reset(&sum, &heap);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		CHECK(float_sum_read(good[i], &sum, &heap) == NULL, "%s", good[i]);
		float_sum_reset(&sum, &heap);
	}
	/* Doubling made-up sums ends in an error, not in a wrong number. */
	CHECK(float_sum_read("float8_sum/1;finite=0;sum=-0x8p2172", &sum, &heap) == NULL, "the most");
	CHECK(!float_sum_merge(&sum, &sum, false, &heap), "twice 2^2175");
	float_sum_reset(&sum, &heap);
	CHECK(float_sum_read("float8_sum/1;finite=4611686018427387904;sum=0", &sum, &heap) == NULL,
		  "the greatest count");
	CHECK(!float_sum_merge(&sum, &sum, false, &heap), "twice 2^62");
	float_sum_reset(&sum, &heap);
}

/* Any bytes, half of them damaged sums: never more than what is written again. Under sanitizers. */
static void
test_any_bytes(void)
{
	int accepted = 0;

	for (int test = 0; test < 200000; test++)
	{
		uint8_t bytes[FLOAT_SUM_SIZE + 8];
		size_t size;
		uint8_t *exact;
		FloatSum sum;
		FloatSum other;
		bool overflow;

		float_sum_init(&sum);
		for (int i = 0; i < 3; i++)
			float_sum_add(&sum, random_value(test % 6), false, &heap);
		size = float_sum_pack(&sum, bytes);
		float_sum_reset(&sum, &heap);
		for (int i = (int) (random64() % 4); i > 0; i--)
			bytes[random64() % size] = (uint8_t) random64();
		size -= random64() % 8 == 0 ? random64() % size : 0;
		/* A block of its own, so that reading behind its end shows. */
		exact = test_allocate(NULL, size);
		memcpy(exact, bytes, size);
		float_sum_init(&other);
		if (float_sum_unpack(exact, size, &other, &heap) == NULL)
		{
			float_sum_add(&sum, 1, false, &heap);
			(void) float_sum_merge(&sum, &other, true, &heap);
			(void) float_sum_value(&other, &overflow);
			(void) float_sum_count(&other);
			if (other.finite != 0)
				(void) float_sum_average(&other, &overflow);
			float_sum_reset(&other, &heap);
			accepted += float_sum_check(exact, size, &other, &heap) == NULL;
		}
		float_sum_reset(&sum, &heap);
		float_sum_reset(&other, &heap);
		free(exact);
	}
	CHECK(accepted > 20000 && accepted < 180000, "%d", accepted);
}

int
main(void)
{
	test_against_reference();
	test_order_and_subtraction();
	test_many_values();
	test_special_values();
	test_sizes();
	test_refused();
	test_any_bytes();
	test_moments();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
