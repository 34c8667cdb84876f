/*
 * telemetry.float8_sum: exact sums of double precision, as a type and as aggregates.
 *
 * A stored value is the canonical packed bytes behind the varlena header, so that comparing is
 * comparing bytes (the functions of telemetry.hll do that). A group's state is a FloatSum in the
 * aggregate's context; the transition's usual way touches nothing else.
 */
#include "postgres.h"

#include "type/float_type.h"
#include "type/memory.h"
#include "type/packed.h"

#define TYPE_NAME "telemetry.float8_sum"

static Datum
sum_datum(const FloatSum *sum)
{
	uint8_t bytes[FLOAT_SUM_SIZE];
	size_t size = float_sum_pack(sum, bytes);

	return packed_datum(bytes, size);
}

/* sum is made here; what it allocates is in the current memory context. */
static void
sum_from_datum(Datum datum, FloatSum *sum)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *error;

	float_sum_init(sum);
	error = float_sum_unpack(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), sum, &memory);
	if (error != NULL)
		packed_damaged(TYPE_NAME, error);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

/* ---- text and wire --------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(telemetry_float8_sum_in);
Datum
telemetry_float8_sum_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatSum sum;
	const char *error;

	float_sum_init(&sum);
	error = float_sum_read(text, &sum, &memory);
	if (error != NULL)
		packed_bad_text(TYPE_NAME, text, error, NULL);
	return sum_datum(&sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_out);
Datum
telemetry_float8_sum_out(PG_FUNCTION_ARGS)
{
	FloatSum sum;
	char text[FLOAT_SUM_TEXT];

	sum_from_datum(PG_GETARG_DATUM(0), &sum);
	float_sum_write(&sum, text);
	PG_RETURN_CSTRING(pstrdup(text));
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_recv);
Datum
telemetry_float8_sum_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = packed_receive(fcinfo);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatSum sum;
	const char *error;

	float_sum_init(&sum);
	error = float_sum_check(VARDATA(value), VARSIZE(value) - VARHDRSZ, &sum, &memory);
	if (error != NULL)
		packed_bad_bytes(TYPE_NAME, error);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_send);
Datum
telemetry_float8_sum_send(PG_FUNCTION_ARGS)
{
	return packed_send(PG_GETARG_VARLENA_PP(0));
}

/* ---- functions ------------------------------------------------------------------------------- */

static Datum
merged(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatSum a;
	FloatSum b;

	sum_from_datum(PG_GETARG_DATUM(0), &a);
	sum_from_datum(PG_GETARG_DATUM(1), &b);
	if (!float_sum_merge(&a, &b, subtract, &memory))
		float_out_of_range(TYPE_NAME);
	return sum_datum(&a);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_plus);
Datum
telemetry_float8_sum_plus(PG_FUNCTION_ARGS)
{
	return merged(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_minus);
Datum
telemetry_float8_sum_minus(PG_FUNCTION_ARGS)
{
	return merged(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_negate);
Datum
telemetry_float8_sum_negate(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatSum sum;
	FloatSum negative;

	sum_from_datum(PG_GETARG_DATUM(0), &sum);
	float_sum_init(&negative);
	if (!float_sum_merge(&negative, &sum, true, &memory))
		float_out_of_range(TYPE_NAME);
	return sum_datum(&negative);
}

static Datum
value_of(FunctionCallInfo fcinfo, const FloatSum *sum)
{
	double value;
	bool overflow;

	if (float_sum_count(sum) == 0)
		PG_RETURN_NULL();
	value = float_sum_value(sum, &overflow);
	PG_RETURN_FLOAT8(float_result(value, overflow));
}

static Datum
average_of(FunctionCallInfo fcinfo, const FloatSum *sum)
{
	double value;
	bool overflow;

	/* Finite values are none where only a negative count of NaN makes up for them: NaN, then. */
	if (float_sum_count(sum) == 0)
		PG_RETURN_NULL();
	value = float_sum_average(sum, &overflow);
	PG_RETURN_FLOAT8(float_result(value, overflow));
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_value);
Datum
telemetry_float8_sum_value(PG_FUNCTION_ARGS)
{
	FloatSum sum;

	sum_from_datum(PG_GETARG_DATUM(0), &sum);
	return value_of(fcinfo, &sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_avg);
Datum
telemetry_float8_sum_avg(PG_FUNCTION_ARGS)
{
	FloatSum sum;

	sum_from_datum(PG_GETARG_DATUM(0), &sum);
	return average_of(fcinfo, &sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_count);
Datum
telemetry_float8_sum_count(PG_FUNCTION_ARGS)
{
	FloatSum sum;

	sum_from_datum(PG_GETARG_DATUM(0), &sum);
	PG_RETURN_INT64(float_sum_count(&sum));
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static FloatSum *
state_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : (FloatSum *) PG_GETARG_POINTER(argno);
}

static FloatSum *
new_state(MemoryContext context)
{
	FloatSum *sum = MemoryContextAlloc(context, sizeof(FloatSum));

	float_sum_init(sum);
	return sum;
}

static inline Datum
accumulate(FunctionCallInfo fcinfo, bool subtract)
{
	FloatSum *sum = state_argument(fcinfo, 0);
	SketchMemory memory;

	if (likely(sum != NULL && !PG_ARGISNULL(1) &&
			   float_sum_add_fast(sum, PG_GETARG_FLOAT8(1), subtract)))
		PG_RETURN_POINTER(sum);
	memory = sketch_memory(aggregate_context(fcinfo));
	/* For a NULL, too: the state of a moving window must not be NULL. */
	if (sum == NULL)
		sum = new_state(memory.arg);
	if (!PG_ARGISNULL(1))
		float_sum_add(sum, PG_GETARG_FLOAT8(1), subtract, &memory);
	PG_RETURN_POINTER(sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_add);
Datum
telemetry_float8_sum_agg_add(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_drop);
Datum
telemetry_float8_sum_agg_drop(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, true);
}

static Datum
unite(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	FloatSum *sum = state_argument(fcinfo, 0);
	FloatSum other;

	if (sum == NULL)
		sum = new_state(memory.arg);
	if (!PG_ARGISNULL(1))
	{
		sum_from_datum(PG_GETARG_DATUM(1), &other);
		if (!float_sum_merge(sum, &other, subtract, &memory))
			float_out_of_range(TYPE_NAME);
	}
	PG_RETURN_POINTER(sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_union);
Datum
telemetry_float8_sum_agg_union(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_union_drop);
Datum
telemetry_float8_sum_agg_union_drop(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_combine);
Datum
telemetry_float8_sum_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	FloatSum *sum = state_argument(fcinfo, 0);
	FloatSum *other = state_argument(fcinfo, 1);

	if (other != NULL)
	{
		if (sum == NULL)
			sum = new_state(memory.arg);
		if (!float_sum_merge(sum, other, false, &memory))
			float_out_of_range(TYPE_NAME);
	}
	if (sum == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_serialize);
Datum
telemetry_float8_sum_agg_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	return sum_datum(state_argument(fcinfo, 0));
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_deserialize);
Datum
telemetry_float8_sum_agg_deserialize(PG_FUNCTION_ARGS)
{
	FloatSum *sum = palloc(sizeof(FloatSum));

	(void) aggregate_context(fcinfo);
	sum_from_datum(PG_GETARG_DATUM(0), sum);
	PG_RETURN_POINTER(sum);
}

/* No rows, or only NULLs, are an empty sum, and have neither value nor average. */
PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_final);
Datum
telemetry_float8_sum_agg_final(PG_FUNCTION_ARGS)
{
	FloatSum *sum = state_argument(fcinfo, 0);
	FloatSum empty;

	float_sum_init(&empty);
	return sum_datum(sum == NULL ? &empty : sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_value);
Datum
telemetry_float8_sum_agg_value(PG_FUNCTION_ARGS)
{
	FloatSum *sum = state_argument(fcinfo, 0);

	if (sum == NULL)
		PG_RETURN_NULL();
	return value_of(fcinfo, sum);
}

PG_FUNCTION_INFO_V1(telemetry_float8_sum_agg_avg);
Datum
telemetry_float8_sum_agg_avg(PG_FUNCTION_ARGS)
{
	FloatSum *sum = state_argument(fcinfo, 0);

	if (sum == NULL)
		PG_RETURN_NULL();
	return average_of(fcinfo, sum);
}
