/*
 * One token to one Datum of a column's type.
 *
 * The rule behind all of it: a string's content, or any other token as it stands in the document,
 * is what the type's input is given. The types below are parsed here, with the same results, and
 * cannot throw; others go through their input function.
 */
#ifndef TELEMETRY_DECODE_CONVERT_H
#define TELEMETRY_DECODE_CONVERT_H

#include "postgres.h"

#include "base/compat.h"

#include "decode/decoder.h"
#include "decode/document.h"
#include "decode/failure.h"
#include "decode/json_scan.h"
#include "decode/zone.h"
#include "fmgr.h"

typedef enum ConvertKind
{
	CONVERT_INT2,
	CONVERT_INT4,
	CONVERT_INT8,
	CONVERT_NUMERIC,
	CONVERT_FLOAT4,
	CONVERT_FLOAT8,
	CONVERT_BOOL,
	CONVERT_TEXT,
	CONVERT_VARCHAR,
	CONVERT_CHAR, /* char(n) */
	CONVERT_TIMESTAMPTZ,
	CONVERT_TIMESTAMP,
	CONVERT_DATE,
	CONVERT_TIME,
	CONVERT_UUID,
	CONVERT_BYTEA,
	CONVERT_JSON,
	CONVERT_JSONB,
	CONVERT_ARRAY,
	CONVERT_DOMAIN,
	CONVERT_COMPOSITE,
	CONVERT_INPUT /* by the type's input function */
} ConvertKind;

typedef struct Composite Composite;
typedef struct Converter Converter;
struct Converter
{
	ConvertKind kind;
	Oid type;
	int32 typmod;
	TimestampFormat timestamp_format;
	const char *type_name; /* for errors, without typmod */
	MemoryContext context; /* of the decoder: for what is kept between rows */
	Document *document;    /* scratch, shared by all */
	ZoneClock *zone;       /* CONVERT_DATE: the day of an instant in that zone; or NULL */

	/* CONVERT_INPUT; CONVERT_ARRAY and CONVERT_COMPOSITE from a string */
	FmgrInfo input;
	Oid ioparam;
	bool own_input; /* it looks at nothing but the text: no check of a user's runs in it */
	bool in_input;  /* it runs, or has thrown an error */

	/* CONVERT_ARRAY: of the elements; CONVERT_DOMAIN: of the base type */
	Converter *inner;
	int16 inner_length;
	bool inner_by_value;
	char inner_align;

	void *domain_cache;

	Composite *composite; /* CONVERT_COMPOSITE: NULL before the first object */
};

/* Allocates in the current context, which has to live as long as the decoder. */
extern Converter *converter_create(Oid type, int32 typmod, TimestampFormat timestamp_format,
								   Document *document);

/* Whether an error can be thrown out of convert_token(). */
extern bool converter_may_throw(const Converter *converter);

/* After an error: whether such an input function threw it. Forgotten by being asked. */
extern bool converter_input_threw(Converter *converter);

/* json or jsonb, or a domain over it: takes documents rather than text. */
extern bool converter_is_json(const Converter *converter);

/* Times, dates, and arrays and domains of them: what a timestamp_format is for. */
extern bool converter_is_time(const Converter *converter);

/* token->kind may be KIND_NONE or KIND_NULL: a NULL, of which domains have an opinion. */
extern bool convert_token(Converter *converter, const JsonToken *token, Datum *value, bool *isnull,
						  DecodeError *error);

/* CONVERT_DOMAIN: ereports if a constraint does not hold. */
extern void converter_check_domain(Converter *converter, Datum value, bool isnull);

/* array.c: a JSON array, or a string in PostgreSQL's array syntax. */
extern bool convert_array(Converter *converter, const JsonToken *token, Datum *value,
						  DecodeError *error);

/* composite.c: a JSON object, or what the type's input takes; may throw. */
extern bool convert_composite(Converter *converter, const JsonToken *token, Datum *value,
							  DecodeError *error);

/* The same as converter_input_threw(), of its attributes. */
extern bool composite_input_threw(Composite *composite);

/* By the type's input function; may throw. */
extern bool convert_by_input(Converter *converter, const JsonToken *token, Datum *value,
							 DecodeError *error);

/* scalar.c: types parsed by hand, from text that is not null-terminated. */
extern bool scalar_uuid(const char *bytes, size_t length, Datum *value, DecodeError *error);
extern bool scalar_bytea(const char *bytes, size_t length, Datum *value, DecodeError *error);
extern bool scalar_bool(const char *bytes, size_t length, Datum *value, DecodeError *error);
extern bool scalar_number(const Converter *converter, const JsonToken *token, Datum *value,
						  DecodeError *error);
extern bool scalar_time(const Converter *converter, const JsonToken *token, Datum *value,
						DecodeError *error);

#endif
