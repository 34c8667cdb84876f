/*
 * One batch in one transaction: rows, dead letters, counters and offsets, or nothing of it.
 *
 * First the happy path. A data error in it aborts, and the batch is written again from memory with
 * care, by prefixes (ingest.h). Any other error is the database's: the same batch is tried again
 * after a while, for as long as it takes; stat_pipeline says so.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "base/crash.h"
#include "base/guc.h"
#include "base/sqlstate.h"
#include "catalog/dead_letter.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "view/view.h"
#include "utils/wait_event.h"
#include "worker/ingest_worker.h"
#include "worker/process.h"

/* So often a batch is tried again because its tables were altered meanwhile. */
#define RENAMED_IN_A_ROW 3

/* How old the memory's figure may be that is shown. */
#define MEMORY_EVERY_US INT64CONST(1000000)

/* What a batch is while it is being written. */
typedef struct Writing
{
	IngestMessage *messages;
	PartitionOffset *new; /* of each partition, once the transaction at hand has committed */
	int all;              /* messages */
	int n;    /* of these, those to write: fewer where the pipeline is to pause before the others */
	int done; /* committed prefix */
	bool careful;
	bool bad_data; /* an error of data has aborted it */
	bool opened;   /* the transaction at hand has looked at source and target */
	int failures;  /* in a row */
	int dead_in_a_row;
	bool too_many_dead;
} Writing;

static char *
shorten(const KafkaEvent *event)
{
	return psprintf("the value is %zu bytes long, the limit is %d (telemetry.max_message_bytes)",
					event->message.value_length, telemetry_max_message_bytes);
}

/* Fresh verdicts for what is not committed yet. */
static void
prepare_messages(IngestWorker *worker, Writing *writing)
{
	for (int i = writing->done; i < writing->n; i++)
	{
		IngestMessage *message = &writing->messages[i];
		const KafkaEvent *event = &worker->batch.events[i];

		memset(message, 0, sizeof(IngestMessage));
		message->view = &event->message;
		message->event_time = DT_NOBEGIN;
		if (event->message.value_length > (size_t) telemetry_max_message_bytes)
		{
			message->verdict = INGEST_DEAD;
			message->error.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			message->error.message = shorten(event);
		}
	}
}

static void
store_dead_letter(IngestWorker *worker, int index, const DecodeError *error)
{
	KafkaEvent *event = &worker->batch.events[index];
	DeadLetter letter = {0};

	kafka_event_headers(event);
	letter.message = event->message;
	letter.value_length = event->message.value ? (int64) event->message.value_length : -1;
	if (event->message.value_length > (size_t) telemetry_max_message_bytes)
		letter.message.value_length = telemetry_max_message_bytes;
	letter.error = *error;
	dead_letter_insert(worker->pipeline->id, ingest_source(worker->ingest)->topic, &letter);
}

/* What a batch's prefix means for one partition. */
typedef struct Tally
{
	OffsetCounts counts;
	TimestampTz newest;      /* greatest event time; DT_NOBEGIN: none */
	const MessageView *last; /* NULL: nothing of this partition */
} Tally;

static void
tally_message(const IngestWorker *worker, Tally *tally, const IngestMessage *message)
{
	tally->last = message->view;
	switch (message->verdict)
	{
		case INGEST_STORED:
			if (!message->left_out)
				tally->counts.stored++;
			else if (worker->pipeline->ignore_conflicts)
				tally->counts.duplicates++;
			else
				tally->counts.suppressed++;
			if (TIMESTAMP_NOT_FINITE(message->event_time))
				break;
			tally->newest = Max(tally->newest, message->event_time);
			tally->counts.late +=
				!message->left_out && message->event_time < worker->pipeline->watermark;
			break;
		case INGEST_DEAD:
			tally->counts.dead++;
			break;
		default:
			tally->counts.skipped++;
	}
}

/* One tally per partition of the worker, over the prefix [from, to). */
static Tally *
tally_up(IngestWorker *worker, const Writing *writing, int from, int to)
{
	Tally *tallies = palloc0(sizeof(Tally) * Max(worker->npartitions, 1));
	Partition *partition = NULL;

	for (int i = 0; i < worker->npartitions; i++)
		tallies[i].newest = DT_NOBEGIN;
	for (int i = from; i < to; i++)
	{
		const IngestMessage *message = &writing->messages[i];

		if (partition == NULL || partition->stored.partition != message->view->partition)
			partition = positions_find(worker, message->view->partition);
		tally_message(worker, &tallies[partition - worker->partitions], message);
	}
	return tallies;
}

/* The partition's new position and watermark. */
static void
advance(const IngestWorker *worker, const Tally *tally, PartitionOffset *new)
{
	TimestampTz watermark;

	if (tally->last)
	{
		new->next_offset = tally->last->offset + 1;
		new->last_offset = tally->last->offset;
		new->last_timestamp = tally->last->timestamp_ms;
		new->last_checksum = positions_checksum(tally->last);
	}
	/* A clock that runs ahead shall finalise nothing early. */
	if (tally->newest != DT_NOBEGIN)
		new->max_event_time = Max(new->max_event_time, Min(tally->newest, GetCurrentTimestamp()));
	if (new->max_event_time == DT_NOBEGIN)
		return;
	watermark = new->max_event_time - worker->pipeline->allowed_lateness;
	/* Before the first time that a timestamp can hold there is none, as if nothing had come. */
	if (watermark >= MIN_TIMESTAMP)
		new->watermark = Max(new->watermark, watermark);
}

/*
 * Another has committed this partition's messages, or a seek moved it: nothing of this batch may
 * stay, and trying it again could not help. The worker that is started anew reads where the table
 * says.
 */
static void
position_lost(IngestWorker *worker, int32 partition)
{
	ereport(LOG, (errmsg("telemetry pipeline \"%s\": the position of partition %d was moved by "
						 "another; the batch is given up, and the worker starts anew",
						 worker->pipeline->name, partition)));
	AbortCurrentTransaction();
	ingest_worker_leave(worker);
}

/* Writes offsets and counters of all partitions; the new values go to new[]. */
static void
store_offsets(IngestWorker *worker, const Writing *writing, int from, int to,
			  const IngestCounts *totals, PartitionOffset *new)
{
	Tally *tallies = tally_up(worker, writing, from, to);
	int64 duplicates = totals->duplicates;
	int64 suppressed = totals->suppressed;

	/* Those of which it is not known what row they are, because of rules, are anybody's. */
	for (int i = 0; i < worker->npartitions; i++)
	{
		duplicates -= tallies[i].counts.duplicates;
		suppressed -= tallies[i].counts.suppressed;
	}
	for (int i = 0; i < worker->npartitions; i++)
	{
		Partition *partition = &worker->partitions[i];
		OffsetCounts *counts = &tallies[i].counts;

		new[i] = partition->stored;
		advance(worker, &tallies[i], &new[i]);
		/* Behind the last message there may be markers, read to the partition's end. */
		if (to == writing->all)
			new[i].next_offset = partition->next;
		if (new[i].next_offset == partition->stored.next_offset)
			continue;
		offset_leave_out(counts, &duplicates, &suppressed);
		if (!offset_update(worker->pipeline->id, &new[i], partition->stored.next_offset, counts))
			position_lost(worker, new[i].partition);
	}
}

/* The pipeline must still be what this worker runs; the lock holds it so until the commit. */
static void
check_pipeline(IngestWorker *worker)
{
	Pipeline *now;

	pipeline_lock(worker->pipeline->id, false);
	now = pipeline_by_id(worker->pipeline->id, CurrentMemoryContext);
	if (now == NULL || now->paused || !now->activated ||
		now->revision != worker->pipeline->revision)
	{
		AbortCurrentTransaction();
		ingest_worker_leave(worker);
	}
	worker->pipeline->watermark = now->watermark;
}

/* Source or target changed: look whether they still fit, and whether the topic is another now. */
static void
reopen_ingest(IngestWorker *worker)
{
	if (ingest_is_valid(worker->ingest))
		return;
	ingest_worker_open(worker);
	if (strcmp(worker->fingerprint,
			   ingest_worker_fingerprint(ingest_source(worker->ingest), CurrentMemoryContext)) != 0)
	{
		AbortCurrentTransaction();
		ingest_worker_leave(worker);
	}
}

/*
 * Stores what is dead of the next `took` messages and counts on how many were in a row; returns how
 * many messages there are up to where the limit of those was reached, or all.
 */
static int
store_dead_letters(IngestWorker *worker, const Writing *writing, int took, int *in_a_row)
{
	for (int i = 0; i < took; i++)
	{
		const IngestMessage *message = &writing->messages[writing->done + i];

		if (message->verdict == INGEST_STORED)
			*in_a_row = 0;
		if (message->verdict != INGEST_DEAD)
			continue;
		store_dead_letter(worker, writing->done + i, &message->error);
		if (++*in_a_row == worker->pipeline->dead_letter_limit)
			return i + 1;
	}
	return took;
}

/* Each message is bad: something else is wrong, and a person shall look before all are dead. */
static bool
pause_at_limit(const IngestWorker *worker, int dead_in_a_row, const IngestMessage *messages, int n)
{
	/* What was reached before this batch has paused the pipeline then. */
	if (n == 0 || messages[n - 1].verdict != INGEST_DEAD ||
		dead_in_a_row != worker->pipeline->dead_letter_limit)
		return false;
	pipeline_set_paused(worker->pipeline->id, true,
						psprintf("%d bad messages in a row, the last: %s", dead_in_a_row,
								 messages[n - 1].error.message));
	return true;
}

/* The transaction has committed: what it wrote is what the tables hold. */
static void
note_committed(IngestWorker *worker, PartitionOffset *new)
{
	for (int i = 0; i < worker->npartitions; i++)
	{
		Partition *partition = &worker->partitions[i];

		/* The pause may have been set since; it is no part of what was written. */
		new[i].pause_reason = partition->stored.pause_reason;
		if (new[i].cluster_id == NULL)
			new[i].cluster_id = partition->stored.cluster_id;
		partition->stored = new[i];
	}
}

/* Begins the transaction, with all that the batch depends on as it is now. */
static void
open_batch(IngestWorker *worker, Writing *writing)
{
	writing->opened = false;
	SetCurrentStatementStartTimestamp();
	process_begin();
	check_pipeline(worker);
	reopen_ingest(worker);
	writing->opened = true;
	prepare_messages(worker, writing);
	crash_point("batch_prepared");
	/* Rows that were bad of late: the happy path would be tried in vain. */
	if (ingest_needs_care(worker->ingest, writing->n - writing->done))
		writing->careful = true;
}

/* One transaction for as much of the rest as one transaction takes. */
static void
write_once(IngestWorker *worker, Writing *writing)
{
	IngestMessage *messages = writing->messages + writing->done;
	IngestCounts counts = {0};
	int rest = writing->n - writing->done;
	int took = 0;
	int dead_in_a_row = worker->dead_in_a_row;
	int wanted;
	bool too_many_dead;

	open_batch(worker, writing);
	if (ingest_make_members(worker->ingest, rest, messages, writing->careful))
	{
		crash_point("members_made");
		/* Facts that have them come behind in the WAL, whoever writes these. */
		process_commit_unflushed();
		crash_point("members_committed");
		return;
	}
	if (rest > 0)
		took = ingest_write(worker->ingest, rest, messages, writing->careful, &counts);
	crash_point("rows_written");
	wanted = store_dead_letters(worker, writing, took, &dead_in_a_row);
	crash_point("dead_letters_written");
	if (wanted < took)
	{
		/* What comes behind the message at which the pipeline pauses shall not go in. */
		AbortCurrentTransaction();
		writing->n = writing->done + wanted;
		return;
	}
	store_offsets(worker, writing, writing->done, writing->done + took, &counts, writing->new);
	crash_point("offsets_written");
	too_many_dead = pause_at_limit(worker, dead_in_a_row, messages, took);
	/* Last of all: the rows of views that every writer updates are locked for the shortest time. */
	view_fold(writing->bad_data);
	crash_point("views_folded");
	process_commit();
	crash_point("batch_committed");

	/* From here on it has happened. */
	note_committed(worker, writing->new);
	worker->dead_in_a_row = dead_in_a_row;
	writing->done += took;
	writing->too_many_dead = too_many_dead;
	/* Tried again some messages were good; so the others' turn comes after all. */
	if (writing->done == writing->n && !too_many_dead)
		writing->n = writing->all;
}

/* Waits before the next try, ready to leave. */
static void
wait_until(IngestWorker *worker, Moment until)
{
	for (;;)
	{
		Moment now = clock_now();

		ingest_worker_check(worker);
		if (now >= until)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Max(1, clock_ms_between(now, until)), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/*
 * What the batch had looked at was altered or renamed in its midst, so that what it could not find
 * may be there under another name. Few times: a batch may alter its target itself.
 */
static bool
may_be_renamed(const IngestWorker *worker, const Writing *writing)
{
	return writing->opened && writing->failures < RENAMED_IN_A_ROW &&
		   ingest_was_altered(worker->ingest);
}

/* After an error that aborted the transaction: how to go on. */
static void
recover(IngestWorker *worker, Writing *writing, ErrorData *error)
{
	if (error_is_of_data(error) && !writing->bad_data)
	{
		writing->bad_data = true;
		writing->careful = true;
		return;
	}
	if (sqlstate_needs_a_person(error->sqlerrcode) && !may_be_renamed(worker, writing))
		ingest_worker_pause_pipeline(worker, error_line(error));
	/*
	 * Opened anew for the next try, it says at once what only a person can mend: a partition that
	 * was altered by itself, say, of which no invalidation of the target tells.
	 */
	if (worker->ingest)
		ingest_invalidate(worker->ingest);
	crash_point("batch_aborted");
	writing->failures++;
	if (writing->failures == 1 || writing->failures % 100 == 0)
		ereport(LOG, (errcode(error->sqlerrcode),
					  errmsg("telemetry pipeline \"%s\": a batch of %d messages is tried again: %s",
							 worker->pipeline->name, writing->n - writing->done, error->message)));
	ingest_worker_note_error(worker, error->message, WORKER_RETRYING);
	pgstat_report_activity(STATE_IDLE, NULL);
	wait_until(worker, process_backoff(writing->failures));
}

/* Not after each batch: there are hundreds of contexts to add up, and small batches end often. */
static int64
memory_at_times(IngestWorker *worker)
{
	Moment now = clock_now();

	if (now < worker->next_memory)
		return worker->memory;
	worker->next_memory = now + MEMORY_EVERY_US;
	worker->memory = (int64) MemoryContextMemAllocated(TopMemoryContext, true);
	return worker->memory;
}

static void
report_batch(IngestWorker *worker, const Writing *writing, Moment started)
{
	WorkerSlot *slot = worker->slot;
	int64 memory;

	ingest_worker_clear_error(worker);
	memory = memory_at_times(worker);
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	slot->batches++;
	slot->messages += writing->n;
	slot->batch_messages = writing->n;
	slot->batch_us = clock_now() - started;
	slot->last_commit_at = GetCurrentTimestamp();
	slot->memory_bytes = memory;
	LWLockRelease(worker_shared->lock);
}

static void
publish(IngestWorker *worker)
{
	KafkaPosition *positions = palloc(sizeof(KafkaPosition) * Max(worker->npartitions, 1));
	int n = 0;

	for (int i = 0; i < worker->npartitions; i++)
	{
		if (!worker->partitions[i].assigned)
			continue;
		positions[n].partition = worker->partitions[i].stored.partition;
		positions[n++].offset = worker->partitions[i].stored.next_offset;
	}
	if (n > 0)
		kafka_consumer_publish(worker->consumer, n, positions);
}

void
batch_commit(IngestWorker *worker)
{
	Moment started = clock_now();
	MemoryContext context = worker->batch.context;
	Writing writing = {.all = worker->batch.nevents, .n = worker->batch.nevents};

	MemoryContextSwitchTo(context);
	writing.messages = MemoryContextAllocHuge(context, sizeof(IngestMessage) * Max(writing.n, 1));
	writing.new = palloc(sizeof(PartitionOffset) * Max(worker->npartitions, 1));
	do
	{
		ErrorData *error = NULL;

		/* It is tried again then, as after any other error. */
		process_let_cancel(true);
		PG_TRY();
		{
			write_once(worker, &writing);
			writing.failures = 0;
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			error = CopyErrorData();
			AbortCurrentTransaction();
			FlushErrorState();
		}
		PG_END_TRY();
		process_let_cancel(false);
		MemoryContextSwitchTo(context);
		if (error)
		{
			recover(worker, &writing, error);
			FreeErrorData(error);
		}
		if (error == NULL && writing.too_many_dead)
			ingest_worker_leave(worker);
		if (error && writing.done == writing.n && writing.n == 0)
		{
			/* Offsets alone: the next batch takes them along. */
			MemoryContextSwitchTo(worker->context);
			return;
		}
	} while (writing.done < writing.n);
	ingest_forget(worker->ingest);
	report_batch(worker, &writing, started);
	publish(worker);
	crash_point("positions_published");
	MemoryContextSwitchTo(worker->context);
}
