/*
 * Time windows: what a clock shows, and where on it windows begin. No fmgr here.
 *
 * An instant is a moment (microseconds since 2000-01-01 00:00 UTC); a reading is what the clock of
 * a zone shows then, in the same unit. A grid is a series of readings at equal distances; its
 * bounds are the instants at which the clock comes to such a reading:
 *
 * - A reading that the clock skips (it is put forward) comes when the clock jumps over it.
 * - A reading that the clock shows twice (it is put back) comes the first time. Where the stretch
 *   that is shown again is at least as long as the grid's distance, it comes the second time, too:
 *   a day has one beginning, but the hour that is repeated has its own hourly windows.
 */
#ifndef TELEMETRY_TYPE_WINDOW_H
#define TELEMETRY_TYPE_WINDOW_H

#include "postgres.h"

#include "base/compat.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

/* A time of constant offset; it ends where the next segment starts. */
typedef struct ClockSegment
{
	int64 start;  /* instant */
	int64 offset; /* reading - instant */
	int64 entry;  /* the reading at its start */
	int64 peak;   /* the clock came up to this reading before, and did not show it */
} ClockSegment;

/* A zone's clock in a stretch of time. */
typedef struct Clock
{
	MemoryContext context;
	pg_tz *zone;    /* NULL: one without changes, UTC */
	int64 from, to; /* what the segments cover */
	int count;
	int room;
	int last; /* the segment found last */
	ClockSegment *segments;
} Clock;

extern void clock_init(Clock *clock, pg_tz *zone, MemoryContext context);

/* To be called before anything is asked about the time around an instant. */
extern void clock_cover(Clock *clock, int64 instant, int64 reach);

extern int clock_find(Clock *clock, int64 instant);

/* What the clock shows, at any time, covered or not. */
extern int64 clock_reading(const Clock *clock, int64 instant);

/* The length of a slide or a size: months, or else microseconds; a day is 24 hours of the clock. */
typedef struct Span
{
	int64 months;
	int64 micros;
} Span;

typedef struct Grid
{
	Clock *clock;
	Span step;
	int64 origin; /* a reading of the grid; by months: its time of the day */
	int64 month;  /* by months: the origin's, since January of the year 0 */
	int day;      /* and its day, cut to the length of each month */
} Grid;

extern void grid_init(Grid *grid, Clock *clock, Span step, int64 origin);

/* A grid within one step of a wider one, beginning where that step begins. */
extern void grid_init_within(Grid *grid, Span step, const Grid *wide, int64 bound);

/* The last bound not after an instant, and the first not before it. */
extern int64 grid_floor(const Grid *grid, int64 instant);
extern int64 grid_ceil(const Grid *grid, int64 instant);

/* The instant at which the clock, having come to a bound, shows so much more for the first time. */
extern int64 grid_after(const Grid *grid, int64 bound, Span more);

/* ereports that a window's bound is no timestamp. */
extern void window_out_of_range(void) pg_attribute_noreturn();

/* The start of the window that a moment is in: they lie side by side, one of them from 1970 on. */
extern int64 window_since_epoch(int64 time, int64 width);

#endif
