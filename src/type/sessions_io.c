/*
 * telemetry.sessions as bytes, as text and on the wire.
 *
 * A stored value is the canonical packed bytes behind the varlena header, so that comparing is
 * comparing bytes (the functions of telemetry.hll do that). The text depends on no setting:
 *
 *     {00:30:00; 2026-01-01 10:00:00+00, 2026-01-01 10:45:00+00, 17; ...}
 *
 * the gap, then of each session its first and last time and its events.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "type/interval.h"
#include "type/memory.h"
#include "type/packed.h"
#include "type/sessions_type.h"
#include "type/text.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define TYPE_NAME "telemetry.sessions"

PG_FUNCTION_INFO_V1(telemetry_sessions_in);
PG_FUNCTION_INFO_V1(telemetry_sessions_out);
PG_FUNCTION_INFO_V1(telemetry_sessions_recv);
PG_FUNCTION_INFO_V1(telemetry_sessions_send);

Datum
sessions_datum(const Sessions *sessions)
{
	size_t size = VARHDRSZ + sessions_size(sessions);
	struct varlena *value;

	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a set of %zu sessions is too large for a value", sessions->count),
						errdetail("It would take %zu bytes.", size),
						errhint("Make a set for each of several keys or stretches of time.")));
	value = palloc(size);
	SET_VARSIZE(value, size);
	sessions_pack(sessions, (uint8_t *) VARDATA(value));
	return PointerGetDatum(value);
}

void
sessions_from_datum(Datum datum, Sessions *sessions)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const char *error = sessions_unpack((uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
										sessions, &memory);

	if (error != NULL)
		packed_damaged(TYPE_NAME, error);
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

Datum
sessions_interval(uint64 length)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->day = (int32) (length / (uint64) USECS_PER_DAY);
	interval->time = (int64) (length % (uint64) USECS_PER_DAY);
	return IntervalPGetDatum(interval);
}

/* ---- text ------------------------------------------------------------------------------------ */

Datum
telemetry_sessions_out(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Sessions sessions;
	int64 gap;
	size_t i;

	sessions_from_datum(PG_GETARG_DATUM(0), &sessions);
	initStringInfo(&out);
	gap = sessions.gap;
	appendStringInfo(&out, "{%02lld:%02d:%02d", (long long) (gap / USECS_PER_HOUR),
					 (int) (gap / USECS_PER_MINUTE % 60), (int) (gap / USECS_PER_SEC % 60));
	if (gap % USECS_PER_SEC != 0)
		appendStringInfo(&out, ".%06d", (int) (gap % USECS_PER_SEC));
	for (i = 0; i < sessions.count; i++)
	{
		appendStringInfoString(&out, "; ");
		text_append_time(&out, sessions.list[i].first);
		appendStringInfoString(&out, ", ");
		text_append_time(&out, sessions.list[i].last);
		appendStringInfo(&out, ", %lld", (long long) sessions.list[i].count);
	}
	appendStringInfoChar(&out, '}');
	PG_RETURN_CSTRING(out.data);
}

static void bad_text(const char *text, const char *detail) pg_attribute_noreturn();

static void
bad_text(const char *text, const char *detail)
{
	packed_bad_text(TYPE_NAME, text, detail,
					"Write {gap; first time, last time, number of events; ...}, such as "
					"{00:30:00; 2026-01-01 10:00:00+00, 2026-01-01 10:45:00+00, 17}.");
}

static int64
read_gap(char *text)
{
	Interval *interval = DatumGetIntervalP(DirectFunctionCall3(
		interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	return session_length(interval, "gap");
}

Datum
telemetry_sessions_in(PG_FUNCTION_ARGS)
{
	const char *whole = PG_GETARG_CSTRING(0);
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	char *text = pstrdup(whole), *piece[3];
	Sessions sessions;
	Session session;
	const char *error;
	char separator;

	text += strspn(text, " ");
	if (*text++ != '{')
		bad_text(whole, "it does not begin with {");
	separator = text_cut(&text, ";}", &piece[0]);
	sessions_init(&sessions, read_gap(piece[0]));
	while (separator == ';')
	{
		if (text_cut(&text, ",;}", &piece[0]) != ',' || text_cut(&text, ",;}", &piece[1]) != ',')
			bad_text(whole, "a session is two times and a number, with commas between them");
		separator = text_cut(&text, ",;}", &piece[2]);
		session.first = text_read_time(piece[0]);
		session.last = text_read_time(piece[1]);
		session.count = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(piece[2])));
		error = sessions_append(&sessions, &session, &memory);
		if (error != NULL)
			bad_text(whole, error);
	}
	if (separator != '}' || text[strspn(text, " ")] != '\0')
		bad_text(whole, "it does not end with }");
	return sessions_datum(&sessions);
}

/* ---- wire ------------------------------------------------------------------------------------ */

Datum
telemetry_sessions_recv(PG_FUNCTION_ARGS)
{
	SketchMemory memory = sketch_memory(CurrentMemoryContext);
	struct varlena *value = packed_receive(fcinfo);
	Sessions sessions;
	const char *error;

	error =
		sessions_unpack((uint8_t *) VARDATA(value), VARSIZE(value) - VARHDRSZ, &sessions, &memory);
	if (error != NULL)
		packed_bad_bytes(TYPE_NAME, error);
	sessions_reset(&sessions, &memory);
	PG_RETURN_POINTER(value);
}

Datum
telemetry_sessions_send(PG_FUNCTION_ARGS)
{
	return packed_send(PG_GETARG_VARLENA_PP(0));
}
