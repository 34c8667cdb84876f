/*
 * telemetry.float8_moments: exact moments of one or two variables, as a type and as aggregates.
 * Built as telemetry.float8_sum is (float_sum.c).
 */
#include "postgres.h"

#include "sketch/float_moments.h"
#include "type/float_type.h"
#include "type/memory.h"
#include "type/packed.h"

#define TYPE_NAME "telemetry.float8_moments"

static Datum
moments_datum(const FloatMoments *moments)
{
	uint8_t bytes[FLOAT_MOMENTS_SIZE];
	size_t size = float_moments_pack(moments, bytes);

	return packed_datum(bytes, size);
}

/* moments is made here; what it allocates is in the current memory context. */
static void
moments_from_datum(Datum datum, FloatMoments *moments)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *error;

	float_moments_init(moments);
	error = float_moments_unpack(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), moments, &memory);
	if (error != NULL)
		packed_damaged(TYPE_NAME, error);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

static void
merge(FloatMoments *dst, const FloatMoments *src, bool subtract, const SketchMemory *memory)
{
	if (!float_moments_alike(dst, src))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot merge moments of %d and of %d variables", dst->variables,
							   src->variables),
						errhint("float8_moments_agg(x) gives moments of one variable, "
								"float8_moments_agg(y, x) of two.")));
	if (!float_moments_merge(dst, src, subtract, memory))
		float_out_of_range(TYPE_NAME);
}

/* ---- text and wire --------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(telemetry_float8_moments_in);
Datum
telemetry_float8_moments_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatMoments moments;
	const char *error;

	float_moments_init(&moments);
	error = float_moments_read(text, &moments, &memory);
	if (error != NULL)
		packed_bad_text(TYPE_NAME, text, error, NULL);
	return moments_datum(&moments);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_out);
Datum
telemetry_float8_moments_out(PG_FUNCTION_ARGS)
{
	FloatMoments moments;
	char text[FLOAT_MOMENTS_TEXT];

	moments_from_datum(PG_GETARG_DATUM(0), &moments);
	float_moments_write(&moments, text);
	PG_RETURN_CSTRING(pstrdup(text));
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_recv);
Datum
telemetry_float8_moments_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = packed_receive(fcinfo);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatMoments moments;
	const char *error;

	float_moments_init(&moments);
	error = float_moments_check(VARDATA(value), VARSIZE(value) - VARHDRSZ, &moments, &memory);
	if (error != NULL)
		packed_bad_bytes(TYPE_NAME, error);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_send);
Datum
telemetry_float8_moments_send(PG_FUNCTION_ARGS)
{
	return packed_send(PG_GETARG_VARLENA_PP(0));
}

/* ---- functions ------------------------------------------------------------------------------- */

static Datum
merged(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatMoments a;
	FloatMoments b;

	moments_from_datum(PG_GETARG_DATUM(0), &a);
	moments_from_datum(PG_GETARG_DATUM(1), &b);
	merge(&a, &b, subtract, &memory);
	return moments_datum(&a);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_plus);
Datum
telemetry_float8_moments_plus(PG_FUNCTION_ARGS)
{
	return merged(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_minus);
Datum
telemetry_float8_moments_minus(PG_FUNCTION_ARGS)
{
	return merged(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_negate);
Datum
telemetry_float8_moments_negate(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	FloatMoments moments;
	FloatMoments negative;

	moments_from_datum(PG_GETARG_DATUM(0), &moments);
	float_moments_init(&negative);
	merge(&negative, &moments, true, &memory);
	return moments_datum(&negative);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_count);
Datum
telemetry_float8_moments_count(PG_FUNCTION_ARGS)
{
	FloatMoments moments;

	moments_from_datum(PG_GETARG_DATUM(0), &moments);
	PG_RETURN_INT64(moments.n);
}

static Datum
statistic_of(FunctionCallInfo fcinfo, FloatStatistic statistic)
{
	int variables = statistic <= STATISTIC_STDDEV_SAMP ? 1 : 2;
	FloatMoments moments;
	double result;
	bool overflow;

	moments_from_datum(PG_GETARG_DATUM(0), &moments);
	if (moments.variables != 0 && moments.variables != variables)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("number of variables is %d for this statistic, %d in the moments",
							   variables, moments.variables),
						errhint("float8_moments_agg(x) gives moments of one variable, "
								"float8_moments_agg(y, x) of two.")));
	if (!float_moments_statistic(&moments, statistic, &result, &overflow))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(float_result(result, overflow));
}

#define STATISTIC(name, statistic)                                                                 \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	Datum name(PG_FUNCTION_ARGS)                                                                   \
	{                                                                                              \
		return statistic_of(fcinfo, statistic);                                                    \
	}                                                                                              \
	extern int float_macro_takes_a_semicolon

STATISTIC(telemetry_float8_moments_var_pop, STATISTIC_VAR_POP);
STATISTIC(telemetry_float8_moments_var_samp, STATISTIC_VAR_SAMP);
STATISTIC(telemetry_float8_moments_stddev_pop, STATISTIC_STDDEV_POP);
STATISTIC(telemetry_float8_moments_stddev_samp, STATISTIC_STDDEV_SAMP);
STATISTIC(telemetry_float8_moments_covar_pop, STATISTIC_COVAR_POP);
STATISTIC(telemetry_float8_moments_covar_samp, STATISTIC_COVAR_SAMP);
STATISTIC(telemetry_float8_moments_corr, STATISTIC_CORR);
STATISTIC(telemetry_float8_moments_regr_avgx, STATISTIC_REGR_AVGX);
STATISTIC(telemetry_float8_moments_regr_avgy, STATISTIC_REGR_AVGY);
STATISTIC(telemetry_float8_moments_regr_sxx, STATISTIC_REGR_SXX);
STATISTIC(telemetry_float8_moments_regr_syy, STATISTIC_REGR_SYY);
STATISTIC(telemetry_float8_moments_regr_sxy, STATISTIC_REGR_SXY);
STATISTIC(telemetry_float8_moments_regr_slope, STATISTIC_REGR_SLOPE);
STATISTIC(telemetry_float8_moments_regr_intercept, STATISTIC_REGR_INTERCEPT);
STATISTIC(telemetry_float8_moments_regr_r2, STATISTIC_REGR_R2);

/* ---- aggregates ------------------------------------------------------------------------------ */

static FloatMoments *
state_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : (FloatMoments *) PG_GETARG_POINTER(argno);
}

static FloatMoments *
open_state(FunctionCallInfo fcinfo, const SketchMemory *memory)
{
	FloatMoments *moments = state_argument(fcinfo, 0);

	if (moments == NULL)
	{
		moments = MemoryContextAlloc(memory->arg, sizeof(FloatMoments));
		float_moments_init(moments);
	}
	return moments;
}

/* (state, x) or (state, y, x): as in SQL's own, a row with a NULL does not count. */
static inline Datum
accumulate(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	FloatMoments *moments = open_state(fcinfo, &memory);

	/* The state is there then all the same: that of a moving window must not be NULL. */
	if (PG_ARGISNULL(1) || (PG_NARGS() > 2 && PG_ARGISNULL(2)))
		PG_RETURN_POINTER(moments);
	if (PG_NARGS() > 2)
		float_moments_add_pair(moments, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2), subtract,
							   &memory);
	else
		float_moments_add(moments, PG_GETARG_FLOAT8(1), subtract, &memory);
	PG_RETURN_POINTER(moments);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_add);
Datum
telemetry_float8_moments_agg_add(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_drop);
Datum
telemetry_float8_moments_agg_drop(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, true);
}

static Datum
unite(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	FloatMoments *moments = open_state(fcinfo, &memory);
	FloatMoments other;

	if (!PG_ARGISNULL(1))
	{
		moments_from_datum(PG_GETARG_DATUM(1), &other);
		merge(moments, &other, subtract, &memory);
	}
	PG_RETURN_POINTER(moments);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_union);
Datum
telemetry_float8_moments_agg_union(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_union_drop);
Datum
telemetry_float8_moments_agg_union_drop(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_combine);
Datum
telemetry_float8_moments_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	FloatMoments *moments = open_state(fcinfo, &memory);

	if (!PG_ARGISNULL(1))
		merge(moments, state_argument(fcinfo, 1), false, &memory);
	PG_RETURN_POINTER(moments);
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_serialize);
Datum
telemetry_float8_moments_agg_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	return moments_datum(state_argument(fcinfo, 0));
}

PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_deserialize);
Datum
telemetry_float8_moments_agg_deserialize(PG_FUNCTION_ARGS)
{
	FloatMoments *moments = palloc(sizeof(FloatMoments));

	(void) aggregate_context(fcinfo);
	moments_from_datum(PG_GETARG_DATUM(0), moments);
	PG_RETURN_POINTER(moments);
}

/* No rows, or only such with NULLs, are empty moments. */
PG_FUNCTION_INFO_V1(telemetry_float8_moments_agg_final);
Datum
telemetry_float8_moments_agg_final(PG_FUNCTION_ARGS)
{
	FloatMoments *moments = state_argument(fcinfo, 0);
	FloatMoments empty;

	float_moments_init(&empty);
	return moments_datum(moments == NULL ? &empty : moments);
}
