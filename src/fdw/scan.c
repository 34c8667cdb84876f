/*
 * SELECT on a topic: a bounded snapshot of it. What is read ends where the partitions ended when
 * the scan began.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/guc.h"
#include "executor/executor.h"
#include "fdw/pushdown.h"
#include "fdw/source.h"
#include "fdw/topic.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Messages taken and decoded together. */
#define SCAN_BATCH 1000

/* Kafka wants a group even where nothing is ever committed to it. */
#define SCAN_GROUP "telemetry-select"

typedef struct ScanPartition
{
	int64 low;  /* the snapshot */
	int64 high; /* first offset after it */
	int64 end;  /* first offset after what this scan wants */
	bool open;
} ScanPartition;

typedef struct TopicScan
{
	Source *source;
	KafkaConsumer *consumer; /* NULL until the first row is asked for */
	MemoryContext context;
	MemoryContext batch_context; /* messages, and rows decoded with them */
	MemoryContext row_context;   /* one row, where rows are decoded one by one */
	List *conditions;
	List *states;
	bool started;

	int npartitions;
	ScanPartition *partitions;
	int nopen;

	int nevents;
	int at;
	KafkaEvent events[SCAN_BATCH];
	SourceResult *results; /* of events[], or NULL: decoded one by one */
	const KafkaEvent *current;
	const char *last_error; /* of the cluster, that may mend itself */
	int64 skipped;
	char *first_skipped;
} TopicScan;

static void scan_failed(TopicScan *scan, const char *error) pg_attribute_noreturn();

static void
scan_failed(TopicScan *scan, const char *error)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
					errmsg("could not read topic \"%s\": %s", scan->source->topic,
						   error != NULL ? error : "no answer from the broker"),
					errhint(KAFKA_HINT_NO_ANSWER)));
}

/* ---- start --------------------------------------------------------------------------------- */

static KafkaPosition *
scan_ask_offsets(TopicScan *scan, int64 time)
{
	KafkaPosition *positions = palloc_array(KafkaPosition, scan->npartitions);
	const char *error = NULL;

	for (int i = 0; i < scan->npartitions; i++)
		positions[i].partition = i;
	if (!kafka_consumer_offsets_at(scan->consumer, time, scan->npartitions, positions,
								   telemetry_kafka_timeout, &error))
		scan_failed(scan, error);
	return positions;
}

/* Connects and takes the snapshot, once. */
static void
scan_connect(TopicScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	const char *error = NULL;
	KafkaPosition *low;
	KafkaPosition *high;

	scan->consumer = kafka_consumer_open(&scan->source->settings, scan->source->topic, SCAN_GROUP,
										 telemetry_fetch_memory);
	scan->npartitions =
		kafka_consumer_partition_count(scan->consumer, telemetry_kafka_timeout, &error);
	if (scan->npartitions < 0)
		scan_failed(scan, error);
	if (scan->npartitions == 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
						errmsg("topic \"%s\" does not exist", scan->source->topic),
						errhint(KAFKA_HINT_NO_TOPIC)));
	low = scan_ask_offsets(scan, KAFKA_OFFSET_EARLIEST);
	high = scan_ask_offsets(scan, KAFKA_OFFSET_LATEST);
	scan->partitions = palloc0_array(ScanPartition, scan->npartitions);
	for (int i = 0; i < scan->npartitions; i++)
	{
		scan->partitions[i].low = low[i].offset;
		scan->partitions[i].high = high[i].offset;
	}
	MemoryContextSwitchTo(old);
}

static void
scan_assign(TopicScan *scan, const ScanBounds *bounds)
{
	KafkaPosition *positions = palloc_array(KafkaPosition, scan->npartitions);
	KafkaPosition *first = NULL;
	int n = 0;

	if (bounds->min_timestamp_ms != PG_INT64_MIN)
		first = scan_ask_offsets(scan, bounds->min_timestamp_ms);
	for (int i = 0; i < scan->npartitions; i++)
	{
		ScanPartition *partition = &scan->partitions[i];
		int64 start = Max(partition->low, bounds->min_offset);

		if (first != NULL)
			start = Max(start, first[i].offset);
		partition->end = Min(partition->high, bounds->max_offset + 1);
		partition->open = start < partition->end && i >= bounds->min_partition &&
						  i <= bounds->max_partition &&
						  (bounds->partitions == NULL || bms_is_member(i, bounds->partitions));
		if (partition->open)
			positions[n++] = (KafkaPosition){i, start};
	}
	scan->nopen = n;
	kafka_consumer_assign(scan->consumer, n, positions);
}

static void
scan_start(ForeignScanState *node)
{
	TopicScan *scan = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	MemoryContext old;
	ScanBounds bounds;

	scan->started = true;
	scan->nopen = scan->nevents = scan->at = 0;
	MemoryContextReset(scan->batch_context);
	old = MemoryContextSwitchTo(scan->batch_context);
	pushdown_evaluate(scan->conditions, plan->fdw_exprs, scan->states, node->ss.ps.ps_ExprContext,
					  &bounds);
	if (!bounds.nothing)
	{
		if (scan->consumer == NULL)
			scan_connect(scan);
		scan_assign(scan, &bounds);
	}
	else if (scan->consumer != NULL)
		kafka_consumer_assign(scan->consumer, 0, NULL);
	MemoryContextSwitchTo(old);
}

/* ---- messages ------------------------------------------------------------------------------ */

static void
scan_close_partition(TopicScan *scan, int32 partition)
{
	scan->partitions[partition].open = false;
	scan->nopen--;
	/* The rest of the topic need not be fetched. */
	kafka_consumer_remove(scan->consumer, 1, &partition);
}

/* Decodes all messages of the batch in few subtransactions, where a bad one is to be left out. */
static void
scan_decode_batch(TopicScan *scan)
{
	const MessageView **messages = palloc_array(const MessageView *, scan->nevents);
	SourceResult *results = palloc0_array(SourceResult, scan->nevents);
	int n = 0;

	scan->results = palloc0_array(SourceResult, scan->nevents);
	for (int i = 0; i < scan->nevents; i++)
	{
		if (scan->events[i].kind == KAFKA_EVENT_MESSAGE)
			messages[n++] = &scan->events[i].message;
	}
	source_rows(scan->source, n, messages, results);
	for (int i = 0, j = 0; i < scan->nevents; i++)
	{
		if (scan->events[i].kind == KAFKA_EVENT_MESSAGE)
			scan->results[i] = results[j++];
	}
}

/* Waits for the next batch; gives up after the time a broker has to answer. */
static void
scan_fetch(TopicScan *scan)
{
	MemoryContext old;

	MemoryContextReset(scan->batch_context);
	old = MemoryContextSwitchTo(scan->batch_context);
	scan->at = 0;
	scan->results = NULL;
	scan->nevents =
		kafka_consumer_poll(scan->consumer, scan->events, SCAN_BATCH, telemetry_kafka_timeout,
							decoder_needs_headers(scan->source->decoder));
	if (scan->nevents == 0)
		scan_failed(scan, scan->last_error);
	if (scan->source->skip_errors && source_may_throw(scan->source))
		scan_decode_batch(scan);
	MemoryContextSwitchTo(old);
}

/* What is no message. */
static void
scan_event(TopicScan *scan, const KafkaEvent *event)
{
	int32 partition = event->message.partition;

	switch (event->kind)
	{
		case KAFKA_EVENT_MESSAGE:
			break;
		case KAFKA_EVENT_END:
			if (scan->partitions[partition].open &&
				event->message.offset >= scan->partitions[partition].end)
				scan_close_partition(scan, partition);
			break;
		case KAFKA_EVENT_OFFSET_LOST:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg(
					 "messages of partition %d of topic \"%s\" were deleted while they were read",
					 partition, scan->source->topic),
				 errdetail("%s", event->error), errhint("Run the query again.")));
			break;
		case KAFKA_EVENT_PARTITION_ERROR:
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("could not read offset " INT64_FORMAT
							" of partition %d of topic \"%s\": %s",
							event->message.offset, partition, scan->source->topic, event->error)));
			break;
		case KAFKA_EVENT_ERROR:
			if (event->fatal)
				scan_failed(scan, event->error);
			scan->last_error = MemoryContextStrdup(scan->context, event->error);
			break;
	}
}

/* ---- rows ---------------------------------------------------------------------------------- */

static char *
message_place(const TopicScan *scan, const char *column, const char *constraint)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "topic \"%s\", partition %d, offset " INT64_FORMAT, scan->source->topic,
					 scan->current->message.partition, scan->current->message.offset);
	if (column != NULL)
		appendStringInfo(&text, ", column \"%s\"", column);
	if (constraint != NULL)
		appendStringInfo(&text, ", constraint \"%s\"", constraint);
	return text.data;
}

/* Error context of decoding. */
static void
scan_context(void *arg)
{
	TopicScan *scan = arg;
	const char *column;
	const char *constraint;

	source_error_place(scan->source, &column, &constraint);
	errcontext("%s", message_place(scan, column, constraint));
}

static void
scan_bad(TopicScan *scan, const DecodeError *error)
{
	if (!scan->source->skip_errors)
		ereport(
			ERROR,
			(errcode(error->sqlstate), errmsg("%s", error->message),
			 errcontext("%s", message_place(scan, error->column, error->constraint)),
			 errhint(
				 "With OPTIONS (on_error 'skip') the foreign table leaves such messages out.")));
	if (scan->skipped++ == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->context);

		scan->first_skipped = psprintf(
			"%s: %s", message_place(scan, error->column, error->constraint), error->message);
		MemoryContextSwitchTo(old);
	}
}

/* True when the message is a row, which then stands in the slot's arrays. */
static bool
scan_row(TopicScan *scan, int index, TupleTableSlot *slot)
{
	const MessageView *message = &scan->events[index].message;
	DecodeError error = {0};
	SourceRow verdict;

	scan->current = &scan->events[index];
	if (scan->results != NULL)
	{
		SourceResult *result = &scan->results[index];

		verdict = result->verdict;
		error = result->error;
		if (verdict == SOURCE_ROW)
		{
			memcpy(slot->tts_values, result->values, sizeof(Datum) * scan->source->desc->natts);
			memcpy(slot->tts_isnull, result->isnull, sizeof(bool) * scan->source->desc->natts);
		}
	}
	else
	{
		ErrorContextCallback callback = {error_context_stack, scan_context, scan};
		MemoryContext old;

		MemoryContextReset(scan->row_context);
		old = MemoryContextSwitchTo(scan->row_context);
		error_context_stack = &callback;
		verdict = source_row(scan->source, message, slot->tts_values, slot->tts_isnull, &error);
		error_context_stack = callback.previous;
		MemoryContextSwitchTo(old);
	}
	if (verdict == SOURCE_BAD)
		scan_bad(scan, &error);
	return verdict == SOURCE_ROW;
}

/* True when the message is one that this scan wants; closes a partition that is through. */
static bool
scan_wants(TopicScan *scan, const MessageView *message)
{
	ScanPartition *partition = &scan->partitions[message->partition];
	bool wanted;

	if (!partition->open)
		return false;
	wanted = message->offset < partition->end;
	if (message->offset + 1 >= partition->end)
		scan_close_partition(scan, message->partition);
	return wanted;
}

TupleTableSlot *
topic_iterate_scan(ForeignScanState *node)
{
	TopicScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (!scan->started)
		scan_start(node);
	for (;;)
	{
		int index;

		CHECK_FOR_INTERRUPTS();
		if (scan->at == scan->nevents)
		{
			if (scan->nopen == 0)
				return slot;
			scan_fetch(scan);
		}
		index = scan->at++;
		if (scan->events[index].kind != KAFKA_EVENT_MESSAGE)
			scan_event(scan, &scan->events[index]);
		else if (scan_wants(scan, &scan->events[index].message) && scan_row(scan, index, slot))
			return ExecStoreVirtualTuple(slot);
	}
}

/* ---- begin and end ------------------------------------------------------------------------- */

static void
topic_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState *estate = node->ss.ps.state;
	MemoryContext context;
	TopicScan *scan;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	context =
		AllocSetContextCreate(estate->es_query_cxt, "telemetry topic scan", ALLOCSET_DEFAULT_SIZES);
	scan = MemoryContextAllocZero(context, sizeof(TopicScan));
	scan->context = context;
	scan->batch_context =
		AllocSetContextCreate(context, "telemetry topic scan batch", ALLOCSET_DEFAULT_SIZES);
	scan->row_context =
		AllocSetContextCreate(context, "telemetry topic scan row", ALLOCSET_DEFAULT_SIZES);
	scan->source =
		source_open(RelationGetRelid(node->ss.ss_currentRelation), compat_scan_user(node), context);
	scan->conditions = linitial(plan->fdw_private);
	scan->states = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	node->fdw_state = scan;
}

static void
topic_rescan(ForeignScanState *node)
{
	TopicScan *scan = node->fdw_state;

	scan->started = false;
	scan->skipped = 0;
}

static void
topic_end_scan(ForeignScanState *node)
{
	TopicScan *scan = node->fdw_state;

	if (scan == NULL)
		return;
	if (scan->skipped > 0)
		ereport(
			NOTICE,
			(errmsg_plural(INT64_FORMAT
						   " message of topic \"%s\" was left out because it is no valid row",
						   INT64_FORMAT
						   " messages of topic \"%s\" were left out because they are no valid rows",
						   (unsigned long) scan->skipped, scan->skipped, scan->source->topic),
			 errdetail("The first: %s", scan->first_skipped)));
	source_close(scan->source);
	MemoryContextDelete(scan->context);
	node->fdw_state = NULL;
}

void
topic_scan_callbacks(FdwRoutine *routine)
{
	routine->BeginForeignScan = topic_begin_scan;
	routine->IterateForeignScan = topic_iterate_scan;
	routine->ReScanForeignScan = topic_rescan;
	routine->EndForeignScan = topic_end_scan;
}
