/*
 * telemetry.sums as text and on the wire.
 *
 * The text is JSON, and depends on no setting; what is 0 or missing is left out:
 *
 *     [{"day": "2026-01-01", "key": "EUR", "rows": 3, "nulls": 1, "total": 9.98}, ...]
 *
 * Both ways keys may come in any order and more than once: what they say is added up. On the wire
 * keys are texts, which the client may have in another encoding.
 */
#include "type/sums_type.h"

#include "base/compat.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "type/packed.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(telemetry_sums_in);
PG_FUNCTION_INFO_V1(telemetry_sums_out);
PG_FUNCTION_INFO_V1(telemetry_sums_recv);
PG_FUNCTION_INFO_V1(telemetry_sums_send);

#define WIRE_VERSION 1

static const char *const special_names[SUMS_SPECIALS] = {"nan", "infinity", "-infinity"};

/* ---- text ------------------------------------------------------------------------------------ */

static char *
day_text(int32 day, char *buffer)
{
	return JsonEncodeDateTime(buffer, DateADTGetDatum(day), DATEOID, NULL);
}

static void
append_count(StringInfo out, const char *name, int64 count)
{
	if (count != 0)
		appendStringInfo(out, "\"%s\": " INT64_FORMAT ", ", name, count);
}

static void
append_entry(StringInfo out, SumsEntry *entry)
{
	char buffer[MAXDATELEN + 1];

	appendStringInfoChar(out, '{');
	if (entry->has_day)
		appendStringInfo(out, "\"day\": \"%s\", ", day_text(entry->day, buffer));
	if (entry->has_key)
	{
		appendStringInfoString(out, "\"key\": ");
		escape_json(out, pnstrdup(entry->key, entry->length));
		appendStringInfoString(out, ", ");
	}
	append_count(out, "rows", entry->rows);
	append_count(out, "nulls", entry->nulls);
	for (int i = 0; i < SUMS_SPECIALS; i++)
		append_count(out, special_names[i], entry->special[i]);
	if (sums_finite(entry))
		appendStringInfo(
			out, "\"total\": %s, ",
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(sums_finite(entry)))));
	/* Each ends with a comma and a space; one that says nothing there is not. */
	out->len -= 2;
	appendStringInfoChar(out, '}');
}

Datum
telemetry_sums_out(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	Sums sums;

	sums_from_datum(PG_GETARG_DATUM(0), &sums);
	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (int i = 0; i < sums.count; i++)
	{
		if (i > 0)
			appendStringInfoString(&out, ", ");
		append_entry(&out, &sums.entries[i]);
	}
	appendStringInfoChar(&out, ']');
	PG_RETURN_CSTRING(out.data);
}

static void bad_text(const char *text, const char *detail) pg_attribute_noreturn();

static void
bad_text(const char *text, const char *detail)
{
	packed_bad_text(SUMS_TYPE_NAME, text, detail,
					"Write [{\"day\": \"2026-01-01\", \"key\": \"EUR\", \"rows\": 3, \"nulls\": 1, "
					"\"total\": 9.98}, ...], and leave out what is 0 or missing.");
}

/* Days are written in one way, whatever a setting would read: what is read is written again. */
static int32
read_day(const char *whole, const JsonbValue *value)
{
	char *text = pnstrdup(value->val.string.val, value->val.string.len);
	char buffer[MAXDATELEN + 1];
	int32 day = DatumGetDateADT(DirectFunctionCall1(date_in, CStringGetDatum(text)));

	if (strcmp(day_text(day, buffer), text) != 0)
		bad_text(whole, "a day is not written as year, month and day, such as 2026-01-31");
	return day;
}

static int64
read_count(const char *whole, const JsonbValue *value)
{
	Datum number = NumericGetDatum(value->val.numeric);
	int64 count = DatumGetInt64(DirectFunctionCall1(numeric_int8, number));

	if (!DatumGetBool(
			DirectFunctionCall2(numeric_eq, number, NumericGetDatum(int64_to_numeric(count)))))
		bad_text(whole, "a number of rows is not whole");
	return count;
}

static void
read_field(const char *whole, const JsonbValue *name, const JsonbValue *value, SumsEntry *entry)
{
	const struct
	{
		const char *name;
		int64 *count;
	} counts[] = {{"rows", &entry->rows},
				  {"nulls", &entry->nulls},
				  {special_names[0], &entry->special[0]},
				  {special_names[1], &entry->special[1]},
				  {special_names[2], &entry->special[2]}};
	char *field = pnstrdup(name->val.string.val, name->val.string.len);

	if (strcmp(field, "day") == 0 && value->type == jbvString)
	{
		entry->has_day = true;
		entry->day = read_day(whole, value);
		return;
	}
	if (strcmp(field, "key") == 0 && value->type == jbvString)
	{
		entry->has_key = true;
		entry->key = value->val.string.val;
		entry->length = value->val.string.len;
		return;
	}
	if (strcmp(field, "total") == 0 && value->type == jbvNumeric)
	{
		entry->total = value->val.numeric;
		return;
	}
	for (size_t i = 0; i < lengthof(counts); i++)
		if (strcmp(field, counts[i].name) == 0 && value->type == jbvNumeric)
		{
			*counts[i].count = read_count(whole, value);
			return;
		}
	bad_text(whole, "an entry has day and key, which are texts, and rows, nulls, total, nan, "
					"infinity and -infinity, which are numbers");
}

Datum
telemetry_sums_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue name, value;
	SumsEntry entry;
	Sums sums;

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		bad_text(text, "it is no array");
	sums_init(&sums, CurrentMemoryContext);
	(void) JsonbIteratorNext(&iterator, &value, false);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_END_ARRAY)
	{
		if (token != WJB_BEGIN_OBJECT)
			bad_text(text, "an entry is no object");
		memset(&entry, 0, sizeof(entry));
		while (JsonbIteratorNext(&iterator, &name, false) == WJB_KEY)
		{
			(void) JsonbIteratorNext(&iterator, &value, true);
			read_field(text, &name, &value, &entry);
		}
		sums_add(&sums, &entry);
	}
	sums_settle(&sums);
	return sums_datum(&sums);
}

/* ---- wire ------------------------------------------------------------------------------------ */

enum
{
	WIRE_DAY = 1,
	WIRE_KEY = 2,
	WIRE_ALL = 3
};

/* In the client's encoding, its length before it. */
static void
send_key(StringInfo message, const SumsEntry *entry)
{
	char *key = pg_server_to_client(entry->key, entry->length);
	int length = key == entry->key ? entry->length : strlen(key);

	pq_sendint32(message, length);
	pq_sendbytes(message, key, length);
}

Datum
telemetry_sums_send(PG_FUNCTION_ARGS)
{
	StringInfoData message;
	Sums sums;

	sums_from_datum(PG_GETARG_DATUM(0), &sums);
	pq_begintypsend(&message);
	pq_sendint8(&message, WIRE_VERSION);
	pq_sendint32(&message, sums.count);
	for (int i = 0; i < sums.count; i++)
	{
		SumsEntry *entry = &sums.entries[i];
		Numeric total = sums_finite(entry);
		bytea *sent;

		pq_sendint8(&message, (entry->has_day ? WIRE_DAY : 0) | (entry->has_key ? WIRE_KEY : 0));
		if (entry->has_day)
			pq_sendint32(&message, entry->day);
		if (entry->has_key)
			send_key(&message, entry);
		pq_sendint64(&message, entry->rows);
		pq_sendint64(&message, entry->nulls);
		for (int s = 0; s < SUMS_SPECIALS; s++)
			pq_sendint64(&message, entry->special[s]);
		sent = DatumGetByteaPP(DirectFunctionCall1(
			numeric_send, NumericGetDatum(total ? total : int64_to_numeric(0))));
		pq_sendbytes(&message, VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

static void
receive_entry(StringInfo message, SumsEntry *entry)
{
	int has = pq_getmsgbyte(message);

	memset(entry, 0, sizeof(*entry));
	if (has & ~WIRE_ALL)
		packed_bad_bytes(SUMS_TYPE_NAME, "an entry has what no entry has");
	entry->has_day = (has & WIRE_DAY) != 0;
	entry->has_key = (has & WIRE_KEY) != 0;
	if (entry->has_day)
	{
		entry->day = (int32) pq_getmsgint(message, 4);
		if (!DATE_NOT_FINITE(entry->day) && !IS_VALID_DATE(entry->day))
			packed_bad_bytes(SUMS_TYPE_NAME, "a day is out of range");
	}
	if (entry->has_key)
	{
		int length;

		entry->key = pq_getmsgtext(message, (int) pq_getmsgint(message, 4), &length);
		entry->length = length;
	}
	entry->rows = pq_getmsgint64(message);
	entry->nulls = pq_getmsgint64(message);
	for (int s = 0; s < SUMS_SPECIALS; s++)
		entry->special[s] = pq_getmsgint64(message);
	entry->total = DatumGetNumeric(DirectFunctionCall3(
		numeric_recv, PointerGetDatum(message), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (numeric_is_nan(entry->total) || numeric_is_inf(entry->total))
		packed_bad_bytes(SUMS_TYPE_NAME, "a total is no number");
}

Datum
telemetry_sums_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	SumsEntry entry;
	Sums sums;
	uint32 count;

	if (pq_getmsgbyte(message) != WIRE_VERSION)
		packed_bad_bytes(SUMS_TYPE_NAME, "version is not known");
	count = pq_getmsgint(message, 4);
	sums_init(&sums, CurrentMemoryContext);
	/* Each takes bytes: a count that is too large ends with them. */
	for (uint32 i = 0; i < count; i++)
	{
		receive_entry(message, &entry);
		sums_add(&sums, &entry);
	}
	if (message->cursor != message->len)
		packed_bad_bytes(SUMS_TYPE_NAME, "bytes are left over");
	sums_settle(&sums);
	return sums_datum(&sums);
}
