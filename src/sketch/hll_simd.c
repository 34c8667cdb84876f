/*
 * The scalar twin of the SIMD paths, and the choice among them at run time.
 *
 * All give the same bytes; test/unit/hll compares them. TELEMETRY has no build flag for it: each
 * path's functions carry their own target attribute, so one library runs everywhere.
 */
#include "sketch/hll_internal.h"

/* Spreads 8 bits to 8 bytes of 0 or 1, bit 0 to the lowest byte. */
static inline uint64_t
spread(uint8_t bits)
{
	uint64_t all = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);

	/* A byte that is not zero gets its top bit: no byte exceeds 128, so nothing carries over. */
	return (all + UINT64_C(0x7F7F7F7F7F7F7F7F)) >> 7 & UINT64_C(0x0101010101010101);
}

static void
scalar_max(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = dst[i] < src[i] ? src[i] : dst[i];
}

static void
scalar_histogram(const uint8_t *registers, size_t n, uint32_t *histogram)
{
	uint32_t parts[4][HLL_VALUES] = {{0}};

	/* Four counters per value: equal neighbours do not wait for each other. */
	for (size_t i = 0; i < n; i += 4)
	{
		parts[0][registers[i]]++;
		parts[1][registers[i + 1]]++;
		parts[2][registers[i + 2]]++;
		parts[3][registers[i + 3]]++;
	}
	for (int value = 0; value < HLL_VALUES; value++)
		histogram[value] = parts[0][value] + parts[1][value] + parts[2][value] + parts[3][value];
}

static size_t
scalar_count_exceptions(const uint8_t *planes, size_t blocks)
{
	size_t count = 0;

	for (size_t block = 0; block < blocks; block++, planes += 24)
		count += (size_t) __builtin_popcountll(hll_load64(planes) & hll_load64(planes + 8) &
											   hll_load64(planes + 16));
	return count;
}

static void
scalar_count_codes(const uint8_t *planes, size_t blocks, uint32_t *counts)
{
	for (size_t block = 0; block < blocks; block++, planes += 24)
	{
		uint64_t low = hll_load64(planes);
		uint64_t middle = hll_load64(planes + 8);
		uint64_t high = hll_load64(planes + 16);

		counts[0] += (uint32_t) __builtin_popcountll(~low & ~middle & ~high);
		counts[1] += (uint32_t) __builtin_popcountll(low & ~middle & ~high);
		counts[2] += (uint32_t) __builtin_popcountll(~low & middle & ~high);
		counts[3] += (uint32_t) __builtin_popcountll(low & middle & ~high);
		counts[4] += (uint32_t) __builtin_popcountll(~low & ~middle & high);
		counts[5] += (uint32_t) __builtin_popcountll(low & ~middle & high);
		counts[6] += (uint32_t) __builtin_popcountll(~low & middle & high);
		counts[7] += (uint32_t) __builtin_popcountll(low & middle & high);
	}
}

static size_t
scalar_merge_planes(uint8_t *dst, const uint8_t *planes, size_t blocks, uint8_t base,
					const uint8_t *exceptions)
{
	const uint8_t *start = exceptions;

	for (size_t block = 0; block < blocks; block++, planes += 24)
		for (int byte = 0; byte < 8; byte++, dst += 8)
		{
			uint64_t codes = spread(planes[byte]) | spread(planes[byte + 8]) << 1 |
							 spread(planes[byte + 16]) << 2;

			for (int i = 0; i < 8; i++, codes >>= 8)
			{
				uint8_t code = codes & 7;
				uint8_t value = code == 7 ? *exceptions++ : (uint8_t) (base + code);

				dst[i] = dst[i] < value ? value : dst[i];
			}
		}
	return (size_t) (exceptions - start);
}

static size_t
scalar_make_planes(const uint8_t *registers, size_t blocks, uint8_t base, uint8_t *planes,
				   uint8_t *exceptions)
{
	const uint8_t *start = exceptions;

	for (size_t block = 0; block < blocks; block++, planes += 24, registers += 64)
	{
		uint64_t words[3] = {0};

		for (int i = 0; i < 64; i++)
		{
			uint8_t code = (uint8_t) (registers[i] - base);

			if (code > 6)
			{
				code = 7;
				*exceptions++ = registers[i];
			}
			words[0] |= (uint64_t) (code & 1) << i;
			words[1] |= (uint64_t) (code >> 1 & 1) << i;
			words[2] |= (uint64_t) (code >> 2) << i;
		}
		for (int plane = 0; plane < 3; plane++)
			hll_store64(planes + 8 * plane, words[plane]);
	}
	return (size_t) (exceptions - start);
}

static void
scalar_expand_nibbles(const uint8_t *nibbles, size_t n, const uint8_t *table, uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
	{
		out[2 * i] = table[nibbles[i] & 15];
		out[2 * i + 1] = table[nibbles[i] >> 4];
	}
}

const HllSimd hll_simd_scalar = {
	.name = "scalar",
	.max = scalar_max,
	.histogram = scalar_histogram,
	.count_exceptions = scalar_count_exceptions,
	.count_codes = scalar_count_codes,
	.merge_planes = scalar_merge_planes,
	.make_planes = scalar_make_planes,
	.expand_nibbles = scalar_expand_nibbles,
};

/* ---- choice ---------------------------------------------------------------------------------- */

/* Best first. */
static const HllSimd *const paths[] = {
#if defined(__x86_64__)
	&hll_simd_avx512,
	&hll_simd_avx2,
#elif defined(__aarch64__)
	&hll_simd_neon,
#endif
	&hll_simd_scalar,
};

#define NPATHS (sizeof(paths) / sizeof(paths[0]))

static bool
runs_here(const HllSimd *path)
{
#if defined(__x86_64__)
	if (path == &hll_simd_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			   __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
	if (path == &hll_simd_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
			   __builtin_cpu_supports("bmi");
#endif
	return path != NULL;
}

static const HllSimd *chosen;

const HllSimd *
hll_simd_chosen(void)
{
	for (size_t i = 0; chosen == NULL; i++)
		if (runs_here(paths[i]))
			chosen = paths[i];
	return chosen;
}

const char *
hll_simd(void)
{
	return hll_simd_chosen()->name;
}

bool
hll_simd_use(const char *name)
{
	for (size_t i = 0; i < NPATHS; i++)
		if (strcmp(paths[i]->name, name) == 0 && runs_here(paths[i]))
		{
			chosen = paths[i];
			return true;
		}
	return false;
}
