/*
 * The maintenance worker of a database: started by the supervisor when a retention is due, it does
 * what is due and ends. Each partition goes or comes in a transaction of its own, which waits a
 * second at most for a lock, since whoever comes behind it waits as long. What does not succeed is
 * written down, and tried again in ten seconds.
 */
#include "worker/maintenance.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "base/compat.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "worker/process.h"
#include "worker/retention.h"
#include "worker/shared.h"

#define LOCK_TIMEOUT   "1s"
#define INTERVAL_S     60
#define AFTER_ERROR_S  10
#define START_AGAIN_MS 1000

PGDLLEXPORT void telemetry_maintenance_main(Datum arg) pg_attribute_noreturn();

/* ---- in the supervisor ----------------------------------------------------------------------- */

bool
maintenance_start(int database)
{
	static BackgroundWorkerHandle *handle;
	static Moment next_start;
	static bool said = false;
	BackgroundWorker process = {
		.bgw_name = "telemetry maintenance",
		.bgw_type = "telemetry maintenance",
		.bgw_function_name = "telemetry_maintenance_main",
		.bgw_main_arg = Int32GetDatum(database),
	};
	pid_t pid;
	Moment now = clock_now();

	if (handle && GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
		return true;
	if (handle)
		pfree(handle);
	handle = NULL;
	if (now < next_start)
		return false;
	/* One that fails, or finds no room, is not started again at once. */
	next_start = now + START_AGAIN_MS * INT64CONST(1000);
	memcpy(process.bgw_extra, &MyDatabaseId, sizeof(Oid));
	handle = process_start(&process);
	if (handle == NULL && !said)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("could not start telemetry's maintenance: a retention waits"),
						  errdetail("No slot for a background worker is free."),
						  errhint("Raise max_worker_processes; it is tried again every second.")));
	said = handle == NULL;
	return handle != NULL;
}

/* ---- the worker itself ----------------------------------------------------------------------- */

static DatabaseSlot *own_slot;

static void
detach(int code, Datum arg)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (own_slot->maintenance_pid == MyProcPid)
		own_slot->maintenance_pid = 0;
	LWLockRelease(worker_shared->lock);
}

/* A run of one retention, and what its transactions need to know. */
typedef struct Run
{
	const Retention *retention;
	MemoryContext context;
	List *expired;
	Oid partition; /* the one to drop */
	RetentionResult result;
} Run;

static void
find_expired(Run *run)
{
	MemoryContext old;
	List *expired = retention_expired(run->retention);

	old = MemoryContextSwitchTo(run->context);
	run->expired = list_copy(expired);
	MemoryContextSwitchTo(old);
}

static void
make(Run *run)
{
	run->result.made += retention_make(run->retention);
}

static void
drop(Run *run)
{
	run->result.dropped += retention_drop(run->retention, run->partition);
}

static void
look_ahead(Run *run)
{
	run->result.ahead = retention_ahead(run->retention);
}

static void
report(Run *run)
{
	retention_report(run->retention->target, &run->result,
					 run->result.error ? AFTER_ERROR_S : INTERVAL_S);
}

static void
forget(Run *run)
{
	(void) retention_remove(run->retention->target);
}

/*
 * One transaction, where an error is noted and ends no more than this. False: there is no use in
 * going on.
 */
static bool
try_one(Run *run, void (*work)(Run *run))
{
	volatile bool go_on = true;

	CHECK_FOR_INTERRUPTS();
	PG_TRY();
	{
		process_begin();
		work(run);
		process_commit();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(run->context);
		error = CopyErrorData();
		AbortCurrentTransaction();
		FlushErrorState();
		if (run->result.error == NULL)
			run->result.error = error_line(error);
		/* Others would wait as long for the same lock, and users behind them. */
		go_on = error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	return go_on;
}

static bool
table_is_there(Oid table)
{
	bool there;

	process_begin();
	there = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
	process_commit();
	return there;
}

static void
run_retention(const Retention *retention)
{
	/* ahead: not known */
	Run run = {.retention = retention, .context = CurrentMemoryContext, .result = {.ahead = -1}};
	ListCell *cell;
	bool go_on;

	if (!table_is_there(retention->target))
	{
		(void) try_one(&run, forget);
		return;
	}
	go_on = try_one(&run, find_expired);
	/* First what ingestion could wait for. */
	go_on = go_on && try_one(&run, make);
	foreach (cell, run.expired)
	{
		run.partition = lfirst_oid(cell);
		go_on = go_on && try_one(&run, drop);
	}
	(void) try_one(&run, look_ahead);
	/* Without the table's lock: set_retention() may hold the row, and then it is due still. */
	(void) try_one(&run, report);
}

void
telemetry_maintenance_main(Datum arg)
{
	MemoryContext context;
	List *due;
	ListCell *cell;
	bool any;
	Oid database;

	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	process_handle_signals();
	process_let_cancel(true);
	own_slot = &worker_shared->databases[DatumGetInt32(arg)];
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	own_slot->maintenance_pid = MyProcPid;
	LWLockRelease(worker_shared->lock);
	before_shmem_exit(detach, (Datum) 0);
	if (shared_is_held(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	process_pin_settings(LOCK_TIMEOUT);
	pgstat_report_appname("telemetry maintenance");
	pgstat_report_activity(STATE_RUNNING, "dropping and making partitions");
	context =
		AllocSetContextCreate(TopMemoryContext, "telemetry maintenance", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	process_begin();
	due = retention_due(context, &any);
	process_commit();
	foreach (cell, due)
		run_retention(lfirst(cell));
	proc_exit(0);
}
