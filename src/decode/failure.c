/*
 * Errors of messages. See failure.h.
 */
#include "decode/failure.h"

#include <stdarg.h>

#include "mb/pg_wchar.h"
#include "utils/errcodes.h"

bool
decode_fail(DecodeError *error, int sqlstate, const char *format, ...)
{
	char buffer[512];
	va_list args;

	/* Ours are short: a sentence, a type's name and an excerpt. */
	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);

	error->sqlstate = sqlstate;
	error->message = pstrdup(buffer);
	error->column = NULL;
	error->constraint = NULL;
	return false;
}

/* Of the result at most limit bytes, and dots where that is not all. */
static char *
readable(const char *bytes, size_t length, size_t limit, const char *kept)
{
	static const char hex[] = "0123456789abcdef";
	bool server_utf8 = GetDatabaseEncoding() == PG_UTF8;
	const char *p = bytes;
	const char *end = bytes + length;
	char *result = palloc(Min(limit, 4 * length) + 8);
	char *out = result;

	while (p < end && (size_t) (out - result) < limit - 3)
	{
		unsigned char c = (unsigned char) *p;
		int n = c >= 0x80 && server_utf8 ? utf8_sequence_length(p, end) : 0;

		if ((c >= 0x20 && c < 0x7F) || (c != '\0' && strchr(kept, c) != NULL))
			*out++ = *p++;
		else if (n > 0)
		{
			memcpy(out, p, n);
			out += n;
			p += n;
		}
		else
		{
			*out++ = '\\';
			*out++ = 'x';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
			p++;
		}
	}
	if (p < end)
	{
		memcpy(out, "...", 3);
		out += 3;
	}
	*out = '\0';
	return result;
}

char *
decode_excerpt(const char *bytes, size_t length)
{
	return readable(bytes, length, EXCERPT_LENGTH, "");
}

char *
decode_readable(const char *bytes, size_t length)
{
	return readable(bytes, length, READABLE_LENGTH, "\t\r\n");
}

bool
decode_fail_syntax(DecodeError *error, int sqlstate, const char *type_name, const char *bytes,
				   size_t length)
{
	return decode_fail(error, sqlstate, "invalid input syntax for type %s: \"%s\"", type_name,
					   decode_excerpt(bytes, length));
}

bool
decode_fail_json(DecodeError *error, const JsonScan *scan)
{
	size_t offset = scan->fault_at - scan->begin;

	switch (scan->fault)
	{
		case FAULT_UTF8:
			return decode_fail(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							   "invalid byte sequence for encoding \"UTF8\" at byte %zu: \"%s\"",
							   offset,
							   decode_excerpt(scan->fault_at, Min(scan->end - scan->fault_at, 4)));
		case FAULT_DEPTH:
			return decode_fail(error, ERRCODE_STATEMENT_TOO_COMPLEX,
							   "JSON is nested deeper than %d levels, at byte %zu", JSON_MAX_DEPTH,
							   offset);
		case FAULT_END:
			return decode_fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
							   "invalid JSON: %s, at byte %zu", json_fault_text(scan->fault),
							   offset);
		default:
			return decode_fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
							   "invalid JSON: %s, at byte %zu: \"%s\"",
							   json_fault_text(scan->fault), offset,
							   decode_excerpt(scan->fault_at, Min(scan->end - scan->fault_at, 20)));
	}
}
