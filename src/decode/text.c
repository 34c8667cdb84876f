/*
 * Text out of tokens. See text.h.
 */
#include "decode/text.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/errcodes.h"
#include "utils/memutils.h"

/* A conversion makes a text longer at most this many times. */
#define GROWTH MAX_CONVERSION_GROWTH

/* The database's encoding never changes under a running session. */
static bool server_keeps_utf8 = true; /* UTF8, or SQL_ASCII, which keeps anything */
static int server_encoding = PG_UTF8;
static Oid from_utf8 = InvalidOid;

void
text_init(void)
{
	server_encoding = GetDatabaseEncoding();
	server_keeps_utf8 = server_encoding == PG_UTF8 || server_encoding == PG_SQL_ASCII;
	if (!server_keeps_utf8 && !OidIsValid(from_utf8))
	{
		from_utf8 = FindDefaultConversionProc(PG_UTF8, server_encoding);
		if (!OidIsValid(from_utf8))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("default conversion function for encoding \"%s\" to \"%s\" does not "
							"exist",
							pg_encoding_to_char(PG_UTF8), pg_encoding_to_char(server_encoding))));
	}
}

/* How many of the bytes could be converted; all: *bytes and *length hold the result. */
static size_t
convert(const char *utf8, size_t utf8_length, const char **bytes, size_t *length)
{
	size_t size = utf8_length * GROWTH + 1;
	char *dest = palloc_extended(size, MCXT_ALLOC_HUGE);
	int converted;

	converted = pg_do_encoding_conversion_buf(
		from_utf8, PG_UTF8, server_encoding, (unsigned char *) utf8, (int) utf8_length,
		(unsigned char *) dest, (int) Min(size, PG_INT32_MAX), true);
	*bytes = dest;
	*length = strlen(dest);
	return converted;
}

bool
text_to_server(const char *utf8, size_t utf8_length, bool wide, const char **bytes, size_t *length,
			   DecodeError *error)
{
	size_t converted;

	*bytes = utf8;
	*length = utf8_length;
	if (likely(server_keeps_utf8) || !wide)
		return true;

	/* What the conversion may make of it has to be addressable by an int. */
	if (utf8_length > PG_INT32_MAX / GROWTH - 1)
		return decode_fail(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						   "text of %zu bytes is too long to be converted to encoding \"%s\"",
						   utf8_length, pg_encoding_to_char(server_encoding));

	converted = convert(utf8, utf8_length, bytes, length);
	if (converted < utf8_length)
		return decode_fail(
			error, ERRCODE_UNTRANSLATABLE_CHARACTER,
			"character with byte sequence \"%s\" in encoding \"UTF8\" has no equivalent in "
			"encoding \"%s\"",
			decode_excerpt(utf8 + converted,
						   utf8_sequence_length(utf8 + converted, utf8 + utf8_length)),
			pg_encoding_to_char(server_encoding));
	return true;
}

bool
text_fits_server(const char *utf8, size_t utf8_length, const char **bytes, size_t *length)
{
	*bytes = utf8;
	*length = utf8_length;
	if (server_keeps_utf8)
		return true;
	if (utf8_length > PG_INT32_MAX / GROWTH - 1)
		return false;
	return convert(utf8, utf8_length, bytes, length) == utf8_length;
}

static inline uint32
hex_value(char c)
{
	if (c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

static inline uint32
four_hex(const char *p)
{
	return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 | hex_value(p[2]) << 4 | hex_value(p[3]);
}

static char *
write_utf8(char *out, uint32 c)
{
	if (c < 0x80)
		*out++ = c;
	else if (c < 0x800)
	{
		*out++ = 0xC0 | (c >> 6);
		*out++ = 0x80 | (c & 0x3F);
	}
	else if (c < 0x10000)
	{
		*out++ = 0xE0 | (c >> 12);
		*out++ = 0x80 | ((c >> 6) & 0x3F);
		*out++ = 0x80 | (c & 0x3F);
	}
	else
	{
		*out++ = 0xF0 | (c >> 18);
		*out++ = 0x80 | ((c >> 12) & 0x3F);
		*out++ = 0x80 | ((c >> 6) & 0x3F);
		*out++ = 0x80 | (c & 0x3F);
	}
	return out;
}

typedef enum EscapeVerdict
{
	ESCAPE_OK,
	ESCAPE_ZERO,     /* \u0000 */
	ESCAPE_SURROGATE /* half of a pair */
} EscapeVerdict;

/* One escape whose form has been checked; p stands at the backslash. Returns what follows it. */
static const char *
read_escape(const char *p, const char *end, uint32 *c, EscapeVerdict *verdict)
{
	*verdict = ESCAPE_OK;
	switch (p[1])
	{
		case 'b':
			*c = '\b';
			return p + 2;
		case 'f':
			*c = '\f';
			return p + 2;
		case 'n':
			*c = '\n';
			return p + 2;
		case 'r':
			*c = '\r';
			return p + 2;
		case 't':
			*c = '\t';
			return p + 2;
		case 'u':
			break;
		default: /* quote, backslash, slash */
			*c = p[1];
			return p + 2;
	}

	*c = four_hex(p + 2);
	p += 6;
	if (*c == 0)
		*verdict = ESCAPE_ZERO;
	else if (*c >= 0xD800 && *c <= 0xDFFF)
	{
		uint32 low = 0;

		if (*c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u')
			low = four_hex(p + 2);
		if (low < 0xDC00 || low > 0xDFFF)
			*verdict = ESCAPE_SURROGATE;
		else
		{
			*c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
			p += 6;
		}
	}
	return p;
}

/* Into dest, which has room for token->length bytes: escapes are longer than what they mean. */
static bool
unescape(const JsonToken *token, char *dest, size_t *length, bool *wide, DecodeError *error)
{
	const char *p = token->start;
	const char *end = p + token->length;
	char *out = dest;

	*wide = (token->flags & TOKEN_WIDE) != 0;
	while (p < end)
	{
		const char *backslash = memchr(p, '\\', end - p);
		const char *escape;
		size_t run = (backslash != NULL ? backslash : end) - p;
		EscapeVerdict verdict;
		uint32 c;

		memcpy(out, p, run);
		out += run;
		p += run;
		if (backslash == NULL)
			break;

		escape = p;
		p = read_escape(p, end, &c, &verdict);
		if (verdict == ESCAPE_ZERO)
			return decode_fail(error, ERRCODE_UNTRANSLATABLE_CHARACTER,
							   "unsupported Unicode escape sequence: \\u0000 cannot be converted "
							   "to text");
		if (verdict == ESCAPE_SURROGATE)
			return decode_fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
							   "invalid JSON: half of a Unicode surrogate pair: \"%s\"",
							   decode_excerpt(escape, 6));
		if (c >= 0x80)
			*wide = true;
		out = write_utf8(out, c);
	}
	*length = out - dest;
	return true;
}

bool
text_of_token(const JsonToken *token, const char **bytes, size_t *length, DecodeError *error)
{
	bool wide = (token->flags & TOKEN_WIDE) != 0;

	if (token->kind == KIND_STRING && (token->flags & TOKEN_ESCAPED) != 0)
	{
		char *plain = palloc(token->length);
		size_t plain_length;

		if (!unescape(token, plain, &plain_length, &wide, error))
			return false;
		return text_to_server(plain, plain_length, wide, bytes, length, error);
	}
	if (token->kind == KIND_ARRAY || token->kind == KIND_OBJECT)
		wide = true; /* who knows */
	return text_to_server(token->start, token->length, wide, bytes, length, error);
}

bool
text_of_raw(const JsonToken *token, const char **bytes, size_t *length, DecodeError *error)
{
	uint32 raw_length;
	const char *raw = json_token_raw(token, &raw_length);

	return text_to_server(raw, raw_length, true, bytes, length, error);
}

Datum
text_datum(const char *bytes, size_t length)
{
	char *datum = palloc(VARHDRSZ + length);

	SET_VARSIZE(datum, VARHDRSZ + length);
	memcpy(datum + VARHDRSZ, bytes, length);
	return PointerGetDatum(datum);
}

bool
text_datum_of_token(const JsonToken *token, Datum *value, DecodeError *error)
{
	const char *bytes;
	size_t length;

	if (server_keeps_utf8 && token->kind == KIND_STRING && (token->flags & TOKEN_ESCAPED) != 0)
	{
		char *datum = palloc(VARHDRSZ + token->length);
		bool wide;

		if (!unescape(token, datum + VARHDRSZ, &length, &wide, error))
			return false;
		SET_VARSIZE(datum, VARHDRSZ + length);
		*value = PointerGetDatum(datum);
		return true;
	}
	if (!text_of_token(token, &bytes, &length, error))
		return false;
	*value = text_datum(bytes, length);
	return true;
}

bool
text_equals_escaped(const char *key, size_t key_length, const char *escaped, size_t escaped_length)
{
	const char *p = escaped;
	const char *end = escaped + escaped_length;
	const char *key_end = key + key_length;

	while (p < end)
	{
		char encoded[4];
		int n = 1;

		if (*p == '\\')
		{
			EscapeVerdict verdict;
			uint32 c;

			p = read_escape(p, end, &c, &verdict);
			if (verdict != ESCAPE_OK) /* no column can have such a name */
				return false;
			n = write_utf8(encoded, c) - encoded;
		}
		else
			encoded[0] = *p++;
		if (key_end - key < n || memcmp(key, encoded, n) != 0)
			return false;
		key += n;
	}
	return key == key_end;
}

bool
text_check(const char *bytes, size_t length, JsonToken *token, DecodeError *error)
{
	bool wide;
	size_t valid = utf8_valid_prefix(bytes, length, &wide);

	if (valid < length)
		return decode_fail(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
						   "invalid byte sequence for encoding \"UTF8\" at byte %zu: \"%s\"", valid,
						   decode_excerpt(bytes + valid, Min(length - valid, 4)));
	token->start = bytes;
	token->length = (uint32) length;
	token->kind = KIND_STRING;
	token->flags = wide ? TOKEN_WIDE : 0;
	return true;
}
