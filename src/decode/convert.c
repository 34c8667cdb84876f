/*
 * Tokens to Datums: which way a type goes. See convert.h.
 */
#include "decode/convert.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/errcodes.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "decode/text.h"

static ConvertKind
kind_of_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return CONVERT_INT2;
		case INT4OID:
			return CONVERT_INT4;
		case INT8OID:
			return CONVERT_INT8;
		case NUMERICOID:
			return CONVERT_NUMERIC;
		case FLOAT4OID:
			return CONVERT_FLOAT4;
		case FLOAT8OID:
			return CONVERT_FLOAT8;
		case BOOLOID:
			return CONVERT_BOOL;
		case TEXTOID:
			return CONVERT_TEXT;
		case VARCHAROID:
			return CONVERT_VARCHAR;
		case BPCHAROID:
			return CONVERT_CHAR;
		case TIMESTAMPTZOID:
			return CONVERT_TIMESTAMPTZ;
		case TIMESTAMPOID:
			return CONVERT_TIMESTAMP;
		case DATEOID:
			return CONVERT_DATE;
		case TIMEOID:
			return CONVERT_TIME;
		case UUIDOID:
			return CONVERT_UUID;
		case BYTEAOID:
			return CONVERT_BYTEA;
		case JSONOID:
			return CONVERT_JSON;
		case JSONBOID:
			return CONVERT_JSONB;
	}
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return CONVERT_DOMAIN;
		case TYPTYPE_COMPOSITE:
			return CONVERT_COMPOSITE;
	}
	if (OidIsValid(get_element_type(type)))
		return CONVERT_ARRAY;
	return CONVERT_INPUT;
}

/* Rows, arrays and ranges may be of domains, whose checks their input function runs then. */
static bool
input_runs_checks(Oid type)
{
	TupleDesc attributes;
	bool runs = false;

	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return true;
		case TYPTYPE_RANGE:
			return input_runs_checks(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return input_runs_checks(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			attributes = lookup_rowtype_tupdesc_copy(type, -1);
			for (int i = 0; i < attributes->natts && !runs; i++)
				runs = !TupleDescAttr(attributes, i)->attisdropped &&
					   input_runs_checks(TupleDescAttr(attributes, i)->atttypid);
			FreeTupleDesc(attributes);
			return runs;
		default:
			return OidIsValid(get_element_type(type)) && input_runs_checks(get_element_type(type));
	}
}

Converter *
converter_create(Oid type, int32 typmod, TimestampFormat timestamp_format, Document *document)
{
	Converter *converter = palloc0(sizeof(Converter));
	Oid input;
	Oid inner;
	int32 inner_typmod = typmod;

	converter->kind = kind_of_type(type);
	converter->type = type;
	converter->typmod = typmod;
	converter->timestamp_format = timestamp_format;
	converter->type_name = format_type_be(type);
	converter->context = CurrentMemoryContext;
	converter->document = document;

	switch (converter->kind)
	{
		case CONVERT_DOMAIN:
			inner = getBaseTypeAndTypmod(type, &inner_typmod);
			converter->inner = converter_create(inner, inner_typmod, timestamp_format, document);
			break;
		case CONVERT_ARRAY:
			inner = get_element_type(type);
			converter->inner = converter_create(inner, typmod, timestamp_format, document);
			get_typlenbyvalalign(inner, &converter->inner_length, &converter->inner_by_value,
								 &converter->inner_align);
			break;
		default:
			break;
	}
	if (converter->kind == CONVERT_INPUT || converter->kind == CONVERT_ARRAY ||
		converter->kind == CONVERT_COMPOSITE)
	{
		/* ereports for pseudo-types and shells */
		getTypeInputInfo(type, &input, &converter->ioparam);
		fmgr_info(input, &converter->input);
		converter->own_input = !input_runs_checks(type);
	}
	return converter;
}

bool
converter_input_threw(Converter *converter)
{
	bool threw = false;

	for (; converter != NULL; converter = converter->inner)
	{
		threw |= converter->in_input;
		converter->in_input = false;
		if (converter->composite != NULL)
			threw |= composite_input_threw(converter->composite);
	}
	return threw;
}

bool
converter_may_throw(const Converter *converter)
{
	return converter->kind == CONVERT_INPUT || converter->kind == CONVERT_ARRAY ||
		   converter->kind == CONVERT_DOMAIN || converter->kind == CONVERT_COMPOSITE;
}

bool
converter_is_json(const Converter *converter)
{
	if (converter->kind == CONVERT_DOMAIN)
		return converter_is_json(converter->inner);
	return converter->kind == CONVERT_JSON || converter->kind == CONVERT_JSONB;
}

bool
converter_is_time(const Converter *converter)
{
	switch (converter->kind)
	{
		case CONVERT_TIMESTAMPTZ:
		case CONVERT_TIMESTAMP:
		case CONVERT_DATE:
		case CONVERT_TIME:
			return true;
		case CONVERT_ARRAY:
		case CONVERT_DOMAIN:
			return converter_is_time(converter->inner);
		default:
			return false;
	}
}

bool
convert_by_input(Converter *converter, const JsonToken *token, Datum *value, DecodeError *error)
{
	const char *bytes;
	size_t length;

	if (!text_of_token(token, &bytes, &length, error))
		return false;
	converter->in_input = converter->own_input;
	*value = InputFunctionCall(&converter->input, pnstrdup(bytes, length), converter->ioparam,
							   converter->typmod);
	converter->in_input = false;
	return true;
}

/* varchar(n) and char(n): n counts characters; only blanks may be cut off. */
static bool
convert_limited(Converter *converter, const JsonToken *token, Datum *value, DecodeError *error)
{
	int limit = converter->typmod - VARHDRSZ;
	const char *bytes;
	size_t length;
	size_t characters;
	char *datum;

	if (converter->typmod < (int32) VARHDRSZ)
		return text_datum_of_token(token, value, error);
	if (!text_of_token(token, &bytes, &length, error))
		return false;

	/* No character takes less than a byte, so that short strings need no counting. */
	characters = length;
	if (length > (size_t) limit || converter->kind == CONVERT_CHAR)
		characters = pg_mbstrlen_with_len(bytes, length);
	if (characters > (size_t) limit)
	{
		size_t kept = pg_mbcharcliplen(bytes, length, limit);

		for (size_t i = kept; i < length; i++)
		{
			if (bytes[i] != ' ')
				return decode_fail(error, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
								   "value too long for type %s(%d): \"%s\"", converter->type_name,
								   limit, decode_excerpt(bytes, length));
		}
		length = kept;
		characters = limit;
	}
	if (converter->kind == CONVERT_VARCHAR)
	{
		*value = text_datum(bytes, length);
		return true;
	}

	datum = palloc(VARHDRSZ + length + (limit - characters));
	SET_VARSIZE(datum, VARHDRSZ + length + (limit - characters));
	memcpy(datum + VARHDRSZ, bytes, length);
	memset(datum + VARHDRSZ + length, ' ', limit - characters);
	*value = PointerGetDatum(datum);
	return true;
}

void
converter_check_domain(Converter *converter, Datum value, bool isnull)
{
	domain_check(value, isnull, converter->type, &converter->domain_cache, converter->context);
}

static bool
convert_domain(Converter *converter, const JsonToken *token, Datum *value, bool *isnull,
			   DecodeError *error)
{
	if (!convert_token(converter->inner, token, value, isnull, error))
		return false;
	converter_check_domain(converter, *value, *isnull);
	return true;
}

/* Types whose text is parsed by hand. */
static bool
convert_from_text(Converter *converter, const JsonToken *token, Datum *value, DecodeError *error)
{
	const char *bytes;
	size_t length;

	if (converter->kind == CONVERT_BOOL && (token->kind == KIND_TRUE || token->kind == KIND_FALSE))
	{
		*value = BoolGetDatum(token->kind == KIND_TRUE);
		return true;
	}
	if (!text_of_token(token, &bytes, &length, error))
		return false;
	switch (converter->kind)
	{
		case CONVERT_BOOL:
			return scalar_bool(bytes, length, value, error);
		case CONVERT_UUID:
			return scalar_uuid(bytes, length, value, error);
		default:
			return scalar_bytea(bytes, length, value, error);
	}
}

bool
convert_token(Converter *converter, const JsonToken *token, Datum *value, bool *isnull,
			  DecodeError *error)
{
	*isnull = token->kind <= KIND_NULL;
	if (*isnull && converter->kind != CONVERT_DOMAIN)
	{
		*value = (Datum) 0;
		return true;
	}

	switch (converter->kind)
	{
		case CONVERT_INT2:
		case CONVERT_INT4:
		case CONVERT_INT8:
		case CONVERT_NUMERIC:
		case CONVERT_FLOAT4:
		case CONVERT_FLOAT8:
			return scalar_number(converter, token, value, error);
		case CONVERT_TEXT:
			return text_datum_of_token(token, value, error);
		case CONVERT_VARCHAR:
		case CONVERT_CHAR:
			return convert_limited(converter, token, value, error);
		case CONVERT_TIMESTAMPTZ:
		case CONVERT_TIMESTAMP:
		case CONVERT_DATE:
		case CONVERT_TIME:
			return scalar_time(converter, token, value, error);
		case CONVERT_BOOL:
		case CONVERT_UUID:
		case CONVERT_BYTEA:
			return convert_from_text(converter, token, value, error);
		case CONVERT_JSON:
			return document_json_of_token(token, value, error);
		case CONVERT_JSONB:
			return document_jsonb_of_token(converter->document, token, value, error);
		case CONVERT_ARRAY:
			return convert_array(converter, token, value, error);
		case CONVERT_DOMAIN:
			*value = (Datum) 0;
			return convert_domain(converter, token, value, isnull, error);
		case CONVERT_COMPOSITE:
			return convert_composite(converter, token, value, error);
		case CONVERT_INPUT:
			return convert_by_input(converter, token, value, error);
	}
	pg_unreachable();
}
