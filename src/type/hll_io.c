/*
 * telemetry.hll as text, on the wire, as storage v1's bytea, and compared.
 *
 * A stored value is the sketch's canonical packed bytes behind the varlena header. All that comes
 * from outside (text, wire, bytea) is checked to the last bit before it becomes one; what is read
 * from a table is trusted to mean something, but not to be undamaged.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "type/hll_type.h"
#include "type/memory.h"
#include "type/packed.h"

#define TYPE_NAME "telemetry.hll"

void
hll_check_precision(int32 precision)
{
	if (precision < HLL_MIN_PRECISION || precision > HLL_MAX_PRECISION)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("precision %d is out of range", precision),
						errdetail("Precision must be between %d and %d.", HLL_MIN_PRECISION,
								  HLL_MAX_PRECISION)));
}

void
hll_damaged(const char *detail)
{
	packed_damaged(TYPE_NAME, detail);
}

HllView
hll_view_datum(const struct varlena *value)
{
	HllView view;
	const char *error = hll_view(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &view);

	if (error != NULL)
		hll_damaged(error);
	return view;
}

HllState *
hll_from_datum(const struct varlena *value)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllView view = hll_view_datum(value);
	HllState *state = hll_unpack(&view, &memory);

	if (state == NULL)
		hll_damaged("its contents cannot be read");
	return state;
}

struct varlena *
hll_to_datum(const HllState *state)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllPacker packer;
	struct varlena *value;

	hll_pack_prepare(state, &packer, &memory);
	value = palloc(VARHDRSZ + packer.size);
	SET_VARSIZE(value, VARHDRSZ + packer.size);
	hll_pack(&packer, VARDATA(value), &memory);
	return value;
}

struct varlena *
hll_canonical(struct varlena *value)
{
	HllView view = hll_view_datum(value);

	return hll_is_loose(&view) ? hll_to_datum(hll_from_datum(value)) : value;
}

/* ---- text ------------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(telemetry_hll_out);
Datum
telemetry_hll_out(PG_FUNCTION_ARGS)
{
	struct varlena *value = hll_canonical(PG_GETARG_VARLENA_PP(0));
	HllView view = hll_view_datum(value);
	size_t size = VARSIZE_ANY_EXHDR(value);
	char *text = palloc(HLL_TEXT_HEAD + 2 * size);

	hll_text_write(&view, VARDATA_ANY(value), size, text);
	PG_RETURN_CSTRING(text);
}

PG_FUNCTION_INFO_V1(telemetry_hll_in);
Datum
telemetry_hll_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = palloc(VARHDRSZ + strlen(text) / 2);
	size_t size;
	const char *error = hll_text_read(text, VARDATA(value), &size, &memory);

	if (error != NULL)
		packed_bad_text(TYPE_NAME, text, error, NULL);
	SET_VARSIZE(value, VARHDRSZ + size);
	PG_RETURN_POINTER(value);
}

/* ---- wire ------------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(telemetry_hll_recv);
Datum
telemetry_hll_recv(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = packed_receive(fcinfo);
	const char *error = hll_check(VARDATA(value), VARSIZE(value) - VARHDRSZ, &memory);

	if (error != NULL)
		packed_bad_bytes(TYPE_NAME, error);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_hll_send);
Datum
telemetry_hll_send(PG_FUNCTION_ARGS)
{
	return packed_send(hll_canonical(PG_GETARG_VARLENA_PP(0)));
}

/* ---- storage v1 ------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(telemetry_hll_from_storage);
Datum
telemetry_hll_from_storage(PG_FUNCTION_ARGS)
{
	struct varlena *bytes = PG_GETARG_VARLENA_PP(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	const char *error;
	HllState *state =
		hll_storage_read(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &memory, &error);

	if (state == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("bytes are not a set of HLL storage specification v1"),
						errdetail("The value has an error: %s.", error)));
	PG_RETURN_POINTER(hll_to_datum(state));
}

static bytea *
to_storage(const HllState *state, int width, int cutoff)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllStorage storage;
	bytea *bytes;

	if (state->form == HLL_REGISTERS &&
		hll_max_value(state->precision, width) > hll_max_value(state->precision, state->width))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot widen registers of %d bits to %d", state->width, width),
						errdetail("Values that are saturated would be taken for real ones.")));
	hll_storage_prepare(state, width, cutoff, &storage, &memory);
	bytes = palloc(VARHDRSZ + storage.size);
	SET_VARSIZE(bytes, VARHDRSZ + storage.size);
	hll_storage_write(&storage, VARDATA(bytes), &memory);
	return bytes;
}

/* postgresql-hll's defaults: regwidth 5, expthresh -1 (automatic), sparseon 1. */
#define V1_DEFAULT_WIDTH  5
#define V1_DEFAULT_CUTOFF (0x40 | 63)

/* The cast: with the parameters it came with, or postgresql-hll's defaults. */
PG_FUNCTION_INFO_V1(telemetry_hll_to_bytea);
Datum
telemetry_hll_to_bytea(PG_FUNCTION_ARGS)
{
	HllState *state = hll_from_datum(PG_GETARG_VARLENA_PP(0));

	if (state->cutoff == HLL_NATIVE)
		PG_RETURN_BYTEA_P(
			to_storage(state, state->width < V1_DEFAULT_WIDTH ? state->width : V1_DEFAULT_WIDTH,
					   V1_DEFAULT_CUTOFF));
	PG_RETURN_BYTEA_P(to_storage(state, state->width, state->cutoff));
}

/* hll_to_storage(hll, regwidth, expthresh, sparseon) */
PG_FUNCTION_INFO_V1(telemetry_hll_to_storage);
Datum
telemetry_hll_to_storage(PG_FUNCTION_ARGS)
{
	HllState *state = hll_from_datum(PG_GETARG_VARLENA_PP(0));
	int32 width = PG_GETARG_INT32(1);
	int64 threshold = PG_GETARG_INT64(2);
	int cutoff = PG_GETARG_INT32(3) != 0 ? 0x40 : 0;

	if (width < 1 || width > 8)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("regwidth %d is out of range", width),
						errdetail("A register has 1 to 8 bits.")));
	if (PG_GETARG_INT32(3) != 0 && PG_GETARG_INT32(3) != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("sparseon %d is neither 0 nor 1", PG_GETARG_INT32(3))));
	if (threshold < -1 || threshold > INT64CONST(1) << 30 ||
		(threshold > 0 && (threshold & (threshold - 1)) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expthresh " INT64_FORMAT " is out of range", threshold),
				 errdetail("It is -1 (automatic), 0 (none), or a power of two up to 2^30.")));
	if (threshold == -1)
		cutoff |= 63;
	for (; threshold > 0; threshold >>= 1)
		cutoff++;
	PG_RETURN_BYTEA_P(to_storage(state, width, cutoff));
}

/* ---- comparison ------------------------------------------------------------------------------ */

/* Canonical bytes: sets are equal as sketches when their bytes are. */
static int
compare(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	size_t a_size = VARSIZE_ANY_EXHDR(a);
	size_t b_size = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_size, b_size));

	if (order == 0)
		order = a_size < b_size ? -1 : a_size > b_size;
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

#define HLL_COMPARISON(name, condition)                                                            \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	Datum name(PG_FUNCTION_ARGS)                                                                   \
	{                                                                                              \
		int order = compare(fcinfo);                                                               \
                                                                                                   \
		PG_RETURN_BOOL(condition);                                                                 \
	}                                                                                              \
	extern int hll_macro_takes_a_semicolon

HLL_COMPARISON(telemetry_hll_eq, order == 0);
HLL_COMPARISON(telemetry_hll_ne, order != 0);
HLL_COMPARISON(telemetry_hll_lt, order < 0);
HLL_COMPARISON(telemetry_hll_le, order <= 0);
HLL_COMPARISON(telemetry_hll_gt, order > 0);
HLL_COMPARISON(telemetry_hll_ge, order >= 0);

PG_FUNCTION_INFO_V1(telemetry_hll_cmp);
Datum
telemetry_hll_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

PG_FUNCTION_INFO_V1(telemetry_hll_hash_value);
Datum
telemetry_hll_hash_value(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	Datum hash = hash_any((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_DATUM(hash);
}

PG_FUNCTION_INFO_V1(telemetry_hll_hash_value_extended);
Datum
telemetry_hll_hash_value_extended(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	Datum hash = hash_any_extended((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
								   PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_DATUM(hash);
}
