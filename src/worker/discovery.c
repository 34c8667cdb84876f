/*
 * Which partitions an ingest worker reads: those of the topic that are its slice's, and where one
 * that has no position yet starts.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/ingest_worker.h"
#include "worker/process.h"

static bool
slice_wants(const IngestWorker *worker, int32 partition)
{
	return pipeline_reads(worker->pipeline, partition) &&
		   partition % worker->slot->slices == worker->slot->slice;
}

/* Sets positions to their partitions' ends or beginnings. False: the broker did not answer. */
static bool
ask_ends(IngestWorker *worker, int n, KafkaPosition *positions, bool ends, const char **error)
{
	int32 *partitions = palloc(sizeof(int32) * Max(n, 1));
	int64 *low = palloc(sizeof(int64) * Max(n, 1));
	int64 *high = palloc(sizeof(int64) * Max(n, 1));

	for (int i = 0; i < n; i++)
		partitions[i] = positions[i].partition;
	if (!kafka_consumer_query_many(worker->consumer, n, partitions, low, high, POSITIONS_ASK_MS,
								   error))
		return false;
	for (int i = 0; i < n; i++)
		positions[i].offset = ends ? high[i] : low[i];
	return true;
}

/* Where a pipeline's first partitions start. False: the broker did not answer. */
static bool
resolve_start(IngestWorker *worker, int n, KafkaPosition *positions, const char **error)
{
	const char *start = worker->pipeline->start_position;
	TimestampTz at;

	if (strcmp(start, "earliest") != 0 && strcmp(start, "latest") != 0)
	{
		at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(start),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
		return kafka_consumer_offsets_at(worker->consumer, kafka_time_ms(at), n, positions,
										 POSITIONS_ASK_MS, error);
	}
	return ask_ends(worker, n, positions, strcmp(start, "latest") == 0, error);
}

static bool
is_known(List *known, int32 partition)
{
	ListCell *cell;

	foreach (cell, known)
		if (((PartitionOffset *) lfirst(cell))->partition == partition)
			return true;
	return false;
}

/*
 * Stores a start for every partition of the topic that has none, whichever worker's it will be, so
 * that 'latest' means the same moment for all. A partition that appears later starts at its
 * beginning: nothing in it was there before. Returns what is stored then.
 */
static List *
store_starts(IngestWorker *worker, int count, bool *complete)
{
	Pipeline *pipeline = worker->pipeline;
	KafkaPosition *positions = palloc(sizeof(KafkaPosition) * Max(count, 1));
	const char *error = NULL;
	List *known;
	bool resolved = true;
	int n = 0;

	*complete = true;
	process_begin();
	known = offset_all(pipeline->id, worker->batch.context);
	process_commit();

	for (int partition = 0; partition < count; partition++)
	{
		if (is_known(known, partition) || !pipeline_reads(pipeline, partition))
			continue;
		positions[n].partition = partition;
		positions[n++].offset = 0;
	}
	if (n == 0)
		return known;
	if (known == NIL)
		resolved = resolve_start(worker, n, positions, &error);
	else
		resolved = ask_ends(worker, n, positions, false, &error);
	if (!resolved)
	{
		ingest_worker_note_error(worker, error ? error : "no answer from the broker",
								 WORKER_CONNECTING);
		*complete = false;
		return known;
	}

	process_begin();
	for (int i = 0; i < n; i++)
		offset_insert(pipeline->id, positions[i].partition, positions[i].offset);
	CommandCounterIncrement();
	known = offset_all(pipeline->id, worker->batch.context);
	process_commit();
	return known;
}

static void
add_partition(IngestWorker *worker, const PartitionOffset *stored)
{
	MemoryContext old = MemoryContextSwitchTo(worker->context);
	Partition *partition;

	worker->partitions =
		worker->partitions
			? repalloc(worker->partitions, sizeof(Partition) * (worker->npartitions + 1))
			: palloc(sizeof(Partition));
	partition = &worker->partitions[worker->npartitions++];
	memset(partition, 0, sizeof(Partition));
	partition->stored = *stored;
	partition->stored.cluster_id = stored->cluster_id ? pstrdup(stored->cluster_id) : NULL;
	partition->stored.pause_reason = stored->pause_reason ? pstrdup(stored->pause_reason) : NULL;
	partition->next = stored->next_offset;
	partition->heard_at = clock_now();
	partition->wants_assign = stored->pause_reason == NULL;
	partition->error_offset = -1;
	MemoryContextSwitchTo(old);
}

/* Partitions that the topic does not have; told of like an end that lies before our position. */
static void
look_for_missing(IngestWorker *worker)
{
	Moment now = clock_now();
	int waiting = 0;
	int paused = 0;

	for (int i = 0; i < worker->npartitions; i++)
	{
		Partition *partition = &worker->partitions[i];
		int32 id = partition->stored.partition;
		char *reason;

		if (id < worker->topic_partitions || partition->stored.pause_reason != NULL)
		{
			partition->missing_since = 0;
			continue;
		}
		if (partition->assigned)
			kafka_consumer_remove(worker->consumer, 1, &id);
		partition->assigned = false;
		partition->wants_assign = true;
		partition->idle = false;
		reason = psprintf("the topic was recreated: it has %d partitions, numbered from 0, and not "
						  "this one; telemetry.seek_pipeline(), to earliest, latest or a time, "
						  "forgets it",
						  worker->topic_partitions);
		if (partition->missing_since == 0)
			partition->missing_since = now;
		if (now >= partition->missing_since + POSITIONS_AHEAD_MS * INT64CONST(1000))
		{
			positions_pause(worker, partition, reason);
			paused++;
		}
		else if (waiting++ == 0)
			ingest_worker_note_error(worker, psprintf("partition %d: %s", id, reason),
									 worker->slot->state);
	}
	/* What is told of partitions is told there from now on. */
	if (paused > 0 && waiting == 0)
		ingest_worker_clear_error(worker);
}

void
positions_discover(IngestWorker *worker)
{
	MemoryContext old = MemoryContextSwitchTo(worker->batch.context);
	const char *error = NULL;
	bool complete;
	ListCell *cell;
	int count = kafka_consumer_partition_count(worker->consumer, POSITIONS_ASK_MS, &error);

	if (count < 0)
		ingest_worker_note_error(worker, error ? error : "no answer from the broker",
								 WORKER_CONNECTING);
	else if (count == 0)
		ingest_worker_note_error(
			worker, psprintf("topic \"%s\" does not exist", ingest_source(worker->ingest)->topic),
			WORKER_CONNECTING);
	if (count > 0)
	{
		foreach (cell, store_starts(worker, count, &complete))
		{
			PartitionOffset *stored = lfirst(cell);

			if (slice_wants(worker, stored->partition) &&
				positions_find(worker, stored->partition) == NULL)
				add_partition(worker, stored);
		}
		if (!complete)
			worker->next_discovery = 0;
		else if (worker->npartitions == 0)
			ingest_worker_clear_error(worker);
		worker->topic_partitions = count;
		look_for_missing(worker);
	}
	else
		worker->next_discovery = 0;
	MemoryContextSwitchTo(old);
}
