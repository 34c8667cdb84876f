/*
 * Kafka, and most of who writes to it, counts time from 1970; PostgreSQL counts it from 2000.
 */
#ifndef TELEMETRY_BASE_EPOCH_H
#define TELEMETRY_BASE_EPOCH_H

#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"

/* 1970 as PostgreSQL counts: below zero. */
#define UNIX_EPOCH_SECONDS ((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * SECS_PER_DAY)
#define UNIX_EPOCH         (UNIX_EPOCH_SECONDS * USECS_PER_SEC)

/*
 * Unix milliseconds as a timestamp. False, and *time stays, for what is none: what a producer
 * writes down as the time of his message may be any number, and a negative one means that there is
 * none.
 */
static inline bool
epoch_time_of_ms(int64 ms, TimestampTz *time)
{
	int64 found;

	if (ms < 0 || pg_mul_s64_overflow(ms, 1000, &found) ||
		pg_add_s64_overflow(found, UNIX_EPOCH, &found) || !IS_VALID_TIMESTAMP(found))
		return false;
	*time = found;
	return true;
}

#endif
