/*
 * Numbers of 7 bits a byte, low ones first; the last byte has no highest bit. Each number has one
 * way of being written, and reading takes no other.
 */
#ifndef TELEMETRY_SKETCH_VARINT_H
#define TELEMETRY_SKETCH_VARINT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that a number takes at the most. */
#define VARINT_MOST 10

static inline size_t
varint_size(uint64_t number)
{
	size_t size = 1;

	while (number >= 0x80)
	{
		number >>= 7;
		size++;
	}
	return size;
}

static inline uint8_t *
varint_write(uint8_t *out, uint64_t number)
{
	while (number >= 0x80)
	{
		*out++ = (uint8_t) number | 0x80;
		number >>= 7;
	}
	*out++ = (uint8_t) number;
	return out;
}

/* NULL: the bytes end, or another way of writing the number is shorter. */
static inline const uint8_t *
varint_read(const uint8_t *in, const uint8_t *end, uint64_t *number)
{
	int shift;

	*number = 0;
	for (shift = 0; in < end && shift < 64; shift += 7)
	{
		uint8_t byte = *in++;

		*number |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return (byte == 0 && shift > 0) || (shift == 63 && byte > 1) ? NULL : in;
	}
	return NULL;
}

/* Signed ones, with the sign in the lowest bit. */
static inline uint64_t
varint_zigzag(int64_t number)
{
	return (uint64_t) number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

static inline int64_t
varint_unzigzag(uint64_t number)
{
	return (int64_t) (number >> 1 ^ (0 - (number & 1)));
}

#endif
