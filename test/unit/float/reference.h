/*
 * Exact sums the plain way: one integer of 4,608 bits in two's complement, bit 0 worth 2^-2240, to
 * which each value is added in full. Slow, and nothing in common with src/sketch/exact.c.
 */
#ifndef TELEMETRY_TEST_REFERENCE_H
#define TELEMETRY_TEST_REFERENCE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LIMBS 144
#define BASE  2240

typedef struct Reference
{
	uint32_t limb[LIMBS];
} Reference;

static inline void
reference_add_limb(Reference *sum, int at, uint32_t value)
{
	uint64_t carry = value;

	for (int i = at; i < LIMBS && carry != 0; i++)
	{
		carry += sum->limb[i];
		sum->limb[i] = (uint32_t) carry;
		carry >>= 32;
	}
}

static inline void
reference_negate(Reference *sum)
{
	for (int i = 0; i < LIMBS; i++)
		sum->limb[i] = ~sum->limb[i];
	reference_add_limb(sum, 0, 1);
}

/* bits * 2^exponent, bit by bit. */
static inline void
reference_add_bits(Reference *sum, unsigned __int128 bits, int exponent, bool negative)
{
	if (negative)
		reference_negate(sum);
	for (int i = 0; i < 128; i++)
		if ((bits >> i & 1) != 0)
			reference_add_limb(sum, (exponent + BASE + i) / 32,
							   UINT32_C(1) << ((exponent + BASE + i) % 32));
	if (negative)
		reference_negate(sum);
}

/* By frexp(), not by the bits of the format. */
static inline uint64_t
reference_split(double value, int *exponent)
{
	double fraction = frexp(fabs(value), exponent);

	*exponent -= 53;
	return (uint64_t) ldexp(fraction, 53);
}

static inline void
reference_add(Reference *sum, double value, bool subtract)
{
	int exponent;
	uint64_t mantissa = reference_split(value, &exponent);

	/* A denormal's fraction has zeros below. */
	while (mantissa != 0 && (mantissa & 1) == 0)
	{
		mantissa >>= 1;
		exponent++;
	}
	reference_add_bits(sum, mantissa, mantissa == 0 ? 0 : exponent, signbit(value) != subtract);
}

static inline void
reference_add_product(Reference *sum, double x, double y, bool subtract)
{
	int x_exponent;
	int y_exponent;
	unsigned __int128 product = reference_split(x, &x_exponent);

	product *= reference_split(y, &y_exponent);
	while (product != 0 && (product & 1) == 0)
	{
		product >>= 1;
		x_exponent++;
	}
	reference_add_bits(sum, product, product == 0 ? 0 : x_exponent + y_exponent,
					   (signbit(x) != signbit(y)) != subtract);
}

static inline bool
reference_negative(const Reference *sum)
{
	return sum->limb[LIMBS - 1] >> 31 != 0;
}

static inline bool
reference_zero(const Reference *sum)
{
	for (int i = 0; i < LIMBS; i++)
		if (sum->limb[i] != 0)
			return false;
	return true;
}

/* |a| <, =, > |b|: -1, 0, 1 */
static inline int
reference_compare(Reference a, Reference b)
{
	if (reference_negative(&a))
		reference_negate(&a);
	if (reference_negative(&b))
		reference_negate(&b);
	for (int i = LIMBS - 1; i >= 0; i--)
		if (a.limb[i] != b.limb[i])
			return a.limb[i] < b.limb[i] ? -1 : 1;
	return 0;
}

/*
 * Is result the double nearest to sum / n, and of two such the even one? By its distance, and
 * those of its neighbours, times n, to the sum.
 */
static inline bool
reference_nearest(const Reference *sum, double result, int n)
{
	double neighbour[] = {nextafter(result, -(double) INFINITY),
						  nextafter(result, (double) INFINITY)};
	Reference own = *sum;

	for (int i = 0; i < n; i++)
		reference_add(&own, result, true);
	for (int j = 0; j < 2; j++)
	{
		Reference other = *sum;
		uint64_t bits;
		int order;

		if (isinf(neighbour[j]))
			continue;
		for (int i = 0; i < n; i++)
			reference_add(&other, neighbour[j], true);
		order = reference_compare(own, other);
		memcpy(&bits, &result, sizeof(bits));
		if (order > 0 || (order == 0 && (bits & 1) != 0))
			return false;
	}
	return true;
}

#endif
