/*
 * AVX-512 with VBMI2 (Ice Lake, Zen 4 and later): a block of 64 registers at a time; a plane's word
 * is a mask register as it stands, and exceptions are spread and gathered by one instruction.
 */
#include "sketch/hll_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi2,avx2,popcnt,bmi")))

TARGET static void
avx512_max(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += 64)
		_mm512_storeu_si512(
			dst + i, _mm512_max_epu8(_mm512_loadu_si512(dst + i), _mm512_loadu_si512(src + i)));
}

TARGET static void
avx512_histogram(const uint8_t *registers, size_t n, uint32_t *histogram)
{
	__m512i low = _mm512_set1_epi8(-1);
	__m512i high = _mm512_setzero_si512();
	uint8_t lows[64];
	uint8_t highs[64];
	int least = 255;
	int greatest = 0;

	for (size_t i = 0; i < n; i += 64)
	{
		__m512i v = _mm512_loadu_si512(registers + i);

		low = _mm512_min_epu8(low, v);
		high = _mm512_max_epu8(high, v);
	}
	_mm512_storeu_si512(lows, low);
	_mm512_storeu_si512(highs, high);
	for (int i = 0; i < 64; i++)
	{
		least = lows[i] < least ? lows[i] : least;
		greatest = highs[i] > greatest ? highs[i] : greatest;
	}
	memset(histogram, 0, HLL_VALUES * sizeof(uint32_t));
	for (int value = least; value <= greatest; value++)
	{
		__m512i wanted = _mm512_set1_epi8((char) value);
		uint64_t count = 0;

		for (size_t i = 0; i < n; i += 64)
			count += (uint64_t) _mm_popcnt_u64(
				_mm512_cmpeq_epi8_mask(_mm512_loadu_si512(registers + i), wanted));
		histogram[value] = (uint32_t) count;
	}
}

TARGET static size_t
avx512_count_exceptions(const uint8_t *planes, size_t blocks)
{
	return hll_simd_avx2.count_exceptions(planes, blocks);
}

TARGET static void
avx512_count_codes(const uint8_t *planes, size_t blocks, uint32_t *counts)
{
	hll_simd_avx2.count_codes(planes, blocks, counts);
}

TARGET static size_t
avx512_merge_planes(uint8_t *dst, const uint8_t *planes, size_t blocks, uint8_t base,
					const uint8_t *exceptions)
{
	const uint8_t *start = exceptions;
	const __m512i bases = _mm512_set1_epi8((char) base);

	for (size_t block = 0; block < blocks; block++, planes += 24, dst += 64)
	{
		__mmask64 low = hll_load64(planes);
		__mmask64 middle = hll_load64(planes + 8);
		__mmask64 high = hll_load64(planes + 16);
		__mmask64 exceptional = low & middle & high;
		__m512i value = bases;

		value = _mm512_mask_add_epi8(value, low, value, _mm512_set1_epi8(1));
		value = _mm512_mask_add_epi8(value, middle, value, _mm512_set1_epi8(2));
		value = _mm512_mask_add_epi8(value, high, value, _mm512_set1_epi8(4));
		value = _mm512_mask_expand_epi8(value, exceptional, _mm512_loadu_si512(exceptions));
		exceptions += _mm_popcnt_u64(exceptional);
		_mm512_storeu_si512(dst, _mm512_max_epu8(value, _mm512_loadu_si512(dst)));
	}
	return (size_t) (exceptions - start);
}

TARGET static size_t
avx512_make_planes(const uint8_t *registers, size_t blocks, uint8_t base, uint8_t *planes,
				   uint8_t *exceptions)
{
	const uint8_t *start = exceptions;
	const __m512i bases = _mm512_set1_epi8((char) base);
	const __m512i seven = _mm512_set1_epi8(7);

	for (size_t block = 0; block < blocks; block++, planes += 24, registers += 64)
	{
		__m512i v = _mm512_loadu_si512(registers);
		__m512i code = _mm512_min_epu8(_mm512_sub_epi8(v, bases), seven);
		__mmask64 low = _mm512_test_epi8_mask(code, _mm512_set1_epi8(1));
		__mmask64 middle = _mm512_test_epi8_mask(code, _mm512_set1_epi8(2));
		__mmask64 high = _mm512_test_epi8_mask(code, _mm512_set1_epi8(4));
		__mmask64 exceptional = low & middle & high;

		hll_store64(planes, low);
		hll_store64(planes + 8, middle);
		hll_store64(planes + 16, high);
		_mm512_storeu_si512(exceptions, _mm512_maskz_compress_epi8(exceptional, v));
		exceptions += _mm_popcnt_u64(exceptional);
	}
	return (size_t) (exceptions - start);
}

TARGET static void
avx512_expand_nibbles(const uint8_t *nibbles, size_t n, const uint8_t *table, uint8_t *out)
{
	hll_simd_avx2.expand_nibbles(nibbles, n, table, out);
}

const HllSimd hll_simd_avx512 = {
	.name = "avx512",
	.max = avx512_max,
	.histogram = avx512_histogram,
	.count_exceptions = avx512_count_exceptions,
	.count_codes = avx512_count_codes,
	.merge_planes = avx512_merge_planes,
	.make_planes = avx512_make_planes,
	.expand_nibbles = avx512_expand_nibbles,
};

#endif
