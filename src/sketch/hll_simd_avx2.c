/*
 * AVX2: 32 registers at a time. Compiled in on every x86-64, used where the processor has it.
 */
#include "sketch/hll_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,popcnt,bmi")))

TARGET static void
avx2_max(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += 32)
	{
		__m256i a = _mm256_loadu_si256((const __m256i *) (dst + i));
		__m256i b = _mm256_loadu_si256((const __m256i *) (src + i));

		_mm256_storeu_si256((__m256i *) (dst + i), _mm256_max_epu8(a, b));
	}
}

/* Least and greatest of n values. */
TARGET static void
avx2_range(const uint8_t *registers, size_t n, uint8_t *least, uint8_t *greatest)
{
	__m256i low = _mm256_set1_epi8(-1);
	__m256i high = _mm256_setzero_si256();
	uint8_t lows[32];
	uint8_t highs[32];

	for (size_t i = 0; i < n; i += 32)
	{
		__m256i v = _mm256_loadu_si256((const __m256i *) (registers + i));

		low = _mm256_min_epu8(low, v);
		high = _mm256_max_epu8(high, v);
	}
	_mm256_storeu_si256((__m256i *) lows, low);
	_mm256_storeu_si256((__m256i *) highs, high);
	*least = 255;
	*greatest = 0;
	for (int i = 0; i < 32; i++)
	{
		*least = lows[i] < *least ? lows[i] : *least;
		*greatest = highs[i] > *greatest ? highs[i] : *greatest;
	}
}

/* Few values occur, so comparing with each of them beats counting one register at a time. */
TARGET static void
avx2_histogram(const uint8_t *registers, size_t n, uint32_t *histogram)
{
	uint8_t least;
	uint8_t greatest;

	avx2_range(registers, n, &least, &greatest);
	memset(histogram, 0, HLL_VALUES * sizeof(uint32_t));
	for (int value = least; value <= greatest; value++)
	{
		__m256i wanted = _mm256_set1_epi8((char) value);
		uint32_t count = 0;

		for (size_t i = 0; i < n; i += 32)
		{
			__m256i v = _mm256_loadu_si256((const __m256i *) (registers + i));

			count += (uint32_t) _mm_popcnt_u32(
				(uint32_t) _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, wanted)));
		}
		histogram[value] = count;
	}
}

TARGET static size_t
avx2_count_exceptions(const uint8_t *planes, size_t blocks)
{
	size_t count = 0;

	for (size_t block = 0; block < blocks; block++, planes += 24)
		count += (size_t) _mm_popcnt_u64(hll_load64(planes) & hll_load64(planes + 8) &
										 hll_load64(planes + 16));
	return count;
}

TARGET static void
avx2_count_codes(const uint8_t *planes, size_t blocks, uint32_t *counts)
{
	uint64_t low_count = 0;
	uint64_t middle_count = 0;
	uint64_t high_count = 0;
	uint64_t low_middle = 0;
	uint64_t low_high = 0;
	uint64_t middle_high = 0;
	uint64_t all = 0;

	for (size_t block = 0; block < blocks; block++, planes += 24)
	{
		uint64_t low = hll_load64(planes);
		uint64_t middle = hll_load64(planes + 8);
		uint64_t high = hll_load64(planes + 16);

		low_count += (uint64_t) _mm_popcnt_u64(low);
		middle_count += (uint64_t) _mm_popcnt_u64(middle);
		high_count += (uint64_t) _mm_popcnt_u64(high);
		low_middle += (uint64_t) _mm_popcnt_u64(low & middle);
		low_high += (uint64_t) _mm_popcnt_u64(low & high);
		middle_high += (uint64_t) _mm_popcnt_u64(middle & high);
		all += (uint64_t) _mm_popcnt_u64(low & middle & high);
	}
	/* Inclusion and exclusion. */
	counts[7] += (uint32_t) all;
	counts[6] += (uint32_t) (middle_high - all);
	counts[5] += (uint32_t) (low_high - all);
	counts[3] += (uint32_t) (low_middle - all);
	counts[4] += (uint32_t) (high_count - middle_high - low_high + all);
	counts[2] += (uint32_t) (middle_count - middle_high - low_middle + all);
	counts[1] += (uint32_t) (low_count - low_high - low_middle + all);
	counts[0] += (uint32_t) (blocks * 64 - low_count - middle_count - high_count + low_middle +
							 low_high + middle_high - all);
}

/* 32 bits to 32 bytes of 0 or 255. */
TARGET static inline __m256i
avx2_spread(uint32_t bits)
{
	const __m256i bytes = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
										   2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i each = _mm256_set1_epi64x((long long) UINT64_C(0x8040201008040201));
	__m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int) bits), bytes);

	return _mm256_cmpeq_epi8(_mm256_and_si256(v, each), each);
}

TARGET static size_t
avx2_merge_planes(uint8_t *dst, const uint8_t *planes, size_t blocks, uint8_t base,
				  const uint8_t *exceptions)
{
	const uint8_t *start = exceptions;
	const __m256i bases = _mm256_set1_epi8((char) base);

	for (size_t half = 0; half < blocks * 2; half++, dst += 32)
	{
		const uint8_t *at = planes + half / 2 * 24 + half % 2 * 4;
		uint32_t bits[3];
		__m256i low;
		__m256i middle;
		__m256i high;
		__m256i value;

		memcpy(&bits[0], at, 4);
		memcpy(&bits[1], at + 8, 4);
		memcpy(&bits[2], at + 16, 4);
		low = avx2_spread(bits[0]);
		middle = avx2_spread(bits[1]);
		high = avx2_spread(bits[2]);
		value = _mm256_or_si256(_mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(1)),
												_mm256_and_si256(middle, _mm256_set1_epi8(2))),
								_mm256_and_si256(high, _mm256_set1_epi8(4)));
		value = _mm256_add_epi8(value, bases);
		value = _mm256_andnot_si256(_mm256_and_si256(_mm256_and_si256(low, middle), high), value);
		value = _mm256_max_epu8(value, _mm256_loadu_si256((const __m256i *) dst));
		_mm256_storeu_si256((__m256i *) dst, value);
		for (uint32_t left = bits[0] & bits[1] & bits[2]; left != 0; left &= left - 1)
		{
			uint8_t *reg = dst + _tzcnt_u32(left);
			uint8_t exception = *exceptions++;

			*reg = *reg < exception ? exception : *reg;
		}
	}
	return (size_t) (exceptions - start);
}

TARGET static size_t
avx2_make_planes(const uint8_t *registers, size_t blocks, uint8_t base, uint8_t *planes,
				 uint8_t *exceptions)
{
	const uint8_t *start = exceptions;
	const __m256i bases = _mm256_set1_epi8((char) base);
	const __m256i seven = _mm256_set1_epi8(7);

	for (size_t half = 0; half < blocks * 2; half++, registers += 32)
	{
		uint8_t *at = planes + half / 2 * 24 + half % 2 * 4;
		__m256i v = _mm256_loadu_si256((const __m256i *) registers);
		__m256i code = _mm256_min_epu8(_mm256_sub_epi8(v, bases), seven);
		uint32_t bits[3];

		/* The mask is made of top bits. */
		bits[0] = (uint32_t) _mm256_movemask_epi8(_mm256_slli_epi16(code, 7));
		bits[1] = (uint32_t) _mm256_movemask_epi8(_mm256_slli_epi16(code, 6));
		bits[2] = (uint32_t) _mm256_movemask_epi8(_mm256_slli_epi16(code, 5));
		memcpy(at, &bits[0], 4);
		memcpy(at + 8, &bits[1], 4);
		memcpy(at + 16, &bits[2], 4);
		for (uint32_t left = bits[0] & bits[1] & bits[2]; left != 0; left &= left - 1)
			*exceptions++ = registers[_tzcnt_u32(left)];
	}
	return (size_t) (exceptions - start);
}

TARGET static void
avx2_expand_nibbles(const uint8_t *nibbles, size_t n, const uint8_t *table, uint8_t *out)
{
	const __m128i lookup = _mm_loadu_si128((const __m128i *) table);
	const __m128i mask = _mm_set1_epi8(15);
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
	{
		__m128i v = _mm_loadu_si128((const __m128i *) (nibbles + i));
		__m128i low = _mm_shuffle_epi8(lookup, _mm_and_si128(v, mask));
		__m128i high = _mm_shuffle_epi8(lookup, _mm_and_si128(_mm_srli_epi16(v, 4), mask));

		_mm_storeu_si128((__m128i *) (out + 2 * i), _mm_unpacklo_epi8(low, high));
		_mm_storeu_si128((__m128i *) (out + 2 * i + 16), _mm_unpackhi_epi8(low, high));
	}
	hll_simd_scalar.expand_nibbles(nibbles + i, n - i, table, out + 2 * i);
}

const HllSimd hll_simd_avx2 = {
	.name = "avx2",
	.max = avx2_max,
	.histogram = avx2_histogram,
	.count_exceptions = avx2_count_exceptions,
	.count_codes = avx2_count_codes,
	.merge_planes = avx2_merge_planes,
	.make_planes = avx2_make_planes,
	.expand_nibbles = avx2_expand_nibbles,
};

#endif
