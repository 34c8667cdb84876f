/*
 * The readable form: hll/1;precision=14;form=tokens;stored=3;\xf101ae80...
 *
 * The bytes in hexadecimal say everything; what stands before them is for people, but must agree.
 */
#include "sketch/hll_internal.h"

#include <stdio.h>

#include "sketch/hex.h"

static const char *const forms[] = {"",      "tokens",        "explicit",        "sparse",
									"dense", "tokens, loose", "registers, loose"};

const char *
hll_form_name(const HllView *view)
{
	return forms[view->kind];
}

/* Without the bytes; returns its length, less than HLL_TEXT_HEAD. */
static size_t
write_head(const HllView *view, char *out)
{
	int length = view->kind == HLL_PACKED_DENSE
					 ? snprintf(out, HLL_TEXT_HEAD, "hll/1;precision=%d;form=%s;\\x",
								view->precision, forms[view->kind])
					 : snprintf(out, HLL_TEXT_HEAD, "hll/1;precision=%d;form=%s;stored=%u;\\x",
								view->precision, forms[view->kind], (unsigned) view->count);

	return (size_t) length;
}

void
hll_text_write(const HllView *view, const void *bytes, size_t length, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = bytes;

	out += write_head(view, out);
	for (size_t i = 0; i < length; i++)
	{
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

const char *
hll_text_read(const char *text, void *bytes, size_t *length, const SketchMemory *memory)
{
	const char *hex = strstr(text, ";\\x");
	uint8_t *out = bytes;
	char head[HLL_TEXT_HEAD];
	HllView view;
	const char *error;

	if (strncmp(text, "hll/1;", 6) != 0 || hex == NULL)
		return "it does not start with hll/1; and end with bytes in hexadecimal";
	hex += 3;
	*length = strlen(hex) / 2;
	if (hex[2 * *length] != '\0')
		return "the number of hexadecimal digits is odd";
	for (size_t i = 0; i < *length; i++)
	{
		int high = hex_value(hex[2 * i]);
		int low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return "the bytes are not in lower-case hexadecimal";
		out[i] = (uint8_t) (high << 4 | low);
	}
	error = hll_check(bytes, *length, memory);
	if (error != NULL)
		return error;
	(void) hll_view(bytes, *length, &view);
	if (write_head(&view, head) != (size_t) (hex - text) ||
		strncmp(text, head, (size_t) (hex - text)) != 0)
		return "what stands before the bytes does not agree with them";
	return NULL;
}
