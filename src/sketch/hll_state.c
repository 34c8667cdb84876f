/*
 * A sketch being built: adding, joining, folding.
 *
 * Which form a state has depends on its parameters and on the set alone:
 *   own sketches      tokens while there are at most hll_token_limit() different ones, then
 * registers storage v1's      hashes while there are at most hll_explicit_limit(), then registers
 *   a mix of the two  registers (one side has no tokens, the other no hashes)
 * Both counts only grow with the set, so no order of adding and merging can end in another form.
 */
#include "sketch/hll_internal.h"

/*
 * The largest k for which k tokens, at 29.6 - log2(k) bits each (26 bits of index less what sorting
 * saves, 1.6 of Rice code, 2 of value), take no more than the 3 bits a register of the dense form.
 */
static const uint32_t token_limits[HLL_MAX_PRECISION + 1] = {
	0, 0, 0, 0, 1, 3, 7, 14, 31, 65, 136, 286, 603, 1274, 2700, 5744, 12275, 26366, 56980,
};

/* Bytes of a state that holds little. */
#define MIN_STATE 128

uint32_t
hll_token_limit(int precision)
{
	return token_limits[precision];
}

uint32_t
hll_explicit_limit(int precision, int width, int cutoff)
{
	int code = cutoff & 63;

	if (cutoff & HLL_NATIVE || code == 0)
		return 0;
	/* 63 is "automatic": as many as fit into what all registers would take. */
	if (code == 63)
		return (uint32_t) ((((uint64_t) width << precision) + 7) / 8 / 8);
	return code > 20 ? UINT32_C(1) << 20 : UINT32_C(1) << (code - 1);
}

size_t
hll_state_size(const HllState *state)
{
	size_t data;

	if (state->form == HLL_REGISTERS)
		data = hll_padded_count(state->precision);
	else if (state->form == HLL_TOKENS)
		data = (size_t) state->slots * sizeof(uint32_t);
	else
		data = (size_t) state->slots * sizeof(int64_t);
	return sizeof(HllState) + data;
}

static HllState *
create(int precision, int width, int cutoff, HllForm form, uint32_t slots,
	   const SketchMemory *memory)
{
	HllState head = {.precision = (uint8_t) precision,
					 .width = (uint8_t) width,
					 .cutoff = (uint8_t) cutoff,
					 .form = (uint8_t) form,
					 .slots = slots};
	HllState *state = memory->allocate(memory->arg, hll_state_size(&head));

	*state = head;
	return state;
}

HllState *
hll_create_registers(int precision, int width, int cutoff, const SketchMemory *memory)
{
	HllState *state = create(precision, width, cutoff, HLL_REGISTERS, 0, memory);

	memset(state->data, 0, hll_padded_count(precision));
	return state;
}

HllState *
hll_create_explicit(int precision, int width, int cutoff, uint32_t capacity,
					const SketchMemory *memory)
{
	return create(precision, width, cutoff, HLL_EXPLICIT, capacity, memory);
}

/* Slots of the next larger token table after one of `slots`; the last is as large as registers. */
static uint32_t
next_slots(int precision, uint32_t slots)
{
	uint32_t last = hll_padded_count(precision) / (uint32_t) sizeof(uint32_t);
	uint32_t total = MIN_STATE;

	/* Powers of two in all, head included, are what allocators hand out without waste. */
	while ((total - sizeof(HllState)) / sizeof(uint32_t) <= slots)
		total *= 4;
	total = (uint32_t) ((total - sizeof(HllState)) / sizeof(uint32_t));

	/* A table of nearly the last size would only be thrown away once more. */
	return total < last / 2 ? total : last;
}

static HllState *
create_tokens(int precision, uint32_t slots, const SketchMemory *memory)
{
	HllState *state = create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, HLL_TOKENS, slots, memory);

	memset(state->data, 0xFF, (size_t) slots * sizeof(uint32_t));
	return state;
}

HllState *
hll_create(int precision, int width, int cutoff, const SketchMemory *memory)
{
	if (cutoff & HLL_NATIVE)
		return create_tokens(precision, next_slots(precision, 0), memory);
	return hll_create_explicit(precision, width, cutoff, 4, memory);
}

HllState *
hll_copy(const HllState *state, const SketchMemory *memory)
{
	size_t size = hll_state_size(state);

	return memcpy(memory->allocate(memory->arg, size), state, size);
}

/* ---- from form to form ----------------------------------------------------------------------- */

static void
raise_by_hash(HllState *registers, uint64_t hash)
{
	(void) hll_add(registers, hash, NULL);
}

/* The largest token table is as large as the registers, and becomes them in place. */
static HllState *
tokens_to_registers(HllState *state, const SketchMemory *memory)
{
	uint32_t *slots = hll_slots(state);
	uint32_t *tokens = memory->allocate(memory->arg, (state->count + 1) * sizeof(uint32_t));
	uint32_t n = 0;
	HllState *registers = state;

	for (uint32_t i = 0; i < state->slots; i++)
		if (slots[i] != HLL_EMPTY_TOKEN)
			tokens[n++] = slots[i];
	if (state->slots * sizeof(uint32_t) == hll_padded_count(state->precision))
	{
		memset(state->data, 0, hll_padded_count(state->precision));
		state->form = HLL_REGISTERS;
		state->count = 0;
		state->slots = 0;
	}
	else
	{
		registers = hll_create_registers(state->precision, state->width, state->cutoff, memory);
		registers->npending = state->npending;
		memcpy(registers->pending, state->pending, sizeof(state->pending));
		memory->release(memory->arg, state);
	}
	for (uint32_t i = 0; i < n; i++)
		hll_raise_by_token(registers, tokens[i]);
	memory->release(memory->arg, tokens);
	return registers;
}

HllState *
hll_to_registers(HllState *state, const SketchMemory *memory)
{
	HllState *registers;

	if (state->form == HLL_REGISTERS)
		return state;
	if (state->form == HLL_TOKENS)
		return tokens_to_registers(state, memory);
	registers = hll_create_registers(state->precision, state->width, state->cutoff, memory);
	for (uint32_t i = 0; i < state->count; i++)
		raise_by_hash(registers, (uint64_t) hll_elements(state)[i]);
	memory->release(memory->arg, state);
	return registers;
}

void
hll_fold_into(HllState *dst, const uint8_t *registers, int precision)
{
	uint32_t m = hll_register_count(dst->precision);
	uint32_t cap = (1u << dst->width) - 1;
	uint32_t dropped = (uint32_t) (precision - dst->precision);
	uint8_t *out = hll_registers(dst);

	/* The bits of an index that are no longer index come first among those that make the value. */
	for (uint32_t high = 0; high < (UINT32_C(1) << dropped); high++)
	{
		const uint8_t *in = registers + (size_t) high * m;

		if (high == 0)
		{
			for (uint32_t i = 0; i < m; i++)
			{
				uint32_t value = in[i] == 0 ? 0 : in[i] + dropped;

				hll_raise(out, i, value, cap);
			}
		}
		else
		{
			uint32_t value = (uint32_t) __builtin_ctz(high) + 1;

			if (value > cap)
				value = cap;
			for (uint32_t i = 0; i < m; i++)
			{
				uint8_t here = in[i] == 0 ? 0 : (uint8_t) value;

				out[i] = out[i] < here ? here : out[i];
			}
		}
	}
}

static HllState *
refit(HllState *state, int precision, int width, const SketchMemory *memory)
{
	if (state->precision == precision && state->width == width)
		return state;
	if (state->form == HLL_REGISTERS)
	{
		HllState *folded = hll_create_registers(precision, width, state->cutoff, memory);

		hll_fold_into(folded, hll_registers(state), state->precision);
		memory->release(memory->arg, state);
		return folded;
	}
	state->precision = (uint8_t) precision;
	state->width = (uint8_t) width;
	if (state->form == HLL_TOKENS && state->count <= hll_token_limit(precision))
		return state;
	if (state->form == HLL_EXPLICIT &&
		state->count <= hll_explicit_limit(precision, width, state->cutoff))
		return state;
	return hll_to_registers(state, memory);
}

HllState *
hll_fold(HllState *state, int precision, const SketchMemory *memory)
{
	if (precision >= state->precision)
		return state;
	return refit(state, precision, state->width, memory);
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Order by home is order by index: see hll_sorted_tokens(). */
static inline uint32_t
home_slot(const HllState *state, uint32_t token)
{
	return (uint32_t) ((uint64_t) (token >> 6) * state->slots >> HLL_INDEX_BITS);
}

/* Where the token's index is, or the empty slot where it belongs. */
static inline uint32_t
find_slot(const HllState *state, uint32_t token)
{
	const uint32_t *slots = hll_slots(state);
	uint32_t at = home_slot(state, token);

	while (slots[at] != HLL_EMPTY_TOKEN && (slots[at] ^ token) >= 64)
		at = at + 1 == state->slots ? 0 : at + 1;
	return at;
}

static HllState *
grow_tokens(HllState *state, uint32_t nslots, const SketchMemory *memory)
{
	HllState *grown = create_tokens(state->precision, nslots, memory);
	const uint32_t *slots = hll_slots(state);

	for (uint32_t i = 0; i < state->slots; i++)
		if (slots[i] != HLL_EMPTY_TOKEN)
			hll_slots(grown)[find_slot(grown, slots[i])] = slots[i];
	grown->count = state->count;
	grown->npending = state->npending;
	memcpy(grown->pending, state->pending, sizeof(state->pending));
	memory->release(memory->arg, state);
	return grown;
}

HllState *
hll_insert_token(HllState *state, uint32_t token, const SketchMemory *memory)
{
	uint32_t at = find_slot(state, token);
	uint32_t *slot = hll_slots(state) + at;

	if (*slot != HLL_EMPTY_TOKEN)
	{
		if (*slot < token)
			*slot = token;
		return state;
	}
	if (state->count >= hll_token_limit(state->precision))
	{
		state = hll_to_registers(state, memory);
		hll_raise_by_token(state, token);
		return state;
	}
	/* The last table is never full: its slots are more than the tokens that it may hold. */
	if (state->count >= state->slots / 4 * 3 &&
		state->slots < hll_padded_count(state->precision) / sizeof(uint32_t))
	{
		state = grow_tokens(state, next_slots(state->precision, state->slots), memory);
		slot = hll_slots(state) + find_slot(state, token);
	}
	*slot = token;
	state->count++;
	return state;
}

/*
 * As many slots as that many tokens want. Sorted tokens, as packed ones are, would all come to the
 * first slots of a table that grows with them, and every one of them would walk past those before.
 */
HllState *
hll_reserve_tokens(HllState *state, uint32_t count, const SketchMemory *memory)
{
	uint32_t most = hll_padded_count(state->precision) / sizeof(uint32_t);
	uint32_t nslots = state->slots;

	if (state->form != HLL_TOKENS)
		return state;
	while (count > nslots / 4 * 3 && nslots < most)
		nslots = next_slots(state->precision, nslots);
	return nslots == state->slots ? state : grow_tokens(state, nslots, memory);
}

/* Tokens into either form; the state may go over from one to the other on the way. */
HllState *
hll_insert_tokens(HllState *state, const uint32_t *tokens, uint32_t n, const SketchMemory *memory)
{
	uint32_t i = 0;

	for (; i < n && state->form == HLL_TOKENS; i++)
		state = hll_insert_token(state, tokens[i], memory);
	for (; i < n; i++)
		hll_raise_by_token(state, tokens[i]);
	return state;
}

HllState *
hll_settle(HllState *state, const SketchMemory *memory)
{
	uint32_t tokens[HLL_PENDING];
	uint32_t n = state->npending;

	/* The state may move, and takes what is pending along. */
	memcpy(tokens, state->pending, sizeof(tokens));
	state->npending = 0;
	return hll_insert_tokens(state, tokens, n, memory);
}

/* Merges sorted hashes into sorted ones, from the end, so that nothing is overwritten too early. */
HllState *
hll_insert_elements(HllState *state, const int64_t *elements, uint32_t n,
					const SketchMemory *memory)
{
	int64_t *mine = hll_elements(state);
	uint32_t fresh = 0;
	uint32_t i = 0;

	for (uint32_t j = 0; j < n; j++)
	{
		while (i < state->count && mine[i] < elements[j])
			i++;
		fresh += i == state->count || mine[i] != elements[j];
	}
	if (fresh == 0)
		return state;
	if (state->count + fresh > hll_explicit_limit(state->precision, state->width, state->cutoff))
	{
		state = hll_to_registers(state, memory);
		for (uint32_t j = 0; j < n; j++)
			raise_by_hash(state, (uint64_t) elements[j]);
		return state;
	}
	if (state->count + fresh > state->slots)
	{
		HllState *grown = hll_create_explicit(state->precision, state->width, state->cutoff,
											  (state->count + fresh) * 3 / 2 + 1, memory);

		grown->count = state->count;
		memcpy(grown->data, state->data, state->count * sizeof(int64_t));
		memory->release(memory->arg, state);
		state = grown;
		mine = hll_elements(state);
	}
	i = state->count;
	state->count += fresh;
	for (uint32_t to = state->count, j = n; j > 0;)
	{
		if (i > 0 && mine[i - 1] > elements[j - 1])
			mine[--to] = mine[--i];
		else if (i > 0 && mine[i - 1] == elements[j - 1])
			j--;
		else
			mine[--to] = elements[--j];
	}
	return state;
}

HllState *
hll_add_slow(HllState *state, uint64_t hash, const SketchMemory *memory)
{
	int64_t element = (int64_t) hash;

	if (state->form == HLL_TOKENS)
		return hll_insert_token(state, hll_token(hash), memory);
	return hll_insert_elements(state, &element, 1, memory);
}

/*
 * The table is ordered by index but for collisions, so reading it from the front is nearly sorted:
 * only neighbours within a cluster, and what wrapped around at the end, stand out of place.
 */
uint32_t
hll_sorted_tokens(const HllState *state, uint32_t *out)
{
	const uint32_t *slots = hll_slots(state);
	uint32_t n = 0;

	for (int wrapped = 0; wrapped < 2; wrapped++)
		for (uint32_t i = 0; i < state->slots; i++)
		{
			if (slots[i] == HLL_EMPTY_TOKEN)
			{
				if (wrapped)
					break;
				continue;
			}
			if ((home_slot(state, slots[i]) > i) == (wrapped == 1))
				out[n++] = slots[i];
		}
	for (uint32_t i = 1; i < n; i++)
	{
		uint32_t token = out[i];
		uint32_t j = i;

		for (; j > 0 && out[j - 1] > token; j--)
			out[j] = out[j - 1];
		out[j] = token;
	}
	return n;
}

/* ---- joining --------------------------------------------------------------------------------- */

HllState *
hll_join(HllState *dst, int precision, int width, int cutoff, bool registers,
		 const SketchMemory *memory)
{
	if (dst->form != HLL_REGISTERS && dst->count == 0)
	{
		/* An empty set says nothing and costs nothing: the union is the other side. */
		memory->release(memory->arg, dst);
		if (registers)
			return hll_create_registers(precision, width, cutoff, memory);
		return hll_create(precision, width, cutoff, memory);
	}
	if (dst->cutoff != cutoff)
	{
		dst = hll_to_registers(dst, memory);
		dst->cutoff = HLL_NATIVE;
	}
	dst = refit(dst, precision < dst->precision ? precision : dst->precision,
				width < dst->width ? width : dst->width, memory);
	return registers ? hll_to_registers(dst, memory) : dst;
}

/* Both sets are empty: the larger precision loses nothing later. */
static HllState *
join_empty(HllState *dst, const HllState *src, const SketchMemory *memory)
{
	int precision = dst->precision > src->precision ? dst->precision : src->precision;
	int width = dst->width > src->width ? dst->width : src->width;
	bool same = dst->cutoff == src->cutoff;
	HllState *joined = same ? hll_create(precision, width, dst->cutoff, memory)
							: hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, memory);

	memory->release(memory->arg, dst);
	return joined;
}

HllState *
hll_merge(HllState *dst, const HllState *src, const SketchMemory *memory)
{
	if (src->form != HLL_REGISTERS && src->count == 0)
	{
		if (dst->form != HLL_REGISTERS && dst->count == 0)
			return join_empty(dst, src, memory);
		return dst;
	}
	dst =
		hll_join(dst, src->precision, src->width, src->cutoff, src->form == HLL_REGISTERS, memory);
	if (src->form == HLL_REGISTERS)
	{
		if (dst->precision == src->precision && dst->width == src->width)
			hll_simd_chosen()->max(hll_registers(dst), hll_registers(src),
								   hll_padded_count(dst->precision));
		else
			hll_fold_into(dst, hll_registers(src), src->precision);
	}
	else if (src->form == HLL_TOKENS)
	{
		const uint32_t *slots = hll_slots(src);

		for (uint32_t i = 0; i < src->slots; i++)
		{
			if (slots[i] == HLL_EMPTY_TOKEN)
				continue;
			if (dst->form == HLL_TOKENS)
				dst = hll_insert_token(dst, slots[i], memory);
			else
				hll_raise_by_token(dst, slots[i]);
		}
	}
	else if (dst->form == HLL_EXPLICIT)
		dst = hll_insert_elements(dst, hll_elements(src), src->count, memory);
	else
		for (uint32_t i = 0; i < src->count; i++)
			raise_by_hash(dst, (uint64_t) hll_elements(src)[i]);
	return dst;
}

static bool
registers_have(const HllState *base, const HllState *tokens)
{
	const uint32_t *slots = hll_slots(tokens);
	uint32_t cap = (1u << base->width) - 1;

	for (uint32_t i = 0; i < tokens->slots; i++)
	{
		uint32_t value;

		if (slots[i] == HLL_EMPTY_TOKEN)
			continue;
		value = hll_token_value(slots[i], base->precision);
		if ((value < cap ? value : cap) >
			hll_registers(base)[(slots[i] >> 6) & (hll_register_count(base->precision) - 1)])
			return false;
	}
	return true;
}

/* Registers of base's precision; base is registers, and hll_join() leaves its parameters. */
static HllState *
registers_beyond(const HllState *base, const HllState *added, const SketchMemory *memory)
{
	HllState *beyond = hll_create_registers(base->precision, base->width, base->cutoff, memory);
	const uint8_t *has = hll_registers(base);
	uint8_t *wanted;
	uint8_t any = 0;

	beyond = hll_merge(beyond, added, memory);
	wanted = hll_registers(beyond);
	for (uint32_t i = 0; i < hll_padded_count(base->precision); i++)
	{
		wanted[i] = wanted[i] > has[i] ? wanted[i] : 0;
		any |= wanted[i];
	}
	if (any != 0)
		return beyond;
	memory->release(memory->arg, beyond);
	return NULL;
}

/* A token holds the same at any precision. */
static HllState *
tokens_beyond(const HllState *base, const HllState *added, const SketchMemory *memory)
{
	HllState *beyond = hll_create(added->precision, added->width, added->cutoff, memory);
	const uint32_t *slots = hll_slots(added);

	for (uint32_t i = 0; i < added->slots; i++)
	{
		uint32_t has;

		if (slots[i] == HLL_EMPTY_TOKEN)
			continue;
		has = hll_slots(base)[find_slot(base, slots[i])];
		if (has == HLL_EMPTY_TOKEN || has < slots[i])
			beyond = hll_insert_token(beyond, slots[i], memory);
	}
	if (beyond->count > 0)
		return beyond;
	memory->release(memory->arg, beyond);
	return NULL;
}

HllState *
hll_beyond(const HllState *base, HllState *added, const SketchMemory *memory)
{
	HllState *beyond;

	/* An empty set counts where it meets another: then the precision is the larger one. */
	if (base->form != HLL_REGISTERS && base->count == 0)
		return added;
	if (base->width != added->width || base->cutoff != added->cutoff ||
		added->precision < base->precision)
		return added;
	/* Most of the time there is nothing, of a few values. */
	if (base->form == HLL_REGISTERS && added->form == HLL_TOKENS && registers_have(base, added))
		beyond = NULL;
	else if (base->form == HLL_REGISTERS)
		beyond = registers_beyond(base, added, memory);
	else if (base->form == HLL_TOKENS && added->form == HLL_TOKENS)
		beyond = tokens_beyond(base, added, memory);
	else
		return added;
	memory->release(memory->arg, added);
	return beyond;
}

uint32_t
hll_nonzero(const HllState *state)
{
	uint32_t n = 0;

	if (state->form != HLL_REGISTERS)
		return state->count;
	for (uint32_t i = 0; i < hll_register_count(state->precision); i++)
		n += hll_registers(state)[i] != 0;
	return n;
}

/* ---- invariants ------------------------------------------------------------------------------ */

static const char *
check_tokens(const HllState *state)
{
	const uint32_t *slots = hll_slots(state);
	uint32_t n = 0;

	if (state->cutoff != HLL_NATIVE || state->width != HLL_NATIVE_WIDTH)
		return "tokens with foreign parameters";
	/* A search ends at an empty slot. */
	if (state->count >= state->slots)
		return "token table without an empty slot";
	for (uint32_t i = 0; i < state->slots; i++)
	{
		if (slots[i] == HLL_EMPTY_TOKEN)
			continue;
		if ((slots[i] & 63) > 38)
			return "token with an impossible value";
		if (find_slot(state, slots[i]) != i)
			return "token in a slot where it cannot be found";
		n++;
	}
	if (n != state->count)
		return "token count is wrong";
	return n > hll_token_limit(state->precision) ? "more tokens than allowed" : NULL;
}

const char *
hll_check_state(const HllState *state)
{
	if (state->precision > HLL_MAX_PRECISION || state->width < 1 || state->width > 8)
		return "parameters out of range";
	if (state->npending != 0)
		return "values are still pending";
	if (state->form == HLL_TOKENS)
		return check_tokens(state);
	if (state->form == HLL_EXPLICIT)
	{
		for (uint32_t i = 1; i < state->count; i++)
			if (hll_elements(state)[i - 1] >= hll_elements(state)[i])
				return "hashes are not sorted";
		return state->count > hll_explicit_limit(state->precision, state->width, state->cutoff)
				   ? "more hashes than allowed"
				   : NULL;
	}
	if (state->form != HLL_REGISTERS)
		return "unknown form";
	for (uint32_t i = 0; i < hll_padded_count(state->precision); i++)
	{
		uint32_t limit = i < hll_register_count(state->precision)
							 ? hll_max_value(state->precision, state->width)
							 : 0;

		if (hll_registers(state)[i] > limit)
			return "register value out of range";
	}
	return NULL;
}
