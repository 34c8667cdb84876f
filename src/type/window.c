/*
 * hop(ts, slide, size) and cumulate(ts, step, size): the windows of time that an event is in.
 */
#include "postgres.h"

#include "base/epoch.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/zone_name.h"
#include "type/window.h"

/* More than this for one event are a slip of the pen: a slide in microseconds, say. */
#define MAX_WINDOWS 10000

#define LONGEST_MONTH (31 * USECS_PER_DAY)

/*
 * What the arguments other than the event's time mean; kept in fn_extra while they stay the same.
 */
typedef struct WindowCall
{
	bool valid;
	Interval slide;
	Interval size;
	bool has_origin;
	Timestamp origin;
	text *zone;
	Clock clock;
	Grid grid;     /* hop: of slides; cumulate: of sizes */
	Span step;     /* of cumulate */
	int64 count;   /* hop: so many slides are a size */
	Span rest;     /* and so much more */
	int64 reach;   /* no window of an event goes further than this from it */
	int64 *bounds; /* hop: of the grid around an event */
} WindowCall;

/* ---- arguments ------------------------------------------------------------------------------- */

static const char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

/* Calendar months on the one hand, days and time on the other. False: a mix, or out of range. */
static bool
span_make(const Interval *interval, Span *span)
{
	span->months = interval->month;
	return !pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &span->micros) &&
		   !pg_add_s64_overflow(span->micros, interval->time, &span->micros) &&
		   (interval->month == 0 || (interval->day == 0 && interval->time == 0));
}

static Span
span_of(const Interval *interval, const char *name)
{
	Span span;

	if (!span_make(interval, &span))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s mixes months with days or time, or is too long: %s", name,
							   interval_text(interval)),
						errdetail("Months differ in length."),
						errhint("Give months and years alone, or days, hours and so on alone, such "
								"as 30 days.")));
	if (span.months <= 0 && span.micros <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be longer than zero, and is %s", name, interval_text(interval)),
				 errhint("Give an interval such as 15 minutes, 1 day or 1 month.")));
	return span;
}

/* So many microseconds at most; of more than there are, as many as there are. */
static int64
span_most(Span span)
{
	int64 micros;

	if (span.months == 0)
		return span.micros;
	return pg_mul_s64_overflow(span.months, LONGEST_MONTH, &micros) ? PG_INT64_MAX : micros;
}

static double
span_ratio(Span size, Span slide)
{
	if (slide.months > 0)
		return (double) size.months / (double) slide.months;
	return (double) span_most(size) / (double) slide.micros;
}

static void
check_spans(const WindowCall *call, Span slide, Span size, bool cumulate)
{
	const char *name = cumulate ? "step" : "slide";

	/* Steps of days through a month are well defined: they start anew with every window. */
	if ((slide.months > 0) != (size.months > 0) && !(cumulate && size.months > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s %s and size %s are not both in months", name,
						interval_text(&call->slide), interval_text(&call->size)),
				 errdetail("Months differ in length."),
				 cumulate ? errhint("With a step in months the size has to be in months, too.")
						  : errhint("Give both in months and years, or both in days, hours and so "
									"on, such as 30 days.")));
	/* Windows with gaps would leave events out silently, as they do when the two are mixed up. */
	if (span_ratio(size, slide) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s %s is longer than size %s", name, interval_text(&call->slide),
						interval_text(&call->size)),
				 cumulate ? errhint("Give the step, then the size.")
						  : errhint("Give the slide, then the size. Where gaps are meant, take "
									"windows as long as the slide, and a condition on ts - "
									"window_start.")));
	if (span_ratio(size, slide) > MAX_WINDOWS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("an event would be in more than %d windows", MAX_WINDOWS),
						errdetail("The size is %s, the %s %s.", interval_text(&call->size), name,
								  interval_text(&call->slide)),
						errhint("Make the size shorter, or the %s longer.", name)));
}

static pg_tz *
zone_of(text *name)
{
	char *zone = text_to_cstring(name);
	pg_tz *found = zone_of_name(zone);

	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", zone),
				 errhint("Take a name of pg_timezone_names, such as Europe/Berlin; neither an "
						 "abbreviation nor an offset will do.")));
	pfree(zone);
	return found;
}

static void
check_not_null(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s of windows must not be NULL", name)));
}

static bool
call_is_same(const WindowCall *call, FunctionCallInfo fcinfo)
{
	text *zone;

	if (!call->valid || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		memcmp(&call->slide, PG_GETARG_INTERVAL_P(1), sizeof(Interval)) != 0 ||
		memcmp(&call->size, PG_GETARG_INTERVAL_P(2), sizeof(Interval)) != 0 ||
		call->has_origin != !PG_ARGISNULL(3) ||
		(call->has_origin && call->origin != PG_GETARG_TIMESTAMP(3)))
		return false;
	if (PG_NARGS() == 4)
		return true;
	if (PG_ARGISNULL(4))
		return false;
	zone = PG_GETARG_TEXT_PP(4);
	return VARSIZE_ANY_EXHDR(zone) == VARSIZE_ANY_EXHDR(call->zone) &&
		   memcmp(VARDATA_ANY(zone), VARDATA_ANY(call->zone), VARSIZE_ANY_EXHDR(zone)) == 0;
}

/* The origin in a zone is an instant; the grid starts at what the clock shows then. */
static int64
origin_reading(const WindowCall *call)
{
	if (!call->has_origin)
		return UNIX_EPOCH;
	if (TIMESTAMP_NOT_FINITE(call->origin))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("origin of windows must be finite")));
	return clock_reading(&call->clock, call->origin);
}

static int64
saturated_reach(Span size, Span slide)
{
	int64 result;

	if (pg_add_s64_overflow(span_most(size), span_most(slide), &result) ||
		pg_mul_s64_overflow(result, 2, &result))
		return PG_INT64_MAX;
	return result;
}

static void
call_prepare(WindowCall *call, FunctionCallInfo fcinfo, bool cumulate)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	pg_tz *zone = NULL;
	Span slide, size;

	call->valid = false;
	check_not_null(fcinfo, 1, cumulate ? "step" : "slide");
	check_not_null(fcinfo, 2, "size");
	call->slide = *PG_GETARG_INTERVAL_P(1);
	call->size = *PG_GETARG_INTERVAL_P(2);
	call->has_origin = !PG_ARGISNULL(3);
	call->origin = call->has_origin ? PG_GETARG_TIMESTAMP(3) : 0;
	if (PG_NARGS() > 4)
	{
		text *name;

		check_not_null(fcinfo, 4, "zone");
		name = PG_GETARG_TEXT_PP(4);
		zone = zone_of(name);
		if (call->zone != NULL)
			pfree(call->zone);
		call->zone = MemoryContextAlloc(context, VARSIZE_ANY(name));
		memcpy(call->zone, name, VARSIZE_ANY(name));
	}
	slide = span_of(&call->slide, cumulate ? "step" : "slide");
	size = span_of(&call->size, "size");
	check_spans(call, slide, size, cumulate);
	if (call->clock.segments != NULL)
		pfree(call->clock.segments);
	clock_init(&call->clock, zone, context);
	grid_init(&call->grid, &call->clock, cumulate ? size : slide, origin_reading(call));
	call->step = slide;
	call->reach = saturated_reach(size, slide);
	if (!cumulate)
	{
		bool months = slide.months > 0;

		call->count = months ? size.months / slide.months : size.micros / slide.micros;
		call->rest.months = months ? size.months % slide.months : 0;
		call->rest.micros = months ? 0 : size.micros % slide.micros;
		if (call->bounds != NULL)
			pfree(call->bounds);
		call->bounds = MemoryContextAlloc(context, (call->count * 2 + 2) * sizeof(int64));
	}
	call->valid = true;
}

/* NULL: an event that is in no window. */
static WindowCall *
call_get(FunctionCallInfo fcinfo, bool cumulate)
{
	WindowCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(WindowCall));
		fcinfo->flinfo->fn_extra = call;
	}
	if (!call_is_same(call, fcinfo))
		call_prepare(call, fcinfo, cumulate);
	if (PG_ARGISNULL(0) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMP(0)))
		return NULL;
	clock_cover(&call->clock, PG_GETARG_TIMESTAMP(0), call->reach);
	return call;
}

/* ---- windows --------------------------------------------------------------------------------- */

static void
put_window(ReturnSetInfo *result, int64 start, int64 end)
{
	Datum values[2] = {TimestampGetDatum(start), TimestampGetDatum(end)};
	bool nulls[2] = {false, false};

	if (!IS_VALID_TIMESTAMP(start) || !IS_VALID_TIMESTAMP(end))
		window_out_of_range();
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * A window is so many slides long as its size has, whatever the clock does meanwhile. What is left
 * of the size lasts until the clock shows it, and ends with its slide at the latest.
 */
static void
hop(WindowCall *call, int64 event, ReturnSetInfo *result)
{
	int64 n = call->count, *bounds = call->bounds;
	bool even = call->rest.months == 0 && call->rest.micros == 0;
	int64 first = even ? 1 : 0, last = even ? 2 * n : 2 * n + 1;

	bounds[n] = grid_floor(&call->grid, event);
	for (int64 i = n - 1; i >= first; i--)
		bounds[i] = grid_floor(&call->grid, bounds[i + 1] - 1);
	for (int64 i = n + 1; i <= last; i++)
		bounds[i] = grid_ceil(&call->grid, bounds[i - 1] + 1);
	for (int64 i = first; i <= n; i++)
	{
		int64 end = bounds[i + n];

		if (!even)
			end = Min(grid_after(&call->grid, end, call->rest), bounds[i + n + 1]);
		if (event < end)
			put_window(result, bounds[i], end);
	}
}

static void
cumulate(WindowCall *call, int64 event, ReturnSetInfo *result)
{
	int64 start = grid_floor(&call->grid, event);
	int64 end = grid_ceil(&call->grid, event + 1);
	Grid steps;

	grid_init_within(&steps, call->step, &call->grid, start);
	for (int64 at = grid_ceil(&steps, event + 1); at < end; at = grid_ceil(&steps, at + 1))
		put_window(result, start, at);
	put_window(result, start, end);
}

PG_FUNCTION_INFO_V1(telemetry_hop);
Datum
telemetry_hop(PG_FUNCTION_ARGS)
{
	WindowCall *call = call_get(fcinfo, false);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (call != NULL)
		hop(call, PG_GETARG_TIMESTAMP(0), (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(telemetry_cumulate);
Datum
telemetry_cumulate(PG_FUNCTION_ARGS)
{
	WindowCall *call = call_get(fcinfo, true);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (call != NULL)
		cumulate(call, PG_GETARG_TIMESTAMP(0), (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

/* ---- for the planner ------------------------------------------------------------------------- */

static bool
constant_span(PlannerInfo *root, Node *argument, Span *span)
{
	Const *constant;

	if (root != NULL)
		argument = estimate_expression_value(root, argument);
	if (!IsA(argument, Const))
		return false;
	constant = (Const *) argument;
	return !constant->constisnull && span_make(DatumGetIntervalP(constant->constvalue), span) &&
		   (span->months > 0 || span->micros > 0);
}

/* How many windows an event is in; of cumulate(), half of all on average. */
static Datum
estimate_rows(FunctionCallInfo fcinfo, bool cumulate)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestRows *rows = (SupportRequestRows *) request;
	List *args;
	Span slide, size;
	double ratio;

	if (!IsA(request, SupportRequestRows) || !is_funcclause(rows->node))
		PG_RETURN_POINTER(NULL);
	args = ((FuncExpr *) rows->node)->args;
	if (list_length(args) < 3 || !constant_span(rows->root, lsecond(args), &slide) ||
		!constant_span(rows->root, lthird(args), &size) ||
		((slide.months > 0) != (size.months > 0) && !(cumulate && size.months > 0)))
		PG_RETURN_POINTER(NULL);
	ratio = span_ratio(size, slide);
	rows->rows = clamp_row_est(cumulate ? (ratio + 1) / 2 : ratio);
	PG_RETURN_POINTER(rows);
}

PG_FUNCTION_INFO_V1(telemetry_hop_support);
Datum
telemetry_hop_support(PG_FUNCTION_ARGS)
{
	return estimate_rows(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_cumulate_support);
Datum
telemetry_cumulate_support(PG_FUNCTION_ARGS)
{
	return estimate_rows(fcinfo, true);
}
