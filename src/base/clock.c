#include "base/clock.h"

#include <limits.h>
#include <time.h>

Moment
clock_now(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (Moment) now.tv_sec * INT64CONST(1000000) + now.tv_nsec / 1000;
}

Moment
clock_after(int64 ms)
{
	return clock_now() + ms * INT64CONST(1000);
}

long
clock_ms_between(Moment from, Moment to)
{
	if (to <= from)
		return 0;
	return (long) Min((to - from - 1) / 1000 + 1, INT_MAX);
}

long
clock_ms_until(Moment moment)
{
	return clock_ms_between(clock_now(), moment);
}
