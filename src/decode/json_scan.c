/*
 * Tokens of JSON. See json_scan.h.
 */
#include "decode/json_scan.h"

#if defined(__SSE2__) && !defined(TELEMETRY_NO_SIMD)
#include <emmintrin.h>
#define SCAN_SSE2
#endif

/*
 * Bytes that end a plain run inside a string: quote, backslash, control characters, and everything
 * above 127, which has to be checked as UTF-8. The SSE2 loop below stops at the same bytes.
 */
static inline bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static inline const char *
skip_plain(const char *p, const char *end)
{
#ifdef SCAN_SSE2
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	while (end - p >= 16)
	{
		__m128i chunk = _mm_loadu_si128((const __m128i *) p);

		/* Signed: bytes above 127 are negative, so "less than space" takes them, too. */
		__m128i stop = _mm_or_si128(
			_mm_cmplt_epi8(chunk, space),
			_mm_or_si128(_mm_cmpeq_epi8(chunk, quote), _mm_cmpeq_epi8(chunk, backslash)));
		int mask = _mm_movemask_epi8(stop);

		if (mask != 0)
			return p + __builtin_ctz(mask);
		p += 16;
	}
#endif
	while (p < end && is_plain((unsigned char) *p))
		p++;
	return p;
}

static inline bool
is_continuation(const char *p)
{
	return ((unsigned char) *p & 0xC0) == 0x80;
}

int
utf8_sequence_length(const char *p, const char *end)
{
	unsigned char c = (unsigned char) *p;
	size_t left = end - p;

	if (c < 0xC2) /* a continuation byte, or an overlong form of one byte */
		return 0;
	if (c < 0xE0)
		return left >= 2 && is_continuation(p + 1) ? 2 : 0;
	if (c < 0xF0)
	{
		unsigned char second;

		if (left < 3 || !is_continuation(p + 1) || !is_continuation(p + 2))
			return 0;
		second = (unsigned char) p[1];
		if (c == 0xE0 && second < 0xA0) /* overlong */
			return 0;
		if (c == 0xED && second > 0x9F) /* a surrogate */
			return 0;
		return 3;
	}
	if (c < 0xF5)
	{
		unsigned char second;

		if (left < 4 || !is_continuation(p + 1) || !is_continuation(p + 2) ||
			!is_continuation(p + 3))
			return 0;
		second = (unsigned char) p[1];
		if (c == 0xF0 && second < 0x90) /* overlong */
			return 0;
		if (c == 0xF4 && second > 0x8F) /* past U+10FFFF */
			return 0;
		return 4;
	}
	return 0;
}

size_t
utf8_valid_prefix(const char *bytes, size_t length, bool *wide)
{
	const char *p = bytes;
	const char *end = bytes + length;

	*wide = false;
	while (p < end)
	{
		if ((unsigned char) *p < 0x80)
		{
			if (*p == '\0')
				break;
			p++;
		}
		else
		{
			int n = utf8_sequence_length(p, end);

			if (n == 0)
				break;
			*wide = true;
			p += n;
		}
	}
	return p - bytes;
}

static inline bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* p stands at a backslash. */
static const char *
scan_escape(JsonScan *scan, const char *p)
{
	if (scan->end - p < 2)
		return json_fault(scan, FAULT_END, scan->end);
	switch (p[1])
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			return p + 2;
		case 'u':
			for (int i = 2; i < 6; i++)
			{
				if (p + i >= scan->end)
					return json_fault(scan, FAULT_END, scan->end);
				if (!is_hex(p[i]))
					return json_fault(scan, FAULT_ESCAPE, p);
			}
			return p + 6;
		default:
			return json_fault(scan, FAULT_ESCAPE, p);
	}
}

const char *
json_scan_string(JsonScan *scan, const char *p, JsonToken *token)
{
	const char *start = p;
	uint8 flags = 0;

	for (;;)
	{
		unsigned char c;

		p = skip_plain(p, scan->end);
		if (unlikely(p >= scan->end))
			return json_fault(scan, FAULT_END, scan->end);
		c = (unsigned char) *p;
		if (c == '"')
			break;
		if (c == '\\')
		{
			flags |= TOKEN_ESCAPED;
			p = scan_escape(scan, p);
			if (p == NULL)
				return NULL;
		}
		else if (c >= 0x80)
		{
			flags |= TOKEN_WIDE;

			/* Stay here while the text does: other scripts come in runs. */
			do
			{
				int n = utf8_sequence_length(p, scan->end);

				if (n == 0)
					return json_fault(scan, FAULT_UTF8, p);
				p += n;
			} while (p < scan->end && (unsigned char) *p >= 0x80);
		}
		else
			return json_fault(scan, FAULT_CONTROL, p);
	}

	token->start = start;
	token->length = (uint32) (p - start);
	token->kind = KIND_STRING;
	token->flags = flags;
	return p + 1;
}

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

static inline const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* Says whether a number that is not one ends too early or goes wrong. */
static const char *
number_fault(JsonScan *scan, const char *p)
{
	return p >= scan->end ? json_fault(scan, FAULT_END, p) : json_fault(scan, FAULT_NUMBER, p);
}

static const char *
scan_number(JsonScan *scan, const char *p, JsonToken *token)
{
	const char *start = p;
	const char *end = scan->end;
	uint8 flags = 0;

	if (*p == '-')
		p++;
	if (p >= end || !is_digit(*p))
		return number_fault(scan, p);
	if (*p == '0')
	{
		p++;
		if (p < end && is_digit(*p))
			return json_fault(scan, FAULT_NUMBER, p);
	}
	else
		p = skip_digits(p + 1, end);

	if (p < end && *p == '.')
	{
		p++;
		if (p >= end || !is_digit(*p))
			return number_fault(scan, p);
		p = skip_digits(p + 1, end);
		flags = TOKEN_FRACTIONAL;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p >= end || !is_digit(*p))
			return number_fault(scan, p);
		p = skip_digits(p + 1, end);
		flags = TOKEN_FRACTIONAL;
	}

	token->start = start;
	token->length = (uint32) (p - start);
	token->kind = KIND_NUMBER;
	token->flags = flags;
	return p;
}

static const char *
scan_word(JsonScan *scan, const char *p, const char *word, int length, JsonKind kind,
		  JsonToken *token)
{
	for (int i = 0; i < length; i++)
	{
		if (p + i >= scan->end)
			return json_fault(scan, FAULT_END, scan->end);
		if (p[i] != word[i])
			return json_fault(scan, FAULT_CHARACTER, p);
	}
	token->start = p;
	token->length = length;
	token->kind = kind;
	token->flags = 0;
	return p + length;
}

/*
 * What follows an element: a comma (then *more), or the closing bracket. Returns the place of the
 * next element, or what follows the bracket.
 */
static inline const char *
scan_separator(JsonScan *scan, const char *p, char close, bool *more)
{
	p = json_skip_space(p, scan->end);
	if (unlikely(p >= scan->end))
		return json_fault(scan, FAULT_END, p);
	if (*p == ',')
	{
		*more = true;
		return json_skip_space(p + 1, scan->end);
	}
	if (*p == close)
	{
		*more = false;
		return p + 1;
	}
	return json_fault(scan, FAULT_CHARACTER, p);
}

/* p stands behind the bracket. */
static const char *
scan_array(JsonScan *scan, const char *p, int depth)
{
	JsonToken element;
	bool more = true;

	p = json_skip_space(p, scan->end);
	if (p < scan->end && *p == ']')
		return p + 1;
	while (more)
	{
		p = json_scan_value(scan, p, depth, &element);
		if (p == NULL)
			return NULL;
		p = scan_separator(scan, p, ']', &more);
		if (p == NULL)
			return NULL;
	}
	return p;
}

/* p stands behind the brace. */
static const char *
scan_object(JsonScan *scan, const char *p, int depth)
{
	JsonToken member;
	bool more = true;

	p = json_skip_space(p, scan->end);
	if (p < scan->end && *p == '}')
		return p + 1;
	while (more)
	{
		if (p >= scan->end)
			return json_fault(scan, FAULT_END, p);
		if (*p != '"')
			return json_fault(scan, FAULT_CHARACTER, p);
		p = json_scan_string(scan, p + 1, &member);
		if (p == NULL)
			return NULL;
		p = json_skip_space(p, scan->end);
		if (p >= scan->end)
			return json_fault(scan, FAULT_END, p);
		if (*p != ':')
			return json_fault(scan, FAULT_CHARACTER, p);
		p = json_scan_value(scan, json_skip_space(p + 1, scan->end), depth, &member);
		if (p == NULL)
			return NULL;
		p = scan_separator(scan, p, '}', &more);
		if (p == NULL)
			return NULL;
	}
	return p;
}

const char *
json_scan_value(JsonScan *scan, const char *p, int depth, JsonToken *token)
{
	const char *start = p;
	bool object;

	if (unlikely(p >= scan->end))
		return json_fault(scan, FAULT_END, p);

	switch (*p)
	{
		case '"':
			return json_scan_string(scan, p + 1, token);
		case 't':
			return scan_word(scan, p, "true", 4, KIND_TRUE, token);
		case 'f':
			return scan_word(scan, p, "false", 5, KIND_FALSE, token);
		case 'n':
			return scan_word(scan, p, "null", 4, KIND_NULL, token);
		case '{':
		case '[':
			break;
		default:
			if (*p == '-' || is_digit(*p))
				return scan_number(scan, p, token);
			return json_fault(scan, FAULT_CHARACTER, p);
	}

	if (depth >= JSON_MAX_DEPTH)
		return json_fault(scan, FAULT_DEPTH, p);
	object = *p == '{';
	p = object ? scan_object(scan, p + 1, depth + 1) : scan_array(scan, p + 1, depth + 1);
	if (p == NULL)
		return NULL;
	token->start = start;
	token->length = (uint32) (p - start);
	token->kind = object ? KIND_OBJECT : KIND_ARRAY;
	token->flags = 0;
	return p;
}

const char *
json_fault_text(JsonFault fault)
{
	switch (fault)
	{
		case FAULT_END:
			return "the text ends too early";
		case FAULT_CHARACTER:
			return "unexpected character";
		case FAULT_NUMBER:
			return "not a number of JSON";
		case FAULT_CONTROL:
			return "control character in a string, which JSON wants escaped";
		case FAULT_ESCAPE:
			return "unknown escape in a string";
		case FAULT_UTF8:
			return "invalid UTF-8";
		case FAULT_DEPTH:
			return "nested too deeply";
		case FAULT_NONE:
			break;
	}
	return "no fault";
}
