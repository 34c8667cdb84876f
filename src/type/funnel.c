/*
 * telemetry.funnel: functions and aggregates.
 *
 * A group's state is a Funnel in the aggregate's context. It does not move, and settling it changes
 * nothing that can be seen: a final function may do so, though two aggregates share it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "type/aside.h"
#include "type/funnel_type.h"
#include "type/interval.h"
#include "type/memory.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* ---- two of them ----------------------------------------------------------------------------- */

static Datum
merged(Datum one, Datum other, bool subtract)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	Funnel a, b;

	funnel_from_datum(one, &a);
	funnel_from_datum(other, &b);
	funnel_must(funnel_merge(&a, &b, subtract, &memory));
	funnel_must(funnel_settle(&a, &memory));
	return funnel_datum(&a);
}

static Datum
sum(Datum one, Datum other)
{
	return merged(one, other, false);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_plus);
Datum
telemetry_funnel_plus(PG_FUNCTION_ARGS)
{
	return merged(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), false);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_minus);
Datum
telemetry_funnel_minus(PG_FUNCTION_ARGS)
{
	return merged(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), true);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_negate);
Datum
telemetry_funnel_negate(PG_FUNCTION_ARGS)
{
	Funnel funnel;

	funnel_from_datum(PG_GETARG_DATUM(0), &funnel);
	for (size_t i = 0; i < funnel.count; i++)
		funnel.list[i].count = -funnel.list[i].count;
	return funnel_datum(&funnel);
}

/* _funnel_base(base, aside, added base, added aside, room): aside.h */
PG_FUNCTION_INFO_V1(telemetry_funnel_base);
Datum
telemetry_funnel_base(PG_FUNCTION_ARGS)
{
	static const int all[] = {0, 1, 2, 3};

	if (aside_base_stays(fcinfo, 0, 1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return aside_together(fcinfo, all, lengthof(all), sum);
}

/* _funnel_aside(aside, base, added aside, added base, room) */
PG_FUNCTION_INFO_V1(telemetry_funnel_aside);
Datum
telemetry_funnel_aside(PG_FUNCTION_ARGS)
{
	static const int but_the_base[] = {0, 2, 3};

	if (!aside_base_stays(fcinfo, 1, 0))
		PG_RETURN_NULL();
	return aside_together(fcinfo, but_the_base, lengthof(but_the_base), sum);
}

/* ---- questions ------------------------------------------------------------------------------- */

/* No time at all is one in which only the first step can be. */
static uint64
within_of(const Interval *interval)
{
	if (interval->month == 0 && interval->day == 0 && interval->time == 0)
		return 0;
	return (uint64) interval_length(interval, "time", " for a funnel");
}

PG_FUNCTION_INFO_V1(telemetry_funnel_steps);
Datum
telemetry_funnel_steps(PG_FUNCTION_ARGS)
{
	uint64 within = within_of(PG_GETARG_INTERVAL_P(1));
	Funnel funnel;
	int reached;

	funnel_from_datum(PG_GETARG_DATUM(0), &funnel);
	reached = funnel_reached(&funnel, within);
	if (reached < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("funnel has negative numbers of events"),
						errhint("It is the difference of funnels of which the second has events "
								"that the first has not.")));
	PG_RETURN_INT32(reached);
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static Funnel *
open_state(FunctionCallInfo fcinfo, SketchMemory *memory)
{
	Funnel *funnel;

	*memory = sketch_memory(aggregate_context(fcinfo));
	if (!PG_ARGISNULL(0))
		return (Funnel *) PG_GETARG_POINTER(0);
	funnel = MemoryContextAlloc(memory->arg, sizeof(Funnel));
	funnel_init(funnel);
	return funnel;
}

static void
add(Funnel *funnel, int64 step, int64 time, int64 count, const SketchMemory *memory)
{
	FunnelEvent event = {time, count, (int32) step};

	if (step < 1 || step > FUNNEL_STEPS)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("step %lld of a funnel is not from 1 to %d", (long long) step,
							   FUNNEL_STEPS),
						errhint("An event that is no step of it has the step NULL.")));
	funnel_must(funnel_add(funnel, &event, memory));
}

/*
 * (state, step, time). The state is there also without an event: a moving window's must not be
 * NULL.
 */
static Datum
accumulate(FunctionCallInfo fcinfo, int64 count)
{
	SketchMemory memory;
	Funnel *funnel = open_state(fcinfo, &memory);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		add(funnel, PG_GETARG_INT32(1), PG_GETARG_TIMESTAMPTZ(2), count, &memory);
	PG_RETURN_POINTER(funnel);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_add);
Datum
telemetry_funnel_agg_add(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, 1);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_drop);
Datum
telemetry_funnel_agg_drop(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, -1);
}

/* (state, time, conditions): the event is each step whose condition is true. */
static Datum
accumulate_conditions(FunctionCallInfo fcinfo, int64 count)
{
	SketchMemory memory;
	Funnel *funnel = open_state(fcinfo, &memory);
	Datum *conditions;
	bool *isnull;
	int n;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(funnel);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), BOOLOID, 1, true, TYPALIGN_CHAR, &conditions,
					  &isnull, &n);
	for (int i = 0; i < n; i++)
		if (!isnull[i] && DatumGetBool(conditions[i]))
			add(funnel, i + 1, PG_GETARG_TIMESTAMPTZ(1), count, &memory);
	pfree(conditions);
	pfree(isnull);
	PG_RETURN_POINTER(funnel);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_conditions_add);
Datum
telemetry_funnel_agg_conditions_add(PG_FUNCTION_ARGS)
{
	return accumulate_conditions(fcinfo, 1);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_conditions_drop);
Datum
telemetry_funnel_agg_conditions_drop(PG_FUNCTION_ARGS)
{
	return accumulate_conditions(fcinfo, -1);
}

static Datum
unite(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory;
	Funnel *funnel = open_state(fcinfo, &memory);
	Funnel other;

	if (!PG_ARGISNULL(1))
	{
		SketchMemory here = sketch_memory(CurrentMemoryContext);

		funnel_from_datum(PG_GETARG_DATUM(1), &other);
		funnel_must(funnel_merge(funnel, &other, subtract, &memory));
		funnel_reset(&other, &here);
	}
	PG_RETURN_POINTER(funnel);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_union);
Datum
telemetry_funnel_agg_union(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_without);
Datum
telemetry_funnel_agg_without(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_combine);
Datum
telemetry_funnel_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory;
	Funnel *funnel = open_state(fcinfo, &memory);

	if (!PG_ARGISNULL(1))
	{
		Funnel *other = (Funnel *) PG_GETARG_POINTER(1);

		funnel_must(funnel_settle(other, &memory));
		funnel_must(funnel_merge(funnel, other, false, &memory));
	}
	PG_RETURN_POINTER(funnel);
}

static Datum
settled(FunctionCallInfo fcinfo)
{
	Funnel *funnel = (Funnel *) PG_GETARG_POINTER(0);
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));

	funnel_must(funnel_settle(funnel, &memory));
	return funnel_datum(funnel);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_serialize);
Datum
telemetry_funnel_agg_serialize(PG_FUNCTION_ARGS)
{
	return settled(fcinfo);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_agg_deserialize);
Datum
telemetry_funnel_agg_deserialize(PG_FUNCTION_ARGS)
{
	Funnel *funnel = palloc(sizeof(Funnel));

	(void) aggregate_context(fcinfo);
	funnel_from_datum(PG_GETARG_DATUM(0), funnel);
	PG_RETURN_POINTER(funnel);
}

/* No rows, or only such that are no step, are a funnel of nothing. */
PG_FUNCTION_INFO_V1(telemetry_funnel_agg_final);
Datum
telemetry_funnel_agg_final(PG_FUNCTION_ARGS)
{
	Funnel empty;

	if (!PG_ARGISNULL(0))
		return settled(fcinfo);
	funnel_init(&empty);
	return funnel_datum(&empty);
}
