/*
 * telemetry.funnel as bytes, as text and on the wire.
 *
 * A stored value is the canonical packed bytes behind the varlena header, so that comparing is
 * comparing bytes (the functions of telemetry.hll do that). The text depends on no setting:
 *
 *     {1, 2026-01-01 10:00:00+00; 2, 2026-01-01 10:05:00+00, 3}
 *
 * of each event its step, its time, and how often it came if that is not once.
 */
#include "postgres.h"

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "type/funnel_type.h"
#include "type/memory.h"
#include "type/packed.h"
#include "type/text.h"
#include "utils/builtins.h"

void
funnel_must(const char *error)
{
	if (error != NULL)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("value of type " FUNNEL_TYPE_NAME " is too large: %s", error),
						errhint("Make a funnel for each of several keys or stretches of time.")));
}

Datum
funnel_datum(const Funnel *funnel)
{
	size_t size = VARHDRSZ + funnel_size(funnel);
	struct varlena *value = palloc(size);

	SET_VARSIZE(value, size);
	funnel_pack(funnel, (uint8_t *) VARDATA(value));
	return PointerGetDatum(value);
}

void
funnel_from_datum(Datum datum, Funnel *funnel)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *error =
		funnel_unpack((uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), funnel, &memory);

	if (error != NULL)
		packed_damaged(FUNNEL_TYPE_NAME, error);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

/* ---- text ------------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(telemetry_funnel_out);
Datum
telemetry_funnel_out(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Funnel funnel;

	funnel_from_datum(PG_GETARG_DATUM(0), &funnel);
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	for (size_t i = 0; i < funnel.count; i++)
	{
		const FunnelEvent *event = &funnel.list[i];

		appendStringInfo(&out, "%s%d, ", i > 0 ? "; " : "", event->step);
		text_append_time(&out, event->time);
		if (event->count != 1)
			appendStringInfo(&out, ", %lld", (long long) event->count);
	}
	appendStringInfoChar(&out, '}');
	PG_RETURN_CSTRING(out.data);
}

/* Reads the event at *text into event. Returns the separator behind it; '\0': it is none. */
static char
read_event(char **text, FunnelEvent *event)
{
	char *piece;
	char separator = text_cut(text, ",;}", &piece);

	if (separator != ',')
		return '\0';
	event->step = pg_strtoint32(piece);
	separator = text_cut(text, ",;}", &piece);
	event->time = text_read_time(piece);
	event->count = 1;
	if (separator == ',')
	{
		separator = text_cut(text, ";}", &piece);
		event->count = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(piece)));
	}
	return event->count == 0 ? '\0' : separator;
}

static void bad_text(const char *text, const char *detail) pg_attribute_noreturn();

static void
bad_text(const char *text, const char *detail)
{
	packed_bad_text(FUNNEL_TYPE_NAME, text, detail,
					"Write {step, time, how often it came if not once; ...}, such as "
					"{1, 2026-01-01 10:00:00+00; 2, 2026-01-01 10:05:00+00, 3}.");
}

PG_FUNCTION_INFO_V1(telemetry_funnel_in);
Datum
telemetry_funnel_in(PG_FUNCTION_ARGS)
{
	const char *whole = PG_GETARG_CSTRING(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	char *text = pstrdup(whole);
	char separator = ';';
	Funnel funnel;
	FunnelEvent event;
	const char *error;

	text += strspn(text, " ");
	if (*text++ != '{')
		bad_text(whole, "it does not begin with {");
	funnel_init(&funnel);
	text += strspn(text, " ");
	if (*text == '}')
		separator = *text++;
	while (separator == ';')
	{
		separator = read_event(&text, &event);
		if (separator == '\0')
			bad_text(whole, "an event is a step, a time, and how often it came if that is not "
							"once, with commas between them");
		error = funnel_add(&funnel, &event, &memory);
		if (error != NULL)
			bad_text(whole, error);
	}
	if (separator != '}' || text[strspn(text, " ")] != '\0')
		bad_text(whole, "it does not end with }");
	error = funnel_settle(&funnel, &memory);
	if (error != NULL)
		bad_text(whole, error);
	return funnel_datum(&funnel);
}

/* ---- wire ------------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(telemetry_funnel_recv);
Datum
telemetry_funnel_recv(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = packed_receive(fcinfo);
	Funnel funnel;
	const char *error =
		funnel_unpack((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &funnel, &memory);

	if (error != NULL)
		packed_bad_bytes(FUNNEL_TYPE_NAME, error);
	funnel_reset(&funnel, &memory);
	PG_RETURN_POINTER(value);
}

PG_FUNCTION_INFO_V1(telemetry_funnel_send);
Datum
telemetry_funnel_send(PG_FUNCTION_ARGS)
{
	return packed_send(PG_GETARG_VARLENA_PP(0));
}
