/*
 * Attributes of members that follow the newest event (a type-1 dimension).
 *
 * Beside such an attribute stands the time of the event that it is from. So an event changes it if
 * it is newer than that, or as new and its value greater by its text; a NULL changes nothing. That
 * is the same whatever the order of the events, the batches or the workers, and needs no memory but
 * the table: the time is advanced also where the value stays.
 *
 * It is done in the batch's own transaction, behind the rows: an event that is not stored changes
 * nothing. Members are updated in the order of their keys, by a statement or, where that will do,
 * row by row (dimension_write.c), so that two batches never wait for each other in a circle; what
 * changed while one waited is looked at again, by PostgreSQL's own recheck.
 */
#include "postgres.h"

#include "base/guc.h"
#include "catalog/pg_type.h"
#include "base/spi.h"
#include "executor/spi.h"
#include "ingest/dimension_follow.h"
#include "ingest/internal.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* ---- statements ------------------------------------------------------------------------------ */

/*
 * u.k is a member's key; u.vN and u.tN are the value of attribute N and its time. The text that
 * decides between values of one time is the one that the type's output function gives, as it is
 * taken within a batch.
 */
static char *
newer(const FollowedColumn *column, int n)
{
	const char *name = quote_identifier(column->value.name);
	const char *at = quote_identifier(column->at_name);

	return psprintf("(u.v%d IS NOT NULL AND (d.%s IS NULL OR u.t%d > d.%s OR (u.t%d = d.%s AND "
					"(d.%s IS NULL OR pg_catalog.format('%%s', u.v%d) COLLATE pg_catalog.\"C\" > "
					"pg_catalog.format('%%s', d.%s) COLLATE pg_catalog.\"C\"))))",
					n, at, n, at, n, at, name, n, name);
}

void
dimension_follow_compose(Dimension *dimension)
{
	const char *key = quote_identifier(dimension->key_name);
	StringInfoData arrays;
	StringInfoData names;
	StringInfoData set;
	StringInfoData any;
	char *from;

	if (dimension->nfollowed == 0)
		return;
	initStringInfo(&arrays);
	initStringInfo(&names);
	initStringInfo(&set);
	initStringInfo(&any);
	for (int i = 0; i < dimension->nfollowed; i++)
	{
		const FollowedColumn *column = &dimension->followed[i];
		const char *name = quote_identifier(column->value.name);
		const char *at = quote_identifier(column->at_name);
		char *condition = newer(column, i);

		appendStringInfo(&arrays, ", pg_catalog.unnest($%d), pg_catalog.unnest($%d)", 2 * i + 2,
						 2 * i + 3);
		appendStringInfo(&names, ", v%d, t%d", i, i);
		appendStringInfo(&set,
						 "%s%s = CASE WHEN %s THEN u.v%d ELSE d.%s END, "
						 "%s = CASE WHEN %s THEN u.t%d ELSE d.%s END",
						 i > 0 ? ", " : "", name, condition, i, name, at, condition, i, at);
		appendStringInfo(&any, "%s%s", i > 0 ? " OR " : "", condition);
	}
	from = psprintf("ROWS FROM (pg_catalog.unnest($1)%s) AS u(k%s)", arrays.data, names.data);
	/* What is not newer than an old version of a member is not newer than any later one. */
	dimension->lock_sql =
		psprintf("SELECT FROM %s JOIN ONLY %s AS d ON d.%s %s u.k WHERE %s "
				 "ORDER BY d.%s FOR NO KEY UPDATE OF d",
				 from, dimension->name, key, dimension->key_operator, any.data, key);
	dimension->follow_sql =
		psprintf("UPDATE ONLY %s AS d SET %s FROM (SELECT * FROM %s ORDER BY u.k) AS u "
				 "WHERE d.%s %s u.k AND (%s)",
				 dimension->name, set.data, from, key, dimension->key_operator, any.data);
}

/* The keys, and each attribute's values and times. */
static void
make_arguments(const Following *following, Oid *types, Datum *arrays)
{
	const Dimension *dimension = following->dimension;
	int n = following->nmembers;
	Datum *values = palloc(sizeof(Datum) * n);
	bool *nulls = palloc0(sizeof(bool) * n);
	int16 length;
	bool byval;
	char align;

	get_typlenbyvalalign(dimension->key_type, &length, &byval, &align);
	types[0] = get_array_type(dimension->key_type);
	arrays[0] =
		dimension_array(following->keys, nulls, n, dimension->key_type, length, byval, align);
	for (int c = 0; c < dimension->nfollowed; c++)
	{
		const DimensionColumn *column = &dimension->followed[c].value;

		for (int m = 0; m < n; m++)
		{
			int row = following->newest[(Size) m * dimension->nfollowed + c];

			nulls[m] = row < 0;
			values[m] = row < 0 ? (Datum) 0 : following->rows[row].values[column->source - 1];
		}
		types[2 * c + 1] = column->array;
		arrays[2 * c + 1] = dimension_array(values, nulls, n, column->type, column->length,
											column->byval, column->align);
		for (int m = 0; m < n; m++)
		{
			int row = following->newest[(Size) m * dimension->nfollowed + c];

			values[m] = row < 0 ? (Datum) 0 : TimestampTzGetDatum(following->rows[row].event_time);
		}
		types[2 * c + 2] = TIMESTAMPTZARRAYOID;
		arrays[2 * c + 2] =
			dimension_array(values, nulls, n, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	}
}

/* ---- what a set of events says --------------------------------------------------------------- */

bool
dimension_value_is_greater(FollowedColumn *column, Datum value, Datum other)
{
	if (datumIsEqual(value, other, column->value.byval, column->value.length))
		return false;
	return strcmp(OutputFunctionCall(&column->output, value),
				  OutputFunctionCall(&column->output, other)) > 0;
}

/* Whether the second row's value comes after the first one's. */
static bool
comes_after(FollowedColumn *column, const IngestRow *before, const IngestRow *row)
{
	int source = column->value.source - 1;

	if (row->event_time != before->event_time)
		return row->event_time > before->event_time;
	return dimension_value_is_greater(column, row->values[source], before->values[source]);
}

/* The place of a row's member among those met so far; -1: the row has none that is updated. */
static int
slot_of(Following *following, Dimension *dimension, int number, int row)
{
	Member *member = following->rows[row].found ? following->rows[row].found[number] : NULL;

	if (member == NULL || member->state != MEMBER_KNOWN || member->isnull)
		return -1;
	if (member->followed != dimension->follow_round)
	{
		member->followed = dimension->follow_round;
		member->slot = following->nmembers++;
		following->keys[member->slot] = member->key;
		for (int c = 0; c < dimension->nfollowed; c++)
			following->newest[(Size) member->slot * dimension->nfollowed + c] = -1;
	}
	return member->slot;
}

static void
look_through(Following *following, const Ingest *ingest, Dimension *dimension, int n,
			 bool leave_aside)
{
	int number = dimension - ingest->dimensions;
	int aside = 0;

	dimension->follow_round++;
	for (int i = 0; i < n; i++)
	{
		int slot;

		while (leave_aside && aside < ingest->naside && ingest->aside[aside] < i)
			aside++;
		if (leave_aside && aside < ingest->naside && ingest->aside[aside] == i)
			continue;
		slot = slot_of(following, dimension, number, i);
		for (int c = 0; slot >= 0 && c < dimension->nfollowed; c++)
		{
			FollowedColumn *column = &dimension->followed[c];
			int *newest = &following->newest[(Size) slot * dimension->nfollowed + c];

			if (!following->rows[i].isnull[column->value.source - 1] &&
				(*newest < 0 ||
				 comes_after(column, &following->rows[*newest], &following->rows[i])))
				*newest = i;
		}
	}
}

/*
 * The members, in the order of their keys: a loop over the sorted keys, with a look into the index
 * for each. No other plan keeps that order.
 */
static void
run_in_order(const char *sql, int n, Oid *types, Datum *values)
{
	static const char *const off[] = {"enable_hashjoin", "enable_mergejoin", "enable_seqscan",
									  "enable_bitmapscan", "jit"};
	int level = NewGUCNestLevel();

	guc_switch_off(off, lengthof(off));
	spi_run_with(sql, n, types, values, NULL);
	AtEOXact_GUC(false, level);
}

static void
follow_one(const Ingest *ingest, Dimension *dimension, const IngestRow *rows, int n, bool update)
{
	Following following = {
		.dimension = dimension,
		.rows = rows,
		.keys = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * n),
		.newest =
			MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * dimension->nfollowed * n),
	};
	int nargs = 1 + 2 * dimension->nfollowed;
	Oid *types = palloc(sizeof(Oid) * nargs);
	Datum *values = palloc(sizeof(Datum) * nargs);

	look_through(&following, ingest, dimension, n, update);
	if (following.nmembers == 0)
		return;
	if (update && dimension_write(&following))
		return;
	make_arguments(&following, types, values);
	spi_connect();
	if (update)
		run_in_order(dimension->follow_sql, nargs, types, values);
	else
		spi_run_with(dimension->lock_sql, nargs, types, values, NULL);
	SPI_finish();
}

bool
dimensions_follow(const Ingest *ingest)
{
	for (int i = 0; i < ingest->ndimensions; i++)
		if (ingest->dimensions[i].nfollowed > 0)
			return true;
	return false;
}

static void
follow(const Ingest *ingest, const IngestRow *rows, int n, bool update)
{
	for (int i = 0; i < ingest->ndimensions && n > 0; i++)
		if (ingest->by_oid[i]->nfollowed > 0)
			follow_one(ingest, ingest->by_oid[i], rows, n, update);
}

void
dimensions_lock_members(const Ingest *ingest, const IngestRow *rows, int n)
{
	follow(ingest, rows, n, false);
}

void
dimensions_update(const Ingest *ingest, const IngestRow *rows, int n)
{
	/* Rows that were left out may go in after the others, and update members then. */
	if (ingest->naside > 0 && !ingest->careful)
		dimensions_lock_members(ingest, rows, n);
	follow(ingest, rows, n, true);
}
