/*
 * The decoder as SQL functions, for tests and benchmarks only: no part of the product.
 *
 * A column is described as 'name|type|origin|path|timestamp_format|time_zone'; what is left out has
 * its default (a JSON field under the column's name, ISO 8601, a date as it is written).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "decode/decoder.h"

#include "cjson/cJSON.h"

PG_MODULE_MAGIC;

static const char *const origin_names[] = {"field",  "key",       "value",   "partition",
										   "offset", "timestamp", "headers", "rest"};
static const char *const timestamp_names[] = {"iso8601", "epoch_s", "epoch_ms", "epoch_us",
											  "epoch_ns"};
static const char *const format_names[] = {"json", "text", "bytes"};

static int
name_index(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	elog(ERROR, "decode_test: unknown word \"%s\"", name);
}

/* Cuts the next part off *p. */
static char *
next_part(char **p)
{
	char *start = *p;
	char *bar = start == NULL ? NULL : strchr(start, '|');

	if (bar != NULL)
		*bar = '\0';
	*p = bar == NULL ? NULL : bar + 1;
	return start == NULL || *start == '\0' ? NULL : start;
}

static DecoderSpec
parse_spec(ArrayType *columns, const char *format)
{
	DecoderSpec spec = {0};
	DecoderColumn *result;
	Datum *elements;
	int n;

	deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	result = palloc0(sizeof(DecoderColumn) * n);
	for (int i = 0; i < n; i++)
	{
		char *p = TextDatumGetCString(elements[i]);
		char *part;

		result[i].name = next_part(&p);
		result[i].index = i;
		part = next_part(&p);
#if PG_VERSION_NUM >= 160000
		parseTypeString(part, &result[i].type, &result[i].typmod, NULL);
#else
		parseTypeString(part, &result[i].type, &result[i].typmod, false);
#endif
		part = next_part(&p);
		if (part != NULL)
			result[i].origin = name_index(part, origin_names, lengthof(origin_names));
		result[i].path = next_part(&p);
		part = next_part(&p);
		if (part != NULL)
			result[i].timestamp_format =
				name_index(part, timestamp_names, lengthof(timestamp_names));
		result[i].time_zone = next_part(&p);
	}
	spec.format = name_index(format, format_names, lengthof(format_names));
	spec.natts = n;
	spec.ncolumns = n;
	spec.columns = result;
	return spec;
}

static void
read_headers(MessageView *message, ArrayType *array)
{
	Datum *elements;
	bool *nulls;
	MessageHeader *headers;
	int n;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	headers = palloc0(sizeof(MessageHeader) * n);
	for (int i = 0; i + 1 < n; i += 2)
	{
		MessageHeader *header = &headers[message->nheaders++];
		bytea *name = DatumGetByteaPP(elements[i]);

		header->name = pnstrdup(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		if (!nulls[i + 1])
		{
			bytea *value = DatumGetByteaPP(elements[i + 1]);

			header->value = VARDATA_ANY(value);
			header->value_length = VARSIZE_ANY_EXHDR(value);
		}
	}
	message->headers = headers;
}

/* Exactly as long as it is, so that a memory checker sees a byte too far. */
static char *
exact_copy(bytea *value, size_t *length)
{
	char *copy;

	*length = VARSIZE_ANY_EXHDR(value);
	copy = malloc(*length > 0 ? *length : 1);
	memcpy(copy, VARDATA_ANY(value), *length);
	return copy;
}

static Datum
values_as_text(const DecoderSpec *spec, const Datum *values, const bool *isnull)
{
	Datum *texts = palloc(sizeof(Datum) * spec->natts);
	int dims[1] = {spec->natts};
	int lower[1] = {1};

	for (int i = 0; i < spec->natts; i++)
	{
		Oid output;
		bool varlena;

		if (isnull[i])
			continue;
		getTypeOutputInfo(spec->columns[i].type, &output, &varlena);
		texts[i] = CStringGetTextDatum(OidOutputFunctionCall(output, values[i]));
	}
	return PointerGetDatum(construct_md_array(texts, (bool *) isnull, 1, dims, lower, TEXTOID, -1,
											  false, TYPALIGN_INT));
}

/*
 * decode_test(columns text[], value bytea, format text, key bytea, message_partition int,
 *             message_offset bigint, message_timestamp bigint, headers bytea[])
 *   RETURNS (values text[], sqlstate text, message text, field text)
 */
PG_FUNCTION_INFO_V1(decode_test);
Datum
decode_test(PG_FUNCTION_ARGS)
{
	DecoderSpec spec = parse_spec(PG_GETARG_ARRAYTYPE_P(0), text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Decoder *decoder = decoder_create(&spec, CurrentMemoryContext);
	MessageView message = {0};
	DecodeError error;
	Datum *values = palloc(sizeof(Datum) * Max(spec.natts, 1));
	bool *isnull = palloc(sizeof(bool) * Max(spec.natts, 1));
	Datum result[4] = {0};
	bool result_null[4] = {true, true, true, true};
	TupleDesc desc;
	bool decoded;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!PG_ARGISNULL(1))
		message.value = exact_copy(PG_GETARG_BYTEA_PP(1), &message.value_length);
	if (!PG_ARGISNULL(3))
		message.key = exact_copy(PG_GETARG_BYTEA_PP(3), &message.key_length);
	message.partition = PG_GETARG_INT32(4);
	message.offset = PG_GETARG_INT64(5);
	message.timestamp_ms = PG_GETARG_INT64(6);
	if (!PG_ARGISNULL(7) && decoder_needs_headers(decoder))
		read_headers(&message, PG_GETARG_ARRAYTYPE_P(7));

	PG_TRY();
	{
		decoded = decoder_row(decoder, &message, values, isnull, &error);
	}
	PG_CATCH();
	{
		const char *column = decoder_current_column(decoder);

		if (column == NULL || !decoder_may_throw(decoder))
			elog(WARNING, "thrown where nothing may be: column %s", column ? column : "(none)");
		else
			errcontext_msg("column %s", column);
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (decoded)
	{
		result[0] = values_as_text(&spec, values, isnull);
		result_null[0] = false;
	}
	else
	{
		result[1] = CStringGetTextDatum(unpack_sql_state(error.sqlstate));
		result[2] = CStringGetTextDatum(error.message);
		result_null[1] = result_null[2] = false;
		if (error.column != NULL)
		{
			result[3] = CStringGetTextDatum(error.column);
			result_null[3] = false;
		}
	}
	free(unconstify(char *, message.value));
	free(unconstify(char *, message.key));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), result, result_null));
}

/*
 * decode_same(column text, value bytea, expected anyelement) RETURNS boolean: whether the first
 * column's datum has exactly the bytes of the one that PostgreSQL made.
 */
PG_FUNCTION_INFO_V1(decode_same);
Datum
decode_same(PG_FUNCTION_ARGS)
{
	DecoderSpec spec = parse_spec(PG_GETARG_ARRAYTYPE_P(0), "json");
	Decoder *decoder = decoder_create(&spec, CurrentMemoryContext);
	MessageView message = {0};
	DecodeError error;
	Datum value;
	bool isnull;
	int16 length;
	bool by_value;

	Assert(spec.natts == 1);
	message.value = exact_copy(PG_GETARG_BYTEA_PP(1), &message.value_length);
	if (!decoder_row(decoder, &message, &value, &isnull, &error))
		elog(ERROR, "decode_same: %s", error.message);
	free(unconstify(char *, message.value));
	if (isnull || PG_ARGISNULL(2))
		PG_RETURN_BOOL(isnull == PG_ARGISNULL(2));

	get_typlenbyval(spec.columns[0].type, &length, &by_value);
	if (length == -1)
	{
		struct varlena *left = (struct varlena *) DatumGetPointer(value);
		struct varlena *right = PG_DETOAST_DATUM(PG_GETARG_DATUM(2));

		PG_RETURN_BOOL(VARSIZE(left) == VARSIZE(right) && memcmp(left, right, VARSIZE(left)) == 0);
	}
	if (by_value)
		PG_RETURN_BOOL(value == PG_GETARG_DATUM(2));
	PG_RETURN_BOOL(memcmp(DatumGetPointer(value), DatumGetPointer(PG_GETARG_DATUM(2)), length) ==
				   0);
}

/* decode_bench(columns text[], messages bytea[], loops int) RETURNS float8: ns per message */
PG_FUNCTION_INFO_V1(decode_bench);
Datum
decode_bench(PG_FUNCTION_ARGS)
{
	DecoderSpec spec = parse_spec(PG_GETARG_ARRAYTYPE_P(0), "json");
	Decoder *decoder = decoder_create(&spec, CurrentMemoryContext);
	int loops = PG_GETARG_INT32(2);
	MemoryContext rows =
		AllocSetContextCreate(CurrentMemoryContext, "decode_bench rows", ALLOCSET_DEFAULT_SIZES);
	Datum *values = palloc(sizeof(Datum) * spec.natts);
	bool *isnull = palloc(sizeof(bool) * spec.natts);
	MessageView *messages;
	Datum *elements;
	DecodeError error;
	instr_time start;
	instr_time end;
	MemoryContext old;
	int64 bad = 0;
	int n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BYTEAOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	messages = palloc0(sizeof(MessageView) * n);
	for (int i = 0; i < n; i++)
	{
		bytea *value = DatumGetByteaPP(elements[i]);

		messages[i].value = VARDATA_ANY(value);
		messages[i].value_length = VARSIZE_ANY_EXHDR(value);
		messages[i].offset = i;
		messages[i].timestamp_ms = INT64CONST(1700000000000) + i;
	}

	INSTR_TIME_SET_CURRENT(start);
	old = MemoryContextSwitchTo(rows);
	for (int loop = 0; loop < loops; loop++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
		{
			if (!decoder_row(decoder, &messages[i], values, isnull, &error))
				bad++;
		}
		MemoryContextReset(rows);
	}
	MemoryContextSwitchTo(old);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	if (bad != 0 && bad != (int64) loops * n)
		elog(ERROR, "decode_bench: some messages are bad: %s", error.message);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e9 / ((double) loops * n));
}

/*
 * jsonb_bench(messages text[], loops int) RETURNS float8: ns per message, by PostgreSQL's jsonb_in
 */
PG_FUNCTION_INFO_V1(jsonb_bench);
Datum
jsonb_bench(PG_FUNCTION_ARGS)
{
	int loops = PG_GETARG_INT32(1);
	MemoryContext rows =
		AllocSetContextCreate(CurrentMemoryContext, "jsonb_bench rows", ALLOCSET_DEFAULT_SIZES);
	char **messages;
	Datum *elements;
	instr_time start;
	instr_time end;
	MemoryContext old;
	int n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	messages = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
		messages[i] = TextDatumGetCString(elements[i]);

	INSTR_TIME_SET_CURRENT(start);
	old = MemoryContextSwitchTo(rows);
	for (int loop = 0; loop < loops; loop++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			(void) DirectFunctionCall1(jsonb_in, CStringGetDatum(messages[i]));
		MemoryContextReset(rows);
	}
	MemoryContextSwitchTo(old);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e9 / ((double) loops * n));
}

/* What cJSON thinks of a text: NULL if it takes it, else where it stopped. */
PG_FUNCTION_INFO_V1(cjson_accepts);
Datum
cjson_accepts(PG_FUNCTION_ARGS)
{
	bytea *value = PG_GETARG_BYTEA_PP(0);
	size_t length = VARSIZE_ANY_EXHDR(value);
	const char *text = VARDATA_ANY(value);
	const char *end = NULL;
	cJSON *document = cJSON_ParseWithLengthOpts(text, length, &end, false);
	bool object = document != NULL && cJSON_IsObject(document);

	cJSON_Delete(document);
	if (!object)
		PG_RETURN_BOOL(false);
	while (end < text + length && strchr(" \t\r\n", *end) != NULL && *end != '\0')
		end++;
	PG_RETURN_BOOL(end == text + length);
}

/* A top-level member's number as cJSON's double; NULL: it is no number. */
PG_FUNCTION_INFO_V1(cjson_number);
Datum
cjson_number(PG_FUNCTION_ARGS)
{
	bytea *value = PG_GETARG_BYTEA_PP(0);
	cJSON *document = cJSON_ParseWithLength(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	cJSON *last = NULL;
	cJSON *item;
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	double number;

	/* cJSON finds the first of equal keys */
	cJSON_ArrayForEach(item, document)
	{
		if (item->string != NULL && strcmp(item->string, name) == 0)
			last = item;
	}
	if (last == NULL || !cJSON_IsNumber(last))
	{
		cJSON_Delete(document);
		PG_RETURN_NULL();
	}
	number = last->valuedouble;
	cJSON_Delete(document);
	PG_RETURN_FLOAT8(number);
}

/*
 * random_message(seed bigint) RETURNS bytea: a JSON object made of what is likely to go wrong,
 * sometimes damaged. The same seed gives the same message on every machine.
 */
typedef struct Random
{
	uint64 state;
	StringInfoData out;
} Random;

static uint32
random_below(Random *random, uint32 n)
{
	uint64 z = (random->state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return (uint32) ((z ^ (z >> 31)) % n);
}

static const char *const random_keys[] = {"a",   "a",        "a",   "b", "b",  "c",   "\\u0061",
										  "a b", "\xC3\xA9", "a.b", "",  "aa", "b\\n"};

static const char *const random_numbers[] = {"0",
											 "-0",
											 "1",
											 "-1",
											 "32767",
											 "32768",
											 "-32768",
											 "-32769",
											 "2147483647",
											 "2147483648",
											 "-2147483648",
											 "9007199254740993",
											 "9223372036854775807",
											 "9223372036854775808",
											 "-9223372036854775808",
											 "-9223372036854775809",
											 "18446744073709551616",
											 "1.0",
											 "-0.0",
											 "1e3",
											 "1E+3",
											 "120e-1",
											 "1e-3",
											 "0.1",
											 "12.50",
											 "99999999.994",
											 "99999999.995",
											 "123.455",
											 "1234500",
											 "0.000000000000000000000000000001",
											 "3.4028235e38",
											 "3.5e38",
											 "1.7976931348623157e308",
											 "1.8e308",
											 "4.9e-324",
											 "1e-400",
											 "1e400",
											 "1e130000",
											 "1e140000",
											 "1e-16383",
											 "1e-16384",
											 "0e99999",
											 "0.00",
											 "1e22",
											 "1e23",
											 "9007199254740993e-1",
											 "123456789012345678901234567890",
											 "1234567890123456789.0",
											 "12345678901234567890123.4567890123456789",
											 "0.9999999999999999999",
											 "20240229",
											 "50000",
											 "-49999.5",
											 "4.35",
											 "8.5e0",
											 "1700000000",
											 "-1.5"};

static const char *const random_strings[] = {"",
											 " ",
											 "x",
											 "abcde",
											 "abcdef",
											 "abc      ",
											 "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9",
											 "\xF0\x9F\x98\x80",
											 "\\u00e9",
											 "\\ud83d\\ude00",
											 "\\\"\\\\\\/\\b\\f\\n\\r\\t",
											 "\\u0000",
											 "\\ud83d",
											 "\\ude00x",
											 "\\ud83d\\uffff",
											 "\\udbff\\udfff",
											 "1",
											 "-1",
											 " 12 ",
											 "1.5",
											 "1e3",
											 "NaN",
											 "Infinity",
											 "-inf",
											 "+7",
											 ".5",
											 "5.",
											 "true",
											 "f",
											 "Yes",
											 " on ",
											 "nope",
											 "2024-02-29",
											 "2023-02-29",
											 "2024-02-29T12:34:56Z",
											 "2024-02-29 12:34:56.123456789+02:30",
											 "2024-02-29t12:34:56.9999995z",
											 "20240229T123456",
											 "2024-02-29T23:59:60Z",
											 "2024-02-29T24:00:00",
											 "2024-02-29T24:00:01",
											 "2024-02-29 12:34:56-15:59",
											 "2024-02-29 12:34:56+16",
											 "0001-01-01 BC",
											 "0044-03-15 12:00:00+00 BC",
											 "0000-01-01",
											 "10000-01-01",
											 "294276-12-31 23:59:59.999999",
											 "294277-01-01",
											 "5874897-12-31",
											 "4714-11-24 BC",
											 "4714-11-23 BC",
											 "infinity",
											 "-infinity",
											 "12:34",
											 "12:34:56.5",
											 "24:00",
											 "25:00",
											 "12:60",
											 "2024-13-01",
											 "2024-01-32",
											 "epoch",
											 "2024-01-01T00:00:00.12345650Z",
											 "2024-01-01T00:00:00.0000005Z",
											 "1999-12-31T23:59:59.9999994",
											 "2024-01-01T10:00:00+0530",
											 "2024-01-01T10:00:00+05:30:15",
											 "2024-1-1",
											 "2024-01-01T1:00",
											 "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
											 "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
											 "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
											 "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
											 "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
											 "\\\\x4142",
											 "\\\\x4 142",
											 "\\\\x41 42 ",
											 "\\\\xzz",
											 "\\\\\\\\a\\\\101",
											 "\\\\400",
											 "{1,2}",
											 "{a,NULL}",
											 "{",
											 "10.0.0.1/8",
											 "::1",
											 "1 day 2:00",
											 "P1Y2M",
											 "null",
											 "[1]"};

#define PICK(random, array) (array)[random_below(random, lengthof(array))]

static void
random_space(Random *random)
{
	static const char *const spaces[] = {" ", "\n", "\t", "\r\n", "  "};

	if (random_below(random, 8) == 0)
		appendStringInfoString(&random->out, PICK(random, spaces));
}

static void
random_value(Random *random, int depth)
{
	uint32 kind = random_below(random, depth > 4 ? 8 : 12);
	uint32 n = random_below(random, 4);

	random_space(random);
	if (kind < 3)
	{
		if (random_below(random, 3) == 0)
		{
			appendStringInfo(&random->out, "%d", (int) random_below(random, 2000000) - 1000000);
			if (random_below(random, 2) == 0)
				appendStringInfo(&random->out, ".%06u", random_below(random, 1000000));
			if (random_below(random, 3) == 0)
				appendStringInfo(&random->out, "e%d", (int) random_below(random, 60) - 30);
		}
		else
			appendStringInfoString(&random->out, PICK(random, random_numbers));
	}
	else if (kind < 6)
		appendStringInfo(&random->out, "\"%s\"", PICK(random, random_strings));
	else if (kind == 6)
		appendStringInfoString(&random->out, "null");
	else if (kind == 7)
		appendStringInfoString(&random->out, random_below(random, 2) == 0 ? "true" : "false");
	else if (kind < 10)
	{
		if (random_below(random, 50) == 0)
			n += 70; /* past jsonb's stride of 32 */
		appendStringInfoChar(&random->out, '[');
		for (uint32 i = 0; i < n; i++)
		{
			if (i > 0)
				appendStringInfoChar(&random->out, ',');
			random_value(random, depth + 1 + (n > 4 ? 4 : 0));
		}
		random_space(random);
		appendStringInfoChar(&random->out, ']');
	}
	else
	{
		appendStringInfoChar(&random->out, '{');
		if (random_below(random, 50) == 0)
			n += 40;
		for (uint32 i = 0; i < n; i++)
		{
			if (i > 0)
				appendStringInfoChar(&random->out, ',');
			random_space(random);
			if (n > 4)
				appendStringInfo(&random->out, "\"k%u\"", random_below(random, 60));
			else
				appendStringInfo(&random->out, "\"%s\"", PICK(random, random_keys));
			random_space(random);
			appendStringInfoChar(&random->out, ':');
			random_value(random, depth + 1 + (n > 4 ? 4 : 0));
		}
		random_space(random);
		appendStringInfoChar(&random->out, '}');
	}
	random_space(random);
}

PG_FUNCTION_INFO_V1(random_message);
Datum
random_message(PG_FUNCTION_ARGS)
{
	Random random = {.state = (uint64) PG_GETARG_INT64(0)};
	StringInfo out = &random.out;
	uint32 n = 1 + random_below(&random, 4);
	bytea *result;

	initStringInfo(out);
	random_space(&random);
	appendStringInfoChar(out, '{');
	for (uint32 i = 0; i < n; i++)
	{
		appendStringInfo(out, "%s\"%s\":", i > 0 ? "," : "", PICK(&random, random_keys));
		random_value(&random, 0);
	}
	appendStringInfoChar(out, '}');
	random_space(&random);

	if (random_below(&random, 4) == 0)
	{
		static const char damage[] = "\"\\{}[],:0e.-x \n\x01\x80\xC3\xFF";
		uint32 at = random_below(&random, out->len);
		char c = damage[random_below(&random, sizeof(damage) - 1)];

		switch (random_below(&random, 4))
		{
			case 0:
				out->len = at;
				break;
			case 1:
				out->data[at] = c;
				break;
			case 2:
				memmove(out->data + at, out->data + at + 1, out->len - at - 1);
				out->len--;
				break;
			default:
				appendStringInfoChar(out, ' ');
				memmove(out->data + at + 1, out->data + at, out->len - at - 1);
				out->data[at] = c;
				break;
		}
	}
	result = palloc(VARHDRSZ + out->len);
	SET_VARSIZE(result, VARHDRSZ + out->len);
	memcpy(VARDATA(result), out->data, out->len);
	PG_RETURN_BYTEA_P(result);
}
