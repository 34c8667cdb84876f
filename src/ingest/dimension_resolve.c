/*
 * The keys of a batch: from the cache, from the table, or made.
 *
 * Each dimension is asked for all that the cache lacks in one SELECT; what is absent is inserted in
 * key order, so that two writers with the same new members never wait for each other in a circle,
 * and asked for again under a new snapshot. Only what another's commit or ours has made certain is
 * remembered: after an INSERT of our own the transaction has to commit first.
 */
#include "postgres.h"

#include "base/attempt.h"
#include "access/xact.h"
#include "base/sqlstate.h"
#include "commands/trigger.h"
#include "base/spi.h"
#include "executor/spi.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * Subtransactions that one transaction leaves behind, for members that refused ones stand between.
 */
#define SUBTRANSACTIONS 50

typedef struct Lookup
{
	Ingest *ingest;
	Dimension *dimension;
	IngestRow *rows;
	Member **sought; /* in the order in which they were met */
	int nsought;
	int subtransactions;
	int64 made;
	MemoryContext context; /* of what outlives a subtransaction */
} Lookup;

/* ---- statements ------------------------------------------------------------------------------ */

/* Values of one column, of members [from, to), as an array. */
static Datum
column_array(const Lookup *lookup, int column, Member **members, int n)
{
	const DimensionColumn *spec = &lookup->dimension->columns[column];
	Datum *values = palloc(sizeof(Datum) * n);
	bool *nulls = palloc0(sizeof(bool) * n);

	for (int i = 0; i < n; i++)
	{
		const IngestRow *row = &lookup->rows[members[i]->newest];

		nulls[i] = row->isnull[spec->source - 1];
		values[i] = row->values[spec->source - 1];
	}
	return dimension_array(values, nulls, n, spec->type, spec->length, spec->byval, spec->align);
}

/* SPI of the owner's, over the first `columns` columns of the members. Planned for these arrays. */
static void
run(const Lookup *lookup, const char *sql, int columns, Member **members, int n)
{
	Oid *types = palloc(sizeof(Oid) * Max(columns, 1));
	Datum *values = palloc(sizeof(Datum) * Max(columns, 1));

	for (int i = 0; i < columns; i++)
	{
		types[i] = lookup->dimension->columns[i].array;
		values[i] = column_array(lookup, i, members, n);
	}
	spi_run_with(sql, columns, types, values, NULL);
}

static void
remember(const Dimension *dimension, Member *member, Datum key, bool isnull)
{
	MemoryContext old = MemoryContextSwitchTo(dimension->cache_context);

	member->isnull = isnull;
	member->key = isnull ? (Datum) 0 : datumCopy(key, dimension->key_byval, dimension->key_length);
	member->state = MEMBER_KNOWN;
	MemoryContextSwitchTo(old);
}

/* Those that the table has become known. */
static void
select_some(Lookup *lookup, Member **members, int n)
{
	spi_connect();
	run(lookup, lookup->dimension->select_sql, lookup->dimension->nkeys, members, n);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		int64 at = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		Datum key = SPI_getbinval(tuple, desc, 2, &isnull);

		remember(lookup->dimension, members[at - 1], key, isnull);
	}
	SPI_finish();
}

static void
insert_some(Lookup *lookup, Member **members, int n)
{
	ConstraintsSetStmt immediate = {.type = T_ConstraintsSetStmt};

	AfterTriggerSetState(&immediate);
	spi_connect();
	run(lookup, lookup->dimension->insert_sql, lookup->dimension->ncolumns, members, n);
	lookup->made += SPI_processed;
	SPI_finish();
}

/* ---- refused members ------------------------------------------------------------------------- */

static DecodeError
copy_error(const Dimension *dimension, const char *what, const ErrorData *error)
{
	DecodeError copy = {
		.sqlstate = error->sqlerrcode,
		.message =
			psprintf("no member of %s can be %s: %s", dimension->name, what, error_line(error)),
		.column = error->column_name ? pstrdup(error->column_name) : NULL,
		.constraint = error->constraint_name ? pstrdup(error->constraint_name) : NULL,
	};

	return copy;
}

typedef void (*Work)(Lookup *lookup, Member **members, int n);

typedef struct Try
{
	Lookup *lookup;
	Work work;
	Member **members;
	int n;
} Try;

static void
do_work(void *argument)
{
	const Try *try = argument;

	try->work(try->lookup, try->members, try->n);
}

/* In a subtransaction. NULL: done; else the error, with everything rolled back. */
static ErrorData *
try_work(Lookup *lookup, Work work, Member **members, int n)
{
	Try try = {.lookup = lookup, .work = work, .members = members, .n = n};
	MemoryContext old = MemoryContextSwitchTo(lookup->context);
	ErrorData *error = attempt(do_work, &try);

	MemoryContextSwitchTo(old);
	return error;
}

/*
 * What cannot be done for all is done by halves, and members whose fault an error is are refused.
 * limit: subtransactions that may be left behind, which those do that write.
 */
static void
try_by_halves(Lookup *lookup, Work work, const char *what, Member **members, int n, int limit)
{
	ErrorData *error;

	if (n == 0 || lookup->subtransactions >= limit)
		return;
	error = try_work(lookup, work, members, n);
	if (error == NULL)
	{
		lookup->subtransactions += work == insert_some;
		return;
	}
	if (!error_is_of_data(error))
		ReThrowError(error);
	if (n > 1)
	{
		FreeErrorData(error);
		try_by_halves(lookup, work, what, members, n / 2, limit);
		try_by_halves(lookup, work, what, members + n / 2, n - n / 2, limit);
		return;
	}
	members[0]->state = MEMBER_REFUSED;
	members[0]->error = copy_error(lookup->dimension, what, error);
	FreeErrorData(error);
}

/* Those still sought that the table has become known, and leave the list. */
static void
select_members(Lookup *lookup)
{
	int left = 0;

	if (lookup->nsought == 0)
		return;
	/* An operator of the key's type may throw. */
	if (lookup->ingest->careful)
		try_by_halves(lookup, select_some, "looked up", lookup->sought, lookup->nsought, INT_MAX);
	else
		select_some(lookup, lookup->sought, lookup->nsought);
	for (int i = 0; i < lookup->nsought; i++)
		if (lookup->sought[i]->state == MEMBER_SOUGHT)
			lookup->sought[left++] = lookup->sought[i];
	lookup->nsought = left;
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* The member of a row's natural key; NULL: part of the key is NULL. */
static Member *
member_of_row(Lookup *lookup, int row)
{
	Dimension *dimension = lookup->dimension;
	const IngestRow *values = &lookup->rows[row];
	Datum natural[INDEX_MAX_KEYS];
	Member *member;

	for (int i = 0; i < dimension->nkeys; i++)
	{
		int source = dimension->columns[i].source - 1;

		if (values->isnull[source])
			return NULL;
		natural[i] = values->values[source];
	}
	member = dimension_cache_member(dimension, natural);
	if (member->state == MEMBER_KNOWN)
		return member;
	if (member->round != dimension->round)
	{
		member->round = dimension->round;
		member->state = MEMBER_SOUGHT;
		member->newest = row;
		member->newest_at = values->event_time;
		lookup->sought[lookup->nsought++] = member;
	}
	else if (values->event_time >= member->newest_at)
	{
		/* What the new member is filled with. */
		member->newest = row;
		member->newest_at = values->event_time;
	}
	return member;
}

typedef struct Finding
{
	Lookup *lookup;
	Member **members;
	int n;
	int at; /* the row at hand */
} Finding;

static void
find_on(void *argument)
{
	Finding *finding = argument;

	for (; finding->at < finding->n; finding->at++)
		finding->members[finding->at] = member_of_row(finding->lookup, finding->at);
}

/* The same for all rows. One whose key's hash or equality throws is dead. */
static void
find_members_with_care(Lookup *lookup, Member **members, int n, IngestMessage *messages)
{
	Finding finding = {.lookup = lookup, .members = members, .n = n};

	for (; finding.at < n; finding.at++)
	{
		ErrorData *error = attempt(find_on, &finding);
		IngestMessage *message;

		if (error == NULL)
			break;
		if (!error_is_of_data(error))
			ReThrowError(error);
		members[finding.at] = NULL;
		message = &messages[lookup->rows[finding.at].message];
		message->verdict = INGEST_DEAD;
		message->error = copy_error(lookup->dimension, "looked up", error);
		FreeErrorData(error);
	}
}

/* The key of the unknown member -1; false: there is none. */
static bool
find_unknown(Lookup *lookup, Datum *key)
{
	const Dimension *dimension = lookup->dimension;
	bool found;

	if (!dimension->has_unknown)
		return false;
	spi_connect();
	run(lookup, dimension->unknown_sql, 0, NULL, 0);
	found = SPI_processed > 0;
	if (found)
	{
		bool isnull;

		*key = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContextSwitchTo(lookup->context);
		*key = datumCopy(*key, dimension->key_byval, dimension->key_length);
	}
	SPI_finish();
	MemoryContextSwitchTo(lookup->context);
	return found;
}

static void
give_keys(Lookup *lookup, Member **members, int number, int n, IngestMessage *messages)
{
	Datum unknown = (Datum) 0;
	bool has_unknown = false;
	bool asked = false;

	for (int i = 0; i < n; i++)
	{
		const Member *member = members[i];
		IngestRow *row = &lookup->rows[i];

		row->member_isnull[number] = false;
		if (row->found)
			row->found[number] = members[i];
		if (member && member->state == MEMBER_REFUSED)
		{
			messages[row->message].verdict = INGEST_DEAD;
			messages[row->message].error = member->error;
		}
		else if (member && member->state == MEMBER_KNOWN)
		{
			row->members[number] = member->key;
			row->member_isnull[number] = member->isnull;
		}
		else
		{
			if (!asked)
				has_unknown = find_unknown(lookup, &unknown);
			asked = true;
			row->members[number] = unknown;
			row->member_isnull[number] = !has_unknown;
		}
	}
}

/* True: members were made that are to be committed first. */
static bool
resolve_one(Lookup *lookup, int number, int n, IngestMessage *messages, bool own_transaction)
{
	Dimension *dimension = lookup->dimension;
	Member **members = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Member *) * n);

	dimension_cache_trim(dimension);
	dimension->round++;
	lookup->sought = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Member *) * n);
	if (lookup->ingest->careful)
		find_members_with_care(lookup, members, n, messages);
	else
		for (int i = 0; i < n; i++)
			members[i] = member_of_row(lookup, i);
	select_members(lookup);
	if (lookup->nsought > 0 && dimension->may_insert)
	{
		try_by_halves(lookup, insert_some, "made", lookup->sought, lookup->nsought,
					  own_transaction ? SUBTRANSACTIONS : INT_MAX);
		if (own_transaction && lookup->made > 0)
			return true;
		/*
		 * Refused ones left aside, somebody else has made them, or a trigger would not have them.
		 */
		select_members(lookup);
	}
	give_keys(lookup, members, number, n, messages);
	return false;
}

bool
dimensions_resolve(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int *n,
				   bool own_transaction)
{
	int nd = ingest->ndimensions;
	Datum *keys = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * nd * Max(*n, 1));
	bool *nulls = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * nd * Max(*n, 1));
	Member **found = NULL;
	bool *news = NULL;
	bool made = false;
	int left = 0;

	if (dimensions_keep_versions(ingest))
		news = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(bool) * nd * Max(*n, 1),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (dimensions_follow(ingest) || news)
		found = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Member *) * nd * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		rows[i].found = found ? found + (Size) i * nd : NULL;
		rows[i].news = news ? news + (Size) i * nd : NULL;
		rows[i].members = keys + (Size) i * nd;
		rows[i].member_isnull = nulls + (Size) i * nd;
	}
	for (int i = 0; *n > 0 && i < nd; i++)
	{
		Dimension *dimension = ingest->by_oid[i];
		Lookup lookup = {
			.ingest = ingest,
			.dimension = dimension,
			.rows = rows,
			.context = CurrentMemoryContext,
		};

		made |= resolve_one(&lookup, dimension - ingest->dimensions, *n, messages, own_transaction);
	}
	if (made)
		return true;
	for (int i = 0; i < *n; i++)
		if (messages[rows[i].message].verdict == INGEST_STORED)
			rows[left++] = rows[i];
	*n = left;
	return false;
}
