/*
 * Dates and times from ISO 8601, by hand, to the microsecond.
 *
 * What is accepted does not depend on DateStyle, the clock or a locale, so that the same message
 * means the same on every replay: 'now', '01/02/2024' and names of zones are errors.
 */
#ifndef TELEMETRY_DECODE_TIME_H
#define TELEMETRY_DECODE_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/date.h"

typedef enum TimeVerdict
{
	TIME_OK,
	TIME_SYNTAX, /* 22007 */
	TIME_FIELD,  /* 22008: month 13, 25 o'clock, or out of the type's range */
	TIME_ZONE    /* 22009: an offset of 16 hours or more */
} TimeVerdict;

/* What a text says, before it is put together. */
typedef struct TimeFields
{
	int infinity; /* -1, 0, 1; the rest is unset unless 0 */
	bool has_date;
	bool has_time;
	bool has_zone;
	int32 year; /* astronomical: 0 is 1 BC */
	int32 month;
	int32 day;
	int32 hour;
	int32 minute;
	int32 second;
	int64 microsecond; /* up to 1000000: rounded up */
	int32 zone;        /* seconds east of Greenwich */
} TimeFields;

extern TimeVerdict time_parse(const char *text, size_t length, TimeFields *fields);

/* typmod: -1, or the number of digits kept behind the second. */
extern TimeVerdict time_to_timestamp(const TimeFields *fields, int32 typmod, Timestamp *result);
/* Without an offset in the text, the session's time zone holds. */
extern TimeVerdict time_to_timestamptz(const TimeFields *fields, int32 typmod, TimestampTz *result);
extern TimeVerdict time_to_date(const TimeFields *fields, DateADT *result);
extern TimeVerdict time_to_time(const TimeFields *fields, int32 typmod, TimeADT *result);

/* Microseconds since 1970 UTC to PostgreSQL's; false: out of range. */
extern bool time_from_unix(int64 microseconds, int32 typmod, Timestamp *result);

#endif
