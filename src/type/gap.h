/*
 * Lengths of time that sessions are made by.
 */
#ifndef TELEMETRY_TYPE_GAP_H
#define TELEMETRY_TYPE_GAP_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * A gap or a greatest length in microseconds, a day being 24 hours. ereports what is not positive
 * or has months; name stands in the message.
 */
extern int64 session_length(const Interval *interval, const char *name);

#endif
