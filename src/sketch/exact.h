/*
 * Exact sums of doubles and of products of two doubles.
 *
 * After Neal 2015, "Fast exact summation using small and large superaccumulators" (arXiv
 * 1505.05571), section 3: a sum is a row of signed 64-bit chunks, each weighing 2^32 times the one
 * below, so that a value adds to two of them and carries are made once in a thousand values. Unlike
 * there, the row covers only the magnitudes met so far and grows with them: a group of values of
 * one kind takes 100 bytes, not 500, and products of two doubles need no wider type.
 *
 * Pure C: no PostgreSQL; memory comes from the caller's two functions.
 */
#ifndef TELEMETRY_SKETCH_EXACT_H
#define TELEMETRY_SKETCH_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sketch/memory.h"
#include <string.h>

#ifndef __SIZEOF_INT128__
#error "exact sums need 128-bit integers, which compilers for 64-bit machines have"
#endif
__extension__ typedef unsigned __int128 ExactWide;

/*
 * Chunk 0 begins at 2^-2176, below the square of the least double (2^-2148); chunk 136 begins at
 * 2^2176, above 2^63 times the square of the greatest one. A sum is less than 2^2176.
 */
#define EXACT_BIAS   2176
#define EXACT_CHUNKS 136

/* Chunks of the first row, which stands in the number itself. */
#define EXACT_OWN 8

/* One value adds less than 2^52 to a chunk: after so many, a chunk is still less than 2^62. */
#define EXACT_ROOM 1000

/* Does not move: chunk may point into it. */
typedef struct ExactNumber
{
	int64_t *chunk; /* chunk[i] weighs 2^(32 * (first + i) - EXACT_BIAS) */
	int32_t first;
	int32_t n;
	uint32_t room; /* values that may come before carries must be made */
	int64_t own[EXACT_OWN];
} ExactNumber;

extern void exact_init(ExactNumber *number);

/* Releases what the number allocated; it is zero then. */
extern void exact_reset(ExactNumber *number, const SketchMemory *memory);

/* A finite value, or with subtract its negative. */
extern void exact_add_slow(ExactNumber *number, double value, bool subtract,
						   const SketchMemory *memory);

/* Exactly x * y, both finite. */
extern void exact_add_product(ExactNumber *number, double x, double y, bool subtract,
							  const SketchMemory *memory);

/*
 * Adds what most values are: neither zero, denormal, infinite nor NaN, and in the row. False when
 * nothing was done.
 */
static inline bool
exact_add_fast(ExactNumber *number, double value, bool subtract)
{
	uint64_t bits;
	uint64_t mantissa;
	uint64_t sign;
	uint32_t field;
	uint32_t position;
	uint32_t index;
	uint64_t low;
	uint64_t high;

	memcpy(&bits, &value, sizeof(bits));
	field = (uint32_t) (bits >> 52) & 0x7ff;
	position = field + (EXACT_BIAS - 1075);
	index = (position >> 5) - (uint32_t) number->first;
	if (field - 1 >= 0x7fe || (uint64_t) index + 1 >= (uint64_t) number->n || number->room == 0)
		return false;
	mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
	sign = -((bits >> 63) ^ (uint64_t) subtract);
	low = mantissa << (position & 31) & UINT32_MAX;
	high = mantissa >> (32 - (position & 31));
	number->chunk[index] += (int64_t) ((low ^ sign) - sign);
	number->chunk[index + 1] += (int64_t) ((high ^ sign) - sign);
	number->room--;
	return true;
}

static inline void
exact_add(ExactNumber *number, double value, bool subtract, const SketchMemory *memory)
{
	if (!exact_add_fast(number, value, subtract))
		exact_add_slow(number, value, subtract, memory);
}

/* False when the result would not be less than 2^2176; then dst is of no use. */
extern bool exact_merge(ExactNumber *dst, const ExactNumber *src, bool subtract,
						const SketchMemory *memory);

/* ---- sign and magnitude ---------------------------------------------------------------------- */

/* Digits of 32 bits, the least first; digit[0] and digit[n - 1] are not zero. */
typedef struct ExactDigits
{
	uint32_t digit[EXACT_CHUNKS + 2];
	int first; /* digit[0] weighs 2^(32 * first - EXACT_BIAS) */
	int n;     /* 0: zero */
	bool negative;
} ExactDigits;

extern void exact_digits(const ExactNumber *number, ExactDigits *digits);

/* The nearest double, of two the even one; *overflow when that is beyond the greatest. */
extern double exact_round(const ExactNumber *number, bool *overflow);

/* ---- packed bytes and text ------------------------------------------------------------------- */

/* Bytes that one number or one integer takes at most, packed. */
#define EXACT_PACKED_NUMBER  (EXACT_CHUNKS * 4 + 8)
#define EXACT_PACKED_INTEGER 10

/* Counts from outside are held to this, so that no sum of two leaves 64 bits. */
#define EXACT_MAX_COUNT (INT64_C(1) << 62)

/* Each returns the place behind what it wrote. */
extern uint8_t *exact_pack_integer(uint8_t *out, int64_t value);
extern uint8_t *exact_pack_number(uint8_t *out, const ExactNumber *number);

/*
 * Reading: the place behind, or NULL when the bytes end too early or say what cannot be. number
 * must be zero. Other bytes than packing writes may pass: who has to know packs again and compares.
 */
extern const uint8_t *exact_unpack_integer(const uint8_t *in, const uint8_t *end, int64_t *value);
extern const uint8_t *exact_unpack_number(const uint8_t *in, const uint8_t *end,
										  ExactNumber *number, const SketchMemory *memory);

/* Characters that one of them takes at most, as text. */
#define EXACT_TEXT_NUMBER  (EXACT_CHUNKS * 8 + 16)
#define EXACT_TEXT_INTEGER 20

/* -0x1f3p-8: the digits are hexadecimal, the exponent a decimal power of two. 0: zero. */
extern char *exact_write_integer(char *out, int64_t value);
extern char *exact_write_number(char *out, const ExactNumber *number);
extern char *exact_write_string(char *out, const char *text);
extern const char *exact_read_integer(const char *in, int64_t *value);
extern const char *exact_read_number(const char *in, ExactNumber *number,
									 const SketchMemory *memory);

/* The place behind the text when the input begins with it, else NULL. */
extern const char *exact_read_string(const char *in, const char *text);

/* Sum of two counts; false when it is beyond EXACT_MAX_COUNT. */
static inline bool
exact_add_count(int64_t *count, int64_t more, bool subtract)
{
	int64_t sum;

	if (subtract ? __builtin_sub_overflow(*count, more, &sum)
				 : __builtin_add_overflow(*count, more, &sum))
		return false;
	if (sum < -EXACT_MAX_COUNT || sum > EXACT_MAX_COUNT)
		return false;
	*count = sum;
	return true;
}

/* ---- arithmetic on results ------------------------------------------------------------------- */

/*
 * Of numbers less than 2^2176 in digits from 2^-2176 on come products of four (corr): so many
 * digits are enough for them.
 */
#define EXACT_BIG (4 * (EXACT_CHUNKS * 2 + 8))

typedef struct ExactBig
{
	uint32_t digit[EXACT_BIG];
	int n;     /* 0: zero; else digit[n - 1] is not */
	int place; /* digit[0] weighs 2^(32 * place) */
	bool negative;
} ExactBig;

extern void exact_big_number(ExactBig *big, const ExactNumber *number);
extern void exact_big_integer(ExactBig *big, int64_t value);
extern void exact_big_multiply(ExactBig *result, const ExactBig *a, const ExactBig *b);
extern void exact_big_subtract(ExactBig *result, const ExactBig *a, const ExactBig *b);

/* The quotient, or its root, rounded once as exact_round() does. The divisor is not zero. */
extern double exact_big_divide(const ExactBig *a, const ExactBig *b, bool *overflow);
extern double exact_big_divide_root(const ExactBig *a, const ExactBig *b, bool *overflow);

/* bits * 2^exponent, and a bit more where sticky, as the nearest double. */
extern double exact_round_bits(ExactWide bits, int exponent, bool sticky, bool negative,
							   bool *overflow);

#endif
