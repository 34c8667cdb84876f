/*
 * Any text and any bytes as values of the module's types. The first byte names one, small for its
 * input function, big for the one that receives:
 *
 *   h hll   f float8_sum   m float8_moments   q quantile_sketch   s sessions   n funnel
 *   c concurrency   u sums
 *   b hll_from_storage(bytea)
 *
 * A value that was taken must come back the same through its text and through its bytes, and
 * everything that takes one or two such values must do without an internal error.
 */
#include "fuzz_server.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MOST_FUNCTIONS 40

typedef struct FuzzType
{
	char letter;
	const char *name;
	Oid param;
	FmgrInfo input, output, receive, send;
	FmgrInfo functions[MOST_FUNCTIONS]; /* all that take one or two of them, and nothing else */
	int arguments[MOST_FUNCTIONS];
	int n;
} FuzzType;

static FuzzType types[] = {{.letter = 'h', .name = "hll"},
						   {.letter = 'f', .name = "float8_sum"},
						   {.letter = 'm', .name = "float8_moments"},
						   {.letter = 'q', .name = "quantile_sketch"},
						   {.letter = 's', .name = "sessions"},
						   {.letter = 'n', .name = "funnel"},
						   {.letter = 'c', .name = "concurrency"},
						   {.letter = 'u', .name = "sums"}};
static FmgrInfo from_storage;

/* ---- looking up ------------------------------------------------------------------------------ */

static uint64
query(const char *format, const char *name)
{
	char *statement = psprintf(format, name);

	if (SPI_execute(statement, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "failed: %s", statement);
	return SPI_processed;
}

static uint64
number(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
find_type(FuzzType *type)
{
	Oid oid, function;
	bool varlena;

	if (query("SELECT oid::bigint FROM pg_type WHERE typname = '%s' AND typnamespace = "
			  "'telemetry'::regnamespace",
			  type->name) != 1)
		elog(ERROR, "no type %s", type->name);
	oid = (Oid) number(0, 1);
	getTypeInputInfo(oid, &function, &type->param);
	fmgr_info_cxt(function, &type->input, TopMemoryContext);
	getTypeBinaryInputInfo(oid, &function, &type->param);
	fmgr_info_cxt(function, &type->receive, TopMemoryContext);
	getTypeOutputInfo(oid, &function, &varlena);
	fmgr_info_cxt(function, &type->output, TopMemoryContext);
	getTypeBinaryOutputInfo(oid, &function, &varlena);
	fmgr_info_cxt(function, &type->send, TopMemoryContext);
	type->n = query("SELECT p.oid::bigint, pronargs::bigint FROM pg_proc p, pg_type t "
					"WHERE t.typname = '%s' AND typnamespace = 'telemetry'::regnamespace AND "
					"pronamespace = typnamespace "
					"AND prokind = 'f' AND NOT proretset AND pronargs BETWEEN 1 AND 2 AND "
					"proargtypes[0] = t.oid "
					"AND proargtypes[pronargs - 1] = t.oid AND prorettype <> 'record'::regtype "
					"ORDER BY proname",
					type->name);
	if (type->n < 10 || type->n > MOST_FUNCTIONS)
		elog(ERROR, "%d functions of type %s", type->n, type->name);
	for (int i = 0; i < type->n; i++)
	{
		fmgr_info_cxt((Oid) number(i, 1), &type->functions[i], TopMemoryContext);
		type->arguments[i] = (int) number(i, 2);
	}
}

static void
types_begin(void)
{
	SPI_connect();
	for (int i = 0; i < (int) lengthof(types); i++)
		find_type(&types[i]);
	query("SELECT '%s(bytea)'::regprocedure::oid::bigint", "telemetry.hll_from_storage");
	fmgr_info_cxt((Oid) number(0, 1), &from_storage, TopMemoryContext);
	SPI_finish();
}

static void
nothing(void)
{
}

/* ---- values ---------------------------------------------------------------------------------- */

static void
require_same(Datum a, Datum b, const char *what)
{
	if (!datumIsEqual(a, b, false, -1))
		fuzz_fail(what);
}

static Datum
receive(FuzzType *type, const void *bytes, int size)
{
	/* The server's has a zero byte behind the message; this one ends there. */
	StringInfoData message = {
		.data = memcpy(palloc(Max(size, 1)), bytes, size), .len = size, .maxlen = size};
	Datum value = ReceiveFunctionCall(&type->receive, &message, type->param, -1);

	if (message.cursor != size)
		fuzz_fail("bytes are left over");
	return value;
}

static void
call(FuzzType *type, int i, Datum value)
{
	LOCAL_FCINFO(fcinfo, 2);

	InitFunctionCallInfoData(*fcinfo, &type->functions[i], type->arguments[i], InvalidOid, NULL,
							 NULL);
	fcinfo->args[0] = fcinfo->args[1] = (NullableDatum){value, false};
	(void) FunctionCallInvoke(fcinfo);
}

static void
exercise(FuzzType *type, Datum value, int chosen)
{
	char *text = OutputFunctionCall(&type->output, value);
	bytea *bytes;

	require_same(value, InputFunctionCall(&type->input, text, type->param, -1),
				 "another value came back from its text");
	bytes = SendFunctionCall(&type->send, value);
	require_same(value, receive(type, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ),
				 "another value came back from its bytes");
	/* An error of one would hide the next: each input has one. */
	call(type, chosen % type->n, value);
}

static void
types_input(const uint8_t *data, size_t size)
{
	FuzzType *type = NULL;
	Datum value;

	/* Which function, what. */
	if (size < 2)
		return;
	for (int i = 0; i < (int) lengthof(types); i++)
		if (types[i].letter == (data[1] | 0x20))
			type = &types[i];
	if (data[1] == 'b')
	{
		bytea *bytes = palloc(VARHDRSZ + size - 2);

		SET_VARSIZE(bytes, VARHDRSZ + size - 2);
		memcpy(VARDATA(bytes), data + 2, size - 2);
		type = &types[0];
		value = FunctionCall1(&from_storage, PointerGetDatum(bytes));
	}
	else if (type == NULL)
		return;
	else if (type->letter == data[1])
	{
		char *text = fuzz_text(data + 2, size - 2);

		if (text == NULL)
			return;
		value = InputFunctionCall(&type->input, text, type->param, -1);
	}
	else
		value = receive(type, data + 2, (int) size - 2);
	exercise(type, value, data[0]);
}

const FuzzTarget fuzz_types = {"types", types_begin, nothing, types_input, nothing};
