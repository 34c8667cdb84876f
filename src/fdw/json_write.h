/*
 * Datums as JSON text, exactly: numbers keep all their digits, whatever the session's settings.
 */
#ifndef TELEMETRY_FDW_JSON_WRITE_H
#define TELEMETRY_FDW_JSON_WRITE_H

#include "postgres.h"

#include "decode/decoder.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

typedef struct JsonWriter
{
	const char *column; /* its name, for messages */
	Oid type;           /* of the column; of its base if that is a domain */
	bool epoch;         /* timestamp_format other than iso8601 */
	TimestampFormat timestamp_format;
	FmgrInfo to_json;
	FmgrInfo output;
} JsonWriter;

extern void json_writer_init(JsonWriter *writer, const char *column, Oid type, bool has_format,
							 TimestampFormat format);
extern void json_write(JsonWriter *writer, Datum value, StringInfo to);

/* The value as text in UTF-8, as the type's output function has it; bytea: its bytes. */
extern void json_writer_text(JsonWriter *writer, Datum value, const char **bytes, size_t *length);

/*
 * Sets what output functions look at (DateStyle, extra_float_digits, ...) so that nothing is lost.
 * Returns what AtEOXact_GUC() takes to undo it, or -1.
 */
extern int json_write_settings(void);

#endif
