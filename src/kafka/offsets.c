/*
 * Questions to the cluster. Each is a blocking call of librdkafka, run on a thread of its own.
 */
#include "postgres.h"

#include "kafka/kafka.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/handle.h"
#include "kafka/settings.h"
#include "utils/memutils.h"

/* Pause before asking again what failed for a passing reason. */
#define RETRY_MS 50

/* Kafka allows 249 bytes. */
#define TOPIC_NAME_MAX 256

/* It is the consumer's first member. */
static KafkaHandle *
consumer_handle(KafkaConsumer *consumer)
{
	return (KafkaHandle *) consumer;
}

/* Why a call that came back did not succeed; what the brokers said last tells more. */
static const char *
call_error(KafkaHandle *handle, rd_kafka_resp_err_t code)
{
	rd_kafka_resp_err_t cluster_code;
	const char *text;

	handle_drain_log(handle);
	while (handle_take_error(handle, &cluster_code, &text))
		strlcpy(handle->last_log, text, sizeof(handle->last_log));
	if (handle->last_log[0] == '\0')
		return rd_kafka_err2str(code);
	return psprintf("%s (%s)", rd_kafka_err2str(code), handle->last_log);
}

/* Leaders move, and those of a topic just made are not known everywhere at once. */
static bool
error_is_passing(rd_kafka_resp_err_t code)
{
	switch (code)
	{
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
		case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
		case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
			return true;
		default:
			return false;
	}
}

/* Has librdkafka look again who leads the topic's partitions. On a call's thread. */
static void
leaders_refresh(rd_kafka_t *rk, const char *name, int timeout_ms)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
	const rd_kafka_metadata_t *metadata;

	if (topic == NULL)
		return;
	if (rd_kafka_metadata(rk, 0, topic, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
}

/* ---- offsets ------------------------------------------------------------------------------- */

/* Topic, partitions and times to ask for; then what came back. One block of memory. */
typedef struct OffsetsCall
{
	int timeout_ms;
	rd_kafka_resp_err_t result;
	rd_kafka_resp_err_t first_error; /* of a single partition */
	char topic[TOPIC_NAME_MAX];
	int n;
	KafkaPosition positions[FLEXIBLE_ARRAY_MEMBER];
} OffsetsCall;

/* Asks once. On a call's thread. */
static void
offsets_try(rd_kafka_t *rk, OffsetsCall *call, const KafkaPosition *wanted, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(call->n);

	for (int i = 0; i < call->n; i++)
		rd_kafka_topic_partition_list_add(list, call->topic, wanted[i].partition)->offset =
			wanted[i].offset;
	call->result = rd_kafka_offsets_for_times(rk, list, timeout_ms);
	call->first_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	for (int i = 0; i < call->n; i++)
	{
		rd_kafka_topic_partition_t *entry =
			rd_kafka_topic_partition_list_find(list, call->topic, wanted[i].partition);

		call->positions[i].offset = entry->offset;
		if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
			call->first_error == RD_KAFKA_RESP_ERR_NO_ERROR)
			call->first_error = entry->err;
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static void
offsets_task(rd_kafka_t *rk, void *arg)
{
	OffsetsCall *call = arg;
	KafkaPosition *wanted = malloc(sizeof(KafkaPosition) * call->n);
	Moment end = clock_after(call->timeout_ms);
	int rest = call->timeout_ms;

	if (wanted == NULL)
	{
		call->result = RD_KAFKA_RESP_ERR__FAIL;
		return;
	}
	memcpy(wanted, call->positions, sizeof(KafkaPosition) * call->n);
	for (;;)
	{
		offsets_try(rk, call, wanted, rest);
		if (!error_is_passing(call->result) && !error_is_passing(call->first_error))
			break;
		usleep(RETRY_MS * 1000);
		rest = (int) clock_ms_until(end);
		if (rest <= 0)
			break;
		leaders_refresh(rk, call->topic, rest);
	}
	free(wanted);
}

/*
 * In: positions with times (or KAFKA_OFFSET_EARLIEST, LATEST) as their offsets. Out: offsets; -1
 * where nothing is at or after the time.
 */
static bool
offsets_ask(KafkaHandle *handle, int n, KafkaPosition *positions, int timeout_ms,
			const char **error)
{
	OffsetsCall *call;
	rd_kafka_resp_err_t code;

	if (n == 0)
		return true;
	call = handle_call_alloc(offsetof(OffsetsCall, positions) + sizeof(KafkaPosition) * n);
	call->timeout_ms = timeout_ms;
	call->n = n;
	strlcpy(call->topic, handle->topic_name, sizeof(call->topic));
	memcpy(call->positions, positions, sizeof(KafkaPosition) * n);

	if (!handle_call(handle, offsets_task, call, free, timeout_ms))
	{
		*error = call_error(handle, RD_KAFKA_RESP_ERR__TIMED_OUT);
		return false;
	}
	code = call->result != RD_KAFKA_RESP_ERR_NO_ERROR ? call->result : call->first_error;
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		*error = call_error(handle, code);
		return false;
	}
	memcpy(positions, call->positions, sizeof(KafkaPosition) * n);
	return true;
}

bool
kafka_consumer_offsets_at(KafkaConsumer *consumer, int64 timestamp_ms, int n,
						  KafkaPosition *positions, int timeout_ms, const char **error)
{
	KafkaHandle *handle = consumer_handle(consumer);
	KafkaPosition *ends;
	int missing = 0;

	for (int i = 0; i < n; i++)
		positions[i].offset = timestamp_ms;
	if (!offsets_ask(handle, n, positions, timeout_ms, error))
		return false;

	/* Nothing is that late: there the end is asked for. */
	ends = palloc_array(KafkaPosition, n);
	for (int i = 0; i < n; i++)
	{
		if (positions[i].offset < 0)
			ends[missing++] = (KafkaPosition){positions[i].partition, KAFKA_OFFSET_LATEST};
	}
	if (!offsets_ask(handle, missing, ends, timeout_ms, error))
		return false;
	for (int i = 0, j = 0; i < n; i++)
	{
		if (positions[i].offset < 0)
			positions[i].offset = ends[j++].offset;
	}
	pfree(ends);
	return true;
}

bool
kafka_consumer_query_many(KafkaConsumer *consumer, int n, const int32 *partitions, int64 *low,
						  int64 *high, int timeout_ms, const char **error)
{
	KafkaHandle *handle = consumer_handle(consumer);
	KafkaPosition *positions = palloc_array(KafkaPosition, Max(n, 1));

	for (int i = 0; i < n; i++)
		positions[i] = (KafkaPosition){partitions[i], KAFKA_OFFSET_EARLIEST};
	if (!offsets_ask(handle, n, positions, timeout_ms, error))
		return false;
	for (int i = 0; i < n; i++)
	{
		low[i] = positions[i].offset;
		positions[i].offset = KAFKA_OFFSET_LATEST;
	}
	if (!offsets_ask(handle, n, positions, timeout_ms, error))
		return false;
	for (int i = 0; i < n; i++)
		high[i] = positions[i].offset;
	pfree(positions);
	return true;
}

bool
kafka_consumer_query_offsets(KafkaConsumer *consumer, int32 partition, int64 *low, int64 *high,
							 int timeout_ms, const char **error)
{
	return kafka_consumer_query_many(consumer, 1, &partition, low, high, timeout_ms, error);
}

/* ---- topics and the cluster ---------------------------------------------------------------- */

typedef struct MetadataCall
{
	int timeout_ms;
	char topic[TOPIC_NAME_MAX]; /* "": all topics */
	rd_kafka_resp_err_t result;
	int partitions; /* of that topic */
	char *names;    /* malloc'ed: zero-terminated names, one after the other; "" ends them */
} MetadataCall;

static void
metadata_free(void *arg)
{
	MetadataCall *call = arg;

	free(call->names);
	free(call);
}

/* Runs on the call's thread: malloc only. */
static void
metadata_names(MetadataCall *call, const rd_kafka_metadata_t *metadata)
{
	size_t length = 1;
	char *to;

	for (int i = 0; i < metadata->topic_cnt; i++)
		length += strlen(metadata->topics[i].topic) + 1;
	to = call->names = malloc(length);
	if (to == NULL)
	{
		call->result = RD_KAFKA_RESP_ERR__FAIL;
		return;
	}
	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		strcpy(to, metadata->topics[i].topic);
		to += strlen(to) + 1;
	}
	*to = '\0';
}

/* Asks once; topic NULL: all of them. */
static void
metadata_try(rd_kafka_t *rk, MetadataCall *call, rd_kafka_topic_t *topic, int timeout_ms)
{
	const rd_kafka_metadata_t *metadata = NULL;

	call->result = rd_kafka_metadata(rk, topic == NULL, topic, &metadata, timeout_ms);
	if (call->result != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	if (topic == NULL)
		metadata_names(call, metadata);
	else if (metadata->topic_cnt > 0)
	{
		call->result = metadata->topics[0].err;
		call->partitions = metadata->topics[0].partition_cnt;
	}
	rd_kafka_metadata_destroy(metadata);
}

static void
metadata_task(rd_kafka_t *rk, void *arg)
{
	MetadataCall *call = arg;
	rd_kafka_topic_t *topic = NULL;
	Moment end = clock_after(call->timeout_ms);
	int rest = call->timeout_ms;

	if (call->topic[0] != '\0')
	{
		topic = rd_kafka_topic_new(rk, call->topic, NULL);
		if (topic == NULL)
		{
			call->result = rd_kafka_last_error();
			return;
		}
	}
	for (;;)
	{
		metadata_try(rk, call, topic, rest);
		if (!error_is_passing(call->result))
			break;
		usleep(RETRY_MS * 1000);
		rest = (int) clock_ms_until(end);
		if (rest <= 0)
			break;
	}
	if (topic != NULL)
		rd_kafka_topic_destroy(topic);
}

int
kafka_consumer_partition_count(KafkaConsumer *consumer, int timeout_ms, const char **error)
{
	KafkaHandle *handle = consumer_handle(consumer);
	MetadataCall *call = handle_call_alloc(sizeof(MetadataCall));

	call->timeout_ms = timeout_ms;
	strlcpy(call->topic, handle->topic_name, sizeof(call->topic));
	if (!handle_call(handle, metadata_task, call, metadata_free, timeout_ms))
	{
		*error = call_error(handle, RD_KAFKA_RESP_ERR__TIMED_OUT);
		return -1;
	}
	switch (call->result)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			return call->partitions;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
			return 0;
		default:
			*error = call_error(handle, call->result);
			return -1;
	}
}

typedef struct ClusterIdCall
{
	int timeout_ms;
	char id[128];
} ClusterIdCall;

static void
cluster_id_task(rd_kafka_t *rk, void *arg)
{
	ClusterIdCall *call = arg;
	char *id = rd_kafka_clusterid(rk, call->timeout_ms);

	if (id == NULL)
		return;
	strlcpy(call->id, id, sizeof(call->id));
	rd_kafka_mem_free(rk, id);
}

char *
kafka_consumer_cluster_id(KafkaConsumer *consumer, int timeout_ms)
{
	ClusterIdCall *call = handle_call_alloc(sizeof(ClusterIdCall));

	call->timeout_ms = timeout_ms;
	if (!handle_call(consumer_handle(consumer), cluster_id_task, call, free, timeout_ms) ||
		call->id[0] == '\0')
		return NULL;
	return pstrdup(call->id);
}

List *
kafka_topic_names(const KafkaSettings *settings, int timeout_ms)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry Kafka question",
												  ALLOCSET_SMALL_SIZES);
	KafkaHandle *handle = MemoryContextAllocZero(context, sizeof(KafkaHandle));
	List *names = NIL;

	handle_open(handle, context, settings, RD_KAFKA_CONSUMER,
				settings_to_conf(settings, RD_KAFKA_CONSUMER), NULL);
	PG_TRY();
	{
		MetadataCall *call = handle_call_alloc(sizeof(MetadataCall));
		rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;

		call->timeout_ms = timeout_ms;
		if (handle_call(handle, metadata_task, call, metadata_free, timeout_ms))
			code = call->result;
		if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
			ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
							errmsg("could not list the topics of \"%s\": %s", handle->servers,
								   call_error(handle, code)),
							errhint(KAFKA_HINT_NO_ANSWER)));
		for (const char *name = call->names; *name != '\0'; name += strlen(name) + 1)
		{
			if (strncmp(name, "__", 2) != 0)
				names = lappend(names, pstrdup(name));
		}
	}
	PG_FINALLY();
	{
		MemoryContextDelete(context);
	}
	PG_END_TRY();
	return names;
}
