/*
 * Definitions of the settings declared in guc.h.
 */
#include "base/guc.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

bool telemetry_enabled = true;
int telemetry_max_workers = 8;
int telemetry_max_partitions = 1024;
int telemetry_max_message_bytes = 16 * 1024 * 1024;
int telemetry_fetch_memory = 16 * 1024;
int telemetry_batch_memory = 16 * 1024;
int telemetry_kafka_timeout = 10 * 1000;
int telemetry_insert_path = INSERT_PATH_AUTO;

static const struct config_enum_entry insert_path_choices[] = {
	{"auto", INSERT_PATH_AUTO, false},
	{"fast", INSERT_PATH_FAST, false},
	{"executor", INSERT_PATH_EXECUTOR, false},
	{NULL, 0, false},
};

void
guc_define(void)
{
	DefineCustomBoolVariable(
		"telemetry.enabled", "Runs the ingest workers.",
		"Set it to off before starting a physical copy of a server that ingests: "
		"the copy cannot be told apart from its original.",
		&telemetry_enabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("telemetry.kafka_timeout",
							"Time a session waits for an answer of a Kafka broker.", NULL,
							&telemetry_kafka_timeout, 10 * 1000, 100, 10 * 60 * 1000, PGC_USERSET,
							GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"telemetry.max_message_bytes",
		"Longest message that is decoded; a longer one becomes a truncated dead letter.", NULL,
		&telemetry_max_message_bytes, 16 * 1024 * 1024, 1024, 512 * 1024 * 1024, PGC_SIGHUP,
		GUC_UNIT_BYTE, NULL, NULL, NULL);

	DefineCustomIntVariable("telemetry.fetch_memory",
							"Memory for messages that a worker has fetched and not yet taken.",
							NULL, &telemetry_fetch_memory, 16 * 1024, 1024, 1024 * 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("telemetry.batch_memory",
							"Message bytes after which a batch is closed, however few its rows.",
							NULL, &telemetry_batch_memory, 16 * 1024, 1024, 1024 * 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomEnumVariable(
		"telemetry.insert_path", "Which way rows are written into a pipeline's target.",
		"auto takes the fast path where the target allows it. The others are for "
		"tests and comparisons.",
		&telemetry_insert_path, INSERT_PATH_AUTO, insert_path_choices, PGC_SUSET, GUC_NOT_IN_SAMPLE,
		NULL, NULL, NULL);

	/* These size shared memory, so they exist only where it can still be asked for. */
	if (process_shared_preload_libraries_in_progress)
	{
		DefineCustomIntVariable(
			"telemetry.max_workers", "Greatest number of ingest workers, over all databases.",
			"Each takes one of max_worker_processes while it runs; so do the "
			"launcher and one supervisor per database.",
			&telemetry_max_workers, 8, 1, 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);

		DefineCustomIntVariable(
			"telemetry.max_partitions", "Number of topic partitions whose live figures are kept.",
			"Partitions past it are ingested all the same; their lag is not shown.",
			&telemetry_max_partitions, 1024, 16, 1024 * 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	}

	MarkGUCPrefixReserved("telemetry");
}

void
guc_switch_off(const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		(void) set_config_option(names[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
								 0, false);
}
