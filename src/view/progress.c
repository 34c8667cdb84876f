#include "view/progress.h"

#include "base/compat.h"
#include "base/spi.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* Builds that can run at a time, in all databases. */
#define MAX_BUILDS 32

/* How often a running query's counters are looked at. */
#define LOOK_MS 500

typedef struct BuildSlot
{
	int pid; /* 0: free */
	Oid database;
	int view_id;
	Oid view;
	BuildPhase phase;
	double total;
	pg_atomic_uint64 done; /* set in a signal handler, so without the lock */
	TimestampTz started_at;
} BuildSlot;

/* Guards which slots are taken; what a slot says of progress is its own process's to write. */
static LWLock *lock;
static BuildSlot *slots; /* NULL: not preloaded */
static BuildSlot *mine;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

/* Nodes of the running query that read the table, and what queries before it have read. */
#define MAX_WATCHED 4096
static Instrumentation *watched[MAX_WATCHED];
static volatile int nwatched;
static uint64 done_before;
static TimeoutId look_timeout = MAX_TIMEOUTS;

static const char *const phases[] = {"waiting for writers", "reading the table",
									 "merging what was written meanwhile", "finishing"};

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(BuildSlot) * MAX_BUILDS);
	RequestNamedLWLockTranche("telemetry_build", 1);
}

static void
startup(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("telemetry builds", sizeof(BuildSlot) * MAX_BUILDS, &found);
	if (!found)
	{
		memset(slots, 0, sizeof(BuildSlot) * MAX_BUILDS);
		for (int i = 0; i < MAX_BUILDS; i++)
			pg_atomic_init_u64(&slots[i].done, 0);
	}
	lock = &GetNamedLWLockTranche("telemetry_build")->lock;
	LWLockRelease(AddinShmemInitLock);
}

void
progress_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* ---- one's own ------------------------------------------------------------------------------- */

static void
leave(int code, Datum arg)
{
	progress_end();
}

void
progress_begin(const ViewRow *row)
{
	static bool registered;

	if (!registered)
		before_shmem_exit(leave, (Datum) 0);
	registered = true;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_BUILDS && mine == NULL; i++)
		if (slots[i].pid == 0)
			mine = &slots[i];
	if (mine)
	{
		mine->pid = MyProcPid;
		mine->database = MyDatabaseId;
		mine->view_id = row->id;
		mine->view = row->view;
		mine->phase = BUILD_WAITS;
		mine->total = 0;
		mine->started_at = GetCurrentTimestamp();
		pg_atomic_write_u64(&mine->done, 0);
	}
	LWLockRelease(lock);
	done_before = 0;
	if (mine == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("more than %d continuous views cannot be built at a time", MAX_BUILDS),
				 errhint("Wait for one of telemetry.progress_build to end.")));
}

void
progress_phase(BuildPhase phase)
{
	mine->phase = phase;
}

void
progress_total(double rows)
{
	mine->total = rows;
}

void
progress_forget(void)
{
	nwatched = 0;
}

void
progress_end(void)
{
	progress_forget();
	if (mine == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	mine->pid = 0;
	LWLockRelease(lock);
	mine = NULL;
}

/* ---- a query's counters ---------------------------------------------------------------------- */

/* Also in a signal handler: it reads what stays in place while the query runs. */
static void
look(void)
{
	double rows = 0;

	for (int i = 0; i < nwatched; i++)
		rows += watched[i]->ntuples + watched[i]->tuplecount + watched[i]->nfiltered1;
	if (mine)
		pg_atomic_write_u64(&mine->done, done_before + (uint64) rows);
}

static bool
watch_node(PlanState *node, void *context)
{
	const List *tables = context;
	Relation relation = NULL;

	switch (nodeTag(node))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
			relation = ((ScanState *) node)->ss_currentRelation;
			break;
		default:
			break;
	}
	if (relation && node->instrument && nwatched < MAX_WATCHED &&
		list_member_oid(tables, RelationGetRelid(relation)))
		watched[nwatched++] = node->instrument;
	return planstate_tree_walker(node, watch_node, context);
}

void
progress_watch(QueryDesc *query, const List *tables)
{
	if (look_timeout == MAX_TIMEOUTS)
		look_timeout = RegisterTimeout(USER_TIMEOUT, look);
	nwatched = 0;
	(void) watch_node(query->planstate, unconstify(List *, tables));
	enable_timeout_every(look_timeout, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_MS),
						 LOOK_MS);
}

void
progress_unwatch(void)
{
	disable_timeout(look_timeout, false);
	look();
	done_before = pg_atomic_read_u64(&mine->done);
	nwatched = 0;
}

/* ---- what others see ------------------------------------------------------------------------- */

bool
progress_running(int view_id)
{
	bool found = false;

	if (slots == NULL)
		return false;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < MAX_BUILDS && !found; i++)
		found =
			slots[i].pid != 0 && slots[i].database == MyDatabaseId && slots[i].view_id == view_id;
	LWLockRelease(lock);
	return found;
}

PG_FUNCTION_INFO_V1(telemetry_is_building);
Datum
telemetry_is_building(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(progress_running(PG_GETARG_INT32(0)));
}

PG_FUNCTION_INFO_V1(telemetry_build_progress);
Datum
telemetry_build_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (slots == NULL)
		return (Datum) 0;
	for (int i = 0; i < MAX_BUILDS; i++)
	{
		BuildSlot slot;
		Datum values[6];
		bool nulls[lengthof(values)] = {0};

		LWLockAcquire(lock, LW_SHARED);
		slot = slots[i];
		LWLockRelease(lock);
		if (slot.pid == 0 || slot.database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(slot.pid);
		values[1] = ObjectIdGetDatum(slot.view);
		values[2] = CStringGetTextDatum(phases[slot.phase]);
		values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.done));
		values[4] = Int64GetDatum((int64) slot.total);
		values[5] = TimestampTzGetDatum(slot.started_at);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
