/*
 * Any bytes as a packed set of sessions, and as events: never a crash, never a wrong set.
 *
 * What passes the check must come back byte for byte. Events must give the same bytes one by one,
 * in the opposite order, merged from two halves, and by the definition: sorted, and cut where the
 * distance is greater than the gap.
 */
#include "../fuzz.h"

#include "sketch/sessions.h"

static uint8_t *
packed(const Sessions *sessions, size_t *size)
{
	uint8_t *bytes;

	*size = sessions_size(sessions);
	bytes = fuzz_allocate(NULL, *size);
	sessions_pack(sessions, bytes);
	return bytes;
}

static void
require_equal(const Sessions *a, const Sessions *b)
{
	size_t a_size, b_size;
	uint8_t *a_bytes = packed(a, &a_size), *b_bytes = packed(b, &b_size);

	require(a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0);
	free(a_bytes);
	free(b_bytes);
}

static void
as_bytes(const uint8_t *data, size_t size)
{
	Sessions sessions, twice;
	size_t again, i;
	uint8_t *bytes;
	int64_t events;

	if (sessions_unpack(data, size, &sessions, &heap) == NULL)
	{
		bytes = packed(&sessions, &again);
		require(again == size && memcmp(bytes, data, size) == 0);
		free(bytes);
		require(sessions_total(&sessions) >= sessions_longest(&sessions));
		(void) sessions_events(&sessions, &events);
		for (i = 0; i < sessions.count; i++)
			require(sessions_find(&sessions, sessions.list[i].first) == &sessions.list[i]);
		require(sessions_unpack(data, size, &twice, &heap) == NULL);
		if (sessions_merge(&twice, &sessions, &heap) && sessions_settle(&twice, &heap))
			require(twice.count == sessions.count);
		sessions_reset(&twice, &heap);
	}
	sessions_reset(&sessions, &heap);
}

/* Small distances and small gaps meet; a byte of 255 is an infinite time. */
static int64_t
event(const uint8_t *data, size_t i)
{
	if (data[i] == 255)
		return i % 2 ? INT64_MAX : INT64_MIN;
	if (data[i] == 254)
		return i % 2 ? SESSIONS_END_TIME - 1 : SESSIONS_FIRST_TIME;
	return (int64_t) data[i] * (i % 3 + 1);
}

static int
by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

static void
by_definition(const uint8_t *data, size_t size, Sessions *out)
{
	int64_t *times = fuzz_allocate(NULL, size * sizeof(int64_t));
	Session session = {0, 0, 0};
	size_t i;

	for (i = 0; i < size; i++)
		times[i] = event(data, i);
	qsort(times, size, sizeof(int64_t), by_time);
	for (i = 0; i < size; i++)
	{
		uint64_t distance = (uint64_t) times[i] - (uint64_t) session.last;
		int together = i > 0 && (times[i] == session.last ||
								 (distance <= (uint64_t) out->gap && session.last != INT64_MIN &&
								  times[i] != INT64_MAX));

		if (!together && i > 0)
			require(sessions_append(out, &session, &heap) == NULL);
		if (!together)
			session = (Session){times[i], times[i], 0};
		session.last = times[i];
		session.count++;
	}
	if (size > 0)
		require(sessions_append(out, &session, &heap) == NULL);
	free(times);
}

static void
add(Sessions *sessions, int64_t time)
{
	require(sessions_add(sessions, &(Session){time, time, 1}, &heap));
}

static void
as_events(const uint8_t *data, size_t size)
{
	int64_t gap = data[size / 2] % 8 < 7 ? data[size / 2] % 8 + 1 : INT64_MAX;
	Sessions forward, backward, half, definition;
	size_t i;

	sessions_init(&forward, gap);
	sessions_init(&backward, gap);
	sessions_init(&half, gap);
	sessions_init(&definition, gap);
	for (i = 0; i < size; i++)
	{
		add(&forward, event(data, i));
		add(i < size / 2 ? &half : &backward, event(data, i));
	}
	require(sessions_settle(&forward, &heap) && sessions_settle(&half, &heap));
	require(sessions_merge(&backward, &half, &heap) && sessions_settle(&backward, &heap));
	by_definition(data, size, &definition);
	require_equal(&forward, &definition);
	require_equal(&backward, &definition);
	sessions_reset(&backward, &heap);
	for (i = size; i-- > 0;)
		add(&backward, event(data, i));
	require(sessions_settle(&backward, &heap));
	require_equal(&backward, &definition);
	sessions_reset(&forward, &heap);
	sessions_reset(&backward, &heap);
	sessions_reset(&half, &heap);
	sessions_reset(&definition, &heap);
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
