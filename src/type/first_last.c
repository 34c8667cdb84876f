/*
 * first(value, time) and last(value, time): the value with the least or the greatest time.
 *
 * The result is a function of the set of rows alone, not of their order: equal times are told apart
 * by the value, in its type's default order and the input's collation; values that the type calls
 * equal, though they look different (numeric 1.0 and 1.00), by their bytes. That is what lets a
 * continuous view merge partial results by these aggregates themselves.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "type/memory.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/compat.h"

/* How values are compared; looked up once per query, in fn_extra of the calling function. */
typedef struct Ordering
{
	TypeCacheEntry *type;
	Oid collation;
	bool date; /* times are of four bytes */
} Ordering;

/*
 * A value with its time. The value lies in a block of its own: the executor of PostgreSQL 15 looks
 * for an allocation's header in front of what a final function returns.
 */
typedef struct Timed
{
	int64 time;
	Datum value;
	Size room; /* of the block, for types passed by reference */
} Timed;

/* The state of a group. */
typedef struct Extreme
{
	Oid type;
	int16 length;
	bool byval;
	bool last;
	Timed best;
} Extreme;

/* ---- order ----------------------------------------------------------------------------------- */

/*
 * Whether values can be compared is said at the first row, not at the first tie: a query must not
 * fail for the data that happen to come.
 */
static Ordering *
ordering_make(FunctionCallInfo fcinfo, Oid type)
{
	Ordering *ordering = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Ordering));

	ordering->type = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO);
	if (!OidIsValid(ordering->type->cmp_proc_finfo.fn_oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("could not identify an ordering of type %s for first() or last()",
							   format_type_be(type)),
						errdetail("Values at the same time are told apart by their order."),
						errhint("Cast the value to a type with an order, such as json to jsonb or "
								"text.")));
	ordering->collation = PG_GET_COLLATION();
	if (OidIsValid(get_typcollation(type)) && !OidIsValid(ordering->collation))
		ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_COLLATION),
						errmsg("could not determine which collation to use for first() or last()"),
						errhint("Use the COLLATE clause to set the collation explicitly.")));
	return ordering;
}

static Ordering *
ordering_of_argument(FunctionCallInfo fcinfo)
{
	Ordering *ordering = fcinfo->flinfo->fn_extra;
	Oid type, time;

	if (likely(ordering != NULL))
		return ordering;
	type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	time = get_fn_expr_argtype(fcinfo->flinfo, 2);
	if (!OidIsValid(type) || !OidIsValid(time))
		elog(ERROR, "could not determine the types of first() or last()");
	ordering = ordering_make(fcinfo, type);
	ordering->date = time == DATEOID;
	fcinfo->flinfo->fn_extra = ordering;
	return ordering;
}

/*
 * Values that their type calls equal, by their bytes: any order will do, if it is always the same.
 */
static int
image_compare(Datum a, Datum b, bool byval, int16 length)
{
	const char *at, *bt;
	Size alen, blen;
	int result;

	if (byval)
		return a == b ? 0 : a < b ? -1 : 1;
	if (length == -1)
	{
		struct varlena *av = PG_DETOAST_DATUM_PACKED(a), *bv = PG_DETOAST_DATUM_PACKED(b);

		at = VARDATA_ANY(av);
		alen = VARSIZE_ANY_EXHDR(av);
		bt = VARDATA_ANY(bv);
		blen = VARSIZE_ANY_EXHDR(bv);
	}
	else
	{
		at = DatumGetPointer(a);
		alen = datumGetSize(a, false, length);
		bt = DatumGetPointer(b);
		blen = datumGetSize(b, false, length);
	}
	result = memcmp(at, bt, Min(alen, blen));
	if (result == 0 && alen != blen)
		result = alen < blen ? -1 : 1;
	return result;
}

/* Does a row stand before what was found so far? last() looks from the other end. */
static bool
is_better(const Ordering *ordering, bool last, int64 time, Datum value, const Timed *best)
{
	int result;

	if (time != best->time)
		return (time > best->time) == last;
	result = DatumGetInt32(FunctionCall2Coll(&ordering->type->cmp_proc_finfo, ordering->collation,
											 value, best->value));
	if (result == 0)
		result =
			image_compare(value, best->value, ordering->type->typbyval, ordering->type->typlen);
	return last ? result > 0 : result < 0;
}

/* ---- values that outlive their row ----------------------------------------------------------- */

/* Where values come in order of time, each takes the place of the one before: blocks are kept. */
static void
timed_set(Timed *timed, int64 time, Datum value, bool byval, int16 length, MemoryContext context)
{
	bool expanded = !byval && length == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value));
	Size size;

	timed->time = time;
	if (byval)
	{
		timed->value = value;
		return;
	}
	size = expanded ? EOH_get_flat_size(DatumGetEOHP(value)) : datumGetSize(value, false, length);
	if (size > timed->room)
	{
		if (timed->room > 0)
			pfree(DatumGetPointer(timed->value));
		timed->room = 0;
		timed->value = PointerGetDatum(MemoryContextAlloc(context, size));
		timed->room = size;
	}
	if (expanded)
		EOH_flatten_into(DatumGetEOHP(value), DatumGetPointer(timed->value), size);
	else
		memcpy(DatumGetPointer(timed->value), DatumGetPointer(value), size);
}

static Extreme *
extreme_make(Oid type, int16 length, bool byval, bool last, MemoryContext context)
{
	Extreme *state = MemoryContextAllocZero(context, sizeof(Extreme));

	state->type = type;
	state->length = length;
	state->byval = byval;
	state->last = last;
	return state;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int64
time_argument(FunctionCallInfo fcinfo, const Ordering *ordering)
{
	return ordering->date ? PG_GETARG_DATEADT(2) : PG_GETARG_INT64(2);
}

/* (state, value, time); a row without value or time is none. */
static Datum
extreme_add(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext context = aggregate_context(fcinfo);
	Ordering *ordering = ordering_of_argument(fcinfo);
	Extreme *state = PG_ARGISNULL(0) ? NULL : (Extreme *) PG_GETARG_POINTER(0);
	int64 time;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	time = time_argument(fcinfo, ordering);
	if (state == NULL)
		state = extreme_make(ordering->type->type_id, ordering->type->typlen,
							 ordering->type->typbyval, last, context);
	else if (!is_better(ordering, last, time, PG_GETARG_DATUM(1), &state->best))
		PG_RETURN_POINTER(state);
	timed_set(&state->best, time, PG_GETARG_DATUM(1), state->byval, state->length, context);
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_first_add);
Datum
telemetry_first_add(PG_FUNCTION_ARGS)
{
	return extreme_add(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_last_add);
Datum
telemetry_last_add(PG_FUNCTION_ARGS)
{
	return extreme_add(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_first_last_combine);
Datum
telemetry_first_last_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	Extreme *state = PG_ARGISNULL(0) ? NULL : (Extreme *) PG_GETARG_POINTER(0);
	Extreme *other = PG_ARGISNULL(1) ? NULL : (Extreme *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (fcinfo->flinfo->fn_extra == NULL)
			fcinfo->flinfo->fn_extra = ordering_make(fcinfo, other->type);
		if (state == NULL)
			state = extreme_make(other->type, other->length, other->byval, other->last, context);
		else if (!is_better(fcinfo->flinfo->fn_extra, state->last, other->best.time,
							other->best.value, &state->best))
			PG_RETURN_POINTER(state);
		timed_set(&state->best, other->best.time, other->best.value, state->byval, state->length,
				  context);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* For another process of this very server and query: a toast pointer stays one. */
PG_FUNCTION_INFO_V1(telemetry_first_last_serialize);
Datum
telemetry_first_last_serialize(PG_FUNCTION_ARGS)
{
	Extreme *state = (Extreme *) PG_GETARG_POINTER(0);
	Size size = VARHDRSZ + sizeof(Extreme);
	bytea *result;
	char *at;

	(void) aggregate_context(fcinfo);
	size += datumEstimateSpace(state->best.value, false, state->byval, state->length);
	result = palloc(size);
	SET_VARSIZE(result, size);
	memcpy(VARDATA(result), state, sizeof(Extreme));
	at = VARDATA(result) + sizeof(Extreme);
	datumSerialize(state->best.value, false, state->byval, state->length, &at);
	PG_RETURN_BYTEA_P(result);
}

PG_FUNCTION_INFO_V1(telemetry_first_last_deserialize);
Datum
telemetry_first_last_deserialize(PG_FUNCTION_ARGS)
{
	bytea *packed = PG_GETARG_BYTEA_PP(0);
	Extreme *state = palloc(sizeof(Extreme));
	char *at = VARDATA_ANY(packed) + sizeof(Extreme);
	bool null;

	(void) aggregate_context(fcinfo);
	memcpy(state, VARDATA_ANY(packed), sizeof(Extreme));
	state->best.value = datumRestore(&at, &null);
	/* Only combined with another; never grown in place. */
	state->best.room = 0;
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_first_last_final);
Datum
telemetry_first_last_final(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(((Extreme *) PG_GETARG_POINTER(0))->best.value);
}

/* ---- moving windows -------------------------------------------------------------------------- */

/*
 * The rows of a frame that are still to be the result, best first: a row that comes later and is
 * better outlives all that are worse, so these go when it comes. Each row enters and leaves once,
 * however long the frame. Rows leave in the order in which they came; row numbers say which.
 *
 * Bounded by work_mem: beyond it only the best is kept, and when that one leaves, the inverse
 * function says that it cannot, upon which the executor starts the frame over.
 */
typedef struct Candidate
{
	Timed timed;
	int64 row;
} Candidate;

typedef struct Moving
{
	Candidate *candidates; /* a ring */
	int room;
	int head;
	int count;
	int64 entered;
	int64 left;
	Size bytes;
	bool truncated; /* there were more */
} Moving;

static Candidate *
moving_at(const Moving *moving, int i)
{
	return &moving->candidates[(moving->head + i) % moving->room];
}

static void
moving_forget(Moving *moving, Candidate *candidate)
{
	if (candidate->timed.room > 0)
		pfree(DatumGetPointer(candidate->timed.value));
	moving->bytes -= candidate->timed.room + sizeof(Candidate);
	moving->count--;
}

static void
moving_grow(Moving *moving, MemoryContext context)
{
	int room = moving->room == 0 ? 16 : moving->room * 2;
	Candidate *candidates = MemoryContextAllocHuge(context, (Size) room * sizeof(Candidate));

	for (int i = 0; i < moving->count; i++)
		candidates[i] = *moving_at(moving, i);
	if (moving->candidates != NULL)
		pfree(moving->candidates);
	moving->candidates = candidates;
	moving->room = room;
	moving->head = 0;
}

static void
moving_push(Moving *moving, const Ordering *ordering, bool last, int64 time, Datum value,
			MemoryContext context)
{
	int64 row = moving->entered++;
	Timed entering = {time, value, 0};
	Candidate *candidate;

	/* An equal row goes as well: the one that enters now stays longer. */
	while (moving->count > 0)
	{
		candidate = moving_at(moving, moving->count - 1);
		if (is_better(ordering, last, candidate->timed.time, candidate->timed.value, &entering))
			break;
		moving_forget(moving, candidate);
	}
	if (moving->count == 0)
		moving->truncated = false;
	else if (moving->truncated)
		return;
	else if (moving->bytes > (Size) work_mem * 1024)
	{
		while (moving->count > 1)
			moving_forget(moving, moving_at(moving, moving->count - 1));
		moving->truncated = true;
		return;
	}
	if (moving->count == moving->room)
		moving_grow(moving, context);
	candidate = moving_at(moving, moving->count++);
	memset(candidate, 0, sizeof(Candidate));
	timed_set(&candidate->timed, time, value, ordering->type->typbyval, ordering->type->typlen,
			  context);
	candidate->row = row;
	moving->bytes += candidate->timed.room + sizeof(Candidate);
}

static Datum
moving_add(FunctionCallInfo fcinfo, bool last)
{
	MemoryContext context = aggregate_context(fcinfo);
	Ordering *ordering = ordering_of_argument(fcinfo);
	Moving *moving;

	if (PG_ARGISNULL(0))
		moving = MemoryContextAllocZero(context, sizeof(Moving));
	else
		moving = (Moving *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		moving_push(moving, ordering, last, time_argument(fcinfo, ordering), PG_GETARG_DATUM(1),
					context);
	PG_RETURN_POINTER(moving);
}

PG_FUNCTION_INFO_V1(telemetry_first_moving_add);
Datum
telemetry_first_moving_add(PG_FUNCTION_ARGS)
{
	return moving_add(fcinfo, false);
}

PG_FUNCTION_INFO_V1(telemetry_last_moving_add);
Datum
telemetry_last_moving_add(PG_FUNCTION_ARGS)
{
	return moving_add(fcinfo, true);
}

PG_FUNCTION_INFO_V1(telemetry_first_last_moving_drop);
Datum
telemetry_first_last_moving_drop(PG_FUNCTION_ARGS)
{
	Moving *moving = (Moving *) PG_GETARG_POINTER(0);

	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(moving);
	if (moving_at(moving, 0)->row == moving->left++)
	{
		if (moving->truncated)
			PG_RETURN_NULL();
		moving_forget(moving, moving_at(moving, 0));
		moving->head = (moving->head + 1) % moving->room;
	}
	PG_RETURN_POINTER(moving);
}

PG_FUNCTION_INFO_V1(telemetry_first_last_moving_final);
Datum
telemetry_first_last_moving_final(PG_FUNCTION_ARGS)
{
	Moving *moving = PG_ARGISNULL(0) ? NULL : (Moving *) PG_GETARG_POINTER(0);

	(void) aggregate_context(fcinfo);
	if (moving == NULL || moving->count == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(moving_at(moving, 0)->timed.value);
}
