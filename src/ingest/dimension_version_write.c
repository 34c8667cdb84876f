/*
 * Versions of members, as a batch looks them up and makes them.
 *
 * What the versions are is a function of the events alone (docs/dimensions.md), whatever the order
 * in which they come. A late event may end a version in whose time others of the old values lie:
 * then these begin a version again, and where the first of them is only the facts can tell. So a
 * batch that brings news is alone with the dimension: the guard's lock, taken exclusively from the
 * start, waits for all batches that have not committed yet. Then the versions from the time of the
 * news on are computed anew, out of the versions that are there, the events at hand and the facts,
 * and what differs is written; then facts that stand in another version now get its key.
 *
 * It is done before the rows are written, in their transaction. A batch that fails takes it back.
 */
#include "postgres.h"

#include "base/guc.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* ---- arguments ------------------------------------------------------------------------------- */

typedef struct Arguments
{
	int n;
	Oid *types;
	Datum *values;
} Arguments;

static Arguments
make_arguments(const Dimension *dimension)
{
	int most = dimension->nkeys + dimension->versions->ntracked + 4;

	return (Arguments){
		.types = palloc(sizeof(Oid) * most),
		.values = palloc(sizeof(Datum) * most),
	};
}

static void
add_array(Arguments *arguments, Datum *values, bool *nulls, int n, Oid type, Oid array,
		  int16 length, bool byval, char align)
{
	arguments->types[arguments->n] = array;
	arguments->values[arguments->n++] =
		dimension_array(values, nulls, n, type, length, byval, align);
}

static void
add_times(Arguments *arguments, Datum *values, int n)
{
	add_array(arguments, values, NULL, n, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, 8, FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE);
}

/* A column of these rows. */
static void
add_column(Arguments *arguments, const DimensionColumn *column, const IngestRow *rows,
		   const int *which, int n)
{
	Datum *values = palloc(sizeof(Datum) * n);
	bool *nulls = palloc(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		nulls[i] = rows[which[i]].isnull[column->source - 1];
		values[i] = rows[which[i]].values[column->source - 1];
	}
	add_array(arguments, values, nulls, n, column->type, column->array, column->length,
			  column->byval, column->align);
}

static void
add_event_times(Arguments *arguments, const IngestRow *rows, const int *which, int n)
{
	Datum *values = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		values[i] = TimestampTzGetDatum(rows[which[i]].event_time);
	add_times(arguments, values, n);
}

/* The facts are found by their index: a version has few of them. */
static void
run(const char *sql, Arguments *arguments)
{
	static const char *const off[] = {"enable_seqscan", "jit"};
	int level = NewGUCNestLevel();

	guc_switch_off(off, lengthof(off));
	spi_run_with(sql, arguments->n, arguments->types, arguments->values, NULL);
	AtEOXact_GUC(false, level);
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* Which row, as a place in which[], has which version. */
static void
take_versions(const Dimension *dimension, int number, IngestRow *rows, const int *which,
			  MemoryContext context)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		int64 at = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		Datum key = SPI_getbinval(tuple, desc, 2, &isnull);
		IngestRow *row = &rows[which[at - 1]];
		MemoryContext old = MemoryContextSwitchTo(context);

		/* A version made by hand may lack its key, where that is UNIQUE alone. */
		row->member_isnull[number] = isnull;
		if (!isnull)
			row->members[number] = datumCopy(key, dimension->key_byval, dimension->key_length);
		MemoryContextSwitchTo(old);
		row->news[number] = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull)) && !isnull;
	}
}

/* For those of the rows that have a member. */
static void
assign(const Dimension *dimension, int number, IngestRow *rows, const int *which, int n)
{
	MemoryContext context = CurrentMemoryContext;
	Arguments arguments = make_arguments(dimension);

	if (n == 0)
		return;
	spi_connect();
	for (int i = 0; i < dimension->nkeys; i++)
		add_column(&arguments, &dimension->columns[i], rows, which, n);
	add_event_times(&arguments, rows, which, n);
	for (int i = 0; i < dimension->versions->ntracked; i++)
		add_column(&arguments, &dimension->versions->tracked[i].value, rows, which, n);
	run(dimension->versions->lookup_sql, &arguments);
	take_versions(dimension, number, rows, which, context);
	SPI_finish();
}

static bool
has_version(const IngestRow *row, int number)
{
	const Member *member = row->found[number];

	return member && member->state == MEMBER_KNOWN && !member->isnull;
}

bool
dimensions_keep_versions(const Ingest *ingest)
{
	for (int i = 0; i < ingest->ndimensions; i++)
		if (ingest->dimensions[i].versions)
			return true;
	return false;
}

void
dimensions_assign_versions(const Ingest *ingest, IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions && n > 0; d++)
	{
		const Dimension *dimension = ingest->by_oid[d];
		int number = dimension - ingest->dimensions;
		int *which;
		int some = 0;

		if (dimension->versions == NULL)
			continue;
		which = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n);
		for (int i = 0; i < n; i++)
		{
			rows[i].news[number] = false;
			if (has_version(&rows[i], number))
				which[some++] = i;
		}
		assign(dimension, number, rows, which, some);
		pfree(which);
	}
}

bool
dimensions_have_news(const Ingest *ingest, const IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions; d++)
	{
		if (ingest->dimensions[d].versions == NULL || !ingest->dimensions[d].versions->kept)
			continue;
		for (int i = 0; i < n; i++)
			if (rows[i].news[d])
				return true;
	}
	return false;
}

/* Whether an event says something of its member's attributes: all of them, at a time. */
static bool
says(const Versions *versions, const IngestRow *row)
{
	for (int i = 0; i < versions->ntracked; i++)
		if (row->isnull[versions->tracked[i].value.source - 1])
			return false;
	return !TIMESTAMP_NOT_FINITE(row->event_time);
}

/* What a batch has to say of one dimension. */
typedef struct News
{
	Dimension *dimension;
	int number;
	IngestRow *rows;
	int nmembers;
	int *first; /* a row of each member */
	Datum *since;
	TimestampTz least;
	int nsaid;
	int *said; /* rows */
	int ntouched;
	int *touched; /* all rows of these members */
} News;

static void
note_members(News *news, int n)
{
	news->dimension->follow_round++;
	for (int i = 0; i < n; i++)
	{
		Member *member = news->rows[i].found[news->number];
		TimestampTz at = news->rows[i].event_time;

		if (!news->rows[i].news[news->number])
			continue;
		if (member->followed != news->dimension->follow_round)
		{
			member->followed = news->dimension->follow_round;
			member->slot = news->nmembers++;
			news->first[member->slot] = i;
			news->since[member->slot] = TimestampTzGetDatum(at);
		}
		else if (at < DatumGetTimestampTz(news->since[member->slot]))
			news->since[member->slot] = TimestampTzGetDatum(at);
		news->least = Min(news->least, at);
	}
}

static void
note_rows(News *news, int n)
{
	for (int i = 0; i < n; i++)
	{
		const IngestRow *row = &news->rows[i];
		const Member *member = row->found[news->number];

		if (!has_version(row, news->number) || member->followed != news->dimension->follow_round)
			continue;
		news->touched[news->ntouched++] = i;
		if (says(news->dimension->versions, row) &&
			row->event_time >= DatumGetTimestampTz(news->since[member->slot]))
			news->said[news->nsaid++] = i;
	}
}

static void
add_members(Arguments *arguments, const News *news)
{
	for (int i = 0; i < news->dimension->nkeys; i++)
		add_column(arguments, &news->dimension->columns[i], news->rows, news->first,
				   news->nmembers);
	add_times(arguments, news->since, news->nmembers);
}

static void
add_least(Arguments *arguments, const News *news)
{
	arguments->types[arguments->n] = TIMESTAMPTZOID;
	arguments->values[arguments->n++] = TimestampTzGetDatum(news->least);
}

static void
write_versions(const News *news)
{
	const Versions *versions = news->dimension->versions;
	Arguments arguments = make_arguments(news->dimension);
	Datum *numbers = palloc(sizeof(Datum) * news->nsaid);

	for (int i = 0; i < news->nsaid; i++)
		numbers[i] = Int64GetDatum(news->rows[news->said[i]].found[news->number]->slot + 1);
	add_members(&arguments, news);
	add_array(&arguments, numbers, NULL, news->nsaid, INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE);
	add_event_times(&arguments, news->rows, news->said, news->nsaid);
	for (int i = 0; i < versions->ntracked; i++)
		add_column(&arguments, &versions->tracked[i].value, news->rows, news->said, news->nsaid);
	add_least(&arguments, news);
	run(versions->write_sql, &arguments);
}

static void
repoint_facts(const News *news)
{
	Arguments arguments = make_arguments(news->dimension);

	add_members(&arguments, news);
	add_least(&arguments, news);
	run(news->dimension->versions->repoint_sql, &arguments);
}

static void
tell(Dimension *dimension, int number, IngestRow *rows, int n)
{
	News news = {
		.dimension = dimension,
		.number = number,
		.rows = rows,
		.first = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
		.since = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * n),
		.least = DT_NOEND,
		.said = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
		.touched = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n),
	};

	note_members(&news, n);
	if (news.nmembers > 0)
	{
		note_rows(&news, n);
		spi_connect();
		write_versions(&news);
		repoint_facts(&news);
		SPI_finish();
		assign(dimension, number, rows, news.touched, news.ntouched);
	}
	pfree(news.first);
	pfree(news.since);
	pfree(news.said);
	pfree(news.touched);
}

void
dimensions_write_versions(Ingest *ingest, IngestRow *rows, int n)
{
	for (int d = 0; d < ingest->ndimensions && n > 0; d++)
	{
		Dimension *dimension = ingest->by_oid[d];

		if (dimension->versions && dimension->versions->kept)
			tell(dimension, dimension - ingest->dimensions, rows, n);
	}
}
