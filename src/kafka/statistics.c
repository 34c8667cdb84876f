/*
 * Ends of partitions, out of librdkafka's statistics.
 *
 * They are the only place where the last stable offset and the high watermark stand side by side.
 * The document is librdkafka's own, about 1 kB per partition and second; cJSON's doubles hold its
 * offsets exactly up to 2^53.
 */
#include "postgres.h"

#include <stdlib.h>

#include <cJSON.h>

#include "kafka/consumer.h"
#include "utils/memutils.h"

/* A partition's number, or -1 for an entry that is none ("-1" is librdkafka's own). */
static int
partition_number(const cJSON *entry)
{
	char *end;
	long number;

	if (entry->string == NULL)
		return -1;
	number = strtol(entry->string, &end, 10);
	return *end == '\0' && end != entry->string && number >= 0 && number < 1000000 ? (int) number
																				   : -1;
}

static int64
offset_of(const cJSON *entry, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, name);

	return cJSON_IsNumber(value) && value->valuedouble >= 0 ? (int64) value->valuedouble : -1;
}

/* Room for the partition; never gives back. Out of memory: false, and the figures stay unknown. */
static bool
reserve(KafkaConsumer *consumer, int partition)
{
	KafkaEnds *ends;

	if (partition < consumer->nends)
		return true;
	ends = MemoryContextAllocExtended(consumer->context, sizeof(KafkaEnds) * (partition + 1),
									  MCXT_ALLOC_NO_OOM);
	if (ends == NULL)
		return false;
	if (consumer->nends > 0)
		memcpy(ends, consumer->ends, sizeof(KafkaEnds) * consumer->nends);
	for (int i = consumer->nends; i <= partition; i++)
		ends[i] = (KafkaEnds){-1, -1, -1};
	if (consumer->ends)
		pfree(consumer->ends);
	consumer->ends = ends;
	consumer->nends = partition + 1;
	return true;
}

/* Takes what is new over. Nothing in here throws, so that the document is always freed. */
static void
refresh(KafkaConsumer *consumer)
{
	char *json = handle_take_statistics(&consumer->handle);
	cJSON *document;
	const cJSON *topic;
	const cJSON *entry;

	if (json == NULL)
		return;
	document = cJSON_Parse(json);
	topic = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(document, "topics"),
											 consumer->handle.topic_name);
	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(topic, "partitions"))
	{
		int partition = partition_number(entry);
		KafkaEnds *ends;

		if (partition < 0 || !reserve(consumer, partition))
			continue;
		ends = &consumer->ends[partition];
		ends->low = offset_of(entry, "lo_offset");
		ends->high = offset_of(entry, "hi_offset");
		ends->stable = offset_of(entry, "ls_offset");
		if (ends->stable < 0)
			ends->stable = ends->high;
	}
	cJSON_Delete(document);
	free(json);
}

KafkaEnds
kafka_consumer_ends(KafkaConsumer *consumer, int32 partition)
{
	KafkaEnds unknown = {-1, -1, -1};

	refresh(consumer);
	return partition >= 0 && partition < consumer->nends ? consumer->ends[partition] : unknown;
}
