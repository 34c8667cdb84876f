/*
 * The clock to wait by. The wall clock is set: by hand, by NTP, when a machine that slept wakes up.
 * A deadline taken from it would pass at once, or not for hours. So the wall clock is for what is
 * shown or stored, and this one for deadlines, timeouts and silence; it only goes forward, and is
 * the same in all processes of a machine, but means nothing after a restart of it. Any thread may
 * ask it.
 */
#ifndef TELEMETRY_BASE_CLOCK_H
#define TELEMETRY_BASE_CLOCK_H

#include "postgres.h"

/* Microseconds since some moment. 0: none. */
typedef int64 Moment;

#define MOMENT_NEVER PG_INT64_MAX

extern Moment clock_now(void);
extern Moment clock_after(int64 ms);

/* Milliseconds until a later moment, rounded up, as WaitLatch() takes them; 0: it is over. */
extern long clock_ms_between(Moment from, Moment to);
extern long clock_ms_until(Moment moment);

#endif
