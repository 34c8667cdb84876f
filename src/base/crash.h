/*
 * Places where a test has the server crash: crash_point("name") kills its process at once, as kill
 * -9 does, when the data directory's file telemetry.crash_at holds that name; the file goes first,
 * so that it happens once. Compiled in by -DTELEMETRY_CRASH_POINTS alone
 * (test/t/055_crash_points.pl).
 */
#ifndef TELEMETRY_BASE_CRASH_H
#define TELEMETRY_BASE_CRASH_H

#include "postgres.h"

#ifdef TELEMETRY_CRASH_POINTS
extern void crash_point(const char *name);
#else
#define crash_point(name) ((void) 0)
#endif

#endif
