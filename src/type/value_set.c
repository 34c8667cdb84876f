/*
 * The distinct values of a group as an array: sorted by their type's default order in the input's
 * collation, each once, none of them NULL. A set of values is always the same array, whatever order
 * they came in (but for values that look different and are equal: any of them stands for all), so
 * that sets merge: count(DISTINCT) of what becomes one is the length of the union.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "type/memory.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/compat.h"

/* Values of which the first so many are sorted and distinct; the rest is as it came. */
typedef struct ValueSet
{
	TypeCacheEntry *type;
	Oid collation;
	MemoryContext context;
	Datum *values;
	int count;
	int sorted;
	int room;
} ValueSet;

enum
{
	FIRST_ROOM = 8
};

/* ---- order ----------------------------------------------------------------------------------- */

static TypeCacheEntry *
ordered_type(Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO);

	if (!OidIsValid(entry->cmp_proc_finfo.fn_oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("could not identify an ordering of type %s for a set of values",
							   format_type_be(type)),
						errhint("Cast the value to a type with an order, such as json to jsonb.")));
	return entry;
}

static int
compare(Datum a, Datum b, const TypeCacheEntry *type, Oid collation)
{
	return DatumGetInt32(FunctionCall2Coll((FmgrInfo *) &type->cmp_proc_finfo, collation, a, b));
}

static int
compare_values(const void *a, const void *b, void *argument)
{
	const ValueSet *set = argument;

	/* qsort_arg() does not, and sorts millions. */
	CHECK_FOR_INTERRUPTS();
	return compare(*(const Datum *) a, *(const Datum *) b, set->type, set->collation);
}

static void
forget(const ValueSet *set, Datum value)
{
	if (!set->type->typbyval)
		pfree(DatumGetPointer(value));
}

/* Sorts, and leaves one of what is equal. */
static void
settle(ValueSet *set)
{
	int kept = 0;

	if (set->sorted == set->count)
		return;
	qsort_arg(set->values, set->count, sizeof(Datum), compare_values, set);
	for (int i = 1; i < set->count; i++)
		if (compare_values(&set->values[kept], &set->values[i], set) == 0)
			forget(set, set->values[i]);
		else
			set->values[++kept] = set->values[i];
	set->count = set->sorted = kept + 1;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static ValueSet *
set_of_group(FunctionCallInfo fcinfo, Oid type)
{
	MemoryContext context = aggregate_context(fcinfo);
	ValueSet *set;

	if (!PG_ARGISNULL(0))
		return (ValueSet *) PG_GETARG_POINTER(0);
	set = MemoryContextAllocZero(context, sizeof(ValueSet));
	set->type = ordered_type(type);
	set->collation = PG_GET_COLLATION();
	set->context = context;
	set->room = FIRST_ROOM;
	set->values = MemoryContextAlloc(context, sizeof(Datum) * FIRST_ROOM);
	return set;
}

/* Values that come again and again need no more room than once. */
static void
make_room(ValueSet *set)
{
	if (set->count < set->room)
		return;
	settle(set);
	if (set->count <= set->room / 2)
		return;
	if (set->room > INT_MAX / 2)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many distinct values in one group: %d", set->count)));
	set->room *= 2;
	set->values = repalloc_huge(set->values, sizeof(Datum) * set->room);
}

static void
add(ValueSet *set, Datum value)
{
	MemoryContext old;

	/* The same as the last one, as values in time often are. */
	if (set->count > 0 &&
		compare(set->values[set->count - 1], value, set->type, set->collation) == 0)
		return;
	make_room(set);
	old = MemoryContextSwitchTo(set->context);
	if (set->type->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, set->type->typbyval, set->type->typlen);
	MemoryContextSwitchTo(old);
	set->values[set->count++] = value;
}

PG_FUNCTION_INFO_V1(telemetry_values_add);
Datum
telemetry_values_add(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	ValueSet *set;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	set = set_of_group(fcinfo, type);
	add(set, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(set);
}

static Datum *
elements(ArrayType *array, const TypeCacheEntry *type, int *count)
{
	Datum *values;
	bool *isnull;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("array of %d dimensions is no set of values", ARR_NDIM(array)),
						errdetail("A set has one, and none if it is empty.")));
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("array with a NULL in it is no set of values"),
						errhint("Leave it out: array_remove(values, NULL).")));
	deconstruct_array(array, ARR_ELEMTYPE(array), type->typlen, type->typbyval, type->typalign,
					  &values, &isnull, count);
	return values;
}

PG_FUNCTION_INFO_V1(telemetry_values_add_set);
Datum
telemetry_values_add_set(PG_FUNCTION_ARGS)
{
	ArrayType *array;
	ValueSet *set;
	Datum *values;
	int count;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	array = PG_GETARG_ARRAYTYPE_P(1);
	set = set_of_group(fcinfo, ARR_ELEMTYPE(array));
	values = elements(array, set->type, &count);
	for (int i = 0; i < count; i++)
		add(set, values[i]);
	PG_RETURN_POINTER(set);
}

PG_FUNCTION_INFO_V1(telemetry_values_final);
Datum
telemetry_values_final(PG_FUNCTION_ARGS)
{
	ValueSet *set;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	set = (ValueSet *) PG_GETARG_POINTER(0);
	settle(set);
	PG_RETURN_ARRAYTYPE_P(construct_array(set->values, set->count, set->type->type_id,
										  set->type->typlen, set->type->typbyval,
										  set->type->typalign));
}

/* ---- two of them ----------------------------------------------------------------------------- */

/* The union of two sorted runs, and whether either is all of it. Returns its length. */
static int
unite(const TypeCacheEntry *type, Oid collation, const Datum *a, int na, const Datum *b, int nb,
	  Datum *both, bool *only_a, bool *only_b)
{
	int i = 0;
	int j = 0;
	int n = 0;

	*only_a = *only_b = true;
	while (i < na || j < nb)
	{
		int order = i == na ? 1 : j == nb ? -1 : compare(a[i], b[j], type, collation);

		both[n++] = order <= 0 ? a[i] : b[j];
		if (order < 0)
			*only_b = false;
		else if (order > 0)
			*only_a = false;
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}

/* A set that has all of the other comes back as it is, toasted or not. */
PG_FUNCTION_INFO_V1(telemetry_values_union);
Datum
telemetry_values_union(PG_FUNCTION_ARGS)
{
	ArrayType *one = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType *other = PG_GETARG_ARRAYTYPE_P(1);
	TypeCacheEntry *type = fcinfo->flinfo->fn_extra;
	Datum *a, *b, *both;
	int na, nb, n;
	bool only_a, only_b;

	if (type == NULL || type->type_id != ARR_ELEMTYPE(one))
		fcinfo->flinfo->fn_extra = type = ordered_type(ARR_ELEMTYPE(one));
	a = elements(one, type, &na);
	b = elements(other, type, &nb);
	both = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * ((Size) na + nb + 1));
	n = unite(type, PG_GET_COLLATION(), a, na, b, nb, both, &only_a, &only_b);
	if (only_a)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (only_b)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	PG_RETURN_ARRAYTYPE_P(
		construct_array(both, n, type->type_id, type->typlen, type->typbyval, type->typalign));
}
