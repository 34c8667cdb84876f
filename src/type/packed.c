#include "type/packed.h"

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "type/text.h"

Datum
packed_datum(const void *bytes, size_t size)
{
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), bytes, size);
	return PointerGetDatum(value);
}

struct varlena *
packed_receive(FunctionCallInfo fcinfo)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int size = message->len - message->cursor;
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	pq_copymsgbytes(message, VARDATA(value), size);
	return value;
}

Datum
packed_send(struct varlena *value)
{
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendbytes(&out, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

bool
packed_is_empty(Datum datum)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);

	return (!VARATT_IS_EXTENDED(value) || VARATT_IS_SHORT(value)) && VARSIZE_ANY_EXHDR(value) == 2;
}

void
packed_bad_text(const char *type, const char *text, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", type, text_shown(text)),
			 errdetail("The value has an error: %s.", detail), hint ? errhint("%s", hint) : 0));
}

void
packed_bad_bytes(const char *type, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary representation of type %s", type),
					errdetail("The value has an error: %s.", detail)));
}

void
packed_damaged(const char *type, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored value of type %s is damaged", type),
			 errdetail("The value has an error: %s.", detail)));
}
