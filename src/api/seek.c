/*
 * seek_pipeline() and skip_offset(): where a pipeline reads on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/spi.h"
#include "catalog/dead_letter.h"
#include "catalog/offset.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "api/pipeline.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(telemetry_seek_pipeline);
PG_FUNCTION_INFO_V1(telemetry_skip_offset);

/* One partition's move. */
typedef struct Move
{
	int32 partition;
	int64 from; /* -1: not read yet */
	int64 to;
} Move;

typedef struct Seek
{
	const Pipeline *pipeline;
	Source *source;
	KafkaConsumer *consumer;
	int partitions; /* of the topic */
	Move *moves;
	int n;
} Seek;

static void no_answer(const Seek *seek, const char *error) pg_attribute_noreturn();

static void
no_answer(const Seek *seek, const char *error)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
					errmsg("could not ask the broker about topic \"%s\": %s", seek->source->topic,
						   error ? error : "no answer in time"),
					errhint(KAFKA_HINT_NO_ANSWER)));
}

static void
open_topic(Seek *seek)
{
	const char *error = NULL;

	seek->source = source_open(seek->pipeline->source, seek->pipeline->owner, CurrentMemoryContext);
	seek->consumer = kafka_consumer_open(&seek->source->settings, seek->source->topic,
										 seek->pipeline->consumer_group, telemetry_fetch_memory);
	seek->partitions =
		kafka_consumer_partition_count(seek->consumer, telemetry_kafka_timeout, &error);
	if (seek->partitions < 0)
		no_answer(seek, error);
	if (seek->partitions == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("topic \"%s\" does not exist", seek->source->topic),
						errhint(KAFKA_HINT_NO_TOPIC)));
	seek->moves = palloc0(sizeof(Move) * seek->partitions);
}

static void
query_bounds(const Seek *seek, int32 partition, int64 *low, int64 *high)
{
	const char *error = NULL;

	if (!kafka_consumer_query_offsets(seek->consumer, partition, low, high, telemetry_kafka_timeout,
									  &error))
		no_answer(seek, error);
}

/* All partitions of the pipeline to earliest, latest or a time. */
static void
moves_to_position(Seek *seek, const char *position)
{
	bool earliest = strcmp(position, "earliest") == 0;
	KafkaPosition *at;
	const char *error = NULL;
	TimestampTz time;

	for (int32 partition = 0; partition < seek->partitions; partition++)
		if (pipeline_reads(seek->pipeline, partition))
			seek->moves[seek->n++].partition = partition;
	if (earliest || strcmp(position, "latest") == 0)
	{
		for (int i = 0; i < seek->n; i++)
		{
			int64 low;
			int64 high;

			query_bounds(seek, seek->moves[i].partition, &low, &high);
			seek->moves[i].to = earliest ? low : high;
		}
		return;
	}
	time = admin_time(position);
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot seek to time \"%s\"", position),
						errhint("Use earliest, latest or a finite time.")));
	at = palloc0(sizeof(KafkaPosition) * Max(seek->n, 1));
	for (int i = 0; i < seek->n; i++)
		at[i].partition = seek->moves[i].partition;
	if (!kafka_consumer_offsets_at(seek->consumer, kafka_time_ms(time), seek->n, at,
								   telemetry_kafka_timeout, &error))
		no_answer(seek, error);
	for (int i = 0; i < seek->n; i++)
		seek->moves[i].to = at[i].offset;
}

static bool
is_whole(const JsonbValue *value)
{
	Datum numeric;

	if (value->type != jbvNumeric)
		return false;
	numeric = NumericGetDatum(value->val.numeric);
	return DatumGetBool(
		DirectFunctionCall2(numeric_eq, numeric, DirectFunctionCall1(numeric_floor, numeric)));
}

static char *
json_text(JsonbValue *value)
{
	Jsonb *json = JsonbValueToJsonb(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* One entry of {"partition": offset, ...}. */
static void
add_move(Seek *seek, const char *key, JsonbValue *value)
{
	long partition = strtol(key, NULL, 10);
	int64 low;
	int64 high;
	int64 to;
	Move *move;

	/* One spelling a partition: there is room for one move of each. */
	if (strcmp(psprintf("%ld", partition), key) != 0 || partition < 0 ||
		partition >= seek->partitions || !pipeline_reads(seek->pipeline, (int32) partition))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" is not a partition that pipeline \"%s\" reads", key,
							   seek->pipeline->name),
						errdetail("Topic \"%s\" has %d partitions, numbered from 0.",
								  seek->source->topic, seek->partitions)));
	if (!is_whole(value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the offset of partition %ld must be a whole number, and is %s",
							   partition, json_text(value)),
						errhint("For example '{\"0\": 1200, \"1\": 0}'.")));
	to = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
	query_bounds(seek, (int32) partition, &low, &high);
	if (to < low || to > high)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("offset " INT64_FORMAT " of partition %ld is not in the topic", to, partition),
			 errdetail("It holds offsets " INT64_FORMAT " to " INT64_FORMAT ".", low, high)));
	move = &seek->moves[seek->n++];
	move->partition = (int32) partition;
	move->to = to;
}

static void
moves_to_offsets(Seek *seek, Jsonb *offsets)
{
	JsonbIterator *iterator = JsonbIteratorInit(&offsets->root);
	JsonbIteratorToken token;
	JsonbValue value;
	char *key = NULL;

	if (!JB_ROOT_IS_OBJECT(offsets))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("offsets must be an object of offsets by partition"),
						errhint("For example '{\"0\": 1200, \"1\": 0}'.")));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			add_move(seek, key, &value);
	}
}

/* Where each partition stands; lists those that would go back. */
static char *
fill_from(Seek *seek)
{
	List *stored = offset_all(seek->pipeline->id, CurrentMemoryContext);
	StringInfoData back;

	initStringInfo(&back);
	for (int i = 0; i < seek->n; i++)
	{
		Move *move = &seek->moves[i];
		ListCell *cell;

		move->from = -1;
		foreach (cell, stored)
		{
			PartitionOffset *offset = lfirst(cell);

			if (offset->partition == move->partition)
				move->from = offset->next_offset;
		}
		if (move->to < move->from)
			appendStringInfo(&back, "%spartition %d from " INT64_FORMAT " to " INT64_FORMAT,
							 back.len ? ", " : "", move->partition, move->from, move->to);
	}
	return back.len ? back.data : NULL;
}

Datum
telemetry_seek_pipeline(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Seek seek = {.pipeline = admin_pipeline(fcinfo)};
	bool allow = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	char *back;

	if (PG_ARGISNULL(1) == PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("either position or offsets must be given"),
				 errhint("For example position => 'latest', or offsets => '{\"0\": 1200}'.")));
	InitMaterializedSRF(fcinfo, 0);
	open_topic(&seek);
	if (!PG_ARGISNULL(1))
		moves_to_position(&seek, admin_text(fcinfo, 1));
	else
		moves_to_offsets(&seek, PG_GETARG_JSONB_P(2));
	back = fill_from(&seek);
	if (back && !allow && !seek.pipeline->ignore_conflicts)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("going back would store facts a second time"),
						errdetail("It concerns %s.", back),
						errhint("Say allow_duplicates => true if that is meant; a pipeline with "
								"on_conflict 'ignore' and a unique key needs no such word.")));
	for (int i = 0; i < seek.n; i++)
	{
		Move *move = &seek.moves[i];
		Datum values[] = {Int32GetDatum(move->partition), Int64GetDatum(move->from),
						  Int64GetDatum(move->to)};
		bool nulls[] = {false, move->from < 0, false};

		offset_seek(seek.pipeline->id, move->partition, move->to);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	/* Of a topic made anew with fewer, or of another one. */
	if (!PG_ARGISNULL(1) && seek.n > 0)
		offset_forget_from(seek.pipeline->id, seek.partitions);
	kafka_consumer_close(seek.consumer);
	source_close(seek.source);
	admin_touch(seek.pipeline->id);
	return (Datum) 0;
}

/* A message that is still to come must not be lost. */
static void
require_message(const Pipeline *pipeline, int32 partition, int64 offset)
{
	Seek seek = {.pipeline = pipeline};
	int64 low;
	int64 high;

	open_topic(&seek);
	query_bounds(&seek, partition, &low, &high);
	if (offset >= high)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition %d holds no message at offset " INT64_FORMAT " yet", partition,
						offset),
				 errhint("There is nothing to step over: the pipeline has read all there is.")));
	kafka_consumer_close(seek.consumer);
	source_close(seek.source);
}

Datum
telemetry_skip_offset(PG_FUNCTION_ARGS)
{
	Pipeline *pipeline = admin_pipeline(fcinfo);
	int32 number = 0;
	int64 skipped = 0;
	OffsetCounts counts = {.dead = 1};
	DeadLetter letter = {0};
	PartitionOffset *offset = NULL;
	PartitionOffset moved;
	Source *source;
	ListCell *cell;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("partition and offset must not be NULL"),
						errhint("pause_reason in telemetry.stat_partition names them.")));
	number = PG_GETARG_INT32(1);
	skipped = PG_GETARG_INT64(2);
	foreach (cell, offset_all(pipeline->id, CurrentMemoryContext))
		if (((PartitionOffset *) lfirst(cell))->partition == number)
			offset = lfirst(cell);
	if (offset == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pipeline \"%s\" does not read partition %d", pipeline->name, number),
				 errhint("SELECT partition, committed_offset, pause_reason FROM "
						 "telemetry.stat_partition WHERE pipeline = %s tells which it reads.",
						 quote_literal_cstr(pipeline->name))));
	if (offset->next_offset != skipped)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("offset " INT64_FORMAT
							   " is not the next one of partition %d, which is " INT64_FORMAT,
							   skipped, number, offset->next_offset),
						errhint("skip_offset() steps over the one offset that cannot be read; "
								"telemetry.seek_pipeline() goes anywhere.")));
	require_message(pipeline, number, skipped);

	source = source_open(pipeline->source, pipeline->owner, CurrentMemoryContext);
	letter.message.partition = number;
	letter.message.offset = skipped;
	letter.message.timestamp_ms = -1;
	letter.value_length = -1;
	letter.error.sqlstate = ERRCODE_FDW_ERROR;
	letter.error.message =
		offset->pause_reason
			? psprintf("skipped by hand; the partition was paused: %s", offset->pause_reason)
			: "skipped by hand";
	dead_letter_insert(pipeline->id, source->topic, &letter);
	source_close(source);
	moved = *offset;
	moved.next_offset = skipped + 1;
	/* Reading the last message again, to see whether the topic is the same, would meet it again. */
	moved.last_offset = -1;
	if (!offset_update(pipeline->id, &moved, skipped, &counts))
		elog(ERROR, "partition %d was moved under a lock", number);
	offset_set_paused(pipeline->id, number, NULL);
	admin_touch(pipeline->id);
	PG_RETURN_VOID();
}
