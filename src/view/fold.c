#include "view/fold.h"

#include "base/attempt.h"
#include "base/crash.h"
#include "base/owner.h"
#include "base/spi.h"
#include "base/sqlstate.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/journal.h"
#include "view/merge.h"
#include "view/pending.h"
#include "view/session_statement.h"
#include "view/unchanged.h"

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
		merge_pending(step->view, step->pending, step->change);
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

/* Groups may be computed anew: from all of the table, and not only from what statements read. */
static bool
reads_table(const Fold *fold)
{
	const KnownView *view = fold->view;

	return view->depth == 0 && !view->rows && !view->main && fold->pending->minus &&
		   (view->earlier || !view->invertible) && has_subclass(view->row.target);
}

/*
 * Who has a partition for himself (TRUNCATE) will fold, too: he is waited for as long as nothing of
 * the state is locked, and not behind that, where he would wait in turn.
 */
static void
lock_partitions(const List *folds)
{
	List *tables = NIL;
	ListCell *cell;

	foreach (cell, folds)
		if (reads_table(lfirst(cell)))
			tables = list_append_unique_oid(tables, ((Fold *) lfirst(cell))->view->row.target);
	foreach (cell, tables)
		(void) find_all_inheritors(lfirst_oid(cell), AccessShareLock, NULL);
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
	lock_partitions(folds);
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
