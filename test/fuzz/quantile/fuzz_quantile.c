/*
 * Any bytes as a packed quantile sketch, as two of them and as text: never a crash. What passes the
 * check comes back byte for byte; what does not must be harmless where stored bytes are trusted.
 */
#include "../fuzz.h"

#include "sketch/quantile.h"

/* By the table and by the streams: the same. */
static void
unite(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, bool subtract)
{
	size_t bound = quantile_union_bound(a_size, b_size);
	uint8_t *both = fuzz_allocate(NULL, bound);
	size_t size = quantile_union(a, a_size, b, b_size, subtract, both);
	QuantileSketch sketch;

	require(size <= bound);
	quantile_init(&sketch);
	if (quantile_merge(&sketch, a, a_size, false, &heap) &&
		quantile_merge(&sketch, b, b_size, subtract, &heap) && size > 0)
	{
		uint8_t *packed = fuzz_allocate(NULL, quantile_pack_bound(&sketch));
		size_t packed_size = quantile_pack(&sketch, packed, &heap);

		require(quantile_check(packed, packed_size) == NULL);
		if (quantile_check(a, a_size) == NULL && quantile_check(b, b_size) == NULL)
			require(packed_size == size && memcmp(packed, both, size) == 0);
		free(packed);
	}
	quantile_reset(&sketch, &heap);
	free(both);
}

static void
read_all(const uint8_t *data, size_t size)
{
	bool good = quantile_check(data, size) == NULL;
	char *text = fuzz_allocate(NULL, quantile_text_bound(size));
	QuantileReader reader;
	int64_t count;
	uint8_t *again;
	size_t again_size;

	if (quantile_count(data, size, &count) && count > 0)
		for (int i = 0; i <= 4; i++)
			(void) quantile_value(data, size, count, i / 4.0);
	if (quantile_open(&reader, data, size) == NULL)
	{
		quantile_write(data, size, text);
		require(strlen(text) < quantile_text_bound(size));
		if (good)
		{
			again = fuzz_allocate(NULL, quantile_read_bound(text));
			require(quantile_read(text, again, &again_size) == NULL);
			require(again_size == size && memcmp(again, data, size) == 0);
			free(again);
		}
	}
	free(text);
}

static void
read_text(const uint8_t *data, size_t size)
{
	static const char start[] = "quantile_sketch/1;bits=";
	char *text = fuzz_allocate(NULL, sizeof(start) + size);
	uint8_t *bytes;
	char *again;
	size_t n;

	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + sizeof(start) - 1, data, size);
	text[sizeof(start) - 1 + size] = '\0';
	bytes = fuzz_allocate(NULL, quantile_read_bound(text));
	if (quantile_read(text, bytes, &n) == NULL)
	{
		require(n <= quantile_read_bound(text) && quantile_check(bytes, n) == NULL);
		again = fuzz_allocate(NULL, quantile_text_bound(n));
		quantile_write(bytes, n, again);
		require(strcmp(text, again) == 0);
		free(again);
	}
	free(bytes);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut;

	if (size < 2)
		return 0;
	cut = 2 + data[1] * (size - 2) / 255;
	read_all(data + 1, size - 1);
	read_all(data + 2, cut - 2);
	if (data[0] % 4 == 0)
		read_text(data + 1, size - 1);
	else
		unite(data + 2, cut - 2, data + cut, size - cut, data[0] % 4 == 1);
	return 0;
}
