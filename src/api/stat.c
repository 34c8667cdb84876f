/*
 * What shared memory knows of the workers, for the stat_ views. A caller sees the pipelines whose
 * owner he may act as; a member of pg_monitor sees all of this database.
 */
#include "postgres.h"

#include "api/pipeline.h"
#include "base/compat.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/shared.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(telemetry_workers);
PG_FUNCTION_INFO_V1(telemetry_partitions);
PG_FUNCTION_INFO_V1(telemetry_workers_available);

/* Of telemetry._workers(). */
#define WORKER_COLUMNS 18

static const char *
state_name(const WorkerSlot *slot)
{
	switch (slot->state)
	{
		case WORKER_CONNECTING:
			return "connecting";
		case WORKER_RUNNING:
			return "running";
		case WORKER_RETRYING:
			return "retrying";
		case WORKER_FAILED:
			return "failed";
		default:
			return "starting";
	}
}

/*
 * Ids of the pipelines that the caller may see, by the owners that the table names now: shared
 * memory may still hold figures of a pipeline that was given away or dropped.
 */
static List *
visible_pipelines(void)
{
	List *visible = NIL;
	ListCell *cell;

	foreach (cell, pipeline_all(CurrentMemoryContext))
		if (admin_may_see(lfirst(cell)))
			visible = lappend_int(visible, ((Pipeline *) lfirst(cell))->id);
	return visible;
}

/* A value, or NULL where there is none. */
static void
set_or_null(Datum *values, bool *nulls, int n, bool known, Datum value)
{
	values[n] = value;
	nulls[n] = !known;
}

/* The same of a text, of which there is none where it is empty. */
static void
set_text(Datum *values, bool *nulls, int n, const char *text)
{
	nulls[n] = *text == '\0';
	values[n] = nulls[n] ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
worker_row(const WorkerSlot *slot, Datum *values, bool *nulls)
{
	int n = 0;

	memset(nulls, 0, sizeof(bool) * WORKER_COLUMNS);
	values[n++] = Int32GetDatum(slot->pipeline_id);
	values[n++] = Int32GetDatum(slot->slice);
	values[n++] = Int32GetDatum(slot->slices);
	set_or_null(values, nulls, n++, slot->pid != 0, Int32GetDatum(slot->pid));
	values[n++] = CStringGetTextDatum(state_name(slot));
	set_or_null(values, nulls, n++, slot->started_at != 0, TimestampTzGetDatum(slot->started_at));
	set_or_null(values, nulls, n++, slot->last_commit_at != 0,
				TimestampTzGetDatum(slot->last_commit_at));
	values[n++] = Int64GetDatum(slot->batches);
	values[n++] = Int64GetDatum(slot->messages);
	values[n++] = Int64GetDatum(slot->batch_messages);
	values[n++] = Float8GetDatum(slot->batch_us / 1000.0);
	values[n++] = Int64GetDatum(slot->memory_bytes);
	values[n++] = Int32GetDatum(slot->restarts);
	set_text(values, nulls, n++, slot->path);
	set_text(values, nulls, n++, slot->path_reason);
	set_text(values, nulls, n++, slot->dimensions);
	set_text(values, nulls, n++, slot->error_at != 0 ? slot->error : "");
	set_or_null(values, nulls, n++, slot->error_at != 0, TimestampTzGetDatum(slot->error_at));
	Assert(n == WORKER_COLUMNS);
}

Datum
telemetry_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List *visible;

	InitMaterializedSRF(fcinfo, 0);
	if (!worker_available())
		return (Datum) 0;
	visible = visible_pipelines();
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot slot;
		Datum values[WORKER_COLUMNS];
		bool nulls[WORKER_COLUMNS];

		LWLockAcquire(worker_shared->lock, LW_SHARED);
		slot = *shared_worker(i);
		LWLockRelease(worker_shared->lock);
		if (slot.state == WORKER_FREE || slot.database != MyDatabaseId ||
			!list_member_int(visible, slot.pipeline_id))
			continue;
		worker_row(&slot, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
telemetry_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List *visible;

	InitMaterializedSRF(fcinfo, 0);
	if (!worker_available())
		return (Datum) 0;
	visible = visible_pipelines();
	for (int i = 0; i < worker_shared->npartitions; i++)
	{
		PartitionSlot slot;
		Datum values[9];
		bool nulls[9] = {false};

		LWLockAcquire(worker_shared->lock, LW_SHARED);
		slot = *shared_partition(i);
		LWLockRelease(worker_shared->lock);
		if (slot.database != MyDatabaseId || !list_member_int(visible, slot.pipeline_id))
			continue;
		values[0] = Int32GetDatum(slot.pipeline_id);
		values[1] = Int32GetDatum(slot.partition);
		set_or_null(values, nulls, 2, slot.low >= 0, Int64GetDatum(slot.low));
		set_or_null(values, nulls, 3, slot.stable >= 0, Int64GetDatum(slot.stable));
		set_or_null(values, nulls, 4, slot.high >= 0, Int64GetDatum(slot.high));
		set_or_null(values, nulls, 5, slot.last_message_at != 0,
					TimestampTzGetDatum(slot.last_message_at));
		values[6] = TimestampTzGetDatum(slot.seen_at);
		values[7] = BoolGetDatum(slot.at_end);
		values[8] = BoolGetDatum(slot.idle);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
telemetry_workers_available(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(worker_available());
}
