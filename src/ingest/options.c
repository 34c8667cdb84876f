/*
 * From a pipeline's row to what ingest_open() takes.
 */
#include "ingest/partitions.h"

PartitionUnit
partition_unit(const char *name)
{
	if (strcmp(name, "hour") == 0)
		return PARTITIONS_BY_HOUR;
	if (strcmp(name, "day") == 0)
		return PARTITIONS_BY_DAY;
	if (strcmp(name, "month") == 0)
		return PARTITIONS_BY_MONTH;
	return PARTITIONS_BY_HAND;
}

IngestOptions
ingest_options_of(const Pipeline *pipeline)
{
	IngestOptions options = {
		.source = pipeline->source,
		.target = pipeline->target,
		.owner = pipeline->owner,
		.ignore_conflicts = pipeline->ignore_conflicts,
		.create_partitions = partition_unit(pipeline->create_partitions),
		.event_time_column = pipeline->event_time_column,
		.max_ahead_us = pipeline->max_ahead,
	};

	return options;
}
