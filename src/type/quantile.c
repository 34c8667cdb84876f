/*
 * telemetry.quantile_sketch: how values are distributed, as a type and as aggregates.
 *
 * A stored value is the canonical packed bytes behind the varlena header, so that comparing is
 * comparing bytes (the functions of telemetry.hll do that). A group's state is a QuantileSketch in
 * the aggregate's context.
 */
#include "postgres.h"

#include "base/compat.h"
#include "sketch/quantile.h"
#include "type/aside.h"
#include "type/memory.h"
#include "type/packed.h"

#define TYPE_NAME     "telemetry.quantile_sketch"
#define DEFAULT_ERROR 0.01

static void out_of_range(void) pg_attribute_noreturn();

static void
out_of_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value of type " TYPE_NAME " out of range"), errdetail("Counts go to 2^62.")));
}

static Datum
sketch_datum(const QuantileSketch *sketch)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = palloc(VARHDRSZ + quantile_pack_bound(sketch));
	size_t size = quantile_pack(sketch, (uint8_t *) VARDATA(value), &memory);

	if (size == 0)
		out_of_range();
	SET_VARSIZE(value, VARHDRSZ + size);
	return PointerGetDatum(value);
}

/*
 * Reading is safe with any bytes behind a header; this is the header. What a continuous view keeps
 * aside is packed first.
 */
static struct varlena *
stored(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	QuantileReader reader;
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	QuantileSketch sketch;
	const char *error = quantile_open_any(&reader, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	if (error)
		packed_damaged(TYPE_NAME, error);
	if (!reader.loose)
		return value;
	quantile_init(&sketch);
	if (!quantile_merge(&sketch, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), false, &memory))
		out_of_range();
	return (struct varlena *) DatumGetPointer(sketch_datum(&sketch));
}

/* ---- text and wire --------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_in);
Datum
telemetry_quantile_sketch_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	struct varlena *value = palloc(VARHDRSZ + quantile_read_bound(text));
	size_t size;
	const char *error = quantile_read(text, (uint8_t *) VARDATA(value), &size);

	if (error)
		packed_bad_text(TYPE_NAME, text, error, NULL);
	SET_VARSIZE(value, VARHDRSZ + size);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_out);
Datum
telemetry_quantile_sketch_out(PG_FUNCTION_ARGS)
{
	struct varlena *value = stored(PG_GETARG_DATUM(0));
	char *text = palloc(quantile_text_bound(VARSIZE_ANY_EXHDR(value)));

	quantile_write(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), text);
	PG_RETURN_CSTRING(text);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_recv);
Datum
telemetry_quantile_sketch_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = packed_receive(fcinfo);
	const char *error = quantile_check(VARDATA(value), VARSIZE(value) - VARHDRSZ);

	if (error)
		packed_bad_bytes(TYPE_NAME, error);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_send);
Datum
telemetry_quantile_sketch_send(PG_FUNCTION_ARGS)
{
	return packed_send(stored(PG_GETARG_DATUM(0)));
}

/* ---- functions ------------------------------------------------------------------------------- */

static Datum
merged(Datum one, Datum other, bool subtract)
{
	struct varlena *a = stored(one);
	struct varlena *b = stored(other);
	struct varlena *both;
	size_t size;

	both = palloc(VARHDRSZ + quantile_union_bound(VARSIZE_ANY_EXHDR(a), VARSIZE_ANY_EXHDR(b)));
	size = quantile_union(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b),
						  VARSIZE_ANY_EXHDR(b), subtract, (uint8_t *) VARDATA(both));
	if (size == 0)
		out_of_range();
	SET_VARSIZE(both, VARHDRSZ + size);
	return PointerGetDatum(both);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_plus);
Datum
telemetry_quantile_sketch_plus(PG_FUNCTION_ARGS)
{
	return merged(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), false);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_minus);
Datum
telemetry_quantile_sketch_minus(PG_FUNCTION_ARGS)
{
	return merged(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), true);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_sketch_negate);
Datum
telemetry_quantile_sketch_negate(PG_FUNCTION_ARGS)
{
	QuantileSketch empty;

	quantile_init(&empty);
	return merged(sketch_datum(&empty), PG_GETARG_DATUM(0), true);
}

static Datum
sum(Datum one, Datum other)
{
	return merged(one, other, false);
}

/* _quantile_base(base, aside, added base, added aside, room): aside.h */
PG_FUNCTION_INFO_V1(telemetry_quantile_base);
Datum
telemetry_quantile_base(PG_FUNCTION_ARGS)
{
	static const int all[] = {0, 1, 2, 3};

	if (aside_base_stays(fcinfo, 0, 1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return aside_together(fcinfo, all, lengthof(all), sum);
}

/*
 * Values that are the same may come again and again, and are to be aside once. So what is aside is
 * gathered, which logs all of it again, at this size, at twice that, and so on: each byte once or
 * twice, not once for each time that so many came.
 */
#define GATHER_FROM 128

static bool
is_to_be_gathered(Size before, Size size)
{
	Size next = GATHER_FROM;

	while (next <= before)
		next *= 2;
	return size >= next;
}

static Datum
gathered(FunctionCallInfo fcinfo, Datum loose)
{
	struct varlena *packed = stored(loose);
	Size size = VARSIZE_ANY_EXHDR(packed);
	struct varlena *result = palloc(VARHDRSZ + quantile_loose_bound(0, size));

	/* What came and what went may be nothing together. */
	if (size == QUANTILE_HEADER)
		PG_RETURN_NULL();
	SET_VARSIZE(result, VARHDRSZ + quantile_loose_write(NULL, 0, VARDATA_ANY(packed), size,
														(uint8_t *) VARDATA(result)));
	return PointerGetDatum(result);
}

/*
 * What comes goes before what is aside, whose bytes stay: then an update logs no more than what
 * came. False where that cannot be, as with another error.
 */
static bool
added_in_front(FunctionCallInfo fcinfo, Datum *all)
{
	struct varlena *added = stored(PG_GETARG_DATUM(3));
	struct varlena *aside = PG_ARGISNULL(0) ? NULL : PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	Size old = aside ? VARSIZE_ANY_EXHDR(aside) : 0;
	Size new = VARSIZE_ANY_EXHDR(added);
	struct varlena *result = palloc(VARHDRSZ + quantile_loose_bound(old, new));
	size_t size;

	/* A header alone: nothing came. */
	if (new == QUANTILE_HEADER)
	{
		fcinfo->isnull = aside == NULL;
		*all = PG_GETARG_DATUM(0);
		return true;
	}
	size = quantile_loose_write(aside ? VARDATA_ANY(aside) : NULL, old, VARDATA_ANY(added), new,
								(uint8_t *) VARDATA(result));
	if (size == 0)
		return false;
	SET_VARSIZE(result, VARHDRSZ + size);
	*all = PointerGetDatum(result);
	if (is_to_be_gathered(old, size))
		*all = gathered(fcinfo, *all);
	return true;
}

/* _quantile_aside(aside, base, added aside, added base, room) */
PG_FUNCTION_INFO_V1(telemetry_quantile_aside);
Datum
telemetry_quantile_aside(PG_FUNCTION_ARGS)
{
	static const int but_the_base[] = {0, 2, 3};
	Datum all;

	if (!aside_base_stays(fcinfo, 1, 0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(2) && !PG_ARGISNULL(3) && added_in_front(fcinfo, &all))
		return all;
	return aside_together(fcinfo, but_the_base, lengthof(but_the_base), sum);
}

/* Where it is not known how many values there are, there are no quantiles. */
static int64
count_of(const struct varlena *value)
{
	int64_t count;

	if (!quantile_count(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &count))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("sketch has negative counts, or more than 2^62 values"),
						errhint("It is the difference of sketches of which the second has values "
								"that the first has not.")));
	return count;
}

PG_FUNCTION_INFO_V1(telemetry_quantile);
Datum
telemetry_quantile(PG_FUNCTION_ARGS)
{
	struct varlena *value = stored(PG_GETARG_DATUM(0));
	double fraction = PG_GETARG_FLOAT8(1);
	int64 count;

	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("fraction %g is not between 0 and 1", fraction),
						errhint("The median is quantile(sketch, 0.5).")));
	count = count_of(value);
	if (count == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(quantile_value(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), count, fraction));
}

PG_FUNCTION_INFO_V1(telemetry_quantile_count);
Datum
telemetry_quantile_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(count_of(stored(PG_GETARG_DATUM(0))));
}

PG_FUNCTION_INFO_V1(telemetry_quantile_error);
Datum
telemetry_quantile_error(PG_FUNCTION_ARGS)
{
	struct varlena *value = stored(PG_GETARG_DATUM(0));
	QuantileReader reader;

	if (quantile_open(&reader, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) != NULL ||
		reader.bits == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(quantile_error_of(reader.bits));
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static QuantileSketch *
open_state(FunctionCallInfo fcinfo, const SketchMemory *memory)
{
	QuantileSketch *sketch;

	if (!PG_ARGISNULL(0))
		return (QuantileSketch *) PG_GETARG_POINTER(0);
	sketch = MemoryContextAlloc(memory->arg, sizeof(QuantileSketch));
	quantile_init(sketch);
	return sketch;
}

static int
bits_for(double error)
{
	int bits = quantile_bits_for(error);

	if (bits == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("relative error %g is not between 0.0005 and 0.2", error),
						errhint("0.01, the default, is one percent.")));
	return bits;
}

/* (state, value) or (state, value, relative error). */
static Datum
accumulate(FunctionCallInfo fcinfo, int64 count)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	QuantileSketch *sketch = open_state(fcinfo, &memory);
	int bits;

	/* The state is there all the same: that of a moving window must not be NULL. */
	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(sketch);
	if (PG_NARGS() > 2 && PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("relative error of a quantile sketch is NULL"),
						errhint("Leave it out for one percent.")));
	bits = bits_for(PG_NARGS() > 2 ? PG_GETARG_FLOAT8(2) : DEFAULT_ERROR);
	if (!quantile_add(sketch, bits, PG_GETARG_FLOAT8(1), count, &memory))
		out_of_range();
	PG_RETURN_POINTER(sketch);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_add);
Datum
telemetry_quantile_agg_add(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, 1);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_drop);
Datum
telemetry_quantile_agg_drop(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, -1);
}

static Datum
unite(FunctionCallInfo fcinfo, bool subtract)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	QuantileSketch *sketch = open_state(fcinfo, &memory);
	struct varlena *value;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(sketch);
	value = stored(PG_GETARG_DATUM(1));
	if (!quantile_merge(sketch, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), subtract, &memory))
		out_of_range();
	PG_RETURN_POINTER(sketch);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_union);
Datum
telemetry_quantile_agg_union(PG_FUNCTION_ARGS)
{
	return unite(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_combine);
Datum
telemetry_quantile_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	QuantileSketch *sketch = open_state(fcinfo, &memory);

	if (!PG_ARGISNULL(1) &&
		!quantile_merge_sketch(sketch, (QuantileSketch *) PG_GETARG_POINTER(1), &memory))
		out_of_range();
	PG_RETURN_POINTER(sketch);
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_serialize);
Datum
telemetry_quantile_agg_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	return sketch_datum((QuantileSketch *) PG_GETARG_POINTER(0));
}

PG_FUNCTION_INFO_V1(telemetry_quantile_agg_deserialize);
Datum
telemetry_quantile_agg_deserialize(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	QuantileSketch *sketch = palloc(sizeof(QuantileSketch));
	struct varlena *value = stored(PG_GETARG_DATUM(0));

	(void) aggregate_context(fcinfo);
	quantile_init(sketch);
	if (!quantile_merge(sketch, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), false, &memory))
		out_of_range();
	PG_RETURN_POINTER(sketch);
}

/* No rows, or only such with NULLs, are a sketch of nothing. */
PG_FUNCTION_INFO_V1(telemetry_quantile_agg_final);
Datum
telemetry_quantile_agg_final(PG_FUNCTION_ARGS)
{
	QuantileSketch empty;

	quantile_init(&empty);
	return sketch_datum(PG_ARGISNULL(0) ? &empty : (QuantileSketch *) PG_GETARG_POINTER(0));
}
