/*
 * A quantile sketch being built: which bucket a value is in, and a hash table of those met.
 */
#include "sketch/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FREE_SLOT   INT32_MIN
#define FIRST_SLOTS 32
#define INFINITE    0x7FF /* exponent of infinities and NaN */

double
quantile_error_of(int bits)
{
	return bits == 0 ? 0 : 1 / (double) ((2 << bits) + 1);
}

int
quantile_bits_for(double error)
{
	if (!(error <= 0.2))
		return 0;
	for (int bits = QUANTILE_LEAST_BITS; bits <= QUANTILE_MOST_BITS; bits++)
		if (quantile_error_of(bits) <= error)
			return bits;
	return 0;
}

/* ---- buckets --------------------------------------------------------------------------------- */

int32_t
quantile_nan(int bits)
{
	return (INFINITE << bits) + 2;
}

static int32_t
number_of(double value, int bits)
{
	uint64_t image;
	int32_t number;

	if (isnan(value))
		return quantile_nan(bits);
	if (value == 0)
		return 0;
	memcpy(&image, &value, sizeof(image));
	number = (int32_t) ((image & ~(UINT64_C(1) << 63)) >> (52 - bits)) + 1;
	return value < 0 ? -number : number;
}

/* The bucket, of fewer bits, in which that bucket lies. */
int32_t
quantile_fold(int32_t number, int from, int to)
{
	int32_t magnitude = number < 0 ? -number : number;

	if (from == to || number == 0)
		return number;
	if (number == quantile_nan(from))
		return quantile_nan(to);
	magnitude = ((magnitude - 1) >> (from - to)) + 1;
	return number < 0 ? -magnitude : magnitude;
}

bool
quantile_add_counts(int64_t *count, int64_t other)
{
	const int64_t most = INT64_C(1) << 62;

	return !__builtin_add_overflow(*count, other, count) && *count <= most && *count >= -most;
}

/* ---- the table ------------------------------------------------------------------------------- */

void
quantile_init(QuantileSketch *sketch)
{
	memset(sketch, 0, sizeof(*sketch));
}

void
quantile_reset(QuantileSketch *sketch, const SketchMemory *memory)
{
	if (sketch->slot)
		memory->release(memory->arg, sketch->slot);
	quantile_init(sketch);
}

static QuantileBucket *
slot_of(QuantileBucket *slots, uint32_t n, int32_t number)
{
	uint32_t at = (uint32_t) number * UINT32_C(0x9E3779B1);

	for (at ^= at >> 15;; at++)
	{
		QuantileBucket *slot = &slots[at & (n - 1)];

		if (slot->number == number || slot->number == FREE_SLOT)
			return slot;
	}
}

/* All buckets into a table of that size, with so many bits. */
static bool
move(QuantileSketch *sketch, uint32_t n, int bits, const SketchMemory *memory)
{
	QuantileBucket *slots = memory->allocate(memory->arg, sizeof(QuantileBucket) * n);
	uint32_t used = 0;
	bool fits = true;

	for (uint32_t i = 0; i < n; i++)
		slots[i].number = FREE_SLOT;
	for (uint32_t i = 0; i < sketch->slots; i++)
	{
		const QuantileBucket *from = &sketch->slot[i];
		QuantileBucket *to;

		if (from->number == FREE_SLOT || from->count == 0)
			continue;
		to = slot_of(slots, n, quantile_fold(from->number, sketch->bits, bits));
		if (to->number == FREE_SLOT)
		{
			to->number = quantile_fold(from->number, sketch->bits, bits);
			to->count = 0;
			used++;
		}
		fits = quantile_add_counts(&to->count, from->count) && fits;
	}
	if (sketch->slot)
		memory->release(memory->arg, sketch->slot);
	sketch->slot = slots;
	sketch->slots = n;
	sketch->used = used;
	sketch->bits = bits;
	return fits;
}

/* The sketch takes values of so many bits from now on, or had fewer before. */
static bool
agree(QuantileSketch *sketch, int bits, const SketchMemory *memory)
{
	if (sketch->bits == 0)
		sketch->bits = bits;
	return sketch->bits <= bits || move(sketch, sketch->slots, bits, memory);
}

static bool
add(QuantileSketch *sketch, int32_t number, int64_t count, const SketchMemory *memory)
{
	QuantileBucket *slot;

	if (sketch->used >= sketch->slots - sketch->slots / 4 &&
		!move(sketch, sketch->slots ? sketch->slots * 2 : FIRST_SLOTS, sketch->bits, memory))
		return false;
	slot = slot_of(sketch->slot, sketch->slots, number);
	if (slot->number == FREE_SLOT)
	{
		slot->number = number;
		slot->count = 0;
		sketch->used++;
	}
	return quantile_add_counts(&slot->count, count);
}

bool
quantile_add(QuantileSketch *sketch, int bits, double value, int64_t count,
			 const SketchMemory *memory)
{
	return agree(sketch, bits, memory) &&
		   add(sketch, number_of(value, sketch->bits), count, memory);
}

bool
quantile_merge(QuantileSketch *sketch, const void *bytes, size_t size, bool subtract,
			   const SketchMemory *memory)
{
	QuantileReader reader;
	QuantileBucket bucket;

	if (quantile_open_any(&reader, bytes, size) != NULL || reader.bits == 0)
		return true;
	if (!agree(sketch, reader.bits, memory))
		return false;
	while (quantile_next(&reader, &bucket))
		if (!add(sketch, quantile_fold(bucket.number, reader.bits, sketch->bits),
				 subtract ? -bucket.count : bucket.count, memory))
			return false;
	return true;
}

bool
quantile_merge_sketch(QuantileSketch *sketch, const QuantileSketch *other,
					  const SketchMemory *memory)
{
	if (other->bits == 0)
		return true;
	if (!agree(sketch, other->bits, memory))
		return false;
	for (uint32_t i = 0; i < other->slots; i++)
		if (other->slot[i].number != FREE_SLOT &&
			!add(sketch, quantile_fold(other->slot[i].number, other->bits, sketch->bits),
				 other->slot[i].count, memory))
			return false;
	return true;
}

/* ---- packing --------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	int32_t one = ((const QuantileBucket *) a)->number;
	int32_t other = ((const QuantileBucket *) b)->number;

	return one < other ? -1 : one > other;
}

/* A number takes up to 5 bytes, a count up to 10. */
size_t
quantile_pack_bound(const QuantileSketch *sketch)
{
	return QUANTILE_HEADER + (size_t) 15 * sketch->used;
}

size_t
quantile_pack(const QuantileSketch *sketch, uint8_t *out, const SketchMemory *memory)
{
	QuantileBucket *sorted =
		memory->allocate(memory->arg, sizeof(QuantileBucket) * ((size_t) sketch->used + 1));
	QuantileWriter writer;
	uint32_t n = 0;

	for (uint32_t i = 0; i < sketch->slots; i++)
		if (sketch->slot[i].number != FREE_SLOT && sketch->slot[i].count != 0)
			sorted[n++] = sketch->slot[i];
	qsort(sorted, n, sizeof(QuantileBucket), compare);
	quantile_writer_begin(&writer, sketch->bits, out);
	for (uint32_t i = 0; i < n; i++)
		quantile_writer_put(&writer, sorted[i].number, sorted[i].count);
	memory->release(memory->arg, sorted);
	return quantile_writer_end(&writer);
}
