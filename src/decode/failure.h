/*
 * How decoding says that a message is bad: fills a DecodeError, never ereports.
 */
#ifndef TELEMETRY_DECODE_FAILURE_H
#define TELEMETRY_DECODE_FAILURE_H

#include "postgres.h"

#include "decode/decoder.h"
#include "decode/json_scan.h"

/* Bytes of a value that an error shows. */
#define EXCERPT_LENGTH 80

/* ... and of a message that somebody wants to read. */
#define READABLE_LENGTH (1024 * 1024)

/*
 * Always false, so that it can be returned. The column is filled in by decoder_row(). Arguments
 * that come from a message must have gone through decode_excerpt().
 */
extern bool decode_fail(DecodeError *error, int sqlstate, const char *format, ...)
	__attribute__((format(printf, 3, 4))); /* clang does not know gcc's gnu_printf */

/*
 * A shortened copy of any bytes that every server encoding can hold: what is not valid text there
 * is written as \xHH.
 */
extern char *decode_excerpt(const char *bytes, size_t length);

/* The same for somebody who reads all of it: keeps tabs and ends of lines, and many more bytes. */
extern char *decode_readable(const char *bytes, size_t length);

/* "invalid input syntax for type %s: "%s"", the sentence that PostgreSQL's users know. */
extern bool decode_fail_syntax(DecodeError *error, int sqlstate, const char *type_name,
							   const char *bytes, size_t length);

/* A document that is not JSON. */
extern bool decode_fail_json(DecodeError *error, const JsonScan *scan);

#endif
