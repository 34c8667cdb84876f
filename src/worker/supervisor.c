/*
 * A supervisor: one per database with pipelines. It compares the desired state (the pipelines that
 * are activated and not paused) with the workers that run, starts what is missing, frees what is
 * left over, moves the pipelines' watermarks, and starts the maintenance worker. It leaves when
 * there is nothing to run.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/guc.h"
#include "catalog/offset.h"
#include "catalog/pipeline.h"
#include "catalog/retention.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/maintenance.h"
#include "worker/process.h"
#include "worker/shared.h"

/* How often watermarks move, and how often a limit that was hit is tried again. */
#define TICK_MS      1000
#define LIMIT_MS     5000
#define IDLE_TICK_MS 10000
#define REGROUP_MS   100 /* while workers of another number, or another supervisor, leave */

#define NO_SLOT "no slot for a background worker is free: raise max_worker_processes"

PGDLLEXPORT void telemetry_supervisor_main(Datum arg) pg_attribute_noreturn();

static DatabaseSlot *own_slot;
static BackgroundWorkerHandle **handles; /* by position of the worker's slot */
static MemoryContext turn_context;
static bool limit_reported = false;
static bool look_for_dropped = true; /* a pipeline may have been dropped since it was looked for */

static void
supervisor_detach(int code, Datum arg)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	own_slot->latch = NULL;
	/* After an error the pid stays: by that the launcher tells a failure from leaving. */
	if (code == 0)
		own_slot->pid = 0;
	LWLockRelease(worker_shared->lock);
}

static void
supervisor_attach(int index)
{
	own_slot = &worker_shared->databases[index];
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (own_slot->state != DATABASE_STARTING || own_slot->pid != 0)
	{
		LWLockRelease(worker_shared->lock);
		proc_exit(0);
	}
	own_slot->state = DATABASE_RUNNING;
	own_slot->pid = MyProcPid;
	own_slot->latch = MyLatch;
	own_slot->again = false;
	LWLockRelease(worker_shared->lock);
	before_shmem_exit(supervisor_detach, (Datum) 0);
}

static void
free_slot(WorkerSlot *slot)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	memset(slot, 0, sizeof(WorkerSlot));
	LWLockRelease(worker_shared->lock);
}

/* Takes note of a worker of ours that has ended. */
static void
reap(int index)
{
	WorkerSlot *slot = shared_worker(index);
	pid_t pid;

	if (handles[index] == NULL || GetBackgroundWorkerPid(handles[index], &pid) != BGWH_STOPPED)
		return;
	pfree(handles[index]);
	handles[index] = NULL;
	/* One that an earlier supervisor started was there before it. */
	if (slot->pid != 0)
		return;
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	slot->restarts++;
	slot->failures = slot->left ? 0 : slot->failures + 1;
	slot->state = slot->left ? WORKER_STARTING : WORKER_FAILED;
	slot->next_start = slot->left ? clock_now() : process_backoff(slot->failures);
	LWLockRelease(worker_shared->lock);
}

static void
set_error(WorkerSlot *slot, const char *error)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	shared_put_text(slot->error, error, sizeof(slot->error));
	slot->error_at = GetCurrentTimestamp();
	LWLockRelease(worker_shared->lock);
}

/* Whatever keeps a worker that was started from its first batch is something else. */
static void
forget_no_slot(WorkerSlot *slot)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (strcmp(slot->error, NO_SLOT) == 0)
	{
		slot->error[0] = '\0';
		slot->error_at = 0;
	}
	LWLockRelease(worker_shared->lock);
}

/* Notes that there is no room for a worker, and says it once. */
static void
report_no_slot(WorkerSlot *slot, const char *name)
{
	if (strcmp(slot->error, NO_SLOT) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("could not start %s", name),
				 errdetail("No slot for a background worker is free."),
				 errhint("Raise max_worker_processes; it is tried again every few seconds.")));
	set_error(slot, NO_SLOT);
}

static void
set_state(WorkerSlot *slot, WorkerState state)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	slot->state = state;
	slot->left = false;
	LWLockRelease(worker_shared->lock);
}

static void
start_worker(int index, const Pipeline *pipeline)
{
	WorkerSlot *slot = shared_worker(index);
	BackgroundWorker process = {
		.bgw_type = "telemetry ingest worker",
		.bgw_function_name = "telemetry_ingest_main",
		.bgw_main_arg = Int32GetDatum(index),
	};

	snprintf(process.bgw_name, BGW_MAXLEN, "telemetry ingest %s %d/%d", pipeline->name,
			 slot->slice + 1, slot->slices);
	/* Before it runs: a worker that finds its slot in another state takes itself for unwanted. */
	set_state(slot, WORKER_STARTING);
	handles[index] = process_start(&process);
	if (handles[index] == NULL)
	{
		set_state(slot, WORKER_FAILED);
		slot->next_start = clock_after(LIMIT_MS);
		report_no_slot(slot, process.bgw_name);
	}
	else
		forget_no_slot(slot);
}

/* The slot of one slice; a free one is taken where there is none. -1: all are in use. */
static int
find_slot(const Pipeline *pipeline, int slice)
{
	int unused = -1;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->state == WORKER_FREE)
		{
			unused = unused < 0 ? i : unused;
			continue;
		}
		if (slot->database == MyDatabaseId && slot->pipeline_id == pipeline->id &&
			slot->slice == slice && slot->slices == pipeline->workers)
		{
			LWLockRelease(worker_shared->lock);
			return i;
		}
	}
	if (unused >= 0)
	{
		WorkerSlot *slot = shared_worker(unused);

		memset(slot, 0, sizeof(WorkerSlot));
		slot->state = WORKER_STARTING;
		slot->database = MyDatabaseId;
		slot->pipeline_id = pipeline->id;
		slot->slice = slice;
		slot->slices = pipeline->workers;
	}
	LWLockRelease(worker_shared->lock);
	return unused;
}

static const Pipeline *
desired(List *pipelines, int id)
{
	ListCell *cell;

	foreach (cell, pipelines)
	{
		const Pipeline *pipeline = lfirst(cell);

		if (pipeline->id == id && pipeline->activated && !pipeline->paused && telemetry_enabled)
			return pipeline;
	}
	return NULL;
}

/*
 * Frees slots that nobody wants and nobody uses. Returns how many workers of ours still run; *stale
 * becomes true when one of them is not wanted, *orphans when an earlier supervisor started one.
 */
static int
free_unwanted(List *pipelines, bool *stale, bool *orphans)
{
	int running = 0;

	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);
		const Pipeline *pipeline;
		bool wanted;

		if (slot->state == WORKER_FREE || slot->database != MyDatabaseId)
			continue;
		reap(i);
		pipeline = desired(pipelines, slot->pipeline_id);
		wanted = pipeline && slot->slices == pipeline->workers && slot->slice < pipeline->workers;
		if (handles[i] != NULL || slot->pid != 0)
		{
			running++;
			*stale |= !wanted;
			*orphans |= handles[i] == NULL;
		}
		else if (!wanted)
			free_slot(slot);
	}
	return running;
}

/* Frees the figures of partitions whose pipeline was dropped; its workers run no more. */
static void
forget_dropped(List *pipelines)
{
	List *ids = NIL;
	ListCell *cell;

	foreach (cell, pipelines)
		ids = lappend_int(ids, ((const Pipeline *) lfirst(cell))->id);
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker_shared->npartitions; i++)
	{
		PartitionSlot *slot = shared_partition(i);

		if (slot->database == MyDatabaseId && !list_member_int(ids, slot->pipeline_id))
			slot->database = InvalidOid;
	}
	LWLockRelease(worker_shared->lock);
}

/* True while workers of another division into slices still run: the new ones wait for them. */
static bool
is_regrouping(const Pipeline *pipeline)
{
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->state != WORKER_FREE && slot->database == MyDatabaseId &&
			slot->pipeline_id == pipeline->id && slot->slices != pipeline->workers)
			return true;
	}
	return false;
}

/* Starts what shall run and does not. Returns the next time at which something is to be done. */
static Moment
start_wanted(List *pipelines, Moment now)
{
	Moment next = MOMENT_NEVER;
	ListCell *cell;

	foreach (cell, pipelines)
	{
		const Pipeline *pipeline = lfirst(cell);

		if (desired(pipelines, pipeline->id) == NULL)
			continue;
		if (is_regrouping(pipeline))
		{
			next = Min(next, now + REGROUP_MS * INT64CONST(1000));
			continue;
		}
		for (int slice = 0; slice < pipeline->workers; slice++)
		{
			int index = find_slot(pipeline, slice);
			WorkerSlot *slot;

			if (index < 0)
			{
				if (!limit_reported)
					ereport(
						WARNING,
						(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						 errmsg("no worker is free for pipeline \"%s\"", pipeline->name),
						 errdetail("All %d slots of telemetry.max_workers are taken.",
								   worker_shared->nworkers),
						 errhint(
							 "Raise telemetry.max_workers, and max_worker_processes with it.")));
				limit_reported = true;
				return Min(next, now + LIMIT_MS * INT64CONST(1000));
			}
			slot = shared_worker(index);
			if (handles[index] != NULL || slot->pid != 0)
				continue;
			if (now >= slot->next_start)
				start_worker(index, pipeline);
			if (handles[index] == NULL)
				next = Min(next, slot->next_start);
		}
	}
	return next;
}

/* Tells running workers that their pipelines may have changed. */
static void
notify_workers(void)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->state == WORKER_FREE || slot->database != MyDatabaseId)
			continue;
		slot->changes++;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	LWLockRelease(worker_shared->lock);
}

static bool
partition_is_idle(int pipeline_id, int32 partition)
{
	PartitionSlot *slot;
	bool idle;

	LWLockAcquire(worker_shared->lock, LW_SHARED);
	slot = shared_partition_find(pipeline_id, partition, false);
	idle = slot != NULL && slot->idle;
	LWLockRelease(worker_shared->lock);
	return idle;
}

/*
 * The watermark of a pipeline: the least of its partitions that are not idle. One that has told us
 * nothing yet holds it; when all are idle it stands.
 */
static void
advance_watermark(const Pipeline *pipeline)
{
	TimestampTz least = DT_NOEND;
	ListCell *cell;

	foreach (cell, offset_all(pipeline->id, turn_context))
	{
		PartitionOffset *offset = lfirst(cell);

		/* Nothing comes from one that is left to others any more, so it would hold it for good. */
		if (!pipeline_reads(pipeline, offset->partition) ||
			partition_is_idle(pipeline->id, offset->partition))
			continue;
		least = Min(least, offset->watermark);
	}
	if (!TIMESTAMP_NOT_FINITE(least) && least > pipeline->watermark)
		pipeline_advance_watermark(pipeline->id, least);
}

/* One look at everything. Returns how long to wait in ms; -1: nothing is left to do here. */
static long
turn(bool look_again)
{
	List *pipelines;
	List *due;
	Moment now;
	Moment next;
	bool timed = false;
	bool any = false;
	bool stale = false;
	bool orphans = false;
	int running;
	ListCell *cell;

	MemoryContextReset(turn_context);
	MemoryContextSwitchTo(turn_context);
	process_begin();
	pipelines = pipeline_all(turn_context);
	due = telemetry_enabled ? retention_due(turn_context, &any) : NIL;
	foreach (cell, pipelines)
	{
		Pipeline *pipeline = lfirst(cell);

		if (desired(pipelines, pipeline->id) == NULL)
			continue;
		any = true;
		if (pipeline->event_time_column)
		{
			timed = true;
			advance_watermark(pipeline);
		}
	}
	process_commit();
	pgstat_report_stat(false);

	if (due != NIL)
		timed |= !maintenance_start(own_slot - worker_shared->databases);
	running = free_unwanted(pipelines, &stale, &orphans);
	/* One whose pipeline went with the extension hears of it only from here. */
	if (look_again || stale)
		notify_workers();
	look_for_dropped |= look_again || stale;
	if (look_for_dropped && !stale)
	{
		forget_dropped(pipelines);
		look_for_dropped = false;
	}
	now = clock_now();
	next = start_wanted(pipelines, now);
	/* Of their end the postmaster does not tell us. */
	if (orphans)
		next = Min(next, now + REGROUP_MS * INT64CONST(1000));
	if (!any && running == 0)
		return -1;
	if (next != MOMENT_NEVER)
		return Min(TICK_MS, Max(10, clock_ms_between(now, next)));
	return timed || running == 0 ? TICK_MS : IDLE_TICK_MS;
}

/* Told to go, by a person or for a statement that wants the database: another comes after it. */
static void
leave_if_asked(void)
{
	if (ProcDiePending)
	{
		LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
		own_slot->again = true;
		LWLockRelease(worker_shared->lock);
	}
	process_leave_if_asked();
}

/* True when a request came since last asked. */
static bool
take_request(void)
{
	bool again;

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	again = own_slot->again;
	own_slot->again = false;
	LWLockRelease(worker_shared->lock);
	return again;
}

void
telemetry_supervisor_main(Datum arg)
{
	int index = DatumGetInt32(arg);

	process_handle_signals();
	supervisor_attach(index);
	BackgroundWorkerInitializeConnectionByOid(own_slot->database, InvalidOid, 0);
	process_pin_settings("0");
	pgstat_report_appname("telemetry supervisor");
	pgstat_report_activity(STATE_RUNNING, "supervising pipelines");

	handles = MemoryContextAllocZero(TopMemoryContext,
									 sizeof(BackgroundWorkerHandle *) * worker_shared->nworkers);
	turn_context = AllocSetContextCreate(TopMemoryContext, "telemetry supervisor turn",
										 ALLOCSET_DEFAULT_SIZES);
	/* What an earlier supervisor of this database started is its own no more: end it. */
	for (int i = 0; i < worker_shared->nworkers; i++)
	{
		WorkerSlot *slot = shared_worker(i);

		if (slot->state != WORKER_FREE && slot->database == MyDatabaseId)
		{
			if (slot->pid != 0)
				kill(slot->pid, SIGTERM);
			else
				free_slot(slot);
		}
	}

	for (;;)
	{
		long timeout;
		bool reloaded;

		leave_if_asked();
		ResetLatch(MyLatch);
		reloaded = process_reload_if_asked();
		timeout = turn(take_request() || reloaded);
		if (timeout < 0)
		{
			if (!take_request())
				proc_exit(0);
			continue;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout,
						 PG_WAIT_EXTENSION);
	}
}
