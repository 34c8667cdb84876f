/*
 * Aggregates: hll_agg, approx_count_distinct, hll_hash_agg, hll_union_agg.
 *
 * A group's state is one flat block (HllState) in the aggregate's context: no context of its own,
 * 80 bytes at first, growing with the values to 2^precision bytes. Workers hand it over packed.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "type/hll_type.h"
#include "type/memory.h"

static HllState *
state_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : (HllState *) PG_GETARG_POINTER(argno);
}

/*
 * A group with nothing pending, for reading. Settling may move the state, and the executor still
 * has the old address (two aggregates may share one state): then it is done on a copy.
 */
static HllState *
settled_argument(FunctionCallInfo fcinfo, int argno)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllState *state = state_argument(fcinfo, argno);

	if (state == NULL || state->npending == 0)
		return state;
	if (state->form == HLL_REGISTERS)
		return hll_settle(state, &memory);
	return hll_settle(hll_copy(state, &memory), &memory);
}

/* ---- adding values --------------------------------------------------------------------------- */

/*
 * (state, value [, precision]). A state is made for NULLs, too, so that a group of nothing but
 * NULLs is an empty sketch of the precision asked for.
 */
static HllState *
open_state(FunctionCallInfo fcinfo, const SketchMemory *memory)
{
	HllState *state = state_argument(fcinfo, 0);
	int32 precision = HLL_DEFAULT_PRECISION;

	if (PG_NARGS() > 2)
	{
		if (PG_ARGISNULL(2))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("precision must not be NULL")));
		precision = PG_GETARG_INT32(2);
	}
	if (unlikely(state == NULL))
	{
		hll_check_precision(precision);
		state = hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, memory);
	}
	else if (unlikely(state->precision != precision))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("precision changes within a group from %d to %d", state->precision,
							   precision),
						errhint("Make the precision a constant.")));
	return state;
}

/* One more hash; most of the time there is room for it to wait, and nothing else to do. */
static inline Datum
add_hash(FunctionCallInfo fcinfo, uint64 hash)
{
	HllState *state = state_argument(fcinfo, 0);
	SketchMemory memory;

	if (likely(state != NULL && state->npending < HLL_PENDING - 1 &&
			   (PG_NARGS() == 2 || (!PG_ARGISNULL(2) && PG_GETARG_INT32(2) == state->precision))))
	{
		hll_add_later(state, hash, NULL);
		PG_RETURN_POINTER(state);
	}
	memory = sketch_memory(aggregate_context(fcinfo));
	PG_RETURN_POINTER(hll_add_later(open_state(fcinfo, &memory), hash, &memory));
}

/* A NULL does not count, but it opens its group. */
static Datum
add_null(FunctionCallInfo fcinfo)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));

	PG_RETURN_POINTER(open_state(fcinfo, &memory));
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_add);
Datum
telemetry_hll_agg_add(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return add_null(fcinfo);
	return add_hash(fcinfo, hll_hasher_hash(hll_hasher_get(fcinfo, 1), PG_GETARG_DATUM(1)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_add_hash);
Datum
telemetry_hll_agg_add_hash(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return add_null(fcinfo);
	return add_hash(fcinfo, (uint64) PG_GETARG_INT64(1));
}

/* ---- merging --------------------------------------------------------------------------------- */

/*
 * Decoding is one chain of dependent loads. A small value is first copied off its page, which asks
 * for all its cache lines at once: that takes a quarter off the union of sketches of 100 values.
 */
#define COPY_LARGEST 1024

static HllState *
merge_datum(HllState *state, Datum value, const SketchMemory *memory)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	Size size = VARSIZE_ANY(bytes);
	union
	{
		struct varlena head;
		char bytes[COPY_LARGEST];
	} copy;
	HllView view;
	const char *error;

	if (size <= COPY_LARGEST)
		view = hll_view_datum(memcpy(&copy, bytes, size));
	else
		view = hll_view_datum(bytes);
	if (state == NULL)
		state = hll_create(view.precision, view.width, view.cutoff, memory);
	state = hll_merge_packed(state, &view, memory, &error);
	if (error != NULL)
		hll_damaged(error);
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return state;
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_union);
Datum
telemetry_hll_agg_union(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	HllState *state = state_argument(fcinfo, 0);

	if (!PG_ARGISNULL(1))
		state = merge_datum(state, PG_GETARG_DATUM(1), &memory);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_combine);
Datum
telemetry_hll_agg_combine(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	HllState *state = state_argument(fcinfo, 0);
	HllState *other = settled_argument(fcinfo, 1);

	if (state != NULL)
		state = hll_settle(state, &memory);
	if (other != NULL)
		state = state == NULL ? hll_copy(other, &memory) : hll_merge(state, other, &memory);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_serialize);
Datum
telemetry_hll_agg_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(hll_to_datum(settled_argument(fcinfo, 0)));
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_deserialize);
Datum
telemetry_hll_agg_deserialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(hll_from_datum(PG_GETARG_VARLENA_PP(0)));
}

/* ---- results: no rows, or only NULLs, are an empty set --------------------------------------- */

static struct varlena *
empty_datum(void)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);

	return hll_to_datum(hll_create(HLL_DEFAULT_PRECISION, HLL_NATIVE_WIDTH, HLL_NATIVE, &memory));
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_final);
Datum
telemetry_hll_agg_final(PG_FUNCTION_ARGS)
{
	HllState *state = settled_argument(fcinfo, 0);

	PG_RETURN_POINTER(state == NULL ? empty_datum() : hll_to_datum(state));
}

PG_FUNCTION_INFO_V1(telemetry_hll_agg_count);
Datum
telemetry_hll_agg_count(PG_FUNCTION_ARGS)
{
	HllState *state = settled_argument(fcinfo, 0);
	double estimate = state == NULL ? 0 : rint(hll_estimate(state));

	PG_RETURN_INT64(estimate < (double) PG_INT64_MAX ? (int64) estimate : PG_INT64_MAX);
}

/* ---- moving windows -------------------------------------------------------------------------- */

/*
 * A union has no inverse, but a window drops its rows in the order in which they came, and that is
 * enough: a queue made of two stacks. New rows go to the back: their packed bytes, and one union of
 * them all. Rows leave at the front, where for each row still there the union of it and of all
 * later ones of the front is kept, so that dropping a row is dropping one of these. When the front
 * is empty, the back is turned over to become it. Each row is merged about three times altogether,
 * however long the frame is; without this, a frame of n rows is merged n times for every row.
 *
 * Bounded by work_mem: beyond it only the union is kept, and the inverse function says that it
 * cannot, upon which the executor starts the frame over.
 */
typedef struct HllWindow
{
	HllState *back; /* NULL: no row there */
	struct varlena **rows;
	int nrows;
	int rows_room;
	HllState **front; /* the last one is the union of the whole front */
	int nfront;
	Size bytes;
	bool overflowed;
} HllWindow;

static void
window_clear_rows(HllWindow *window)
{
	for (int i = 0; i < window->nrows; i++)
		pfree(window->rows[i]);
	window->nrows = 0;
}

static void
window_overflow(HllWindow *window, const SketchMemory *memory)
{
	if (window->nfront > 0)
		window->back = hll_merge(window->back, window->front[window->nfront - 1], memory);
	while (window->nfront > 0)
		pfree(window->front[--window->nfront]);
	window_clear_rows(window);
	window->overflowed = true;
}

static void
window_push(HllWindow *window, struct varlena *value, const SketchMemory *memory)
{
	Size size = VARSIZE_ANY_EXHDR(value) + VARHDRSZ;
	struct varlena *copy;

	window->back = merge_datum(window->back, PointerGetDatum(value), memory);
	if (window->overflowed)
		return;
	window->bytes += size;
	if (window->bytes > (Size) work_mem * 1024)
	{
		window_overflow(window, memory);
		return;
	}
	if (window->nrows == window->rows_room)
	{
		int room = window->rows_room == 0 ? 16 : window->rows_room * 2;
		struct varlena **rows =
			MemoryContextAlloc(memory->arg, (Size) room * sizeof(struct varlena *));

		if (window->rows != NULL)
		{
			memcpy(rows, window->rows, (Size) window->nrows * sizeof(struct varlena *));
			pfree(window->rows);
		}
		window->rows = rows;
		window->rows_room = room;
	}
	copy = MemoryContextAlloc(memory->arg, size);
	SET_VARSIZE(copy, size);
	memcpy(VARDATA(copy), VARDATA_ANY(value), size - VARHDRSZ);
	window->rows[window->nrows++] = copy;
}

/* Turns the back over; its oldest row is the one that leaves, so its union is not made. */
static bool
window_turn(HllWindow *window, const SketchMemory *memory)
{
	HllState *suffix = NULL;

	Assert(window->nrows > 0);
	if (window->front != NULL)
		pfree(window->front);
	window->front = MemoryContextAlloc(memory->arg, (Size) window->nrows * sizeof(HllState *));
	for (int i = window->nrows - 1; i > 0; i--)
	{
		suffix = suffix == NULL ? NULL : hll_copy(suffix, memory);
		suffix = merge_datum(suffix, PointerGetDatum(window->rows[i]), memory);
		window->front[window->nfront++] = suffix;
		window->bytes += hll_state_size(suffix);
		if (window->bytes > (Size) work_mem * 1024)
			return false;
	}
	for (int i = 0; i < window->nrows; i++)
		window->bytes -= VARSIZE(window->rows[i]);
	window_clear_rows(window);
	pfree(window->back);
	window->back = NULL;
	return true;
}

PG_FUNCTION_INFO_V1(telemetry_hll_window_add);
Datum
telemetry_hll_window_add(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	HllWindow *window;

	if (PG_ARGISNULL(0))
		window = MemoryContextAllocZero(memory.arg, sizeof(HllWindow));
	else
		window = (HllWindow *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
		window_push(window, PG_GETARG_VARLENA_PP(1), &memory);
	PG_RETURN_POINTER(window);
}

PG_FUNCTION_INFO_V1(telemetry_hll_window_drop);
Datum
telemetry_hll_window_drop(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(aggregate_context(fcinfo));
	HllWindow *window = (HllWindow *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(window);
	if (window->overflowed)
		PG_RETURN_NULL();
	if (window->nfront == 0)
	{
		if (!window_turn(window, &memory))
			PG_RETURN_NULL();
		PG_RETURN_POINTER(window);
	}
	window->nfront--;
	window->bytes -= hll_state_size(window->front[window->nfront]);
	pfree(window->front[window->nfront]);
	PG_RETURN_POINTER(window);
}

PG_FUNCTION_INFO_V1(telemetry_hll_window_final);
Datum
telemetry_hll_window_final(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllWindow *window = PG_ARGISNULL(0) ? NULL : (HllWindow *) PG_GETARG_POINTER(0);
	HllState *front;

	if (window == NULL || (window->back == NULL && window->nfront == 0))
		PG_RETURN_POINTER(empty_datum());
	if (window->nfront == 0)
		PG_RETURN_POINTER(hll_to_datum(window->back));
	front = window->front[window->nfront - 1];
	if (window->back == NULL)
		PG_RETURN_POINTER(hll_to_datum(front));
	PG_RETURN_POINTER(hll_to_datum(hll_merge(hll_copy(front, &memory), window->back, &memory)));
}
