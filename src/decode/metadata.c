/*
 * Headers and rest, as json or jsonb. See metadata.h.
 */
#include "decode/metadata.h"

#include "lib/stringinfo.h"
#include "utils/errcodes.h"
#include "utils/memutils.h"

#include "decode/text.h"

/* A header's name or value as a member of its object. */
typedef struct HeaderPart
{
	const char *key;
	const char *bytes; /* NULL: null */
	size_t length;
	const char *base64_key; /* NULL: bytes are text */
	const char *base64;
	size_t base64_length;
} HeaderPart;

static char *
base64_encode(const char *bytes, size_t length, size_t *result_length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *result = palloc((length + 2) / 3 * 4 + 1);
	char *out = result;

	for (size_t i = 0; i < length; i += 3)
	{
		size_t left = length - i;
		uint32 group = (uint32) (unsigned char) bytes[i] << 16;

		if (left > 1)
			group |= (uint32) (unsigned char) bytes[i + 1] << 8;
		if (left > 2)
			group |= (uint32) (unsigned char) bytes[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[(group >> 12) & 63];
		*out++ = left > 1 ? digits[(group >> 6) & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
	}
	*result_length = out - result;
	return result;
}

static HeaderPart
header_part(const char *key, const char *base64_key, const char *bytes, size_t length)
{
	HeaderPart part = {.key = key};
	bool wide;

	if (bytes == NULL)
		return part;
	if (utf8_valid_prefix(bytes, length, &wide) == length &&
		(!wide || text_fits_server(bytes, length, &part.bytes, &part.length)))
	{
		if (!wide)
		{
			part.bytes = bytes;
			part.length = length;
		}
		return part;
	}
	part.bytes = NULL;
	part.base64_key = base64_key;
	part.base64 = base64_encode(bytes, length, &part.base64_length);
	return part;
}

static bool
add_part(Document *document, const HeaderPart *part, uint32 *count, DecodeError *error)
{
	(*count)++;
	if (!document_add_text(document, part->key, strlen(part->key), error))
		return false;
	if (part->bytes == NULL ? !document_add_null(document, error)
							: !document_add_text(document, part->bytes, part->length, error))
		return false;
	if (part->base64_key == NULL)
		return true;
	(*count)++;
	return document_add_text(document, part->base64_key, strlen(part->base64_key), error) &&
		   document_add_text(document, part->base64, part->base64_length, error);
}

static bool
headers_to_jsonb(Document *document, const MessageView *message, Datum *value, DecodeError *error)
{
	uint32 array;

	document_reset(document);
	if (!document_open(document, KIND_ARRAY, &array, error))
		return false;
	for (int i = 0; i < message->nheaders; i++)
	{
		const MessageHeader *header = &message->headers[i];
		HeaderPart name = header_part("name", "name_base64", header->name, strlen(header->name));
		HeaderPart content = header_part("value", "base64", header->value, header->value_length);
		uint32 object;
		uint32 count = 0;

		if (!document_open(document, KIND_OBJECT, &object, error) ||
			!add_part(document, &name, &count, error) ||
			!add_part(document, &content, &count, error))
			return false;
		document_close(document, object, count);
	}
	document_close(document, array, message->nheaders);
	return document_to_jsonb(document, value, error);
}

/* bytes: in the server's encoding, where no byte of a longer character is below 128 */
static void
append_string(StringInfo json, const char *bytes, size_t length)
{
	appendStringInfoChar(json, '"');
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c == '"' || c == '\\')
		{
			appendStringInfoChar(json, '\\');
			appendStringInfoChar(json, c);
		}
		else if (c < 0x20)
			appendStringInfo(json, "\\u%04x", c);
		else
			appendStringInfoChar(json, c);
	}
	appendStringInfoChar(json, '"');
}

static void
append_part(StringInfo json, const HeaderPart *part)
{
	appendStringInfo(json, "\"%s\": ", part->key);
	if (part->bytes == NULL)
		appendStringInfoString(json, "null");
	else
		append_string(json, part->bytes, part->length);
	if (part->base64_key != NULL)
	{
		appendStringInfo(json, ", \"%s\": ", part->base64_key);
		append_string(json, part->base64, part->base64_length);
	}
}

static bool
headers_to_json(const MessageView *message, Datum *value)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < message->nheaders; i++)
	{
		const MessageHeader *header = &message->headers[i];
		HeaderPart name = header_part("name", "name_base64", header->name, strlen(header->name));
		HeaderPart content = header_part("value", "base64", header->value, header->value_length);

		appendStringInfoString(&json, i > 0 ? ", {" : "{");
		append_part(&json, &name);
		appendStringInfoString(&json, ", ");
		append_part(&json, &content);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	*value = text_datum(json.data, json.len);
	return true;
}

bool
metadata_headers(Document *document, bool json, const MessageView *message, Datum *value,
				 DecodeError *error)
{
	size_t total = 0;

	/* What six bytes of a control character become has to fit an allocation. */
	for (int i = 0; i < message->nheaders; i++)
		total += strlen(message->headers[i].name) + message->headers[i].value_length + 64;
	if (total > MaxAllocSize / 8)
		return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						   "headers of %zu bytes are too long", total);
	return json ? headers_to_json(message, value)
				: headers_to_jsonb(document, message, value, error);
}

static bool
rest_to_json(const Walk *walk, Datum *value, DecodeError *error)
{
	size_t size = 2;
	char *json;
	char *p;
	const char *bytes;
	size_t length;

	for (uint32 i = 0; i < walk->nrest; i++)
		size += walk->rest[i].key.length + walk->rest[i].value.length + 8;
	json = palloc_extended(size, MCXT_ALLOC_HUGE);
	p = json;
	*p++ = '{';
	for (uint32 i = 0; i < walk->nrest; i++)
	{
		uint32 raw_length;
		const char *raw = json_token_raw(&walk->rest[i].key, &raw_length);

		if (i > 0)
		{
			*p++ = ',';
			*p++ = ' ';
		}
		memcpy(p, raw, raw_length);
		p += raw_length;
		*p++ = ':';
		*p++ = ' ';
		raw = json_token_raw(&walk->rest[i].value, &raw_length);
		memcpy(p, raw, raw_length);
		p += raw_length;
	}
	*p++ = '}';
	if (!text_to_server(json, p - json, true, &bytes, &length, error))
		return false;
	if (length > MaxAllocSize - VARHDRSZ)
		return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "JSON of %zu bytes is too long",
						   length);
	*value = text_datum(bytes, length);
	return true;
}

bool
metadata_rest(Document *document, bool json, const Walk *walk, Datum *value, DecodeError *error)
{
	uint32 node;

	if (json)
		return rest_to_json(walk, value, error);

	document_reset(document);
	if (!document_open(document, KIND_OBJECT, &node, error))
		return false;
	for (uint32 i = 0; i < walk->nrest; i++)
	{
		if (!document_add_member(document, &walk->rest[i].key, &walk->rest[i].value, error))
			return false;
	}
	document_close(document, node, walk->nrest);
	return document_to_jsonb(document, value, error);
}
