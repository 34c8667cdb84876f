/*
 * Numbers from their digits, exactly. No double on the way to an integer or a numeric.
 */
#ifndef TELEMETRY_DECODE_NUMBER_H
#define TELEMETRY_DECODE_NUMBER_H

#include "postgres.h"

#include "base/compat.h"

/*
 * A decimal number as written: mantissa * 10^-scale, plus, if sticky, something smaller than one
 * unit of the mantissa (digits past the 19th that are not all zero; the long way is by the text).
 */
typedef struct Decimal
{
	uint64 mantissa;
	int64 scale;
	int64 dscale; /* digits behind the point that PostgreSQL's numeric would show */
	bool negative;
	bool sticky;
	const char *text;
	size_t length;
} Decimal;

/* 10^0 to 10^19: what uint64 holds. */
#define DECIMAL_POWERS 20
extern const uint64 decimal_power10[DECIMAL_POWERS];

typedef enum NumberVerdict
{
	NUMBER_OK,
	NUMBER_SYNTAX,   /* not a number, or not an integer where one is due: 22P02 */
	NUMBER_RANGE,    /* 22003 */
	NUMBER_PRECISION /* 22003: does not fit numeric(precision, scale) */
} NumberVerdict;

/* [+-]digits[.digits][e[+-]digits], with at least one digit; false: it is not that. */
extern bool decimal_parse(const char *text, size_t length, Decimal *decimal);

/* Exact or not at all: 1.0 and 1e3 are integers, 1.5 is NUMBER_SYNTAX. */
extern NumberVerdict decimal_to_int64(const Decimal *decimal, int64 min, int64 max, int64 *result);

/* decimal * 10^shift, rounded to the nearest integer, ties away from zero. */
extern NumberVerdict decimal_to_int64_rounded(const Decimal *decimal, int shift, int64 *result);

extern NumberVerdict decimal_to_float8(const Decimal *decimal, double *result);
extern NumberVerdict decimal_to_float4(const Decimal *decimal, float *result);

/*
 * Room that decimal_to_numeric() may need for a number of so many characters: two headers of four
 * bytes, and two bytes for each group of four digits, which may begin and end within a group.
 */
#define NUMERIC_SIZE_BOUND(length) (8 + 2 * (((length) + 6) / 4))

/*
 * Writes the numeric's varlena (4-byte header, PostgreSQL's on-disk form) to dest, which has
 * NUMERIC_SIZE_BOUND() bytes and is aligned to 4. typmod: -1 or numeric(p,s)'s.
 */
extern NumberVerdict decimal_to_numeric(const Decimal *decimal, int32 typmod, char *dest);

typedef enum NumericSpecial
{
	NUMERIC_IS_NAN,
	NUMERIC_IS_INFINITY,
	NUMERIC_IS_MINUS_INFINITY
} NumericSpecial;
extern void numeric_write_special(NumericSpecial special, char *dest);

/*
 * "NaN", "Infinity", "inf", with sign, in any case, as PostgreSQL's float8 and numeric take them.
 */
extern bool number_parse_special(const char *text, size_t length, NumericSpecial *special);

#endif
