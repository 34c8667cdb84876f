/*
 * IMPORT FOREIGN SCHEMA: the topics of a server as foreign tables.
 *
 * Nothing says what a topic's messages look like, so a table has the message as a whole: as jsonb,
 * text or bytes.
 */
#include "postgres.h"

#include "base/guc.h"
#include "commands/defrem.h"
#include "fdw/options.h"
#include "fdw/topic.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"

typedef struct ImportLayout
{
	const char *format;
	const char *key_type;
	const char *value_type;
} ImportLayout;

static const ImportLayout layouts[] = {
	{"json", "text", "jsonb"},
	{"text", "text", "text"},
	{"bytes", "bytea", "bytea"},
};

static const ImportLayout *
import_layout(List *options)
{
	const ImportLayout *layout = &layouts[0];
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);
		const char *value = defGetString(option);

		if (strcmp(option->defname, "format") != 0)
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
							errmsg("invalid option \"%s\"", option->defname),
							errhint("IMPORT FOREIGN SCHEMA has the option \"format\".")));
		layout = NULL;
		for (int i = 0; i < (int) lengthof(layouts); i++)
		{
			if (strcmp(layouts[i].format, value) == 0)
				layout = &layouts[i];
		}
		if (layout == NULL)
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
							errmsg("invalid value for option \"format\": \"%s\"", value),
							errhint("Use json, text or bytes.")));
	}
	return layout;
}

static char *
import_command(const char *topic, const ImportLayout *layout,
			   const ImportForeignSchemaStmt *statement)
{
	return psprintf("CREATE FOREIGN TABLE %s (\n"
					"  key %s OPTIONS (metadata 'key'),\n"
					"  value %s OPTIONS (metadata 'value'),\n"
					"  headers jsonb OPTIONS (metadata 'headers'),\n"
					"  kafka_partition integer OPTIONS (metadata 'partition'),\n"
					"  kafka_offset bigint OPTIONS (metadata 'offset'),\n"
					"  kafka_timestamp timestamp with time zone OPTIONS (metadata 'timestamp')\n"
					") SERVER %s OPTIONS (topic %s, format '%s')",
					quote_identifier(topic), layout->key_type, layout->value_type,
					quote_identifier(statement->server_name), quote_literal_cstr(topic),
					layout->format);
}

static bool
import_wanted(const char *topic, const ImportForeignSchemaStmt *statement)
{
	ListCell *cell;

	if (statement->list_type == FDW_IMPORT_SCHEMA_ALL)
		return true;
	foreach (cell, statement->table_list)
	{
		if (strcmp(((RangeVar *) lfirst(cell))->relname, topic) == 0)
			return statement->list_type == FDW_IMPORT_SCHEMA_LIMIT_TO;
	}
	return statement->list_type == FDW_IMPORT_SCHEMA_EXCEPT;
}

List *
topic_import(ImportForeignSchemaStmt *statement, Oid server)
{
	const ImportLayout *layout = import_layout(statement->options);
	KafkaSettings settings = {NIL, NIL};
	List *commands = NIL;
	ListCell *cell;

	options_connect(server, GetUserId(), &settings);
	foreach (cell, kafka_topic_names(&settings, telemetry_kafka_timeout))
	{
		const char *topic = lfirst(cell);

		if (!import_wanted(topic, statement))
			continue;
		if (strlen(topic) >= NAMEDATALEN)
			ereport(WARNING, (errmsg("topic \"%s\" is left out", topic),
							  errdetail("Its name is longer than %d bytes.", NAMEDATALEN - 1),
							  errhint("Use CREATE FOREIGN TABLE with another name.")));
		else
			commands = lappend(commands, import_command(topic, layout, statement));
	}
	return commands;
}
