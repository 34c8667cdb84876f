/*
 * The gap of sessions, and their greatest length, as SQL writes them.
 */
#include "postgres.h"

#include "common/int.h"
#include "type/gap.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

int64
interval_length(const Interval *interval, const char *name, const char *whose)
{
	int64 length;

	if (interval->month != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s%s has months: %s", name, whose,
							   DatumGetCString(
								   DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
						errdetail("Months differ in length."),
						errhint("Give days, of 24 hours each, hours and so on.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, interval->time, &length) || length <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s%s must be positive and finite, and is %s", name, whose,
							   DatumGetCString(
								   DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
						errhint("Give an interval such as 30 minutes.")));
	return length;
}

int64
session_length(const Interval *interval, const char *name)
{
	return interval_length(interval, name, " of a session");
}
