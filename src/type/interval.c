#include "type/interval.h"

#include "common/int.h"
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

void
interval_check_order(int64 start, int64 end, const char *more)
{
	if (end < start)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an interval of time ends before it starts"),
				 errdetail("It starts at %s and ends at %s.", pstrdup(timestamptz_to_str(start)),
						   pstrdup(timestamptz_to_str(end))),
				 errhint("Give the start, then the end%s.", more)));
}

bool
interval_given(FunctionCallInfo fcinfo, int64 *start, int64 *end)
{
	if (PG_ARGISNULL(1))
		return false;
	*start = PG_GETARG_TIMESTAMPTZ(1);
	*end = PG_ARGISNULL(2) ? PG_INT64_MAX : PG_GETARG_TIMESTAMPTZ(2);
	interval_check_order(*start, *end, "; one that has not ended has a null end");
	return *end != PG_INT64_MIN && *start != PG_INT64_MAX;
}
