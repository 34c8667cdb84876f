#include "api/pipeline.h"

#include "base/spi.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/worker.h"

char *
admin_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* The type's own message names the value; what else may stand there it cannot know. */
static void
time_hint(void *arg)
{
	errhint("Use earliest, latest, or a time such as 2026-01-31 12:00+00.");
}

TimestampTz
admin_time(const char *text)
{
	ErrorContextCallback callback = {error_context_stack, time_hint, NULL};
	TimestampTz time;

	error_context_stack = &callback;
	time = DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	error_context_stack = callback.previous;
	return time;
}

static void
check_owner(const Pipeline *pipeline)
{
	if (!has_privs_of_role(GetUserId(), pipeline->owner))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("must be owner of pipeline \"%s\"", pipeline->name)));
}

bool
admin_may_see(const Pipeline *pipeline)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
		   has_privs_of_role(GetUserId(), pipeline->owner);
}

/* The pipeline of that name; the error tells the names that the caller may know. */
static Pipeline *
must_exist(const char *name)
{
	Pipeline *pipeline = pipeline_by_name(name, CurrentMemoryContext);
	StringInfoData names;
	ListCell *cell;

	if (pipeline)
		return pipeline;
	initStringInfo(&names);
	foreach (cell, pipeline_all(CurrentMemoryContext))
		if (admin_may_see(lfirst(cell)))
			appendStringInfo(&names, "%s\"%s\"", names.len ? ", " : "",
							 ((Pipeline *) lfirst(cell))->name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("pipeline \"%s\" does not exist", name),
			 names.len ? errhint("The pipelines that you may see are: %s.", names.data)
					   : errhint("You have none yet: SELECT telemetry.create_pipeline(...).")));
}

Pipeline *
admin_pipeline(FunctionCallInfo fcinfo)
{
	char *name = admin_text(fcinfo, 0);
	Pipeline *pipeline;

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the name of a pipeline must not be NULL")));
	pipeline = must_exist(name);
	check_owner(pipeline);
	/* Waits for running batches; what is read then is what the next one will see changed. */
	pipeline_lock(pipeline->id, true);
	pipeline = must_exist(name);
	check_owner(pipeline);
	return pipeline;
}

void
admin_touch(int pipeline_id)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"UPDATE telemetry._pipeline SET revision = revision + 1 WHERE pipeline_id = $1", 1,
				types, values, NULL);
	own_spi_end(&scope);
	worker_wake_at_commit();
}
