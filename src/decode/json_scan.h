/*
 * JSON's grammar (RFC 8259, strict) over bytes that end anywhere: no terminator, no padding.
 *
 * Scanning checks everything that makes a text JSON (structure, numbers, escapes' form, UTF-8,
 * depth) and builds nothing. What cannot be held as text although it is JSON (\u0000, a lone
 * surrogate) is left to those who make text of it.
 *
 * Pure C: no allocation, no ereport.
 */
#ifndef TELEMETRY_DECODE_JSON_SCAN_H
#define TELEMETRY_DECODE_JSON_SCAN_H

#include "postgres.h"

/* Arrays and objects may nest this deep; the document itself is depth 1. */
#define JSON_MAX_DEPTH 512

typedef enum JsonKind
{
	KIND_NONE, /* no value: the field is missing */
	KIND_NULL,
	KIND_FALSE,
	KIND_TRUE,
	KIND_NUMBER,
	KIND_STRING,
	KIND_ARRAY,
	KIND_OBJECT
} JsonKind;

/* Flags of a token. */
#define TOKEN_ESCAPED    0x01 /* a string with a backslash */
#define TOKEN_WIDE       0x02 /* a string with bytes above 127 */
#define TOKEN_FRACTIONAL 0x04 /* a number with a point or an exponent */

/* A value's place in the message. Strings: without their quotes. */
typedef struct JsonToken
{
	const char *start;
	uint32 length;
	uint8 kind;  /* JsonKind */
	uint8 flags; /* TOKEN_* */
} JsonToken;

typedef enum JsonFault
{
	FAULT_NONE,
	FAULT_END,       /* the text ends too early */
	FAULT_CHARACTER, /* something else is due here */
	FAULT_NUMBER,
	FAULT_CONTROL, /* a control character inside a string */
	FAULT_ESCAPE,  /* a backslash and something JSON does not know */
	FAULT_UTF8,
	FAULT_DEPTH
} JsonFault;

/* The text being scanned. All functions below return NULL after they set fault and fault_at. */
typedef struct JsonScan
{
	const char *begin;
	const char *end;
	JsonFault fault;
	const char *fault_at;
} JsonScan;

/* p stands behind the opening quote; returns what follows the closing one. */
extern const char *json_scan_string(JsonScan *scan, const char *p, JsonToken *token);

/* p stands at the first byte of a value; returns what follows it. depth: containers around it. */
extern const char *json_scan_value(JsonScan *scan, const char *p, int depth, JsonToken *token);

/* Length of the valid UTF-8 sequence at p (its first byte is above 127); 0: it is none. */
extern int utf8_sequence_length(const char *p, const char *end);

/* Offset of the first byte that is not valid UTF-8 or is a zero byte; length: there is none. */
extern size_t utf8_valid_prefix(const char *bytes, size_t length, bool *wide);

/* What is wrong, for people. */
extern const char *json_fault_text(JsonFault fault);

static inline const char *
json_fault(JsonScan *scan, JsonFault fault, const char *at)
{
	scan->fault = fault;
	scan->fault_at = at;
	return NULL;
}

static inline const char *
json_skip_space(const char *p, const char *end)
{
	/* Nearly all producers write none: one comparison then. */
	while (p < end && (unsigned char) *p <= ' ' &&
		   (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* The bytes of a token as they stand in the document: a string with its quotes. */
static inline const char *
json_token_raw(const JsonToken *token, uint32 *length)
{
	int quote = token->kind == KIND_STRING ? 1 : 0;

	*length = token->length + 2 * quote;
	return token->start - quote;
}

#endif
