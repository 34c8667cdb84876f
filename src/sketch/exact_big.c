/*
 * Exact numbers in formulas: products, differences, and quotients and roots rounded once.
 *
 * Schoolbook algorithms. The numbers have a handful of digits unless magnitudes differ widely.
 */
#include "sketch/exact.h"

static void
trim(ExactBig *big)
{
	while (big->n > 0 && big->digit[big->n - 1] == 0)
		big->n--;
	if (big->n == 0)
		big->negative = false;
}

void
exact_big_number(ExactBig *big, const ExactNumber *number)
{
	ExactDigits digits;

	exact_digits(number, &digits);
	memcpy(big->digit, digits.digit, (size_t) digits.n * sizeof(uint32_t));
	big->n = digits.n;
	big->place = digits.first - EXACT_BIAS / 32;
	big->negative = digits.negative;
}

void
exact_big_integer(ExactBig *big, int64_t value)
{
	uint64_t magnitude = value < 0 ? -(uint64_t) value : (uint64_t) value;

	big->digit[0] = (uint32_t) magnitude;
	big->digit[1] = (uint32_t) (magnitude >> 32);
	big->n = 2;
	big->place = 0;
	big->negative = value < 0;
	trim(big);
}

/* result is none of the factors. */
void
exact_big_multiply(ExactBig *result, const ExactBig *a, const ExactBig *b)
{
	memset(result->digit, 0, (size_t) (a->n + b->n) * sizeof(uint32_t));
	for (int i = 0; i < a->n; i++)
	{
		uint64_t rest = 0;

		for (int j = 0; j < b->n; j++)
		{
			rest += (uint64_t) a->digit[i] * b->digit[j] + result->digit[i + j];
			result->digit[i + j] = (uint32_t) rest;
			rest >>= 32;
		}
		result->digit[i + b->n] = (uint32_t) rest;
	}
	result->n = a->n + b->n;
	result->place = a->place + b->place;
	result->negative = a->negative != b->negative;
	trim(result);
}

static inline int64_t
signed_digit(const ExactBig *big, int place)
{
	int i = place - big->place;

	if (i < 0 || i >= big->n)
		return 0;
	return big->negative ? -(int64_t) big->digit[i] : (int64_t) big->digit[i];
}

/* result is none of the operands. */
void
exact_big_subtract(ExactBig *result, const ExactBig *a, const ExactBig *b)
{
	int low = a->n == 0 || (b->n > 0 && b->place < a->place) ? b->place : a->place;
	int a_end = a->n == 0 ? low : a->place + a->n;
	int b_end = b->n == 0 ? low : b->place + b->n;
	int n = (a_end > b_end ? a_end : b_end) - low + 1;
	int64_t rest = 0;

	for (int i = 0; i < n; i++)
	{
		rest += signed_digit(a, low + i) - signed_digit(b, low + i);
		result->digit[i] = (uint32_t) rest;
		rest >>= 32;
	}
	result->n = n;
	result->place = low;
	result->negative = rest < 0;
	if (result->negative)
	{
		uint64_t one = 1;

		for (int i = 0; i < n; i++)
		{
			one += (uint32_t) ~result->digit[i];
			result->digit[i] = (uint32_t) one;
			one >>= 32;
		}
	}
	trim(result);
}

static int
bit_length(const ExactBig *big)
{
	return big->n == 0 ? 0 : 32 * big->n - __builtin_clz(big->digit[big->n - 1]);
}

/* Bit i, counted from the least; 0 beyond both ends. */
static inline uint32_t
bit_at(const ExactBig *big, int i)
{
	return i < 0 || i >= 32 * big->n ? 0 : big->digit[i / 32] >> (i % 32) & 1;
}

/* Is one of the lowest bits set? */
static bool
any_below(const ExactBig *big, int bits)
{
	for (int i = 0; i < big->n && 32 * i < bits; i++)
	{
		uint32_t digit = big->digit[i];

		if (bits - 32 * i < 32)
			digit &= (UINT32_C(1) << (bits - 32 * i)) - 1;
		if (digit != 0)
			return true;
	}
	return false;
}

/* rest = 2 * rest + bit; if that holds the divisor, takes it off and says so. n digits each. */
static bool
divide_step(uint32_t *rest, const uint32_t *divisor, int n, uint32_t bit)
{
	uint64_t borrow = 0;
	int i;

	for (i = 0; i < n; i++)
	{
		uint32_t digit = rest[i];

		rest[i] = digit << 1 | bit;
		bit = digit >> 31;
	}
	for (i = n - 1; i > 0 && rest[i] == divisor[i]; i--)
		continue;
	if (rest[i] < divisor[i])
		return false;
	for (i = 0; i < n; i++)
	{
		uint64_t difference = (uint64_t) rest[i] - divisor[i] - borrow;

		rest[i] = (uint32_t) difference;
		borrow = difference >> 63;
	}
	return true;
}

/* |a / b|, cut to 127 or 128 bits: *bits * 2^*exponent; returns whether something was cut. */
static bool
divide(const ExactBig *a, const ExactBig *b, ExactWide *bits, int *exponent)
{
	uint32_t rest[EXACT_BIG + 1];
	uint32_t divisor[EXACT_BIG + 1];
	int a_length = bit_length(a);
	int b_length = bit_length(b);
	int shift = 127 - (a_length - b_length);
	int n = b->n + 1;
	bool cut = shift < 0 && any_below(a, -shift);

	/* Of a * 2^shift, of b_length + 127 bits, the first b_length - 1 cannot hold the divisor. */
	memset(rest, 0, (size_t) n * sizeof(uint32_t));
	memcpy(divisor, b->digit, (size_t) b->n * sizeof(uint32_t));
	divisor[n - 1] = 0;
	for (int i = 0; i < b_length - 1; i++)
		rest[i / 32] |= bit_at(a, 128 - shift + i) << (i % 32);
	*bits = 0;
	for (int i = 127; i >= 0; i--)
		*bits = *bits << 1 | divide_step(rest, divisor, n, bit_at(a, i - shift));
	*exponent = 32 * (a->place - b->place) - shift;
	for (int i = 0; i < n && !cut; i++)
		cut = rest[i] != 0;
	return cut;
}

double
exact_big_divide(const ExactBig *a, const ExactBig *b, bool *overflow)
{
	ExactWide bits;
	int exponent;
	bool cut;

	*overflow = false;
	if (a->n == 0)
		return 0;
	cut = divide(a, b, &bits, &exponent);
	return exact_round_bits(bits, exponent, cut, a->negative != b->negative, overflow);
}

/* The root's integer part, bit by bit; *bits becomes what is left. */
static uint64_t
integer_root(ExactWide *bits)
{
	ExactWide root = 0;

	for (int i = 63; i >= 0; i--)
	{
		ExactWide one = (ExactWide) 1 << (2 * i);
		ExactWide step = root + one;

		root >>= 1;
		if (*bits >= step)
		{
			*bits -= step;
			root += one;
		}
	}
	return (uint64_t) root;
}

/* The integer part of a root is that of the integer part's root: nothing is lost by cutting. */
double
exact_big_divide_root(const ExactBig *a, const ExactBig *b, bool *overflow)
{
	ExactWide bits;
	int exponent;
	bool cut;
	uint64_t root;

	*overflow = false;
	if (a->n == 0)
		return 0;
	cut = divide(a, b, &bits, &exponent);
	if ((exponent & 1) != 0)
	{
		cut = cut || (bits & 1) != 0;
		bits >>= 1;
		exponent++;
	}
	root = integer_root(&bits);
	return exact_round_bits(root, exponent / 2, cut || bits != 0, false, overflow);
}
