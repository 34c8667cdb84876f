/*
 * Exact numbers: adding, merging, rounding (see exact.h).
 *
 * Between carries, chunks may be anything below 2^62 by magnitude. After carry(), all but the
 * highest are digits, 0 .. 2^32 - 1, and the highest is a signed 32-bit one: the number in two's
 * complement.
 */
#include <math.h>

#include "sketch/exact.h"
#include "sketch/hex.h"

void
exact_init(ExactNumber *number)
{
	number->chunk = number->own;
	number->first = 0;
	number->n = 0;
	number->room = EXACT_ROOM;
}

void
exact_reset(ExactNumber *number, const SketchMemory *memory)
{
	if (number->chunk != number->own)
		memory->release(memory->arg, number->chunk);
	exact_init(number);
}

/* Makes the row hold the chunks low .. high, and some more on both sides for the values to come. */
static void
reserve(ExactNumber *number, int low, int high, const SketchMemory *memory)
{
	int first = low > 2 ? low - 2 : 0;
	int last = high < EXACT_CHUNKS ? high + 1 : high;
	int n;
	int64_t *chunk;

	if (number->n > 0 && low >= number->first && high < number->first + number->n)
		return;
	if (number->n > 0)
	{
		if (low >= number->first)
			first = number->first;
		if (high < number->first + number->n)
			last = number->first + number->n - 1;
	}
	if (last - first + 1 < EXACT_OWN)
	{
		/* No row ends above chunk 136, so that digits have room for every row. */
		last = first + EXACT_OWN - 1 < EXACT_CHUNKS ? first + EXACT_OWN - 1 : EXACT_CHUNKS;
		first = last - EXACT_OWN + 1;
	}
	n = last - first + 1;
	if (number->n == 0 && n <= EXACT_OWN)
		chunk = number->own;
	else
		chunk = memory->allocate(memory->arg, (size_t) n * sizeof(int64_t));
	memset(chunk, 0, (size_t) n * sizeof(int64_t));
	if (number->n > 0)
		memcpy(chunk + (number->first - first), number->chunk,
			   (size_t) number->n * sizeof(int64_t));
	if (number->chunk != number->own)
		memory->release(memory->arg, number->chunk);
	number->chunk = chunk;
	number->first = first;
	number->n = n;
}

/* Leaves digits; what does not fit the highest chunk makes the row longer. */
static void
carry(ExactNumber *number, const SketchMemory *memory)
{
	number->room = EXACT_ROOM;
	if (number->n == 0)
		return;
	for (;;)
	{
		int64_t top;

		for (int i = 0; i < number->n - 1; i++)
		{
			/* Right shifts of negative numbers are arithmetic in gcc and clang. */
			number->chunk[i + 1] += number->chunk[i] >> 32;
			number->chunk[i] &= UINT32_MAX;
		}
		top = number->chunk[number->n - 1];
		if (top >= INT32_MIN && top <= INT32_MAX)
			return;
		reserve(number, number->first, number->first + number->n, memory);
	}
}

/* Adds a word at a bit of the number (from EXACT_BIAS below 2^0 on), which must be in the row. */
static inline void
add_word(ExactNumber *number, uint32_t word, int position, bool negative)
{
	int index = (position >> 5) - number->first;
	uint64_t shifted = (uint64_t) word << (position & 31);
	int64_t low = (int64_t) (shifted & UINT32_MAX);
	int64_t high = (int64_t) (shifted >> 32);

	number->chunk[index] += negative ? -low : low;
	if (high != 0)
		number->chunk[index + 1] += negative ? -high : high;
}

/* A finite double as mantissa * 2^exponent; mantissa 0 for both zeros. */
static uint64_t
take_apart(double value, int *exponent, bool *negative)
{
	uint64_t bits;
	uint64_t mantissa;
	int field;

	memcpy(&bits, &value, sizeof(bits));
	field = (int) (bits >> 52 & 0x7ff);
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	*negative = bits >> 63 != 0;
	if (field > 0)
		mantissa |= UINT64_C(1) << 52;
	*exponent = (field > 0 ? field : 1) - 1075;
	return mantissa;
}

/* Adds up to 106 bits at an exponent. */
static void
add_bits(ExactNumber *number, ExactWide bits, int exponent, bool negative,
		 const SketchMemory *memory)
{
	int position = exponent + EXACT_BIAS;
	int words = bits >> 64 == 0 ? 2 : 4;

	if (bits == 0)
		return;
	if (number->room == 0)
		carry(number, memory);
	reserve(number, position >> 5, (position >> 5) + words, memory);
	for (int i = 0; i < words; i++)
		add_word(number, (uint32_t) (bits >> (32 * i)), position + 32 * i, negative);
	number->room--;
}

void
exact_add_slow(ExactNumber *number, double value, bool subtract, const SketchMemory *memory)
{
	int exponent;
	bool negative;
	uint64_t mantissa = take_apart(value, &exponent, &negative);

	add_bits(number, mantissa, exponent, negative != subtract, memory);
}

/* No product of doubles and its error: that fails where the error underflows. */
void
exact_add_product(ExactNumber *number, double x, double y, bool subtract,
				  const SketchMemory *memory)
{
	int x_exponent;
	int y_exponent;
	bool x_negative;
	bool y_negative;
	ExactWide product = take_apart(x, &x_exponent, &x_negative);

	product *= take_apart(y, &y_exponent, &y_negative);
	add_bits(number, product, x_exponent + y_exponent, (x_negative != y_negative) != subtract,
			 memory);
}

/* Is the number less than 2^2176? Only a row that reaches so far needs a look. */
static bool
in_range(const ExactNumber *number)
{
	ExactDigits digits;

	if (number->first + number->n <= EXACT_CHUNKS)
		return true;
	exact_digits(number, &digits);
	return digits.n == 0 || digits.first + digits.n <= EXACT_CHUNKS;
}

bool
exact_merge(ExactNumber *dst, const ExactNumber *src, bool subtract, const SketchMemory *memory)
{
	if (src->n == 0)
		return true;
	/* Digits of dst, and what is below 2^62 of src: no chunk overflows. */
	carry(dst, memory);
	reserve(dst, src->first, src->first + src->n - 1, memory);
	for (int i = 0; i < src->n; i++)
	{
		int64_t *chunk = &dst->chunk[src->first - dst->first + i];

		*chunk += subtract ? -src->chunk[i] : src->chunk[i];
	}
	carry(dst, memory);
	return in_range(dst);
}

/* ---- sign and magnitude ---------------------------------------------------------------------- */

void
exact_digits(const ExactNumber *number, ExactDigits *digits)
{
	int64_t rest = 0;
	int n = number->n;
	int zeros = 0;

	digits->n = 0;
	digits->first = 0;
	digits->negative = false;
	if (n == 0)
		return;
	/* Two digits hold what the highest chunk has above its own 32 bits. */
	for (int i = 0; i < n + 1; i++)
	{
		rest += i < n ? number->chunk[i] : 0;
		digits->digit[i] = (uint32_t) rest;
		rest >>= 32;
	}
	digits->negative = rest < 0;
	n++;
	if (digits->negative)
	{
		uint64_t one = 1;

		for (int i = 0; i < n; i++)
		{
			one += (uint32_t) ~digits->digit[i];
			digits->digit[i] = (uint32_t) one;
			one >>= 32;
		}
	}
	while (n > 0 && digits->digit[n - 1] == 0)
		n--;
	while (zeros < n && digits->digit[zeros] == 0)
		zeros++;
	memmove(digits->digit, digits->digit + zeros, (size_t) (n - zeros) * sizeof(uint32_t));
	digits->n = n - zeros;
	digits->first = number->first + zeros;
	if (digits->n == 0)
		digits->negative = false;
}

double
exact_round_bits(ExactWide bits, int exponent, bool sticky, bool negative, bool *overflow)
{
	int length = 0;
	int keep;
	int drop;
	uint64_t mantissa;
	double result;

	*overflow = false;
	if (bits == 0)
		return 0;
	length = (uint64_t) (bits >> 64) != 0 ? 128 - __builtin_clzll((uint64_t) (bits >> 64))
										  : 64 - __builtin_clzll((uint64_t) bits);
	/* The last bit of a result is worth 2^-1074 at least. */
	keep = exponent + length + 1074;
	if (keep > 53)
		keep = 53;
	if (keep < 0)
		return negative ? -0.0 : 0.0;
	drop = length - keep;
	if (drop <= 0)
		mantissa = (uint64_t) bits;
	else
	{
		ExactWide half = (ExactWide) 1 << (drop - 1);
		ExactWide rest = drop == 128 ? bits : bits & ((half << 1) - 1);

		mantissa = drop == 128 ? 0 : (uint64_t) (bits >> drop);
		if (rest > half || (rest == half && (sticky || (mantissa & 1) != 0)))
			mantissa++;
		exponent += drop;
	}
	result = ldexp((double) mantissa, exponent);
	*overflow = isinf(result);
	return negative ? -result : result;
}

double
exact_round(const ExactNumber *number, bool *overflow)
{
	ExactDigits digits;
	ExactWide bits = 0;
	bool sticky = false;
	int low;

	exact_digits(number, &digits);
	low = digits.n > 4 ? digits.n - 4 : 0;
	for (int i = digits.n - 1; i >= low; i--)
		bits = bits << 32 | digits.digit[i];
	/* digit[0] is not zero. */
	sticky = low > 0;
	return exact_round_bits(bits, 32 * (digits.first + low) - EXACT_BIAS, sticky, digits.negative,
							overflow);
}

/* ---- packed bytes ------------------------------------------------------------------------------
 *
 * Integers: zigzag (0, -1, 1, -2, ...), then seven bits a byte, the least first. Numbers: the
 * count of magnitude bytes, doubled, and one more if negative; then, unless zero, the place of the
 * first byte (it weighs 256^place), and the bytes, the first and the last of which are not zero.
 */

uint8_t *
exact_pack_integer(uint8_t *out, int64_t value)
{
	uint64_t rest = (uint64_t) value << 1 ^ (uint64_t) (value >> 63);

	for (; rest >= 0x80; rest >>= 7)
		*out++ = (uint8_t) (rest | 0x80);
	*out++ = (uint8_t) rest;
	return out;
}

const uint8_t *
exact_unpack_integer(const uint8_t *in, const uint8_t *end, int64_t *value)
{
	uint64_t bits = 0;

	for (int shift = 0; shift < 70; shift += 7)
	{
		if (in == end)
			return NULL;
		bits |= (uint64_t) (*in & 0x7f) << shift;
		if ((*in++ & 0x80) == 0)
		{
			*value = (int64_t) (bits >> 1 ^ -(bits & 1));
			return *value > EXACT_MAX_COUNT || *value < -EXACT_MAX_COUNT ? NULL : in;
		}
	}
	return NULL;
}

static inline uint8_t
digit_byte(const ExactDigits *digits, int i)
{
	return (uint8_t) (digits->digit[i / 4] >> (8 * (i % 4)));
}

uint8_t *
exact_pack_number(uint8_t *out, const ExactNumber *number)
{
	ExactDigits digits;
	int first = 0;
	int last;

	exact_digits(number, &digits);
	if (digits.n == 0)
		return exact_pack_integer(out, 0);
	last = 4 * digits.n - 1;
	while (digit_byte(&digits, first) == 0)
		first++;
	while (digit_byte(&digits, last) == 0)
		last--;
	out = exact_pack_integer(out, 2 * (last - first + 1) + digits.negative);
	out = exact_pack_integer(out, 4 * digits.first + first - EXACT_BIAS / 8);
	for (int i = first; i <= last; i++)
		*out++ = digit_byte(&digits, i);
	return out;
}

const uint8_t *
exact_unpack_number(const uint8_t *in, const uint8_t *end, ExactNumber *number,
					const SketchMemory *memory)
{
	int64_t length;
	int64_t place;
	bool negative;
	int position;

	in = exact_unpack_integer(in, end, &length);
	if (in == NULL || length < 0)
		return NULL;
	negative = (length & 1) != 0;
	length >>= 1;
	if (length == 0)
		return negative ? NULL : in;
	in = exact_unpack_integer(in, end, &place);
	if (in == NULL || length > end - in || place < -EXACT_BIAS / 8 ||
		place > EXACT_BIAS / 8 - length)
		return NULL;
	position = (int) place * 8 + EXACT_BIAS;
	reserve(number, position >> 5, (position + 8 * (int) length) >> 5, memory);
	for (int64_t i = 0; i < length; i++)
		add_word(number, *in++, position + 8 * (int) i, negative);
	carry(number, memory);
	return in;
}

/* ---- text ------------------------------------------------------------------------------------ */

char *
exact_write_string(char *out, const char *text)
{
	size_t length = strlen(text);

	memcpy(out, text, length + 1);
	return out + length;
}

char *
exact_write_integer(char *out, int64_t value)
{
	char digits[EXACT_TEXT_INTEGER];
	uint64_t rest = value < 0 ? -(uint64_t) value : (uint64_t) value;
	int n = 0;

	do
		digits[n++] = (char) ('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		*out++ = '-';
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return out;
}

static inline uint32_t
digit_nibble(const ExactDigits *digits, int i)
{
	return digits->digit[i / 8] >> (4 * (i % 8)) & 15;
}

char *
exact_write_number(char *out, const ExactNumber *number)
{
	ExactDigits digits;
	int first = 0;
	int last;

	exact_digits(number, &digits);
	if (digits.n == 0)
		return exact_write_string(out, "0");
	last = 8 * digits.n - 1;
	while (digit_nibble(&digits, first) == 0)
		first++;
	while (digit_nibble(&digits, last) == 0)
		last--;
	out = exact_write_string(out, digits.negative ? "-0x" : "0x");
	for (int i = last; i >= first; i--)
		*out++ = "0123456789abcdef"[digit_nibble(&digits, i)];
	*out++ = 'p';
	return exact_write_integer(out, 32 * digits.first + 4 * first - EXACT_BIAS);
}

const char *
exact_read_string(const char *in, const char *text)
{
	size_t length = strlen(text);

	return strncmp(in, text, length) == 0 ? in + length : NULL;
}

const char *
exact_read_integer(const char *in, int64_t *value)
{
	bool negative = *in == '-';
	int64_t sum = 0;

	in += negative;
	if (*in < '0' || *in > '9')
		return NULL;
	for (; *in >= '0' && *in <= '9'; in++)
	{
		if (sum > EXACT_MAX_COUNT / 10)
			return NULL;
		sum = 10 * sum + (*in - '0');
	}
	*value = negative ? -sum : sum;
	return sum > EXACT_MAX_COUNT ? NULL : in;
}

const char *
exact_read_number(const char *in, ExactNumber *number, const SketchMemory *memory)
{
	bool negative = *in == '-';
	const char *begin;
	const char *end;
	int64_t exponent;
	int64_t nibbles;
	int position;

	if (!negative && *in == '0' && in[1] != 'x')
		return in + 1;
	in = exact_read_string(in + negative, "0x");
	if (in == NULL)
		return NULL;
	for (begin = in; hex_value(*in) >= 0; in++)
		continue;
	nibbles = in - begin;
	if (nibbles == 0 || *in != 'p')
		return NULL;
	end = exact_read_integer(in + 1, &exponent);
	if (end == NULL || exponent % 4 != 0 || exponent < -EXACT_BIAS || nibbles > EXACT_CHUNKS * 8 ||
		exponent > EXACT_BIAS - 4 * nibbles)
		return NULL;
	position = (int) exponent + EXACT_BIAS;
	reserve(number, position >> 5, (position + 4 * (int) nibbles) >> 5, memory);
	for (int i = 0; --in >= begin; i++)
		add_word(number, (uint32_t) hex_value(*in), position + 4 * i, negative);
	carry(number, memory);
	return end;
}
