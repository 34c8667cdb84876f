/*
 * Lengths of time that sessions are made by, and that are counted in.
 */
#ifndef TELEMETRY_TYPE_GAP_H
#define TELEMETRY_TYPE_GAP_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * A gap or a greatest length in microseconds, a day being 24 hours. ereports what is not positive
 * or has months; name and whose (" of a session") stand in the message.
 */
extern int64 interval_length(const Interval *interval, const char *name, const char *whose);

/* Of a session. */
extern int64 session_length(const Interval *interval, const char *name);

#endif
