/*
 * telemetry.concurrency as bytes, as text and on the wire.
 *
 * A stored value is format and version, then of each step the time since the one before and the
 * change, both as varints; equal values have equal bytes (the functions of telemetry.hll compare
 * them), and these are sent, too. The text depends on no setting:
 *
 *     {2026-01-01 10:00:00+00, 2; 2026-01-01 10:45:00.000001+00, -1; ...}
 *
 * of each step its moment, and how many more go on from then on.
 */
#include "type/concurrency_type.h"

#include "base/compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "sketch/varint.h"
#include "type/packed.h"
#include "type/text.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define TYPE_NAME "telemetry.concurrency"

#define ST_SORT          sort_steps
#define ST_ELEMENT_TYPE  ConcurrencyStep
#define ST_COMPARE(a, b) (((a)->time > (b)->time) - ((a)->time < (b)->time))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

PG_FUNCTION_INFO_V1(telemetry_concurrency_in);
PG_FUNCTION_INFO_V1(telemetry_concurrency_out);
PG_FUNCTION_INFO_V1(telemetry_concurrency_recv);
PG_FUNCTION_INFO_V1(telemetry_concurrency_send);

enum
{
	FORMAT = 'C',
	VERSION = 1,
	HEADER = 2,
	FIRST_ROOM = 16
};

/* ---- steps ----------------------------------------------------------------------------------- */

void
concurrency_init(Concurrency *concurrency, MemoryContext context, size_t room)
{
	room = Max(room, FIRST_ROOM);
	*concurrency = (Concurrency){.context = context, .room = room};
	concurrency->steps = MemoryContextAllocHuge(context, room * sizeof(ConcurrencyStep));
}

void
concurrency_append(Concurrency *concurrency, ConcurrencyStep step)
{
	ConcurrencyStep *last = &concurrency->steps[concurrency->count];

	if (concurrency->count == 0 || last[-1].time != step.time)
	{
		*last = step;
		concurrency->count++;
	}
	else if (pg_add_s64_overflow(last[-1].change, step.change, &last[-1].change))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("more intervals begin or end at one moment than bigint counts")));
	else if (last[-1].change == 0)
		concurrency->count--;
	concurrency->sorted = concurrency->count;
}

void
concurrency_settle(Concurrency *concurrency)
{
	size_t count = concurrency->count;

	if (concurrency->sorted == count)
		return;
	sort_steps(concurrency->steps, count);
	concurrency->count = 0;
	/* Never ahead of what is read. */
	for (size_t i = 0; i < count; i++)
		concurrency_append(concurrency, concurrency->steps[i]);
}

void
concurrency_add(Concurrency *concurrency, int64 time, int64 change)
{
	/* What cancels needs no room. */
	if (concurrency->count == concurrency->room && concurrency->count >= 2 * concurrency->sorted)
		concurrency_settle(concurrency);
	if (concurrency->count == concurrency->room)
	{
		concurrency->room *= 2;
		concurrency->steps =
			repalloc_huge(concurrency->steps, concurrency->room * sizeof(ConcurrencyStep));
	}
	concurrency->steps[concurrency->count++] = (ConcurrencyStep){time, change};
}

/* ---- values ---------------------------------------------------------------------------------- */

Datum
concurrency_datum(const Concurrency *concurrency)
{
	size_t size = VARHDRSZ + HEADER;
	uint64 before = 0;
	struct varlena *value;
	uint8 *out;

	for (size_t i = 0; i < concurrency->count; i++)
	{
		const ConcurrencyStep *step = &concurrency->steps[i];

		size += varint_size(i == 0 ? varint_zigzag(step->time) : (uint64) step->time - before) +
				varint_size(varint_zigzag(step->change));
		before = (uint64) step->time;
	}
	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%zu steps are too many for a value of type telemetry.concurrency",
							   concurrency->count),
						errhint("Make a value for each of several keys or windows of time.")));
	value = palloc(size);
	SET_VARSIZE(value, size);
	out = (uint8 *) VARDATA(value);
	*out++ = FORMAT;
	*out++ = VERSION;
	for (size_t i = 0; i < concurrency->count; i++)
	{
		const ConcurrencyStep *step = &concurrency->steps[i];

		out = varint_write(out, i == 0 ? varint_zigzag(step->time) : (uint64) step->time - before);
		out = varint_write(out, varint_zigzag(step->change));
		before = (uint64) step->time;
	}
	return PointerGetDatum(value);
}

int64
concurrency_after(int64 active, const ConcurrencyStep *step)
{
	if (pg_add_s64_overflow(active, step->change, &active))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("more intervals go on at once than bigint counts")));
	return active;
}

/* The steps of a value, one after the other. */
typedef struct Reader
{
	const uint8 *at;
	const uint8 *end;
	ConcurrencyStep step; /* the last that was read */
	bool any;
} Reader;

/* False if there are no steps, for format or version is not known. */
static bool
reader_begin(Reader *reader, const uint8 *bytes, size_t size)
{
	if (size < HEADER || bytes[0] != FORMAT || bytes[1] != VERSION)
		return false;
	*reader = (Reader){.at = bytes + HEADER, .end = bytes + size};
	return true;
}

/* The next step, which must be there. NULL, or what is wrong with the bytes. */
static const char *
reader_next(Reader *reader)
{
	uint64 time, change;

	reader->at = varint_read(reader->at, reader->end, &time);
	if (reader->at != NULL)
		reader->at = varint_read(reader->at, reader->end, &change);
	if (reader->at == NULL)
		return "a number does not end, or is longer than need be";
	if (!reader->any)
		reader->step.time = varint_unzigzag(time);
	else if (time == 0 || time > (uint64) PG_INT64_MAX - (uint64) reader->step.time)
		return "steps are not in order";
	else
		reader->step.time = (int64) ((uint64) reader->step.time + time);
	reader->any = true;
	reader->step.change = varint_unzigzag(change);
	if (reader->step.change == 0)
		return "a step changes nothing";
	if (!IS_VALID_TIMESTAMP(reader->step.time) && !TIMESTAMP_IS_NOBEGIN(reader->step.time))
		return "a moment is out of range";
	return NULL;
}

static const char unknown_format[] = "format or version is not known";

/* Made here, in the current context. NULL, or what is wrong with the bytes. */
static const char *
unpack(const uint8 *bytes, size_t size, Concurrency *concurrency)
{
	Reader reader;

	if (!reader_begin(&reader, bytes, size))
		return unknown_format;
	/* Each takes two bytes or more. */
	concurrency_init(concurrency, CurrentMemoryContext, (size - HEADER) / 2);
	while (reader.at < reader.end)
	{
		const char *error = reader_next(&reader);

		if (error != NULL)
			return error;
		concurrency->steps[concurrency->count++] = reader.step;
	}
	concurrency->sorted = concurrency->count;
	return NULL;
}

void
concurrency_from_datum(Datum datum, Concurrency *concurrency)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *error =
		unpack((const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), concurrency);

	if (error != NULL)
		packed_damaged(TYPE_NAME, error);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

int64
concurrency_active(Datum datum, int64 moment)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	int64 active = 0;
	Reader reader;

	if (!reader_begin(&reader, (const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)))
		packed_damaged(TYPE_NAME, unknown_format);
	while (reader.at < reader.end)
	{
		const char *error = reader_next(&reader);

		if (error != NULL)
			packed_damaged(TYPE_NAME, error);
		if (reader.step.time > moment)
			break;
		active = concurrency_after(active, &reader.step);
	}
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
	return active;
}

/* ---- text ------------------------------------------------------------------------------------ */

Datum
telemetry_concurrency_out(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Concurrency concurrency;

	concurrency_from_datum(PG_GETARG_DATUM(0), &concurrency);
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	for (size_t i = 0; i < concurrency.count; i++)
	{
		if (i > 0)
			appendStringInfoString(&out, "; ");
		text_append_time(&out, concurrency.steps[i].time);
		appendStringInfo(&out, ", " INT64_FORMAT, concurrency.steps[i].change);
	}
	appendStringInfoChar(&out, '}');
	PG_RETURN_CSTRING(out.data);
}

static void bad_text(const char *text, const char *detail) pg_attribute_noreturn();

static void
bad_text(const char *text, const char *detail)
{
	packed_bad_text(TYPE_NAME, text, detail,
					"Write {moment, how many more go on from then on; ...}, such as "
					"{2026-01-01 10:00:00+00, 1; 2026-01-01 10:45:00+00, -1}.");
}

Datum
telemetry_concurrency_in(PG_FUNCTION_ARGS)
{
	const char *whole = PG_GETARG_CSTRING(0);
	char *text = pstrdup(whole), *moment, *change;
	Concurrency concurrency;
	char separator = ';';

	text += strspn(text, " ");
	if (*text++ != '{')
		bad_text(whole, "it does not begin with {");
	concurrency_init(&concurrency, CurrentMemoryContext, 0);
	if (text[strspn(text, " ")] == '}')
		separator = text_cut(&text, "}", &moment);
	while (separator == ';')
	{
		int64 time;

		if (text_cut(&text, ",;}", &moment) != ',')
			bad_text(whole, "a step is a moment and a number, with a comma between them");
		separator = text_cut(&text, ",;}", &change);
		time = text_read_time(moment);
		if (TIMESTAMP_IS_NOEND(time))
			bad_text(whole, "nothing changes at infinity");
		concurrency_add(&concurrency, time,
						DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(change))));
	}
	if (separator != '}' || text[strspn(text, " ")] != '\0')
		bad_text(whole, "it does not end with }");
	concurrency_settle(&concurrency);
	return concurrency_datum(&concurrency);
}

/* ---- wire ------------------------------------------------------------------------------------ */

Datum
telemetry_concurrency_recv(PG_FUNCTION_ARGS)
{
	struct varlena *value = packed_receive(fcinfo);
	Concurrency concurrency;
	const char *error;

	error = unpack((const uint8 *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &concurrency);
	if (error != NULL)
		packed_bad_bytes(TYPE_NAME, error);
	PG_RETURN_POINTER(value);
}

Datum
telemetry_concurrency_send(PG_FUNCTION_ARGS)
{
	return packed_send(PG_GETARG_VARLENA_PP(0));
}
