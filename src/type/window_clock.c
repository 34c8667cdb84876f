/*
 * What the clock of a time zone shows: its changes as a table of segments.
 *
 * PostgreSQL's own library tells the offset at an instant and the next change after it. Windows
 * also need the changes before, and how far the clock had come, so both are kept for some decades
 * around the events; another stretch is looked up when an event lies outside.
 */
#include "postgres.h"

#include "base/epoch.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/floor_div.h"
#include "type/window.h"

/* Looked up beyond what is asked for, so that one table serves the events of most queries. */
#define CLOCK_MARGIN (20 * INT64CONST(366) * USECS_PER_DAY)
/*
 * So long before a stretch of time the clock's changes may still matter to it: zones that change
 * sides of the date line are put back by a day.
 */
#define CLOCK_MEMORY (INT64CONST(800) * USECS_PER_DAY)

void
window_out_of_range(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("window is out of range of timestamps")));
}

int64
window_since_epoch(int64 time, int64 width)
{
	int64 since;

	if (pg_sub_s64_overflow(time, UNIX_EPOCH, &since))
		window_out_of_range();
	time -= since - floor_div(since, width) * width;
	if (!IS_VALID_TIMESTAMP(time))
		window_out_of_range();
	return time;
}

/* Seconds since 1970, the second in which the instant lies. */
static pg_time_t
unix_time(int64 instant)
{
	return (pg_time_t) (floor_div(instant, USECS_PER_SEC) - UNIX_EPOCH_SECONDS);
}

static int64
instant_of(pg_time_t time)
{
	return ((int64) time + UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
}

void
clock_init(Clock *clock, pg_tz *zone, MemoryContext context)
{
	memset(clock, 0, sizeof(Clock));
	clock->context = context;
	clock->zone = zone;
	clock->room = 1;
	clock->segments = MemoryContextAlloc(context, sizeof(ClockSegment));
	/* Nothing is covered yet by a zone; UTC is, for ever. */
	clock->from = zone == NULL ? PG_INT64_MIN : PG_INT64_MAX;
	clock->to = zone == NULL ? PG_INT64_MAX : PG_INT64_MIN;
	clock->segments[0] = (ClockSegment){PG_INT64_MIN, 0, PG_INT64_MIN, PG_INT64_MIN};
	clock->count = 1;
}

static void
clock_append(Clock *clock, int64 start, int64 offset)
{
	ClockSegment *before, *segment;

	if (clock->count > 0 && clock->segments[clock->count - 1].offset == offset)
		return;
	if (clock->count == clock->room)
	{
		clock->room *= 2;
		clock->segments = repalloc_huge(clock->segments, (Size) clock->room * sizeof(ClockSegment));
	}
	segment = &clock->segments[clock->count++];
	*segment = (ClockSegment){start, offset, PG_INT64_MIN, PG_INT64_MIN};
	if (clock->count == 1)
		return;
	before = segment - 1;
	segment->entry = start + offset;
	segment->peak = Max(before->peak, start + before->offset);
}

static void
clock_load(Clock *clock, int64 from, int64 to)
{
	pg_time_t time = unix_time(from), change;
	long int offset, after;
	int dst, dst_after, found;

	clock->count = 0;
	clock->last = 0;
	for (;;)
	{
		found =
			pg_next_dst_boundary(&time, &offset, &dst, &change, &after, &dst_after, clock->zone);
		if (clock->count == 0)
			clock_append(clock, PG_INT64_MIN, offset * USECS_PER_SEC);
		if (found <= 0 || instant_of(change) > to)
			break;
		clock_append(clock, instant_of(change), after * USECS_PER_SEC);
		time = change;
	}
	clock->from = from;
	clock->to = to;
}

/* Only within the range of timestamps: reach may be longer than it. */
static int64
moved(int64 instant, int64 by)
{
	int64 result;

	if (pg_add_s64_overflow(instant, by, &result))
		return by < 0 ? MIN_TIMESTAMP : END_TIMESTAMP;
	return Max(MIN_TIMESTAMP, Min(END_TIMESTAMP, result));
}

void
clock_cover(Clock *clock, int64 instant, int64 reach)
{
	int64 from = moved(moved(instant, -reach), -CLOCK_MEMORY);
	int64 to = moved(moved(instant, reach), CLOCK_MEMORY);

	if (clock->zone == NULL || (from >= clock->from && to <= clock->to))
		return;
	/* Not to be taken for covered if loading is interrupted by an error. */
	clock->from = PG_INT64_MAX;
	clock->to = PG_INT64_MIN;
	clock_load(clock, moved(from, -CLOCK_MARGIN), moved(to, CLOCK_MARGIN));
}

static inline bool
segment_has(const Clock *clock, int i, int64 instant)
{
	return instant >= clock->segments[i].start &&
		   (i + 1 == clock->count || instant < clock->segments[i + 1].start);
}

int
clock_find(Clock *clock, int64 instant)
{
	int low = 0, high = clock->count - 1;

	if (likely(segment_has(clock, clock->last, instant)))
		return clock->last;
	while (low < high)
	{
		int middle = (low + high + 1) / 2;

		if (instant >= clock->segments[middle].start)
			low = middle;
		else
			high = middle - 1;
	}
	clock->last = low;
	return low;
}

int64
clock_reading(const Clock *clock, int64 instant)
{
	pg_time_t time = unix_time(instant), change;
	long int offset, after;
	int dst, dst_after;

	if (clock->zone == NULL)
		return instant;
	pg_next_dst_boundary(&time, &offset, &dst, &change, &after, &dst_after, clock->zone);
	return instant + offset * USECS_PER_SEC;
}
