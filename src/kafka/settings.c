/*
 * Which of librdkafka's settings a user may give, and where.
 *
 * An allow-list: a setting that a later librdkafka adds is refused until somebody has thought
 * about what it can read, run or reveal.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "kafka/settings.h"

#include "miscadmin.h"
#include "utils/builtins.h"

typedef enum SettingUse
{
	FOR_BOTH,
	FOR_CONSUMER,
	FOR_PRODUCER
} SettingUse;

/* Longer values do not stand in an error. */
#define VALUE_SHOWN_MAX 100

typedef struct Setting
{
	const char *name;  /* librdkafka's, as its documentation has it */
	const char *alias; /* ours: a plain identifier that needs no quotes; or NULL */
	KafkaSettingKind kind;
	SettingUse use;
	int places;
} Setting;

#define PLAIN     KAFKA_SETTING_PLAIN
#define SECRET    KAFKA_SETTING_SECRET
#define SUPERUSER KAFKA_SETTING_SUPERUSER

/* Where the connection goes is the server's alone: USAGE on it is the right to reach it. */
#define SERVER   KAFKA_ON_SERVER
#define USER     KAFKA_ON_USER
#define IDENTITY (KAFKA_ON_SERVER | KAFKA_ON_USER)
#define TUNING   (KAFKA_ON_SERVER | KAFKA_ON_TABLE)

static const Setting settings_known[] = {
	{"bootstrap.servers", "bootstrap_servers", PLAIN, FOR_BOTH, SERVER},
	{"client.id", "client_id", PLAIN, FOR_BOTH, TUNING},
	{"client.rack", "client_rack", PLAIN, FOR_BOTH, SERVER},
	{"isolation.level", "isolation_level", PLAIN, FOR_CONSUMER, TUNING},

	{"security.protocol", "security_protocol", PLAIN, FOR_BOTH, SERVER},
	{"sasl.mechanism", "sasl_mechanism", PLAIN, FOR_BOTH, IDENTITY},
	{"sasl.username", "sasl_username", SECRET, FOR_BOTH, USER},
	{"sasl.password", "sasl_password", SECRET, FOR_BOTH, USER},
	/* These stand in a shell command that librdkafka runs. */
	{"sasl.kerberos.service.name", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"sasl.kerberos.principal", NULL, SUPERUSER, FOR_BOTH, IDENTITY},
	{"sasl.kerberos.keytab", NULL, SUPERUSER, FOR_BOTH, IDENTITY},
	{"sasl.kerberos.kinit.cmd", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"sasl.kerberos.min.time.before.relogin", NULL, SUPERUSER, FOR_BOTH, SERVER},

	{"ssl.ca.pem", "ssl_ca_pem", PLAIN, FOR_BOTH, SERVER},
	{"ssl.certificate.pem", "ssl_certificate_pem", PLAIN, FOR_BOTH, IDENTITY},
	{"ssl.key.pem", "ssl_key_pem", SECRET, FOR_BOTH, USER},
	{"ssl.key.password", "ssl_key_password", SECRET, FOR_BOTH, USER},
	{"ssl.keystore.password", NULL, SECRET, FOR_BOTH, USER},
	{"ssl.cipher.suites", NULL, PLAIN, FOR_BOTH, SERVER},
	{"ssl.curves.list", NULL, PLAIN, FOR_BOTH, SERVER},
	{"ssl.sigalgs.list", NULL, PLAIN, FOR_BOTH, SERVER},
	{"enable.ssl.certificate.verification", NULL, PLAIN, FOR_BOTH, SERVER},
	{"ssl.endpoint.identification.algorithm", NULL, PLAIN, FOR_BOTH, SERVER},
	{"ssl.ca.location", "ssl_ca_location", SUPERUSER, FOR_BOTH, SERVER},
	{"ssl.certificate.location", "ssl_certificate_location", SUPERUSER, FOR_BOTH, IDENTITY},
	{"ssl.key.location", "ssl_key_location", SUPERUSER, FOR_BOTH, IDENTITY},
	{"ssl.keystore.location", "ssl_keystore_location", SUPERUSER, FOR_BOTH, IDENTITY},
	{"ssl.crl.location", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"ssl.engine.location", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"ssl.engine.id", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"ssl.providers", NULL, SUPERUSER, FOR_BOTH, SERVER},
	{"plugin.library.paths", NULL, SUPERUSER, FOR_BOTH, SERVER},
	/* Writes protocol details into the server's log, and much of it. */
	{"debug", NULL, SUPERUSER, FOR_BOTH, SERVER},

	{"broker.address.family", NULL, PLAIN, FOR_BOTH, SERVER},
	{"broker.address.ttl", NULL, PLAIN, FOR_BOTH, SERVER},
	{"connections.max.idle.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"reconnect.backoff.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"reconnect.backoff.max.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.timeout.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.connection.setup.timeout.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.keepalive.enable", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.nagle.disable", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.send.buffer.bytes", NULL, PLAIN, FOR_BOTH, SERVER},
	{"socket.receive.buffer.bytes", NULL, PLAIN, FOR_BOTH, SERVER},
	{"receive.message.max.bytes", NULL, PLAIN, FOR_BOTH, SERVER},
	{"metadata.max.age.ms", NULL, PLAIN, FOR_BOTH, SERVER},
	{"topic.metadata.refresh.interval.ms", NULL, PLAIN, FOR_BOTH, SERVER},

	{"check.crcs", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"fetch.wait.max.ms", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"fetch.min.bytes", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"fetch.max.bytes", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"fetch.message.max.bytes", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"max.partition.fetch.bytes", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"fetch.error.backoff.ms", NULL, PLAIN, FOR_CONSUMER, TUNING},
	{"queued.min.messages", NULL, PLAIN, FOR_CONSUMER, TUNING},

	{"compression.type", "compression_type", PLAIN, FOR_PRODUCER, TUNING},
	{"compression.level", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"linger.ms", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"batch.size", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"batch.num.messages", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"message.max.bytes", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"message.timeout.ms", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"request.timeout.ms", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"retry.backoff.ms", NULL, PLAIN, FOR_PRODUCER, TUNING},
	{"partitioner", "partitioner", PLAIN, FOR_PRODUCER, TUNING},
	{"sticky.partitioning.linger.ms", NULL, PLAIN, FOR_PRODUCER, TUNING},
};

/* What we set ourselves, and why a user need not. */
typedef struct OwnedSetting
{
	const char *name;
	const char *hint;
} OwnedSetting;

static const OwnedSetting settings_owned[] = {
	{"group.id", "Each pipeline has a consumer group of its own."},
	{"group.instance.id", "Partitions are assigned by PostgreSQL, not by Kafka's groups."},
	{"partition.assignment.strategy",
	 "Partitions are assigned by PostgreSQL, not by Kafka's groups."},
	{"enable.auto.commit", "Offsets are kept by PostgreSQL, in the transaction of their rows."},
	{"auto.commit.interval.ms",
	 "Offsets are kept by PostgreSQL, in the transaction of their rows."},
	{"enable.auto.offset.store",
	 "Offsets are kept by PostgreSQL, in the transaction of their rows."},
	{"auto.offset.reset",
	 "A lost offset is never passed over silently: choose a pipeline's start position, "
	 "or use seek_pipeline()."},
	{"enable.partition.eof", "The end of a partition is always reported."},
	{"queued.max.messages.kbytes", "Set telemetry.fetch_memory instead."},
	{"acks", "Rows are acknowledged by all in-sync replicas."},
	{"request.required.acks", "Rows are acknowledged by all in-sync replicas."},
	{"enable.idempotence", "Producing is always idempotent."},
	{"transactional.id", "Kafka's transactions cannot be tied to PostgreSQL's."},
	{"allow.auto.create.topics", "Topics are created by Kafka's own tools."},
	{"log.queue", "Messages of the Kafka client go to the server's log."},
	{"statistics.interval.ms", "See telemetry.stat_partition for figures."},
	{"metadata.broker.list", "Use bootstrap_servers."},
	{"sasl.mechanisms", "Use sasl_mechanism."},
	{"compression.codec", "Use compression_type."},
};

static const Setting *
setting_find(const char *name)
{
	for (int i = 0; i < (int) lengthof(settings_known); i++)
	{
		const Setting *setting = &settings_known[i];

		if (strcmp(setting->name, name) == 0 ||
			(setting->alias != NULL && strcmp(setting->alias, name) == 0))
			return setting;
	}
	return NULL;
}

KafkaSettingKind
kafka_setting_kind(const char *name)
{
	const Setting *setting = setting_find(name);

	return setting != NULL ? setting->kind : KAFKA_SETTING_UNKNOWN;
}

int
kafka_setting_places(const char *name)
{
	const Setting *setting = setting_find(name);

	return setting != NULL ? setting->places : 0;
}

const char *
kafka_setting_canonical(const char *name)
{
	const Setting *setting = setting_find(name);

	return setting != NULL ? setting->name : NULL;
}

const char *
kafka_setting_owned(const char *name)
{
	for (int i = 0; i < (int) lengthof(settings_owned); i++)
	{
		if (strcmp(settings_owned[i].name, name) == 0)
			return settings_owned[i].hint;
	}
	return NULL;
}

const char *const *
kafka_setting_names(void)
{
	static const char *names[2 * lengthof(settings_known) + 1];
	int n = 0;

	if (names[0] == NULL)
	{
		for (int i = 0; i < (int) lengthof(settings_known); i++)
		{
			names[n++] = settings_known[i].name;
			if (settings_known[i].alias != NULL)
				names[n++] = settings_known[i].alias;
		}
	}
	return names;
}

/*
 * Mechanisms that we know to be safe and to work. GSSAPI is one that runs a command (kinit), and
 * librdkafka's default: so a mechanism must be named wherever SASL is used.
 */
static void
mechanism_check(const char *value)
{
	if (pg_strcasecmp(value, "PLAIN") == 0 || pg_strcasecmp(value, "SCRAM-SHA-256") == 0 ||
		pg_strcasecmp(value, "SCRAM-SHA-512") == 0)
		return;
	if (pg_strcasecmp(value, "GSSAPI") == 0)
	{
		if (!superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("only a superuser may choose sasl_mechanism \"%s\"", value),
					 errdetail("The Kafka client runs a command to renew Kerberos tickets.")));
		return;
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("invalid value for option \"sasl_mechanism\": \"%s\"", value),
					errhint("Use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI.")));
}

/* host, host:port, [address]:port or an IPv6 address alone, behind a protocol or not. */
static bool
is_broker(const char *text)
{
	const char *host = strstr(text, "://") != NULL ? strstr(text, "://") + 3 : text;
	const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
	struct in6_addr address;
	char *rest;
	long port;

	if (inet_pton(AF_INET6, host, &address) == 1)
		return true;
	if (end == NULL || end == host || strpbrk(host, " \t\n/@;") != NULL)
		return false;
	if (host[0] == '[')
		end++;
	if (*end == '\0')
		return true;
	port = strtol(end + 1, &rest, 10);
	return *end == ':' && end[1] >= '0' && end[1] <= '9' && *rest == '\0' && port > 0 &&
		   port <= PG_UINT16_MAX;
}

/* librdkafka takes any text, and then nothing ever answers. */
static void
brokers_check(const char *value)
{
	char *list = pstrdup(value);
	char *next = list;
	int n = 0;

	while (next != NULL)
	{
		char *broker = strsep(&next, ",");
		size_t length;

		broker += strspn(broker, " \t\r\n");
		length = strlen(broker);
		while (length > 0 && strchr(" \t\r\n", broker[length - 1]) != NULL)
			broker[--length] = '\0';
		if (length == 0)
			continue;
		n++;
		if (!is_broker(broker))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"bootstrap_servers\": \"%s\"", value),
					 errdetail("\"%s\" is not the address of a broker.", broker),
					 errhint("Use OPTIONS (bootstrap_servers 'host:port, ...'); an IPv6 address "
							 "before a port stands in brackets.")));
	}
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"bootstrap_servers\" must not be empty"),
						errhint("Use OPTIONS (bootstrap_servers 'host:port, ...').")));
	pfree(list);
}

/*
 * librdkafka's reason may quote the value: a secret's is replaced. A certificate is too long to
 * show.
 */
static void
setting_refused(const Setting *setting, const char *name, const char *value,
				rd_kafka_conf_res_t result, const char *reason)
{
	bool shown = setting->kind != KAFKA_SETTING_SECRET && strlen(value) <= VALUE_SHOWN_MAX;

	if (result == RD_KAFKA_CONF_UNKNOWN)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"%s\" is not known to this server's librdkafka %s", name,
							   rd_kafka_version_str())));
	if (setting->kind == KAFKA_SETTING_SECRET)
		reason = "The Kafka client does not accept it.";
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					shown ? errmsg("invalid value for option \"%s\": \"%s\"", name, value)
						  : errmsg("invalid value for option \"%s\"", name),
					errdetail("%s", reason)));
}

static void
setting_apply(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	const Setting *setting = setting_find(name);
	rd_kafka_conf_res_t result;
	char reason[512] = "";

	if (setting == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("invalid Kafka setting \"%s\"", name)));
	result = rd_kafka_conf_set(conf, setting->name, value, reason, sizeof(reason));
	reason[strcspn(reason, "\n")] = '\0';
	if (result != RD_KAFKA_CONF_OK)
		setting_refused(setting, name, value, result, reason);
}

void
kafka_setting_check(const char *name, const char *value)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	PG_TRY();
	{
		if (setting_find(name) == NULL)
			elog(ERROR, "unknown Kafka setting \"%s\"", name);
		/* Checked apart: an empty list of brokers is taken, and then nothing ever answers. */
		if (value[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
							errmsg("option \"%s\" must not be empty", name)));
		if (strcmp(kafka_setting_canonical(name), "sasl.mechanism") == 0)
			mechanism_check(value);
		if (strcmp(kafka_setting_canonical(name), "bootstrap.servers") == 0)
			brokers_check(value);
		setting_apply(conf, name, value);
	}
	PG_FINALLY();
	{
		rd_kafka_conf_destroy(conf);
	}
	PG_END_TRY();
}

const char *
settings_get(const KafkaSettings *settings, const char *name)
{
	const char *found = NULL;
	ListCell *cell;
	ListCell *value;

	/* The last one counts, as it does for rd_kafka_conf_set(). */
	forboth (cell, settings->names, value, settings->values)
	{
		const char *canonical = kafka_setting_canonical(lfirst(cell));

		if (canonical != NULL && strcmp(canonical, name) == 0)
			found = lfirst(value);
	}
	return found;
}

void
settings_force(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char reason[512];

	if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
		elog(ERROR, "Kafka client refuses \"%s\" = \"%s\": %s", name, value, reason);
}

static void
settings_check_whole(const KafkaSettings *settings)
{
	const char *protocol = settings_get(settings, "security.protocol");

	if (settings_get(settings, "bootstrap.servers") == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
						errmsg("option \"bootstrap_servers\" is missing"),
						errhint("Use ALTER SERVER ... OPTIONS (ADD bootstrap_servers "
								"'host:port, ...').")));
	if (protocol != NULL && pg_strncasecmp(protocol, "sasl", 4) == 0 &&
		settings_get(settings, "sasl.mechanism") == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
						errmsg("option \"sasl_mechanism\" is missing"),
						errdetail("The server's security_protocol is \"%s\".", protocol),
						errhint("Use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI.")));
}

/* A producer's setting would only make a consumer warn, and the other way round. */
static bool
setting_is_for(const char *name, rd_kafka_type_t type)
{
	const Setting *setting = setting_find(name);

	return setting == NULL ||
		   setting->use != (type == RD_KAFKA_CONSUMER ? FOR_PRODUCER : FOR_CONSUMER);
}

rd_kafka_conf_t *
settings_to_conf(const KafkaSettings *settings, rd_kafka_type_t type)
{
	rd_kafka_conf_t *conf;
	ListCell *name;
	ListCell *value;

	settings_check_whole(settings);
	conf = rd_kafka_conf_new();
	PG_TRY();
	{
		settings_force(conf, "client.id", "telemetry");
		settings_force(conf, "log.connection.close", "false");
		settings_force(conf, "log.thread.name", "false");
		settings_force(conf, "socket.keepalive.enable", "true");
		settings_force(conf, "allow.auto.create.topics", "false");
		forboth (name, settings->names, value, settings->values)
		{
			if (setting_is_for(lfirst(name), type))
				setting_apply(conf, lfirst(name), lfirst(value));
		}
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return conf;
}
