/*
 * How the workers come into being, and how a session reaches them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "worker/hold.h"
#include "worker/shared.h"
#include "worker/worker.h"

static List *wake_pending = NIL; /* databases; in TopTransactionContext */

static void
wake_callback(XactEvent event, void *arg)
{
	ListCell *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (worker_shared && event == XACT_EVENT_COMMIT)
		foreach (cell, wake_pending)
			shared_request_database(lfirst_oid(cell));
	/* Of its COMMIT PREPARED no callback tells. */
	if (worker_shared && event == XACT_EVENT_PREPARE && wake_pending != NIL)
		worker_shared->prepared = true;
	wake_pending = NIL;
}

void
worker_init(void)
{
	BackgroundWorker worker = {0};

	RegisterXactCallback(wake_callback, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	shared_init();
	hold_init();
	/* A server that pg_upgrade starts is only looked at: nothing may be written or read by us. */
	if (IsBinaryUpgrade)
		return;

	snprintf(worker.bgw_name, BGW_MAXLEN, "telemetry launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "telemetry launcher");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	/* Not on a standby; after its promotion at once. */
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "telemetry");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "telemetry_launcher_main");
	RegisterBackgroundWorker(&worker);
}

bool
worker_available(void)
{
	return worker_shared != NULL;
}

void
worker_require(void)
{
	if (!worker_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("telemetry's workers are not loaded"),
				 errdetail("Pipelines are run by background workers, which start with the server."),
				 errhint("Add the line shared_preload_libraries = 'telemetry' to postgresql.conf "
						 "(beside what it already names) and restart the server.")));
}

void
worker_wake_database_at_commit(Oid database)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	wake_pending = list_append_unique_oid(wake_pending, database);
	MemoryContextSwitchTo(old);
}

void
worker_wake_at_commit(void)
{
	worker_wake_database_at_commit(MyDatabaseId);
}
