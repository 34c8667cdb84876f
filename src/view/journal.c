#include "view/journal.h"

#include "base/name.h"
#include "base/owner.h"
#include "base/spi.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/merge.h"

static char *
journal_name(int view_id)
{
	return psprintf(STATE_SCHEMA ".v%d_journal", view_id);
}

static Oid
journal_oid(int view_id)
{
	return get_relname_relid(psprintf("v%d_journal", view_id),
							 get_namespace_oid(STATE_SCHEMA, false));
}

/* The view and its helpers. */
static List *
parts_of(const ViewRow *row)
{
	return lappend(view_helpers(row, CurrentMemoryContext), unconstify(ViewRow *, row));
}

/*
 * Unlogged: a crash ends the build as well. A journal that was left behind is made anew, since the
 * shape of the view's rows may have been altered.
 */
void
journal_make(const ViewRow *row, Oid owner)
{
	OwnSpi scope;
	ListCell *cell;

	own_spi_begin(&scope);
	foreach (cell, parts_of(row))
	{
		const ViewRow *part = lfirst(cell);
		char *name = journal_name(part->id);

		if (OidIsValid(journal_oid(part->id)))
			spi_run(psprintf("DROP TABLE %s", name));
		spi_run(
			psprintf("CREATE UNLOGGED TABLE %s AS SELECT false AS _away, p.* FROM %s AS p WITH NO "
					 "DATA",
					 name, qualified_name(part->partial)));
		spi_run(psprintf("ALTER TABLE %s OWNER TO %s", name,
						 quote_identifier(GetUserNameFromId(owner, false))));
	}
	own_spi_end(&scope);
}

void
journal_drop(const ViewRow *row)
{
	OwnSpi scope;
	ListCell *cell;

	own_spi_begin(&scope);
	foreach (cell, parts_of(row))
	{
		int id = ((const ViewRow *) lfirst(cell))->id;
		Oid journal = journal_oid(id);

		if (OidIsValid(journal) && ConditionalLockRelationOid(journal, AccessExclusiveLock))
			spi_run(psprintf("DROP TABLE %s", journal_name(id)));
	}
	own_spi_end(&scope);
}

static void
add_rows(const KnownView *view, Tuplestorestate *rows, bool minus)
{
	if (rows == NULL)
		return;
	tuplestore_rescan(rows);
	hand_over(PLUS_ROWS, rows, view->desc);
	spi_run(psprintf("INSERT INTO %s SELECT %s, r.* FROM " PLUS_ROWS " AS r",
					 journal_name(view->row.id), minus ? "true" : "false"));
	hand_back(PLUS_ROWS);
}

void
journal_add(const KnownView *view, PendingView *pending)
{
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	/* The table was truncated, for which nobody else may touch it, the builder neither. */
	if (pending->emptied)
	{
		execute_latest(psprintf("DELETE FROM %s", journal_name(view->row.id)));
		merge_empty(view);
	}
	add_rows(view, pending->plus, false);
	add_rows(view, pending->minus, true);
	SPI_finish();
	owner_end(&scope);
}

/* ---- the builder's side ---------------------------------------------------------------------- */

/* How many rows are fetched at a time. */
#define FETCH 10000

/* SPI leaves its own memory current, which ends with it: so the store's is named. */
static Tuplestorestate *
rows_of(const KnownView *view, bool minus, MemoryContext context)
{
	MemoryContext own = MemoryContextSwitchTo(context);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	const char *sql;
	Portal cursor;

	MemoryContextSwitchTo(own);
	sql = psprintf("%s WHERE %s_away", generate_columns(view, journal_name(view->row.id)),
				   minus ? "" : "NOT ");
	cursor = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(rows, SPI_tuptable->vals[i]);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(cursor);
	if (tuplestore_tuple_count(rows) > 0)
		return rows;
	tuplestore_end(rows);
	return NULL;
}

PendingView *
journal_take(const KnownView *view)
{
	PendingView *pending = palloc0(sizeof(PendingView));
	MemoryContext context = CurrentMemoryContext;
	OwnerScope scope;

	pending->view = view->row.view;
	pending->target = view->row.target;
	/* Of several transactions: a group may have several rows. */
	pending->collected = 2;
	owner_begin(&scope, view->owner);
	spi_connect();
	pending->plus = rows_of(view, false, context);
	pending->minus = rows_of(view, true, context);
	spi_run(psprintf("DELETE FROM %s", journal_name(view->row.id)));
	SPI_finish();
	owner_end(&scope);
	return pending;
}

void
journal_forget(const KnownView *view)
{
	spi_run(psprintf("DELETE FROM %s", journal_name(view->row.id)));
}
