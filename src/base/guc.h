/*
 * Settings of the extension. Each is described where it is defined, in guc.c; those that the
 * launcher needs before a database is chosen can be set in postgresql.conf only.
 */
#ifndef TELEMETRY_BASE_GUC_H
#define TELEMETRY_BASE_GUC_H

#include "postgres.h"

/* telemetry.enabled: off starts no worker; the switch to throw before starting a physical clone. */
extern bool telemetry_enabled;

/* telemetry.max_workers: slots for ingest workers in shared memory, over all databases. */
extern int telemetry_max_workers;

/*
 * telemetry.max_partitions: partitions whose live figures (lag, idleness) shared memory can hold.
 */
extern int telemetry_max_partitions;

/* telemetry.max_message_bytes: a larger value is dead-lettered truncated to this length. */
extern int telemetry_max_message_bytes;

/* telemetry.fetch_memory: kB of fetched, not yet consumed messages a worker may hold. */
extern int telemetry_fetch_memory;

/*
 * telemetry.batch_memory: kB of message bytes after which a batch is closed, however few its rows.
 */
extern int telemetry_batch_memory;

/* telemetry.kafka_timeout: ms a backend waits for a broker's answer before it gives up. */
extern int telemetry_kafka_timeout;

/* telemetry.insert_path: auto, fast or executor; the last two are for tests and comparisons. */
typedef enum InsertPathSetting
{
	INSERT_PATH_AUTO,
	INSERT_PATH_FAST,
	INSERT_PATH_EXECUTOR
} InsertPathSetting;
extern int telemetry_insert_path;

/* Settings of the planner off, until the GUC nest level that the caller is in ends. */
extern void guc_switch_off(const char *const *names, int n);

extern void guc_define(void);

#endif
