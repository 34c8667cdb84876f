/*
 * The allow-list of librdkafka settings, and a configuration made from a set of them.
 */
#ifndef TELEMETRY_KAFKA_SETTINGS_H
#define TELEMETRY_KAFKA_SETTINGS_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "kafka/kafka.h"

/*
 * A configuration holding these settings, for a handle of that type. The caller destroys it. Throws
 * when something is missing or is not taken; never shows a secret's value.
 */
extern rd_kafka_conf_t *settings_to_conf(const KafkaSettings *settings, rd_kafka_type_t type);

/* Sets what we own. Such a failure is a bug of ours, so the value is shown. */
extern void settings_force(rd_kafka_conf_t *conf, const char *name, const char *value);

/* The value given for a setting under any of its names, or NULL. */
extern const char *settings_get(const KafkaSettings *settings, const char *name);

#endif
