/*
 * A sketch of the distribution of doubles, for quantiles: how many values lie in each bucket of
 * relative width.
 *
 * After Masson, Rim and Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees" (PVLDB 12(12)), with buckets that are linear within a power of two
 * instead of logarithmic: a bucket's number is the top of the double's own bits, sign apart, so
 * that it is the same on every machine. With b bits of the fraction, a bucket [lo, hi) has
 * (hi - lo) / lo <= 2^-b, and the value 2 lo hi / (lo + hi) lies within a share of 1 / (2^(b+1) +
 * 1) of all values in it. (Below 2^-1022, where doubles lose digits, within 2^-1023-b of them.)
 *
 * Counts are whole numbers: sketches merge exactly, in any order, and lose exactly what is taken
 * away again. Counts may be negative: the negative of a sketch is one, too.
 *
 * Pure C: no PostgreSQL; memory comes from the caller's two functions.
 */
#ifndef TELEMETRY_SKETCH_QUANTILE_H
#define TELEMETRY_SKETCH_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sketch/memory.h"

#define QUANTILE_LEAST_BITS 1
#define QUANTILE_MOST_BITS  10

/* Smallest packed sketch: format, version, bits. */
#define QUANTILE_HEADER 3

/* Before what is loose: its format; the rest of the header is behind it. */
#define QUANTILE_LOOSE_HEAD 1

/*
 * Numbers of buckets are in the order of values: 0 is zero, then by magnitude, negative ones below;
 * infinities have buckets of their own, and NaN, which SQL sorts last, the last one.
 */
typedef struct QuantileBucket
{
	int32_t number;
	int64_t count;
} QuantileBucket;

/* Being built: a hash table of buckets. */
typedef struct QuantileSketch
{
	int bits;       /* 0: nothing came yet */
	uint32_t used;  /* slots in use, some with a count of 0 */
	uint32_t slots; /* a power of two, or 0 */
	QuantileBucket *slot;
} QuantileSketch;

/* Packed bytes, being read; they were checked, or are not to be trusted further than this does. */
typedef struct QuantileReader
{
	const uint8_t *next;
	const uint8_t *end;
	int bits;
	int32_t number;
	bool begun;
	bool loose; /* in no order */
} QuantileReader;

/* Bits for an error of at most that share, 0 where none or too many would do; and back. */
extern int quantile_bits_for(double error);
extern double quantile_error_of(int bits);

extern void quantile_init(QuantileSketch *sketch);
extern void quantile_reset(QuantileSketch *sketch, const SketchMemory *memory);

/* These are false, and the sketch of no use, where a count leaves its range of 2^62. */
extern bool quantile_add(QuantileSketch *sketch, int bits, double value, int64_t count,
						 const SketchMemory *memory);
extern bool quantile_merge(QuantileSketch *sketch, const void *bytes, size_t size, bool subtract,
						   const SketchMemory *memory);
extern bool quantile_merge_sketch(QuantileSketch *sketch, const QuantileSketch *other,
								  const SketchMemory *memory);

/* Packed bytes follow from the multiset of values and the bits alone. */
extern size_t quantile_pack_bound(const QuantileSketch *sketch);
extern size_t quantile_pack(const QuantileSketch *sketch, uint8_t *out, const SketchMemory *memory);

/*
 * Of two packed sketches. 0 where a count leaves its range. Room: a count may take a byte more
 * when its sign changes, and a first number one of its own when it comes behind another.
 */
static inline size_t
quantile_union_bound(size_t a_size, size_t b_size)
{
	return a_size + 2 * b_size + QUANTILE_HEADER;
}

extern size_t quantile_union(const void *a, size_t a_size, const void *b, size_t b_size,
							 bool subtract, uint8_t *out);

/*
 * What comes to a sketch that is kept as it is, beside it: loose bytes, which only quantile_merge()
 * takes. Writes what is added, and behind it all of loose (NULL: there is nothing yet); returns the
 * size, 0 where their bits differ. A bucket has 2 bytes at least, and 5 for its number at most.
 */
static inline size_t
quantile_loose_bound(size_t loose_size, size_t added_size)
{
	return QUANTILE_HEADER + loose_size + 4 * added_size;
}

extern bool quantile_is_loose(const void *bytes, size_t size);
extern const char *quantile_open_any(QuantileReader *reader, const void *bytes, size_t size);
extern size_t quantile_loose_write(const void *loose, size_t loose_size, const void *added,
								   size_t added_size, uint8_t *out);

/* NULL, or what is wrong with bytes that packing would not have given. */
extern const char *quantile_check(const void *bytes, size_t size);

/* NULL, or what is wrong with the header; reading itself is safe with any bytes. */
extern const char *quantile_open(QuantileReader *reader, const void *bytes, size_t size);
extern bool quantile_next(QuantileReader *reader, QuantileBucket *bucket);

/* Values in it. False where that leaves its range or a count is negative. */
extern bool quantile_count(const void *bytes, size_t size, int64_t *count);

/* The value whose rank is ceil(fraction * count), as percentile_disc() has it; count > 0. */
extern double quantile_value(const void *bytes, size_t size, int64_t count, double fraction);

/* Readable form. The text's size follows from the packed one. */
extern size_t quantile_text_bound(size_t size);
extern void quantile_write(const void *bytes, size_t size, char *text);
extern size_t quantile_read_bound(const char *text);
extern const char *quantile_read(const char *text, uint8_t *out, size_t *size);

/* For the files of this sketch: buckets in rising order become packed bytes. */
typedef struct QuantileWriter
{
	uint8_t *begin;
	uint8_t *out;
	int32_t last;
	QuantileBucket pending;
	bool any;
	bool overflow;
} QuantileWriter;

extern void quantile_writer_begin(QuantileWriter *writer, int bits, uint8_t *out);
extern void quantile_writer_put(QuantileWriter *writer, int32_t number, int64_t count);
extern size_t quantile_writer_end(QuantileWriter *writer);
extern bool quantile_add_counts(int64_t *count, int64_t other);
extern int32_t quantile_fold(int32_t number, int from, int to);
extern int32_t quantile_nan(int bits);

#endif
