/*
 * Storage specification v1 of the Aggregate Knowledge HyperLogLog family (postgresql-hll, java-hll,
 * js-hll): github.com/aggregateknowledge/hll-storage-spec.
 *
 *   byte 0  version 1 << 4 | type: 1 EMPTY, 2 EXPLICIT, 3 SPARSE, 4 FULL
 *   byte 1  (register width - 1) << 5 | log2(number of registers)
 *   byte 2  sparse allowed << 6 | explicit cutoff (0 none, 63 automatic, else 2^(cutoff - 1))
 *   then    hashes, ascending as signed 64-bit numbers, big-endian; or (index, value) short words;
 *           or values; both from the top bit of each byte on, zero padded at the end
 *
 * What is read keeps bytes 1 and 2 as parameters, so what is written again is what postgresql-hll
 * would have written.
 */
#include "sketch/hll_internal.h"

#define V1          1
#define V1_HEADER   3
#define V1_EMPTY    1
#define V1_EXPLICIT 2
#define V1_SPARSE   3
#define V1_FULL     4

/* Far more than any implementation keeps before it turns to registers. */
#define MAX_ELEMENTS (1u << 20)

/* bits (at most 26) from position at, the top bit of a byte first. */
static uint32_t
get_bits(const uint8_t *bytes, size_t at, int bits)
{
	uint32_t value = 0;

	while (bits > 0)
	{
		int offset = (int) (at & 7);
		int take = 8 - offset < bits ? 8 - offset : bits;

		value = value << take |
				((uint32_t) (bytes[at >> 3] >> (8 - offset - take)) & ((1u << take) - 1));
		at += (size_t) take;
		bits -= take;
	}
	return value;
}

static void
put_bits(uint8_t *bytes, size_t at, uint32_t value, int bits)
{
	while (bits > 0)
	{
		int offset = (int) (at & 7);
		int take = 8 - offset < bits ? 8 - offset : bits;
		uint32_t part = value >> (bits - take) & ((1u << take) - 1);

		bytes[at >> 3] |= (uint8_t) (part << (8 - offset - take));
		at += (size_t) take;
		bits -= take;
	}
}

static const char *
read_explicit(HllState *state, const uint8_t *bytes)
{
	int64_t *elements = hll_elements(state);

	for (uint32_t i = 0; i < state->slots; i++)
	{
		uint64_t element = 0;

		for (int byte = 0; byte < 8; byte++)
			element = element << 8 | bytes[(size_t) i * 8 + (size_t) byte];
		elements[i] = (int64_t) element;
		if (i > 0 && elements[i - 1] >= elements[i])
			return "EXPLICIT set whose elements do not ascend";
	}
	state->count = state->slots;
	return NULL;
}

static const char *
read_sparse(HllState *state, const uint8_t *bytes, size_t length)
{
	int word = state->precision + state->width;
	uint32_t limit = hll_max_value(state->precision, state->width);
	int64_t previous = -1;
	size_t at = 0;

	for (; at + (size_t) word <= length * 8; at += (size_t) word)
	{
		uint32_t pair = get_bits(bytes, at, word);
		int64_t index = pair >> state->width;
		uint32_t value = pair & ((1u << state->width) - 1);

		/* Short words shorter than a byte may fit once more into the padding. */
		if (pair == 0 && length * 8 - at < 8)
			break;
		if (value == 0 || value > limit)
			return "SPARSE set with an impossible register value";
		if (index <= previous)
			return "SPARSE set whose register indices do not ascend";
		previous = index;
		hll_registers(state)[index] = (uint8_t) value;
	}
	if (length * 8 - at >= 8 || (at < length * 8 && get_bits(bytes, at, (int) (length * 8 - at))))
		return "SPARSE set whose padding is not zero";
	return NULL;
}

static const char *
read_full(HllState *state, const uint8_t *bytes, size_t length)
{
	uint32_t m = hll_register_count(state->precision);
	uint32_t limit = hll_max_value(state->precision, state->width);
	size_t bits = (size_t) m * state->width;

	if (length != (bits + 7) / 8)
		return "FULL set whose length does not fit its registers";
	for (uint32_t i = 0; i < m; i++)
	{
		uint32_t value = get_bits(bytes, (size_t) i * state->width, state->width);

		if (value > limit)
			return "FULL set with an impossible register value";
		hll_registers(state)[i] = (uint8_t) value;
	}
	if (bits % 8 != 0 && get_bits(bytes, bits, (int) (8 - bits % 8)) != 0)
		return "FULL set whose padding is not zero";
	return NULL;
}

HllState *
hll_storage_read(const void *bytes, size_t length, const SketchMemory *memory, const char **error)
{
	const uint8_t *head = bytes;
	int precision;
	int width;
	int type;
	HllState *state;

	*error = NULL;
	if (length < V1_HEADER)
		*error = "shorter than a header";
	else if (head[0] >> 4 != V1)
		*error = "schema version is not 1";
	else if ((head[1] & 31) > HLL_MAX_PRECISION)
		*error = "log2m is greater than 18";
	else if (head[2] & 0x80)
		*error = "cutoff byte has its padding bit set";
	else if ((head[0] & 15) < V1_EMPTY || (head[0] & 15) > V1_FULL)
		*error = (head[0] & 15) == 0 ? "type is UNDEFINED" : "unknown type";
	if (*error != NULL)
		return NULL;
	type = head[0] & 15;
	precision = head[1] & 31;
	width = (head[1] >> 5) + 1;
	length -= V1_HEADER;
	if (type == V1_EMPTY && length != 0)
		*error = "EMPTY set with data";
	else if (type == V1_EXPLICIT && length % 8 != 0)
		*error = "EXPLICIT set whose length is not a multiple of 8 bytes";
	else if (type == V1_EXPLICIT && length / 8 > MAX_ELEMENTS)
		*error = "EXPLICIT set of more than 1048576 elements";
	if (*error != NULL)
		return NULL;
	if (type == V1_EMPTY || type == V1_EXPLICIT)
		state = hll_create_explicit(precision, width, head[2], (uint32_t) (length / 8), memory);
	else
		state = hll_create_registers(precision, width, head[2], memory);
	if (type == V1_EXPLICIT)
		*error = read_explicit(state, head + V1_HEADER);
	else if (type == V1_SPARSE)
		*error = read_sparse(state, head + V1_HEADER, length);
	else if (type == V1_FULL)
		*error = read_full(state, head + V1_HEADER, length);
	if (*error == NULL && state->form == HLL_EXPLICIT &&
		state->count > hll_explicit_limit(precision, width, head[2]))
		state = hll_to_registers(state, memory);
	if (*error == NULL)
		return state;
	memory->release(memory->arg, state);
	return NULL;
}

void
hll_storage_prepare(const HllState *state, int width, int cutoff, HllStorage *storage,
					const SketchMemory *memory)
{
	uint32_t nonzero;
	size_t sparse;
	size_t full;

	memset(storage, 0, sizeof(*storage));
	storage->state = state;
	storage->width = (uint8_t) width;
	storage->cutoff = (uint8_t) cutoff;
	storage->size = V1_HEADER;
	if (state->form != HLL_REGISTERS && state->count == 0)
	{
		storage->type = V1_EMPTY;
		return;
	}
	if (state->form == HLL_EXPLICIT &&
		state->count <= hll_explicit_limit(state->precision, width, cutoff))
	{
		storage->type = V1_EXPLICIT;
		storage->size += (size_t) state->count * 8;
		return;
	}
	if (state->form != HLL_REGISTERS)
	{
		HllState *copy = hll_copy(state, memory);

		copy->width = (uint8_t) width;
		storage->registers = hll_to_registers(copy, memory);
		storage->state = storage->registers;
	}
	nonzero = hll_nonzero(storage->state);
	sparse = (size_t) nonzero * (size_t) (state->precision + width);
	full = (size_t) width << state->precision;
	if (cutoff & 0x40 && sparse < full)
	{
		storage->type = V1_SPARSE;
		storage->size += (sparse + 7) / 8;
	}
	else
	{
		storage->type = V1_FULL;
		storage->size += (full + 7) / 8;
	}
}

static void
write_registers(const HllStorage *storage, uint8_t *data)
{
	const HllState *state = storage->state;
	uint32_t cap = (1u << storage->width) - 1;
	size_t at = 0;

	memset(data, 0, storage->size - V1_HEADER);
	for (uint32_t i = 0; i < hll_register_count(state->precision); i++)
	{
		uint32_t value = hll_registers(state)[i];

		if (value > cap)
			value = cap;
		if (storage->type == V1_FULL)
		{
			put_bits(data, at, value, storage->width);
			at += storage->width;
		}
		else if (value != 0)
		{
			int word = state->precision + storage->width;

			put_bits(data, at, i << storage->width | value, word);
			at += (size_t) word;
		}
	}
}

void
hll_storage_write(HllStorage *storage, void *out, const SketchMemory *memory)
{
	const HllState *state = storage->state;
	uint8_t *bytes = out;

	bytes[0] = (uint8_t) (V1 << 4 | storage->type);
	bytes[1] = (uint8_t) ((storage->width - 1) << 5 | state->precision);
	bytes[2] = storage->cutoff;
	if (storage->type == V1_EXPLICIT)
		for (uint32_t i = 0; i < state->count; i++)
			for (int byte = 0; byte < 8; byte++)
				bytes[V1_HEADER + (size_t) i * 8 + (size_t) byte] =
					(uint8_t) ((uint64_t) hll_elements(state)[i] >> (56 - 8 * byte));
	else if (storage->type != V1_EMPTY)
		write_registers(storage, bytes + V1_HEADER);
	if (storage->registers != NULL)
		memory->release(memory->arg, storage->registers);
	storage->registers = NULL;
}
