/*
 * Readings of a clock at equal distances, and the instants at which the clock comes to them.
 */
#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/floor_div.h"
#include "type/window.h"

/* Further from the origin than any timestamp is. */
#define MONTHS_LIMIT (INT64CONST(12) * 600000)

/* A clock is at most about a day ahead of UTC or behind; within this, offsets never overflow. */
#define CLOCK_LIMIT (2 * USECS_PER_DAY)

/* ---- readings -------------------------------------------------------------------------------- */

static void
split_reading(int64 reading, int64 *month, int *day, int64 *time)
{
	int64 date = floor_div(reading, USECS_PER_DAY);
	int y, m;

	j2date((int) (date + POSTGRES_EPOCH_JDATE), &y, &m, day);
	*month = (int64) y * MONTHS_PER_YEAR + m - 1;
	*time = reading - date * USECS_PER_DAY;
}

static inline int64
checked(int64 reading)
{
	if (unlikely(reading < MIN_TIMESTAMP - CLOCK_LIMIT || reading > END_TIMESTAMP + CLOCK_LIMIT))
		window_out_of_range();
	return reading;
}

/* A month of the grid's origin: on its day, or the last that the month has. */
static int64
month_reading(const Grid *grid, int64 months)
{
	int64 month, y, date, result;
	int m, day;

	if (months > MONTHS_LIMIT || months < -MONTHS_LIMIT)
		window_out_of_range();
	month = grid->month + months;
	y = floor_div(month, MONTHS_PER_YEAR);
	m = (int) (month - y * MONTHS_PER_YEAR) + 1;
	if (!IS_VALID_JULIAN(y, m, 1))
		window_out_of_range();
	day = Min(grid->day, day_tab[isleap(y)][m - 1]);
	date = (int64) date2j((int) y, m, day) - POSTGRES_EPOCH_JDATE;
	if (pg_mul_s64_overflow(date, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, grid->origin, &result))
		window_out_of_range();
	return checked(result);
}

/* The grid's reading of a number, and so much more. */
static int64
reading_at(const Grid *grid, int64 number, Span more)
{
	int64 result;

	if (grid->step.months > 0)
	{
		if (pg_mul_s64_overflow(number, grid->step.months, &result) ||
			pg_add_s64_overflow(result, more.months, &result))
			window_out_of_range();
		return month_reading(grid, result);
	}
	if (pg_mul_s64_overflow(number, grid->step.micros, &result) ||
		pg_add_s64_overflow(result, grid->origin, &result) ||
		pg_add_s64_overflow(result, more.micros, &result))
		window_out_of_range();
	return checked(result);
}

/* The number of the last reading of the grid that is not above one. */
static int64
number_at(const Grid *grid, int64 reading)
{
	const Span none = {0, 0};
	int64 month, time, number;
	int day;

	if (grid->step.months > 0)
	{
		split_reading(reading, &month, &day, &time);
		number = floor_div(month - grid->month, grid->step.months);
		return reading_at(grid, number, none) > reading ? number - 1 : number;
	}
	if (pg_sub_s64_overflow(reading, grid->origin, &number))
		window_out_of_range();
	return floor_div(number, grid->step.micros);
}

void
grid_init(Grid *grid, Clock *clock, Span step, int64 origin)
{
	memset(grid, 0, sizeof(Grid));
	grid->clock = clock;
	grid->step = step;
	if (step.months > 0)
		split_reading(origin, &grid->month, &grid->day, &grid->origin);
	else
	{
		/* The nearest to 2000 of its readings, lest differences overflow. */
		grid->origin = origin % step.micros;
	}
}

void
grid_init_within(Grid *grid, Span step, const Grid *wide, int64 bound)
{
	const Span none = {0, 0};
	int i = clock_find(wide->clock, bound);
	int64 number = number_at(wide, bound + wide->clock->segments[i].offset);

	grid->clock = wide->clock;
	grid->step = step;
	if (step.months > 0)
	{
		grid->month = wide->month + number * wide->step.months;
		grid->day = wide->day;
		grid->origin = wide->origin;
	}
	else
		grid->origin = reading_at(wide, number, none);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* Is what the clock shows again in this segment long enough for bounds of its own? */
static inline bool
repeats(const Grid *grid, const ClockSegment *segment)
{
	return grid->step.months == 0 && segment->peak > segment->entry &&
		   segment->peak - segment->entry >= grid->step.micros;
}

int64
grid_floor(const Grid *grid, int64 instant)
{
	const Span none = {0, 0};
	const ClockSegment *segments = grid->clock->segments;

	for (int i = clock_find(grid->clock, instant);; i--)
	{
		const ClockSegment *segment = &segments[i];
		int64 reading = reading_at(grid, number_at(grid, instant + segment->offset), none);
		bool fresh = reading >= segment->peak;

		if (reading >= segment->entry && (fresh || repeats(grid, segment)))
			return reading - segment->offset;
		if (fresh)
			return segment->start;
		/* The first segment has no peak: its readings are all fresh. */
		Assert(i > 0);
		instant = segment->start - 1;
	}
}

int64
grid_ceil(const Grid *grid, int64 instant)
{
	const Span none = {0, 0};
	Clock *clock = grid->clock;

	for (int i = clock_find(clock, instant);; i++)
	{
		const ClockSegment *segment = &clock->segments[i];
		int64 from, number, reading, bound;

		if (instant == segment->start)
		{
			from = segment->entry;
			if (segment->entry > segment->peak &&
				reading_at(grid, number_at(grid, from), none) >= segment->peak)
				return instant;
		}
		else
			from = instant + segment->offset;
		if (from < segment->peak && !repeats(grid, segment))
			from = segment->peak;
		number = number_at(grid, from);
		reading = reading_at(grid, number, none);
		if (reading < from)
			reading = reading_at(grid, number + 1, none);
		bound = reading - segment->offset;
		if (i + 1 == clock->count || bound < segment[1].start)
			return bound;
		instant = segment[1].start;
	}
}

int64
grid_after(const Grid *grid, int64 bound, Span more)
{
	Clock *clock = grid->clock;
	int i = clock_find(clock, bound);
	int64 number = number_at(grid, bound + clock->segments[i].offset);
	int64 reading = reading_at(grid, number, more);

	for (;; i++)
	{
		const ClockSegment *segment = &clock->segments[i];
		int64 at = Max(Max(reading - segment->offset, segment->start), bound);

		if (i + 1 == clock->count || at < segment[1].start)
			return at;
	}
}
