/*
 * Days in a time zone. See zone.h.
 */
#include "decode/zone.h"

#include "base/epoch.h"
#include "base/floor_div.h"
#include "base/zone_name.h"
#include "utils/timestamp.h"

/* Behind all instants that there are. */
#define NEVER PG_INT64_MAX

bool
zone_clock_init(ZoneClock *clock, const char *name)
{
	memset(clock, 0, sizeof(*clock)); /* an empty stretch: the first instant looks it up */
	clock->zone = zone_of_name(name);
	return clock->zone != NULL;
}

/*
 * What holds at an instant holds until the next change after it. Events that come out of order
 * widen the stretch instead of looking it up for ever.
 */
static bool
look_up(ZoneClock *clock, pg_time_t time)
{
	const struct pg_tm *local = pg_localtime(&time, clock->zone);
	long int offsets[2];
	int summer[2];
	pg_time_t change;
	int found = pg_next_dst_boundary(&time, &offsets[0], &summer[0], &change, &offsets[1],
									 &summer[1], clock->zone);

	if (local == NULL || found < 0)
		return false;
	if (found == 0)
		change = NEVER;
	clock->from = clock->to == change ? Min(clock->from, time) : time;
	clock->to = change;
	/* As AT TIME ZONE takes it: the other differs from it before the zone's first change. */
	clock->offset = local->tm_gmtoff;
	return true;
}

bool
zone_day(ZoneClock *clock, TimestampTz instant, DateADT *day)
{
	int64 seconds;

	if (TIMESTAMP_NOT_FINITE(instant))
	{
		*day = TIMESTAMP_IS_NOBEGIN(instant) ? DATEVAL_NOBEGIN : DATEVAL_NOEND;
		return true;
	}
	seconds = floor_div(instant, USECS_PER_SEC);
	if ((seconds - UNIX_EPOCH_SECONDS < clock->from || seconds - UNIX_EPOCH_SECONDS >= clock->to) &&
		!look_up(clock, seconds - UNIX_EPOCH_SECONDS))
		return false;
	*day = (DateADT) floor_div(seconds + clock->offset, SECS_PER_DAY);
	return IS_VALID_DATE(*day);
}
