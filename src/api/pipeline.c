/*
 * create_pipeline(), alter_pipeline(), drop_pipeline(), pause_pipeline(), resume_pipeline().
 *
 * All change rows of telemetry._pipeline in the caller's transaction, after waiting for the batch
 * at hand; workers learn of it when that transaction commits. Options are checked by writing the
 * row and then opening source and target as the pipeline would: a misfit undoes the row.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "api/pipeline.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(telemetry_create_pipeline);
PG_FUNCTION_INFO_V1(telemetry_alter_pipeline);
PG_FUNCTION_INFO_V1(telemetry_drop_pipeline);
PG_FUNCTION_INFO_V1(telemetry_pause_pipeline);
PG_FUNCTION_INFO_V1(telemetry_resume_pipeline);

/* ---- checks of single values ---------------------------------------------------------------- */

static void bad_option(const char *option, const char *rule) pg_attribute_noreturn();

static void
bad_option(const char *option, const char *rule)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid value for option \"%s\" of a pipeline", option),
					errdetail("It must be %s.", rule)));
}

static void
check_int(FunctionCallInfo fcinfo, int n, const char *option, int least, int greatest)
{
	if (!PG_ARGISNULL(n) && (PG_GETARG_INT32(n) < least || PG_GETARG_INT32(n) > greatest))
		bad_option(option,
				   psprintf("between %d and %d, not %d", least, greatest, PG_GETARG_INT32(n)));
}

/* As long as a topic's name may be; ours have at most 137. */
#define CONSUMER_GROUP_MAX 249

/*
 * Longer than any use, and so short that no sum with a time leaves the range of a timestamp's type.
 */
#define INTERVAL_MAX_US (1000 * 366 * USECS_PER_DAY)

/* Microseconds, as an interval compares; those beyond every bound of ours all alike. */
static int64
interval_us(const Interval *interval)
{
	int64 days =
		interval->day + (int64) interval->month * DAYS_PER_MONTH + interval->time / USECS_PER_DAY;

	if (days > INTERVAL_MAX_US / USECS_PER_DAY || -days > INTERVAL_MAX_US / USECS_PER_DAY)
		return days < 0 ? -INTERVAL_MAX_US - 1 : INTERVAL_MAX_US + 1;
	return days * USECS_PER_DAY + interval->time % USECS_PER_DAY;
}

static void
check_interval(FunctionCallInfo fcinfo, int n, const char *option, int64 least, int64 greatest,
			   const char *rule)
{
	int64 us;

	if (PG_ARGISNULL(n))
		return;
	us = interval_us(PG_GETARG_INTERVAL_P(n));
	if (us < least || us > greatest)
		bad_option(option, psprintf("%s, not %s", rule,
									DatumGetCString(
										DirectFunctionCall1(interval_out, PG_GETARG_DATUM(n)))));
}

static void
check_choice(FunctionCallInfo fcinfo, int n, const char *option, const char *const *choices,
			 const char *rule)
{
	char *value = admin_text(fcinfo, n);

	if (value == NULL)
		return;
	for (; *choices; choices++)
		if (strcmp(value, *choices) == 0)
			return;
	bad_option(option, psprintf("%s, not \"%s\"", rule, value));
}

/* librdkafka makes no queue without a group, and writes its length in 16 bits. */
static void
check_group(FunctionCallInfo fcinfo, int n)
{
	char *group = admin_text(fcinfo, n);

	if (group != NULL && (group[0] == '\0' || strlen(group) > CONSUMER_GROUP_MAX))
		bad_option("consumer_group",
				   psprintf("of 1 to %d bytes, not %zu", CONSUMER_GROUP_MAX, strlen(group)));
}

static void
check_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid name of a pipeline: \"%s\"", name),
				 errdetail("It must have between 1 and %d bytes.", NAMEDATALEN - 1)));
	if (pipeline_by_name(name, CurrentMemoryContext))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("pipeline \"%s\" already exists", name)));
}

/* Where the options that create and alter share stand among the arguments. */
typedef struct OptionPositions
{
	int allowed_lateness, idle_timeout, max_ahead, batch_rows, batch_interval, workers, partitions;
	int dead_letter_limit, on_conflict, create_partitions, consumer_group;
} OptionPositions;

static char *
array_text(Datum array)
{
	return OidOutputFunctionCall(F_ARRAY_OUT, array);
}

static void
check_partitions(FunctionCallInfo fcinfo, int n)
{
	ArrayType *array;
	Datum *numbers;
	int count;

	if (PG_ARGISNULL(n))
		return;
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		bad_option("partitions", psprintf("a list of partition numbers, such as '{0,1}', not '%s'",
										  array_text(PG_GETARG_DATUM(n))));
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &numbers, NULL, &count);
	for (int i = 0; i < count; i++)
		if (DatumGetInt32(numbers[i]) < 0)
			bad_option("partitions",
					   psprintf("a list of partition numbers, which are not negative, not '%s'",
								array_text(PG_GETARG_DATUM(n))));
}

static void
check_options(FunctionCallInfo fcinfo, const OptionPositions *at)
{
	static const char *const conflicts[] = {"error", "ignore", NULL};
	static const char *const units[] = {"none", "hour", "day", "month", NULL};

	check_interval(fcinfo, at->allowed_lateness, "allowed_lateness", 0, INTERVAL_MAX_US,
				   "between 0 and 1000 years");
	check_interval(fcinfo, at->idle_timeout, "idle_timeout", 1, INTERVAL_MAX_US,
				   "more than 0 and at most 1000 years");
	check_interval(fcinfo, at->max_ahead, "max_ahead", 0, INTERVAL_MAX_US,
				   "between 0 and 1000 years");
	check_int(fcinfo, at->batch_rows, "batch_rows", 1, 1000000);
	check_interval(fcinfo, at->batch_interval, "batch_interval", 0, USECS_PER_HOUR,
				   "between 0 and 1 hour");
	check_int(fcinfo, at->workers, "workers", 1, 1024);
	check_partitions(fcinfo, at->partitions);
	check_int(fcinfo, at->dead_letter_limit, "dead_letter_limit", 1, PG_INT32_MAX);
	check_choice(fcinfo, at->on_conflict, "on_conflict", conflicts, "\"error\" or \"ignore\"");
	check_choice(fcinfo, at->create_partitions, "create_partitions", units,
				 "\"none\", \"hour\", \"day\" or \"month\"");
	check_group(fcinfo, at->consumer_group);
}

/* Opens what the row says, as the pipeline will; ereports the whole list of what does not fit. */
static void
check_fit(const char *name)
{
	Pipeline *pipeline = pipeline_by_name(name, CurrentMemoryContext);
	IngestOptions options = ingest_options_of(pipeline);
	char kind = get_rel_relkind(options.source);
	Ingest *ingest;

	/* '\0': it is gone, as ingest_open() says. */
	if (kind != RELKIND_FOREIGN_TABLE && kind != '\0')
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s is not a foreign table", qualified_name(options.source)),
			 errdetail("The source of a pipeline must be one."),
			 errhint("Make one: CREATE FOREIGN TABLE ... SERVER ... OPTIONS (topic '...'), on a "
					 "server of telemetry_kafka.")));
	if (kind != '\0')
		source_check_rights(options.source, options.owner);
	ingest = ingest_open(&options, CurrentMemoryContext);
	ingest_check_rights(ingest);
	ingest_close(ingest);
}

/* ---- create --------------------------------------------------------------------------------- */

static void
refuse_nulls(FunctionCallInfo fcinfo)
{
	static const struct
	{
		int n;
		const char *name;
	} required[] = {{0, "name"},
					{1, "source"},
					{2, "target"},
					{3, "start_position"},
					{5, "allowed_lateness"},
					{6, "idle_timeout"},
					{8, "batch_rows"},
					{9, "batch_interval"},
					{10, "workers"},
					{13, "on_conflict"},
					{14, "create_partitions"},
					{16, "paused"}};

	for (size_t i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i].n))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" of create_pipeline must not be NULL",
								   required[i].name)));
}

/* earliest, latest, or a time: kept in a form that any session reads alike. */
static char *
normal_start(const char *start)
{
	static const char iso[] = "YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"";
	Datum time;

	if (strcmp(start, "earliest") == 0 || strcmp(start, "latest") == 0)
		return pstrdup(start);
	time = TimestampTzGetDatum(admin_time(start));
	if (TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(time)))
		bad_option("start_position", psprintf("earliest, latest or a finite time, not %s", start));
	time = DirectFunctionCall2(timestamptz_zone, CStringGetTextDatum("UTC"), time);
	return TextDatumGetCString(
		DirectFunctionCall2(timestamp_to_char, time, CStringGetTextDatum(iso)));
}

Datum
telemetry_create_pipeline(PG_FUNCTION_ARGS)
{
	static const OptionPositions at = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	static SPIPlanPtr plan;
	Oid types[] = {TEXTOID,      OIDOID,      OIDOID,      OIDOID,  TEXTOID,     NAMEOID,
				   INTERVALOID,  INTERVALOID, INTERVALOID, INT4OID, INTERVALOID, INT4OID,
				   INT4ARRAYOID, INT4OID,     TEXTOID,     TEXTOID, TEXTOID,     BOOLOID};
	Datum values[lengthof(types)];
	char nulls[lengthof(types) + 1];
	char *name;
	OwnSpi scope;
	Pipeline *pipeline;

	refuse_nulls(fcinfo);
	name = admin_text(fcinfo, 0);
	if (!PG_GETARG_BOOL(16))
		worker_require();
	check_name(name);
	check_options(fcinfo, &at);

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = PG_GETARG_DATUM(1);
	values[3] = PG_GETARG_DATUM(2);
	values[4] = CStringGetTextDatum(normal_start(admin_text(fcinfo, 3)));
	memset(nulls, ' ', sizeof(nulls));
	for (int i = 4; i < 17; i++)
	{
		values[i + 1] = PG_GETARG_DATUM(i);
		nulls[i + 1] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	if (PG_ARGISNULL(15))
	{
		values[16] =
			CStringGetTextDatum(psprintf("telemetry.%s.%s", get_database_name(MyDatabaseId), name));
		nulls[16] = ' ';
	}
	nulls[lengthof(types)] = '\0';

	own_spi_begin(&scope);
	own_spi_run(
		&plan,
		"INSERT INTO telemetry._pipeline (name, owner, source, target, start_position, "
		"event_time_column, allowed_lateness, idle_timeout, max_ahead, batch_rows, "
		"batch_interval, workers, partitions, dead_letter_limit, on_conflict, "
		"create_partitions, consumer_group, paused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
		"$9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
		lengthof(types), types, values, nulls);
	own_spi_end(&scope);
	check_fit(name);
	pipeline = pipeline_by_name(name, CurrentMemoryContext);
	pipeline_activate(pipeline->id);
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

/* ---- alter ---------------------------------------------------------------------------------- */

static void
check_new_owner(Oid owner)
{
	if (!compat_may_become(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"", GetUserNameFromId(owner, false))));
}

static void
check_reset(FunctionCallInfo fcinfo, int n)
{
	static const char *const resettable[] = {"event_time_column", "max_ahead", "partitions",
											 "dead_letter_limit", NULL};
	Datum *names;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(n))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		char *name = nulls[i] ? "NULL" : TextDatumGetCString(names[i]);
		const char *const *known = resettable;

		while (*known && strcmp(*known, name) != 0)
			known++;
		if (*known == NULL)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" of a pipeline cannot be reset", name),
							errhint("Those that can be NULL are event_time_column, max_ahead, "
									"partitions and dead_letter_limit.")));
	}
}

#define KEEP(column, n) column " = coalesce($" n ", " column "), "
#define RESET(column, n)                                                                           \
	column " = CASE WHEN '" column "' = ANY ($16) THEN NULL ELSE coalesce($" n ", " column ") "    \
		   "END, "

/* $1 the pipeline, $2 to $16 the function's arguments from its second on. */
/* clang-format off */
static const char alter_sql[] =
	"UPDATE telemetry._pipeline SET "
	RESET("event_time_column", "2")
	KEEP("allowed_lateness", "3")
	KEEP("idle_timeout", "4")
	RESET("max_ahead", "5")
	KEEP("batch_rows", "6")
	KEEP("batch_interval", "7")
	KEEP("workers", "8")
	RESET("partitions", "9")
	RESET("dead_letter_limit", "10")
	KEEP("on_conflict", "11")
	KEEP("create_partitions", "12")
	KEEP("consumer_group", "13")
	"owner = coalesce($14::regrole, owner), "
	KEEP("name", "15")
	"revision = revision + 1 WHERE pipeline_id = $1";
/* clang-format on */

Datum
telemetry_alter_pipeline(PG_FUNCTION_ARGS)
{
	static const OptionPositions at = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID,     NAMEOID, INTERVALOID,  INTERVALOID, INTERVALOID, INT4OID,
				   INTERVALOID, INT4OID, INT4ARRAYOID, INT4OID,     TEXTOID,     TEXTOID,
				   TEXTOID,     OIDOID,  TEXTOID,      TEXTARRAYOID};
	Datum values[lengthof(types)];
	char nulls[lengthof(types) + 1];
	Pipeline *pipeline = admin_pipeline(fcinfo);
	char *name = pipeline->name;
	OwnSpi scope;

	check_options(fcinfo, &at);
	check_reset(fcinfo, 15);
	if (!PG_ARGISNULL(14))
	{
		name = admin_text(fcinfo, 14);
		if (strcmp(name, pipeline->name) != 0)
			check_name(name);
	}
	if (!PG_ARGISNULL(13) && PG_GETARG_OID(13) != pipeline->owner)
		check_new_owner(PG_GETARG_OID(13));

	values[0] = Int32GetDatum(pipeline->id);
	memset(nulls, ' ', sizeof(nulls));
	nulls[lengthof(types)] = '\0';
	for (int i = 1; i < 16; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	own_spi_begin(&scope);
	own_spi_run(&plan, alter_sql, lengthof(types), types, values, nulls);
	own_spi_end(&scope);
	check_fit(name);
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

/* ---- drop, pause, resume -------------------------------------------------------------------- */

static void
run_for(SPIPlanPtr *plan, const char *sql, int pipeline_id)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(plan, sql, 1, types, values, NULL);
	own_spi_end(&scope);
}

Datum
telemetry_drop_pipeline(PG_FUNCTION_ARGS)
{
	char *name = admin_text(fcinfo, 0);
	Pipeline *pipeline;

	if (name != NULL && !PG_ARGISNULL(1) && PG_GETARG_BOOL(1) &&
		pipeline_by_name(name, CurrentMemoryContext) == NULL)
	{
		ereport(NOTICE, (errmsg("pipeline \"%s\" does not exist, skipping", name)));
		PG_RETURN_VOID();
	}
	pipeline = admin_pipeline(fcinfo);
	pipeline_delete(pipeline->id);
	ingest_remove_guards(pipeline->target);
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

Datum
telemetry_pause_pipeline(PG_FUNCTION_ARGS)
{
	Pipeline *pipeline = admin_pipeline(fcinfo);

	pipeline_set_paused(pipeline->id, true, admin_text(fcinfo, 1));
	worker_wake_at_commit();
	PG_RETURN_VOID();
}

Datum
telemetry_resume_pipeline(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	Pipeline *pipeline = admin_pipeline(fcinfo);

	worker_require();
	check_fit(pipeline->name);
	run_for(&plan,
			"UPDATE telemetry.partition_offset SET pause_reason = NULL "
			"WHERE pipeline_id = $1 AND pause_reason IS NOT NULL",
			pipeline->id);
	pipeline_activate(pipeline->id);
	pipeline_set_paused(pipeline->id, false, NULL);
	worker_wake_at_commit();
	PG_RETURN_VOID();
}
