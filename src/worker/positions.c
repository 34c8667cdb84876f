/*
 * Positions of an ingest worker: from where it reads its partitions (discovery.c finds them), and
 * whether the topic still is the one that it was.
 *
 * PostgreSQL's offsets are the truth. To notice a topic that was deleted and made anew (librdkafka
 * does not), reading starts one message early, at the last one that was stored: it must come again
 * with the same timestamp and checksum. Where it is gone by retention or compaction, that cannot be
 * told, and is logged.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/ingest_worker.h"
#include "worker/process.h"

/* Errors in a row at one offset after which its partition is paused. */
#define ERRORS_BEFORE_PAUSE 5

Partition *
positions_find(IngestWorker *worker, int32 partition)
{
	/* Where it stands, unless some partitions are left to others: each message asks. */
	int guess = partition / worker->slot->slices;

	if (partition < 0) /* what is said of no partition */
		return NULL;
	if (guess < worker->npartitions && worker->partitions[guess].stored.partition == partition)
		return &worker->partitions[guess];
	for (int i = 0; i < worker->npartitions; i++)
		if (worker->partitions[i].stored.partition == partition)
			return &worker->partitions[i];
	return NULL;
}

uint32
positions_checksum(const MessageView *message)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	if (message->key)
		COMP_CRC32C(crc, message->key, message->key_length);
	if (message->value)
		COMP_CRC32C(crc, message->value, message->value_length);
	FIN_CRC32C(crc);
	return crc;
}

void
positions_pause(IngestWorker *worker, Partition *partition, const char *reason)
{
	int32 id = partition->stored.partition;

	if (partition->assigned)
		kafka_consumer_remove(worker->consumer, 1, &id);
	partition->assigned = false;
	partition->wants_assign = false;
	partition->stored.pause_reason = MemoryContextStrdup(worker->context, reason);
	ereport(WARNING,
			(errmsg("telemetry pipeline \"%s\": partition %d of topic \"%s\" is paused: %s",
					worker->pipeline->name, id, ingest_source(worker->ingest)->topic, reason)));
	process_begin();
	offset_set_paused(worker->pipeline->id, id, reason);
	process_commit();
}

/*
 * Says what is wrong with a stored position that the log [low, high] does not hold; NULL: nothing.
 * Behind the end can only be another topic of that name (or one cut by an unclean election).
 */
static char *
position_fault(const Partition *partition, int64 low, int64 high)
{
	if (partition->next > high)
		return psprintf("the topic was recreated or truncated: it ends at offset " INT64_FORMAT
						", and offset " INT64_FORMAT
						" is to be read next; see telemetry.seek_pipeline()",
						high, partition->next);
	if (partition->next < low)
		return psprintf(
			"retention removed " INT64_FORMAT " offsets (" INT64_FORMAT " to " INT64_FORMAT
			") before they were read; telemetry.seek_pipeline(..., offsets => "
			"'{\"%d\": " INT64_FORMAT "}') goes on behind them",
			low - partition->next, partition->next, low - 1, partition->stored.partition, low);
	return NULL;
}

/* The cluster must be the one that the stored offsets are of. */
static bool
cluster_is_same(IngestWorker *worker, Partition *partition)
{
	const char *stored = partition->stored.cluster_id;

	if (worker->cluster_id == NULL)
	{
		char *id = kafka_consumer_cluster_id(worker->consumer, POSITIONS_ASK_MS);

		if (id == NULL)
			return true;
		worker->cluster_id = MemoryContextStrdup(worker->context, id);
	}
	if (stored == NULL)
	{
		partition->stored.cluster_id = worker->cluster_id;
		return true;
	}
	if (strcmp(stored, worker->cluster_id) == 0)
		return true;
	positions_pause(
		worker, partition,
		psprintf("this is another Kafka cluster (%s) than the one read before (%s); see "
				 "telemetry.seek_pipeline()",
				 worker->cluster_id, stored));
	return false;
}

/* True while it may be the broker that is behind, not us ahead: it is asked again later. */
static bool
broker_may_be_behind(IngestWorker *worker, Partition *partition, int64 high)
{
	Moment now = clock_now();

	if (partition->next <= high)
	{
		partition->ahead_since = 0;
		return false;
	}
	if (partition->ahead_since == 0)
		partition->ahead_since = now;
	if (now >= partition->ahead_since + POSITIONS_AHEAD_MS * INT64CONST(1000))
		return false;
	partition->wants_assign = true;
	partition->idle = false;
	ingest_worker_note_error(
		worker,
		psprintf("partition %d ends at offset " INT64_FORMAT
				 " as its broker says, and offset " INT64_FORMAT
				 " is to be read next; asking again, for %d s, before the partition is paused",
				 partition->stored.partition, high, partition->next, POSITIONS_AHEAD_MS / 1000),
		worker->slot->state);
	return true;
}

/*
 * Decides where one partition is read from. False: nowhere, it is paused now, or asked for again.
 */
static bool
place_partition(IngestWorker *worker, Partition *partition, int64 low, int64 high,
				KafkaPosition *position)
{
	char *fault;

	if (!cluster_is_same(worker, partition) || broker_may_be_behind(worker, partition, high))
		return false;
	fault = position_fault(partition, low, high);
	if (fault)
	{
		positions_pause(worker, partition, fault);
		return false;
	}
	partition->verify = partition->stored.last_offset >= low;
	if (partition->stored.last_offset >= 0 && !partition->verify)
		ereport(LOG, (errmsg("telemetry pipeline \"%s\": the last message read of partition %d "
							 "(offset " INT64_FORMAT
							 ") is gone by retention, so that it cannot be verified that "
							 "the topic is still the same",
							 worker->pipeline->name, partition->stored.partition,
							 partition->stored.last_offset)));
	position->partition = partition->stored.partition;
	position->offset = partition->verify ? partition->stored.last_offset : partition->next;
	return true;
}

/*
 * Assigns the partitions of this worker whose positions in the array are listed. All are asked for
 * in one question, and before any of them is fetched: a broker answers a connection in order, and a
 * fetch that waits for messages holds up what comes behind it.
 */
static bool
assign_listed(IngestWorker *worker, int n, const int *which)
{
	int32 *ids = palloc(sizeof(int32) * n);
	int64 *low = palloc(sizeof(int64) * n);
	int64 *high = palloc(sizeof(int64) * n);
	KafkaPosition *positions = palloc(sizeof(KafkaPosition) * n);
	const char *error = NULL;
	bool clean = true;
	int placed = 0;

	for (int i = 0; i < n; i++)
		ids[i] = worker->partitions[which[i]].stored.partition;
	if (!kafka_consumer_query_many(worker->consumer, n, ids, low, high, POSITIONS_ASK_MS, &error))
	{
		ingest_worker_note_error(worker, error ? error : "no answer from the broker",
								 WORKER_CONNECTING);
		return false;
	}
	for (int i = 0; i < n; i++)
	{
		Partition *partition = &worker->partitions[which[i]];

		partition->wants_assign = false;
		if (!place_partition(worker, partition, low[i], high[i], &positions[placed]))
		{
			clean = clean && !partition->wants_assign;
			continue;
		}
		placed++;
		partition->assigned = true;
		partition->at_end = false;
		clean = clean && partition->errors == 0;
	}
	if (placed > 0)
		kafka_consumer_add(worker->consumer, placed, positions);
	if (placed > 0 && clean)
		ingest_worker_clear_error(worker);
	return true;
}

void
positions_assign(IngestWorker *worker)
{
	MemoryContext old = MemoryContextSwitchTo(worker->batch.context);
	int *which = palloc(sizeof(int) * Max(worker->npartitions, 1));
	int n = 0;

	for (int i = 0; i < worker->npartitions; i++)
		if (worker->partitions[i].wants_assign && worker->partitions[i].missing_since == 0)
			which[n++] = i;
	/* One without a leader must not keep the others from being read. */
	if (n > 0 && !assign_listed(worker, n, which) && n > 1)
		for (int i = 0; i < n; i++)
		{
			ingest_worker_check(worker);
			(void) assign_listed(worker, 1, &which[i]);
		}
	MemoryContextSwitchTo(old);
}

/* Compares the message that should be the last one read before. True: it is no new message. */
static bool
verify_message(IngestWorker *worker, Partition *partition, const MessageView *message)
{
	const PartitionOffset *stored = &partition->stored;

	partition->verify = false;
	if (message->offset > stored->last_offset)
	{
		ereport(LOG, (errmsg("telemetry pipeline \"%s\": the last message read of partition %d "
							 "(offset " INT64_FORMAT
							 ") is gone by compaction, so that it cannot be verified that "
							 "the topic is still the same",
							 worker->pipeline->name, stored->partition, stored->last_offset)));
		return false;
	}
	if (message->timestamp_ms != stored->last_timestamp ||
		(int64) positions_checksum(message) != stored->last_checksum)
		positions_pause(worker, partition,
						psprintf("the topic was recreated: offset " INT64_FORMAT
								 " holds another message than the one read before; see "
								 "telemetry.seek_pipeline()",
								 stored->last_offset));
	return true;
}

static void
accept_end(IngestWorker *worker, Partition *partition, int64 offset)
{
	/* If it was to be verified: compaction took the last message read, and all behind it. */
	partition->verify = false;
	partition->at_end = true;
	partition->errors = 0;
	worker->broker_lost = false;
	if (offset > partition->next)
		partition->next = offset;
	ingest_worker_clear_error(worker);
}

/* What the broker has of it is asked anew, with the next chores, which are due. */
static void
look_again(IngestWorker *worker, Partition *partition)
{
	int32 id = partition->stored.partition;

	kafka_consumer_remove(worker->consumer, 1, &id);
	partition->assigned = false;
	partition->wants_assign = true;
	worker->next_chores = worker->next_discovery = 0;
}

/*
 * Something at the read position cannot be read. librdkafka would go on behind it as if it had been
 * a gap, or lose its place in the broker's answer and name an offset that is none; so it is made to
 * fetch the position anew, and gives the same error as long as that is so.
 */
static void
accept_partition_error(IngestWorker *worker, Partition *partition, const KafkaEvent *event)
{
	ingest_worker_note_error(worker, event->error, worker->slot->state);
	if (partition->error_offset != partition->next)
	{
		partition->error_offset = partition->next;
		partition->errors = 0;
		partition->error = MemoryContextStrdup(worker->context, event->error);
	}
	if (++partition->errors < ERRORS_BEFORE_PAUSE)
	{
		look_again(worker, partition);
		return;
	}
	positions_pause(worker, partition,
					psprintf("offset " INT64_FORMAT " cannot be read: %s; "
							 "telemetry.skip_offset('%s', %d, " INT64_FORMAT ") steps over it",
							 partition->next, partition->error, worker->pipeline->name,
							 partition->stored.partition, partition->next));
}

static void
accept_error(IngestWorker *worker, const KafkaEvent *event)
{
	if (event->fatal)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION), errmsg("%s", event->error)));
	/* What we knew of ends is old news now: silence of a lost broker is not idleness. */
	for (int i = 0; i < worker->npartitions; i++)
		worker->partitions[i].idle = false;
	worker->broker_lost = true;
	ingest_worker_note_error(worker, event->error, WORKER_CONNECTING);
}

bool
positions_accept(IngestWorker *worker, KafkaEvent *event)
{
	Partition *partition;
	const MessageView *message = &event->message;

	if (event->kind == KAFKA_EVENT_ERROR)
	{
		accept_error(worker, event);
		return false;
	}
	partition = positions_find(worker, message->partition);
	if (partition == NULL || !partition->assigned)
		return false;
	switch (event->kind)
	{
		case KAFKA_EVENT_END:
			accept_end(worker, partition, message->offset);
			return false;
		case KAFKA_EVENT_OFFSET_LOST:
			look_again(worker, partition);
			return false;
		case KAFKA_EVENT_PARTITION_ERROR:
			accept_partition_error(worker, partition, event);
			return false;
		default:
			break;
	}
	if (partition->verify && verify_message(worker, partition, message))
		return false;
	if (!partition->assigned || message->offset < partition->next)
		return false;
	partition->next = message->offset + 1;
	partition->at_end = false;
	partition->idle = false;
	partition->errors = 0;
	partition->heard_at = worker->polled;
	partition->last_message_at = worker->polled_at;
	if (worker->broker_lost)
	{
		worker->broker_lost = false;
		ingest_worker_clear_error(worker);
	}
	return true;
}

/*
 * Markers of transactions move a partition's end without a message. That is saved now and then, not
 * at each of them.
 */
bool
positions_moved(const IngestWorker *worker)
{
	for (int i = 0; i < worker->npartitions; i++)
		if (worker->partitions[i].next != worker->partitions[i].stored.next_offset)
			return true;
	return false;
}

int64
positions_behind(const IngestWorker *worker)
{
	int64 behind = 0;

	for (int i = 0; i < worker->npartitions; i++)
	{
		const Partition *partition = &worker->partitions[i];
		KafkaEnds ends;

		if (!partition->assigned)
			continue;
		ends = kafka_consumer_ends(worker->consumer, partition->stored.partition);
		behind += Max(ends.stable - partition->next, 0);
	}
	return behind;
}

/*
 * Idle: read to the end, the broker answers now and has no more, and nothing came for idle_timeout.
 * A backlog, a pause or an outage is not idleness.
 */
static void
look_for_idleness(IngestWorker *worker)
{
	int *which = palloc(sizeof(int) * Max(worker->npartitions, 1));
	int32 *ids = palloc(sizeof(int32) * Max(worker->npartitions, 1));
	int64 *low = palloc(sizeof(int64) * Max(worker->npartitions, 1));
	int64 *high = palloc(sizeof(int64) * Max(worker->npartitions, 1));
	Moment now = clock_now();
	const char *error;
	int n = 0;

	for (int i = 0; i < worker->npartitions && !worker->broker_lost; i++)
	{
		const Partition *partition = &worker->partitions[i];

		if (partition->idle || !partition->at_end || !partition->assigned ||
			now < partition->heard_at + worker->pipeline->idle_timeout)
			continue;
		which[n] = i;
		ids[n++] = partition->stored.partition;
	}
	if (n == 0 ||
		!kafka_consumer_query_many(worker->consumer, n, ids, low, high, POSITIONS_ASK_MS, &error))
		return;
	for (int i = 0; i < n; i++)
		worker->partitions[which[i]].idle = high[i] <= worker->partitions[which[i]].next;
}

void
positions_report(IngestWorker *worker)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext old = MemoryContextSwitchTo(worker->batch.context);

	look_for_idleness(worker);
	for (int i = 0; i < worker->npartitions; i++)
	{
		Partition *partition = &worker->partitions[i];
		PartitionSlot *slot;
		KafkaEnds ends;

		ends = kafka_consumer_ends(worker->consumer, partition->stored.partition);
		LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
		slot = shared_partition_find(worker->pipeline->id, partition->stored.partition, true);
		if (slot)
		{
			slot->idle = partition->idle;
			slot->at_end = partition->at_end;
			slot->last_message_at = partition->last_message_at;
			slot->seen_at = now;
			slot->low = ends.low;
			slot->high = ends.high;
			slot->stable = ends.stable;
		}
		LWLockRelease(worker_shared->lock);
	}
	MemoryContextSwitchTo(old);
}

void
positions_leave(IngestWorker *worker)
{
	LWLockAcquire(worker_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < worker->npartitions; i++)
	{
		PartitionSlot *slot = shared_partition_find(worker->pipeline->id,
													worker->partitions[i].stored.partition, false);

		if (slot)
			slot->idle = false;
	}
	LWLockRelease(worker_shared->lock);
}
