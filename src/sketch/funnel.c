/*
 * Funnels: adding and taking away events in any order, and how far they lead.
 *
 * Events mostly come by time and are then in order already. Others wait at the end of the list, and
 * are sorted and merged with it when there is no more room: n events cost n log n, in any order.
 */
#include "sketch/funnel.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MOST (INT64_C(1) << 62)

/* More than can be kept, so that what comes after that may still be the same, or take away. */
#define ROOM_MOST (FUNNEL_MOST + FUNNEL_MOST / 4)

static const char too_often[] = "an event came more often than can be counted";

void
funnel_init(Funnel *funnel)
{
	memset(funnel, 0, sizeof(*funnel));
}

void
funnel_reset(Funnel *funnel, const SketchMemory *memory)
{
	if (funnel->list != NULL)
		memory->release(memory->arg, funnel->list);
	funnel_init(funnel);
}

static void
move(Funnel *funnel, size_t room, const SketchMemory *memory)
{
	FunnelEvent *list = memory->allocate(memory->arg, room * sizeof(FunnelEvent));

	if (funnel->list != NULL)
	{
		memcpy(list, funnel->list, funnel->count * sizeof(FunnelEvent));
		memory->release(memory->arg, funnel->list);
	}
	funnel->list = list;
	funnel->room = room;
}

/* Events that come again and again need no more room than once. */
static const char *
make_room(Funnel *funnel, const SketchMemory *memory)
{
	const char *error;

	if (funnel->count < funnel->room)
		return NULL;
	error = funnel_settle(funnel, memory);
	if (error == NULL && funnel->count >= funnel->room - funnel->room / 4)
	{
		size_t room = funnel->room < 4 ? 4 : funnel->room * 2;

		if (funnel->room < ROOM_MOST)
			move(funnel, room < ROOM_MOST ? room : ROOM_MOST, memory);
	}
	return error;
}

/* False: more than can be counted. */
static bool
take(FunnelEvent *event, int64_t count)
{
	return !__builtin_add_overflow(event->count, count, &event->count) &&
		   event->count <= COUNT_MOST && event->count >= -COUNT_MOST;
}

const char *
funnel_add(Funnel *funnel, const FunnelEvent *event, const SketchMemory *memory)
{
	const char *error;

	if (event->step < 1 || event->step > FUNNEL_STEPS)
		return "a step is not from 1 to 64";
	if (event->count < -COUNT_MOST || event->count > COUNT_MOST)
		return too_often;
	error = make_room(funnel, memory);
	if (error != NULL)
		return error;
	if (funnel->sorted == funnel->count &&
		(funnel->count == 0 || funnel_compare(&funnel->list[funnel->count - 1], event) < 0) &&
		event->count != 0)
		funnel->sorted++;
	funnel->list[funnel->count++] = *event;
	return NULL;
}

const char *
funnel_merge(Funnel *into, const Funnel *from, bool subtract, const SketchMemory *memory)
{
	const char *error = NULL;
	size_t i;

	/* At once what they are going to need. */
	if (into->count == 0 && into->room < from->count)
		move(into, from->count, memory);
	for (i = 0; error == NULL && i < from->count; i++)
	{
		FunnelEvent event = from->list[i];

		if (subtract)
			event.count = -event.count;
		error = funnel_add(into, &event, memory);
	}
	return error;
}

/* ---- order ----------------------------------------------------------------------------------- */

static int
by_order(const void *a, const void *b)
{
	return funnel_compare(a, b);
}

/* Behind the last one of what is sorted: the same event as that one is counted there. */
static bool
append(FunnelEvent *out, size_t *count, const FunnelEvent *event)
{
	if (*count > 0 && funnel_compare(&out[*count - 1], event) == 0)
		return take(&out[*count - 1], event->count);
	/* What came as often as it went: its place is free. */
	if (*count > 0 && out[*count - 1].count == 0)
		(*count)--;
	out[*count] = (FunnelEvent){event->time, 0, event->step};
	return take(&out[(*count)++], event->count);
}

static void
sort(FunnelEvent *list, size_t count)
{
	size_t i;

	for (i = 1; i < count; i++)
		if (funnel_compare(&list[i - 1], &list[i]) > 0)
		{
			qsort(list, count, sizeof(FunnelEvent), by_order);
			return;
		}
}

const char *
funnel_settle(Funnel *funnel, const SketchMemory *memory)
{
	FunnelEvent *list = funnel->list, *out;
	size_t i = 0, j = funnel->sorted, count = 0;
	bool fits = true;

	if (funnel->sorted < funnel->count)
	{
		sort(list + j, funnel->count - j);
		out = memory->allocate(memory->arg, funnel->room * sizeof(FunnelEvent));
		while (fits && (i < funnel->sorted || j < funnel->count))
		{
			bool first = j == funnel->count ||
						 (i < funnel->sorted && funnel_compare(&list[i], &list[j]) <= 0);

			fits = append(out, &count, first ? &list[i++] : &list[j++]);
		}
		if (count > 0 && out[count - 1].count == 0)
			count--;
		memory->release(memory->arg, list);
		funnel->list = out;
		funnel->sorted = funnel->count = count;
	}
	if (!fits)
		return too_often;
	return funnel->count > FUNNEL_MOST ? "it has more than 4194304 different events" : NULL;
}

/* ---- how far --------------------------------------------------------------------------------- */

/* At most so much later; nothing is that of an infinite time. */
static bool
is_within(int64_t first, int64_t time, uint64_t within)
{
	return (uint64_t) time - (uint64_t) first <= within && first != INT64_MIN && time != INT64_MAX;
}

/*
 * Each step that was reached is best gone on from with the latest first step that it can be reached
 * from: whatever follows is later than all so far, so that only the time left makes a difference.
 * Of events of the same time the last step comes first, and finds what was reached before them.
 */
int
funnel_reached(const Funnel *funnel, uint64_t within)
{
	int64_t start[FUNNEL_STEPS + 1];
	int reached = 0;
	size_t i;

	for (i = 0; i < funnel->count; i++)
	{
		const FunnelEvent *event = &funnel->list[i];
		int step = event->step;

		if (event->count < 0)
			return -1;
		if (step > reached + 1)
			continue;
		if (step == 1)
			start[1] = event->time;
		else if (is_within(start[step - 1], event->time, within))
			start[step] = start[step - 1];
		else
			continue;
		if (step > reached)
			reached = step;
	}
	return reached;
}
