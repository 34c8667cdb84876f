/*
 * Intervals as arguments: lengths of time that sessions and windows are made by, and stretches of
 * time from a start to an end.
 */
#ifndef TELEMETRY_TYPE_INTERVAL_H
#define TELEMETRY_TYPE_INTERVAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

/*
 * A gap or a greatest length in microseconds, a day being 24 hours. ereports what is not positive
 * or has months; name and whose (" of a session") stand in the message.
 */
extern int64 interval_length(const Interval *interval, const char *name, const char *whose);

/* Of a session. */
extern int64 session_length(const Interval *interval, const char *name);

/* ereports a stretch of time that ends before it starts; more: what else the hint says of ends. */
extern void interval_check_order(int64 start, int64 end, const char *more);

/*
 * The stretch of time that an aggregate is given as its first two arguments; a null end is behind
 * all times. False: it goes on at no moment that is finite, or has no start.
 */
extern bool interval_given(FunctionCallInfo fcinfo, int64 *start, int64 *end);

#endif
