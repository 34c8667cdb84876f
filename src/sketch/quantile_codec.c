/*
 * Packed quantile sketches: format 'Q', version, bits; then for each bucket with a count, in rising
 * order, the distance from the one before and the count, as LEB128 (signed ones by zigzag). A
 * sketch of nothing has no bits, so that it is one, whatever it was.
 *
 * What came to a sketch that is kept as it is may stand beside it in the order of time, newest
 * first, so that what is added leaves all bytes as they were that are there: buckets in no order,
 * each with its own number. It can be merged, and nothing else.
 */
#include "sketch/quantile.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT  'Q'
#define VERSION 1
#define LOOSE   'q' /* in the place of the format: what came to another, newest first */
#define MOST    (INT64_C(1) << 62)

static const char name[] = "quantile_sketch/1;bits=";

/* ---- numbers --------------------------------------------------------------------------------- */

static uint8_t *
put_varint(uint8_t *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*out++ = (uint8_t) (value | 0x80);
	*out++ = (uint8_t) value;
	return out;
}

static uint64_t
zigzag(int64_t value)
{
	return ((uint64_t) value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t
unzigzag(uint64_t value)
{
	return (int64_t) (value >> 1) ^ -(int64_t) (value & 1);
}

/* False at the end, or where the bytes are none of ours. */
static bool
get_varint(QuantileReader *reader, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && reader->next < reader->end; shift += 7)
	{
		uint8_t byte = *reader->next++;

		if (shift == 63 && byte > 1)
			return false;
		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return byte != 0 || shift == 0;
	}
	return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

void
quantile_writer_begin(QuantileWriter *writer, int bits, uint8_t *out)
{
	memset(writer, 0, sizeof(*writer));
	writer->begin = out;
	writer->out = out;
	*writer->out++ = FORMAT;
	*writer->out++ = VERSION;
	*writer->out++ = (uint8_t) bits;
}

static void
flush(QuantileWriter *writer)
{
	const QuantileBucket *bucket = &writer->pending;

	if (bucket->count == 0)
		return;
	writer->out = put_varint(writer->out,
							 writer->any ? (uint64_t) ((int64_t) bucket->number - writer->last - 1)
										 : zigzag(bucket->number));
	writer->out = put_varint(writer->out, zigzag(bucket->count));
	writer->last = bucket->number;
	writer->any = true;
	writer->pending.count = 0;
}

void
quantile_writer_put(QuantileWriter *writer, int32_t number, int64_t count)
{
	if (writer->pending.number != number)
	{
		flush(writer);
		writer->pending.number = number;
	}
	if (!quantile_add_counts(&writer->pending.count, count))
		writer->overflow = true;
}

/* 0 where a count left its range. */
size_t
quantile_writer_end(QuantileWriter *writer)
{
	flush(writer);
	if (!writer->any)
		writer->begin[2] = 0;
	return writer->overflow ? 0 : (size_t) (writer->out - writer->begin);
}

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * Of what is loose, version and bits stand at the end: an update logs a row from the first byte
 * that changed to the last, and they would lie between the row's counts and what came.
 */
static const uint8_t *
version_of(const uint8_t *in, size_t size, bool loose)
{
	return loose ? in + size - (QUANTILE_HEADER - QUANTILE_LOOSE_HEAD) : in + 1;
}

static const char *
open_either(QuantileReader *reader, const void *bytes, size_t size, bool loose)
{
	const uint8_t *in = bytes;
	const uint8_t *version;

	if (size < QUANTILE_HEADER)
		return "it is shorter than a header";
	version = version_of(in, size, loose);
	if (in[0] != (loose ? LOOSE : FORMAT) || version[0] != VERSION)
		return "its format or version is unknown";
	if (version[1] > QUANTILE_MOST_BITS)
		return "it has too many bits";
	reader->next = in + (loose ? QUANTILE_LOOSE_HEAD : QUANTILE_HEADER);
	reader->end = loose ? version : in + size;
	reader->bits = version[1];
	reader->number = 0;
	reader->begun = false;
	reader->loose = loose;
	return NULL;
}

const char *
quantile_open(QuantileReader *reader, const void *bytes, size_t size)
{
	return open_either(reader, bytes, size, false);
}

bool
quantile_is_loose(const void *bytes, size_t size)
{
	return size >= QUANTILE_HEADER && *(const uint8_t *) bytes == LOOSE;
}

const char *
quantile_open_any(QuantileReader *reader, const void *bytes, size_t size)
{
	return open_either(reader, bytes, size, quantile_is_loose(bytes, size));
}

bool
quantile_next(QuantileReader *reader, QuantileBucket *bucket)
{
	uint64_t distance;
	uint64_t count;
	int64_t number;
	int32_t last = quantile_nan(reader->bits);

	if (reader->bits == 0 || !get_varint(reader, &distance) || !get_varint(reader, &count))
		return false;
	if (distance > (uint64_t) 2 * UINT32_MAX)
		return false;
	number = reader->begun ? (int64_t) reader->number + 1 + (int64_t) distance : unzigzag(distance);
	if (number > last || number < -(last - 1))
		return false;
	bucket->number = reader->number = (int32_t) number;
	bucket->count = unzigzag(count);
	reader->begun = !reader->loose;
	return bucket->count != 0 && bucket->count <= MOST && bucket->count >= -MOST;
}

const char *
quantile_check(const void *bytes, size_t size)
{
	QuantileReader reader;
	QuantileBucket bucket;
	const char *error = quantile_open(&reader, bytes, size);

	if (error)
		return error;
	if ((reader.bits == 0) != (reader.next == reader.end))
		return "only a sketch of nothing has no bits";
	while (reader.next < reader.end)
		if (!quantile_next(&reader, &bucket))
			return "a bucket is none that was written";
	return NULL;
}

/* ---- two of them ----------------------------------------------------------------------------- */

typedef struct Side
{
	QuantileReader reader;
	QuantileBucket bucket;
	bool there;
} Side;

static void
advance(Side *side, int bits)
{
	side->there = quantile_next(&side->reader, &side->bucket);
	if (side->there)
		side->bucket.number = quantile_fold(side->bucket.number, side->reader.bits, bits);
}

size_t
quantile_union(const void *a, size_t a_size, const void *b, size_t b_size, bool subtract,
			   uint8_t *out)
{
	QuantileWriter writer;
	Side one = {.there = false};
	Side other = {.there = false};
	int bits;

	if (quantile_open(&one.reader, a, a_size) != NULL ||
		quantile_open(&other.reader, b, b_size) != NULL)
		return 0;
	bits = one.reader.bits;
	if (bits == 0 || (other.reader.bits != 0 && other.reader.bits < bits))
		bits = other.reader.bits;
	quantile_writer_begin(&writer, bits, out);
	advance(&one, bits);
	advance(&other, bits);
	while (one.there || other.there)
		if (one.there && (!other.there || one.bucket.number <= other.bucket.number))
		{
			quantile_writer_put(&writer, one.bucket.number, one.bucket.count);
			advance(&one, bits);
		}
		else
		{
			quantile_writer_put(&writer, other.bucket.number,
								subtract ? -other.bucket.count : other.bucket.count);
			advance(&other, bits);
		}
	return quantile_writer_end(&writer);
}

/* ---- beside another -------------------------------------------------------------------------- */

size_t
quantile_loose_write(const void *loose, size_t loose_size, const void *added, size_t added_size,
					 uint8_t *out)
{
	uint8_t *end = out + QUANTILE_LOOSE_HEAD;
	QuantileReader reader;
	QuantileBucket bucket;
	const uint8_t *rest = out; /* what is loose already */
	size_t rest_size = 0;

	if (quantile_open(&reader, added, added_size) != NULL)
		return 0;
	if (loose != NULL)
	{
		QuantileReader old;

		if (open_either(&old, loose, loose_size, true) != NULL || old.bits != reader.bits)
			return 0;
		rest = old.next;
		rest_size = (size_t) (old.end - old.next);
	}
	out[0] = LOOSE;
	while (quantile_next(&reader, &bucket))
	{
		end = put_varint(end, zigzag(bucket.number));
		end = put_varint(end, zigzag(bucket.count));
	}
	memcpy(end, rest, rest_size);
	end += rest_size;
	*end++ = VERSION;
	*end++ = (uint8_t) reader.bits;
	return (size_t) (end - out);
}

/* ---- quantiles ------------------------------------------------------------------------------- */

bool
quantile_count(const void *bytes, size_t size, int64_t *count)
{
	QuantileReader reader;
	QuantileBucket bucket;

	*count = 0;
	if (quantile_open(&reader, bytes, size) != NULL)
		return false;
	while (quantile_next(&reader, &bucket))
		if (bucket.count < 0 || !quantile_add_counts(count, bucket.count))
			return false;
	return true;
}

static double
double_of(uint64_t image)
{
	double value;

	memcpy(&value, &image, sizeof(value));
	return value;
}

/* Of all values the one that is nearest, as a share, to both ends of the bucket. */
static double
middle_of(int32_t number, int bits)
{
	uint64_t index = (uint64_t) ((number < 0 ? -number : number) - 1);
	uint64_t low = index << (52 - bits);
	uint64_t high = (index + 1) << (52 - bits);
	double middle;

	if (number == 0)
		return 0;
	if (number == quantile_nan(bits))
		return NAN;
	middle = double_of(low);
	if (middle == 0)
		middle = double_of(high) / 2;
	else if (!isinf(middle))
	{
		/* By a quarter of both where that is exact, since the upper end may be infinity. */
		uint64_t quarter = low >> 52 > 2 ? UINT64_C(2) << 52 : 0;
		double lower = double_of(low - quarter);
		double upper = double_of(high - quarter);

		middle *= 2 * upper / (lower + upper);
	}
	return number < 0 ? -middle : middle;
}

double
quantile_value(const void *bytes, size_t size, int64_t count, double fraction)
{
	QuantileReader reader;
	QuantileBucket bucket = {0, 0};
	double rank = ceil(fraction * (double) count);
	int64_t seen = 0;

	if (quantile_open(&reader, bytes, size) != NULL)
		return NAN;
	while (quantile_next(&reader, &bucket))
	{
		seen += bucket.count;
		if ((double) seen >= rank)
			break;
	}
	return middle_of(bucket.number, reader.bits);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The shortest bucket has 2 bytes; the longest text of one, ";-2147483648=-4611686018427387904". */
size_t
quantile_text_bound(size_t size)
{
	return sizeof(name) + 4 + (size / 2 + 1) * 34;
}

void
quantile_write(const void *bytes, size_t size, char *text)
{
	QuantileReader reader;
	QuantileBucket bucket;

	*text = '\0';
	if (quantile_open(&reader, bytes, size) != NULL)
		return;
	text += sprintf(text, "%s%d", name, reader.bits);
	while (quantile_next(&reader, &bucket))
		text += sprintf(text, ";%" PRId32 "=%" PRId64, bucket.number, bucket.count);
}

/* The shortest bucket in text is ";0=1". */
size_t
quantile_read_bound(const char *text)
{
	return QUANTILE_HEADER + (strlen(text) / 4 + 1) * 15;
}

/* Digits as they are written: no sign but a minus, no zero before others. */
static const char *
read_number(const char *in, int64_t *value)
{
	bool negative = *in == '-';
	const char *digits = in + negative;

	*value = 0;
	for (in = digits; *in >= '0' && *in <= '9'; in++)
	{
		if (in - digits >= 19 || *value > MOST / 10)
			return NULL;
		*value = *value * 10 + (*in - '0');
	}
	if (in == digits || (*digits == '0' && (in > digits + 1 || negative)) || *value > MOST)
		return NULL;
	if (negative)
		*value = -*value;
	return in;
}

const char *
quantile_read(const char *text, uint8_t *out, size_t *size)
{
	QuantileWriter writer;
	int64_t bits;
	int64_t number;
	int64_t last = INT64_MIN;
	int64_t count;

	if (strncmp(text, name, strlen(name)) != 0)
		return "it does not begin with quantile_sketch/1;bits=";
	text = read_number(text + strlen(name), &bits);
	if (text == NULL || bits < 0 || bits > QUANTILE_MOST_BITS)
		return "bits are a number up to 10";
	quantile_writer_begin(&writer, (int) bits, out);
	for (; *text == ';'; last = number)
	{
		text = read_number(text + 1, &number);
		if (text == NULL || *text != '=' || (text = read_number(text + 1, &count)) == NULL ||
			count == 0)
			return "a bucket is its number, = and its count";
		if (number <= last || number > quantile_nan((int) bits) ||
			number < -quantile_nan((int) bits))
			return "numbers of buckets rise, and there are not as many";
		quantile_writer_put(&writer, (int32_t) number, count);
	}
	if (*text != '\0')
		return "something stands behind it";
	*size = quantile_writer_end(&writer);
	/* Bits without buckets would be lost silently. */
	if (bits != out[2])
		return "only a sketch of nothing has no bits";
	return *size == 0 ? "a count is out of range" : quantile_check(out, *size);
}
