/*
 * NEON: 16 registers at a time. Every 64-bit ARM has it, so there is nothing to ask at run time.
 */
#include "sketch/hll_internal.h"

#if defined(__aarch64__)

#include <arm_neon.h>

static void
neon_max(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		vst1q_u8(dst + i, vmaxq_u8(vld1q_u8(dst + i), vld1q_u8(src + i)));
}

/* Few values occur, so comparing with each of them beats counting one register at a time. */
static void
neon_histogram(const uint8_t *registers, size_t n, uint32_t *histogram)
{
	uint8x16_t low = vdupq_n_u8(255);
	uint8x16_t high = vdupq_n_u8(0);

	for (size_t i = 0; i < n; i += 16)
	{
		uint8x16_t v = vld1q_u8(registers + i);

		low = vminq_u8(low, v);
		high = vmaxq_u8(high, v);
	}
	memset(histogram, 0, HLL_VALUES * sizeof(uint32_t));
	for (int value = vminvq_u8(low); value <= vmaxvq_u8(high); value++)
	{
		uint8x16_t wanted = vdupq_n_u8((uint8_t) value);
		uint32_t count = 0;

		/* A block's four comparisons count at most 4 a lane, 64 in all: no byte overflows. */
		for (size_t i = 0; i < n; i += 64)
		{
			uint8x16_t sum = vdupq_n_u8(0);

			for (size_t j = i; j < i + 64; j += 16)
				sum = vsubq_u8(sum, vceqq_u8(vld1q_u8(registers + j), wanted));
			count += vaddvq_u8(sum);
		}
		histogram[value] = count;
	}
}

/* 16 bits to 16 bytes of 0 or 255. */
static inline uint8x16_t
neon_spread(const uint8_t *bits)
{
	static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
	uint8x16_t v = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));

	return vtstq_u8(v, vld1q_u8(each));
}

static size_t
neon_merge_planes(uint8_t *dst, const uint8_t *planes, size_t blocks, uint8_t base,
				  const uint8_t *exceptions)
{
	const uint8_t *start = exceptions;
	const uint8x16_t bases = vdupq_n_u8(base);

	for (size_t block = 0; block < blocks; block++, planes += 24, dst += 64)
	{
		uint64_t left = hll_load64(planes) & hll_load64(planes + 8) & hll_load64(planes + 16);

		for (int part = 0; part < 4; part++)
		{
			uint8x16_t low = neon_spread(planes + 2 * part);
			uint8x16_t middle = neon_spread(planes + 8 + 2 * part);
			uint8x16_t high = neon_spread(planes + 16 + 2 * part);
			uint8x16_t value = vandq_u8(low, vdupq_n_u8(1));

			value = vorrq_u8(value, vandq_u8(middle, vdupq_n_u8(2)));
			value = vorrq_u8(value, vandq_u8(high, vdupq_n_u8(4)));
			value = vaddq_u8(value, bases);
			value = vbicq_u8(value, vandq_u8(vandq_u8(low, middle), high));
			vst1q_u8(dst + 16 * part, vmaxq_u8(value, vld1q_u8(dst + 16 * part)));
		}
		for (; left != 0; left &= left - 1)
		{
			uint8_t *reg = dst + __builtin_ctzll(left);
			uint8_t exception = *exceptions++;

			*reg = *reg < exception ? exception : *reg;
		}
	}
	return (size_t) (exceptions - start);
}

static void
neon_expand_nibbles(const uint8_t *nibbles, size_t n, const uint8_t *table, uint8_t *out)
{
	const uint8x16_t lookup = vld1q_u8(table);
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
	{
		uint8x16_t v = vld1q_u8(nibbles + i);
		uint8x16x2_t both = {{vqtbl1q_u8(lookup, vandq_u8(v, vdupq_n_u8(15))),
							  vqtbl1q_u8(lookup, vshrq_n_u8(v, 4))}};

		vst2q_u8(out + 2 * i, both);
	}
	hll_simd_scalar.expand_nibbles(nibbles + i, n - i, table, out + 2 * i);
}

/* Counting bits is one instruction already where the compiler may use it, and packing is rare. */
static size_t
neon_count_exceptions(const uint8_t *planes, size_t blocks)
{
	return hll_simd_scalar.count_exceptions(planes, blocks);
}

static void
neon_count_codes(const uint8_t *planes, size_t blocks, uint32_t *counts)
{
	hll_simd_scalar.count_codes(planes, blocks, counts);
}

static size_t
neon_make_planes(const uint8_t *registers, size_t blocks, uint8_t base, uint8_t *planes,
				 uint8_t *exceptions)
{
	return hll_simd_scalar.make_planes(registers, blocks, base, planes, exceptions);
}

const HllSimd hll_simd_neon = {
	.name = "neon",
	.max = neon_max,
	.histogram = neon_histogram,
	.count_exceptions = neon_count_exceptions,
	.count_codes = neon_count_codes,
	.merge_planes = neon_merge_planes,
	.make_planes = neon_make_planes,
	.expand_nibbles = neon_expand_nibbles,
};

#endif
