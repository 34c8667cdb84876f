/*
 * Numbers from their digits. See number.h.
 */
#include "decode/number.h"

#include <errno.h>
#include <math.h>

/*
 * Exponents past this are as good as infinite; sums with lengths of texts stay far from overflow.
 */
#define EXPONENT_LIMIT INT64CONST(2000000000)

/* A mantissa takes digits up to this bound: always 19 of them fit. */
#define MANTISSA_FULL UINT64CONST(1000000000000000000)

const uint64 decimal_power10[DECIMAL_POWERS] = {
	UINT64CONST(1),
	UINT64CONST(10),
	UINT64CONST(100),
	UINT64CONST(1000),
	UINT64CONST(10000),
	UINT64CONST(100000),
	UINT64CONST(1000000),
	UINT64CONST(10000000),
	UINT64CONST(100000000),
	UINT64CONST(1000000000),
	UINT64CONST(10000000000),
	UINT64CONST(100000000000),
	UINT64CONST(1000000000000),
	UINT64CONST(10000000000000),
	UINT64CONST(100000000000000),
	UINT64CONST(1000000000000000),
	UINT64CONST(10000000000000000),
	UINT64CONST(100000000000000000),
	UINT64CONST(1000000000000000000),
	UINT64CONST(10000000000000000000),
};
#define POWER10_MAX (DECIMAL_POWERS - 1)

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

/* The exponent behind an 'e', clamped. False: there is none, or something follows it. */
static bool
parse_exponent(const char *p, const char *end, int64 *exponent)
{
	bool negative = false;
	int64 value = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p >= end)
		return false;
	for (; p < end; p++)
	{
		if (!is_digit(*p))
			return false;
		if (value < EXPONENT_LIMIT)
			value = value * 10 + (*p - '0');
	}
	value = Min(value, EXPONENT_LIMIT);
	*exponent = negative ? -value : value;
	return true;
}

bool
decimal_parse(const char *text, size_t length, Decimal *decimal)
{
	const char *p = text;
	const char *end = text + length;
	const char *digits;
	uint64 mantissa = 0;
	int64 dropped = 0;
	int64 fraction = 0;
	int64 exponent = 0;
	size_t ndigits;

	decimal->text = text;
	decimal->length = length;
	decimal->negative = false;
	decimal->sticky = false;

	if (p < end && (*p == '-' || *p == '+'))
		decimal->negative = *p++ == '-';

	digits = p;
	for (; p < end && is_digit(*p); p++)
	{
		if (likely(mantissa < MANTISSA_FULL))
			mantissa = mantissa * 10 + (*p - '0');
		else
		{
			dropped++;
			decimal->sticky |= *p != '0';
		}
	}
	ndigits = p - digits;
	if (p < end && *p == '.')
	{
		const char *point = p++;

		for (; p < end && is_digit(*p); p++)
		{
			if (likely(mantissa < MANTISSA_FULL))
				mantissa = mantissa * 10 + (*p - '0');
			else
			{
				dropped++;
				decimal->sticky |= *p != '0';
			}
		}
		fraction = p - point - 1;
		ndigits += fraction;
	}
	if (ndigits == 0)
		return false;
	if (p < end)
	{
		if (*p != 'e' && *p != 'E')
			return false;
		if (!parse_exponent(p + 1, end, &exponent))
			return false;
	}

	decimal->mantissa = mantissa;
	decimal->scale = fraction - exponent - dropped;
	decimal->dscale = Max(fraction - exponent, 0);
	return true;
}

NumberVerdict
decimal_to_int64(const Decimal *decimal, int64 min, int64 max, int64 *result)
{
	uint64 value = decimal->mantissa;
	int64 scale = decimal->scale;

	if (value == 0)
		scale = 0;
	while (scale > 0 && value % 10 == 0)
	{
		value /= 10;
		scale--;
	}
	if (scale > 0)
		return NUMBER_SYNTAX;
	if (scale < 0)
	{
		/* Non-zero digits past the 19th and an integer larger than that: out of any range. */
		if (-scale > POWER10_MAX || value > PG_UINT64_MAX / decimal_power10[-scale])
			return NUMBER_RANGE;
		value *= decimal_power10[-scale];
	}
	if (decimal->sticky)
		return scale < 0 ? NUMBER_RANGE : NUMBER_SYNTAX;

	if (decimal->negative)
	{
		if (value > (uint64) PG_INT64_MAX + 1)
			return NUMBER_RANGE;
		*result = (int64) (0 - value);
	}
	else
	{
		if (value > (uint64) PG_INT64_MAX)
			return NUMBER_RANGE;
		*result = (int64) value;
	}
	return *result < min || *result > max ? NUMBER_RANGE : NUMBER_OK;
}

NumberVerdict
decimal_to_int64_rounded(const Decimal *decimal, int shift, int64 *result)
{
	uint64 value = decimal->mantissa;
	int64 scale = decimal->scale - shift;

	if (value == 0)
		scale = 0;
	if (scale > POWER10_MAX)
		value = 0; /* below 0.2, as a mantissa has less than 20 digits */
	else if (scale > 0)
	{
		uint64 unit = decimal_power10[scale];
		uint64 rest = value % unit;

		/* Dropped digits cannot turn "less than half" into half: they are below the mantissa. */
		value = value / unit + (rest >= unit - rest ? 1 : 0);
	}
	else if (scale < 0)
	{
		if (-scale > POWER10_MAX || value > PG_UINT64_MAX / decimal_power10[-scale])
			return NUMBER_RANGE;
		value *= decimal_power10[-scale];
	}
	if (value > (uint64) PG_INT64_MAX)
		return NUMBER_RANGE;
	*result = decimal->negative ? -(int64) value : (int64) value;
	return NUMBER_OK;
}

/*
 * Floats. Where mantissa and power of ten are both exact in the type, one multiplication or
 * division rounds once, that is correctly (Clinger 1990); the rest is the C library's.
 */
static const double exact_double[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
									  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
									  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const float exact_float[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f,
									1e6f, 1e7f, 1e8f, 1e9f, 1e10f};

/* A terminated copy for strtod; long ones are allocated. */
static char *
copy_text(const Decimal *decimal, char *buffer, size_t size)
{
	char *copy = decimal->length < size ? buffer : palloc(decimal->length + 1);

	memcpy(copy, decimal->text, decimal->length);
	copy[decimal->length] = '\0';
	return copy;
}

NumberVerdict
decimal_to_float8(const Decimal *decimal, double *result)
{
	char buffer[64];
	char *copy;
	int64 scale = decimal->scale;

	if (!decimal->sticky && decimal->mantissa <= (UINT64CONST(1) << 53) && scale >= -22 &&
		scale <= 22)
	{
		double value = (double) decimal->mantissa;

		value = scale >= 0 ? value / exact_double[scale] : value * exact_double[-scale];
		*result = decimal->negative ? -value : value;
		return NUMBER_OK;
	}

	copy = copy_text(decimal, buffer, sizeof(buffer));
	errno = 0;
	*result = strtod(copy, NULL);
	if (copy != buffer)
		pfree(copy);
	/* Denormal numbers set ERANGE, too, and are fine. */
	if (errno == ERANGE && (*result == 0 || isinf(*result)))
		return NUMBER_RANGE;
	return NUMBER_OK;
}

NumberVerdict
decimal_to_float4(const Decimal *decimal, float *result)
{
	char buffer[64];
	char *copy;
	int64 scale = decimal->scale;

	if (!decimal->sticky && decimal->mantissa <= (1 << 24) && scale >= -10 && scale <= 10)
	{
		float value = (float) decimal->mantissa;

		value = scale >= 0 ? value / exact_float[scale] : value * exact_float[-scale];
		*result = decimal->negative ? -value : value;
		return NUMBER_OK;
	}

	copy = copy_text(decimal, buffer, sizeof(buffer));
	errno = 0;
	*result = strtof(copy, NULL);
	if (copy != buffer)
		pfree(copy);
	if (errno == ERANGE && (*result == 0 || isinf(*result)))
		return NUMBER_RANGE;
	return NUMBER_OK;
}

bool
number_parse_special(const char *text, size_t length, NumericSpecial *special)
{
	bool negative = false;

	if (length == 3 && pg_strncasecmp(text, "NaN", 3) == 0)
	{
		*special = NUMERIC_IS_NAN;
		return true;
	}
	if (length > 0 && (*text == '-' || *text == '+'))
	{
		negative = *text == '-';
		text++;
		length--;
	}
	if ((length == 8 && pg_strncasecmp(text, "Infinity", 8) == 0) ||
		(length == 3 && pg_strncasecmp(text, "inf", 3) == 0))
	{
		*special = negative ? NUMERIC_IS_MINUS_INFINITY : NUMERIC_IS_INFINITY;
		return true;
	}
	return false;
}
