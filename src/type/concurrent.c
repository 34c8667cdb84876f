/*
 * How many intervals of time are going on at once: aggregates over (started, ended).
 *
 * An interval goes on from its start to its end, both moments included. Starts and ends are sorted
 * apart, and swept in one pass: at a moment at which one ends and another one starts, both go on.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "type/interval.h"
#include "type/memory.h"
#include "type/sessions_type.h"
#include "type/window.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define ST_SORT          sort_times
#define ST_ELEMENT_TYPE  int64
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

PG_FUNCTION_INFO_V1(telemetry_concurrent_add);
PG_FUNCTION_INFO_V1(telemetry_concurrent_peak);
PG_FUNCTION_INFO_V1(telemetry_concurrent_steps);
PG_FUNCTION_INFO_V1(telemetry_concurrent_windows);

/* More of them are a slip of the pen, or too much for one array. */
#define MAX_WINDOWS 1000000
#define MAX_STEPS   10000000

typedef struct Concurrent
{
	int64 *starts;
	int64 *ends; /* PG_INT64_MAX: none */
	size_t count;
	size_t room;
	bool sorted;
	Interval step; /* of the last row */
	int64 width;   /* the same in microseconds; 0: not given */
} Concurrent;

/* ---- transition ------------------------------------------------------------------------------ */

static void
take_step(FunctionCallInfo fcinfo, Concurrent *state)
{
	const Interval *step;
	int64 width;

	if (PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("step must not be NULL"),
						errhint("Give an interval such as 1 minute.")));
	step = PG_GETARG_INTERVAL_P(3);
	if (state->width != 0 && memcmp(step, &state->step, sizeof(Interval)) == 0)
		return;
	width = interval_length(step, "step", "");
	if (state->width != 0 && state->width != width)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("step must be the same for all rows")));
	state->width = width;
	state->step = *step;
}

static void
make_room(Concurrent *state, MemoryContext context)
{
	size_t room = Max(64, state->room * 2);

	if (state->starts == NULL)
	{
		state->starts = MemoryContextAllocHuge(context, room * sizeof(int64));
		state->ends = MemoryContextAllocHuge(context, room * sizeof(int64));
	}
	else
	{
		state->starts = repalloc_huge(state->starts, room * sizeof(int64));
		state->ends = repalloc_huge(state->ends, room * sizeof(int64));
	}
	state->room = room;
}

Datum
telemetry_concurrent_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	Concurrent *state = PG_ARGISNULL(0) ? MemoryContextAllocZero(context, sizeof(Concurrent))
										: (Concurrent *) PG_GETARG_POINTER(0);
	int64 start, end;

	if (PG_NARGS() > 3)
		take_step(fcinfo, state);
	if (!interval_given(fcinfo, &start, &end))
		PG_RETURN_POINTER(state);
	if (state->count == state->room)
		make_room(state, context);
	state->starts[state->count] = start;
	state->ends[state->count++] = end;
	state->sorted = false;
	PG_RETURN_POINTER(state);
}

/* ---- sweeping -------------------------------------------------------------------------------- */

/* Order is all that changes, so two aggregates may share a state. */
static Concurrent *
sorted_state(FunctionCallInfo fcinfo)
{
	Concurrent *state = (Concurrent *) PG_GETARG_POINTER(0);

	(void) aggregate_context(fcinfo);
	if (!state->sorted && state->count > 0)
	{
		sort_times(state->starts, state->count);
		sort_times(state->ends, state->count);
	}
	state->sorted = true;
	return state;
}

typedef struct Sweep
{
	const Concurrent *state;
	size_t start; /* the next one */
	size_t end;
	int64 time; /* of the last event */
} Sweep;

static int64
active(const Sweep *sweep)
{
	return (int64) (sweep->start - sweep->end);
}

/* The time of the next event; false at the end, which intervals without an end do not come to. */
static bool
peek(const Sweep *sweep, int64 *time)
{
	const Concurrent *state = sweep->state;

	CHECK_FOR_INTERRUPTS();
	if (sweep->end == state->count)
		return false;
	*time = state->ends[sweep->end];
	if (sweep->start < state->count && state->starts[sweep->start] <= *time)
		*time = state->starts[sweep->start];
	return *time != PG_INT64_MAX;
}

/* Takes one event; true: a start. */
static bool
step(Sweep *sweep, int64 time)
{
	const Concurrent *state = sweep->state;

	sweep->time = time;
	if (sweep->start < state->count && state->starts[sweep->start] == time)
	{
		sweep->start++;
		return true;
	}
	sweep->end++;
	return false;
}

Datum
telemetry_concurrent_peak(PG_FUNCTION_ARGS)
{
	Sweep sweep = {0};
	int64 time, peak = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sweep.state = sorted_state(fcinfo);
	while (peek(&sweep, &time))
		if (step(&sweep, time))
			peak = Max(peak, active(&sweep));
	PG_RETURN_INT64(peak);
}

/* ---- results --------------------------------------------------------------------------------- */

typedef struct Rows
{
	Oid type;
	TupleDesc descriptor;
	ArrayBuildState *array;
} Rows;

static void
rows_begin(Rows *rows, FunctionCallInfo fcinfo)
{
	rows->type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	rows->descriptor = lookup_rowtype_tupdesc(rows->type, -1);
	rows->array = initArrayResult(rows->type, CurrentMemoryContext, true);
}

static void
rows_add(Rows *rows, Datum *values)
{
	bool nulls[8] = {false};
	HeapTuple tuple = heap_form_tuple(rows->descriptor, values, nulls);

	CHECK_FOR_INTERRUPTS();
	rows->array = accumArrayResult(rows->array, HeapTupleGetDatum(tuple), false, rows->type,
								   CurrentMemoryContext);
	heap_freetuple(tuple);
}

static Datum
rows_end(Rows *rows)
{
	ReleaseTupleDesc(rows->descriptor);
	return makeArrayResult(rows->array, CurrentMemoryContext);
}

/* A step at each moment from which on another number goes on. */
Datum
telemetry_concurrent_steps(PG_FUNCTION_ARGS)
{
	Sweep sweep = {0};
	int64 time, before = 0;
	Rows rows;
	size_t count = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sweep.state = sorted_state(fcinfo);
	rows_begin(&rows, fcinfo);
	while (peek(&sweep, &time))
	{
		/* What ends goes on until the moment after. */
		int64 moment = time, next;

		if (sweep.start == sweep.state->count || sweep.state->starts[sweep.start] != time)
			moment = time + 1;
		while (peek(&sweep, &next) &&
			   (sweep.start < sweep.state->count && sweep.state->starts[sweep.start] == next
					? next == moment
					: next + 1 == moment))
			(void) step(&sweep, next);
		if (active(&sweep) == before ||
			!(IS_VALID_TIMESTAMP(moment) || TIMESTAMP_IS_NOBEGIN(moment)))
			continue;
		before = active(&sweep);
		if (++count > MAX_STEPS)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("more than %d steps", MAX_STEPS),
							errhint("Ask for windows of time: concurrent(started_at, ended_at, "
									"'1 minute').")));
		rows_add(&rows, (Datum[]){TimestampTzGetDatum(moment), Int64GetDatum(before)});
	}
	return rows_end(&rows);
}

/* ---- windows --------------------------------------------------------------------------------- */

typedef struct WindowSweep
{
	Sweep sweep;
	Rows rows;
	int64 width;
	int64 start; /* of the window */
	int64 peak;  /* in it, so far */
	int64 peak_at;
	int64 total;   /* time of all that went on in it, so far */
	int64 counted; /* up to here */
} WindowSweep;

static void
count_time(WindowSweep *windows, int64 until)
{
	int64 product;

	if (pg_mul_s64_overflow(until - windows->counted, active(&windows->sweep), &product) ||
		pg_add_s64_overflow(windows->total, product, &windows->total))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("the time of all intervals in a window is out of range")));
	windows->counted = until;
}

static void
open_window(WindowSweep *windows, int64 start)
{
	windows->start = windows->counted = windows->peak_at = start;
	windows->peak = active(&windows->sweep);
	windows->total = 0;
}

static void
close_window(WindowSweep *windows, int64 end)
{
	count_time(windows, end);
	rows_add(&windows->rows,
			 (Datum[]){TimestampTzGetDatum(windows->start), TimestampTzGetDatum(end),
					   Int64GetDatum(windows->peak), TimestampTzGetDatum(windows->peak_at),
					   sessions_interval(windows->total)});
}

/* The first and the last finite event. */
static bool
finite_range(const Concurrent *state, int64 *first, int64 *last)
{
	size_t i = 0, n = state->count;

	*first = PG_INT64_MAX;
	*last = PG_INT64_MIN;
	while (i < n && TIMESTAMP_NOT_FINITE(state->starts[i]))
		i++;
	if (i < n)
	{
		*first = state->starts[i];
		*last = state->starts[n - 1];
	}
	for (i = n; i > 0 && state->ends[i - 1] == PG_INT64_MAX; i--)
		;
	if (i > 0)
	{
		*first = Min(*first, state->ends[0]);
		*last = Max(*last, state->ends[i - 1]);
	}
	return *first <= *last;
}

static void
check_number(int64 first, int64 last, int64 width)
{
	if (((uint64) last - (uint64) first) / (uint64) width >= MAX_WINDOWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there would be more than %d windows", MAX_WINDOWS),
				 errdetail("The first interval starts or ends at %s, the last one at %s.",
						   pstrdup(timestamptz_to_str(first)), pstrdup(timestamptz_to_str(last))),
				 errhint("Give a longer step, or fewer intervals.")));
}

Datum
telemetry_concurrent_windows(PG_FUNCTION_ARGS)
{
	WindowSweep windows = {{0}};
	Sweep *sweep = &windows.sweep;
	int64 first, last, time, end;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sweep->state = sorted_state(fcinfo);
	windows.width = sweep->state->width;
	rows_begin(&windows.rows, fcinfo);
	if (!finite_range(sweep->state, &first, &last))
		return rows_end(&windows.rows);
	check_number(first, last, windows.width);
	while (peek(sweep, &time) && time < first)
		(void) step(sweep, time);
	open_window(&windows, window_since_epoch(first, windows.width));
	while (peek(sweep, &time))
	{
		while (!pg_add_s64_overflow(windows.start, windows.width, &end) && time >= end)
		{
			close_window(&windows, end);
			open_window(&windows, end);
		}
		count_time(&windows, time);
		if (step(sweep, time) && active(sweep) > windows.peak)
		{
			windows.peak = active(sweep);
			windows.peak_at = time;
		}
	}
	if (pg_add_s64_overflow(windows.start, windows.width, &end) || !IS_VALID_TIMESTAMP(end))
		window_out_of_range();
	close_window(&windows, end);
	return rows_end(&windows.rows);
}
