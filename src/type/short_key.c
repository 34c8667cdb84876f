/*
 * short_key(text): a text as it is or, where it is long, its beginning and its SHA-256. Equal for
 * texts of equal bytes and for no others, so that it can be grouped by in the place of the text.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "base/compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Texts of up to so many bytes are kept. */
#define LONGEST_KEPT 200

/*
 * Of a longer text: with what follows always more than is kept, even if the last character does not
 * fit; so that no text that is kept looks like a shortened one.
 */
#define BEGINNING 160
#define MARK      " sha256:"
#define DIGITS    64

StaticAssertDecl(BEGINNING - MAX_MULTIBYTE_CHAR_LEN + sizeof(MARK) - 1 + DIGITS > LONGEST_KEPT,
				 "a shortened text must be longer than any that is kept");

PG_FUNCTION_INFO_V1(telemetry_short_key);
Datum
telemetry_short_key(PG_FUNCTION_ARGS)
{
	text *value;
	bytea *digest;
	text *key;
	char *to;
	int beginning;

	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ <= LONGEST_KEPT)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	value = PG_GETARG_TEXT_PP(0);
	/* A text's bytes are laid out as those of a bytea. */
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(value)));
	beginning = pg_mbcliplen(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), BEGINNING);
	key = palloc(VARHDRSZ + beginning + strlen(MARK) + DIGITS);
	SET_VARSIZE(key, VARHDRSZ + beginning + strlen(MARK) + DIGITS);
	to = VARDATA(key);
	memcpy(to, VARDATA_ANY(value), beginning);
	memcpy(to + beginning, MARK, strlen(MARK));
	(void) hex_encode(VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest),
					  to + beginning + strlen(MARK));
	PG_RETURN_TEXT_P(key);
}
