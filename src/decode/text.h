/*
 * Text out of tokens: without escapes, and in the server's encoding.
 *
 * Messages are UTF-8. A server of another encoding gets its own; characters that it does not have
 * are an error of the message (22P05). SQL_ASCII keeps the bytes.
 */
#ifndef TELEMETRY_DECODE_TEXT_H
#define TELEMETRY_DECODE_TEXT_H

#include "postgres.h"

#include "base/compat.h"

#include "decode/failure.h"
#include "decode/json_scan.h"

/* Looks up the conversion; needs a transaction. To be called before anything below. */
extern void text_init(void);

/*
 * The value as text: a string without quotes and escapes, anything else as it stands in the
 * document. Points into the message where it can, else into new memory. Not terminated.
 */
extern bool text_of_token(const JsonToken *token, const char **bytes, size_t *length,
						  DecodeError *error);

/* The token as it stands in the document, strings with their quotes. */
extern bool text_of_raw(const JsonToken *token, const char **bytes, size_t *length,
						DecodeError *error);

/* Valid UTF-8 without zero bytes to the server's encoding; wide: it has bytes above 127. */
extern bool text_to_server(const char *utf8, size_t utf8_length, bool wide, const char **bytes,
						   size_t *length, DecodeError *error);

/* As text_to_server(), but the caller has other means if it fails. */
extern bool text_fits_server(const char *utf8, size_t utf8_length, const char **bytes,
							 size_t *length);

/* A text datum (not packed) of these bytes. */
extern Datum text_datum(const char *bytes, size_t length);

/* A text datum of text_of_token(). */
extern bool text_datum_of_token(const JsonToken *token, Datum *value, DecodeError *error);

/* Whether the inside of a JSON string, with its escapes, means the key. */
extern bool text_equals_escaped(const char *key, size_t key_length, const char *escaped,
								size_t escaped_length);

/*
 * Checks bytes that no JSON scanner has seen: UTF-8, no zero bytes. Gives a token of kind
 * KIND_STRING.
 */
extern bool text_check(const char *bytes, size_t length, JsonToken *token, DecodeError *error);

#endif
