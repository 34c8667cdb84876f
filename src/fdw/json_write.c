#include "postgres.h"

#include "base/epoch.h"
#include "fdw/json_write.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

void
json_writer_init(JsonWriter *writer, const char *column, Oid type, bool has_format,
				 TimestampFormat format)
{
	Oid output;
	bool varlena;

	writer->column = column;
	writer->type = getBaseType(type);
	writer->timestamp_format = format;
	writer->epoch = has_format && format != TIMESTAMP_ISO8601;
	if (writer->epoch && writer->type != TIMESTAMPTZOID && writer->type != TIMESTAMPOID &&
		writer->type != DATEOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" cannot be written with its timestamp_format", column),
				 errdetail("Numbers are written for timestamp with time zone, timestamp and date, "
						   "not for %s.",
						   format_type_be(type))));

	getTypeOutputInfo(type, &output, &varlena);
	fmgr_info(output, &writer->output);
	/* to_json() takes anyelement: it learns the type from the call's expression. */
	fmgr_info(F_TO_JSON, &writer->to_json);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID,
											 list_make1(makeNullConst(type, -1, InvalidOid)),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &writer->to_json);
}

/* Microseconds since 1970, as readers count them: in 64 bits. */
static int64
unix_microseconds(const JsonWriter *writer, Datum value)
{
	DateADT date = writer->type == DATEOID ? DatumGetDateADT(value) : 0;
	int64 us = 0;
	bool fits;

	if (writer->type == DATEOID)
		fits = !DATE_NOT_FINITE(date) && !pg_mul_s64_overflow(date, USECS_PER_DAY, &us);
	else
	{
		us = DatumGetTimestamp(value);
		fits = !TIMESTAMP_NOT_FINITE(us);
	}
	if (!fits || pg_sub_s64_overflow(us, UNIX_EPOCH, &us))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("value of column \"%s\" is out of range for a number", writer->column),
				 errdetail("A time that is written as a number is finite, and before the "
						   "year 294247.")));
	return us;
}

/* us / 10^digits, exactly. */
static void
write_scaled(StringInfo to, int64 us, int digits)
{
	uint64 magnitude = us < 0 ? (uint64) 0 - (uint64) us : (uint64) us;
	uint64 unit = 1;
	uint64 fraction;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	fraction = magnitude % unit;
	appendStringInfo(to, "%s" UINT64_FORMAT, us < 0 ? "-" : "", magnitude / unit);
	if (fraction == 0)
		return;
	while (fraction % 10 == 0)
	{
		fraction /= 10;
		digits--;
	}
	appendStringInfo(to, ".%0*llu", digits, (unsigned long long) fraction);
}

static void
write_epoch(StringInfo to, TimestampFormat format, int64 us)
{
	switch (format)
	{
		case TIMESTAMP_EPOCH_S:
			write_scaled(to, us, 6);
			break;
		case TIMESTAMP_EPOCH_MS:
			write_scaled(to, us, 3);
			break;
		case TIMESTAMP_EPOCH_US:
			appendStringInfo(to, INT64_FORMAT, us);
			break;
		case TIMESTAMP_EPOCH_NS:
			/* Nanoseconds of far away times do not fit 64 bits; as text they do. */
			appendStringInfo(to, us == 0 ? INT64_FORMAT : INT64_FORMAT "000", us);
			break;
		case TIMESTAMP_ISO8601:
			elog(ERROR, "not a numeric timestamp format");
	}
}

void
json_write(JsonWriter *writer, Datum value, StringInfo to)
{
	if (writer->epoch)
		write_epoch(to, writer->timestamp_format, unix_microseconds(writer, value));
	else if (writer->type == TEXTOID || writer->type == VARCHAROID)
		escape_json(to, TextDatumGetCString(value));
	else
	{
		text *json = DatumGetTextPP(FunctionCall1(&writer->to_json, value));

		appendBinaryStringInfo(to, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	}
}

void
json_writer_text(JsonWriter *writer, Datum value, const char **bytes, size_t *length)
{
	if (writer->type == BYTEAOID)
	{
		bytea *binary = DatumGetByteaPP(value);

		*bytes = VARDATA_ANY(binary);
		*length = VARSIZE_ANY_EXHDR(binary);
	}
	else
	{
		char *text = OutputFunctionCall(&writer->output, value);

		*bytes = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
		*length = strlen(*bytes);
	}
}

int
json_write_settings(void)
{
	int level;

	if (DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits >= 1)
		return -1;
	level = NewGUCNestLevel();
	(void) set_config_option("datestyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("extra_float_digits", "3", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	return level;
}
