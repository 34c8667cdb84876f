/*
 * telemetry.concurrency: functions and aggregates.
 *
 * An interval is a step up at its start and one down the microsecond after its end, so that
 * intervals add and subtract: what is left after one went is what was there before it came.
 */
#include "type/concurrency_type.h"

#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "type/interval.h"
#include "type/memory.h"
#include "type/packed.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_concurrency_plus);
PG_FUNCTION_INFO_V1(telemetry_concurrency_minus);
PG_FUNCTION_INFO_V1(telemetry_concurrency_negate);
PG_FUNCTION_INFO_V1(telemetry_concurrency_peak);
PG_FUNCTION_INFO_V1(telemetry_concurrency_at);
PG_FUNCTION_INFO_V1(telemetry_concurrency_unnest);
PG_FUNCTION_INFO_V1(telemetry_concurrency_agg);
PG_FUNCTION_INFO_V1(telemetry_concurrency_agg_union);
PG_FUNCTION_INFO_V1(telemetry_concurrency_agg_combine);
PG_FUNCTION_INFO_V1(telemetry_concurrency_agg_deserialize);
PG_FUNCTION_INFO_V1(telemetry_concurrency_agg_final);

/* ---- functions ------------------------------------------------------------------------------- */

static int64
negative(int64 change)
{
	if (change == PG_INT64_MIN)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("a step of " INT64_FORMAT " intervals has no opposite", change)));
	return -change;
}

/* Both are in order, and so is what comes of them. */
static Datum
combined(Datum one, Datum other, bool minus)
{
	Concurrency a, b, both;
	size_t i = 0, j = 0;

	concurrency_from_datum(one, &a);
	concurrency_from_datum(other, &b);
	concurrency_init(&both, CurrentMemoryContext, a.count + b.count);
	while (i < a.count || j < b.count)
	{
		bool first = j == b.count || (i < a.count && a.steps[i].time <= b.steps[j].time);
		ConcurrencyStep step = first ? a.steps[i++] : b.steps[j++];

		if (!first && minus)
			step.change = negative(step.change);
		concurrency_append(&both, step);
	}
	pfree(a.steps);
	pfree(b.steps);
	return concurrency_datum(&both);
}

Datum
telemetry_concurrency_plus(PG_FUNCTION_ARGS)
{
	if (packed_is_empty(PG_GETARG_DATUM(1)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (packed_is_empty(PG_GETARG_DATUM(0)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	return combined(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), false);
}

Datum
telemetry_concurrency_minus(PG_FUNCTION_ARGS)
{
	if (packed_is_empty(PG_GETARG_DATUM(1)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return combined(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), true);
}

Datum
telemetry_concurrency_negate(PG_FUNCTION_ARGS)
{
	Concurrency concurrency;

	concurrency_from_datum(PG_GETARG_DATUM(0), &concurrency);
	for (size_t i = 0; i < concurrency.count; i++)
		concurrency.steps[i].change = negative(concurrency.steps[i].change);
	return concurrency_datum(&concurrency);
}

Datum
telemetry_concurrency_peak(PG_FUNCTION_ARGS)
{
	Concurrency concurrency;
	int64 active = 0, peak = 0;

	concurrency_from_datum(PG_GETARG_DATUM(0), &concurrency);
	for (size_t i = 0; i < concurrency.count; i++)
	{
		active = concurrency_after(active, &concurrency.steps[i]);
		peak = Max(peak, active);
	}
	PG_RETURN_INT64(peak);
}

Datum
telemetry_concurrency_at(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(concurrency_active(PG_GETARG_DATUM(0), PG_GETARG_TIMESTAMPTZ(1)));
}

typedef struct Unnesting
{
	Concurrency concurrency;
	int64 active;
} Unnesting;

Datum
telemetry_concurrency_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Unnesting *state;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		state = palloc0(sizeof(Unnesting));
		concurrency_from_datum(PG_GETARG_DATUM(0), &state->concurrency);
		if (get_call_result_type(fcinfo, NULL, &call->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(call->tuple_desc);
		call->user_fctx = state;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = call->user_fctx;
	if (call->call_cntr < state->concurrency.count)
	{
		const ConcurrencyStep *step = &state->concurrency.steps[call->call_cntr];
		bool nulls[2] = {false, false};
		Datum values[2];

		state->active = concurrency_after(state->active, step);
		values[0] = TimestampTzGetDatum(step->time);
		values[1] = Int64GetDatum(state->active);
		SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(call);
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static Concurrency *
group_state(FunctionCallInfo fcinfo)
{
	MemoryContext context = aggregate_context(fcinfo);
	Concurrency *state;

	if (!PG_ARGISNULL(0))
		return (Concurrency *) PG_GETARG_POINTER(0);
	state = MemoryContextAlloc(context, sizeof(Concurrency));
	concurrency_init(state, context, 0);
	return state;
}

static void
add_all(Concurrency *state, const Concurrency *other)
{
	for (size_t i = 0; i < other->count; i++)
		concurrency_add(state, other->steps[i].time, other->steps[i].change);
}

/* An interval; the same ones are left out as by concurrent(). */
Datum
telemetry_concurrency_agg(PG_FUNCTION_ARGS)
{
	Concurrency *state = group_state(fcinfo);
	int64 start, end;

	if (!interval_given(fcinfo, &start, &end))
		PG_RETURN_POINTER(state);
	concurrency_add(state, start, 1);
	/* After the last moment that there is, nothing changes. */
	if (end != PG_INT64_MAX && IS_VALID_TIMESTAMP(end + 1))
		concurrency_add(state, end + 1, -1);
	PG_RETURN_POINTER(state);
}

Datum
telemetry_concurrency_agg_union(PG_FUNCTION_ARGS)
{
	Concurrency *state = group_state(fcinfo);
	Concurrency other;

	if (!PG_ARGISNULL(1))
	{
		concurrency_from_datum(PG_GETARG_DATUM(1), &other);
		add_all(state, &other);
		pfree(other.steps);
	}
	PG_RETURN_POINTER(state);
}

Datum
telemetry_concurrency_agg_combine(PG_FUNCTION_ARGS)
{
	Concurrency *state = group_state(fcinfo);

	if (!PG_ARGISNULL(1))
		add_all(state, (Concurrency *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(state);
}

/*
 * As a value, for users and for other processes. Settling changes nothing that can be seen: two
 * aggregates may share the state. Of no row, no step: a view that takes all rows away again holds
 * that, too.
 */
Datum
telemetry_concurrency_agg_final(PG_FUNCTION_ARGS)
{
	Concurrency *state = group_state(fcinfo);

	concurrency_settle(state);
	return concurrency_datum(state);
}

Datum
telemetry_concurrency_agg_deserialize(PG_FUNCTION_ARGS)
{
	Concurrency *state = palloc(sizeof(Concurrency));

	concurrency_from_datum(PG_GETARG_DATUM(0), state);
	PG_RETURN_POINTER(state);
}
