/*
 * Sorted (index, value) pairs as bits: the gap between indices by a Rice code, the value in unary.
 *
 * Indices are uniform, so gaps are geometric and a Rice code is within a few hundredths of a bit of
 * the best; values are geometric with ratio 1/2, for which unary is the best. The Rice parameter
 * follows from the number of pairs: bytes depend on the set alone. 1,000 tokens take 2.45 kB.
 *
 * Layout: number of pairs (base-128, least first), then bits, the lowest of a byte first, zero
 * padded: gap >> rice in unary (zeros, then a one), the rice low bits, value - 1 in unary (38
 * stands for value 0, which only a token can have).
 */
#include "sketch/hll_internal.h"

#define VALUE_OF_NONE 38

static int
rice_bits(uint32_t n, int index_bits)
{
	int bits = 0;

	while (n >> bits != 0)
		bits++;
	return index_bits > bits ? index_bits - bits : 0;
}

static size_t
count_size(uint32_t n)
{
	return n < 1u << 7 ? 1 : n < 1u << 14 ? 2 : 3;
}

static inline uint32_t
unary_of(uint32_t pair)
{
	return (pair & 63) == 0 ? VALUE_OF_NONE : (pair & 63) - 1;
}

size_t
hll_rice_size(const uint32_t *pairs, uint32_t n, int index_bits)
{
	int rice = rice_bits(n, index_bits);
	int64_t previous = -1;
	uint64_t bits = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		int64_t index = pairs[i] >> 6;
		uint64_t gap = (uint64_t) (index - previous - 1);

		bits += (gap >> rice) + 1 + (uint64_t) rice + unary_of(pairs[i]) + 1;
		previous = index;
	}
	return count_size(n) + (size_t) ((bits + 7) / 8);
}

/* Bits on their way out, the oldest lowest. */
typedef struct Writer
{
	uint8_t *out;
	uint64_t word;
	int used;
} Writer;

/* The lowest `bits` (at most 32) of value, which has no others. */
static inline void
put(Writer *writer, uint64_t value, int bits)
{
	writer->word |= value << writer->used;
	writer->used += bits;
	if (writer->used >= 32)
	{
		for (int i = 0; i < 4; i++)
			*writer->out++ = (uint8_t) (writer->word >> 8 * i);
		writer->word >>= 32;
		writer->used -= 32;
	}
}

static inline void
put_unary(Writer *writer, uint64_t zeros)
{
	for (; zeros >= 32; zeros -= 32)
		put(writer, 0, 32);
	put(writer, UINT64_C(1) << zeros, (int) zeros + 1);
}

void
hll_rice_write(const uint32_t *pairs, uint32_t n, int index_bits, uint8_t *out)
{
	int rice = rice_bits(n, index_bits);
	int64_t previous = -1;
	uint32_t rest = n;
	size_t head = count_size(n);
	Writer writer = {out + head, 0, 0};

	for (size_t i = 0; i < head; i++, rest >>= 7)
		out[i] = (uint8_t) ((rest & 127) | (i + 1 < head ? 128 : 0));
	for (uint32_t i = 0; i < n; i++)
	{
		int64_t index = pairs[i] >> 6;
		uint64_t gap = (uint64_t) (index - previous - 1);

		put_unary(&writer, gap >> rice);
		put(&writer, gap & ((UINT64_C(1) << rice) - 1), rice);
		put_unary(&writer, unary_of(pairs[i]));
		previous = index;
	}
	for (; writer.used > 0; writer.used -= 8, writer.word >>= 8)
		*writer.out++ = (uint8_t) writer.word;
}

static bool
read_count(const uint8_t *bytes, size_t length, uint32_t *count, size_t *head)
{
	uint32_t n = 0;

	for (size_t i = 0; i < 3 && i < length; i++)
	{
		n |= (uint32_t) (bytes[i] & 127) << (7 * i);
		if (bytes[i] < 128)
		{
			*count = n;
			*head = i + 1;
			return i + 1 == count_size(n);
		}
	}
	return false;
}

const char *
hll_rice_count(const uint8_t *bytes, size_t length, int index_bits, uint32_t *count)
{
	size_t head;

	if (!read_count(bytes, length, count, &head))
		return "number of entries is damaged";
	/* Each entry has at least its two stop bits and the fixed part of its gap. */
	if ((uint64_t) *count * (uint64_t) (2 + rice_bits(*count, index_bits)) > (length - head) * 8)
		return "fewer bytes than its entries need";
	return NULL;
}

bool
hll_rice_open(HllRiceReader *reader, const uint8_t *bytes, size_t length, int index_bits)
{
	size_t head;

	if (!read_count(bytes, length, &reader->remaining, &head))
		return false;
	reader->bytes = bytes + head;
	reader->length = length - head;
	reader->bit = 0;
	reader->index_bits = index_bits;
	reader->rice_bits = rice_bits(reader->remaining, index_bits);
	reader->previous = -1;
	return true;
}

/* At least 57 bits from the current position; zeros behind the end. */
static inline uint64_t
peek(const HllRiceReader *reader)
{
	size_t byte = reader->bit >> 3;
	int shift = (int) (reader->bit & 7);
	uint64_t word = 0;

	if (byte + 8 <= reader->length)
		return hll_load64(reader->bytes + byte) >> shift;

	for (size_t i = byte < reader->length ? reader->length : byte; i-- > byte;)
		word = word << 8 | reader->bytes[i];
	return word >> shift;
}

/* Zeros up to the next one, at most limit; -1: more, or none comes. */
static inline int64_t
read_unary(HllRiceReader *reader, int64_t limit)
{
	int64_t zeros = 0;

	for (;;)
	{
		uint64_t word = peek(reader) & ((UINT64_C(1) << 56) - 1);

		if (word != 0)
		{
			int run = __builtin_ctzll(word);

			reader->bit += (size_t) run + 1;
			zeros += run;
			return zeros <= limit ? zeros : -1;
		}
		reader->bit += 56;
		zeros += 56;
		if (zeros > limit || reader->bit >= reader->length * 8)
			return -1;
	}
}

/* One pair, the general case: long runs of zeros, and the last one. */
static bool
read_slow(HllRiceReader *reader, uint32_t *pair)
{
	int64_t limit = INT64_C(1) << reader->index_bits;
	int64_t high = read_unary(reader, limit >> reader->rice_bits);
	int64_t index;
	int64_t value;

	if (high < 0)
		return false;
	index = high << reader->rice_bits;
	index |= (int64_t) (peek(reader) & ((UINT64_C(1) << reader->rice_bits) - 1));
	index += reader->previous + 1;
	reader->bit += (size_t) reader->rice_bits;
	value = read_unary(reader, 62);
	if (index >= limit || value < 0)
		return false;
	reader->previous = index;
	if (reader->index_bits == HLL_INDEX_BITS)
	{
		if (value > VALUE_OF_NONE)
			return false;
		*pair = (uint32_t) index << 6 | (value == VALUE_OF_NONE ? 0 : (uint32_t) value + 1);
	}
	else
		*pair = (uint32_t) index << 6 | ((uint32_t) value + 1);
	return true;
}

/* Eight bytes from there on; zeros behind the end. length >= 8. */
static inline uint64_t
load_ahead(const uint8_t *bytes, size_t length, size_t at)
{
	if (at + 8 <= length)
		return hll_load64(bytes + at);
	return at < length ? hll_load64(bytes + length - 8) >> 8 * (at + 8 - length) : 0;
}

/*
 * Pairs while their runs are short, and never the last of all; returns how many. They go to pairs,
 * or, as tokens, into registers where these are given (which the compiler knows when inlining).
 *
 * Reading is one chain of dependent steps, so what counts is the chain's length. Behind a gap's low
 * bits the unary value and the unary head of the next gap follow each other: the lowest two ones of
 * the word end them, and the second one says how far to go on. `word` holds the `valid` next bits,
 * and is filled up from an address that does not wait for it.
 */
static inline __attribute__((always_inline)) uint32_t
read_quickly(HllRiceReader *reader, uint32_t *pairs, HllState *state, uint32_t n)
{
	/* Copies, since a store to a register could change what pointers lead to. */
	const uint8_t *bytes = reader->bytes;
	const size_t length = reader->length;
	const int precision = state != NULL ? state->precision : 0;
	const uint32_t cap = state != NULL ? (1u << state->width) - 1 : 0;
	const int rice = reader->rice_bits;
	const uint64_t low_bits = (UINT64_C(1) << rice) - 1;
	/* 56 bits are sure to be there; values of 38 on are read the other way. */
	const int longest = rice > 18 ? 55 - rice : 37;
	int64_t index = reader->previous;
	size_t at = (reader->bit >> 3) + 7;
	uint64_t word = load_ahead(bytes, length, reader->bit >> 3) >> (reader->bit & 7);
	int valid = 56 - (int) (reader->bit & 7);
	int high = __builtin_ctzll(word | UINT64_C(1) << 63);
	uint32_t i;

	if (high > 25)
		return 0;
	word = word >> high >> 1;
	valid -= high + 1;
	for (i = 0; i < n; i++)
	{
		uint64_t rest;
		uint64_t low;
		uint32_t token;
		int value;
		int run;

		word |= load_ahead(bytes, length, at) << valid;
		at += (size_t) (63 - valid) >> 3;
		valid |= 56;
		low = word & low_bits;
		rest = word >> rice;
		value = __builtin_ctzll(rest | UINT64_C(1) << 63);
		/* The guard stands in for a one that is missing, and is too far away to pass. */
		run = __builtin_ctzll((rest & (rest - 1)) | UINT64_C(1) << 63);
		if (run > longest)
			break;
		index += (int64_t) ((uint64_t) high << rice | low) + 1;
		token = (uint32_t) index << 6 | ((uint32_t) value + 1);
		if (state != NULL)
			hll_raise_register(hll_registers(state), token, precision, cap);
		else
			pairs[i] = token;
		high = run - value - 1;
		word = rest >> run >> 1;
		valid -= rice + run + 1;
	}
	/* Back to where the pair begins of which the head has been read. */
	reader->bit = at * 8 - (size_t) valid - (size_t) high - 1;
	reader->previous = index;
	return i;
}

bool
hll_rice_read(HllRiceReader *reader, uint32_t *pairs, uint32_t n)
{
	const int64_t limit = INT64_C(1) << reader->index_bits;
	uint32_t done = 0;

	while (done < n)
	{
		if (reader->length >= 8)
			done += read_quickly(reader, pairs + done, NULL, n - done);
		if (done < n && !read_slow(reader, &pairs[done++]))
			return false;
		/* Indices ascend: the last one speaks for all. */
		if (reader->previous >= limit)
			return false;
	}
	return true;
}

bool
hll_rice_raise(HllRiceReader *reader, HllState *registers, uint32_t n)
{
	const int64_t limit = INT64_C(1) << reader->index_bits;
	uint32_t token;

	for (uint32_t done = 0; done < n;)
	{
		if (reader->length >= 8)
			done += read_quickly(reader, NULL, registers, n - done);
		if (done < n)
		{
			if (!read_slow(reader, &token))
				return false;
			hll_raise_by_token(registers, token);
			done++;
		}
		if (reader->previous >= limit)
			return false;
	}
	return true;
}
