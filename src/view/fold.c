#include "view/fold.h"

#include "access/xact.h"
#include "base/owner.h"
#include "base/sqlstate.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "view/generate.h"
#include "view/pending.h"
#include "view/statistics.h"

static void
name_the_view(void *argument)
{
	errcontext("fold of changes into continuous view %s", ((KnownView *) argument)->name);
}

/* ---- rows handed to SQL -----------------------------------------------------------------------
 */

static void
hand_over(const char *name, Tuplestorestate *rows, TupleDesc desc)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = tuplestore_tuple_count(rows);
	relation->reldata = rows;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not hand \"%s\" over", name);
}

static void
execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	int result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

/* ---- groups that must be computed anew --------------------------------------------------------
 */

/* Where a row of the state lies, and its keys. */
static TupleDesc
dirty_desc(const KnownView *view)
{
	TupleDesc desc = CreateTemplateTupleDesc(view->row.nkeys + 1);

	TupleDescInitEntry(desc, 1, "row_id", TIDOID, -1, 0);
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
			values[count++] = SPI_getbinval(rows->vals[i], rows->tupdesc, key + 3, isnull);
	if (*isnull)
		return (Datum) 0;
	return PointerGetDatum(construct_array(values, count, attribute->atttypid, attribute->attlen,
										   attribute->attbyval, attribute->attalign));
}

/*
 * Their rows are locked by the fold before; the statement that computes takes a snapshot after
 * that, so it sees all that those committed who changed the groups before us.
 */
static void
recompute(const KnownView *view, SPITupleTable *rows, uint64 n, const bool *wanted)
{
	TupleDesc desc = dirty_desc(view);
	Tuplestorestate *dirty = tuplestore_begin_heap(false, false, work_mem);
	Oid *types = palloc0(sizeof(Oid) * (view->row.nkeys + 1));
	Datum *values = palloc0(sizeof(Datum) * (view->row.nkeys + 1));
	char *nulls = palloc0(view->row.nkeys + 1);

	for (uint64 i = 0; i < n; i++)
	{
		Datum row[INDEX_MAX_KEYS + 1];
		bool isnull[INDEX_MAX_KEYS + 1];

		if (!wanted[i])
			continue;
		row[0] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull[0]);
		for (int key = 0; key < view->row.nkeys; key++)
			row[key + 1] = SPI_getbinval(rows->vals[i], rows->tupdesc, key + 3, &isnull[key + 1]);
		tuplestore_putvalues(dirty, desc, row, isnull);
	}
	for (int key = 0; key < view->row.nkeys; key++)
	{
		bool isnull;

		types[key] = get_array_type(TupleDescAttr(view->desc, key)->atttypid);
		values[key] = key_array(view, rows, n, wanted, key, &isnull);
		nulls[key] = isnull ? 'n' : ' ';
	}
	hand_over(DIRTY_ROWS, dirty, desc);
	execute(generate_recompute(view), view->row.nkeys, types, values, nulls);
	SPI_unregister_relation(DIRTY_ROWS);
	tuplestore_end(dirty);
}

/* ---- one view ---------------------------------------------------------------------------------
 */

/* Groups that have no rows any more go; the one row of a view without keys stays. */
static bool *
delete_empty(const KnownView *view, SPITupleTable *rows, uint64 n)
{
	bool *left = palloc(sizeof(bool) * n);
	Datum *gone = palloc(sizeof(Datum) * n);
	int ngone = 0;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		left[i] = view->row.nkeys == 0 ||
				  DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull)) != 0;
		if (!left[i])
			gone[ngone++] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
	}
	if (ngone > 0)
	{
		Oid types[] = {get_array_type(TIDOID)};
		Datum values[] = {PointerGetDatum(
			construct_array(gone, ngone, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT))};

		execute(psprintf("DELETE FROM %s WHERE ctid = ANY ($1)", view->state), 1, types, values,
				NULL);
	}
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
	execute(psprintf("SELECT FROM " MINUS_ROWS " WHERE %s LIMIT 1", unsafe), 0, NULL, NULL, NULL);
	return SPI_processed == 0;
}

static SPIPlanPtr
fold_plan(KnownView *view, bool plus, bool minus)
{
	SPIPlanPtr *kept = &view->folds[(plus ? 1 : 0) + (minus ? 2 : 0)];

	if (*kept == NULL)
	{
		char *sql = generate_fold(view, plus, minus);
		SPIPlanPtr plan = SPI_prepare(sql, 0, NULL);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep the plan of \"%s\"", sql);
		*kept = plan;
	}
	return *kept;
}

static void
merge(KnownView *view, PendingView *pending)
{
	bool plus = pending->plus != NULL;
	bool minus = pending->minus != NULL;
	bool safe = true;
	int result;

	if (!plus && !minus)
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
		safe = takes_away_safely(view);
	}
	result = SPI_execute_plan(fold_plan(view, plus, minus), NULL, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not fold into %s: %s", view->name, SPI_result_code_string(result));
	if (minus)
	{
		SPITupleTable *rows = SPI_tuptable;
		uint64 n = SPI_processed;
		bool *left = delete_empty(view, rows, n);

		if (!safe)
			recompute(view, rows, n, left);
	}
	if (plus)
		SPI_unregister_relation(PLUS_ROWS);
	if (minus)
		SPI_unregister_relation(MINUS_ROWS);
}

static int64
rows_of(const PendingView *pending)
{
	return (pending->plus ? tuplestore_tuple_count(pending->plus) : 0) +
		   (pending->minus ? tuplestore_tuple_count(pending->minus) : 0);
}

/* As the view's owner, with SPI at hand. */
static void
with_view(KnownView *view, PendingView *pending)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = name_the_view, .arg = view};
	instr_time began;
	instr_time ended;
	OwnerScope scope;

	INSTR_TIME_SET_CURRENT(began);
	error_context_stack = &callback;
	owner_begin(&scope, view->owner);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (pending->emptied)
	{
		execute(psprintf("DELETE FROM %s", view->state), 0, NULL, NULL, NULL);
		execute(generate_reset(view), 0, NULL, NULL, NULL);
	}
	merge(view, pending);
	SPI_finish();
	owner_end(&scope);
	error_context_stack = callback.previous;
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, began);
	statistics_add(view->row.view, rows_of(pending), INSTR_TIME_GET_MICROSEC(ended));
}

/* ---- all of them ------------------------------------------------------------------------------
 */

typedef struct Fold
{
	KnownView *view;
	PendingView *pending;
} Fold;

/* The same order in every transaction, as catalog/view.c explains. */
static int
compare(const ListCell *a, const ListCell *b)
{
	const ViewRow *one = &((Fold *) lfirst(a))->view->row;
	const ViewRow *other = &((Fold *) lfirst(b))->view->row;

	if (one->nkeys != other->nkeys)
		return one->nkeys > other->nkeys ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

/* True if it is the data that the state does not take, and not the database that is in trouble. */
static bool
try_view(KnownView *view, PendingView *pending, char **reason)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool taken = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		with_view(view, pending);
		ReleaseCurrentSubTransaction();
		taken = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!sqlstate_is_data_error(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*reason = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return taken;
}

static void
fold_or_break_view(KnownView *view, PendingView *pending)
{
	char *reason;

	if (try_view(view, pending, &reason))
		return;
	view_set_status(view->row.id, VIEW_BROKEN, reason);
	ereport(WARNING,
			(errmsg("continuous view %s is broken: %s", view->name, reason),
			 errhint("Its table goes on without it. Drop it, or mend what made it fail, and then "
					 "REFRESH MATERIALIZED VIEW %s.",
					 view->name)));
}

static void
fold_level(List *pendings, bool or_break)
{
	List *folds = NIL;
	ListCell *cell;

	foreach (cell, pendings)
	{
		PendingView *pending = lfirst(cell);
		KnownView *view = known_view(pending->view);
		Fold *fold;

		/* Dropped, or switched off, by this very transaction. */
		if (view == NULL || view->row.status != VIEW_LIVE)
			continue;
		fold = palloc(sizeof(Fold));
		fold->view = view;
		fold->pending = pending;
		folds = lappend(folds, fold);
	}
	list_sort(folds, compare);
	foreach (cell, folds)
	{
		Fold *fold = lfirst(cell);

		if (or_break)
			fold_or_break_view(fold->view, fold->pending);
		else
			with_view(fold->view, fold->pending);
	}
}

static void
fold_levels(bool or_break)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry fold of changes",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell *cell;
	bool snapshot = !ActiveSnapshotSet();

	if (snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	foreach (cell, pending_levels())
		fold_level(lfirst(cell), or_break);
	if (snapshot)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
fold_pending(void)
{
	fold_levels(false);
	pending_forget();
}

void
fold_or_break(void)
{
	fold_levels(true);
	pending_forget();
}

void
fold_for_now(void)
{
	fold_levels(false);
}

void
fold_rebuild(const KnownView *view)
{
	OwnerScope scope;
	SPIPlanPtr plan;
	int result;

	owner_begin(&scope, view->owner);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(generate_rebuild(view), 0, NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare the building of %s", view->name);
	/* A snapshot taken after the target was locked, also where the transaction's is older. */
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, NULL, NULL, GetActiveSnapshot(), InvalidSnapshot, false,
								  false, 0);
	if (result < 0)
		elog(ERROR, "could not build %s: %s", view->name, SPI_result_code_string(result));
	PopActiveSnapshot();
	SPI_finish();
	owner_end(&scope);
}
