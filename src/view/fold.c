#include "view/fold.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "base/crash.h"
#include "base/owner.h"
#include "base/spi.h"
#include "base/sqlstate.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/difference.h"
#include "view/distinct.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/journal.h"
#include "view/pending.h"
#include "view/rows.h"
#include "view/session_fold.h"
#include "view/session_statement.h"
#include "view/statistics.h"
#include "view/unchanged.h"
#include "view/upsert.h"

static void
name_the_view(void *argument)
{
	errcontext("fold of changes into continuous view %s", ((KnownView *) argument)->name);
}

/* ---- a view's own change, for the views over it ---------------------------------------------- */

/* Groups of the state as they were and as they are, for the views over it. */
typedef struct Change
{
	Tuplestorestate *old;
	Tuplestorestate *new;
	Tuplestorestate *given; /* of a helper: rows for the view that it feeds */
} Change;

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
merge(KnownView *view, PendingView *pending, Change *change)
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
fold_empty(const KnownView *view)
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
		fold_empty(view);
	merge(view, pending, change);
	SPI_finish();
	owner_end(&scope);
}

static void
with_view(KnownView *view, PendingView *pending, Change *change)
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

/* ---- an order for all of them ---------------------------------------------------------------- */

typedef struct Fold
{
	KnownView *view;
	PendingView *pending;
	bool own; /* pending's stores are this fold's, and not those of the transaction */
} Fold;

/* What a step of a fold does with a view. */
typedef struct Step
{
	KnownView *view;
	PendingView *pending;
	Change *change;        /* or: */
	Tuplestorestate *rows; /* of the view that this one follows */
	bool minus;
} Step;

/*
 * The same order in every transaction, as catalog/view.c explains; what a view follows comes first.
 */
static int
compare(const KnownView *one, const KnownView *other)
{
	if (one->depth != other->depth)
		return one->depth < other->depth ? -1 : 1;
	if (one->row.nkeys != other->row.nkeys)
		return one->row.nkeys > other->row.nkeys ? -1 : 1;
	return one->row.id < other->row.id ? -1 : one->row.id > other->row.id;
}

int
fold_order(const ListCell *one, const ListCell *other)
{
	return compare(lfirst(one), lfirst(other));
}

/* The fold of that view, put where it belongs if it is not there. */
static Fold *
fold_of(List **folds, KnownView *view, const PendingView *pending)
{
	Fold *fold;
	ListCell *cell;
	int at = 0;

	foreach (cell, *folds)
	{
		Fold *other = lfirst(cell);

		if (other->view->row.view == view->row.view)
			return other;
		if (compare(other->view, view) < 0)
			at++;
	}
	fold = palloc0(sizeof(Fold));
	fold->view = view;
	fold->pending = palloc0(sizeof(PendingView));
	if (pending)
		*fold->pending = *pending;
	fold->pending->view = view->row.view;
	fold->pending->target = view->row.target;
	fold->pending->desc = view->desc;
	*folds = list_insert_nth(*folds, at, fold);
	return fold;
}

/* ---- a step, and what becomes of a view that fails in it ------------------------------------- */

static void
take(void *argument)
{
	const Step *step = argument;

	if (step->rows)
	{
		tuplestore_rescan(step->rows);
		collect_run(step->view, step->rows, pending_store(step->pending, step->minus));
		step->pending->collected++;
	}
	else
		with_view(step->view, step->pending, step->change);
}

/* False if the view broke. */
static bool
take_or_break(Step *step, bool or_break)
{
	ErrorData *error;

	if (!or_break)
	{
		take(step);
		return true;
	}
	error = attempt(take, step);
	if (error == NULL)
		return true;
	/* It is not the data that the state does not take: the database is in trouble. */
	if (!error_is_of_data(error))
		ReThrowError(error);
	collect_stop(step->view, VIEW_BROKEN, error->message);
	ereport(WARNING,
			(errmsg("continuous view %s is broken: %s", step->view->name, error->message),
			 errhint("Its table goes on without it. Drop it, or mend what made it fail, and then "
					 "REFRESH MATERIALIZED VIEW %s.",
					 step->view->name)));
	return false;
}

/* Files of a store that is left open are PostgreSQL's to complain of, at the commit. */
static void
end_store(Tuplestorestate *store)
{
	if (store)
		tuplestore_end(store);
}

static void
end_fold(Fold *fold)
{
	if (!fold->own)
		return;
	end_store(fold->pending->plus);
	end_store(fold->pending->minus);
	fold->pending->plus = fold->pending->minus = NULL;
}

static void
give_up(List **folds, Fold *fold)
{
	*folds = list_delete_ptr(*folds, fold);
	if (fold)
		end_fold(fold);
}

/* ---- views over views ------------------------------------------------------------------------ */

/* All rows of a view that was emptied and may have got new ones. */
static Tuplestorestate *
all_rows(KnownView *view)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	Tuplestorestate *state = tuplestore_begin_heap(false, false, work_mem);
	TupleTableSlot *slot;
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	/* The transaction's snapshot may have rows that others took away before it was emptied. */
	execute_latest(generate_columns(view, view->source));
	slot = MakeSingleTupleTableSlot(SPI_tuptable->tupdesc, &TTSOpsHeapTuple);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		ExecStoreHeapTuple(SPI_tuptable->vals[i], slot, false);
		tuplestore_puttupleslot(state, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	SPI_finish();
	owner_end(&scope);
	collect_public(view, state, rows);
	tuplestore_end(state);
	return rows;
}

static Tuplestorestate *
public_rows(KnownView *view, Tuplestorestate *state_rows)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);

	tuplestore_rescan(state_rows);
	collect_public(view, state_rows, rows);
	return rows;
}

/*
 * What a fold adds is not put to the transaction's own rows: those may have to be folded once more,
 * when a subtransaction is rolled back.
 */
static void
own_rows(Fold *fold)
{
	Tuplestorestate **stores[] = {&fold->pending->plus, &fold->pending->minus};

	for (size_t i = 0; i < lengthof(stores) && !fold->own; i++)
	{
		Tuplestorestate *rows = *stores[i];

		if (rows == NULL)
			continue;
		*stores[i] = tuplestore_begin_heap(false, false, work_mem);
		pending_copy_rows(rows, *stores[i], fold->view->desc);
	}
	fold->own = true;
}

/*
 * A child is given nothing by triggers: but for what a partition that went left it, the change of
 * the view it follows is all.
 */
static void
give(List **folds, KnownView *child, const PendingView *from, const ChangedRows *rows,
	 bool or_break)
{
	Fold *fold = fold_of(folds, child, NULL);
	Step step = {.view = child, .pending = fold->pending};

	own_rows(fold);
	/* It gets all rows that are there, and what a partition that went left it is among them. */
	if (from->emptied)
		pending_supersede(fold->pending, true);
	/*
	 * Else what stands there is sessions of a partition that went, and may have come back, in this
	 * transaction.
	 */
	fold->pending->apart = fold->pending->plus == NULL && fold->pending->minus == NULL;
	for (int minus = 0; minus <= 1; minus++)
	{
		step.minus = minus == 1;
		step.rows = step.minus ? rows->old : rows->new;
		if (step.rows && tuplestore_tuple_count(step.rows) > 0 && !take_or_break(&step, or_break))
		{
			give_up(folds, fold);
			return;
		}
	}
}

static Fold *
fold_of_main(List *folds, const KnownView *helper)
{
	ListCell *cell;

	foreach (cell, folds)
		if (((Fold *) lfirst(cell))->view->row.id == helper->row.feeds)
			return lfirst(cell);
	return NULL;
}

/*
 * What a helper gives is folded together with the view's own rows. A view that was emptied takes
 * all that the helper has, by generate_reset().
 */
static void
feed(List *folds, const Fold *helper, Tuplestorestate *given)
{
	Fold *main = fold_of_main(folds, helper->view);

	if (main == NULL || helper->pending->emptied || tuplestore_tuple_count(given) == 0)
		return;
	own_rows(main);
	pending_copy_rows(given, pending_store(main->pending, false), main->view->desc);
	/* A group may have several rows. */
	main->pending->collected += 2;
}

/* Sessions may be merged, and then be torn or lose events: those in between came and went. */
static bool
is_apart(const KnownView *view, const PendingView *pending)
{
	return view->earlier == NULL || (pending->minus == NULL && !session_ends(view));
}

/* What a view's change means for those over it. */
static void
pass_on(List **folds, const Fold *fold, const Change *change, bool or_break)
{
	KnownView *view = fold->view;
	ChangedRows rows = {0};
	ChangedRows *changed = NULL;
	List *children = NIL;
	ListCell *cell;

	if (fold->pending->emptied)
		rows.new = all_rows(view);
	else if (view->rows)
	{
		rows.old = fold->pending->minus;
		rows.new = fold->pending->plus;
	}
	else
	{
		rows.old = public_rows(view, change->old);
		rows.new = public_rows(view, change->new);
	}
	foreach (cell, known_views(view->row.view))
	{
		KnownView *child = lfirst(cell);

		if (build_follows(child) && collect_allowed(child))
			children = lappend(children, child);
	}
	if (rows.old && tuplestore_tuple_count(rows.old) > 0 && rows.new)
		changed = unchanged_leave_out(view, children, &rows, is_apart(view, fold->pending));
	foreach (cell, children)
		give(folds, lfirst(cell), fold->pending,
			 changed ? &changed[foreach_current_index(cell)] : &rows, or_break);
	if (changed)
		unchanged_end(changed, list_length(children), &rows);
	/* Those are the fold's own. */
	if (view->rows && !fold->pending->emptied)
		return;
	end_store(rows.old);
	end_store(rows.new);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* This session builds, and merges what others put into the journal. */
static bool merges_journal;

/* Of a view that is being built: its builder merges that, when it comes to it. */
static void
put_off(List **folds, const Fold *fold, bool or_break)
{
	Change change = {0};

	journal_add(fold->view, fold->pending);
	/* That the table was truncated shows at once, and so it does in the views over it. */
	if (fold->pending->emptied && known_views(fold->view->row.view) != NIL)
		pass_on(folds, fold, &change, or_break);
}

static void
fold_helper(List **folds, const Fold *fold, bool or_break)
{
	Change change = {.given = tuplestore_begin_heap(false, false, work_mem)};
	Step step = {.view = fold->view, .pending = fold->pending, .change = &change};

	if (take_or_break(&step, or_break))
	{
		crash_point("helper_folded");
		feed(*folds, fold, change.given);
	}
	else
		give_up(folds, fold_of_main(*folds, fold->view));
	tuplestore_end(change.given);
}

static void
fold_view(List **folds, const Fold *fold, bool or_break)
{
	Change change = {0};
	Step step = {.view = fold->view, .pending = fold->pending};

	if (known_views(fold->view->row.view) != NIL)
	{
		change.old = tuplestore_begin_heap(false, false, work_mem);
		change.new = tuplestore_begin_heap(false, false, work_mem);
		step.change = &change;
	}
	crash_point("fold_begins");
	if (take_or_break(&step, or_break) && step.change)
	{
		crash_point("parent_folded");
		pass_on(folds, fold, &change, or_break);
	}
	end_store(change.old);
	end_store(change.new);
	crash_point("fold_ended");
}

static void
fold_all(List *pendings, bool or_break)
{
	List *folds = NIL;
	ListCell *cell;

	foreach (cell, pendings)
	{
		PendingView *pending = lfirst(cell);
		KnownView *view = known_view_over(pending->target, pending->view);

		/* Dropped, or switched off, by this very transaction. */
		if (view && build_follows(view))
			(void) fold_of(&folds, view, pending);
	}
	/* Grows while it is gone through, behind where we are: views over views. */
	for (int i = 0; i < list_length(folds); i++)
	{
		Fold *fold = list_nth(folds, i);

		if (fold->view->row.status == VIEW_BUILDING && !merges_journal)
			put_off(&folds, fold, or_break);
		else if (fold->view->main)
			fold_helper(&folds, fold, or_break);
		else
			fold_view(&folds, fold, or_break);
		end_fold(fold);
	}
}

static void
fold_now(bool or_break)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry fold of changes",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool snapshot = !ActiveSnapshotSet();

	if (snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	fold_all(pending_all(), or_break);
	if (snapshot)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
fold_pending(void)
{
	fold_now(false);
	pending_forget();
}

void
fold_or_break(void)
{
	fold_now(true);
	pending_forget();
}

void
fold_for_now(void)
{
	fold_now(false);
}

void
fold_journal(List *pendings)
{
	merges_journal = true;
	PG_TRY();
	{
		fold_all(pendings, false);
	}
	PG_FINALLY();
	{
		merges_journal = false;
	}
	PG_END_TRY();
}

uint64
fold_rebuild(const KnownView *view)
{
	OwnerScope scope;
	uint64 groups;

	owner_begin(&scope, view->owner);
	spi_connect();
	/* A snapshot taken after the target was locked, also where the transaction's is older. */
	execute_latest(generate_rebuild(view));
	groups = SPI_processed;
	SPI_finish();
	owner_end(&scope);
	return groups;
}
