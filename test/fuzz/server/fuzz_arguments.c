/*
 * Any words as arguments of functions. The first byte chooses a statement below, each line of the
 * rest is one argument, a line of one byte "~" and a line that is missing are NULL. All is rolled
 * back.
 */
#include "fuzz_server.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#define MOST_ARGUMENTS 14

typedef struct FuzzStatement
{
	char letter;
	int arguments;
	const char *text;
	SPIPlanPtr plan;
} FuzzStatement;

static FuzzStatement statements[] = {
	{'a', 14,
	 "SELECT telemetry.alter_pipeline('paused', event_time_column => $1::name, allowed_lateness => "
	 "$2::interval, "
	 "idle_timeout => $3::interval, max_ahead => $4::interval, batch_rows => $5::integer, "
	 "batch_interval => "
	 "$6::interval, workers => $7::integer, partitions => $8::integer[], dead_letter_limit => "
	 "$9::integer, "
	 "on_conflict => $10, create_partitions => $11, consumer_group => $12, rename_to => $13, reset "
	 "=> $14::text[])"},
	{'c', 14,
	 "SELECT telemetry.create_pipeline($13, 'topic', 'fact', event_time_column => $1::name, "
	 "allowed_lateness => "
	 "$2::interval, idle_timeout => $3::interval, max_ahead => $4::interval, batch_rows => "
	 "$5::integer, batch_interval "
	 "=> $6::interval, workers => $7::integer, partitions => $8::integer[], dead_letter_limit => "
	 "$9::integer, "
	 "on_conflict => $10, create_partitions => $11, consumer_group => $12, start_position => $14)"},
	{'o', 2, "SELECT telemetry.skip_offset('paused', $1::integer, $2::bigint)"},
	{'d', 2, "SELECT telemetry.retry_dead_letters('paused', $1::bigint, $2::bigint[])"},
	{'p', 2, "SELECT telemetry.purge_dead_letters('paused', $1::timestamptz, $2::bigint[])"},
	{'r', 3, "SELECT telemetry.set_retention('parts', $1::interval, $2, $3::integer)"},
	{'z', 1, "SELECT telemetry.pause_pipeline('paused', $1)"},
	{'h', 5,
	 "SELECT count(*), min(window_start) FROM telemetry.hop($1::timestamptz, $2::interval, "
	 "$3::interval, "
	 "$4::timestamptz, $5)"},
	{'u', 5,
	 "SELECT count(*), min(window_start) FROM telemetry.cumulate($1::timestamptz, $2::interval, "
	 "$3::interval, "
	 "$4::timestamptz, $5)"},
	{'g', 3,
	 "SELECT telemetry.sessions_at(telemetry.sessions_agg(t, $1::interval), $2::timestamptz) FROM "
	 "unnest($3::timestamptz[]) t"},
	{'q', 3,
	 "SELECT telemetry.quantile(telemetry.quantile_agg(v, $1::float8), $2::float8) FROM "
	 "unnest($3::float8[]) v"},
	{'l', 4,
	 "SELECT "
	 "telemetry.hll_to_storage(telemetry.hll_fold(telemetry.hll_add(telemetry.hll_empty($1::"
	 "integer), $4), "
	 "$2::integer), $3::integer, $2::bigint, $1::integer)"},
	{'k', 1, "SELECT telemetry.short_key($1)"},
	{'v', 2, "SELECT made_view($1, $2)"},
};

static ResourceOwner owner;

static void
arguments_begin(void)
{
	Oid types[MOST_ARGUMENTS];

	for (int i = 0; i < MOST_ARGUMENTS; i++)
		types[i] = TEXTOID;
	SPI_connect();
	for (int i = 0; i < (int) lengthof(statements); i++)
	{
		statements[i].plan = SPI_prepare(statements[i].text, statements[i].arguments, types);
		if (statements[i].plan == NULL)
			elog(ERROR, "could not prepare %s", statements[i].text);
		SPI_keepplan(statements[i].plan);
	}
	owner = CurrentResourceOwner;
}

/* The context that inputs allocate in outlives the subtransaction, whose own is another one. */
static void
arguments_before(void)
{
	MemoryContext context = CurrentMemoryContext;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
}

static void
arguments_after(void)
{
	RollbackAndReleaseCurrentSubTransaction();
	CurrentResourceOwner = owner;
}

static void
arguments_input(const uint8_t *data, size_t size)
{
	char *lines[MOST_ARGUMENTS];
	Datum values[MOST_ARGUMENTS];
	char nulls[MOST_ARGUMENTS];
	FuzzStatement *statement = NULL;
	int n;

	for (int i = 0; size > 0 && i < (int) lengthof(statements); i++)
		if (statements[i].letter == data[0])
			statement = &statements[i];
	if (statement == NULL)
		return;
	n = fuzz_lines(data + 1, size - 1, lines, statement->arguments);
	if (n < 0)
		return;
	for (int i = 0; i < statement->arguments; i++)
	{
		bool isnull = i >= n || strcmp(lines[i], "~") == 0;

		nulls[i] = isnull ? 'n' : ' ';
		values[i] = isnull ? (Datum) 0 : CStringGetTextDatum(lines[i]);
	}
	(void) SPI_execute_plan(statement->plan, values, nulls, false, 0);
}

const FuzzTarget fuzz_arguments = {"arguments", arguments_begin, arguments_before, arguments_input,
								   arguments_after};
