/*
 * date_trunc() and AT TIME ZONE with a named zone, as PostgreSQL's, for many times. PostgreSQL's
 * look the zone up by its name in each call, and what its clock shows in its rules; here both are
 * kept from call to call:
 *
 *     the stretch of time around the last instant in which the clock is not changed, and its offset
 *     stretches that the unit gave the same beginning for: PostgreSQL's own result, for any instant
 *     within the same unit on the clock and the same stretch
 *
 * What is not known is PostgreSQL's to compute, and so are errors.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/epoch.h"
#include "base/floor_div.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Beginnings that are kept: a unit is in two to four of them, or more. */
#define BEGINNINGS 128

/* What holds at each instant of [from, to); all zeros: at none. */
typedef struct Stretch
{
	TimestampTz from;
	TimestampTz to;
	int64 value; /* the clock's offset; or where a unit begins */
} Stretch;

typedef enum UnitKind
{
	UNIT_OF_TIME, /* as long as it is */
	UNIT_WEEK,
	UNIT_OF_MONTHS
} UnitKind;

typedef struct Unit
{
	const char *name;
	UnitKind kind;
	int64 length; /* microseconds; or months */
	int shift;    /* two to this power of microseconds are less than half of it */
} Unit;

static const Unit units[] = {
	{"minute", UNIT_OF_TIME, USECS_PER_MINUTE, 24},
	{"hour", UNIT_OF_TIME, USECS_PER_HOUR, 30},
	{"day", UNIT_OF_TIME, USECS_PER_DAY, 34},
	{"week", UNIT_WEEK, 7 * USECS_PER_DAY, 37},
	{"month", UNIT_OF_MONTHS, 1, 39},
	{"quarter", UNIT_OF_MONTHS, 3, 41},
	{"year", UNIT_OF_MONTHS, 12, 43},
};

typedef struct ZoneCall
{
	pg_tz *zone;      /* NULL: nothing is kept */
	const Unit *unit; /* likewise, of date_trunc() */
	Stretch stretch;
	Stretch beginnings[FLEXIBLE_ARRAY_MEMBER]; /* of date_trunc() */
} ZoneCall;

/*
 * What may be an abbreviation is left to PostgreSQL: what those mean depends on a setting. None has
 * a slash.
 */
static pg_tz *
zone_of(const text *name)
{
	char zone[TZ_STRLEN_MAX + 1];

	text_to_cstring_buffer(name, zone, sizeof(zone));
	if (strchr(zone, '/') == NULL && pg_strcasecmp(zone, "UTC") != 0)
		return NULL;
	return pg_tzset(zone);
}

static const Unit *
unit_of(const text *name)
{
	for (size_t i = 0; i < lengthof(units); i++)
		if (VARSIZE_ANY_EXHDR(name) == strlen(units[i].name) &&
			memcmp(VARDATA_ANY(name), units[i].name, strlen(units[i].name)) == 0)
			return &units[i];
	return NULL;
}

/* NULL: arguments are not the same in each call. */
static ZoneCall *
call_of(FunctionCallInfo fcinfo, int zone_argument, int unit_argument)
{
	ZoneCall *call = fcinfo->flinfo->fn_extra;
	bool truncates = unit_argument >= 0;

	if (likely(call != NULL))
		return call;
	if (!get_fn_expr_arg_stable(fcinfo->flinfo, zone_argument) ||
		(truncates && !get_fn_expr_arg_stable(fcinfo->flinfo, unit_argument)))
		return NULL;
	call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
								  offsetof(ZoneCall, beginnings) +
									  (truncates ? BEGINNINGS * sizeof(call->beginnings[0]) : 0));
	call->zone = zone_of(PG_GETARG_TEXT_PP(zone_argument));
	call->unit = truncates ? unit_of(PG_GETARG_TEXT_PP(unit_argument)) : NULL;
	fcinfo->flinfo->fn_extra = call;
	return call;
}

static inline bool
has(const Stretch *stretch, TimestampTz instant)
{
	return instant >= stretch->from && instant < stretch->to;
}

/*
 * What the clock shows at an instant it shows until it is changed. Times that come out of order
 * widen the stretch. False: there is none, and of infinity no clock.
 */
static bool
find_stretch(ZoneCall *call, TimestampTz instant)
{
	Stretch *stretch = &call->stretch;
	TimestampTz from;
	TimestampTz to = END_TIMESTAMP;
	pg_time_t time;
	const struct pg_tm *local;
	pg_time_t change;
	long int offsets[2];
	int summer[2];
	int found;

	if (TIMESTAMP_NOT_FINITE(instant))
		return false;
	time = floor_div(instant, USECS_PER_SEC) - UNIX_EPOCH_SECONDS;
	from = (time + UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
	local = pg_localtime(&time, call->zone);
	found = pg_next_dst_boundary(&time, &offsets[0], &summer[0], &change, &offsets[1], &summer[1],
								 call->zone);
	if (local == NULL || found < 0)
		return false;
	if (found > 0 && change < END_TIMESTAMP / USECS_PER_SEC - UNIX_EPOCH_SECONDS)
		to = (change + UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
	stretch->from = stretch->to == to ? Min(stretch->from, from) : from;
	stretch->to = to;
	stretch->value = local->tm_gmtoff * USECS_PER_SEC;
	return true;
}

/* ---- AT TIME ZONE ---------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(telemetry_at_time_zone);
Datum
telemetry_at_time_zone(PG_FUNCTION_ARGS)
{
	TimestampTz instant = PG_GETARG_TIMESTAMPTZ(1);
	ZoneCall *call = call_of(fcinfo, 0, -1);

	if (call && call->zone && (has(&call->stretch, instant) || find_stretch(call, instant)))
	{
		Timestamp local = instant + call->stretch.value;

		if (IS_VALID_TIMESTAMP(local))
			PG_RETURN_TIMESTAMP(local);
	}
	return DirectFunctionCall2(timestamptz_zone, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

/* ---- date_trunc() ---------------------------------------------------------------------------- */

/* The first of a month, of those since the year 0. */
static int64
first_of(int64 month)
{
	int64 year = floor_div(month, MONTHS_PER_YEAR);

	return (date2j((int) year, (int) (month - year * MONTHS_PER_YEAR) + 1, 1) -
			POSTGRES_EPOCH_JDATE) *
		   USECS_PER_DAY;
}

/* Where the unit begins and ends that the clock shows, in what it shows. */
static void
bounds_of(const Unit *unit, int64 local, int64 *from, int64 *to)
{
	/* 2000-01-01 was a Saturday. */
	const int64 monday = 2 * USECS_PER_DAY;
	int64 months;
	int year;
	int month;
	int day;

	if (unit->kind == UNIT_OF_MONTHS)
	{
		j2date((int) floor_div(local, USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		months = (int64) year * MONTHS_PER_YEAR + month - 1;
		months = floor_div(months, unit->length) * unit->length;
		*from = first_of(months);
		*to = first_of(months + unit->length);
		return;
	}
	if (unit->kind == UNIT_WEEK)
		local -= monday;
	*from = floor_div(local, unit->length) * unit->length;
	if (unit->kind == UNIT_WEEK)
		*from += monday;
	*to = *from + unit->length;
}

/*
 * PostgreSQL's, which looks at nothing of the instant but what the clock shows, down to the unit,
 * and of a unit below a day at its offset.
 */
static TimestampTz
truncated(FunctionCallInfo fcinfo)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_trunc_zone, PG_GETARG_DATUM(0),
												   PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)));
}

PG_FUNCTION_INFO_V1(telemetry_date_trunc);
Datum
telemetry_date_trunc(PG_FUNCTION_ARGS)
{
	TimestampTz instant = PG_GETARG_TIMESTAMPTZ(1);
	ZoneCall *call = call_of(fcinfo, 2, 0);
	Stretch *beginning;
	int64 from;
	int64 to;

	if (call == NULL || call->zone == NULL || call->unit == NULL)
		PG_RETURN_TIMESTAMPTZ(truncated(fcinfo));
	beginning = &call->beginnings[((uint64) instant >> call->unit->shift) % BEGINNINGS];
	if (likely(has(beginning, instant)))
		PG_RETURN_TIMESTAMPTZ(beginning->value);
	if (!has(&call->stretch, instant) && !find_stretch(call, instant))
		PG_RETURN_TIMESTAMPTZ(truncated(fcinfo));
	bounds_of(call->unit, instant + call->stretch.value, &from, &to);
	beginning->value = truncated(fcinfo);
	beginning->from = Max(from - call->stretch.value, call->stretch.from);
	beginning->to = Min(to - call->stretch.value, call->stretch.to);
	PG_RETURN_TIMESTAMPTZ(beginning->value);
}
