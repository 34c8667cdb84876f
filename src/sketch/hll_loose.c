/*
 * What a set gains, in the order of time: newest first, so that what is added leaves all bytes as
 * they were that are there. Such bytes stand beside a set that stays as it is, are read as any
 * others, and are never what packing gives. Behind the byte of their format:
 *
 *   beside tokens     tokens, 4 bytes each
 *   beside registers  those that rose, 3 bytes each: 18 bits of index, 6 of value
 *
 * and behind them the rest of a header, of that set's parameters: an update logs a row from the
 * first byte that changed to the last, and those would lie between the row's counts and what came.
 */
#include "sketch/hll_internal.h"

static size_t
entry_size(int kind)
{
	return kind == HLL_PACKED_LOOSE_TOKENS ? 4 : 3;
}

const char *
hll_loose_count(size_t length, int kind, uint32_t *count)
{
	if (length % entry_size(kind) != 0 || length / entry_size(kind) > UINT32_MAX)
		return "what came later is of a wrong size";
	*count = (uint32_t) (length / entry_size(kind));
	return NULL;
}

static uint32_t
read_entry(const uint8_t *in, int kind)
{
	uint32_t entry = (uint32_t) in[0] | (uint32_t) in[1] << 8 | (uint32_t) in[2] << 16;

	return kind == HLL_PACKED_LOOSE_TOKENS ? entry | (uint32_t) in[3] << 24 : entry;
}

static uint8_t *
write_entry(uint8_t *out, int kind, uint32_t entry)
{
	for (size_t i = 0; i < entry_size(kind); i++)
		*out++ = (uint8_t) (entry >> (8 * i));
	return out;
}

bool
hll_loose_raise(uint8_t *registers, const HllView *src)
{
	for (uint32_t i = 0; i < src->count; i++)
	{
		uint32_t entry = read_entry(src->payload + (size_t) i * 3, HLL_PACKED_LOOSE_REGISTERS);

		if (entry >> 6 >= hll_register_count(src->precision))
			return false;
		hll_raise(registers, entry >> 6, entry & 63, 255);
	}
	return true;
}

/* Tokens of a hash are at most this one, and none is the mark of an empty slot. */
#define MOST_OF_TOKEN 38

HllState *
hll_loose_insert(HllState *dst, const HllView *src, const SketchMemory *memory, const char **error)
{
	for (uint32_t i = 0; i < src->count; i++)
	{
		uint32_t token = read_entry(src->payload + (size_t) i * 4, HLL_PACKED_LOOSE_TOKENS);

		if ((token & 63) > MOST_OF_TOKEN)
		{
			*error = "tokens are damaged";
			return dst;
		}
		dst = hll_insert_tokens(dst, &token, 1, memory);
	}
	return dst;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int
kind_beside(const HllState *base)
{
	return base->form == HLL_TOKENS ? HLL_PACKED_LOOSE_TOKENS : HLL_PACKED_LOOSE_REGISTERS;
}

bool
hll_loose_can(const HllState *base, const HllView *loose, const HllState *added)
{
	if (base->form == HLL_EXPLICIT || added->form == HLL_EXPLICIT ||
		(base->form == HLL_TOKENS && added->form != HLL_TOKENS))
		return false;
	/* An empty set takes the parameters of what comes. */
	if (base->form == HLL_TOKENS && base->count == 0)
		return false;
	if (base->width != added->width || base->cutoff != added->cutoff ||
		base->precision > added->precision)
		return false;
	return loose == NULL ||
		   (loose->kind == kind_beside(base) && loose->precision == base->precision &&
			loose->width == base->width && loose->cutoff == base->cutoff);
}

size_t
hll_loose_bound(const HllState *base, const HllView *loose, const HllState *added)
{
	return HLL_HEADER + entry_size(kind_beside(base)) * hll_nonzero(added) +
		   (loose == NULL ? 0 : loose->length);
}

static uint8_t *
write_registers(const HllState *base, const HllState *added, uint8_t *out)
{
	const uint8_t *has = hll_registers(base);
	const uint8_t *wanted = hll_registers(added);

	for (uint32_t i = 0; i < hll_register_count(base->precision); i++)
		if (wanted[i] > has[i])
			out = write_entry(out, HLL_PACKED_LOOSE_REGISTERS, i << 6 | wanted[i]);
	return out;
}

/* Tokens that raise registers of base are written, as that kind has them, and raise them. */
static uint8_t *
write_raising(HllState *base, const HllState *added, int kind, uint8_t *out)
{
	uint8_t *registers = hll_registers(base);
	uint32_t cap = (1u << base->width) - 1;
	uint32_t mask = hll_register_count(base->precision) - 1;

	for (uint32_t i = 0; i < added->slots; i++)
	{
		uint32_t token = hll_slots(added)[i];
		uint32_t index = token >> 6 & mask;
		uint32_t value;

		if (token == HLL_EMPTY_TOKEN)
			continue;
		value = hll_token_value(token, base->precision);
		value = value < cap ? value : cap;
		if (registers[index] >= value)
			continue;
		registers[index] = (uint8_t) value;
		out = write_entry(out, kind, kind == HLL_PACKED_LOOSE_TOKENS ? token : index << 6 | value);
	}
	return out;
}

static uint8_t *
write_tokens(const HllState *beyond, uint8_t *out)
{
	for (uint32_t i = 0; i < beyond->slots; i++)
		if (hll_slots(beyond)[i] != HLL_EMPTY_TOKEN)
			out = write_entry(out, HLL_PACKED_LOOSE_TOKENS, hll_slots(beyond)[i]);
	return out;
}

/* What base has not of added, which is used up. */
static uint8_t *
write_beyond(HllState *base, HllState *added, int kind, uint8_t *out, const SketchMemory *memory)
{
	if (base->form == HLL_TOKENS)
	{
		added = hll_beyond(base, added, memory);
		if (added == NULL)
			return out;
		out = write_tokens(added, out);
	}
	else if (added->form == HLL_TOKENS)
		out = write_raising(base, added, kind, out);
	else
	{
		added = hll_fold(added, base->precision, memory);
		out = write_registers(base, added, out);
	}
	memory->release(memory->arg, added);
	return out;
}

size_t
hll_loose_write(HllState *base, const HllView *loose, HllState *added, uint8_t *out,
				const SketchMemory *memory)
{
	int kind = kind_beside(base);
	const uint8_t rest[] = {(uint8_t) kind, (uint8_t) ((base->width - 1) << 5 | base->precision),
							base->cutoff};
	uint8_t *end = out + HLL_LOOSE_HEAD;
	const char *error = NULL;

	out[0] = HLL_FORMAT_LOOSE;
	/*
	 * Tokens and what came to them may be registers by now; then the rest counts if it raises one.
	 */
	if (loose != NULL)
		base = hll_merge_packed(base, loose, memory, &error);
	if (error != NULL)
		memory->release(memory->arg, added);
	else
		end = write_beyond(base, added, kind, end, memory);
	memory->release(memory->arg, base);
	if (error != NULL)
		return 0;
	if (loose != NULL && loose->length > 0)
	{
		memcpy(end, loose->payload, loose->length);
		end += loose->length;
	}
	memcpy(end, rest, sizeof(rest));
	end += sizeof(rest);
	return (size_t) (end - out);
}
