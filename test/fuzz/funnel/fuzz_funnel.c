/*
 * Any bytes as a packed funnel, and as events: never a crash, never a wrong funnel.
 *
 * What passes the check must come back byte for byte. Events must give the same bytes one by one,
 * in the opposite order, merged from two halves, and with others that come and go; how far they
 * lead must be what trying each first step says.
 */
#include "../fuzz.h"

#include "sketch/funnel.h"

static uint8_t *
packed(const Funnel *funnel, size_t *size)
{
	uint8_t *bytes;

	*size = funnel_size(funnel);
	bytes = fuzz_allocate(NULL, *size);
	funnel_pack(funnel, bytes);
	return bytes;
}

static void
require_equal(Funnel *a, Funnel *b)
{
	size_t a_size, b_size;
	uint8_t *a_bytes, *b_bytes;

	require(funnel_settle(a, &heap) == NULL && funnel_settle(b, &heap) == NULL);
	a_bytes = packed(a, &a_size);
	b_bytes = packed(b, &b_size);
	require(a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0);
	free(a_bytes);
	free(b_bytes);
}

static void
as_bytes(const uint8_t *data, size_t size)
{
	Funnel funnel, twice;
	size_t again;
	uint8_t *bytes;

	if (funnel_unpack(data, size, &funnel, &heap) == NULL)
	{
		bytes = packed(&funnel, &again);
		require(again == size && memcmp(bytes, data, size) == 0);
		free(bytes);
		require(funnel_reached(&funnel, 1000) <= funnel_reached(&funnel, UINT64_MAX));
		require(funnel_unpack(data, size, &twice, &heap) == NULL);
		if (funnel_merge(&twice, &funnel, false, &heap) == NULL &&
			funnel_settle(&twice, &heap) == NULL)
		{
			require(twice.count == funnel.count);
			require(funnel_merge(&twice, &funnel, true, &heap) == NULL);
			require_equal(&twice, &funnel);
		}
		funnel_reset(&twice, &heap);
		require(funnel_unpack(data, size, &twice, &heap) == NULL);
		require(funnel_merge(&twice, &funnel, true, &heap) == NULL);
		require(funnel_settle(&twice, &heap) == NULL && twice.count == 0);
		funnel_reset(&twice, &heap);
	}
	funnel_reset(&funnel, &heap);
}

/* Few times and few steps, so that they meet; a byte of 255 is an infinite time. */
static FunnelEvent
event(const uint8_t *data, size_t i)
{
	FunnelEvent event = {data[i] >> 2, 1, (data[i] & 3) + 1};

	if (data[i] == 255)
		event.time = i % 2 ? INT64_MAX : INT64_MIN;
	if (data[i] == 254)
		event.time = i % 2 ? FUNNEL_END_TIME - 1 : FUNNEL_FIRST_TIME;
	return event;
}

/* How far the first step leads that is data[first]: by taking the earliest next step each time. */
static int
far_from(const uint8_t *data, size_t size, size_t first, uint64_t within)
{
	FunnelEvent start = event(data, first);
	int64_t at = start.time;
	int step = 1;

	for (;;)
	{
		int64_t next = INT64_MAX;
		size_t i;

		for (i = 0; i < size; i++)
		{
			FunnelEvent e = event(data, i);

			if (e.step == step + 1 && e.time > at && e.time < next)
				next = e.time;
		}
		if (next == INT64_MAX || start.time == INT64_MIN ||
			(uint64_t) next - (uint64_t) start.time > within)
			return step;
		at = next;
		step++;
	}
}

static void
add(Funnel *funnel, FunnelEvent event, int64_t count)
{
	event.count = count;
	require(funnel_add(funnel, &event, &heap) == NULL);
}

static void
as_events(const uint8_t *data, size_t size)
{
	Funnel forward, backward, half, empty;
	uint64_t within = data[0] >> 2;
	int reached = 0;
	size_t i;

	funnel_init(&forward);
	funnel_init(&backward);
	funnel_init(&half);
	funnel_init(&empty);
	for (i = 0; i < size; i++)
	{
		add(&forward, event(data, i), 1);
		add(i < size / 2 ? &half : &backward, event(data, i), 1);
		if (event(data, i).step == 1)
		{
			int far = far_from(data, size, i, within);

			reached = far > reached ? far : reached;
		}
	}
	require(funnel_settle(&half, &heap) == NULL);
	require(funnel_merge(&backward, &half, false, &heap) == NULL);
	require_equal(&forward, &backward);
	require(funnel_reached(&forward, within) == reached);
	for (i = size; i-- > 0;)
	{
		add(&backward, event(data, i), -1);
		add(&half, event(data, i), i % 3 ? 1 : -1);
		add(&half, event(data, i), i % 3 ? -1 : 1);
	}
	require_equal(&backward, &empty);
	for (i = size; i-- > size / 2;)
		add(&half, event(data, i), 1);
	require_equal(&half, &forward);
	funnel_reset(&forward, &heap);
	funnel_reset(&backward, &heap);
	funnel_reset(&half, &heap);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		as_bytes(data + 1, size - 1);
	else
		as_events(data, size);
	return 0;
}
