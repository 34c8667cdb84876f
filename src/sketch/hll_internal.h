/*
 * What the hll_*.c files share among themselves.
 */
#ifndef TELEMETRY_SKETCH_HLL_INTERNAL_H
#define TELEMETRY_SKETCH_HLL_INTERNAL_H

#include <string.h>

#include "sketch/hll.h"

#define HLL_EMPTY_TOKEN UINT32_C(0xFFFFFFFF)

/* Packed header: format, kind, precision and width, cutoff. */
#define HLL_HEADER 4
#define HLL_FORMAT 0xF1

/* Of what is loose: so much of its header is before it, the rest behind. */
#define HLL_LOOSE_HEAD   1
#define HLL_FORMAT_LOOSE 0xE1

/* Dense registers come in blocks of 64; smaller sketches have zero registers as padding. */
#define HLL_BLOCK 64

static inline uint32_t
hll_register_count(int precision)
{
	return UINT32_C(1) << precision;
}

static inline uint32_t
hll_padded_count(int precision)
{
	uint32_t m = hll_register_count(precision);

	return m < HLL_BLOCK ? HLL_BLOCK : m;
}

static inline uint32_t *
hll_slots(const HllState *state)
{
	return (uint32_t *) state->data;
}

static inline int64_t *
hll_elements(const HllState *state)
{
	return (int64_t *) state->data;
}

/* What the token's hash would set register `token_index & (m - 1)` to; 0: nothing. */
static inline uint32_t
hll_token_value(uint32_t token, int precision)
{
	uint32_t middle = (token >> 6) >> precision;
	uint32_t value = token & 63;

	if (middle != 0)
		return (uint32_t) __builtin_ctz(middle) + 1;
	return value == 0 ? 0 : value + (uint32_t) (HLL_INDEX_BITS - precision);
}

static inline void
hll_raise(uint8_t *registers, uint32_t index, uint32_t value, uint32_t cap)
{
	if (value > cap)
		value = cap;
	if (registers[index] < value)
		registers[index] = (uint8_t) value;
}

/*
 * Stores what was there when the register does not rise: whether it does is a branch that nobody
 * can foretell while the set grows.
 */
static inline void
hll_raise_register(uint8_t *registers, uint32_t token, int precision, uint32_t cap)
{
	uint32_t value = hll_token_value(token, precision);
	uint8_t *reg = registers + ((token >> 6) & (hll_register_count(precision) - 1));
	uint8_t here = *reg;

	value = value < cap ? value : cap;
	*reg = here < value ? (uint8_t) value : here;
}

static inline void
hll_raise_by_token(HllState *state, uint32_t token)
{
	hll_raise_register(hll_registers(state), token, state->precision, (1u << state->width) - 1);
}

static inline uint64_t
hll_load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline void
hll_store64(uint8_t *bytes, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	memcpy(bytes, &word, 8);
}

/* ---- hll_state.c ----------------------------------------------------------------------------- */

extern HllState *hll_create_registers(int precision, int width, int cutoff,
									  const SketchMemory *memory);
extern HllState *hll_create_explicit(int precision, int width, int cutoff, uint32_t capacity,
									 const SketchMemory *memory);
extern HllState *hll_to_registers(HllState *state, const SketchMemory *memory);
extern HllState *hll_insert_token(HllState *state, uint32_t token, const SketchMemory *memory);
extern HllState *hll_reserve_tokens(HllState *state, uint32_t count, const SketchMemory *memory);
extern HllState *hll_insert_tokens(HllState *state, const uint32_t *tokens, uint32_t n,
								   const SketchMemory *memory);
extern HllState *hll_insert_elements(HllState *state, const int64_t *elements, uint32_t n,
									 const SketchMemory *memory);
extern uint32_t hll_sorted_tokens(const HllState *state, uint32_t *out);

/*
 * Makes dst's parameters those of the union with a sketch that has the given ones; afterwards dst
 * is in the form that the union needs, unless the count of what is still to come says otherwise.
 */
extern HllState *hll_join(HllState *dst, int precision, int width, int cutoff, bool registers,
						  const SketchMemory *memory);

/* Folds and raises: dst has at most src's precision and width. */
extern void hll_fold_into(HllState *dst, const uint8_t *registers, int precision);

/* ---- hll_rice.c: sorted (index, value) pairs as bits ----------------------------------------- */

typedef struct HllRiceReader
{
	const uint8_t *bytes;
	size_t length;
	size_t bit;
	uint32_t remaining;
	int index_bits;
	int rice_bits;
	int64_t previous;
} HllRiceReader;

/* Room for the count, and for the bits. Pairs are index << 6 | value; value 0 only as a token. */
extern size_t hll_rice_size(const uint32_t *pairs, uint32_t n, int index_bits);
extern void hll_rice_write(const uint32_t *pairs, uint32_t n, int index_bits, uint8_t *out);
extern const char *hll_rice_count(const uint8_t *bytes, size_t length, int index_bits,
								  uint32_t *count);
extern bool hll_rice_open(HllRiceReader *reader, const uint8_t *bytes, size_t length,
						  int index_bits);

/* Pairs that are worth reading at once: enough to be quick, few enough for the stack. */
#define HLL_RICE_BATCH 128

/* The next n tokens straight into registers: raising hides behind reading. False: damaged. */
extern bool hll_rice_raise(HllRiceReader *reader, HllState *registers, uint32_t n);

/* The next n pairs, of all together as many as `remaining` said. False: damaged. */
extern bool hll_rice_read(HllRiceReader *reader, uint32_t *pairs, uint32_t n);

/* ---- hll_dense.c: registers as bit planes ---------------------------------------------------- */

extern size_t hll_dense_size(const uint32_t *histogram, int precision, uint8_t *base);
extern void hll_dense_write(const uint8_t *registers, int precision, uint8_t base, uint8_t *out);

/* Raises m (padded) registers to the ones in the bytes. False: damaged. */
extern bool hll_dense_merge(uint8_t *registers, int precision, const uint8_t *bytes, size_t length);
extern bool hll_dense_histogram(const uint8_t *bytes, size_t length, int precision,
								uint32_t *histogram);

/* ---- hll_loose.c ----------------------------------------------------------------------------- */

extern const char *hll_loose_count(size_t length, int kind, uint32_t *count);
extern bool hll_loose_raise(uint8_t *registers, const HllView *src);
extern HllState *hll_loose_insert(HllState *dst, const HllView *src, const SketchMemory *memory,
								  const char **error);

/* ---- hll_simd*.c ----------------------------------------------------------------------------- */

/* Planes: per block three little-endian words, bit i of word k = bit k of register i's code. */
typedef struct HllSimd
{
	const char *name;

	/* n is a multiple of 64 in all of them. */
	void (*max)(uint8_t *dst, const uint8_t *src, size_t n);
	void (*histogram)(const uint8_t *registers, size_t n, uint32_t *histogram);

	/* Registers that have code 7; and those that have code c, for each c. */
	size_t (*count_exceptions)(const uint8_t *planes, size_t blocks);
	void (*count_codes)(const uint8_t *planes, size_t blocks, uint32_t *counts);

	/*
	 * Raises registers by base + code; those with code 7 by the next byte of exceptions, which has
	 * 64 readable bytes behind its end. Returns how many exceptions were used.
	 */
	size_t (*merge_planes)(uint8_t *dst, const uint8_t *planes, size_t blocks, uint8_t base,
						   const uint8_t *exceptions);

	/* Writes planes, and the values outside base .. base + 6 to exceptions (room for 64 more). */
	size_t (*make_planes)(const uint8_t *registers, size_t blocks, uint8_t base, uint8_t *planes,
						  uint8_t *exceptions);

	/* Nibbles, the low one first, through a table: 2 * n bytes out. */
	void (*expand_nibbles)(const uint8_t *nibbles, size_t n, const uint8_t *table, uint8_t *out);
} HllSimd;

extern const HllSimd hll_simd_scalar;
#if defined(__x86_64__)
extern const HllSimd hll_simd_avx2;
extern const HllSimd hll_simd_avx512;
#elif defined(__aarch64__)
extern const HllSimd hll_simd_neon;
#endif

extern const HllSimd *hll_simd_chosen(void);

#endif
