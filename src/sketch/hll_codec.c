/*
 * Packed bytes: reading, checking, merging from them, writing them.
 *
 *   byte 0  format: 0xF1. Its upper half says "this is ours" (storage v1 starts with 0x1.), the
 *           lower half is the version; a reader of this version refuses any other
 *   byte 1  kind (HllKind)
 *   byte 2  (width - 1) << 5 | precision, as in storage v1
 *   byte 3  cutoff: HLL_NATIVE, or storage v1's cutoff byte of the set this came from
 *   then    tokens and sparse registers: hll_rice.c; hashes: 8 bytes each, big-endian, ascending as
 *           signed numbers (as in storage v1); dense registers: hll_dense.c
 *
 * What is loose has a format of its own in byte 0, and the other three behind all: hll_loose.c.
 */
#include "sketch/hll_internal.h"

/* Registers are written as pairs while at most one in eight is not zero. */
static bool
is_sparse(uint32_t nonzero, int precision)
{
	return nonzero <= hll_register_count(precision) / 8;
}

const char *
hll_view(const void *bytes, size_t length, HllView *view)
{
	const uint8_t *head = bytes;
	const char *error = NULL;
	bool loose;

	if (length < HLL_HEADER)
		return "shorter than a header";
	loose = head[0] == HLL_FORMAT_LOOSE;
	if (!loose && head[0] != HLL_FORMAT)
		return "unknown format or version";
	view->payload = head + (loose ? HLL_LOOSE_HEAD : HLL_HEADER);
	view->length = length - HLL_HEADER;
	if (loose)
		head += view->length;
	view->kind = head[1];
	view->precision = head[2] & 31;
	view->width = (uint8_t) ((head[2] >> 5) + 1);
	view->cutoff = head[3];
	view->count = 0;
	if (loose != hll_is_loose(view))
		return "unknown kind";
	if (view->precision > HLL_MAX_PRECISION)
		return "precision out of range";
	if (view->cutoff & HLL_NATIVE && view->cutoff != HLL_NATIVE)
		return "cutoff out of range";
	switch (view->kind)
	{
		case HLL_PACKED_TOKENS:
			if (view->cutoff != HLL_NATIVE || view->width != HLL_NATIVE_WIDTH)
				return "tokens with foreign parameters";
			error = hll_rice_count(view->payload, view->length, HLL_INDEX_BITS, &view->count);
			if (error == NULL && view->count > hll_token_limit(view->precision))
				return "more tokens than its precision allows";
			return error;
		case HLL_PACKED_EXPLICIT:
			if (view->cutoff == HLL_NATIVE || view->length % 8 != 0)
				return "hashes of a wrong size";
			if (view->length / 8 > hll_explicit_limit(view->precision, view->width, view->cutoff))
				return "more hashes than its cutoff allows";
			view->count = (uint32_t) (view->length / 8);
			return NULL;
		case HLL_PACKED_SPARSE:
			error = hll_rice_count(view->payload, view->length, view->precision, &view->count);
			if (error == NULL && !is_sparse(view->count, view->precision))
				return "more sparse registers than its precision allows";
			return error;
		case HLL_PACKED_DENSE:
			return NULL;
		case HLL_PACKED_LOOSE_TOKENS:
			if (view->cutoff != HLL_NATIVE || view->width != HLL_NATIVE_WIDTH)
				return "tokens with foreign parameters";
			return hll_loose_count(view->length, view->kind, &view->count);
		case HLL_PACKED_LOOSE_REGISTERS:
			return hll_loose_count(view->length, view->kind, &view->count);
		default:
			return "unknown kind";
	}
}

static int64_t
read_element(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return (int64_t) value;
}

/* ---- merging from packed bytes --------------------------------------------------------------- */

static HllState *
merge_tokens(HllState *dst, const HllView *src, const SketchMemory *memory, const char **error)
{
	HllRiceReader reader;
	uint32_t tokens[HLL_RICE_BATCH];

	if (!hll_rice_open(&reader, src->payload, src->length, HLL_INDEX_BITS))
	{
		*error = "tokens are damaged";
		return dst;
	}
	dst = hll_reserve_tokens(dst, src->count, memory);
	for (uint32_t left = src->count, n; left > 0; left -= n)
	{
		n = left < HLL_RICE_BATCH ? left : HLL_RICE_BATCH;
		if (dst->form == HLL_REGISTERS)
		{
			if (!hll_rice_raise(&reader, dst, left))
				*error = "tokens are damaged";
			return dst;
		}
		if (!hll_rice_read(&reader, tokens, n))
		{
			*error = "tokens are damaged";
			return dst;
		}
		dst = hll_insert_tokens(dst, tokens, n, memory);
	}
	return dst;
}

static HllState *
merge_explicit(HllState *dst, const HllView *src, const SketchMemory *memory, const char **error)
{
	int64_t *elements = memory->allocate(memory->arg, src->count * sizeof(int64_t));

	for (uint32_t i = 0; i < src->count; i++)
	{
		elements[i] = read_element(src->payload + (size_t) i * 8);
		if (i > 0 && elements[i - 1] >= elements[i])
			*error = "hashes are not in ascending order";
	}
	if (*error == NULL && dst->form == HLL_EXPLICIT)
		dst = hll_insert_elements(dst, elements, src->count, memory);
	else if (*error == NULL)
		for (uint32_t i = 0; i < src->count; i++)
			(void) hll_add(dst, (uint64_t) elements[i], memory);
	memory->release(memory->arg, elements);
	return dst;
}

/* Raises registers of src's own precision. */
static bool
raise_registers(uint8_t *registers, const HllView *src)
{
	HllRiceReader reader;
	uint32_t pairs[HLL_RICE_BATCH];

	if (src->kind == HLL_PACKED_LOOSE_REGISTERS)
		return hll_loose_raise(registers, src);
	if (src->kind == HLL_PACKED_DENSE)
		return hll_dense_merge(registers, src->precision, src->payload, src->length);
	if (!hll_rice_open(&reader, src->payload, src->length, src->precision))
		return false;
	for (uint32_t left = src->count, n; left > 0; left -= n)
	{
		n = left < HLL_RICE_BATCH ? left : HLL_RICE_BATCH;
		if (!hll_rice_read(&reader, pairs, n))
			return false;
		for (uint32_t i = 0; i < n; i++)
			hll_raise(registers, pairs[i] >> 6, pairs[i] & 63, 255);
	}
	return true;
}

static void
merge_registers(HllState *dst, const HllView *src, const SketchMemory *memory, const char **error)
{
	HllState *other;

	if (dst->precision == src->precision && dst->width == src->width)
	{
		if (!raise_registers(hll_registers(dst), src))
			*error = "registers are damaged";
		return;
	}
	other = hll_create_registers(src->precision, src->width, src->cutoff, memory);
	if (raise_registers(hll_registers(other), src))
		hll_fold_into(dst, hll_registers(other), src->precision);
	else
		*error = "registers are damaged";
	memory->release(memory->arg, other);
}

HllState *
hll_merge_packed(HllState *dst, const HllView *src, const SketchMemory *memory, const char **error)
{
	*error = NULL;
	if (hll_is_empty(src))
	{
		if (dst->form != HLL_REGISTERS && dst->count == 0)
		{
			HllState *empty = hll_create(src->precision, src->width, src->cutoff, memory);

			dst = hll_merge(dst, empty, memory);
			memory->release(memory->arg, empty);
		}
		return dst;
	}
	dst = hll_join(dst, src->precision, src->width, src->cutoff,
				   src->kind >= HLL_PACKED_SPARSE && src->kind != HLL_PACKED_LOOSE_TOKENS, memory);
	if (src->kind == HLL_PACKED_LOOSE_TOKENS)
		return hll_loose_insert(dst, src, memory, error);
	if (src->kind == HLL_PACKED_TOKENS)
		return merge_tokens(dst, src, memory, error);
	if (src->kind == HLL_PACKED_EXPLICIT)
		return merge_explicit(dst, src, memory, error);
	merge_registers(dst, src, memory, error);
	return dst;
}

HllState *
hll_unpack(const HllView *view, const SketchMemory *memory)
{
	const char *error;
	HllState *state = hll_create(view->precision, view->width, view->cutoff, memory);

	state = hll_merge_packed(state, view, memory, &error);
	if (error == NULL)
		return state;
	memory->release(memory->arg, state);
	return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint32_t
sorted_registers(const HllState *state, uint32_t *out)
{
	const uint8_t *registers = hll_registers(state);
	uint32_t n = 0;

	for (uint32_t i = 0; i < hll_register_count(state->precision); i++)
		if (registers[i] != 0)
			out[n++] = i << 6 | registers[i];
	return n;
}

void
hll_pack_prepare(const HllState *state, HllPacker *packer, const SketchMemory *memory)
{
	uint32_t histogram[HLL_VALUES];
	uint32_t nonzero;

	memset(packer, 0, sizeof(*packer));
	packer->state = state;
	packer->size = HLL_HEADER;
	if (state->form == HLL_EXPLICIT)
	{
		packer->kind = HLL_PACKED_EXPLICIT;
		packer->size += (size_t) state->count * 8;
		return;
	}
	if (state->form == HLL_TOKENS)
	{
		packer->kind = HLL_PACKED_TOKENS;
		packer->sorted = memory->allocate(memory->arg, (state->count + 1) * sizeof(uint32_t));
		packer->count = hll_sorted_tokens(state, packer->sorted);
		packer->size += hll_rice_size(packer->sorted, packer->count, HLL_INDEX_BITS);
		return;
	}
	hll_simd_chosen()->histogram(hll_registers(state), hll_padded_count(state->precision),
								 histogram);
	histogram[0] -= hll_padded_count(state->precision) - hll_register_count(state->precision);
	nonzero = hll_register_count(state->precision) - histogram[0];
	if (is_sparse(nonzero, state->precision))
	{
		packer->kind = HLL_PACKED_SPARSE;
		packer->sorted = memory->allocate(memory->arg, (nonzero + 1) * sizeof(uint32_t));
		packer->count = sorted_registers(state, packer->sorted);
		packer->size += hll_rice_size(packer->sorted, packer->count, state->precision);
		return;
	}
	packer->kind = HLL_PACKED_DENSE;
	packer->size += hll_dense_size(histogram, state->precision, &packer->base);
}

void
hll_pack(HllPacker *packer, void *out, const SketchMemory *memory)
{
	const HllState *state = packer->state;
	uint8_t *bytes = out;
	uint8_t *payload = bytes + HLL_HEADER;

	bytes[0] = HLL_FORMAT;
	bytes[1] = packer->kind;
	bytes[2] = (uint8_t) ((state->width - 1) << 5 | state->precision);
	bytes[3] = state->cutoff;
	switch (packer->kind)
	{
		case HLL_PACKED_TOKENS:
			hll_rice_write(packer->sorted, packer->count, HLL_INDEX_BITS, payload);
			break;
		case HLL_PACKED_SPARSE:
			hll_rice_write(packer->sorted, packer->count, state->precision, payload);
			break;
		case HLL_PACKED_DENSE:
			hll_dense_write(hll_registers(state), state->precision, packer->base, payload);
			break;
		default:
			for (uint32_t i = 0; i < state->count; i++)
				for (int byte = 0; byte < 8; byte++)
					payload[(size_t) i * 8 + (size_t) byte] =
						(uint8_t) ((uint64_t) hll_elements(state)[i] >> (56 - 8 * byte));
			break;
	}
	if (packer->sorted != NULL)
		memory->release(memory->arg, packer->sorted);
	packer->sorted = NULL;
}

/* ---- checking -------------------------------------------------------------------------------- */

const char *
hll_check(const void *bytes, size_t length, const SketchMemory *memory)
{
	HllView view;
	const char *error = hll_view(bytes, length, &view);
	HllState *state;
	HllPacker packer;

	if (error != NULL)
		return error;
	state = hll_create(view.precision, view.width, view.cutoff, memory);
	state = hll_merge_packed(state, &view, memory, &error);
	if (error == NULL)
		error = hll_check_state(state);
	if (error == NULL)
	{
		uint8_t *again;

		/* The bytes must be the ones we would write, or equal sets could differ. */
		hll_pack_prepare(state, &packer, memory);
		again = memory->allocate(memory->arg, packer.size);
		hll_pack(&packer, again, memory);
		if (packer.size != length || memcmp(again, bytes, length) != 0)
			error = "not in canonical form";
		memory->release(memory->arg, again);
	}
	memory->release(memory->arg, state);
	return error;
}
