/*
 * From the bytes of one message to the Datums of one row.
 *
 * A decoder is made once per source from its columns and then used for every message. The common
 * types are parsed here without ereport, so that a bad value costs no subtransaction: the caller
 * gets a DecodeError. Columns of other types call the type's input function, which may throw; then
 * decoder_may_throw() is true, and the caller guards the call (see fdw/source.h).
 *
 * Knows nothing of Kafka, SPI or foreign tables.
 */
#ifndef TELEMETRY_DECODE_DECODER_H
#define TELEMETRY_DECODE_DECODER_H

#include "postgres.h"

/* A header of a message; the value may be NULL (length 0). Bytes need not be valid text. */
typedef struct MessageHeader
{
	const char *name;
	const char *value; /* NULL: the header has no value */
	size_t value_length;
} MessageHeader;

/* One message as a decoder sees it. All pointers belong to the caller and outlive the row. */
typedef struct MessageView
{
	const char *value; /* NULL: a tombstone */
	size_t value_length;
	const char *key; /* NULL: the message has no key */
	size_t key_length;
	int64 offset;
	int64 timestamp_ms; /* Unix epoch; -1: the topic has none */
	bool append_time;   /* timestamp is the broker's LogAppendTime, not the producer's CreateTime */
	int32 partition;
	int nheaders; /* filled only when decoder_needs_headers() */
	const MessageHeader *headers;
} MessageView;

typedef enum DecodeFormat
{
	FORMAT_JSON,  /* value is one JSON object; columns take fields by path */
	FORMAT_TEXT,  /* value is text; columns take it as metadata 'value' */
	FORMAT_BYTES, /* value is bytes; same, bytea */
} DecodeFormat;

typedef enum ColumnOrigin
{
	ORIGIN_FIELD, /* a JSON field, by path */
	ORIGIN_KEY,
	ORIGIN_VALUE,
	ORIGIN_PARTITION,
	ORIGIN_OFFSET,
	ORIGIN_TIMESTAMP,
	ORIGIN_HEADERS, /* jsonb/json: array of {"name": ..., "value": ...} objects (order, duplicates
					   kept); what is not text has "value": null and "base64" */
	ORIGIN_REST     /* jsonb/json: every top-level field that no column names */
} ColumnOrigin;

typedef enum TimestampFormat
{
	TIMESTAMP_ISO8601, /* a string; a number is an error */
	TIMESTAMP_EPOCH_S, /* a number (or a string of one), fractions exact to the microsecond */
	TIMESTAMP_EPOCH_MS,
	TIMESTAMP_EPOCH_US,
	TIMESTAMP_EPOCH_NS
} TimestampFormat;

typedef struct DecoderColumn
{
	const char *name;
	int index; /* position in the values array (attnum - 1) */
	Oid type;
	int32 typmod;
	ColumnOrigin origin;
	const char
		*path; /* ORIGIN_FIELD: as written in the option; NULL: the column's name, verbatim */
	TimestampFormat timestamp_format;
	bool has_timestamp_format; /* it was given, and so must mean something */
	const char
		*time_zone; /* of a date: the day of the instant in that zone; NULL: as it is written */
} DecoderColumn;

typedef struct DecoderSpec
{
	DecodeFormat format;
	int natts; /* length of the values arrays; attributes without a column (dropped) become NULL */
	int ncolumns;
	const DecoderColumn *columns;
} DecoderSpec;

/* What is wrong with a message. Texts live in the context that was current in decoder_row(). */
typedef struct DecodeError
{
	int sqlstate;           /* as MAKE_SQLSTATE() */
	char *message;          /* primary message, with the value (shortened) */
	const char *column;     /* the column it was meant for, or NULL: the document as a whole */
	const char *constraint; /* name of the violated constraint, or NULL */
} DecodeError;

typedef struct Decoder Decoder;

/*
 * Compiles the columns. Errors (an unparsable path, a type that cannot be decoded) are ereported.
 */
extern Decoder *decoder_create(const DecoderSpec *spec, MemoryContext context);

/* Checks the syntax of a path option: ereports with a hint if it cannot be parsed. */
extern void decoder_check_path(const char *path);

/* Checks that there is a time zone of that name: ereports with a hint if not. */
extern void decoder_check_time_zone(const char *name);

extern bool decoder_needs_headers(const Decoder *decoder);

/* True when a column's type is parsed by its own input function, which may ereport. */
extern bool decoder_may_throw(const Decoder *decoder);

/*
 * Decodes one message into values[]/isnull[] (both of spec.natts), allocating in the current
 * memory context. False: the message is bad, *error says why, and the arrays hold nothing of use.
 * A tombstone gives NULL for every field. Cheap to call: no allocation besides the values. Needs a
 * transaction where decoder_may_throw(), or where the database's encoding is not UTF8.
 */
extern bool decoder_row(Decoder *decoder, const MessageView *message, Datum *values, bool *isnull,
						DecodeError *error);

/* The column whose input function was running when an error was thrown out of decoder_row(). */
extern const char *decoder_current_column(const Decoder *decoder);

/*
 * After an error was thrown: whether that function threw it, at nothing but the text that it was
 * given, and no check of a domain's. Forgotten by being asked.
 */
extern bool decoder_input_threw(Decoder *decoder);

#endif
