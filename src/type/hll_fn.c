/*
 * Functions over telemetry.hll that are not aggregates.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "type/memory.h"
#include "utils/builtins.h"

#include "type/hll_type.h"

static double
estimate_view(const HllView *view)
{
	const char *error;
	double estimate = hll_estimate_packed(view, &error);

	if (error != NULL)
		hll_damaged(error);
	return estimate;
}

static HllState *
merge_view(HllState *state, const HllView *view)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	const char *error;

	state = hll_merge_packed(state, view, &memory, &error);
	if (error != NULL)
		hll_damaged(error);
	return state;
}

/*
 * The state as a datum; but an argument that it equals is returned as it came, toast pointer and
 * all: an UPDATE that changes nothing then writes no sketch.
 */
static Datum
return_state(FunctionCallInfo fcinfo, const HllState *state, int nargs)
{
	struct varlena *result = hll_to_datum(state);
	size_t size = VARSIZE_ANY_EXHDR(result);

	for (int i = 0; i < nargs; i++)
	{
		struct varlena *argument = PG_GETARG_VARLENA_PP(i);

		if (VARSIZE_ANY_EXHDR(argument) == size &&
			memcmp(VARDATA_ANY(argument), VARDATA_ANY(result), size) == 0)
			return PG_GETARG_DATUM(i);
	}
	return PointerGetDatum(result);
}

PG_FUNCTION_INFO_V1(telemetry_hll_empty);
Datum
telemetry_hll_empty(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	int32 precision = PG_GETARG_INT32(0);

	hll_check_precision(precision);
	PG_RETURN_POINTER(hll_to_datum(hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &memory)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_cardinality);
Datum
telemetry_hll_cardinality(PG_FUNCTION_ARGS)
{
	struct varlena *value = hll_canonical(PG_GETARG_VARLENA_PP(0));
	HllView view = hll_view_datum(value);

	PG_RETURN_FLOAT8(estimate_view(&view));
}

PG_FUNCTION_INFO_V1(telemetry_hll_union);
Datum
telemetry_hll_union(PG_FUNCTION_ARGS)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	HllView has = hll_view_datum(a);
	HllView view = hll_view_datum(PG_GETARG_VARLENA_PP(1));
	HllState *state;

	/* Of two empty sets, either one may be what the parameters of the union are from. */
	if (hll_is_empty(&view) && !hll_is_empty(&has))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	state = merge_view(hll_from_datum(a), &view);
	return return_state(fcinfo, state, 2);
}

static Datum
add_hash(FunctionCallInfo fcinfo, uint64 hash)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllState *state = hll_from_datum(PG_GETARG_VARLENA_PP(0));

	return return_state(fcinfo, hll_add(state, hash, &memory), 1);
}

/* hll_add(hll, anyelement): not strict, since adding NULL is adding nothing. */
PG_FUNCTION_INFO_V1(telemetry_hll_add);
Datum
telemetry_hll_add(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return add_hash(fcinfo, hll_hasher_hash(hll_hasher_get(fcinfo, 1), PG_GETARG_DATUM(1)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_add_hash);
Datum
telemetry_hll_add_hash(PG_FUNCTION_ARGS)
{
	return add_hash(fcinfo, (uint64) PG_GETARG_INT64(1));
}

PG_FUNCTION_INFO_V1(telemetry_hll_hash);
Datum
telemetry_hll_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) hll_hasher_hash(hll_hasher_get(fcinfo, 0), PG_GETARG_DATUM(0)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_fold);
Datum
telemetry_hll_fold(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	int32 precision = PG_GETARG_INT32(1);
	HllView view = hll_view_datum(PG_GETARG_VARLENA_PP(0));

	hll_check_precision(precision);
	if (precision >= view.precision)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_POINTER(
		hll_to_datum(hll_fold(hll_from_datum(PG_GETARG_VARLENA_PP(0)), precision, &memory)));
}

/* Sizes of two sets and of their union, all at the union's precision. */
static void
compare_sets(FunctionCallInfo fcinfo, double *both, double *together)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllState *a = hll_from_datum(PG_GETARG_VARLENA_PP(0));
	HllState *b = hll_from_datum(PG_GETARG_VARLENA_PP(1));
	HllState *all = hll_merge(hll_copy(a, &memory), b, &memory);
	double a_size = hll_estimate(hll_fold(a, all->precision, &memory));
	double b_size = hll_estimate(hll_fold(b, all->precision, &memory));

	/* No set is larger than the union, and none smaller than what the two share. */
	*together = Max(hll_estimate(all), Max(a_size, b_size));
	*both = Max(0.0, Min(a_size + b_size - *together, Min(a_size, b_size)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_intersection_cardinality);
Datum
telemetry_hll_intersection_cardinality(PG_FUNCTION_ARGS)
{
	double both;
	double together;

	compare_sets(fcinfo, &both, &together);
	PG_RETURN_FLOAT8(both);
}

PG_FUNCTION_INFO_V1(telemetry_hll_jaccard);
Datum
telemetry_hll_jaccard(PG_FUNCTION_ARGS)
{
	double both;
	double together;

	compare_sets(fcinfo, &both, &together);
	PG_RETURN_FLOAT8(together > 0 ? both / together : 1.0);
}

static double
error_of(const HllView *view)
{
	return hll_standard_error(view->precision, view->kind == HLL_PACKED_TOKENS,
							  view->kind == HLL_PACKED_EXPLICIT || hll_is_empty(view));
}

PG_FUNCTION_INFO_V1(telemetry_hll_error);
Datum
telemetry_hll_error(PG_FUNCTION_ARGS)
{
	HllView view = hll_view_datum(PG_GETARG_VARLENA_PP(0));

	PG_RETURN_FLOAT8(error_of(&view));
}

PG_FUNCTION_INFO_V1(telemetry_hll_info);
Datum
telemetry_hll_info(PG_FUNCTION_ARGS)
{
	struct varlena *value = hll_canonical(PG_GETARG_VARLENA_PP(0));
	HllView view = hll_view_datum(value);
	HllState *state = hll_from_datum(value);
	TupleDesc desc;
	Datum values[10];
	bool nulls[10] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(1);
	values[1] = Int32GetDatum(view.precision);
	values[2] = Int32GetDatum(1 << view.precision);
	values[3] = Int32GetDatum(view.width);
	values[4] = CStringGetTextDatum(view.cutoff == HLL_NATIVE ? "telemetry" : "storage v1");
	values[5] = CStringGetTextDatum(hll_form_name(&view));
	values[6] = Int32GetDatum((int32) hll_nonzero(state));
	values[7] = Int32GetDatum((int32) VARSIZE_ANY_EXHDR(value));
	values[8] = Float8GetDatum(estimate_view(&view));
	values[9] = Float8GetDatum(error_of(&view));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
