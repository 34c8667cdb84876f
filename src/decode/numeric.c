/*
 * PostgreSQL's numeric, written in its on-disk form.
 *
 * The form is the one that pg_upgrade has relied on since 9.1: base-10000 digits, most significant
 * first, under a header of two bytes (small scale and weight) or four. Written here, because
 * numeric_in() can only throw, and because making one costs it several allocations.
 */
#include "decode/number.h"

#define GROUP_DIGITS 4 /* decimal digits in a base-10000 digit */
#define GROUP_BASE   10000

#define HEADER_SHORT            0x8000
#define HEADER_SHORT_NEGATIVE   0x2000
#define HEADER_SHORT_SCALE_BITS 7
#define HEADER_SHORT_WEIGHT     0x007F /* two's complement, 7 bits */
#define HEADER_LONG_NEGATIVE    0x4000
#define HEADER_NAN              0xC000
#define HEADER_INFINITY         0xD000
#define HEADER_MINUS_INFINITY   0xF000

#define SHORT_SCALE_MAX  63
#define SHORT_WEIGHT_MAX 63
#define SHORT_WEIGHT_MIN (-64)
#define SCALE_MAX        0x3FFF
#define WEIGHT_MAX       PG_INT16_MAX
#define WEIGHT_MIN       PG_INT16_MIN

/* Room for the digits of a mantissa, its alignment to groups included. */
#define MANTISSA_GROUPS 8

void
numeric_write_special(NumericSpecial special, char *dest)
{
	uint16 header = special == NUMERIC_IS_NAN        ? HEADER_NAN
					: special == NUMERIC_IS_INFINITY ? HEADER_INFINITY
													 : HEADER_MINUS_INFINITY;

	SET_VARSIZE(dest, VARHDRSZ + sizeof(header));
	memcpy(dest + VARHDRSZ, &header, sizeof(header));
}

/* groups: without zeros at either end; value = sum of groups[i] * 10000^(weight - i). */
static NumberVerdict
write_groups(const int16 *groups, int64 ngroups, int64 weight, int64 dscale, bool negative,
			 char *dest)
{
	char *p = dest + VARHDRSZ;

	if (ngroups == 0)
	{
		weight = 0;
		negative = false; /* numeric has no -0 */
	}
	if (dscale > SCALE_MAX || weight > WEIGHT_MAX || weight < WEIGHT_MIN)
		return NUMBER_RANGE;

	if (dscale <= SHORT_SCALE_MAX && weight <= SHORT_WEIGHT_MAX && weight >= SHORT_WEIGHT_MIN)
	{
		uint16 header = HEADER_SHORT | (negative ? HEADER_SHORT_NEGATIVE : 0) |
						(uint16) (dscale << HEADER_SHORT_SCALE_BITS) |
						((uint16) weight & HEADER_SHORT_WEIGHT);

		memcpy(p, &header, sizeof(header));
		p += sizeof(header);
	}
	else
	{
		uint16 header = (negative ? HEADER_LONG_NEGATIVE : 0) | (uint16) dscale;
		int16 header_weight = (int16) weight;

		memcpy(p, &header, sizeof(header));
		memcpy(p + 2, &header_weight, sizeof(header_weight));
		p += sizeof(header) + sizeof(header_weight);
	}
	if (ngroups > 0)
		memcpy(p, groups, ngroups * sizeof(int16));
	p += ngroups * sizeof(int16);
	SET_VARSIZE(dest, p - dest);
	return NUMBER_OK;
}

/* numeric(precision, scale) of a typmod; scale may be negative. */
static void
split_typmod(int32 typmod, int *precision, int *scale)
{
	int32 packed = typmod - VARHDRSZ;

	*precision = (packed >> 16) & 0xFFFF;
	*scale = ((packed & 0x7FF) ^ 1024) - 1024;
}

/*
 * The usual case: all digits in the mantissa, and few enough zeros to add. False: take the long
 * way.
 */
static bool
write_short(uint64 mantissa, int64 scale, int64 dscale, bool negative, char *dest,
			NumberVerdict *verdict)
{
	static const uint64 pad[] = {1, 10, 100, 1000};
	int16 groups[MANTISSA_GROUPS];
	int first = MANTISSA_GROUPS;
	int last = MANTISSA_GROUPS;
	int64 weight;
	int padding;

	if (scale < -12 || scale > 1000)
		return false;
	/* Digits behind the point fill whole groups; those before it may need zeros. */
	padding = (int) ((GROUP_DIGITS - scale % GROUP_DIGITS) % GROUP_DIGITS);
	if (scale < 0)
	{
		/* 10^-scale = 10000^k * 10^padding with padding below 4 */
		padding = (int) (-scale % GROUP_DIGITS);
		weight = -scale / GROUP_DIGITS;
	}
	else
		weight = -((scale + GROUP_DIGITS - 1) / GROUP_DIGITS);
	if (mantissa > PG_UINT64_MAX / 1000)
		return false;
	mantissa *= pad[padding];

	/* weight is, so far, that of the last group */
	while (mantissa > 0)
	{
		groups[--first] = (int16) (mantissa % GROUP_BASE);
		mantissa /= GROUP_BASE;
	}
	weight += last - first - 1;
	while (last > first && groups[last - 1] == 0)
		last--;
	*verdict = write_groups(groups + first, last - first, weight, dscale, negative, dest);
	return true;
}

/*
 * Decimal digits of any number, without zeros at the start: value = 0.d1d2d3... * 10^point.
 */
typedef struct DigitString
{
	char *digits; /* 0 to 9 */
	int64 count;
	int64 point;
} DigitString;

static void
collect_digits(const Decimal *decimal, DigitString *string)
{
	const char *p = decimal->text;
	const char *end = decimal->text + decimal->length;
	int64 behind_last; /* digits behind the last one, negative: it is behind the point */

	/* One more in front, for a carry. */
	string->digits = (char *) palloc(decimal->length + 1) + 1;
	string->count = 0;
	for (; p < end && *p != 'e' && *p != 'E'; p++)
	{
		if (*p < '0' || *p > '9' || (string->count == 0 && *p == '0'))
			continue;
		string->digits[string->count++] = *p - '0';
	}
	/* The last digit as written stands at 10^-(fraction - exponent). */
	behind_last = -decimal->scale;
	if (string->count > 19)
		behind_last -= string->count - 19; /* decimal's scale is that of the 19th digit */
	string->point = string->count + behind_last;
}

/* Rounds at 10^-scale, ties away from zero, as numeric does. */
static void
round_digits(DigitString *string, int64 scale)
{
	int64 keep = string->point + scale;
	bool up;

	if (keep >= string->count)
		return;
	if (keep < 0)
	{
		string->count = 0;
		return;
	}
	up = string->digits[keep] >= 5;
	string->count = keep;
	if (!up)
		return;
	for (int64 i = keep - 1; i >= 0; i--)
	{
		if (++string->digits[i] <= 9)
			return;
		string->digits[i] = 0;
	}
	string->digits--;
	string->digits[0] = 1;
	string->count++;
	string->point++;
}

static NumberVerdict
write_long(const Decimal *decimal, int32 typmod, char *dest)
{
	DigitString string;
	char *allocated;
	int16 *groups;
	int64 dscale = decimal->dscale;
	int64 ngroups = 0;
	int64 weight;
	int64 position;
	NumberVerdict verdict;

	collect_digits(decimal, &string);
	allocated = string.digits - 1;
	if (typmod >= (int32) VARHDRSZ)
	{
		int precision;
		int scale;

		split_typmod(typmod, &precision, &scale);
		round_digits(&string, scale);
		dscale = Max(scale, 0);
		if (string.count > 0 && string.point > precision - scale)
		{
			pfree(allocated);
			return NUMBER_PRECISION;
		}
	}
	while (string.count > 0 && string.digits[string.count - 1] == 0)
		string.count--;

	/* Group so that the point falls between groups; the first may start with zeros. */
	weight = string.point > 0 ? (string.point - 1) / GROUP_DIGITS
							  : -((-string.point) / GROUP_DIGITS) - 1;
	position = string.point - (weight + 1) * GROUP_DIGITS; /* of the first group: -3 to 0 */
	groups = (int16 *) palloc(sizeof(int16) * (string.count / GROUP_DIGITS + 2));
	for (; position < string.count; position += GROUP_DIGITS)
	{
		int group = 0;

		for (int64 i = position; i < position + GROUP_DIGITS; i++)
			group = group * 10 + (i >= 0 && i < string.count ? string.digits[i] : 0);
		groups[ngroups++] = (int16) group;
	}
	verdict = write_groups(groups, string.count == 0 ? 0 : ngroups, weight, dscale,
						   decimal->negative, dest);
	pfree(groups);
	pfree(allocated);
	return verdict;
}

NumberVerdict
decimal_to_numeric(const Decimal *decimal, int32 typmod, char *dest)
{
	uint64 mantissa = decimal->mantissa;
	int64 dscale = decimal->dscale;
	NumberVerdict verdict;

	if (mantissa == 0)
	{
		if (typmod >= (int32) VARHDRSZ)
		{
			int precision;
			int scale;

			split_typmod(typmod, &precision, &scale);
			dscale = Max(scale, 0);
		}
		return write_groups(NULL, 0, 0, dscale, false, dest);
	}
	if (decimal->sticky)
		return write_long(decimal, typmod, dest);

	if (typmod >= (int32) VARHDRSZ)
	{
		int precision;
		int scale;
		int64 room; /* digits that the mantissa may have */

		split_typmod(typmod, &precision, &scale);
		room = decimal->scale + precision - scale;
		if (decimal->scale > scale || decimal->scale < 0 || room < 0)
			return write_long(decimal, typmod, dest); /* rounding, and oddities */
		if (room < DECIMAL_POWERS && mantissa >= decimal_power10[room])
			return NUMBER_PRECISION;
		dscale = Max(scale, 0);
	}
	if (write_short(mantissa, decimal->scale, dscale, decimal->negative, dest, &verdict))
		return verdict;
	return write_long(decimal, typmod, dest);
}
