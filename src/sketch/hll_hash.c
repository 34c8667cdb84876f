/*
 * MurmurHash3 x64_128 (Austin Appleby, public domain), seed 0, first word: what postgresql-hll's
 * hll_hash_* functions and java-hll use, so that sketches of both can meet. Bytes are read as
 * little-endian words whatever the platform, so the same value has the same hash everywhere.
 */
#include "sketch/hll_internal.h"

#define C1 UINT64_C(0x87c37b91114253d5)
#define C2 UINT64_C(0x4cf5ad432745937f)

static inline uint64_t
rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline uint64_t
finalize(uint64_t k)
{
	k ^= k >> 33;
	k *= UINT64_C(0xff51afd7ed558ccd);
	k ^= k >> 33;
	k *= UINT64_C(0xc4ceb9fe1a85ec53);
	return k ^ k >> 33;
}

static inline uint64_t
scramble1(uint64_t k)
{
	return rotate(k * C1, 31) * C2;
}

static inline uint64_t
scramble2(uint64_t k)
{
	return rotate(k * C2, 33) * C1;
}

static inline uint64_t
finish(uint64_t h1, uint64_t h2, uint64_t length)
{
	h1 ^= length;
	h2 ^= length;
	h1 += h2;
	h2 += h1;
	return finalize(h1) + finalize(h2);
}

/* Up to 8 bytes as a little-endian number. */
static inline uint64_t
load_tail(const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;

	for (size_t i = length; i-- > 0;)
		word = word << 8 | bytes[i];
	return word;
}

uint64_t
hll_hash_bytes(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint64_t h1 = 0;
	uint64_t h2 = 0;
	size_t left = length;

	for (; left >= 16; left -= 16, bytes += 16)
	{
		h1 ^= scramble1(hll_load64(bytes));
		h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
		h2 ^= scramble2(hll_load64(bytes + 8));
		h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;
	}
	if (left > 8)
		h2 ^= scramble2(load_tail(bytes + 8, left - 8));
	if (left > 0)
		h1 ^= scramble1(left >= 8 ? hll_load64(bytes) : load_tail(bytes, left));
	return finish(h1, h2, length);
}

uint64_t
hll_hash_word(uint64_t value, int length)
{
	if (length < 8)
		value &= (UINT64_C(1) << (8 * length)) - 1;
	return finish(scramble1(value), 0, (uint64_t) length);
}

uint64_t
hll_hash_mix(uint64_t hash)
{
	return finalize(hash);
}
