/*
 * An embedded broker in a process of its own: librdkafka's mock cluster.
 *
 *   mock_broker [-b BROKERS] [-p PARTITIONS] [TOPIC[:PARTITIONS] ...]
 *
 * Prints its bootstrap address as the first line, then serves until standard input closes or its
 * parent dies. Each line of standard input is a command, answered by one line, "ok" or "error:
 * ...":
 *
 *   topic NAME [PARTITIONS]           create a topic
 *   topic_error NAME ERROR            every request that concerns the topic gives ERROR
 *   leader TOPIC PARTITION BROKER     move the leader (-1: no leader)
 *   errors API COUNT ERROR            the next COUNT requests of API fail with ERROR
 *   rtt BROKER MS                     delay of each answer of a broker
 *   down BROKER | up BROKER           refuse and drop connections, or take them again
 *
 * ERROR is a number of Kafka's protocol or a name such as NOT_LEADER_FOR_PARTITION; API is a
 * request's name (Produce, Fetch, ListOffsets, Metadata, ...) or number. PARTITIONS is for topics
 * named without a number of their own; one that a client merely asks for is made with librdkafka's
 * default, 4.
 *
 * It keeps the newest 5 MiB or 100,000 messages of a partition; a real broker is for more.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define MAX_WORDS  8
#define MAX_ERRORS 10000

static rd_kafka_mock_cluster_t *cluster;
static int default_partitions = 4;
static int broker_count = 1;

static const struct
{
	const char *name;
	int number;
} api_names[] = {
	{"Produce", 0},          {"Fetch", 1},
	{"ListOffsets", 2},      {"Metadata", 3},
	{"OffsetCommit", 8},     {"OffsetFetch", 9},
	{"FindCoordinator", 10}, {"ApiVersion", 18},
	{"InitProducerId", 22},  {"AddPartitionsToTxn", 24},
	{"EndTxn", 26},
};

static bool
parse_int(const char *word, int *value)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(word, &end, 10);
	if (end == word || *end != '\0' || errno != 0 || number < -32768 || number > 1000000)
		return false;
	*value = (int) number;
	return true;
}

/* An error by its name, as rd_kafka_err2name() spells it, or by its number. */
static bool
parse_error(const char *word, rd_kafka_resp_err_t *error)
{
	const struct rd_kafka_err_desc *descriptions;
	size_t count;
	int number;

	if (parse_int(word, &number))
	{
		*error = (rd_kafka_resp_err_t) number;
		return true;
	}
	rd_kafka_get_err_descs(&descriptions, &count);
	for (size_t i = 0; i < count; i++)
	{
		if (descriptions[i].name != NULL && strcmp(descriptions[i].name, word) == 0)
		{
			*error = descriptions[i].code;
			return true;
		}
	}
	return false;
}

static bool
parse_api(const char *word, int *api)
{
	for (size_t i = 0; i < sizeof(api_names) / sizeof(api_names[0]); i++)
	{
		if (strcmp(api_names[i].name, word) == 0)
		{
			*api = api_names[i].number;
			return true;
		}
	}
	return parse_int(word, api);
}

static rd_kafka_resp_err_t
create_topic(const char *name, int partitions)
{
	return rd_kafka_mock_topic_create(cluster, name, partitions,
									  broker_count < 3 ? broker_count : 3);
}

/* Runs one command; the result is NULL (well done), or what is wrong with it. */
static const char *
run_command(int nwords, char **words)
{
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_resp_err_t given;
	int first, second;

	if (strcmp(words[0], "topic") == 0 && (nwords == 2 || nwords == 3))
	{
		first = default_partitions;
		if (nwords == 3 && (!parse_int(words[2], &first) || first < 1))
			return "not a number of partitions";
		error = create_topic(words[1], first);
	}
	else if (strcmp(words[0], "topic_error") == 0 && nwords == 3)
	{
		if (!parse_error(words[2], &given))
			return "unknown error";
		rd_kafka_mock_topic_set_error(cluster, words[1], given);
	}
	else if (strcmp(words[0], "leader") == 0 && nwords == 4)
	{
		if (!parse_int(words[2], &first) || !parse_int(words[3], &second))
			return "not a number";
		error = rd_kafka_mock_partition_set_leader(cluster, words[1], first, second);
	}
	else if (strcmp(words[0], "errors") == 0 && nwords == 4)
	{
		rd_kafka_resp_err_t *list;

		if (!parse_api(words[1], &first))
			return "unknown request";
		if (!parse_int(words[2], &second) || second < 0 || second > MAX_ERRORS)
			return "not a number of errors";
		if (!parse_error(words[3], &given))
			return "unknown error";
		if (second == 0)
		{
			rd_kafka_mock_clear_request_errors(cluster, (int16_t) first);
			return NULL;
		}
		list = malloc(sizeof(*list) * (size_t) second);
		if (list == NULL)
			return "out of memory";
		for (int i = 0; i < second; i++)
			list[i] = given;
		rd_kafka_mock_push_request_errors_array(cluster, (int16_t) first, (size_t) second, list);
		free(list);
	}
	else if (strcmp(words[0], "rtt") == 0 && nwords == 3)
	{
		if (!parse_int(words[1], &first) || !parse_int(words[2], &second))
			return "not a number";
		error = rd_kafka_mock_broker_set_rtt(cluster, first, second);
	}
	else if (strcmp(words[0], "down") == 0 && nwords == 2 && parse_int(words[1], &first))
		error = rd_kafka_mock_broker_set_down(cluster, first);
	else if (strcmp(words[0], "up") == 0 && nwords == 2 && parse_int(words[1], &first))
		error = rd_kafka_mock_broker_set_up(cluster, first);
	else
		return "unknown command";

	return error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(error);
}

static void
serve_commands(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		char *words[MAX_WORDS];
		int nwords = 0;
		char *rest = line;
		char *word;
		const char *problem;

		while (nwords < MAX_WORDS && (word = strsep(&rest, " \t\r\n")) != NULL)
		{
			if (*word != '\0')
				words[nwords++] = word;
		}
		if (nwords == 0)
			continue;
		problem = run_command(nwords, words);
		if (problem == NULL)
			puts("ok");
		else
			printf("error: %s\n", problem);
	}
}

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "mock_broker: %s: %s\n", what, why);
	exit(1);
}

int
main(int argc, char **argv)
{
	char problem[512];
	rd_kafka_conf_t *conf;
	rd_kafka_t *handle;
	int option;

	while ((option = getopt(argc, argv, "b:p:")) != -1)
	{
		if (option == 'b' && parse_int(optarg, &broker_count) && broker_count > 0)
			continue;
		if (option == 'p' && parse_int(optarg, &default_partitions) && default_partitions > 0)
			continue;
		fprintf(stderr,
				"usage: mock_broker [-b BROKERS] [-p PARTITIONS] [TOPIC[:PARTITIONS] ...]\n");
		return 2;
	}

	/* Whoever started us may be killed without closing anything. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);

	conf = rd_kafka_conf_new();
	/* Injected errors would fill the log; what matters reaches the clients. */
	rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
	handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, problem, sizeof(problem));
	if (handle == NULL)
		fail("could not start", problem);
	cluster = rd_kafka_mock_cluster_new(handle, broker_count);
	if (cluster == NULL)
		fail("could not start", "no mock cluster");

	for (int i = optind; i < argc; i++)
	{
		char *colon = strrchr(argv[i], ':');
		int partitions = default_partitions;
		rd_kafka_resp_err_t error;

		if (colon != NULL)
		{
			*colon = '\0';
			if (!parse_int(colon + 1, &partitions) || partitions < 1)
				fail(argv[i], "not a number of partitions");
		}
		error = create_topic(argv[i], partitions);
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			fail(argv[i], rd_kafka_err2str(error));
	}

	puts(rd_kafka_mock_cluster_bootstraps(cluster));
	serve_commands();

	/*
	 * Destroying the mock in an orderly way can wait for connections of clients that are being
	 * killed at the same time; nothing here is worth that.
	 */
	fflush(stdout);
	_exit(0);
}
