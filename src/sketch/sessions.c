/*
 * Sets of sessions: adding events in any order, merging, asking.
 *
 * Events mostly come by time, and then prolong the newest session or begin the next one. The others
 * wait until they are as many as a quarter of the list, and are then sorted and merged with it: so
 * an event costs the same however many sessions there are. Small sets are added in the same way.
 */
#include "sketch/sessions.h"

#include <stdlib.h>
#include <string.h>

#define FEWEST_EARLY 256

void
sessions_init(Sessions *sessions, int64_t gap)
{
	memset(sessions, 0, sizeof(*sessions));
	sessions->gap = gap;
}

void
sessions_reset(Sessions *sessions, const SketchMemory *memory)
{
	if (sessions->list != NULL)
		memory->release(memory->arg, sessions->list);
	if (sessions->early != NULL)
		memory->release(memory->arg, sessions->early);
	sessions_init(sessions, sessions->gap);
}

/* Room for one more: half as much again. */
static void *
grown(void *old, size_t count, size_t *room, size_t width, const SketchMemory *memory)
{
	void *new;

	if (count < *room)
		return old;
	*room = count < 4 ? 4 : count + count / 2;
	new = memory->allocate(memory->arg, *room * width);
	if (old != NULL)
	{
		memcpy(new, old, count * width);
		memory->release(memory->arg, old);
	}
	return new;
}

static void
push(Sessions *sessions, const Session *session, const SketchMemory *memory)
{
	sessions->list =
		grown(sessions->list, sessions->count, &sessions->room, sizeof(Session), memory);
	sessions->list[sessions->count++] = *session;
}

/* Adds one that begins not before the other one, and is in reach of it. */
static bool
extend(Session *session, const Session *next)
{
	if (next->last > session->last)
		session->last = next->last;
	if (next->count > INT64_MAX - session->count)
		return false;
	session->count += next->count;
	return true;
}

bool
sessions_add(Sessions *sessions, const Session *session, const SketchMemory *memory)
{
	Session *newest = sessions->count > 0 ? &sessions->list[sessions->count - 1] : NULL;
	size_t most = sessions->count / 4;

	if (newest == NULL || session->first > sessions_reach(newest->last, sessions->gap))
	{
		push(sessions, session, memory);
		return true;
	}
	if (session->first >= newest->first)
		return extend(newest, session);
	sessions->early = grown(sessions->early, sessions->early_count, &sessions->early_room,
							sizeof(Session), memory);
	sessions->early[sessions->early_count++] = *session;
	return sessions->early_count < (most > FEWEST_EARLY ? most : FEWEST_EARLY) ||
		   sessions_settle(sessions, memory);
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Takes up the next one by its first time. */
static bool
take(Session *out, size_t *count, const Session *next, int64_t gap)
{
	if (*count > 0 && next->first <= sessions_reach(out[*count - 1].last, gap))
		return extend(&out[*count - 1], next);
	out[(*count)++] = *next;
	return true;
}

/* other: by first time. */
static bool
merge(Sessions *sessions, const Session *other, size_t other_count, const SketchMemory *memory)
{
	size_t room = sessions->count + other_count;
	Session *out = memory->allocate(memory->arg, room * sizeof(Session));
	size_t i = 0, j = 0, count = 0;
	bool fits = true;

	while (fits && (i < sessions->count || j < other_count))
	{
		bool own =
			j == other_count || (i < sessions->count && sessions->list[i].first <= other[j].first);

		fits = take(out, &count, own ? &sessions->list[i++] : &other[j++], sessions->gap);
	}
	if (sessions->list != NULL)
		memory->release(memory->arg, sessions->list);
	sessions->list = out;
	sessions->count = count;
	sessions->room = room;
	return fits;
}

static int
by_first(const void *a, const void *b)
{
	int64_t x = ((const Session *) a)->first, y = ((const Session *) b)->first;

	return (x > y) - (x < y);
}

bool
sessions_settle(Sessions *sessions, const SketchMemory *memory)
{
	size_t n = sessions->early_count;

	sessions->early_count = 0;
	if (n == 0)
		return true;
	qsort(sessions->early, n, sizeof(Session), by_first);
	return merge(sessions, sessions->early, n, memory);
}

/* A large set at once; small ones wait with others, or many of them would each copy the list. */
bool
sessions_merge(Sessions *into, const Sessions *from, const SketchMemory *memory)
{
	bool fits = true;
	size_t i;

	if (from->count > into->count / 4)
		return sessions_settle(into, memory) && merge(into, from->list, from->count, memory);
	for (i = 0; fits && i < from->count; i++)
		fits = sessions_add(into, &from->list[i], memory);
	return fits;
}

/* ---- questions ------------------------------------------------------------------------------- */

const Session *
sessions_find(const Sessions *sessions, int64_t time)
{
	size_t low = 0, high = sessions->count;

	/* The last one that begins by then. */
	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (sessions->list[middle].first <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && sessions->list[low - 1].last >= time ? &sessions->list[low - 1] : NULL;
}

bool
sessions_events(const Sessions *sessions, int64_t *events)
{
	size_t i;

	*events = 0;
	for (i = 0; i < sessions->count; i++)
	{
		if (sessions->list[i].count > INT64_MAX - *events)
			return false;
		*events += sessions->list[i].count;
	}
	return true;
}

/*
 * From the first time there is to the last one are more microseconds than 63 bits count. Infinite
 * ones have no length.
 */
static uint64_t
length_of(const Session *session)
{
	return (uint64_t) session->last - (uint64_t) session->first;
}

/* No overflow: they do not overlap. */
uint64_t
sessions_total(const Sessions *sessions)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < sessions->count; i++)
		total += length_of(&sessions->list[i]);
	return total;
}

uint64_t
sessions_longest(const Sessions *sessions)
{
	uint64_t longest = 0;
	size_t i;

	for (i = 0; i < sessions->count; i++)
		if (length_of(&sessions->list[i]) > longest)
			longest = length_of(&sessions->list[i]);
	return longest;
}

/* ---- what comes from outside ----------------------------------------------------------------- */

static bool
is_time(int64_t time)
{
	return time == INT64_MIN || time == INT64_MAX ||
		   (time >= SESSIONS_FIRST_TIME && time < SESSIONS_END_TIME);
}

const char *
sessions_append(Sessions *sessions, const Session *session, const SketchMemory *memory)
{
	uint64_t length = length_of(session);

	if (!is_time(session->first) || !is_time(session->last))
		return "a time is out of range";
	if (session->last < session->first)
		return "a session ends before it begins";
	if (session->last != session->first &&
		(session->first == INT64_MIN || session->last == INT64_MAX))
		return "a session is infinitely long";
	if (session->count < 1)
		return "a session has no event";
	/* Each event but the first is at most the gap after one before it. */
	if (length / (uint64_t) sessions->gap + (length % (uint64_t) sessions->gap != 0) >
		(uint64_t) session->count - 1)
		return "a session has too few events for its length and the gap";
	if (sessions->count > 0 &&
		session->first <= sessions_reach(sessions->list[sessions->count - 1].last, sessions->gap))
		return "sessions are not in order, or closer than the gap";
	push(sessions, session, memory);
	return NULL;
}
