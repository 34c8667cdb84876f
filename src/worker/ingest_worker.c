/*
 * The ingest worker's life and loop; see ingest_worker.h for the order of things.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "base/attempt.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/owner.h"
#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/ingest_worker.h"
#include "worker/process.h"

#define CHORES_MS    1000
#define DISCOVERY_MS 10000

/* Most events taken from librdkafka in one call: bounds the time between two looks at signals. */
#define POLL_EVENTS 2000

/* So much of the time that a batch took, the next may wait to be filled from a backlog. */
#define PART_OF_BATCH 4

PGDLLEXPORT void telemetry_ingest_main(Datum arg) pg_attribute_noreturn();

static IngestWorker worker;

static void
detach(int code, Datum arg)
{
	positions_leave(&worker);
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	worker.slot->latch = NULL;
	worker.slot->pid = 0;
	if (code == 0)
		worker.slot->left = true;
	LWLockRelease(worker_shared->lock);
}

static void
attach(int index)
{
	worker.slot = shared_worker(index);
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	if (worker.slot->state != WORKER_STARTING || worker.slot->pid != 0)
	{
		LWLockRelease(worker_shared->lock);
		proc_exit(0);
	}
	worker.slot->state = WORKER_CONNECTING;
	worker.slot->pid = MyProcPid;
	worker.slot->latch = MyLatch;
	worker.slot->started_at = GetCurrentTimestamp();
	worker.changes_seen = worker.slot->changes;
	LWLockRelease(worker_shared->lock);
	before_shmem_exit(detach, (Datum) 0);
}

void
ingest_worker_note_error(IngestWorker *w, const char *error, WorkerState state)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	shared_put_text(w->slot->error, error, sizeof(w->slot->error));
	w->slot->error_at = GetCurrentTimestamp();
	w->slot->state = state;
	LWLockRelease(worker_shared->lock);
}

void
ingest_worker_clear_error(IngestWorker *w)
{
	if (w->slot->error_at == 0 && w->slot->state == WORKER_RUNNING)
		return;
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	w->slot->error[0] = '\0';
	w->slot->error_at = 0;
	w->slot->failures = 0;
	w->slot->state = WORKER_RUNNING;
	LWLockRelease(worker_shared->lock);
}

void
ingest_worker_leave(IngestWorker *w)
{
	/* A supervisor that looks at once starts what the pipeline now asks for. */
	proc_exit(0);
}

/* The pipeline's row; NULL if it does not want this worker (any more). */
static Pipeline *
load_pipeline(MemoryContext context)
{
	Pipeline *pipeline = pipeline_by_id(worker.slot->pipeline_id, context);

	if (pipeline == NULL || pipeline->paused || !pipeline->activated ||
		pipeline->workers != worker.slot->slices)
		return NULL;
	return pipeline;
}

void
ingest_worker_check(IngestWorker *w)
{
	process_leave_if_asked();
	if (process_reload_if_asked() && !telemetry_enabled)
		ingest_worker_leave(w);
	if (w->changes_seen != w->slot->changes)
	{
		const Pipeline *now;
		bool other;

		w->changes_seen = w->slot->changes;
		process_begin();
		now = load_pipeline(CurrentMemoryContext);
		other = now == NULL || now->revision != w->pipeline->revision;
		process_commit();
		if (other)
			ingest_worker_leave(w);
	}
}

bool
sqlstate_needs_a_person(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: /* 42: a dropped table, a lost right */
		case ERRCODE_FEATURE_NOT_SUPPORTED:                 /* 0A */
		case ERRCODE_INVALID_SCHEMA_NAME:                   /* 3F */
			return true;
	}
	switch (sqlstate)
	{
		case ERRCODE_FDW_INVALID_OPTION_NAME:
		case ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE:
		case ERRCODE_FDW_OPTION_NAME_NOT_FOUND:
		case ERRCODE_FDW_INVALID_STRING_FORMAT:
			return true;
	}
	return false;
}

void
ingest_worker_pause_pipeline(IngestWorker *w, const char *reason)
{
	process_begin();
	if (pipeline_by_id(w->slot->pipeline_id, w->context) != NULL)
	{
		pipeline_set_paused(w->slot->pipeline_id, true, reason);
		ereport(LOG, (errmsg("telemetry pipeline \"%s\" is paused: %s",
							 w->pipeline ? w->pipeline->name : "?", reason)));
	}
	process_commit();
	proc_exit(0);
}

char *
ingest_worker_fingerprint(const Source *source, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	StringInfoData text;
	ListCell *name;
	ListCell *value;

	initStringInfo(&text);
	appendStringInfoString(&text, source->topic);
	forboth (name, source->settings.names, value, source->settings.values)
		appendStringInfo(&text, "\n%s=%s", (char *) lfirst(name), (char *) lfirst(value));
	MemoryContextSwitchTo(old);
	return text.data;
}

/* A lock on the target shows in stat_pipeline, and the batch is tried again. */
#define LOCK_TIMEOUT "10s"

/*
 * The rows of a batch are kept for the views over its target, and sorted into sessions. They are
 * about as large as the messages; the 4 MB of work_mem that a server has as it comes would send
 * them to disk, from where each view reads them again.
 */
static void
raise_work_mem(void)
{
	int wanted = Min((int64) 2 * telemetry_batch_memory, MAX_KILOBYTES);
	char text[32];

	if (work_mem >= wanted)
		return;
	snprintf(text, sizeof(text), "%d", wanted);
	SetConfigOption("work_mem", text, PGC_USERSET, PGC_S_OVERRIDE);
}

void
ingest_worker_open(IngestWorker *w)
{
	IngestOptions options = ingest_options_of(w->pipeline);
	Ingest *opened;
	const char *reason;
	const char *path;
	char *dimensions;

	/* After an error the old one stays: it is not valid, but messages are taken by its source. */
	opened = ingest_open(&options, w->context);
	if (w->ingest)
		ingest_close(w->ingest);
	w->ingest = opened;
	path = ingest_path(w->ingest, &reason);
	dimensions = ingest_dimensions(w->ingest);
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	shared_put_text(w->slot->dimensions, dimensions, sizeof(w->slot->dimensions));
	strlcpy(w->slot->path, path, sizeof(w->slot->path));
	shared_put_text(w->slot->path_reason, reason ? reason : "", sizeof(w->slot->path_reason));
	LWLockRelease(worker_shared->lock);
}

/* Loads the pipeline and connects. */
static void
prepare(void)
{
	Source *source;

	process_begin();
	worker.pipeline = load_pipeline(worker.context);
	if (worker.pipeline == NULL)
		proc_exit(0);
	ingest_worker_open(&worker);
	process_commit();

	source = ingest_source(worker.ingest);
	worker.fingerprint = ingest_worker_fingerprint(source, worker.context);
	MemoryContextSwitchTo(worker.context);
	worker.consumer = kafka_consumer_open(&source->settings, source->topic,
										  worker.pipeline->consumer_group, telemetry_fetch_memory);
	pgstat_report_activity(STATE_RUNNING, psprintf("reading topic %s", source->topic));
}

/*
 * A batch's memory is taken and given back many times a second. glibc would return it to the kernel
 * each time and fault it in again, which profiles show as a tenth of the whole; kept, the process
 * holds what its largest batch took, which is bounded all the same.
 */
static void
keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

static void
batch_reset(Batch *batch)
{
	MemoryContextReset(batch->context);
	batch->events = NULL;
	batch->nevents = batch->capacity = 0;
	batch->bytes = 0;
	batch->begun = batch->deadline = 0;
}

/* Room for at least one more call's events. */
static void
batch_reserve(Batch *batch, int wanted)
{
	if (batch->nevents + wanted <= batch->capacity)
		return;
	batch->capacity = Max(batch->capacity * 2, batch->nevents + wanted);
	batch->events =
		batch->events
			? repalloc_huge(batch->events, sizeof(KafkaEvent) * batch->capacity)
			: MemoryContextAllocHuge(batch->context, sizeof(KafkaEvent) * batch->capacity);
}

/*
 * Takes what is there. Returns how many events came, messages or not. The first message of a batch
 * may have waited since the worker looked last, while it wrote the batch before: that is part of
 * batch_interval.
 */
static int
take_events(void)
{
	Batch *batch = &worker.batch;
	Moment looked = worker.looked;
	int room = Min(POLL_EVENTS, worker.pipeline->batch_rows - batch->nevents);
	MemoryContext old;
	KafkaEvent *events;
	int n;

	batch_reserve(batch, room);
	events = batch->events + batch->nevents;
	old = MemoryContextSwitchTo(batch->context);
	n = kafka_consumer_poll(worker.consumer, events, room, 0,
							decoder_needs_headers(ingest_source(worker.ingest)->decoder));
	worker.looked = worker.polled = clock_now();
	worker.polled_at = GetCurrentTimestamp();
	for (int i = 0; i < n; i++)
	{
		KafkaEvent event = events[i];

		if (!positions_accept(&worker, &event))
			continue;
		batch->bytes += event.message.value_length + event.message.key_length;
		batch->events[batch->nevents++] = event;
	}
	MemoryContextSwitchTo(old);
	if (batch->nevents > 0 && batch->begun == 0)
	{
		batch->begun = worker.polled;
		batch->deadline = looked + worker.pipeline->batch_interval;
	}
	return n;
}

/*
 * Of a backlog a batch gets all that it may hold: much of what it costs is by group of a view, not
 * by row. What is known to be there is waited for, up to a part of the time that the last batch
 * took to write; that late its messages are in any case.
 */
static bool
is_worth_waiting(Moment now)
{
	const Batch *batch = &worker.batch;

	return now < batch->begun + worker.pipeline->batch_interval +
					 worker.slot->batch_us / PART_OF_BATCH &&
		   positions_behind(&worker) >= worker.pipeline->batch_rows - batch->nevents;
}

/* drained: there was nothing more to take. What is late already takes along what has come. */
static bool
batch_is_full(Moment now, bool drained)
{
	const Batch *batch = &worker.batch;

	if (batch->nevents >= worker.pipeline->batch_rows ||
		batch->bytes >= (int64) telemetry_batch_memory * 1024)
		return true;
	return batch->nevents > 0 && drained && now >= batch->deadline && !is_worth_waiting(now);
}

/* Fills a batch, or gives up when chores are due. No transaction is open. */
static void
collect(void)
{
	for (;;)
	{
		Moment now;
		Moment until;
		int n;

		ingest_worker_check(&worker);
		n = take_events();
		now = clock_now();
		if (batch_is_full(now, n == 0) || (worker.batch.nevents == 0 && now >= worker.next_chores))
			return;
		if (n > 0)
			continue;
		until = worker.batch.nevents > 0 ? worker.batch.deadline : worker.next_chores;
		(void) WaitLatchOrSocket(
			MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
			kafka_consumer_socket(worker.consumer), Max(1, clock_ms_between(now, until)),
			PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		kafka_consumer_socket_clear(worker.consumer);
		/* What comes wakes it. */
		if (worker.batch.nevents == 0)
			worker.looked = clock_now();
	}
}

/*
 * Where no batch comes, none finds out that the source reads another topic now, asks other brokers,
 * or is gone: so a worker that is told of a change, or is not connected, looks for itself. What
 * else was altered has time until there are rows; locks are not waited for here.
 */
static void
follow_definitions(void)
{
	OwnerScope scope;
	const Source *source;
	bool other;

	process_begin(); /* hears what others have committed */
	if (worker.slot->state != WORKER_CONNECTING && !ingest_was_altered(worker.ingest))
	{
		process_commit();
		return;
	}
	/* Rights and mapping are the owner's; a source that is gone pauses the pipeline. */
	owner_begin(&scope, worker.pipeline->owner);
	source = source_open(worker.pipeline->source, worker.pipeline->owner, CurrentMemoryContext);
	other =
		strcmp(worker.fingerprint, ingest_worker_fingerprint(source, CurrentMemoryContext)) != 0;
	owner_end(&scope);
	/* So does a target. */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(worker.pipeline->target)))
		ingest_worker_open(&worker);
	process_commit();
	if (other)
		ingest_worker_leave(&worker);
}

static bool
chores_are_due(void)
{
	return clock_now() >= worker.next_chores;
}

static void
chores(void)
{
	Moment now = clock_now();
	const char *error;

	worker.next_chores = now + CHORES_MS * INT64CONST(1000);
	follow_definitions();
	if (now >= worker.next_discovery)
	{
		worker.next_discovery = now + DISCOVERY_MS * INT64CONST(1000);
		positions_discover(&worker);
	}
	positions_assign(&worker);
	positions_report(&worker);
	error = kafka_consumer_publish_error(worker.consumer);
	if (error && !worker.publish_warned)
	{
		worker.publish_warned = true;
		ereport(WARNING,
				(errmsg("could not publish offsets of pipeline \"%s\" to consumer group \"%s\": %s",
						worker.pipeline->name, worker.pipeline->consumer_group, error),
				 errdetail("Nothing is lost: the offsets in the database count, Kafka's serve lag "
						   "tools only. This is said once.")));
	}
	pgstat_report_stat(false);
}

static void
run(void)
{
	prepare();
	positions_discover(&worker);
	positions_assign(&worker);
	worker.next_discovery = clock_after(DISCOVERY_MS);
	for (;;)
	{
		batch_reset(&worker.batch);
		collect();
		if (worker.batch.nevents > 0 || (chores_are_due() && positions_moved(&worker)))
			batch_commit(&worker);
		if (chores_are_due())
			chores();
	}
}

/* An error that ended the worker: it is shown until the next good batch. */
static void
report_failure(ErrorData *error)
{
	ingest_worker_note_error(&worker, error->message, WORKER_FAILED);
	if (sqlstate_needs_a_person(error->sqlerrcode))
		ingest_worker_pause_pipeline(&worker, error_line(error));
}

void
telemetry_ingest_main(Datum arg)
{
	process_handle_signals();
	attach(DatumGetInt32(arg));
	/*
	 * A statement that wants the database could not ask this one to leave before it had a pid, and
	 * the supervisor that would is gone.
	 */
	if (shared_is_held(worker.slot->database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(worker.slot->database, InvalidOid, 0);
	process_pin_settings(LOCK_TIMEOUT);
	raise_work_mem();
	pgstat_report_appname(MyBgworkerEntry->bgw_name);

	keep_memory();
	worker.context =
		AllocSetContextCreate(TopMemoryContext, "telemetry ingest worker", ALLOCSET_DEFAULT_SIZES);
	worker.batch.context =
		AllocSetContextCreate(TopMemoryContext, "telemetry batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker.context);

	PG_TRY();
	{
		run();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(worker.context);
		error = CopyErrorData();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		report_failure(error);
		proc_exit(1);
	}
	PG_END_TRY();
	pg_unreachable();
}
