#include "catalog/dead_letter.h"

#include "base/epoch.h"
#include "catalog/pg_type.h"
#include "base/spi.h"
#include "catalog/pipeline.h"
#include "decode/text.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static Datum
bytes_datum(const char *bytes, size_t length)
{
	bytea *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	if (length > 0)
		memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

/*
 * A header's name is text to Kafka, but nobody enforces it: what is no text, or none that the
 * database's encoding has, is shown as bytes. An error here would stop the pipeline at its message.
 */
static Datum
header_name_datum(const char *name)
{
	const char *text;
	size_t length;
	Datum hex;

	text_init();
	if (pg_verify_mbstr(PG_UTF8, name, strlen(name), true) &&
		text_fits_server(name, strlen(name), &text, &length))
		return text_datum(text, length);
	hex = DirectFunctionCall1(byteaout, bytes_datum(name, strlen(name)));
	return CStringGetTextDatum(DatumGetCString(hex));
}

static void
header_arrays(const MessageView *message, Datum *names, Datum *values)
{
	int n = message->nheaders;
	Datum *name = palloc(sizeof(Datum) * Max(n, 1));
	Datum *value = palloc(sizeof(Datum) * Max(n, 1));
	bool *isnull = palloc(sizeof(bool) * Max(n, 1));
	int dims[1] = {n};
	int bounds[1] = {1};

	for (int i = 0; i < n; i++)
	{
		const MessageHeader *header = &message->headers[i];

		name[i] = header_name_datum(header->name);
		isnull[i] = header->value == NULL;
		value[i] = isnull[i] ? (Datum) 0 : bytes_datum(header->value, header->value_length);
	}
	*names = PointerGetDatum(construct_array(name, n, TEXTOID, -1, false, TYPALIGN_INT));
	*values = PointerGetDatum(
		construct_md_array(value, isnull, 1, dims, bounds, BYTEAOID, -1, false, TYPALIGN_INT));
}

void
dead_letter_insert(int pipeline_id, const char *topic, const DeadLetter *letter)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, TEXTOID,  INT4OID,  INT8OID,      TIMESTAMPTZOID,
				   BOOLOID, BYTEAOID, BYTEAOID, INT8OID,      TEXTOID,
				   TEXTOID, TEXTOID,  TEXTOID,  TEXTARRAYOID, BYTEAARRAYOID};
	const MessageView *message = &letter->message;
	const DecodeError *error = &letter->error;
	char nulls[lengthof(types) + 1];
	Datum values[lengthof(types)];
	TimestampTz time;
	OwnSpi scope;

	own_spi_begin(&scope);
	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types)] = '\0';
	memset(values, 0, sizeof(values));
	values[0] = Int32GetDatum(pipeline_id);
	values[1] = CStringGetTextDatum(topic);
	values[2] = Int32GetDatum(message->partition);
	values[3] = Int64GetDatum(message->offset);
	if (epoch_time_of_ms(message->timestamp_ms, &time))
		values[4] = TimestampTzGetDatum(time);
	else
		nulls[4] = 'n';
	values[5] = BoolGetDatum(message->append_time);
	if (message->key)
		values[6] = bytes_datum(message->key, message->key_length);
	else
		nulls[6] = 'n';
	if (message->value)
		values[7] = bytes_datum(message->value, message->value_length);
	else
		nulls[7] = 'n';
	if (letter->value_length >= 0)
		values[8] = Int64GetDatum(letter->value_length);
	else
		nulls[8] = 'n';
	values[9] = CStringGetTextDatum(unpack_sql_state(error->sqlstate));
	values[10] = CStringGetTextDatum(error->message ? error->message : "");
	if (error->column)
		values[11] = CStringGetTextDatum(error->column);
	else
		nulls[11] = 'n';
	if (error->constraint)
		values[12] = CStringGetTextDatum(error->constraint);
	else
		nulls[12] = 'n';
	if (message->nheaders > 0)
		header_arrays(message, &values[13], &values[14]);
	else
		nulls[13] = nulls[14] = 'n';

	own_spi_run(&plan,
				"INSERT INTO telemetry._dead_letter (pipeline_id, topic, partition, \"offset\", "
				"kafka_timestamp, append_time, key, value, value_length, sqlstate, message, "
				"column_name, constraint_name, headers) "
				"SELECT p.pipeline_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
				"(SELECT array_agg(ROW(h.name, h.value)::telemetry.kafka_header ORDER BY h.n) "
				"FROM unnest($14, $15) WITH ORDINALITY AS h (name, value, n)) " PIPELINE_STAYS,
				lengthof(types), types, values, nulls);
	own_spi_end(&scope);
}

/* Bytes of a bytea column, copied; NULL for NULL. */
static const char *
bytes_of(uint64 row, int column, size_t *length, MemoryContext context)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);
	bytea *bytes;
	char *copy;

	*length = 0;
	if (isnull)
		return NULL;
	bytes = DatumGetByteaPP(value);
	*length = VARSIZE_ANY_EXHDR(bytes);
	copy = MemoryContextAllocHuge(context, *length + 1);
	memcpy(copy, VARDATA_ANY(bytes), *length);
	copy[*length] = '\0';
	return copy;
}

static void
read_headers(uint64 row, int column, MessageView *message, MemoryContext context)
{
	bool isnull;
	Datum names = own_spi_datum(row, column, &isnull);
	Datum values = own_spi_datum(row, column + 1, &isnull);
	Datum *name;
	Datum *value;
	bool *nulls;
	MessageHeader *headers;
	int n;

	deconstruct_array(DatumGetArrayTypeP(names), TEXTOID, -1, false, TYPALIGN_INT, &name, NULL, &n);
	deconstruct_array(DatumGetArrayTypeP(values), BYTEAOID, -1, false, TYPALIGN_INT, &value, &nulls,
					  &n);
	headers = MemoryContextAllocZero(context, sizeof(MessageHeader) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		char *string = TextDatumGetCString(name[i]);

		headers[i].name =
			MemoryContextStrdup(context, pg_server_to_any(string, strlen(string), PG_UTF8));
		if (!nulls[i])
		{
			bytea *bytes = DatumGetByteaPP(value[i]);
			char *copy;

			headers[i].value_length = VARSIZE_ANY_EXHDR(bytes);
			copy = MemoryContextAlloc(context, headers[i].value_length + 1);
			memcpy(copy, VARDATA_ANY(bytes), headers[i].value_length);
			headers[i].value = copy;
		}
	}
	message->nheaders = n;
	message->headers = headers;
}

List *
dead_letter_fetch(int pipeline_id, int64 after, int64 up_to, ArrayType *only, int limit,
				  int64 bytes, MemoryContext context)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, INT8OID, INT8OID, INT8ARRAYOID, INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int64GetDatum(after), Int64GetDatum(up_to),
					  PointerGetDatum(only),      Int32GetDatum(limit), Int64GetDatum(bytes)};
	List *list = NIL;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run(
		&plan,
		"SELECT dead_letter_id, partition, \"offset\", kafka_timestamp, append_time, "
		"key, value, value_length, "
		"array(SELECT h.name FROM unnest(headers) WITH ORDINALITY AS h (name, value, n) "
		"ORDER BY h.n), "
		"array(SELECT h.value FROM unnest(headers) WITH ORDINALITY AS h (name, value, n) "
		"ORDER BY h.n) "
		"FROM telemetry._dead_letter WHERE dead_letter_id = ANY (ARRAY("
		"SELECT n.dead_letter_id FROM (SELECT dead_letter_id, sum(length) OVER (ORDER BY "
		"dead_letter_id) - length AS before FROM (SELECT dead_letter_id, "
		"coalesce(octet_length(value), 0)::bigint AS length "
		"FROM telemetry._dead_letter WHERE pipeline_id = $1 AND dead_letter_id > $2 "
		"AND ($3 < 0 OR dead_letter_id <= $3) "
		"AND ($4 IS NULL OR dead_letter_id = ANY ($4)) "
		"ORDER BY dead_letter_id LIMIT $5) AS l) AS n WHERE n.before < $6)) "
		"ORDER BY dead_letter_id FOR UPDATE",
		6, types, values, only ? "      " : "   n  ");
	for (uint64 row = 0; row < n; row++)
	{
		DeadLetter *letter = MemoryContextAllocZero(context, sizeof(DeadLetter));
		MessageView *message = &letter->message;
		MemoryContext old;
		bool isnull;
		Datum time;

		letter->id = own_spi_int64(row, 1, 0);
		message->partition = own_spi_int32(row, 2, 0);
		message->offset = own_spi_int64(row, 3, 0);
		time = own_spi_datum(row, 4, &isnull);
		message->timestamp_ms = isnull ? -1 : (DatumGetTimestampTz(time) - UNIX_EPOCH) / 1000;
		message->append_time = DatumGetBool(own_spi_datum(row, 5, &isnull));
		message->key = bytes_of(row, 6, &message->key_length, context);
		message->value = bytes_of(row, 7, &message->value_length, context);
		letter->value_length = own_spi_int64(row, 8, -1);
		read_headers(row, 9, message, context);
		old = MemoryContextSwitchTo(context);
		list = lappend(list, letter);
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return list;
}

void
dead_letter_delete(int64 id)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(id)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan, "DELETE FROM telemetry._dead_letter WHERE dead_letter_id = $1", 1, types,
				values, NULL);
	own_spi_end(&scope);
}

void
dead_letter_failed_again(int64 id, const DecodeError *error)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	char nulls[] = {' ', ' ', ' ', error->column ? ' ' : 'n', error->constraint ? ' ' : 'n', '\0'};
	Datum values[5];
	OwnSpi scope;

	own_spi_begin(&scope);
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(unpack_sql_state(error->sqlstate));
	values[2] = CStringGetTextDatum(error->message ? error->message : "");
	values[3] = error->column ? CStringGetTextDatum(error->column) : (Datum) 0;
	values[4] = error->constraint ? CStringGetTextDatum(error->constraint) : (Datum) 0;
	own_spi_run(&plan,
				"UPDATE telemetry._dead_letter SET sqlstate = $2, message = $3, column_name = $4, "
				"constraint_name = $5, failed_at = clock_timestamp(), retries = retries + 1 "
				"WHERE dead_letter_id = $1",
				5, types, values, nulls);
	own_spi_end(&scope);
}

int64
dead_letter_purge(int pipeline_id, int64 before, ArrayType *only)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, TIMESTAMPTZOID, INT8ARRAYOID};
	Datum values[] = {Int32GetDatum(pipeline_id), TimestampTzGetDatum(before),
					  PointerGetDatum(only)};
	OwnSpi scope;
	int64 n;

	own_spi_begin(&scope);
	n = own_spi_run(&plan,
					"DELETE FROM telemetry._dead_letter WHERE pipeline_id = $1 "
					"AND failed_at < $2 AND ($3 IS NULL OR dead_letter_id = ANY ($3))",
					3, types, values, only ? "   " : "  n");
	own_spi_end(&scope);
	return n;
}
