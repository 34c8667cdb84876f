#include "worker/process.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS  30000

static volatile sig_atomic_t cancellable = false;

static void
handle_cancel(SIGNAL_ARGS)
{
	if (cancellable)
		StatementCancelHandler(postgres_signal_arg);
}

void
process_handle_signals(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, handle_cancel);
	BackgroundWorkerUnblockSignals();
}

void
process_let_cancel(bool let)
{
	cancellable = let;
	/* One that came too late for what it was meant for. */
	if (!let)
		QueryCancelPending = false;
}

BackgroundWorkerHandle *
process_start(BackgroundWorker *process)
{
	BackgroundWorkerHandle *handle;
	MemoryContext old;

	process->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	process->bgw_start_time = BgWorkerStart_RecoveryFinished;
	/* Whoever starts it decides when it is started again. */
	process->bgw_restart_time = BGW_NEVER_RESTART;
	process->bgw_notify_pid = MyProcPid;
	strlcpy(process->bgw_library_name, "telemetry", sizeof(process->bgw_library_name));
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (!RegisterDynamicBackgroundWorker(process, &handle))
		handle = NULL;
	MemoryContextSwitchTo(old);
	return handle;
}

void
process_pin_settings(const char *lock_timeout)
{
	const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"TimeZone", "UTC"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},
		{"lock_timeout", lock_timeout},
		{"session_replication_role", "origin"},
		{"client_min_messages", "error"},
		{"exit_on_error", "off"},
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		/* transaction_timeout came with 17. */
		if (GetConfigOption(settings[i][0], true, false))
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
process_leave_if_asked(void)
{
	/* die() has set it: while we only wait there is nothing to be said about it in the log. */
	if (ProcDiePending)
		proc_exit(0);
	/*
	 * With a backlog a worker never comes to a wait that ends with the postmaster; and until all
	 * its children are gone, no server starts on this data directory.
	 */
	if (!PostmasterIsAlive())
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
}

bool
process_reload_if_asked(void)
{
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

static MemoryContext context_before;

void
process_begin(void)
{
	context_before = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
process_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context_before);
}

void
process_commit_unflushed(void)
{
	/* Until the transaction's end. */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	process_commit();
}

Moment
process_backoff(int failures)
{
	int64 ms = BACKOFF_LAST_MS;

	if (failures < 1)
		failures = 1;
	if (failures <= 8)
		ms = Min((int64) BACKOFF_FIRST_MS << (failures - 1), BACKOFF_LAST_MS);
	ms = ms / 2 + (int64) (pg_prng_double(&pg_global_prng_state) * (ms / 2));
	return clock_after(ms);
}
