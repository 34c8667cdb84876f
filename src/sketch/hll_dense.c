/*
 * Registers as bit planes: 3 bits each, and the few outliers apart.
 *
 * Register values stand close together: log2(n / m) and a few more. So a base is chosen, codes 0..6
 * stand for base .. base + 6, and code 7 for an exception (4-6 % of the registers of a large set),
 * whose value comes as a nibble: 0..11 for base + 7 .. base + 18, 12..14 for base - 1 .. base - 3,
 * 15 for one that follows as a byte. No index is stored: exceptions stand in register order. At
 * precision 11 this is about 830 bytes; a union decodes 64 registers in a handful of instructions.
 *
 * Layout: base (1 byte); planes; nibbles, the low half first, zero padded; escaped bytes. Of m < 64
 * registers, planes have (m + 7) / 8 bytes each instead of 8.
 */
#include "sketch/hll_internal.h"

#define ABOVE     12
#define BELOW     3
#define ESCAPE    15
#define ESCAPED   0xFF
#define MAX_VALUE 65

/* Blocks decoded at a time: bounds the exceptions on the stack. */
#define CHUNK      64
#define MAX_CHUNKS ((1 << HLL_MAX_PRECISION) / HLL_BLOCK / CHUNK)

static size_t
plane_bytes(int precision)
{
	uint32_t m = hll_register_count(precision);

	return m >= 64 ? 8 : (m + 7) / 8;
}

static size_t
planes_size(int precision)
{
	return plane_bytes(precision) * 3 * (hll_padded_count(precision) / HLL_BLOCK);
}

/* Bytes after the planes when base is this; the base's own byte is counted by the caller. */
static size_t
exceptions_size(const uint32_t *histogram, int base)
{
	size_t nibbles = 0;
	size_t escapes = 0;

	for (int value = 0; value <= MAX_VALUE; value++)
	{
		if (value >= base && value <= base + 6)
			continue;
		nibbles += histogram[value];
		if (value < base - BELOW || value >= base + 7 + ABOVE)
			escapes += histogram[value];
	}
	return (nibbles + 1) / 2 + escapes;
}

size_t
hll_dense_size(const uint32_t *histogram, int precision, uint8_t *base)
{
	int lowest = 0;
	int highest = MAX_VALUE;
	size_t best;

	while (lowest < MAX_VALUE && histogram[lowest] == 0)
		lowest++;
	while (highest > lowest && histogram[highest] == 0)
		highest--;

	/* A base below the lowest value, or one past what the highest needs, is never smaller. */
	best = exceptions_size(histogram, lowest);
	*base = (uint8_t) lowest;
	for (int candidate = lowest + 1; candidate + 6 <= highest; candidate++)
	{
		size_t size = exceptions_size(histogram, candidate);

		if (size < best)
		{
			best = size;
			*base = (uint8_t) candidate;
		}
	}
	return 1 + planes_size(precision) + best;
}

static uint8_t
nibble_of(uint8_t value, uint8_t base)
{
	if (value < base)
		return base - value <= BELOW ? (uint8_t) (ABOVE + base - value - 1) : ESCAPE;
	return value - base - 7 < ABOVE ? (uint8_t) (value - base - 7) : ESCAPE;
}

/* Planes of a sketch of fewer than 64 registers, shortened and lengthened. */
static void
copy_planes(uint8_t *to, size_t to_step, const uint8_t *from, size_t from_step, size_t bytes)
{
	for (int plane = 0; plane < 3; plane++)
		memcpy(to + (size_t) plane * to_step, from + (size_t) plane * from_step, bytes);
}

void
hll_dense_write(const uint8_t *registers, int precision, uint8_t base, uint8_t *out)
{
	const HllSimd *simd = hll_simd_chosen();
	size_t blocks = hll_padded_count(precision) / HLL_BLOCK;
	uint8_t *planes = out + 1;
	uint8_t *nibbles = planes + planes_size(precision);
	size_t n = 0;
	size_t escapes = 0;
	uint8_t values[CHUNK * HLL_BLOCK + HLL_BLOCK];

	out[0] = base;
	for (int pass = 0; pass < 2; pass++)
	{
		/* The second pass only knows where escapes go; few sketches have any. */
		uint8_t *escaped = nibbles + (n + 1) / 2;

		if (pass == 1 && escapes == 0)
			break;
		for (size_t block = 0; block < blocks; block += CHUNK)
		{
			size_t some = blocks - block < CHUNK ? blocks - block : CHUNK;
			uint8_t scratch[CHUNK * 24];
			size_t found =
				simd->make_planes(registers + block * HLL_BLOCK, some, base, scratch, values);

			if (precision < 6)
			{
				/* Padding is zero and may look like exceptions: those come last. */
				uint32_t m = hll_register_count(precision);
				uint8_t tail = (uint8_t) ((1u << (m < 8 ? m : 8)) - 1);

				found = 0;
				for (uint32_t i = 0; i < m; i++)
					if (registers[i] < base || registers[i] > base + 6)
						values[found++] = registers[i];
				copy_planes(planes, plane_bytes(precision), scratch, 8, plane_bytes(precision));
				if (m < 8)
					for (int plane = 0; plane < 3; plane++)
						planes[plane] &= tail;
			}
			else
				memcpy(planes + block * 24, scratch, some * 24);
			for (size_t i = 0; i < found; i++)
			{
				uint8_t nibble = nibble_of(values[i], base);

				if (pass == 1)
				{
					if (nibble == ESCAPE)
						*escaped++ = values[i];
					continue;
				}
				if ((n & 1) == 0)
					nibbles[n / 2] = nibble;
				else
					nibbles[n / 2] |= (uint8_t) (nibble << 4);
				n++;
				escapes += nibble == ESCAPE;
			}
		}
	}
}

/* Reads exceptions in order, a chunk at a time. */
typedef struct Exceptions
{
	const uint8_t *nibbles;
	size_t total;
	size_t taken;
	const uint8_t *escaped;
	const uint8_t *end;
	uint8_t table[16];
} Exceptions;

static bool
open_exceptions(Exceptions *exceptions, const uint8_t *bytes, size_t length, int precision,
				size_t total)
{
	uint8_t base = bytes[0];
	size_t head = 1 + planes_size(precision);

	if (length < head + (total + 1) / 2)
		return false;
	exceptions->nibbles = bytes + head;
	exceptions->total = total;
	exceptions->taken = 0;
	exceptions->escaped = exceptions->nibbles + (total + 1) / 2;
	exceptions->end = bytes + length;
	for (int i = 0; i < ABOVE; i++)
		exceptions->table[i] = (uint8_t) (base + 7 + i);
	for (int i = 0; i < BELOW; i++)
		exceptions->table[ABOVE + i] = (uint8_t) (base > i ? base - 1 - i : 0);
	exceptions->table[ESCAPE] = ESCAPED;
	return true;
}

/* The next n values; out has room for 64 more. */
static bool
take_exceptions(Exceptions *exceptions, const HllSimd *simd, size_t n, uint8_t *out)
{
	size_t first = exceptions->taken;
	size_t i = 0;

	if (n > exceptions->total - first)
		return false;
	if (n > 0 && (first & 1) != 0)
		out[i++] = exceptions->table[exceptions->nibbles[first / 2] >> 4];
	simd->expand_nibbles(exceptions->nibbles + (first + i) / 2, (n - i + 1) / 2, exceptions->table,
						 out + i);
	exceptions->taken += n;
	if (exceptions->escaped == exceptions->end)
		return true;
	for (i = 0; i < n; i++)
		if (out[i] == ESCAPED)
		{
			if (exceptions->escaped == exceptions->end)
				return false;
			out[i] = *exceptions->escaped++;
		}
	return true;
}

/* Planes of fewer than 64 registers as one block; bits beyond them are of no register. */
static void
pad_planes(uint8_t *padded, const uint8_t *planes, int precision)
{
	uint32_t m = hll_register_count(precision);

	memset(padded, 0, 24);
	copy_planes(padded, 8, planes, plane_bytes(precision), plane_bytes(precision));
	for (int plane = 0; plane < 3 && m < 8; plane++)
		padded[8 * plane] &= (uint8_t) ((1u << m) - 1);
}

bool
hll_dense_merge(uint8_t *registers, int precision, const uint8_t *bytes, size_t length)
{
	const HllSimd *simd = hll_simd_chosen();
	size_t blocks = hll_padded_count(precision) / HLL_BLOCK;
	const uint8_t *planes = bytes + 1;
	uint8_t padded[24];
	uint8_t values[CHUNK * HLL_BLOCK + 2 * HLL_BLOCK];
	size_t counts[MAX_CHUNKS];
	size_t total = 0;
	Exceptions exceptions;

	if (length < 1 + planes_size(precision) || bytes[0] > MAX_VALUE)
		return false;
	if (precision < 6)
	{
		pad_planes(padded, planes, precision);
		planes = padded;
	}
	for (size_t block = 0; block < blocks; block += CHUNK)
	{
		counts[block / CHUNK] = simd->count_exceptions(
			planes + block * 24, blocks - block < CHUNK ? blocks - block : CHUNK);
		total += counts[block / CHUNK];
	}
	if (!open_exceptions(&exceptions, bytes, length, precision, total))
		return false;
	for (size_t block = 0; block < blocks; block += CHUNK)
	{
		size_t some = blocks - block < CHUNK ? blocks - block : CHUNK;

		if (!take_exceptions(&exceptions, simd, counts[block / CHUNK], values))
			return false;
		simd->merge_planes(registers + block * HLL_BLOCK, planes + block * 24, some, bytes[0],
						   values);
	}
	/* Padding must stay zero, but got the base. */
	if (precision < 6)
		memset(registers + hll_register_count(precision), 0,
			   HLL_BLOCK - hll_register_count(precision));
	return exceptions.escaped == exceptions.end;
}

bool
hll_dense_histogram(const uint8_t *bytes, size_t length, int precision, uint32_t *histogram)
{
	const HllSimd *simd = hll_simd_chosen();
	size_t blocks = hll_padded_count(precision) / HLL_BLOCK;
	const uint8_t *planes = bytes + 1;
	uint8_t padded[24];
	uint8_t values[2 * CHUNK + 2 * HLL_BLOCK];
	uint32_t counts[8] = {0};
	Exceptions exceptions;

	if (length < 1 + planes_size(precision) || bytes[0] > MAX_VALUE)
		return false;
	if (precision < 6)
	{
		pad_planes(padded, planes, precision);
		planes = padded;
	}
	simd->count_codes(planes, blocks, counts);
	counts[0] -= hll_padded_count(precision) - hll_register_count(precision);
	memset(histogram, 0, HLL_VALUES * sizeof(uint32_t));
	for (int code = 0; code < 7; code++)
		histogram[bytes[0] + code] = counts[code];
	if (!open_exceptions(&exceptions, bytes, length, precision, counts[7]))
		return false;
	for (size_t left = counts[7]; left > 0;)
	{
		size_t some = left < 2 * CHUNK ? left : 2 * CHUNK;

		if (!take_exceptions(&exceptions, simd, some, values))
			return false;
		for (size_t i = 0; i < some; i++)
			histogram[values[i]]++;
		left -= some;
	}
	return exceptions.escaped == exceptions.end;
}
