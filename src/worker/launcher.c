/*
 * The launcher: connected to no database, it starts a supervisor in each that needs one.
 *
 * At its own start it looks into every database once, since only from inside can be seen whether
 * there are pipelines; a supervisor that finds none leaves again at once. From then on it acts on
 * requests (shared.h), which sessions make when they commit a change.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_database.h"
#include "base/guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"
#include "worker/process.h"
#include "worker/shared.h"

/* How often a limit that was hit is tried again. */
#define LIMIT_MS 5000

/* How often is asked whether a statement still wants the database for itself. */
#define HELD_MS 200

/* How often a supervisor is looked at whose end nobody tells us. */
#define ALIVE_MS 500

/* A supervisor that ran for longer than the longest backoff was well: a failure is a first one. */
#define WELL_MS 60000

/*
 * As many databases are looked into at a time, and how often is asked whether another's turn has
 * come: a server of hundreds shall neither start as many processes at once nor run out of them.
 */
#define SCANS_AT_ONCE 4
#define SCAN_MS       50
#define LOOK_MS       1000 /* one that stays for longer has found pipelines */

PGDLLEXPORT void telemetry_launcher_main(Datum arg) pg_attribute_noreturn();

/* What only the launcher knows of its children, by position in worker_shared->databases. */
typedef struct Child
{
	BackgroundWorkerHandle *handle;
	int failures; /* in a row */
	Moment started_at;
	Moment next_start;
	bool waits; /* for a background worker's slot, as all others do */
} Child;

static Child children[WORKER_DATABASES];
static bool no_slot_said = false;
static List *to_scan = NIL; /* databases that have yet to be looked into; in TopMemoryContext */

static void
launcher_detach(int code, Datum arg)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker_shared->launcher_latch = NULL;
	LWLockRelease(worker_shared->lock);
}

static void
ask_for_all(void)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker_shared->scan_all = true;
	LWLockRelease(worker_shared->lock);
}

/*
 * A transaction that was prepared before the server started may have changed a pipeline, and its
 * COMMIT PREPARED is still to come. What has no process holds its locks as it.
 */
static void
look_for_prepared(void)
{
	LockData *locks = GetLockStatusData();
	bool prepared = false;

	for (int i = 0; i < locks->nelements && !prepared; i++)
		prepared = locks->locks[i].pid == 0;
	if (prepared)
		worker_shared->prepared = true;
	pfree(locks->locks);
	pfree(locks);
}

/* Nobody comes into one that DROP DATABASE has left half gone. */
static bool
can_be_entered(Form_pg_database database)
{
	return database->datallowconn && database->datconnlimit != DATCONNLIMIT_INVALID_DB;
}

/* Notes every database that can be connected to. */
static void
note_all(void)
{
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;
	MemoryContext old;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (!can_be_entered(database) || database->datistemplate)
			continue;
		old = MemoryContextSwitchTo(TopMemoryContext);
		to_scan = lappend_oid(to_scan, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
}

/* True while one waits for a background worker's slot: there is none for another, either. */
static bool
is_out_of_slots(void)
{
	bool waits = false;

	for (int i = 0; i < WORKER_DATABASES && !waits; i++)
		waits = children[i].waits && worker_shared->databases[i].state == DATABASE_REQUESTED;
	return waits;
}

/* True while as many start, or look, as may at once; one that failed is no more of these. */
static bool
is_busy(Moment now)
{
	int looking = 0;

	for (int i = 0; i < WORKER_DATABASES; i++)
	{
		DatabaseState state = worker_shared->databases[i].state;

		looking +=
			state == DATABASE_STARTING ||
			(state == DATABASE_REQUESTED && children[i].failures == 0) ||
			(state == DATABASE_RUNNING && clock_ms_between(children[i].started_at, now) < LOOK_MS);
	}
	return looking >= SCANS_AT_ONCE;
}

/*
 * Goes on looking into databases, as many as may be at once. Returns after how many milliseconds
 * the others' turn may have come, 0: there are none. Slots of background workers, and our entries,
 * may be taken for days: the end of a supervisor, which gives one back, wakes us.
 */
static int
request_noted(Moment now)
{
	while (to_scan != NIL)
	{
		if (is_out_of_slots())
			return LIMIT_MS;
		if (is_busy(now))
			return SCAN_MS;
		if (!shared_try_request(linitial_oid(to_scan)))
			return LIMIT_MS;
		to_scan = list_delete_first(to_scan);
	}
	return 0;
}

/* A background worker's slot is free: whoever waits for one need not wait for longer. */
static void
wake_waiting(Moment now)
{
	for (int i = 0; i < WORKER_DATABASES; i++)
		if (children[i].waits)
			children[i].next_start = now;
}

/* That there is none is said once, until nobody waits any more. */
static void
report_no_slot(Oid database)
{
	if (!no_slot_said)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start telemetry's supervisor for database %u", database),
				 errdetail("No slot for a background worker is free."),
				 errhint("Raise max_worker_processes; it is tried again every few seconds.")));
	no_slot_said = true;
}

/* True if there is such a database, so that a supervisor's start can succeed. */
static bool
database_exists(Oid oid)
{
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		found = database->oid == oid && can_be_entered(database);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	return found;
}

static void
set_state(int index, DatabaseState state)
{
	DatabaseSlot *slot = &worker_shared->databases[index];

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	slot->state = state;
	if (state < DATABASE_STARTING)
	{
		slot->pid = 0;
		slot->latch = NULL;
	}
	LWLockRelease(worker_shared->lock);
}

static void
start_supervisor(int index)
{
	DatabaseSlot *slot = &worker_shared->databases[index];
	Child *child = &children[index];
	Oid database = slot->database;
	BackgroundWorker process = {
		.bgw_type = "telemetry supervisor",
		.bgw_function_name = "telemetry_supervisor_main",
		.bgw_main_arg = Int32GetDatum(index),
	};

	if (shared_is_held(database))
	{
		child->next_start = clock_after(HELD_MS);
		return;
	}
	if (!database_exists(database))
	{
		if (shared_forget_database(database))
			set_state(index, DATABASE_FREE);
		else
			child->next_start = clock_after(HELD_MS);
		return;
	}
	set_state(index, DATABASE_STARTING);
	child->started_at = clock_now();

	snprintf(process.bgw_name, BGW_MAXLEN, "telemetry supervisor for database %u", database);
	child->handle = process_start(&process);
	child->waits = child->handle == NULL;
	if (child->handle == NULL)
	{
		report_no_slot(database);
		child->next_start = clock_after(LIMIT_MS);
		set_state(index, DATABASE_REQUESTED);
	}
}

/* True while the process that the entry names runs, whoever started it. */
static bool
is_alive(const DatabaseSlot *slot)
{
	return slot->pid != 0 && BackendPidGetProc(slot->pid) != NULL;
}

/*
 * Asks for another in the place of one that an earlier launcher started, and that is gone, or has
 * not come to attach; if it does after all, it finds that it is not awaited.
 */
static void
replace_orphan(DatabaseSlot *slot)
{
	int pid = slot->pid;

	if (slot->state < DATABASE_STARTING || is_alive(slot))
		return;
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (slot->pid == pid)
	{
		slot->state = DATABASE_REQUESTED;
		slot->pid = 0;
		slot->latch = NULL;
	}
	LWLockRelease(worker_shared->lock);
}

/* Takes note of the end of a supervisor of ours. */
static void
reap(int index, Moment now)
{
	DatabaseSlot *slot = &worker_shared->databases[index];
	Child *child = &children[index];
	bool again;
	bool failed;

	pfree(child->handle);
	child->handle = NULL;
	wake_waiting(now);
	/* It found one that an earlier launcher had started, and left the database to it. */
	if (is_alive(slot))
		return;
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	/* One that left of its own accord has freed its entry's latch and pid. */
	failed = slot->state == DATABASE_STARTING || slot->pid != 0;
	again = failed || slot->again;
	slot->again = false;
	slot->pid = 0;
	slot->latch = NULL;
	slot->state = again ? DATABASE_REQUESTED : DATABASE_FREE;
	LWLockRelease(worker_shared->lock);
	if (!failed || clock_ms_between(child->started_at, now) >= WELL_MS)
		child->failures = 0;
	child->failures += failed;
	child->next_start = failed ? process_backoff(child->failures) : now;
}

/* Looks after one entry; returns the time at which it wants to be looked at again, or 0. */
static Moment
tend(int index, Moment now)
{
	DatabaseSlot *slot = &worker_shared->databases[index];
	Child *child = &children[index];
	pid_t pid;

	if (child->handle && GetBackgroundWorkerPid(child->handle, &pid) == BGWH_STOPPED)
		reap(index, now);
	if (child->handle == NULL)
		replace_orphan(slot);
	if (slot->state == DATABASE_FREE)
	{
		child->failures = 0;
		child->next_start = 0;
		child->waits = false;
		return 0;
	}
	if (slot->state == DATABASE_REQUESTED && now >= child->next_start)
		start_supervisor(index);
	if (slot->state == DATABASE_REQUESTED)
		return child->next_start;
	/* The postmaster tells whoever started it, and that launcher is gone. */
	return child->handle == NULL ? clock_after(ALIVE_MS) : 0;
}

void
telemetry_launcher_main(Datum arg)
{
	process_handle_signals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname("telemetry launcher");

	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker_shared->launcher_latch = MyLatch;
	LWLockRelease(worker_shared->lock);
	/* First: what was committed before is found by looking into all. */
	look_for_prepared();
	/* A launcher before this one may have died; its supervisors are found by their entries. */
	ask_for_all();
	before_shmem_exit(launcher_detach, (Datum) 0);

	for (;;)
	{
		Moment now = clock_now();
		Moment next = 0;
		long timeout = -1;
		int scan;
		bool waits = false;

		/* Ended with 0 it would be for good: the postmaster restarts only what failed. */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		ResetLatch(MyLatch);
		/* One that is wanted in the midst of another begins after it. */
		if (telemetry_enabled && to_scan == NIL)
		{
			bool all;

			LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
			all = worker_shared->scan_all;
			worker_shared->scan_all = false;
			LWLockRelease(worker_shared->lock);
			if (all)
				note_all();
		}
		scan = telemetry_enabled ? request_noted(now) : 0;
		if (scan > 0)
			next = now + scan * INT64CONST(1000);
		for (int i = 0; i < WORKER_DATABASES && telemetry_enabled; i++)
		{
			Moment wanted = tend(i, now);

			if (wanted != 0 && (next == 0 || wanted < next))
				next = wanted;
			waits |= children[i].waits;
		}
		no_slot_said = no_slot_said && (waits || to_scan != NIL);
		if (next != 0)
			timeout = Max(10, clock_ms_between(now, next));
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, PG_WAIT_EXTENSION);
		if (process_reload_if_asked() && telemetry_enabled)
			ask_for_all();
	}
}
