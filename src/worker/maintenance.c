/*
 * The maintenance worker of a database: started by the supervisor when a retention is due, it does
 * what is due and ends. Each partition goes or comes in a transaction of its own, which waits a
 * second at most for a lock, since whoever comes behind it waits as long. What does not succeed is
 * written down, and tried again in ten seconds.
 */
#include "worker/maintenance.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
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

/* Settings under which it runs, whatever the server's are. */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"TimeZone", "UTC"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"lock_timeout", LOCK_TIMEOUT},
		{"session_replication_role", "origin"},
		{"client_min_messages", "error"},
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* One transaction of a retention's run; what it does is chosen by partition. */
static int
do_one(const Retention *retention, Oid partition)
{
	int done;

	process_begin();
	done = OidIsValid(partition) ? retention_drop(retention, partition) : retention_make(retention);
	process_commit();
	return done;
}

/* The same, where an error is noted and ends no more than this. False: there is no use in going on.
 */
static bool
try_one(const Retention *retention, Oid partition, int *count, RetentionResult *result)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool go_on = true;

	CHECK_FOR_INTERRUPTS();
	PG_TRY();
	{
		*count += do_one(retention, partition);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		AbortCurrentTransaction();
		FlushErrorState();
		MemoryContextSwitchTo(context);
		if (result->error == NULL)
			result->error = error_line(error);
		/* Others would wait as long for the same lock, and users behind them. */
		go_on = error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE;
	}
	PG_END_TRY();
	return go_on;
}

static void
run_retention(const Retention *retention)
{
	RetentionResult result = {0};
	MemoryContext context = CurrentMemoryContext;
	List *expired;
	ListCell *cell;

	process_begin();
	if (!get_rel_name(retention->target))
	{
		/* The table was dropped. */
		(void) retention_remove(retention->target);
		process_commit();
		return;
	}
	expired = retention_expired(retention);
	MemoryContextSwitchTo(context);
	expired = list_copy(expired);
	process_commit();

	/* First what ingestion could wait for. */
	if (try_one(retention, InvalidOid, &result.made, &result))
	{
		foreach (cell, expired)
			if (!try_one(retention, lfirst_oid(cell), &result.dropped, &result))
				break;
	}
	process_begin();
	result.ahead = retention_ahead(retention);
	process_commit();
	/* Without the table's lock: set_retention() may hold the row. */
	process_begin();
	retention_report(retention->target, &result, result.error ? AFTER_ERROR_S : INTERVAL_S);
	process_commit();
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
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	own_slot = &worker_shared->databases[DatumGetInt32(arg)];
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	own_slot->maintenance_pid = MyProcPid;
	LWLockRelease(worker_shared->lock);
	before_shmem_exit(detach, (Datum) 0);
	if (shared_is_held(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pin_settings();
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
