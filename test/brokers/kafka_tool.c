/*
 * Administers a broker for tests, in milliseconds where Kafka's own Java tools take seconds.
 *
 *   kafka_tool [-X NAME=VALUE ...] BOOTSTRAP COMMAND ...
 *
 *   create TOPIC PARTITIONS [NAME=VALUE ...]   create a topic, with settings; 3x2: 3 partitions of
 * 2 replicas, 3@2,1: all on brokers 2 (first choice of leader) and 1 delete TOPIC delete it, and
 * wait until it is gone partitions TOPIC COUNT                     raise its number of partitions
 *   configure TOPIC NAME=VALUE ...             replace its settings
 *   truncate TOPIC PARTITION OFFSET            delete the records before an offset
 *   produce TOPIC [TRANSACTION commit|abort|leave]
 *                                              produce standard input, optionally in a transaction
 *   watermarks TOPIC                           lines: partition, low, high
 *   leaders TOPIC                              lines: partition, leader (-1: none), in-sync
 * replicas committed GROUP TOPIC                      lines: partition, committed offset (-1001:
 * none)
 *
 * A line to produce is PARTITION, KEY, VALUE, separated by tabs: partition -1 is chosen by key, an
 * empty key is no key, a value \N is a tombstone; \t \n \r \\ and \xHH stand for bytes.
 * Prints what was asked for, or nothing; on an error says so and exits with 1.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define TIMEOUT_MS 30000

static const char *command = "kafka_tool";
static long produce_failures;
static char produce_error[256];

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static long long
number(const char *word)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(word, &end, 10);
	if (end == word || *end != '\0' || errno != 0)
		fail("not a number: %s", word);
	return value;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char problem[512];

	if (rd_kafka_conf_set(conf, name, value, problem, sizeof(problem)) != RD_KAFKA_CONF_OK)
		fail("%s", problem);
}

/* Splits NAME=VALUE in place. */
static char *
split(char *setting)
{
	char *equals = strchr(setting, '=');

	if (equals == NULL)
		fail("not NAME=VALUE: %s", setting);
	*equals = '\0';
	return equals + 1;
}

static void
delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
	(void) handle;
	(void) opaque;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && produce_failures++ == 0)
		snprintf(produce_error, sizeof(produce_error), "%s", rd_kafka_err2str(message->err));
}

/* ---- administration ------------------------------------------------------------------------ */

static void
check_topic_results(const rd_kafka_topic_result_t **results, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
			fail("%s: %s", rd_kafka_topic_result_name(results[i]),
				 rd_kafka_topic_result_error_string(results[i]));
	}
}

/* Waits for the answer to the one admin request under way, and fails when it is an error. */
static void
await_admin(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
	const rd_kafka_topic_result_t **results = NULL;
	size_t count = 0;

	if (event == NULL)
		fail("no answer within %d ms", TIMEOUT_MS);
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("%s", rd_kafka_event_error_string(event));

	switch (rd_kafka_event_type(event))
	{
		case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
			results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
														  &count);
			break;
		case RD_KAFKA_EVENT_DELETETOPICS_RESULT:
			results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event),
														  &count);
			break;
		case RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT:
			results = rd_kafka_CreatePartitions_result_topics(
				rd_kafka_event_CreatePartitions_result(event), &count);
			break;
		case RD_KAFKA_EVENT_ALTERCONFIGS_RESULT:
		{
			const rd_kafka_ConfigResource_t **resources = rd_kafka_AlterConfigs_result_resources(
				rd_kafka_event_AlterConfigs_result(event), &count);

			for (size_t i = 0; i < count; i++)
			{
				if (rd_kafka_ConfigResource_error(resources[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
					fail("%s", rd_kafka_ConfigResource_error_string(resources[i]));
			}
			count = 0;
			break;
		}
		case RD_KAFKA_EVENT_DELETERECORDS_RESULT:
		{
			const rd_kafka_topic_partition_list_t *offsets =
				rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));

			for (int i = 0; i < offsets->cnt; i++)
			{
				if (offsets->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
					fail("%s", rd_kafka_err2str(offsets->elems[i].err));
			}
			break;
		}
		default:
			fail("unexpected answer: %s", rd_kafka_event_name(event));
	}
	check_topic_results(results, count);
	rd_kafka_event_destroy(event);
}

static const struct rd_kafka_metadata *
topic_metadata(rd_kafka_t *handle, const char *topic)
{
	rd_kafka_topic_t *object = rd_kafka_topic_new(handle, topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, object, &metadata, TIMEOUT_MS);

	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("metadata: %s", rd_kafka_err2str(error));
	rd_kafka_topic_destroy(object);
	return metadata;
}

/* Number of partitions as the metadata say it; 0: no such topic. */
static int
partition_count(rd_kafka_t *handle, const char *topic)
{
	const struct rd_kafka_metadata *metadata = topic_metadata(handle, topic);
	int count = 0;

	if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		count = metadata->topics[0].partition_cnt;
		for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
		{
			if (metadata->topics[0].partitions[i].leader < 0)
				count = 0; /* not served yet */
		}
	}
	rd_kafka_metadata_destroy(metadata);
	return count;
}

/* The broker answers before its own metadata have followed. */
static void
await_partitions(rd_kafka_t *handle, const char *topic, int count)
{
	for (int tries = 0; tries < 1000; tries++)
	{
		if (partition_count(handle, topic) == count)
			return;
		rd_kafka_poll(handle, 10);
	}
	fail("%s does not come to have %d partitions", topic, count);
}

/* Puts all partitions on these brokers (numbers, by commas). */
static void
assign_replicas(rd_kafka_NewTopic_t *topic, int partitions, char *brokers)
{
	char problem[256];
	int32_t ids[16];
	size_t count = 0;

	while (brokers != NULL && count < sizeof(ids) / sizeof(ids[0]))
		ids[count++] = (int32_t) number(strsep(&brokers, ","));
	for (int32_t i = 0; i < partitions; i++)
	{
		if (rd_kafka_NewTopic_set_replica_assignment(topic, i, ids, count, problem,
													 sizeof(problem)) != RD_KAFKA_RESP_ERR_NO_ERROR)
			fail("%s", problem);
	}
}

static void
create_topic(rd_kafka_t *handle, rd_kafka_queue_t *queue, char **args, int nargs)
{
	char problem[256];
	char *brokers = args[1];
	char *replicas = strsep(&brokers, "@");
	int partitions = (int) number(strsep(&replicas, "x"));
	int replication = replicas ? (int) number(replicas) : 1;
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
		args[0], partitions, brokers ? -1 : replication, problem, sizeof(problem));

	if (topic == NULL)
		fail("%s", problem);
	if (brokers != NULL)
		assign_replicas(topic, partitions, brokers);
	for (int i = 2; i < nargs; i++)
	{
		const char *value = split(args[i]);

		rd_kafka_NewTopic_set_config(topic, args[i], value);
	}
	rd_kafka_CreateTopics(handle, &topic, 1, NULL, queue);
	await_admin(queue);
	await_partitions(handle, args[0], partitions);
}

static void
delete_topic(rd_kafka_t *handle, rd_kafka_queue_t *queue, const char *name)
{
	rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);

	rd_kafka_DeleteTopics(handle, &topic, 1, NULL, queue);
	await_admin(queue);
	await_partitions(handle, name, 0);
}

static void
add_partitions(rd_kafka_t *handle, rd_kafka_queue_t *queue, const char *name, int count)
{
	char problem[256];
	rd_kafka_NewPartitions_t *partitions =
		rd_kafka_NewPartitions_new(name, (size_t) count, problem, sizeof(problem));

	if (partitions == NULL)
		fail("%s", problem);
	rd_kafka_CreatePartitions(handle, &partitions, 1, NULL, queue);
	await_admin(queue);
	await_partitions(handle, name, count);
}

static void
configure_topic(rd_kafka_t *handle, rd_kafka_queue_t *queue, char **args, int nargs)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, args[0]);

	for (int i = 1; i < nargs; i++)
	{
		const char *value = split(args[i]);

		rd_kafka_ConfigResource_set_config(resource, args[i], value);
	}
	rd_kafka_AlterConfigs(handle, &resource, 1, NULL, queue);
	await_admin(queue);
}

static void
truncate_partition(rd_kafka_t *handle, rd_kafka_queue_t *queue, char **args)
{
	rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
	rd_kafka_DeleteRecords_t *request;

	rd_kafka_topic_partition_list_add(offsets, args[0], (int32_t) number(args[1]))->offset =
		number(args[2]);
	request = rd_kafka_DeleteRecords_new(offsets);
	rd_kafka_DeleteRecords(handle, &request, 1, NULL, queue);
	await_admin(queue);
}

/* ---- questions ----------------------------------------------------------------------------- */

static void
print_watermarks(rd_kafka_t *handle, const char *topic)
{
	int count = partition_count(handle, topic);

	if (count == 0)
		fail("no such topic: %s", topic);
	for (int32_t i = 0; i < count; i++)
	{
		int64_t low, high;
		rd_kafka_resp_err_t error =
			rd_kafka_query_watermark_offsets(handle, topic, i, &low, &high, TIMEOUT_MS);

		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			fail("%s", rd_kafka_err2str(error));
		printf("%d %lld %lld\n", i, (long long) low, (long long) high);
	}
}

static void
print_leaders(rd_kafka_t *handle, const char *topic)
{
	const struct rd_kafka_metadata *metadata = topic_metadata(handle, topic);

	if (metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0)
		fail("no such topic: %s", topic);
	for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
	{
		const rd_kafka_metadata_partition_t *partition = &metadata->topics[0].partitions[i];

		printf("%d %d", partition->id, partition->leader);
		for (int j = 0; j < partition->isr_cnt; j++)
			printf("%c%d", j == 0 ? ' ' : ',', partition->isrs[j]);
		putchar('\n');
	}
	rd_kafka_metadata_destroy(metadata);
}

static void
print_committed(rd_kafka_t *handle, const char *topic)
{
	int count = partition_count(handle, topic);
	rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(count);
	rd_kafka_resp_err_t error;

	for (int32_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(offsets, topic, i);
	error = rd_kafka_committed(handle, offsets, TIMEOUT_MS);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("%s", rd_kafka_err2str(error));
	for (int i = 0; i < offsets->cnt; i++)
		printf("%d %lld\n", offsets->elems[i].partition, (long long) offsets->elems[i].offset);
}

/* ---- producing ----------------------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	fail("not a hexadecimal digit: %c", c);
}

/* Replaces escapes in place; gives the new length. */
static size_t
unescape(char *text)
{
	char *out = text;

	for (char *in = text; *in != '\0'; in++)
	{
		if (*in != '\\')
		{
			*out++ = *in;
			continue;
		}
		switch (*++in)
		{
			case 't':
				*out++ = '\t';
				break;
			case 'n':
				*out++ = '\n';
				break;
			case 'r':
				*out++ = '\r';
				break;
			case '\\':
				*out++ = '\\';
				break;
			case 'x':
			{
				int high = hex_digit(in[1]);

				*out++ = (char) (high * 16 + hex_digit(in[2]));
				in += 2;
				break;
			}
			default:
				fail("unknown escape in: %s", text);
		}
	}
	return (size_t) (out - text);
}

static void
produce_line(rd_kafka_t *handle, const char *topic, char *line)
{
	char *rest = line;
	char *partition = strsep(&rest, "\t");
	char *key = strsep(&rest, "\t");
	char *value = rest;
	size_t key_length, value_length = 0;
	rd_kafka_resp_err_t error;

	if (key == NULL || value == NULL)
		fail("a line needs partition, key and value, separated by tabs: %s", line);
	key_length = unescape(key);
	if (strcmp(value, "\\N") == 0)
		value = NULL;
	else
		value_length = unescape(value);

	for (;;)
	{
		error = rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic),
								  RD_KAFKA_V_PARTITION((int32_t) number(partition)),
								  RD_KAFKA_V_KEY((key_length > 0 ? key : NULL), key_length),
								  RD_KAFKA_V_VALUE(value, value_length),
								  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(handle, 10);
	}
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("%s", rd_kafka_err2str(error));
}

static void
check_transaction(rd_kafka_error_t *error)
{
	if (error != NULL)
		fail("%s", rd_kafka_error_string(error));
}

static void
produce(rd_kafka_t *handle, const char *topic, const char *transaction, const char *ending)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	long count = 0;

	if (transaction != NULL)
	{
		check_transaction(rd_kafka_init_transactions(handle, TIMEOUT_MS));
		check_transaction(rd_kafka_begin_transaction(handle));
	}
	while ((length = getline(&line, &size, stdin)) > 0)
	{
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		produce_line(handle, topic, line);
		if (++count % 1000 == 0)
			rd_kafka_poll(handle, 0);
	}
	free(line);

	if (rd_kafka_flush(handle, TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("not everything was acknowledged within %d ms", TIMEOUT_MS);
	if (produce_failures > 0)
		fail("%ld messages failed: %s", produce_failures, produce_error);
	if (transaction == NULL)
		return;
	if (strcmp(ending, "commit") == 0)
		check_transaction(rd_kafka_commit_transaction(handle, TIMEOUT_MS));
	else if (strcmp(ending, "abort") == 0)
		check_transaction(rd_kafka_abort_transaction(handle, TIMEOUT_MS));
	else
		_exit(0); /* leave it open: the broker aborts it after transaction.timeout.ms */
}

/* -------------------------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *handle;
	rd_kafka_queue_t *queue;
	char problem[512];
	const char *verb;
	char **args;
	int nargs;
	bool consumer, transaction;
	int i = 1;

	set(conf, "log_level", "3");
	for (; i + 1 < argc && strcmp(argv[i], "-X") == 0; i += 2)
	{
		const char *value = split(argv[i + 1]);

		set(conf, argv[i + 1], value);
	}
	if (argc - i < 3)
		fail("usage: kafka_tool [-X NAME=VALUE ...] BOOTSTRAP COMMAND TOPIC ...");
	set(conf, "bootstrap.servers", argv[i]);
	verb = argv[i + 1];
	args = argv + i + 2;
	nargs = argc - i - 2;

	consumer = strcmp(verb, "committed") == 0 && nargs == 2;
	transaction = strcmp(verb, "produce") == 0 && nargs == 3;
	if (consumer)
		set(conf, "group.id", args[0]);
	if (transaction)
		set(conf, "transactional.id", args[1]);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	handle = rd_kafka_new(consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, problem,
						  sizeof(problem));
	if (handle == NULL)
		fail("%s", problem);
	queue = rd_kafka_queue_new(handle);

	if (consumer)
		print_committed(handle, args[1]);
	else if (strcmp(verb, "create") == 0 && nargs >= 2)
		create_topic(handle, queue, args, nargs);
	else if (strcmp(verb, "delete") == 0 && nargs == 1)
		delete_topic(handle, queue, args[0]);
	else if (strcmp(verb, "partitions") == 0 && nargs == 2)
		add_partitions(handle, queue, args[0], (int) number(args[1]));
	else if (strcmp(verb, "configure") == 0 && nargs >= 2)
		configure_topic(handle, queue, args, nargs);
	else if (strcmp(verb, "truncate") == 0 && nargs == 3)
		truncate_partition(handle, queue, args);
	else if (strcmp(verb, "produce") == 0 && (nargs == 1 || nargs == 3))
		produce(handle, args[0], transaction ? args[1] : NULL, transaction ? args[2] : NULL);
	else if (strcmp(verb, "watermarks") == 0 && nargs == 1)
		print_watermarks(handle, args[0]);
	else if (strcmp(verb, "leaders") == 0 && nargs == 1)
		print_leaders(handle, args[0]);
	else
		fail("unknown command, or wrong number of arguments: %s", verb);

	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(handle);
	return 0;
}
