/*
 * The options of topics: what they mean, and which are refused.
 */
#include "postgres.h"

#include "fdw/options.h"

#include "access/reloptions.h"
#include "base/compat.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

/* Words that differ by more than this are no misspelling of each other. */
#define HINT_MAX_DISTANCE 8

/* A topic's name, as Kafka has it. */
#define TOPIC_NAME_MAX 249

typedef struct Word
{
	const char *name;
	int value;
} Word;

static const Word format_words[] = {
	{"json", FORMAT_JSON}, {"text", FORMAT_TEXT}, {"bytes", FORMAT_BYTES}, {NULL, 0}};
static const Word error_words[] = {{"error", false}, {"skip", true}, {NULL, 0}};
static const Word metadata_words[] = {{"key", ORIGIN_KEY},
									  {"value", ORIGIN_VALUE},
									  {"partition", ORIGIN_PARTITION},
									  {"offset", ORIGIN_OFFSET},
									  {"timestamp", ORIGIN_TIMESTAMP},
									  {"headers", ORIGIN_HEADERS},
									  {"rest", ORIGIN_REST},
									  {NULL, 0}};
static const Word timestamp_words[] = {
	{"iso8601", TIMESTAMP_ISO8601},   {"epoch_s", TIMESTAMP_EPOCH_S},
	{"epoch_ms", TIMESTAMP_EPOCH_MS}, {"epoch_us", TIMESTAMP_EPOCH_US},
	{"epoch_ns", TIMESTAMP_EPOCH_NS}, {NULL, 0}};

static const char *const table_names[] = {"topic",   "format",     "on_error",
										  "compact", "key_column", NULL};
static const char *const column_names[] = {"path", "metadata", "timestamp_format", "time_zone",
										   NULL};

/* ---- hints --------------------------------------------------------------------------------- */

typedef struct Nearest
{
	const char *word;
	const char *name;
	int distance;
} Nearest;

static void
nearest_try(Nearest *nearest, const char *name)
{
	int limit = Min(nearest->distance - 1, HINT_MAX_DISTANCE);
	int distance;

	if (limit < 0)
		return;
	distance = varstr_levenshtein_less_equal(nearest->word, strlen(nearest->word), name,
											 strlen(name), 1, 1, 1, limit, true);
	if (distance <= limit && distance <= (int) strlen(nearest->word) / 2)
	{
		nearest->name = name;
		nearest->distance = distance;
	}
}

static Nearest
nearest_start(const char *word)
{
	/* The distance function takes no longer words; none of ours comes near that. */
	return (Nearest){strlen(word) <= 255 ? word : "", NULL, HINT_MAX_DISTANCE + 1};
}

static bool
word_in(const char *word, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		if (strcmp(word, *names) == 0)
			return true;
	}
	return false;
}

static int
word_value(const char *option, const char *value, const Word *words)
{
	Nearest nearest = nearest_start(value);
	StringInfoData all;

	initStringInfo(&all);
	for (const Word *word = words; word->name != NULL; word++)
	{
		if (strcmp(word->name, value) == 0)
			return word->value;
		nearest_try(&nearest, word->name);
		appendStringInfo(&all, "%s%s",
						 word == words          ? ""
						 : word[1].name == NULL ? " or "
												: ", ",
						 word->name);
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("invalid value for option \"%s\": \"%s\"", option, value),
					nearest.name != NULL ? errhint("Perhaps you meant \"%s\".", nearest.name)
										 : errhint("Use %s.", all.data)));
}

const char *
options_origin_name(ColumnOrigin origin)
{
	for (const Word *word = metadata_words; word->name != NULL; word++)
	{
		if (word->value == (int) origin)
			return word->name;
	}
	return NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void
topic_check(const char *topic)
{
	size_t length = strlen(topic);

	if (length == 0 || length > TOPIC_NAME_MAX ||
		strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
			length ||
		strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"topic\": \"%s\"", topic),
						errdetail("A topic's name has 1 to %d characters: letters, digits, dot, "
								  "underscore and hyphen.",
								  TOPIC_NAME_MAX)));
}

void
options_read_table(List *options, TableOptions *table)
{
	ListCell *cell;

	memset(table, 0, sizeof(*table));
	table->format = FORMAT_JSON;
	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);
		char *value = defGetString(option);

		if (strcmp(option->defname, "topic") == 0)
		{
			topic_check(value);
			table->topic = value;
		}
		else if (strcmp(option->defname, "format") == 0)
			table->format = word_value("format", value, format_words);
		else if (strcmp(option->defname, "on_error") == 0)
			table->skip_errors = word_value("on_error", value, error_words);
		else if (strcmp(option->defname, "compact") == 0)
		{
			if (!parse_bool(value, &table->compacted))
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
								errmsg("invalid value for option \"compact\": \"%s\"", value),
								errhint("Use true or false.")));
		}
		else if (strcmp(option->defname, "key_column") == 0)
			table->key_column = value;
	}
	if (table->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND), errmsg("option \"topic\" is missing"),
				 errhint("Use OPTIONS (topic 'name of the topic').")));
}

void
options_read_column(List *options, ColumnOptions *column)
{
	ListCell *cell;

	memset(column, 0, sizeof(*column));
	column->origin = ORIGIN_FIELD;
	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);
		char *value = defGetString(option);

		if (strcmp(option->defname, "path") == 0)
		{
			decoder_check_path(value);
			column->path = value;
		}
		else if (strcmp(option->defname, "metadata") == 0)
			column->origin = word_value("metadata", value, metadata_words);
		else if (strcmp(option->defname, "timestamp_format") == 0)
		{
			column->timestamp_format = word_value("timestamp_format", value, timestamp_words);
			column->has_timestamp_format = true;
		}
		else if (strcmp(option->defname, "time_zone") == 0)
		{
			decoder_check_time_zone(value);
			column->time_zone = value;
		}
	}
	if (column->origin != ORIGIN_FIELD && (column->path != NULL || column->has_timestamp_format))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"%s\" cannot be combined with metadata \"%s\"",
							   column->path != NULL ? "path" : "timestamp_format",
							   options_origin_name(column->origin)),
						errdetail("It concerns a field of the message's value.")));
	if (column->time_zone != NULL && column->origin != ORIGIN_FIELD &&
		column->origin != ORIGIN_TIMESTAMP)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"time_zone\" cannot be combined with metadata \"%s\"",
					options_origin_name(column->origin)),
			 errdetail("It concerns a field of the message's value, or the message's timestamp.")));
}

void
options_read_settings(List *options, KafkaSettings *settings)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);

		if (kafka_setting_kind(option->defname) == KAFKA_SETTING_UNKNOWN)
			continue;
		settings->names = lappend(settings->names, pstrdup(option->defname));
		settings->values = lappend(settings->values, pstrdup(defGetString(option)));
	}
}

/* GetUserMapping() without its error: a broker may ask for no identity at all. */
static List *
user_mapping_options(Oid userid, Oid server)
{
	HeapTuple tuple =
		SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(server));
	List *options = NIL;
	Datum datum;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return options;
}

void
options_connect(Oid server, Oid userid, KafkaSettings *settings)
{
	options_read_settings(GetForeignServer(server)->options, settings);
	/* Later ones overrule: a user's identity comes before the server's. */
	options_read_settings(user_mapping_options(userid, server), settings);
}

/* ---- validation ---------------------------------------------------------------------------- */

typedef struct Place
{
	Oid catalog;
	int settings;             /* KAFKA_ON_... */
	const char *const *names; /* our own options there; or NULL */
	const char *what;
} Place;

static const Place places[] = {
	{ForeignDataWrapperRelationId, 0, NULL, "foreign data wrapper"},
	{ForeignServerRelationId, KAFKA_ON_SERVER, NULL, "server"},
	{UserMappingRelationId, KAFKA_ON_USER, NULL, "user mapping"},
	{ForeignTableRelationId, KAFKA_ON_TABLE, table_names, "foreign table"},
	{AttributeRelationId, 0, column_names, "column"},
};

static const Place *
place_find(Oid catalog)
{
	for (int i = 0; i < (int) lengthof(places); i++)
	{
		if (places[i].catalog == catalog)
			return &places[i];
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("telemetry_kafka has no options for catalog %u", catalog),
					errdetail("There are options of pg_foreign_server, pg_user_mapping, "
							  "pg_foreign_table and pg_attribute.")));
}

/* Where an option of that name belongs, in words; NULL when nowhere. */
static const char *
place_of(const char *name)
{
	int settings = kafka_setting_places(name);

	for (int i = 0; i < (int) lengthof(places); i++)
	{
		if ((places[i].settings & settings) != 0 ||
			(places[i].names != NULL && word_in(name, places[i].names)))
			return places[i].what;
	}
	return NULL;
}

static void option_unknown(const char *name, const Place *place) pg_attribute_noreturn();

static void
option_unknown(const char *name, const Place *place)
{
	const char *owned = kafka_setting_owned(name);
	const char *elsewhere = place_of(name);
	Nearest nearest = nearest_start(name);

	if (owned != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" is set by telemetry itself", name), errhint("%s", owned)));
	if (elsewhere != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"%s\" is not an option of a %s", name, place->what),
						errhint("It is an option of a %s.", elsewhere)));

	for (const char *const *names = place->names; names != NULL && *names != NULL; names++)
		nearest_try(&nearest, *names);
	for (const char *const *names = kafka_setting_names(); *names != NULL; names++)
	{
		if ((kafka_setting_places(*names) & place->settings) != 0)
			nearest_try(&nearest, *names);
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
					nearest.name != NULL ? errhint("Perhaps you meant \"%s\".", nearest.name)
					: place->settings == 0 && place->names == NULL
						? errhint("A %s has no options here.", place->what)
						: errhint("Options of a %s are listed in docs/topics.md.", place->what)));
}

static void
setting_validate(const char *name, const char *value)
{
	if (kafka_setting_kind(name) == KAFKA_SETTING_SUPERUSER && !superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to set option \"%s\"", name),
						errdetail("It makes the server read files, load libraries or run commands, "
								  "so only a superuser may set it.")));
	kafka_setting_check(name, value);
}

/* Both spellings of one setting at once would leave it to chance which counts. */
static void
settings_check_twice(List *options)
{
	ListCell *cell;
	ListCell *other;

	foreach (cell, options)
	{
		const char *name = ((DefElem *) lfirst(cell))->defname;
		const char *canonical = kafka_setting_canonical(name);

		foreach (other, options)
		{
			const char *other_name = ((DefElem *) lfirst(other))->defname;
			const char *other_canonical = kafka_setting_canonical(other_name);

			if (other == cell)
				break;
			if (canonical != NULL && other_canonical != NULL &&
				strcmp(canonical, other_canonical) == 0)
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
								errmsg("options \"%s\" and \"%s\" are the same setting", other_name,
									   name)));
		}
	}
}

static void
table_check(List *options)
{
	TableOptions table;

	options_read_table(options, &table);
	if (table.format != FORMAT_JSON && table.key_column != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"key_column\" needs format \"json\""),
						errhint("Give the key in a column with OPTIONS (metadata 'key').")));
}

static void
server_check(List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		const char *canonical = kafka_setting_canonical(((DefElem *) lfirst(cell))->defname);

		if (canonical != NULL && strcmp(canonical, "bootstrap.servers") == 0)
			return;
	}
	ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					errmsg("option \"bootstrap_servers\" is missing"),
					errhint("Use OPTIONS (bootstrap_servers 'host:port, ...').")));
}

PG_FUNCTION_INFO_V1(telemetry_kafka_validator);
Datum
telemetry_kafka_validator(PG_FUNCTION_ARGS)
{
	List *options = untransformRelOptions(PG_GETARG_DATUM(0));
	const Place *place = place_find(PG_GETARG_OID(1));
	ColumnOptions column;
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);

		if ((kafka_setting_places(option->defname) & place->settings) != 0)
			setting_validate(option->defname, defGetString(option));
		else if (place->names == NULL || !word_in(option->defname, place->names))
			option_unknown(option->defname, place);
	}
	settings_check_twice(options);
	if (place->catalog == ForeignServerRelationId)
		server_check(options);
	else if (place->catalog == ForeignTableRelationId)
		table_check(options);
	else if (place->catalog == AttributeRelationId)
		options_read_column(options, &column);
	PG_RETURN_VOID();
}
