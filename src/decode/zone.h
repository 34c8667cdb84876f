/*
 * The day that a clock shows, in a named time zone, at an instant.
 */
#ifndef TELEMETRY_DECODE_ZONE_H
#define TELEMETRY_DECODE_ZONE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/* A zone, and the stretch of time around the last instant in which its clock is not changed. */
typedef struct ZoneClock
{
	pg_tz *zone;
	pg_time_t from; /* since 1970; [from, to) */
	pg_time_t to;
	int64 offset; /* seconds east of Greenwich, in that stretch */
} ZoneClock;

/*
 * False: there is no zone of that name (base/zone_name.h).
 */
extern bool zone_clock_init(ZoneClock *clock, const char *name);

/* False: no date can hold it. Infinity stays. */
extern bool zone_day(ZoneClock *clock, TimestampTz instant, DateADT *day);

#endif
