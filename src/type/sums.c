/*
 * telemetry.sums: functions and aggregates.
 *
 * A group's state is a set of entries in the aggregate's context. It does not move, and settling it
 * changes nothing that can be seen: a final function may do so, though two aggregates share it.
 */
#include "type/sums_type.h"

#include "funcapi.h"
#include "type/memory.h"
#include "type/packed.h"
#include "utils/builtins.h"
#include "utils/date.h"

PG_FUNCTION_INFO_V1(telemetry_sums_plus);
PG_FUNCTION_INFO_V1(telemetry_sums_minus);
PG_FUNCTION_INFO_V1(telemetry_sums_negate);
PG_FUNCTION_INFO_V1(telemetry_sums_between);
PG_FUNCTION_INFO_V1(telemetry_sums_total);
PG_FUNCTION_INFO_V1(telemetry_sums_unnest);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_key);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_day);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_day_key);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_union);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_combine);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_serialize);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_deserialize);
PG_FUNCTION_INFO_V1(telemetry_sums_agg_final);

/* ---- functions ------------------------------------------------------------------------------- */

static Datum
combined(Datum one, Datum other, bool negative)
{
	Sums a, b;

	sums_from_datum(one, &a);
	sums_from_datum(other, &b);
	sums_take(&a, &b, negative);
	return sums_datum(&a);
}

Datum
telemetry_sums_plus(PG_FUNCTION_ARGS)
{
	if (packed_is_empty(PG_GETARG_DATUM(1)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (packed_is_empty(PG_GETARG_DATUM(0)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	return combined(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), false);
}

Datum
telemetry_sums_minus(PG_FUNCTION_ARGS)
{
	if (packed_is_empty(PG_GETARG_DATUM(1)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return combined(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), true);
}

Datum
telemetry_sums_negate(PG_FUNCTION_ARGS)
{
	Sums nothing, sums;

	if (packed_is_empty(PG_GETARG_DATUM(0)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	sums_init(&nothing, CurrentMemoryContext);
	sums_from_datum(PG_GETARG_DATUM(0), &sums);
	sums_take(&nothing, &sums, true);
	return sums_datum(&nothing);
}

Datum
telemetry_sums_between(PG_FUNCTION_ARGS)
{
	DateADT from = PG_GETARG_DATEADT(1);
	DateADT to = PG_GETARG_DATEADT(2);
	Sums sums;
	int kept = 0;

	sums_from_datum(PG_GETARG_DATUM(0), &sums);
	for (int i = 0; i < sums.count; i++)
	{
		const SumsEntry *entry = &sums.entries[i];

		if (entry->has_day && entry->day >= from && entry->day <= to)
			sums.entries[kept++] = *entry;
	}
	if (kept == sums.count)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	sums.count = sums.sorted = kept;
	return sums_datum(&sums);
}

/* Of all entries, or of those of a key. */
Datum
telemetry_sums_total(PG_FUNCTION_ARGS)
{
	bool all = PG_NARGS() == 1;
	SumsEntry wanted = {.has_key = !all && !PG_ARGISNULL(1)};
	Sums sums, found;
	Numeric total;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (wanted.has_key)
	{
		text *key = PG_GETARG_TEXT_PP(1);

		wanted.key = VARDATA_ANY(key);
		wanted.length = VARSIZE_ANY_EXHDR(key);
	}
	sums_from_datum(PG_GETARG_DATUM(0), &sums);
	sums_init(&found, CurrentMemoryContext);
	for (int i = 0; i < sums.count; i++)
	{
		SumsEntry *entry = &sums.entries[i];

		if (!all && (entry->has_key != wanted.has_key || entry->length != wanted.length ||
					 (wanted.length > 0 && memcmp(entry->key, wanted.key, wanted.length) != 0)))
			continue;
		entry->has_day = entry->has_key = false;
		sums_add(&found, entry);
	}
	total = found.count > 0 ? sums_total(&found.entries[0]) : NULL;
	if (total == NULL)
		PG_RETURN_NULL();
	/* As unnest() shows it. */
	return DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(total));
}

enum
{
	UNNESTED = 5
};

/* What the caller expects is what the function returns, and costs no look into the catalogs. */
static TupleDesc
unnested_desc(FunctionCallInfo fcinfo)
{
	const ReturnSetInfo *caller = (const ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc row;

	if (caller->expectedDesc && caller->expectedDesc->natts == UNNESTED)
		return BlessTupleDesc(CreateTupleDescCopy(caller->expectedDesc));
	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(row);
}

static Datum
unnested(TupleDesc desc, SumsEntry *entry)
{
	Numeric total = sums_total(entry);
	bool nulls[UNNESTED] = {!entry->has_day, !entry->has_key, false, false, total == NULL};
	Datum values[UNNESTED] = {DateADTGetDatum(entry->day), (Datum) 0, Int64GetDatum(entry->rows),
							  Int64GetDatum(entry->rows - entry->nulls), NumericGetDatum(total)};

	if (entry->has_key)
		values[1] = PointerGetDatum(cstring_to_text_with_len(entry->key, (int) entry->length));
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

Datum
telemetry_sums_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Sums *sums;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		sums = palloc(sizeof(Sums));
		sums_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0))), sums);
		call->tuple_desc = unnested_desc(fcinfo);
		call->user_fctx = sums;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	sums = call->user_fctx;
	if (call->call_cntr < (uint64) sums->count)
	{
		Datum row = unnested(call->tuple_desc, &sums->entries[call->call_cntr]);

		SRF_RETURN_NEXT(call, row);
	}
	SRF_RETURN_DONE(call);
}

/* ---- aggregates ------------------------------------------------------------------------------ */

static Sums *
group_sums(FunctionCallInfo fcinfo)
{
	MemoryContext context = aggregate_context(fcinfo);
	Sums *sums;

	if (!PG_ARGISNULL(0))
		return (Sums *) PG_GETARG_POINTER(0);
	sums = MemoryContextAlloc(context, sizeof(Sums));
	sums_init(sums, context);
	return sums;
}

/* The row of a transition: day, key and amount are at these places; 0: it has none. */
static Datum
add_row(FunctionCallInfo fcinfo, int day, int key, int amount)
{
	Sums *sums = group_sums(fcinfo);
	SumsEntry entry = {.has_day = day > 0 && !PG_ARGISNULL(day),
					   .has_key = key > 0 && !PG_ARGISNULL(key)};

	if (entry.has_day)
		entry.day = PG_GETARG_DATEADT(day);
	if (entry.has_key)
	{
		text *value = PG_GETARG_TEXT_PP(key);

		entry.key = VARDATA_ANY(value);
		entry.length = VARSIZE_ANY_EXHDR(value);
	}
	sums_amount(&entry, PG_ARGISNULL(amount) ? NULL : PG_GETARG_NUMERIC(amount));
	sums_add(sums, &entry);
	PG_RETURN_POINTER(sums);
}

Datum
telemetry_sums_agg_key(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, 0, 1, 2);
}

Datum
telemetry_sums_agg_day(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, 1, 0, 2);
}

Datum
telemetry_sums_agg_day_key(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, 1, 2, 3);
}

static void
add_all(Sums *sums, const Sums *other)
{
	for (int i = 0; i < other->count; i++)
		sums_add(sums, &other->entries[i]);
}

Datum
telemetry_sums_agg_union(PG_FUNCTION_ARGS)
{
	Sums *sums = group_sums(fcinfo);
	Sums other;

	if (!PG_ARGISNULL(1))
	{
		sums_from_datum(PG_GETARG_DATUM(1), &other);
		add_all(sums, &other);
	}
	PG_RETURN_POINTER(sums);
}

Datum
telemetry_sums_agg_combine(PG_FUNCTION_ARGS)
{
	Sums *sums = group_sums(fcinfo);

	if (!PG_ARGISNULL(1))
		add_all(sums, (Sums *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(sums);
}

Datum
telemetry_sums_agg_serialize(PG_FUNCTION_ARGS)
{
	Sums *sums = group_sums(fcinfo);

	sums_settle(sums);
	return sums_datum(sums);
}

Datum
telemetry_sums_agg_deserialize(PG_FUNCTION_ARGS)
{
	Sums *sums = palloc(sizeof(Sums));

	sums_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0))), sums);
	PG_RETURN_POINTER(sums);
}

/* Of no row, the empty set: a view that takes all rows away again holds that, too. */
Datum
telemetry_sums_agg_final(PG_FUNCTION_ARGS)
{
	Sums *sums = group_sums(fcinfo);

	sums_settle(sums);
	return sums_datum(sums);
}
