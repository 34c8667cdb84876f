/*
 * Options of telemetry_kafka's foreign tables and columns, and the settings of a connection.
 */
#ifndef TELEMETRY_FDW_OPTIONS_H
#define TELEMETRY_FDW_OPTIONS_H

#include "postgres.h"

#include "decode/decoder.h"
#include "kafka/kafka.h"
#include "nodes/pg_list.h"

typedef struct TableOptions
{
	char *topic;
	DecodeFormat format;
	bool skip_errors;
	bool compacted;
	char *key_column; /* or NULL */
} TableOptions;

typedef struct ColumnOptions
{
	char *path; /* or NULL */
	ColumnOrigin origin;
	bool has_timestamp_format;
	TimestampFormat timestamp_format;
	char *time_zone; /* or NULL */
} ColumnOptions;

/* From lists of DefElem that the validator has seen. */
extern void options_read_table(List *options, TableOptions *table);
extern void options_read_column(List *options, ColumnOptions *column);

/* Appends the settings of librdkafka among the options. */
extern void options_read_settings(List *options, KafkaSettings *settings);

/* Settings of a server as that role would connect to it. */
extern void options_connect(Oid server, Oid userid, KafkaSettings *settings);

/* The word for an origin, as in the option metadata; NULL for a field. */
extern const char *options_origin_name(ColumnOrigin origin);

#endif
