/*
 * A row becomes a message: columns with a path make up one JSON object, the others go where their
 * metadata option says.
 */
#include "postgres.h"

#include "base/epoch.h"
#include "fdw/encode.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "decode/path.h"
#include "fdw/json_write.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef struct EncodeColumn
{
	const char *name;
	int index;
	ColumnOrigin origin;
	JsonWriter writer;
	Decoder *day; /* a date with a time_zone, which is not written: tells the day of what is */
	const char *time_zone;
} EncodeColumn;

/* A place in the document: an object, an array, or columns' values. */
typedef struct EncodeNode
{
	const char *key; /* as JSON, with quotes; NULL: an element */
	int position;    /* of an element */
	List *columns;   /* of EncodeColumn *: normally one or none */
	List *children;  /* of EncodeNode *; elements in the order of their positions */
	bool is_array;
} EncodeNode;

struct Encoder
{
	DecodeFormat format;
	bool compacted;
	EncodeColumn *columns;
	int ncolumns;
	EncodeNode *root;
	EncodeColumn *key; /* or NULL, as the rest: at most one of each is written */
	EncodeColumn *value;
	EncodeColumn *partition;
	EncodeColumn *offset;
	EncodeColumn *timestamp;
	EncodeColumn *headers;
	EncodeColumn *rest;
	List *days; /* of EncodeColumn *: of the message's timestamp */
};

/* ---- making -------------------------------------------------------------------------------- */

static EncodeNode *
node_child(EncodeNode *parent, const PathStep *step)
{
	EncodeNode *node;
	StringInfoData key;
	ListCell *cell;
	int at = 0;

	if (parent->children != NIL && parent->is_array != (step->key == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows of this foreign table cannot be written"),
				 errdetail("One path takes part of a field as an array, another as an object.")));
	parent->is_array = step->key == NULL;

	initStringInfo(&key);
	if (step->key != NULL)
		escape_json(&key,
					pg_any_to_server(pnstrdup(step->key, step->length), step->length, PG_UTF8));
	foreach (cell, parent->children)
	{
		EncodeNode *child = lfirst(cell);

		if (step->key != NULL ? strcmp(child->key, key.data) == 0 : child->position == step->index)
			return child;
		if (step->key != NULL || child->position < step->index)
			at++;
	}
	node = palloc0(sizeof(EncodeNode));
	node->key = step->key != NULL ? key.data : NULL;
	node->position = step->index;
	parent->children = list_insert_nth(parent->children, at, node);
	return node;
}

static void
encoder_add_field(Encoder *encoder, EncodeColumn *column, const ColumnOptions *options)
{
	const char *problem = NULL;
	const char *text = options->path != NULL ? options->path : column->name;
	char *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	FieldPath *path = options->path != NULL ? path_parse(utf8, &problem) : path_of_key(utf8);
	EncodeNode *node = encoder->root;

	if (path == NULL)
		elog(ERROR, "invalid path \"%s\": %s", options->path, problem);
	for (int i = 0; i < path->nsteps; i++)
		node = node_child(node, &path->steps[i]);
	node->columns = lappend(node->columns, column);
}

static EncodeColumn **
encoder_slot(Encoder *encoder, ColumnOrigin origin)
{
	switch (origin)
	{
		case ORIGIN_KEY:
			return &encoder->key;
		case ORIGIN_VALUE:
			return &encoder->value;
		case ORIGIN_PARTITION:
			return &encoder->partition;
		case ORIGIN_OFFSET:
			return &encoder->offset;
		case ORIGIN_TIMESTAMP:
			return &encoder->timestamp;
		case ORIGIN_HEADERS:
			return &encoder->headers;
		case ORIGIN_REST:
			return &encoder->rest;
		case ORIGIN_FIELD:
			break;
	}
	elog(ERROR, "a field has no slot");
}

static void
encoder_add_metadata(Encoder *encoder, EncodeColumn *column)
{
	EncodeColumn **slot = encoder_slot(encoder, column->origin);

	if (column->day != NULL)
	{
		encoder->days = lappend(encoder->days, column);
		return;
	}
	if (*slot != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows of this foreign table cannot be written"),
				 errdetail("Columns \"%s\" and \"%s\" both have metadata \"%s\".", (*slot)->name,
						   column->name, options_origin_name(column->origin))));
	*slot = column;
}

/* Reads the day back from what is written: its instant as the reader will see it. */
static Decoder *
day_decoder(ColumnOrigin origin, const ColumnOptions *options)
{
	DecoderColumn column = {
		.name = "day",
		.type = DATEOID,
		.typmod = -1,
		.origin = origin,
		.timestamp_format = options->timestamp_format,
		.time_zone = options->time_zone,
	};
	DecoderSpec spec = {.format = FORMAT_JSON, .natts = 1, .ncolumns = 1, .columns = &column};

	return decoder_create(&spec, CurrentMemoryContext);
}

static void
encoder_add_key_column(Encoder *encoder, const char *name)
{
	if (encoder->key != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"key_column\" cannot be combined with a column of metadata \"key\""),
			 errdetail("Column \"%s\" holds the key.", encoder->key->name)));
	for (int i = 0; i < encoder->ncolumns; i++)
	{
		if (strcmp(encoder->columns[i].name, name) == 0 &&
			encoder->columns[i].origin == ORIGIN_FIELD)
			encoder->key = &encoder->columns[i];
	}
	if (encoder->key == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
						errmsg("column \"%s\" of option \"key_column\" does not exist or is no "
							   "field of the message",
							   name)));
}

Encoder *
encoder_create(Oid relid, TupleDesc desc, const TableOptions *table)
{
	Encoder *encoder = palloc0(sizeof(Encoder));

	encoder->format = table->format;
	encoder->compacted = table->compacted;
	encoder->columns = palloc0_array(EncodeColumn, desc->natts);
	encoder->root = palloc0(sizeof(EncodeNode));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		EncodeColumn *column = &encoder->columns[encoder->ncolumns];
		ColumnOptions options;

		if (attribute->attisdropped)
			continue;
		options_read_column(GetForeignColumnOptions(relid, attribute->attnum), &options);
		encoder->ncolumns++;
		column->name = pstrdup(NameStr(attribute->attname));
		column->index = i;
		column->origin = options.origin;
		/* It would be left out of the message without a word. */
		if (table->format != FORMAT_JSON &&
			(options.origin == ORIGIN_FIELD || options.origin == ORIGIN_REST))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
					 errmsg("column \"%s\" needs a message in format json", column->name),
					 errhint("In formats text and bytes a column takes metadata: value, key, "
							 "partition, offset, timestamp or headers.")));
		json_writer_init(&column->writer, column->name, attribute->atttypid,
						 options.has_timestamp_format, options.timestamp_format);
		if (options.time_zone != NULL && column->writer.type == DATEOID)
		{
			column->day = day_decoder(options.origin, &options);
			column->time_zone = options.time_zone;
		}
		if (options.origin == ORIGIN_FIELD)
			encoder_add_field(encoder, column, &options);
		else
			encoder_add_metadata(encoder, column);
	}
	if (table->key_column != NULL)
		encoder_add_key_column(encoder, table->key_column);
	return encoder;
}

/* ---- the document -------------------------------------------------------------------------- */

static bool write_node(EncodeNode *node, TupleTableSlot *slot, StringInfo to);

/* A day is no instant, so it is not written; but what is must give this day again. */
static void
check_day(EncodeColumn *column, TupleTableSlot *slot, const MessageView *written, const char *from)
{
	DecodeError error;
	Datum day;
	bool isnull;

	if (slot->tts_isnull[column->index])
		return;
	if (from == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("column \"%s\" cannot be written by itself", column->name),
				 errdetail("It is the day of an instant in time zone \"%s\".", column->time_zone),
				 errhint("Give the instant, in a column of type timestamp with time zone.")));
	if (!decoder_row(column->day, written, &day, &isnull, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" cannot be the day of column \"%s\"", column->name, from),
				 errdetail_internal("%s", error.message)));
	if (isnull || DatumGetDateADT(day) != DatumGetDateADT(slot->tts_values[column->index]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %s of column \"%s\" is not the day of column \"%s\"",
						OutputFunctionCall(&column->writer.output, slot->tts_values[column->index]),
						column->name, from),
				 isnull ? 0
						: errdetail("In time zone \"%s\" that is %s.", column->time_zone,
									OutputFunctionCall(&column->writer.output, day)),
				 errhint("Leave the column out: readers compute it.")));
}

static void
check_days(const EncodeNode *node, TupleTableSlot *slot, const char *from, const char *json)
{
	ListCell *cell;

	foreach (cell, node->columns)
	{
		EncodeColumn *column = lfirst(cell);
		char *message;

		if (column->day == NULL || slot->tts_isnull[column->index])
			continue;
		message = psprintf("{\"day\":%s}", json);
		message = pg_server_to_any(message, (int) strlen(message), PG_UTF8);
		check_day(column, slot, &(MessageView){.value = message, .value_length = strlen(message)},
				  from);
	}
}

/* True if a column of the node has a value, which then is written. */
static bool
write_columns(EncodeNode *node, TupleTableSlot *slot, StringInfo to)
{
	EncodeColumn *written = NULL;
	int start = to->len;
	ListCell *cell;

	foreach (cell, node->columns)
	{
		EncodeColumn *column = lfirst(cell);

		if (slot->tts_isnull[column->index] || column->day != NULL)
			continue;
		if (written != NULL)
			ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
							errmsg("columns \"%s\" and \"%s\" are the same field of the message",
								   written->name, column->name),
							errhint("Give a value to one of them only.")));
		json_write(&column->writer, slot->tts_values[column->index], to);
		written = column;
	}
	check_days(node, slot, written != NULL ? written->name : NULL, to->data + start);
	return written != NULL;
}

/* Members or elements; nothing, not even brackets, when none has a value. */
static bool
write_children(EncodeNode *node, TupleTableSlot *slot, StringInfo to)
{
	int start = to->len;
	int next = 0; /* element */
	bool any = false;
	ListCell *cell;

	appendStringInfoChar(to, node->is_array ? '[' : '{');
	foreach (cell, node->children)
	{
		EncodeNode *child = lfirst(cell);
		int before = to->len;

		if (any)
			appendStringInfoChar(to, ',');
		if (child->key != NULL)
			appendStringInfo(to, "%s:", child->key);
		for (int i = next; child->key == NULL && i < child->position; i++)
			appendStringInfoString(to, "null,");
		if (write_node(child, slot, to))
		{
			any = true;
			next = child->position + 1;
			continue;
		}
		to->len = before;
		to->data[before] = '\0';
	}
	if (!any)
	{
		to->len = start;
		to->data[start] = '\0';
		return false;
	}
	appendStringInfoChar(to, node->is_array ? ']' : '}');
	return true;
}

static bool
write_node(EncodeNode *node, TupleTableSlot *slot, StringInfo to)
{
	StringInfoData inner;

	if (node->columns == NIL)
		return write_children(node, slot, to);
	if (!write_columns(node, slot, to))
		return node->children != NIL && write_children(node, slot, to);
	if (node->children == NIL)
		return true;
	initStringInfo(&inner);
	if (write_children(node, slot, &inner))
		ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
						errmsg("column \"%s\" and columns inside of it cannot both be written",
							   ((EncodeColumn *) linitial(node->columns))->name),
						errhint("Give values to one or the other only.")));
	return true;
}

/* Appends the members of column rest to the object that stands in `to`. */
static void
write_rest(Encoder *encoder, TupleTableSlot *slot, StringInfo to)
{
	EncodeColumn *column = encoder->rest;
	Datum value = slot->tts_values[column->index];
	Jsonb *rest = column->writer.type == JSONBOID
					  ? DatumGetJsonbP(value)
					  : DatumGetJsonbP(DirectFunctionCall1(
							jsonb_in, CStringGetDatum(TextDatumGetCString(value))));
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue item;

	if (!JB_ROOT_IS_OBJECT(rest))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
						errmsg("column \"%s\" must hold a JSON object", column->name)));
	to->data[--to->len] = '\0'; /* the closing brace */
	iterator = JsonbIteratorInit(&rest->root);
	(void) JsonbIteratorNext(&iterator, &item, true);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_END_OBJECT)
	{
		StringInfoData key;
		ListCell *cell;

		Assert(token == WJB_KEY);
		initStringInfo(&key);
		escape_json(&key, pnstrdup(item.val.string.val, item.val.string.len));
		foreach (cell, encoder->root->children)
		{
			if (strcmp(((EncodeNode *) lfirst(cell))->key, key.data) == 0)
				ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
								errmsg("field %s of column \"%s\" belongs to another column",
									   key.data, column->name)));
		}
		token = JsonbIteratorNext(&iterator, &item, true);
		appendStringInfo(to, "%s%s:", to->len > 1 ? "," : "", key.data);
		if (item.type == jbvBinary)
			(void) JsonbToCString(to, item.val.binary.data, item.val.binary.len);
		else
		{
			Jsonb *scalar = JsonbValueToJsonb(&item);
			char *text = JsonbToCString(NULL, &scalar->root, VARSIZE(scalar));

			appendStringInfoString(to, text);
		}
	}
	appendStringInfoChar(to, '}');
}

static bool
column_given(const EncodeColumn *column, TupleTableSlot *slot)
{
	return column != NULL && !slot->tts_isnull[column->index];
}

static void
encode_json(Encoder *encoder, TupleTableSlot *slot, EncodedMessage *message)
{
	StringInfoData json;
	bool any;

	initStringInfo(&json);
	any = encoder->root->children != NIL && write_children(encoder->root, slot, &json);
	if (column_given(encoder->value, slot))
	{
		if (any || column_given(encoder->rest, slot))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("column \"%s\" is the whole message, so other fields cannot be given",
							encoder->value->name)));
		json_writer_text(&encoder->value->writer, slot->tts_values[encoder->value->index],
						 &message->value, &message->value_length);
		return;
	}
	/* What reads as a row of NULLs is written as that: a tombstone. */
	if (!any && encoder->compacted && !column_given(encoder->rest, slot))
		return;
	if (!any)
		appendStringInfoString(&json, "{}");
	if (column_given(encoder->rest, slot))
		write_rest(encoder, slot, &json);
	message->value = pg_server_to_any(json.data, json.len, PG_UTF8);
	message->value_length =
		message->value == json.data ? (size_t) json.len : strlen(message->value);
}

/* ---- metadata ------------------------------------------------------------------------------ */

static int64
column_integer(EncodeColumn *column, TupleTableSlot *slot)
{
	Datum value = slot->tts_values[column->index];

	if (column->writer.type == INT8OID)
		return DatumGetInt64(value);
	if (column->writer.type == INT4OID)
		return DatumGetInt32(value);
	/* numeric or text: as bigint reads it, with bigint's errors */
	return DatumGetInt64(DirectFunctionCall1(
		int8in, CStringGetDatum(OutputFunctionCall(&column->writer.output, value))));
}

static int32
encode_partition(EncodeColumn *column, TupleTableSlot *slot)
{
	int64 partition = column_integer(column, slot);

	if (partition < 0 || partition > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("partition " INT64_FORMAT " in column \"%s\" is out of range",
							   partition, column->name)));
	return (int32) partition;
}

static int64
encode_timestamp(EncodeColumn *column, TupleTableSlot *slot)
{
	int64 ms;

	if (column->writer.type == INT8OID)
		ms = column_integer(column, slot);
	else
	{
		TimestampTz value = DatumGetTimestampTz(slot->tts_values[column->index]);

		if (TIMESTAMP_NOT_FINITE(value))
			ms = -1;
		else
			ms = (value - UNIX_EPOCH) / 1000;
	}
	if (ms <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp of a message in column \"%s\" is out of range", column->name),
				 errdetail("Kafka's timestamps are milliseconds after 1970.")));
	return ms;
}

/* One member of a header's object: a string's bytes, or NULL. */
static char *
header_member(JsonbContainer *object, const char *member, EncodeColumn *column, size_t *length)
{
	JsonbValue buffer;
	JsonbValue *found = getKeyJsonValueFromContainer(object, member, (int) strlen(member), &buffer);
	char *text;

	*length = 0;
	if (found == NULL || found->type == jbvNull)
		return NULL;
	if (found->type != jbvString)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
						errmsg("\"%s\" of a header in column \"%s\" must be a string", member,
							   column->name)));
	text = pnstrdup(found->val.string.val, found->val.string.len);
	text = pg_server_to_any(text, found->val.string.len, PG_UTF8);
	*length = strlen(text);
	return text;
}

/* A member, or its other form in base64 for bytes that are no text. */
static char *
header_bytes(JsonbContainer *object, const char *member, const char *base64, EncodeColumn *column,
			 size_t *length)
{
	char *text = header_member(object, member, column, length);
	char *bytes;
	int decoded;

	if (text != NULL)
		return text;
	text = header_member(object, base64, column, length);
	if (text == NULL)
		return NULL;
	bytes = palloc0(pg_b64_dec_len((int) *length) + 1);
	decoded = pg_b64_decode(text, (int) *length, (void *) bytes, pg_b64_dec_len((int) *length));
	if (decoded < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" of a header in column \"%s\" is not valid base64", base64,
							   column->name)));
	*length = decoded;
	return bytes;
}

static void
encode_headers(EncodeColumn *column, TupleTableSlot *slot, EncodedMessage *message)
{
	Datum value = slot->tts_values[column->index];
	Jsonb *headers = column->writer.type == JSONBOID
						 ? DatumGetJsonbP(value)
						 : DatumGetJsonbP(DirectFunctionCall1(
							   jsonb_in, CStringGetDatum(TextDatumGetCString(value))));
	uint32 n =
		JB_ROOT_IS_ARRAY(headers) && !JB_ROOT_IS_SCALAR(headers) ? JB_ROOT_COUNT(headers) : 0;

	if (!JB_ROOT_IS_ARRAY(headers) || JB_ROOT_IS_SCALAR(headers))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" must hold an array of headers", column->name),
				 errhint("Write headers like [{\"name\": \"trace\", \"value\": \"abc\"}].")));
	message->headers = palloc_array(MessageHeader, n);
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(&headers->root, i);
		MessageHeader *header = &message->headers[i];
		size_t length = 0;

		if (item->type == jbvBinary && JsonContainerIsObject(item->val.binary.data))
		{
			header->name =
				header_bytes(item->val.binary.data, "name", "name_base64", column, &length);
			header->value = header_bytes(item->val.binary.data, "value", "base64", column,
										 &header->value_length);
		}
		else
			header->name = NULL;
		if (header->name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
					 errmsg("a header in column \"%s\" has no name", column->name),
					 errhint("Write headers like [{\"name\": \"trace\", \"value\": \"abc\"}].")));
	}
	message->nheaders = (int) n;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void
encode_message(Encoder *encoder, TupleTableSlot *slot, EncodedMessage *message)
{
	ListCell *cell;

	if (column_given(encoder->offset, slot))
		ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
						errmsg("cannot insert a value into column \"%s\"", encoder->offset->name),
						errdetail("Kafka numbers a topic's messages.")));
	if (column_given(encoder->key, slot))
		json_writer_text(&encoder->key->writer, slot->tts_values[encoder->key->index],
						 &message->key, &message->key_length);
	if (column_given(encoder->partition, slot))
		message->partition = encode_partition(encoder->partition, slot);
	if (column_given(encoder->timestamp, slot))
		message->timestamp_ms = encode_timestamp(encoder->timestamp, slot);
	foreach (cell, encoder->days)
		check_day(lfirst(cell), slot, &(MessageView){.timestamp_ms = message->timestamp_ms},
				  column_given(encoder->timestamp, slot) ? encoder->timestamp->name : NULL);
	if (column_given(encoder->headers, slot))
		encode_headers(encoder->headers, slot, message);
	if (encoder->format == FORMAT_JSON)
		encode_json(encoder, slot, message);
	else if (column_given(encoder->value, slot))
		json_writer_text(&encoder->value->writer, slot->tts_values[encoder->value->index],
						 &message->value, &message->value_length);
}

void
encoder_row(Encoder *encoder, TupleTableSlot *slot, EncodedMessage *message)
{
	int level = json_write_settings();

	*message = (EncodedMessage){.partition = -1};
	slot_getallattrs(slot);
	encode_message(encoder, slot, message);
	if (level >= 0)
		AtEOXact_GUC(true, level);
}
