/*
 * Any bytes as a packed sketch and as storage v1: never a crash, never a wrong set.
 *
 * The first byte chooses what the rest is taken for. What passes the check must come back byte for
 * byte; what does not must still be harmless where stored bytes are trusted: estimating, merging.
 */
#include "../fuzz.h"

#include "sketch/hll_internal.h"

static uint8_t *
packed(const HllState *state, size_t *size)
{
	HllPacker packer;
	uint8_t *bytes;

	hll_pack_prepare(state, &packer, &heap);
	*size = packer.size;
	bytes = fuzz_allocate(NULL, packer.size);
	hll_pack(&packer, bytes, &heap);
	return bytes;
}

/* A state, whose packed bytes are these, as storage v1 and, where that loses nothing, back. */
static void
through_storage(const HllState *state, const uint8_t *once, size_t size)
{
	HllStorage storage;
	uint8_t *bytes;

	hll_storage_prepare(state, state->width, state->cutoff & 0x7F, &storage, &heap);
	bytes = fuzz_allocate(NULL, storage.size);
	hll_storage_write(&storage, bytes, &heap);
	if (state->cutoff != HLL_NATIVE)
	{
		const char *error;
		HllState *back = hll_storage_read(bytes, storage.size, &heap, &error);
		uint8_t *again;
		size_t length;

		require(back != NULL);
		again = packed(back, &length);
		require(size == length && memcmp(once, again, size) == 0);
		free(again);
		free(back);
	}
	free(bytes);
}

/*
 * A valid state, through everything that can be done with one. Of large ones, whose many registers
 * would take nearly all of the time, a sixteenth: which one, the size of the input says.
 */
static void
exercise(HllState *state, size_t input)
{
	HllState *twice = hll_merge(hll_copy(state, &heap), state, &heap);
	size_t size;
	size_t again;
	uint8_t *once = packed(state, &size);
	uint8_t *both = packed(twice, &again);

	require(hll_check_state(state) == NULL);
	require(hll_estimate(state) >= 0);
	require(size == again && memcmp(once, both, size) == 0);
	require(hll_check(once, size, &heap) == NULL);
	if (state->precision <= 12 || input % 16 == 0)
	{
		through_storage(state, once, size);
		twice = hll_fold(twice, twice->precision / 2, &heap);
		require(hll_check_state(twice) == NULL);
	}
	free(once);
	free(both);
	free(twice);
}

static void
fuzz_packed(const uint8_t *data, size_t size)
{
	HllView view;
	const char *error;
	HllState *state;

	if (hll_view(data, size, &view) != NULL)
		return;
	(void) hll_estimate_packed(&view, &error);
	state = hll_create(10, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
	for (uint64_t i = 0; i < 50; i++)
		state = hll_add(state, hll_hash_word(i, 8), &heap);
	state = hll_merge_packed(state, &view, &heap, &error);
	free(state);
	if (hll_check(data, size, &heap) == NULL)
	{
		state = hll_unpack(&view, &heap);
		require(state != NULL);
		exercise(state, size);
		free(state);
	}
}

static void
fuzz_storage(const uint8_t *data, size_t size)
{
	const char *error;
	HllState *state = hll_storage_read(data, size, &heap, &error);

	require((state == NULL) == (error != NULL));
	if (state == NULL)
		return;
	exercise(state, size);
	free(state);
}

/* As text: a string of its own, so that reading behind its end shows. */
static void
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = fuzz_allocate(NULL, size + 1);
	uint8_t *bytes;
	size_t length;

	memcpy(text, data, size);
	text[size] = '\0';
	bytes = fuzz_allocate(NULL, strlen(text) / 2);
	if (hll_text_read(text, bytes, &length, &heap) == NULL)
	{
		char *again = fuzz_allocate(NULL, HLL_TEXT_HEAD + 2 * length);
		HllView view;

		require(hll_view(bytes, length, &view) == NULL);
		hll_text_write(&view, bytes, length, again);
		require(strcmp(text, again) == 0);
		free(again);
	}
	free(bytes);
	free(text);
}

/* Bytes as hashes: few and alike, so that they meet. */
static void
fuzz_values(const uint8_t *data, size_t size)
{
	HllState *now;
	HllState *later;
	int precision;

	if (size < 1)
		return;
	precision = HLL_MIN_PRECISION + data[0] % 15;
	now = hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
	later = hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
	for (size_t i = 1; i < size; i++)
	{
		uint64_t hash = (uint64_t) data[i] << (data[i - 1] % 64);

		now = hll_add(now, hash, &heap);
		later = hll_add_later(later, hash, &heap);
	}
	later = hll_settle(later, &heap);
	require(hll_estimate(now) == hll_estimate(later));
	exercise(now, size);
	free(now);
	free(later);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % 8)
	{
		case 0:
		case 1:
			fuzz_packed(data + 1, size - 1);
			break;
		case 4:
			fuzz_text(data + 1, size - 1);
			break;
		case 2:
			fuzz_storage(data + 1, size - 1);
			break;
		default:
			fuzz_values(data + 1, size - 1);
			break;
	}
	return 0;
}
