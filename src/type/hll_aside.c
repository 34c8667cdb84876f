/*
 * telemetry.hll in two columns: see aside.h.
 */
#include "postgres.h"

#include "type/aside.h"
#include "type/hll_type.h"

/* All of these arguments joined; NULL if all are. */
static HllState *
joined(FunctionCallInfo fcinfo, const int *arguments, int n)
{
	HllMemory memory = hll_memory(CurrentMemoryContext);
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

/* _hll_base(base, aside, added base, added aside) */
PG_FUNCTION_INFO_V1(telemetry_hll_base);
Datum
telemetry_hll_base(PG_FUNCTION_ARGS)
{
	static const int all[] = {0, 1, 2, 3};

	if (aside_base_stays(fcinfo, 0, 1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return return_state(fcinfo, 0, joined(fcinfo, all, lengthof(all)));
}

/* _hll_aside(aside, base, added aside, added base) */
PG_FUNCTION_INFO_V1(telemetry_hll_aside);
Datum
telemetry_hll_aside(PG_FUNCTION_ARGS)
{
	static const int added[] = {2, 3};
	HllMemory memory = hll_memory(CurrentMemoryContext);
	HllState *news;

	if (!aside_base_stays(fcinfo, 1, 0))
		PG_RETURN_NULL();
	news = joined(fcinfo, added, lengthof(added));
	if (news != NULL)
		news = hll_beyond(hll_from_datum(PG_GETARG_VARLENA_PP(1)), news, &memory);
	if (news != NULL && !PG_ARGISNULL(0))
		news = hll_merge(hll_from_datum(PG_GETARG_VARLENA_PP(0)), news, &memory);
	else if (news == NULL && !PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return return_state(fcinfo, 0, news);
}
