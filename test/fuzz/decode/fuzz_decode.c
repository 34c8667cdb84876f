/*
 * libFuzzer harness of the decoder. An input that starts with
 *
 *   n  is a number in text, compared with the C library's
 *   t  is a time, compared with the C library's calendar
 *   p  is a path
 *   h  is a key and the value of a header
 *   l  is a message for a server in LATIN1
 *
 * and any other is a message. Messages are compared with cJSON (structure, keys, strings, numbers
 * as double) and between the SSE2 and the plain scanner. A difference aborts.
 */
#include "shim.h"

#include <math.h>
#include <time.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/date.h"

#include "cjson/cJSON.h"

#include "decode/decoder.h"
#include "decode/document.h"
#include "decode/json_scan.h"
#include "decode/number.h"
#include "decode/path.h"
#include "decode/text.h"
#include "decode/time.h"
#include "decode/zone.h"

/* json_scan.c once more, compiled without SSE2 under this name. */
extern const char *plain_scan_value(JsonScan *scan, const char *p, int depth, JsonToken *token);

#define CHECK(condition)                                                                           \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
		{                                                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

#define FIELD(n, t, m)                                                                             \
	{                                                                                              \
		.name = n, .type = t, .typmod = m                                                          \
	}
#define NUMERIC_TYPMOD(p, s) ((((p) << 16) | ((s) &0x7FF)) + VARHDRSZ)

static const DecoderColumn columns[] = {
	FIELD("i2", INT2OID, -1),
	FIELD("i4", INT4OID, -1),
	FIELD("i8", INT8OID, -1),
	FIELD("n", NUMERICOID, -1),
	FIELD("np", NUMERICOID, NUMERIC_TYPMOD(10, 2)),
	FIELD("nn", NUMERICOID, NUMERIC_TYPMOD(5, -3)),
	FIELD("f4", FLOAT4OID, -1),
	FIELD("f8", FLOAT8OID, -1),
	FIELD("b", BOOLOID, -1),
	FIELD("s", TEXTOID, -1),
	FIELD("v", VARCHAROID, VARHDRSZ + 3),
	FIELD("c", BPCHAROID, VARHDRSZ + 3),
	FIELD("tz", TIMESTAMPTZOID, -1),
	FIELD("ts", TIMESTAMPOID, 3),
	FIELD("d", DATEOID, -1),
	FIELD("t", TIMEOID, 0),
	FIELD("u", UUIDOID, -1),
	FIELD("y", BYTEAOID, -1),
	FIELD("j", JSONOID, -1),
	FIELD("jb", JSONBOID, -1),
	FIELD("a", INT4ARRAYOID, -1),
	FIELD("as", TEXTARRAYOID, -1),
	FIELD("aj", JSONBARRAYOID, -1),
	{.name = "e", .type = TIMESTAMPTZOID, .typmod = -1, .timestamp_format = TIMESTAMP_EPOCH_NS},
	{.name = "e",
	 .type = DATEOID,
	 .typmod = -1,
	 .timestamp_format = TIMESTAMP_EPOCH_NS,
	 .time_zone = "Fuzz"},
	{.name = "tz", .type = DATEOID, .typmod = -1, .time_zone = "Fuzz"},
	{.name = "o1", .type = TEXTOID, .typmod = -1, .path = "o.p"},
	{.name = "o2", .type = JSONBOID, .typmod = -1, .path = "o"},
	{.name = "o3", .type = TEXTOID, .typmod = -1, .path = "o.q[1].r"},
	{.name = "rest", .type = JSONBOID, .typmod = -1, .origin = ORIGIN_REST},
	{.name = "rest_json", .type = JSONOID, .typmod = -1, .origin = ORIGIN_REST},
	{.name = "value", .type = JSONBOID, .typmod = -1, .origin = ORIGIN_VALUE},
	{.name = "raw", .type = TEXTOID, .typmod = -1, .origin = ORIGIN_VALUE},
};
static const DecoderColumn document_columns[] = {
	{.name = "value", .type = JSONBOID, .typmod = -1, .origin = ORIGIN_VALUE},
};
static const DecoderColumn key_columns[] = {
	{.name = "text", .type = TEXTOID, .typmod = -1, .origin = ORIGIN_KEY},
	{.name = "headers", .type = JSONBOID, .typmod = -1, .origin = ORIGIN_HEADERS},
	{.name = "headers_json", .type = JSONOID, .typmod = -1, .origin = ORIGIN_HEADERS},
	{.name = "json", .type = JSONBOID, .typmod = -1, .origin = ORIGIN_KEY},
	{.name = "number", .type = INT8OID, .typmod = -1, .origin = ORIGIN_KEY},
};

static Decoder *decoder;
static Decoder *document_decoder;
static Decoder *key_decoder;
static Document document;

static Decoder *
create(const DecoderColumn *source, int n, DecodeFormat format)
{
	DecoderColumn copy[lengthof(columns)];
	DecoderSpec spec = {.format = format, .natts = n, .ncolumns = n, .columns = copy};

	for (int i = 0; i < n; i++)
	{
		copy[i] = source[i];
		copy[i].index = i;
	}
	return decoder_create(&spec, SHIM_DECODER);
}

static bool
decode(Decoder *target, const char *bytes, size_t length, DecodeError *error)
{
	MessageHeader header = {"h", bytes, length};
	MessageView message = {.value = bytes,
						   .value_length = length,
						   .key = bytes,
						   .key_length = length,
						   .nheaders = 1,
						   .headers = &header};
	Datum values[lengthof(columns)];
	bool isnull[lengthof(columns)];
	bool decoded = decoder_row(target, &message, values, isnull, error);

	if (!decoded)
	{
		CHECK(error->sqlstate != 0);
		CHECK(error->message != NULL && strlen(error->message) < 400);
	}
	return decoded;
}

/* Scans twice, and both scanners must see the same. */
static bool
scan_both(const char *bytes, size_t length, JsonToken *token)
{
	JsonScan fast = {.begin = bytes, .end = bytes + length};
	JsonScan plain = fast;
	JsonToken plain_token = {0};
	const char *p = json_scan_value(&fast, bytes, 0, token);
	const char *q = plain_scan_value(&plain, bytes, 0, &plain_token);

	CHECK(p == q);
	if (p == NULL)
	{
		CHECK(fast.fault == plain.fault && fast.fault_at == plain.fault_at);
		return false;
	}
	CHECK(token->start == plain_token.start && token->length == plain_token.length);
	CHECK(token->kind == plain_token.kind && token->flags == plain_token.flags);
	return json_skip_space(p, bytes + length) == bytes + length;
}

/* The nodes from *at on against what cJSON made. Strings with a zero byte have been refused. */
static void
compare_with_cjson(const cJSON *item, uint32 *at)
{
	const DocumentNode *node = &document.nodes[(*at)++];
	uint32 count = 0;
	const cJSON *child;
	Decimal decimal;
	double number;

	switch (node->kind)
	{
		case KIND_NULL:
			CHECK(cJSON_IsNull(item));
			break;
		case KIND_TRUE:
			CHECK(cJSON_IsTrue(item));
			break;
		case KIND_FALSE:
			CHECK(cJSON_IsFalse(item));
			break;
		case KIND_STRING:
			CHECK(cJSON_IsString(item) && strlen(item->valuestring) == node->length);
			CHECK(memcmp(item->valuestring, node->start, node->length) == 0);
			break;
		case KIND_NUMBER:
			CHECK(cJSON_IsNumber(item));
			CHECK(decimal_parse(node->start, node->length, &decimal));
			/* cJSON cuts numbers off at 63 characters, and takes infinity. */
			if (node->length < 63 && decimal_to_float8(&decimal, &number) == NUMBER_OK)
				CHECK(number == item->valuedouble);
			break;
		default:
			CHECK(node->kind == KIND_OBJECT ? cJSON_IsObject(item) : cJSON_IsArray(item));
			cJSON_ArrayForEach(child, item)
			{
				if (node->kind == KIND_OBJECT)
				{
					const DocumentNode *key = &document.nodes[(*at)++];

					CHECK(strlen(child->string) == key->length);
					CHECK(memcmp(child->string, key->start, key->length) == 0);
				}
				compare_with_cjson(child, at);
				count++;
			}
			CHECK(count == node->count);
			CHECK(*at == node->next);
			break;
	}
}

/* cJSON refuses nothing that we take as text; what it takes beyond JSON is its own affair. */
static void
test_document(const char *bytes, size_t length)
{
	DecodeError error;
	JsonToken token;
	uint32 at = 0;
	cJSON *theirs;
	bool json;
	size_t skip = length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
	const char *start = json_skip_space(bytes + skip, bytes + length);

	json = scan_both(start, bytes + length - start, &token);
	if (decode(decoder, bytes, length, &error))
		CHECK(json && token.kind == KIND_OBJECT);
	if (!decode(document_decoder, bytes, length, &error))
		return;
	CHECK(json);

	document_reset(&document);
	CHECK(document_add_value(&document, &token, &error));
	theirs = cJSON_ParseWithLength(token.start, token.length);
	CHECK(theirs != NULL);
	compare_with_cjson(theirs, &at);
	CHECK(at == document.nnodes);
	cJSON_Delete(theirs);
}

static void
test_number(const char *bytes, size_t length)
{
	char text[400];
	char *dest = palloc(NUMERIC_SIZE_BOUND(length));
	Decimal decimal;
	int64 integer;
	double number;
	float number4;
	NumberVerdict verdict;

	if (!decimal_parse(bytes, length, &decimal) || length >= sizeof(text))
		return;
	memcpy(text, bytes, length);
	text[length] = '\0';

	if (decimal_to_float8(&decimal, &number) == NUMBER_OK)
		CHECK(number == strtod(text, NULL));
	if (decimal_to_float4(&decimal, &number4) == NUMBER_OK)
		CHECK(number4 == strtof(text, NULL));

	verdict = decimal_to_int64(&decimal, PG_INT64_MIN, PG_INT64_MAX, &integer);
	if (strspn(text, "+-0123456789") == length)
	{
		errno = 0;
		CHECK((strtoll(text, NULL, 10) == integer && errno == 0) == (verdict == NUMBER_OK));
	}
	else if (verdict == NUMBER_OK)
		CHECK((double) integer == number);

	(void) decimal_to_int64_rounded(&decimal, 3, &integer);
	(void) decimal_to_int64_rounded(&decimal, -3, &integer);
	if (decimal_to_numeric(&decimal, -1, dest) == NUMBER_OK)
		CHECK(VARSIZE(dest) <= NUMERIC_SIZE_BOUND(length)); /* and see AddressSanitizer */
	if (decimal_to_numeric(&decimal, NUMERIC_TYPMOD(10, 2), dest) == NUMBER_OK)
		CHECK(VARSIZE(dest) <= NUMERIC_SIZE_BOUND(length)); /* and see AddressSanitizer */
}

/*
 * The shim's zone is one hour ahead in odd multiples of 10,000,000 s. One clock sees all inputs, so
 * that its stretches are walked through in every order.
 */
static void
test_day(TimestampTz instant)
{
	static ZoneClock clock;
	DateADT day;
	int64 seconds = instant / USECS_PER_SEC - (instant % USECS_PER_SEC < 0);
	int64 local = seconds + shim_zone_offset(seconds + INT64CONST(946684800));

	if (clock.zone == NULL)
		CHECK(zone_clock_init(&clock, "Fuzz"));
	CHECK(zone_day(&clock, instant, &day));
	CHECK(day == local / SECS_PER_DAY - (local % SECS_PER_DAY < 0));
}

static void
test_time(const char *bytes, size_t length)
{
	TimeFields fields;
	Timestamp timestamp;
	DateADT date;
	TimeADT time;

	if (time_parse(bytes, length, &fields) != TIME_OK)
		return;
	(void) time_to_time(&fields, 2, &time);
	if (time_to_timestamptz(&fields, -1, &timestamp) == TIME_OK && fields.infinity == 0)
	{
		struct tm tm = {.tm_year = fields.year - 1900,
						.tm_mon = fields.month - 1,
						.tm_mday = fields.day,
						.tm_hour = fields.hour,
						.tm_min = fields.minute,
						.tm_sec = fields.second};
		int64 seconds = timegm(&tm) - INT64CONST(946684800) - fields.zone;

		CHECK(timestamp == seconds * USECS_PER_SEC + fields.microsecond);
		CHECK(time_to_date(&fields, &date) == TIME_OK);
		test_day(timestamp);
	}
}

static void
test_path(const char *bytes, size_t length)
{
	const char *problem = NULL;
	FieldPath *path = path_parse(pnstrdup(bytes, length), &problem);
	PathNode *root = path_tree_create();
	PathNode *leaf;

	CHECK((path == NULL) == (problem != NULL));
	if (path == NULL)
		return;
	leaf = path_tree_add(root, path);
	CHECK(leaf == path_tree_add(root, path));
	CHECK(path_tree_finish(root) == path->nsteps + 1);
	CHECK(leaf->id == path->nsteps);
	CHECK(path_find_member(root, path->steps[0].key, path->steps[0].length, false) != NULL);
}

static void
set_up(void)
{
	decoder = create(columns, lengthof(columns), FORMAT_JSON);
	document_decoder = create(document_columns, lengthof(document_columns), FORMAT_JSON);
	key_decoder = create(key_columns, lengthof(key_columns), FORMAT_TEXT);
	document_init(&document, SHIM_DECODER);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	/* A block of its own, of exactly this size: a byte too far is seen. */
	char *bytes = memcpy(malloc(size > 0 ? size : 1), data, size);
	DecodeError error;

	if (decoder == NULL)
		set_up();

	switch (size > 0 ? *data : '{')
	{
		case 'n':
			test_number(bytes + 1, size - 1);
			break;
		case 't':
			test_time(bytes + 1, size - 1);
			break;
		case 'p':
			test_path(bytes + 1, size - 1);
			break;
		case 'h':
			(void) decode(key_decoder, bytes + 1, size - 1, &error);
			break;
		case 'l':
			shim_set_encoding(PG_LATIN1);
			text_init();
			(void) decode(decoder, bytes + 1, size - 1, &error);
			(void) decode(key_decoder, bytes + 1, size - 1, &error);
			shim_set_encoding(PG_UTF8);
			text_init();
			break;
		default:
			test_document(bytes, size);
			break;
	}
	free(bytes);
	shim_reset();
	return 0;
}
