/*
 * What telemetry.float8_sum and telemetry.float8_moments have in common: messages, errors.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

#include "type/float_type.h"
#include "type/text.h"

double
float_result(double result, bool overflow)
{
	if (overflow)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("value out of range: overflow"),
						errdetail("The exact result is beyond the greatest double precision "
								  "number, about 1.8e308.")));
	return result;
}

Datum
float_datum(const void *bytes, size_t size)
{
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), bytes, size);
	return PointerGetDatum(value);
}

struct varlena *
float_receive(FunctionCallInfo fcinfo)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int size = message->len - message->cursor;
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	pq_copymsgbytes(message, VARDATA(value), size);
	return value;
}

Datum
float_send(FunctionCallInfo fcinfo)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	StringInfoData out;

	pq_begintypsend(&out);
	pq_sendbytes(&out, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

void
float_bad_text(const char *type, const char *text, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid input syntax for type %s: \"%s\"", type, text_shown(text)),
					errdetail("The value has an error: %s.", detail)));
}

void
float_bad_bytes(const char *type, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid binary representation of type %s", type),
					errdetail("The value has an error: %s.", detail)));
}

void
float_damaged(const char *type, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored %s value is damaged", type),
					errdetail("The value has an error: %s.", detail)));
}

void
float_out_of_range(const char *type)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("value of type %s out of range", type),
					errdetail("Counts go to 2^62, magnitudes to 2^2176.")));
}
