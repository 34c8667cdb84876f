/*
 * telemetry.hll in two columns: see aside.h.
 */
#include "postgres.h"

#include "type/aside.h"
#include "type/hll_type.h"
#include "type/memory.h"

/* All of these arguments joined; NULL if all are. */
static HllState *
joined(FunctionCallInfo fcinfo, const int *arguments, int n)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllState *state = NULL;

	for (int i = 0; i < n; i++)
	{
		struct varlena *value;
		HllView view;
		const char *error;

		if (PG_ARGISNULL(arguments[i]))
			continue;
		value = PG_GETARG_VARLENA_PP(arguments[i]);
		if (state == NULL)
		{
			state = hll_from_datum(value);
			continue;
		}
		view = hll_view_datum(value);
		state = hll_merge_packed(state, &view, &memory, &error);
		if (error != NULL)
			hll_damaged(error);
	}
	return state;
}

/*
 * The state as a datum; or the argument that it equals, as it came: then its toast pointer is kept,
 * and what it points to is not written.
 */
static Datum
return_state(FunctionCallInfo fcinfo, int argument, const HllState *state)
{
	struct varlena *result;
	struct varlena *old;

	if (state == NULL)
		PG_RETURN_NULL();
	result = hll_to_datum(state);
	if (PG_ARGISNULL(argument))
		PG_RETURN_POINTER(result);
	old = PG_GETARG_VARLENA_PP(argument);
	if (VARSIZE_ANY_EXHDR(old) == VARSIZE_ANY_EXHDR(result) &&
		memcmp(VARDATA_ANY(old), VARDATA_ANY(result), VARSIZE_ANY_EXHDR(result)) == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(argument));
	PG_RETURN_POINTER(result);
}

/* _hll_base(base, aside, added base, added aside, room) */
PG_FUNCTION_INFO_V1(telemetry_hll_base);
Datum
telemetry_hll_base(PG_FUNCTION_ARGS)
{
	static const int all[] = {0, 1, 2, 3};

	if (aside_base_stays(fcinfo, 0, 1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return return_state(fcinfo, 0, joined(fcinfo, all, lengthof(all)));
}

static Datum
return_aside(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * What comes goes before what is aside, whose bytes stay: then an update logs no more than what
 * came. NULL where that cannot be, as with other parameters.
 */
static struct varlena *
added_in_front(FunctionCallInfo fcinfo, HllState *base, HllState *added)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllView view;
	HllView *aside = NULL;
	struct varlena *result;
	size_t size;

	if (!PG_ARGISNULL(0))
	{
		view = hll_view_datum(PG_GETARG_VARLENA_PP(0));
		aside = &view;
	}
	if (!hll_loose_can(base, aside, added))
		return NULL;
	result = palloc(VARHDRSZ + hll_loose_bound(base, aside, added));
	size = hll_loose_write(base, aside, added, (uint8_t *) VARDATA(result), &memory);
	if (size == 0)
		hll_damaged("what is kept aside cannot be read");
	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

/* A header alone: there is nothing. */
#define NOTHING_ASIDE (VARHDRSZ + 4)

/* _hll_aside(aside, base, added aside, added base, room) */
PG_FUNCTION_INFO_V1(telemetry_hll_aside);
Datum
telemetry_hll_aside(PG_FUNCTION_ARGS)
{
	static const int added[] = {2, 3};
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	HllState *base;
	HllState *news;
	struct varlena *result;

	if (!aside_base_stays(fcinfo, 1, 0))
		PG_RETURN_NULL();
	news = joined(fcinfo, added, lengthof(added));
	if (news == NULL)
		return return_aside(fcinfo);
	base = hll_from_datum(PG_GETARG_VARLENA_PP(1));
	result = added_in_front(fcinfo, base, news);
	if (result == NULL)
	{
		news = hll_beyond(base, news, &memory);
		if (news == NULL)
			return return_aside(fcinfo);
		if (!PG_ARGISNULL(0))
			news = hll_merge(hll_from_datum(PG_GETARG_VARLENA_PP(0)), news, &memory);
		return return_state(fcinfo, 0, news);
	}
	if (VARSIZE(result) == NOTHING_ASIDE ||
		(!PG_ARGISNULL(0) &&
		 VARSIZE(result) - VARHDRSZ == VARSIZE_ANY_EXHDR(PG_GETARG_VARLENA_PP(0))))
		return return_aside(fcinfo);
	PG_RETURN_POINTER(result);
}
