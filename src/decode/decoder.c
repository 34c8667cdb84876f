/*
 * Messages to rows. See decoder.h.
 *
 * First the value is walked once, and the place of each named field noted; only when the whole is
 * known to be JSON are the fields converted, in the order of the columns. So an error in the
 * document is found before any in a field, and of equal keys only the last is ever converted.
 */
#include "decode/decoder.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/errcodes.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "decode/convert.h"
#include "decode/document.h"
#include "decode/failure.h"
#include "decode/metadata.h"
#include "decode/path.h"
#include "decode/text.h"
#include "decode/time.h"
#include "decode/walk.h"

/* No text made from a message gets near the limit of an allocation. */
#define MESSAGE_MAX (MaxAllocSize / 2)

typedef struct Column
{
	const char *name;
	int index;
	ColumnOrigin origin;
	int slot; /* ORIGIN_FIELD: the node's id */
	Converter *converter;
	Converter *base; /* metadata is converted by a domain's base type, and checked after */
} Column;

struct Decoder
{
	DecodeFormat format;
	int natts;
	int ncolumns;
	Column *columns;
	bool sparse; /* some attributes have no column */
	bool needs_headers;
	bool may_throw;
	const char *current_column;
	Walk walk;
	Document document;
};

static void
check_column_type(const DecoderColumn *column, const Converter *converter, DecodeFormat format)
{
	Oid type = converter->kind == CONVERT_DOMAIN ? converter->inner->type : converter->type;
	bool fits = true;
	const char *allowed = NULL;

	switch (column->origin)
	{
		case ORIGIN_FIELD:
			break;
		case ORIGIN_VALUE:
			if (format == FORMAT_BYTES)
			{
				fits = type == BYTEAOID;
				allowed = "bytea";
			}
			else if (format == FORMAT_JSON)
			{
				fits = type == TEXTOID || type == BYTEAOID || type == JSONOID || type == JSONBOID ||
					   type == VARCHAROID;
				allowed = "text, varchar, bytea, json or jsonb";
			}
			break;
		case ORIGIN_KEY:
			break;
		case ORIGIN_PARTITION:
			fits = type == INT4OID || type == INT8OID || type == NUMERICOID || type == TEXTOID;
			allowed = "integer, bigint, numeric or text";
			break;
		case ORIGIN_OFFSET:
			fits = type == INT8OID || type == NUMERICOID || type == TEXTOID;
			allowed = "bigint, numeric or text";
			break;
		case ORIGIN_TIMESTAMP:
			fits = type == TIMESTAMPTZOID || type == INT8OID ||
				   (type == DATEOID && column->time_zone != NULL);
			allowed = "timestamp with time zone, bigint (milliseconds since 1970), or date with a "
					  "time_zone";
			break;
		case ORIGIN_HEADERS:
		case ORIGIN_REST:
			fits = converter_is_json(converter);
			allowed = "jsonb or json";
			break;
	}
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" cannot be of type %s", column->name,
							   format_type_be(column->type)),
						errhint("What it takes from a message is %s.", allowed)));
	if (column->has_timestamp_format && !converter_is_time(converter))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("option \"timestamp_format\" cannot be given for column \"%s\" of type %s",
					column->name, format_type_be(column->type)),
			 errdetail("It is for columns of type timestamp with time zone, timestamp, date or "
					   "time, and arrays and domains of these: it says how a time is written.")));
	if (column->time_zone != NULL && type != DATEOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("option \"time_zone\" cannot be given for column \"%s\" of type %s",
						column->name, format_type_be(column->type)),
				 errdetail("It is for columns of type date: the day of an instant in that zone.")));
	if (format != FORMAT_JSON && (column->origin == ORIGIN_FIELD || column->origin == ORIGIN_REST))
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
						errmsg("column \"%s\" needs a message in format json", column->name),
						errhint("In formats text and bytes a column takes metadata: value, key, "
								"partition, offset, timestamp or headers.")));
}

static FieldPath *
parse_path(const char *text)
{
	const char *problem = NULL;
	char *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);
	FieldPath *path = path_parse(utf8, &problem);

	if (path == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid path \"%s\": %s", text, problem),
						errhint("A path is like context.device, items[0].price or "
								"\"a key with dots.\".name.")));
	return path;
}

void
decoder_check_path(const char *path)
{
	(void) parse_path(path);
}

void
decoder_check_time_zone(const char *name)
{
	ZoneClock clock;

	if (!zone_clock_init(&clock, name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("Take a name of pg_timezone_names, such as Europe/Berlin; neither an "
						 "abbreviation nor an offset will do.")));
}

static void
create_column(Decoder *decoder, Column *column, const DecoderColumn *source, PathNode *root,
			  PathNode **node)
{
	column->name = pstrdup(source->name);
	column->index = source->index;
	column->origin = source->origin;
	column->converter = converter_create(source->type, source->typmod, source->timestamp_format,
										 &decoder->document);
	column->base =
		column->converter->kind == CONVERT_DOMAIN ? column->converter->inner : column->converter;
	*node = NULL;
	check_column_type(source, column->converter, decoder->format);
	if (source->time_zone != NULL)
	{
		decoder_check_time_zone(source->time_zone);
		column->base->zone = palloc(sizeof(ZoneClock));
		(void) zone_clock_init(column->base->zone, source->time_zone);
	}

	decoder->may_throw |= converter_may_throw(column->converter);
	decoder->needs_headers |= source->origin == ORIGIN_HEADERS;
	decoder->walk.want_rest |= source->origin == ORIGIN_REST;
	if (source->origin == ORIGIN_FIELD)
	{
		FieldPath *path;

		if (source->path != NULL)
			path = parse_path(source->path);
		else
			path = path_of_key(pg_server_to_any(source->name, strlen(source->name), PG_UTF8));
		*node = path_tree_add(root, path);
	}
}

Decoder *
decoder_create(const DecoderSpec *spec, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Decoder *decoder = palloc0(sizeof(Decoder));
	PathNode *root = path_tree_create();
	PathNode **nodes = palloc(sizeof(PathNode *) * Max(spec->ncolumns, 1));

	text_init();
	decoder->format = spec->format;
	decoder->natts = spec->natts;
	decoder->ncolumns = spec->ncolumns;
	decoder->sparse = spec->ncolumns < spec->natts;
	decoder->columns = palloc0(sizeof(Column) * Max(spec->ncolumns, 1));
	document_init(&decoder->document, context);

	for (int i = 0; i < spec->ncolumns; i++)
		create_column(decoder, &decoder->columns[i], &spec->columns[i], root, &nodes[i]);

	decoder->walk.root = root;
	decoder->walk.context = context;
	decoder->walk.nslots = path_tree_finish(root);
	decoder->walk.slots = palloc(sizeof(JsonToken) * decoder->walk.nslots);
	for (int i = 0; i < spec->ncolumns; i++)
	{
		if (nodes[i] != NULL)
			decoder->columns[i].slot = nodes[i]->id;
	}
	pfree(nodes);
	MemoryContextSwitchTo(old);
	return decoder;
}

bool
decoder_needs_headers(const Decoder *decoder)
{
	return decoder->needs_headers;
}

bool
decoder_may_throw(const Decoder *decoder)
{
	return decoder->may_throw;
}

const char *
decoder_current_column(const Decoder *decoder)
{
	return decoder->current_column;
}

bool
decoder_input_threw(Decoder *decoder)
{
	bool threw = false;

	for (int i = 0; i < decoder->ncolumns; i++)
		threw |= converter_input_threw(decoder->columns[i].converter);
	return threw;
}

/* Bytes beside the value, or a value that is not JSON: NULL pointer is NULL. */
static bool
convert_bytes(Column *column, const char *bytes, size_t length, Datum *value, bool *isnull,
			  DecodeError *error)
{
	Converter *base = column->base;
	JsonToken token = {0};

	if (bytes == NULL)
		return convert_token(column->base, &token, value, isnull, error);
	if (length > MESSAGE_MAX)
		return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						   "message key or value of %zu bytes is too long", length);
	if (base->kind == CONVERT_BYTEA)
	{
		*value = text_datum(bytes, length);
		*isnull = false;
		return true;
	}
	if (converter_is_json(base))
	{
		JsonScan scan = {.begin = bytes, .end = bytes + length};
		const char *p = json_scan_value(&scan, json_skip_space(bytes, scan.end), 0, &token);

		if (p != NULL)
		{
			p = json_skip_space(p, scan.end);
			if (p < scan.end)
				p = json_fault(&scan, FAULT_CHARACTER, p);
		}
		if (p == NULL)
			return decode_fail_json(error, &scan);

		/* Not a field: JSON's null is a value here. */
		if (token.kind == KIND_NULL)
		{
			*isnull = false;
			return base->kind == CONVERT_JSON
					   ? document_json_of_token(&token, value, error)
					   : document_jsonb_of_token(base->document, &token, value, error);
		}
	}
	else if (!text_check(bytes, length, &token, error))
		return false;
	return convert_token(column->base, &token, value, isnull, error);
}

/* An integer that Kafka gives. */
static bool
convert_number(Column *column, int64 number, Datum *value, bool *isnull, DecodeError *error)
{
	char text[32];
	JsonToken token = {.kind = KIND_NUMBER};

	switch (column->base->kind)
	{
		case CONVERT_INT4:
			*value = Int32GetDatum((int32) number);
			*isnull = false;
			return true;
		case CONVERT_INT8:
			*value = Int64GetDatum(number);
			*isnull = false;
			return true;
		default:
			token.start = text;
			token.length = snprintf(text, sizeof(text), INT64_FORMAT, number);
			return convert_token(column->base, &token, value, isnull, error);
	}
}

static bool
convert_message_time(Column *column, int64 timestamp_ms, Datum *value, bool *isnull,
					 DecodeError *error)
{
	Timestamp timestamp;

	*isnull = timestamp_ms == -1;
	*value = (Datum) 0;
	if (*isnull)
		return true;
	if (column->base->kind == CONVERT_INT8)
	{
		*value = Int64GetDatum(timestamp_ms);
		return true;
	}
	if (timestamp_ms > PG_INT64_MAX / 1000 || timestamp_ms < PG_INT64_MIN / 1000 ||
		!time_from_unix(timestamp_ms * 1000, column->base->typmod, &timestamp))
		return decode_fail(error, ERRCODE_DATETIME_FIELD_OVERFLOW,
						   "timestamp out of range: " INT64_FORMAT " ms", timestamp_ms);
	if (column->base->zone == NULL)
		*value = TimestampTzGetDatum(timestamp);
	else
	{
		DateADT day;

		if (!zone_day(column->base->zone, timestamp, &day))
			return decode_fail(error, ERRCODE_DATETIME_FIELD_OVERFLOW,
							   "date out of range: " INT64_FORMAT " ms", timestamp_ms);
		*value = DateADTGetDatum(day);
	}
	return true;
}

static bool
convert_value(Decoder *decoder, Column *column, const MessageView *message, Datum *value,
			  bool *isnull, DecodeError *error)
{
	Converter *base = column->base;
	JsonToken token = decoder->walk.document;

	if (decoder->format != FORMAT_JSON || base->kind == CONVERT_BYTEA || message->value == NULL)
		return convert_bytes(column, message->value, message->value_length, value, isnull, error);
	if (!converter_is_json(base))
	{
		/* As it came, with the space around it. */
		token.start = message->value;
		token.length = (uint32) message->value_length;
	}
	return convert_token(column->base, &token, value, isnull, error);
}

static bool
convert_column(Decoder *decoder, Column *column, const MessageView *message, Datum *value,
			   bool *isnull, DecodeError *error)
{
	static const JsonToken missing = {0};

	switch (column->origin)
	{
		case ORIGIN_FIELD:
			return convert_token(column->converter,
								 message->value == NULL ? &missing
														: &decoder->walk.slots[column->slot],
								 value, isnull, error);
		case ORIGIN_KEY:
			return convert_bytes(column, message->key, message->key_length, value, isnull, error);
		case ORIGIN_VALUE:
			return convert_value(decoder, column, message, value, isnull, error);
		case ORIGIN_PARTITION:
			return convert_number(column, message->partition, value, isnull, error);
		case ORIGIN_OFFSET:
			return convert_number(column, message->offset, value, isnull, error);
		case ORIGIN_TIMESTAMP:
			return convert_message_time(column, message->timestamp_ms, value, isnull, error);
		case ORIGIN_HEADERS:
			*isnull = false;
			return metadata_headers(&decoder->document, column->base->kind == CONVERT_JSON, message,
									value, error);
		case ORIGIN_REST:
			if (message->value == NULL)
				return convert_token(column->base, &missing, value, isnull, error);
			*isnull = false;
			return metadata_rest(&decoder->document, column->base->kind == CONVERT_JSON,
								 &decoder->walk, value, error);
	}
	pg_unreachable();
}

static bool
walk_failure(const Walk *walk, size_t length, DecodeError *error)
{
	if (walk->trailing)
		return decode_fail(
			error, ERRCODE_INVALID_TEXT_REPRESENTATION,
			"invalid JSON: the document ends at byte %zu, and more follows: \"%s\"",
			(size_t) (walk->document.start + walk->document.length - walk->scan.begin),
			decode_excerpt(walk->scan.fault_at, Min(walk->scan.end - walk->scan.fault_at, 20)));
	if (walk->not_object)
		return decode_fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
						   "message is not a JSON object: \"%s\"",
						   decode_excerpt(walk->document.start, walk->document.length));
	if (walk->scan.fault == FAULT_END &&
		json_skip_space(walk->scan.begin, walk->scan.end) == walk->scan.end)
		return decode_fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
						   "message is empty (%zu bytes): a JSON object is due", length);
	return decode_fail_json(error, &walk->scan);
}

bool
decoder_row(Decoder *decoder, const MessageView *message, Datum *values, bool *isnull,
			DecodeError *error)
{
	decoder->current_column = NULL;
	if (message->value != NULL)
	{
		if (unlikely(message->value_length > MESSAGE_MAX))
			return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							   "message of %zu bytes is too long", message->value_length);
		if (decoder->format == FORMAT_JSON &&
			unlikely(!walk_document(&decoder->walk, message->value, message->value_length)))
			return walk_failure(&decoder->walk, message->value_length, error);
		if (decoder->format == FORMAT_TEXT)
		{
			JsonToken token;

			/* Checked even if no column takes it: a topic of text holds text. */
			if (!text_check(message->value, message->value_length, &token, error))
				return false;
		}
	}

	if (decoder->sparse)
	{
		memset(values, 0, sizeof(Datum) * decoder->natts);
		memset(isnull, true, sizeof(bool) * decoder->natts);
	}
	for (int i = 0; i < decoder->ncolumns; i++)
	{
		Column *column = &decoder->columns[i];

		decoder->current_column = column->name;
		if (unlikely(!convert_column(decoder, column, message, &values[column->index],
									 &isnull[column->index], error)))
		{
			error->column = column->name;
			return false;
		}
		if (unlikely(column->base != column->converter) && column->origin != ORIGIN_FIELD)
			converter_check_domain(column->converter, values[column->index], isnull[column->index]);
	}
	decoder->current_column = NULL;
	return true;
}
