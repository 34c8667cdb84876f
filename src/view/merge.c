#include "view/merge.h"

#include "base/owner.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "view/difference.h"
#include "view/distinct.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/rows.h"
#include "view/session_fold.h"
#include "view/statistics.h"
#include "view/upsert.h"

static void
name_the_view(void *argument)
{
	errcontext("fold of changes into continuous view %s", ((KnownView *) argument)->name);
}

/* ---- a view's own change, for the views over it ---------------------------------------------- */

/* Where the columns of a row of the state begin in what the statements return: behind the ctid. */
#define FIRST_COLUMN 1

static Datum
returned(SPITupleTable *rows, uint64 i, int column, bool *isnull)
{
	return SPI_getbinval(rows->vals[i], rows->tupdesc, column + FIRST_COLUMN + 1, isnull);
}

/*
 * Groups without rows are none; the one row of a view without keys is always there. but: those are
 * left out; NULL: none.
 */
static void
keep_rows(const KnownView *view, SPITupleTable *rows, uint64 n, const bool *but,
		  Tuplestorestate *store)
{
	Datum *values = palloc(sizeof(Datum) * (view->ncolumns + FIRST_COLUMN));
	bool *isnull = palloc(sizeof(bool) * (view->ncolumns + FIRST_COLUMN));

	for (uint64 i = 0; i < n; i++)
	{
		if (but && but[i])
			continue;
		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, isnull);
		if (view->row.nkeys == 0 || DatumGetInt64(values[FIRST_COLUMN + view->count]) != 0)
			tuplestore_putvalues(store, view->desc, values + FIRST_COLUMN, isnull + FIRST_COLUMN);
	}
}

/* ---- groups that must be computed anew ------------------------------------------------------- */

/* Where a row of the state lies, and its keys. */
static TupleDesc
dirty_desc(const KnownView *view)
{
	TupleDesc desc = CreateTemplateTupleDesc(view->row.nkeys + 1);

	TupleDescInitEntry(desc, 1, "_row", TIDOID, -1, 0);
	for (int i = 0; i < view->row.nkeys; i++)
		TupleDescCopyEntry(desc, i + 2, view->desc, i + 1);
	return desc;
}

/* The values of one key of all those rows, or no array if one is NULL. */
static Datum
key_array(const KnownView *view, SPITupleTable *rows, uint64 n, const bool *wanted, int key,
		  bool *isnull)
{
	Form_pg_attribute attribute = TupleDescAttr(view->desc, key);
	Datum *values = palloc(sizeof(Datum) * n);
	int count = 0;

	*isnull = false;
	for (uint64 i = 0; i < n && !*isnull; i++)
		if (wanted[i])
			values[count++] = returned(rows, i, key, isnull);
	if (*isnull)
		return (Datum) 0;
	return PointerGetDatum(construct_array(values, count, attribute->atttypid, attribute->attlen,
										   attribute->attbyval, attribute->attalign));
}

static Tuplestorestate *
dirty_rows(const KnownView *view, TupleDesc desc, SPITupleTable *rows, uint64 n, const bool *wanted)
{
	Tuplestorestate *dirty = tuplestore_begin_heap(false, false, work_mem);
	Datum *row = palloc(sizeof(Datum) * (view->row.nkeys + 1));
	bool *isnull = palloc(sizeof(bool) * (view->row.nkeys + 1));

	for (uint64 i = 0; i < n; i++)
	{
		if (!wanted[i])
			continue;
		row[0] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull[0]);
		for (int key = 0; key < view->row.nkeys; key++)
			row[key + 1] = returned(rows, i, key, &isnull[key + 1]);
		tuplestore_putvalues(dirty, desc, row, isnull);
	}
	return dirty;
}

/*
 * Their rows are locked by the fold before; the statement that computes takes a snapshot after
 * that, so it sees all that those committed who changed the groups before us.
 */
static void
recompute(const KnownView *view, SPITupleTable *rows, uint64 n, const bool *wanted)
{
	TupleDesc desc = dirty_desc(view);
	Tuplestorestate *dirty = dirty_rows(view, desc, rows, n, wanted);
	Oid *types = palloc0(sizeof(Oid) * (view->row.nkeys + 1));
	Datum *values = palloc0(sizeof(Datum) * (view->row.nkeys + 1));
	char *nulls = palloc0(view->row.nkeys + 1);

	for (int key = 0; key < view->row.nkeys; key++)
	{
		bool isnull;

		types[key] = get_array_type(TupleDescAttr(view->desc, key)->atttypid);
		values[key] = key_array(view, rows, n, wanted, key, &isnull);
		nulls[key] = isnull ? 'n' : ' ';
	}
	hand_over(DIRTY_ROWS, dirty, desc);
	spi_run_with(generate_recompute(view), view->row.nkeys, types, values, nulls);
	hand_back(DIRTY_ROWS);
	tuplestore_end(dirty);
}

/* ---- one view -------------------------------------------------------------------------------- */

static void
delete_rows(const KnownView *view, Datum row_ids)
{
	Oid types[] = {get_array_type(TIDOID)};

	spi_run_with(psprintf("DELETE FROM %s WHERE ctid = ANY ($1)", view->state), 1, types, &row_ids,
				 NULL);
}

/* Groups that have no rows any more go; the one row of a view without keys stays. */
static bool *
delete_empty(const KnownView *view, SPITupleTable *rows, uint64 n)
{
	bool *left = palloc(sizeof(bool) * (n + 1));
	Datum *gone = palloc(sizeof(Datum) * (n + 1));
	int ngone = 0;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		left[i] =
			view->row.nkeys == 0 || DatumGetInt64(returned(rows, i, view->count, &isnull)) != 0;
		if (!left[i])
			gone[ngone++] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
	}
	if (ngone > 0)
		delete_rows(view,
					PointerGetDatum(construct_array(gone, ngone, TIDOID, sizeof(ItemPointerData),
													false, TYPALIGN_SHORT)));
	return left;
}

static bool
takes_away_safely(const KnownView *view)
{
	char *unsafe;

	if (!view->invertible)
		return false;
	unsafe = generate_unsafe(view);
	if (unsafe == NULL)
		return true;
	spi_run(psprintf("SELECT FROM " MINUS_ROWS " WHERE %s LIMIT 1", unsafe));
	return SPI_processed == 0;
}

static SPIPlanPtr
fold_plan(KnownView *view, bool plus, bool minus, bool wanted, bool gathered)
{
	SPIPlanPtr *kept = &view->folds[(plus ? KEPT_PLUS : 0) + (minus ? KEPT_MINUS : 0) +
									(wanted ? KEPT_WANTED : 0) + (gathered ? KEPT_GATHERED : 0)];

	if (*kept == NULL)
		*kept = spi_keep_plan(view->main ? distinct_fold(view, plus, minus, gathered)
										 : generate_fold(view, plus, minus, wanted, gathered),
							  0, NULL);
	return *kept;
}

/*
 * Those that have to be computed anew, of the n that the fold wrote; NULL: none. left: those that
 * still have rows.
 */
static bool *
dirty_groups(KnownView *view, const PendingView *pending, bool *left, uint64 n)
{
	SPIPlanPtr *kept = &view->folds[pending->apart ? KEPT_DIRTY_APART : KEPT_DIRTY];
	bool any = false;

	if (takes_away_safely(view))
		return NULL;
	if (!pending->plus)
		return left;
	execute_kept(kept, generate_dirty(view, pending->apart));
	if (SPI_processed != n)
		elog(ERROR, "groups of %s are not those of its fold", view->name);
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		left[i] = left[i] && DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i],
														SPI_tuptable->tupdesc, 1, &isnull));
		any = any || left[i];
	}
	return any ? left : NULL;
}

/* change: what the views over it want to know; NULL if there is none. */
static void
merge_groups(KnownView *view, const PendingView *pending, bool gathered, Change *change)
{
	bool plus = pending->plus != NULL;
	bool minus = pending->minus != NULL;
	bool *dirty = NULL;
	SPITupleTable *rows;
	uint64 n;
	int result;

	if (change)
	{
		spi_run(generate_lock(view, plus, minus));
		keep_rows(view, SPI_tuptable, SPI_processed, NULL, change->old);
	}
	result = SPI_execute_plan(fold_plan(view, plus, minus, change != NULL, gathered), NULL, NULL,
							  false, 0);
	if (result < 0)
		elog(ERROR, "could not fold into %s: %s", view->name, SPI_result_code_string(result));
	rows = SPI_tuptable;
	n = SPI_processed;
	if (minus)
		dirty = dirty_groups(view, pending, delete_empty(view, rows, n), n);
	if (change)
		keep_rows(view, rows, n, dirty, change->new);
	if (dirty == NULL)
		return;
	recompute(view, rows, n, dirty);
	if (change)
		keep_rows(view, SPI_tuptable, SPI_processed, NULL, change->new);
}

/* Of a helper: what came and went is for the view that it feeds. */
static void
merge_values(KnownView *view, bool plus, bool minus, bool gathered, Change *change)
{
	Datum gone;
	int result =
		SPI_execute_plan(fold_plan(view, plus, minus, true, gathered), NULL, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not fold values of %s: %s", view->name, SPI_result_code_string(result));
	gone = distinct_gave(view, SPI_tuptable, SPI_processed, change->given);
	if (minus)
		delete_rows(view, gone);
}

/* The same, where all come: false if it is not to be done row by row. */
static bool
upsert_values(KnownView *view, Tuplestorestate *plus, bool gathered, Tuplestorestate *given)
{
	Tuplestorestate *inserted = tuplestore_begin_heap(false, false, work_mem);

	if (!upsert_groups(view, plus, gathered, inserted))
	{
		tuplestore_end(inserted);
		return false;
	}
	if (tuplestore_tuple_count(inserted) > 0)
	{
		hand_over_many(INSERTED_ROWS, inserted, view->desc);
		execute_kept(&view->folds[KEPT_INSERTED], distinct_inserted(view));
		hand_back(INSERTED_ROWS);
		(void) distinct_gave(view, SPI_tuptable, SPI_processed, given);
	}
	tuplestore_end(inserted);
	return true;
}

/* Row by row; false if it is not to be done so. */
static bool
upsert(KnownView *view, const PendingView *pending, const Change *change)
{
	bool gathered = pending->collected == 1;

	if (!pending->plus || view->rows || view->main || view->earlier)
		return false;
	if (pending->minus)
		return difference_upsert(view, pending, change ? change->old : NULL,
								 change ? change->new : NULL);
	return change ? upsert_changing_groups(view, pending->plus, gathered, change->old, change->new)
				  : upsert_groups(view, pending->plus, gathered, NULL);
}

static void
merge_stores(KnownView *view, PendingView *pending, Change *change)
{
	bool plus = pending->plus != NULL;
	bool minus = pending->minus != NULL;
	bool gathered = plus && !minus && pending->collected == 1;

	if (!plus && !minus)
		return;
	if (view->earlier)
	{
		session_fold(view, pending->plus, pending->minus, change ? change->old : NULL,
					 change ? change->new : NULL);
		return;
	}
	if (upsert(view, pending, change))
		return;
	if (!minus && view->main && upsert_values(view, pending->plus, gathered, change->given))
		return;
	if (plus)
	{
		tuplestore_rescan(pending->plus);
		hand_over(PLUS_ROWS, pending->plus, view->desc);
	}
	if (minus)
	{
		tuplestore_rescan(pending->minus);
		hand_over(MINUS_ROWS, pending->minus, view->desc);
	}
	if (view->rows)
		rows_fold(view, pending);
	else if (view->main)
		merge_values(view, plus, minus, gathered, change);
	else
		merge_groups(view, pending, gathered, change);
	if (plus)
		hand_back(PLUS_ROWS);
	if (minus)
		hand_back(MINUS_ROWS);
}

static int64
rows_of(const PendingView *pending)
{
	return (pending->plus ? tuplestore_tuple_count(pending->plus) : 0) +
		   (pending->minus ? tuplestore_tuple_count(pending->minus) : 0);
}

void
merge_empty(const KnownView *view)
{
	/* The table is locked, and so nobody else writes here; but a snapshot may be from before. */
	execute_latest(psprintf("DELETE FROM %s", view->state));
	if (view->earlier)
		execute_latest(psprintf("DELETE FROM %s", view->earlier));
	execute_latest(generate_reset(view));
}

/* What needs neither SPI nor pinned settings; false if it is not to be done so. */
static bool
merge_plainly(KnownView *view, const PendingView *pending, const Change *change)
{
	MemoryContext context;
	MemoryContext old;
	OwnerScope scope;
	bool done;

	if (!view->plain_state || pending->emptied || (pending->minus && !view->negation_known))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "telemetry fold into a view",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	owner_begin_unpinned(&scope, view->owner);
	done = upsert(view, pending, change);
	owner_end(&scope);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return done;
}

/* As the view's owner, with SPI at hand. */
static void
merge_by_statements(KnownView *view, PendingView *pending, Change *change)
{
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	if (pending->emptied)
		merge_empty(view);
	merge_stores(view, pending, change);
	SPI_finish();
	owner_end(&scope);
}

void
merge_pending(KnownView *view, PendingView *pending, Change *change)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = name_the_view, .arg = view};
	instr_time began;
	instr_time ended;

	INSTR_TIME_SET_CURRENT(began);
	error_context_stack = &callback;
	if (!merge_plainly(view, pending, change))
		merge_by_statements(view, pending, change);
	error_context_stack = callback.previous;
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, began);
	/* What a helper takes is the view's, of whose fold it is a part. */
	statistics_add(view->main ? view->main->row.view : view->row.view, view->main ? 0 : 1,
				   view->main ? 0 : rows_of(pending), INSTR_TIME_GET_MICROSEC(ended));
}
