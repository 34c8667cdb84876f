/*
 * HyperLogLog: how many distinct values were in a multiset.
 *
 * Pure C: no PostgreSQL, no global state, no allocation of its own (memory comes from the caller's
 * two functions). A sketch has two shapes: HllState, flat and quick to add to, and the packed
 * bytes, small and canonical: equal sets with equal parameters give equal bytes, in whatever order
 * values were added and sketches merged. README.md explains the forms and why they are canonical.
 *
 * Values come in as 64-bit hashes, assumed uniform. The low `precision` bits choose a register,
 * the position of the lowest set bit above them (from 1) is its value: as postgresql-hll does it.
 */
#ifndef TELEMETRY_SKETCH_HLL_H
#define TELEMETRY_SKETCH_HLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sketch/memory.h"

#define HLL_MIN_PRECISION     4
#define HLL_MAX_PRECISION     18
#define HLL_DEFAULT_PRECISION 14

/* Bits of a register in a sketch of our own: holds any value that a 64-bit hash can give. */
#define HLL_NATIVE_WIDTH 6

/* `cutoff` of a sketch of our own. Other values are storage v1's cutoff byte (hll_storage.c). */
#define HLL_NATIVE 0x80

/* Bits of index in a token. */
#define HLL_INDEX_BITS 26

/* Registers hold 0 .. 65 - precision; histograms have room for every byte, so none can overrun. */
#define HLL_VALUES 256

/* ---- hashing --------------------------------------------------------------------------------- */

/* First word of MurmurHash3 x64_128, seed 0; the same on every platform. */
extern uint64_t hll_hash_bytes(const void *data, size_t length);

/* The same over the lowest `length` (1, 2, 4 or 8) bytes of an integer, little-endian. */
extern uint64_t hll_hash_word(uint64_t value, int length);

/* Spreads a 64-bit hash whose bits may be uneven (MurmurHash3's finalizer, a bijection). */
extern uint64_t hll_hash_mix(uint64_t hash);

/* ---- a sketch being built -------------------------------------------------------------------- */

typedef enum HllForm
{
	HLL_TOKENS,   /* hash table of 32-bit tokens: 26 bits of index, 6 of value */
	HLL_EXPLICIT, /* sorted 64-bit hashes; only with storage v1's parameters */
	HLL_REGISTERS /* one byte per register */
} HllForm;

/* Tokens that wait in a state's first cache line; see hll_add_later(). */
#define HLL_PENDING 12

/*
 * Flat: one block of memory, no pointers, so that a group costs one allocation and moves freely.
 * The head fills a cache line.
 */
typedef struct HllState
{
	uint8_t precision;
	uint8_t width;  /* registers saturate at 2^width - 1 */
	uint8_t cutoff; /* HLL_NATIVE or storage v1's byte */
	uint8_t form;   /* HllForm */
	uint32_t count; /* tokens or hashes held */
	uint32_t slots; /* room: slots of the token table, or hashes */
	uint32_t npending;
	uint32_t pending[HLL_PENDING];
	uint64_t data[];
} HllState;

static inline uint8_t *
hll_registers(const HllState *state)
{
	return (uint8_t *) state->data;
}

static inline uint32_t
hll_max_value(int precision, int width)
{
	uint32_t cap = (1u << width) - 1;
	uint32_t top = 65 - (uint32_t) precision;

	return cap < top ? cap : top;
}

extern HllState *hll_create(int precision, int width, int cutoff, const SketchMemory *memory);
extern HllState *hll_copy(const HllState *state, const SketchMemory *memory);
extern size_t hll_state_size(const HllState *state);
extern HllState *hll_add_slow(HllState *state, uint64_t hash, const SketchMemory *memory);

/* Adds a value. The state may move: go on with what is returned. */
static inline HllState *
hll_add(HllState *state, uint64_t hash, const SketchMemory *memory)
{
	if (state->form == HLL_REGISTERS)
	{
		uint64_t rest = hash >> state->precision;
		uint64_t index = hash & ((UINT64_C(1) << state->precision) - 1);
		uint8_t *reg = hll_registers(state) + index;

		/* An all-zero rest has no lowest set bit; postgresql-hll leaves such a hash out as well. */
		if (rest != 0)
		{
			uint32_t value = (uint32_t) __builtin_ctzll(rest) + 1;
			uint32_t cap = (1u << state->width) - 1;

			if (value > cap)
				value = cap;
			if (*reg < value)
				*reg = (uint8_t) value;
		}
		return state;
	}
	return hll_add_slow(state, hash, memory);
}

/*
 * 26 bits of index, then the position of the lowest set bit of the other 38 from 1 on; 0: none is
 * set, so that a larger token of the same index always says more.
 */
static inline uint32_t
hll_token(uint64_t hash)
{
	uint32_t index = (uint32_t) hash & ((UINT32_C(1) << HLL_INDEX_BITS) - 1);
	uint64_t rest = hash >> HLL_INDEX_BITS;
	uint32_t value = rest == 0 ? 0 : (uint32_t) __builtin_ctzll(rest) + 1;

	return index << 6 | value;
}

extern HllState *hll_settle(HllState *state, const SketchMemory *memory);

/*
 * Adds a value to a sketch of our own, for many groups at once: a value then mostly touches one
 * cache line of its group instead of two, and a dozen that go on together wait for memory together.
 * hll_settle() must come before anything else is asked of the state.
 */
static inline HllState *
hll_add_later(HllState *state, uint64_t hash, const SketchMemory *memory)
{
	state->pending[state->npending++] = hll_token(hash);
	if (state->npending == HLL_PENDING)
		state = hll_settle(state, memory);
	return state;
}

/* dst becomes the union of both; src is left alone. dst may move. */
extern HllState *hll_merge(HllState *dst, const HllState *src, const SketchMemory *memory);

/*
 * What added has that base has not: base joined with it is base joined with added. NULL: nothing.
 * It is all of added where forms or parameters do not let one tell. base is left alone, added is
 * used up: it may be what is returned.
 */
extern HllState *hll_beyond(const HllState *base, HllState *added, const SketchMemory *memory);

/* Folds to a smaller precision (larger ones are left as they are): what adding there had given. */
extern HllState *hll_fold(HllState *state, int precision, const SketchMemory *memory);

/* ---- packed bytes ---------------------------------------------------------------------------- */

typedef enum HllKind
{
	HLL_PACKED_TOKENS = 1,
	HLL_PACKED_EXPLICIT = 2,
	HLL_PACKED_SPARSE = 3, /* registers, few of them not zero */
	HLL_PACKED_DENSE = 4,  /* registers, as bit planes */
	/* Read, but never what packing gives: what came to a set, newest first (hll_loose.c). */
	HLL_PACKED_LOOSE_TOKENS = 5,
	HLL_PACKED_LOOSE_REGISTERS = 6
} HllKind;

/* Packed bytes with their header read. Points into them. */
typedef struct HllView
{
	uint8_t precision;
	uint8_t width;
	uint8_t cutoff;
	uint8_t kind;
	uint32_t count; /* tokens, hashes or, but for HLL_PACKED_DENSE, registers that are not zero */
	const uint8_t *payload;
	size_t length;
} HllView;

/*
 * Reads the header. NULL, or what is wrong. After it the other functions are safe on any bytes, but
 * only hll_check() tells whether they mean something.
 */
extern const char *hll_view(const void *bytes, size_t length, HllView *view);

/* Reads all of it and compares with what hll_pack() would write. NULL, or what is wrong. */
extern const char *hll_check(const void *bytes, size_t length, const SketchMemory *memory);

static inline bool
hll_is_empty(const HllView *view)
{
	return view->count == 0 && view->kind <= HLL_PACKED_EXPLICIT;
}

static inline bool
hll_is_loose(const HllView *view)
{
	return view->kind >= HLL_PACKED_LOOSE_TOKENS;
}

/* NULL when the bytes are damaged so that no state can be made of them. */
extern HllState *hll_unpack(const HllView *view, const SketchMemory *memory);

/* As hll_merge(), straight from packed bytes; *error is set (and dst half-merged) when damaged. */
extern HllState *hll_merge_packed(HllState *dst, const HllView *src, const SketchMemory *memory,
								  const char **error);

/* ---- text ------------------------------------------------------------------------------------ */

/* Room for what stands before the bytes. */
#define HLL_TEXT_HEAD 80

/* tokens, explicit, sparse or dense. */
extern const char *hll_form_name(const HllView *view);

/* Writes a terminated string of less than HLL_TEXT_HEAD + 2 * length characters. */
extern void hll_text_write(const HllView *view, const void *bytes, size_t length, char *out);

/* Reads it back, checked; bytes has room for strlen(text) / 2. NULL, or what is wrong. */
extern const char *hll_text_read(const char *text, void *bytes, size_t *length,
								 const SketchMemory *memory);

/* ---- packing --------------------------------------------------------------------------------- */

/* Packing in two steps, so that the caller allocates exactly what is needed, with his header. */
typedef struct HllPacker
{
	const HllState *state;
	size_t size; /* bytes that hll_pack() will write */
	uint8_t kind;
	uint8_t base;
	uint32_t count;
	uint32_t *sorted; /* scratch: tokens or (index, value) pairs in order */
} HllPacker;

extern void hll_pack_prepare(const HllState *state, HllPacker *packer, const SketchMemory *memory);
extern void hll_pack(HllPacker *packer, void *out, const SketchMemory *memory);

/*
 * What comes to a set that is kept as it is, beside it: bytes of a loose kind, which are merged as
 * any others are. Can it be, with what is beside base by now (or NULL)? The room that is needed;
 * and writing it: all of loose, and before it what base and loose have not of added. Both states
 * are used up. Returns its size, 0 if loose is damaged.
 */
extern bool hll_loose_can(const HllState *base, const HllView *loose, const HllState *added);
extern size_t hll_loose_bound(const HllState *base, const HllView *loose, const HllState *added);
extern size_t hll_loose_write(HllState *base, const HllView *loose, HllState *added, uint8_t *out,
							  const SketchMemory *memory);

/* ---- answers --------------------------------------------------------------------------------- */

/* Number of distinct values; infinity when every register is saturated. */
extern double hll_estimate(const HllState *state);
extern double hll_estimate_packed(const HllView *view, const char **error);

/* From a histogram of register values; the rest of hll_estimate.c builds on it. */
extern double hll_estimate_histogram(const uint32_t *histogram, int precision, int width);

/* Relative standard error that an estimate from this form has at most. */
extern double hll_standard_error(int precision, bool tokens, bool exact);

/* Tokens that are kept before registers take over. */
extern uint32_t hll_token_limit(int precision);

/* Registers that are not zero. */
extern uint32_t hll_nonzero(const HllState *state);

/* NULL, or the invariant that the state breaks: for tests and assertions. */
extern const char *hll_check_state(const HllState *state);

/* ---- storage v1, which postgresql-hll, java-hll and others share ----------------------------- */

/* NULL and *error on bytes that do not follow the specification, or that we cannot hold. */
extern HllState *hll_storage_read(const void *bytes, size_t length, const SketchMemory *memory,
								  const char **error);

typedef struct HllStorage
{
	HllState *registers; /* scratch, or NULL */
	const HllState *state;
	size_t size;
	uint8_t type;
	uint8_t width;
	uint8_t cutoff;
} HllStorage;

/*
 * width and cutoff: storage v1's; a state that has such parameters of its own may pass those.
 * Registers saturate at 2^width - 1. Explicit hashes are written where the state still has them and
 * cutoff allows as many.
 */
extern void hll_storage_prepare(const HllState *state, int width, int cutoff, HllStorage *storage,
								const SketchMemory *memory);
extern void hll_storage_write(HllStorage *storage, void *out, const SketchMemory *memory);

/* Explicit hashes that storage v1's cutoff byte allows. */
extern uint32_t hll_explicit_limit(int precision, int width, int cutoff);

/* Name of the SIMD path in use; and a choice by hand, for tests: false if not to be had here. */
extern const char *hll_simd(void);
extern bool hll_simd_use(const char *name);

#endif
