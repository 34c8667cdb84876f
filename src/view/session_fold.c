#include "view/session_fold.h"

#include "access/htup_details.h"
#include "base/crash.h"
#include "base/guc.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/session_recompute.h"
#include "view/session_statement.h"
#include "view/session_upsert.h"

/* Of HEAD_ROWS: where the row lies, the key's number, and the columns. */
typedef struct Heads
{
	Tuplestorestate *rows;
	TupleDesc desc;
} Heads;

/* Plans kept among KnownView.folds. Events that go are rare: theirs are not kept. */
enum
{
	PLAN_LOCK = 0,  /* and what is locked: 1 plus, 2 minus */
	PLAN_MERGE = 4, /* and 1 if rows are wanted */
	PLAN_EARLIER = 6
};

/*
 * For as long as the owner's scope lasts. Tables that are still small, or were when they were
 * looked at last, may have grown when a kept plan runs again: the indexes are always right. (What a
 * sequential scan is said to cost then would have all of it compiled.)
 */
static void
prefer_indexes(void)
{
	static const char *const off[] = {"enable_seqscan", "jit"};

	guc_switch_off(off, lengthof(off));
}

static Tuplestorestate *
new_store(void)
{
	return tuplestore_begin_heap(false, false, work_mem);
}

/* The columns, from that one on, of a row that a statement returned. */
static void
keep_row(const KnownView *view, HeapTuple row, TupleDesc desc, int from, Tuplestorestate *store)
{
	int width = view->ncolumns + from;
	Datum *values = palloc(sizeof(Datum) * width);
	bool *isnull = palloc(sizeof(bool) * width);

	heap_deform_tuple(row, desc, values, isnull);
	tuplestore_putvalues(store, view->desc, values + from, isnull + from);
	pfree(values);
	pfree(isnull);
}

static void
keep(const KnownView *view, SPITupleTable *rows, uint64 n, int from, Tuplestorestate *store)
{
	for (uint64 i = 0; i < n; i++)
		keep_row(view, rows->vals[i], rows->tupdesc, from, store);
}

/* The keys are locked, and the rows that are returned are as the last writer left them. */
static Heads
lock(KnownView *view, bool plus, bool minus)
{
	Heads heads = {.rows = new_store()};
	int kept = PLAN_LOCK + (plus ? 1 : 0) + (minus ? 2 : 0);
	Datum *values;
	bool *isnull;

	execute_kept(&view->folds[kept], session_lock(view, plus, minus));
	heads.desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	values = palloc(sizeof(Datum) * heads.desc->natts);
	isnull = palloc(sizeof(bool) * heads.desc->natts);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], heads.desc, values, isnull);
		tuplestore_putvalues(heads.rows, heads.desc, values, isnull);
	}
	SPI_freetuptable(SPI_tuptable);
	return heads;
}

/* What a session became, or was; NULL: nobody wants to know. */
typedef struct Outcome
{
	Tuplestorestate *old;
	Tuplestorestate *new;
	Tuplestorestate *torn; /* has to be computed anew; NULL: is kept as it was merged, in new */
} Outcome;

static void
merge(KnownView *view, Heads heads, const Outcome *outcome)
{
	bool wanted = outcome->old != NULL;

	hand_over_many(HEAD_ROWS, heads.rows, heads.desc);
	execute_kept(&view->folds[PLAN_MERGE + (wanted ? 1 : 0)], session_merge(view, wanted));
	hand_back(HEAD_ROWS);
	if (!wanted && !session_ends(view))
		return;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		Tuplestorestate *store;
		bool torn; /* NULL: it is neither the old nor the new session */
		bool is_new = DatumGetBool(SPI_getbinval(row, desc, 1, &torn));

		store = torn && outcome->torn ? outcome->torn
				: torn || is_new      ? outcome->new
									  : outcome->old;
		if (store)
			keep_row(view, row, desc, 1, store);
	}
}

/* ---- events that came ------------------------------------------------------------------------ */

/* Keys are locked, and all that comes is merged with what it meets. */
static void
add_by_statement(KnownView *view, Tuplestorestate *plus, const Outcome *outcome)
{
	Heads heads;

	tuplestore_rescan(plus);
	hand_over_many(PLUS_ROWS, plus, view->desc);
	heads = lock(view, true, false);
	merge(view, heads, outcome);
	tuplestore_end(heads.rows);
	hand_back(PLUS_ROWS);
}

/* Nearly all that comes extends the newest session of its key, or follows it. */
static void
add(KnownView *view, Tuplestorestate *plus, const Outcome *outcome)
{
	SessionUpsert upsert = {.old = outcome->old, .new = outcome->new};

	if (!session_upsert(view, plus, &upsert))
	{
		add_by_statement(view, plus, outcome);
		return;
	}
	if (tuplestore_tuple_count(upsert.replaced) > 0)
	{
		hand_over_many(REPLACED_ROWS, upsert.replaced, upsert.replaced_desc);
		execute_kept(&view->folds[PLAN_EARLIER], session_put_earlier(view));
		hand_back(REPLACED_ROWS);
	}
	if (tuplestore_tuple_count(upsert.otherwise) > 0)
		add_by_statement(view, upsert.otherwise, outcome);
	tuplestore_end(upsert.replaced);
	tuplestore_end(upsert.otherwise);
}

/* ---- events that went ------------------------------------------------------------------------ */

/* Of sessions that follow each other, at most so many are computed anew at a time. */
#define MOST_AHEAD 32

/*
 * The sessions they were in, taken out; and the numbers of keys that lost their newest by it. old
 * gets those that somebody was told of.
 */
static Tuplestorestate *
take_out(KnownView *view, Heads heads, int ahead, ArrayType **emptied, Tuplestorestate *old)
{
	Tuplestorestate *dirty = new_store();
	Datum *keys;
	int nkeys = 0;

	hand_over_many(HEAD_ROWS, heads.rows, heads.desc);
	spi_run(session_take_out(view, ahead));
	hand_back(HEAD_ROWS);
	keep(view, SPI_tuptable, SPI_processed, 2, dirty);
	keys = palloc(sizeof(Datum) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		Datum key = SPI_getbinval(row, desc, 1, &isnull);

		if (!isnull)
			keys[nkeys++] = key;
		if (old && DatumGetBool(SPI_getbinval(row, desc, 2, &isnull)))
			keep_row(view, row, desc, 2, old);
	}
	*emptied =
		construct_array(keys, nkeys, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	return dirty;
}

/* So that the newest session of each key is in the state again whatever is computed anew. */
static void
promote(KnownView *view, ArrayType *keys, Tuplestorestate *pieces, Tuplestorestate *old)
{
	Oid types[] = {INT8ARRAYOID};
	Datum values[] = {PointerGetDatum(keys)};

	if (ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)) == 0)
		return;
	spi_run_with(session_promote(view), 1, types, values, NULL);
	keep(view, SPI_tuptable, SPI_processed, 0, pieces);
	if (old)
		keep(view, SPI_tuptable, SPI_processed, 0, old);
}

static void
add_expired(KnownView *view, Tuplestorestate *dirty, Tuplestorestate *pieces)
{
	tuplestore_rescan(dirty);
	hand_over_many(DIRTY_ROWS, dirty, view->desc);
	spi_run(session_expired(view));
	hand_back(DIRTY_ROWS);
	keep(view, SPI_tuptable, SPI_processed, 0, pieces);
}

/*
 * The sessions that events went from are taken out, and what is left of them, by the target's rows
 * and by expired partitions, is put in again. The rows are read under a snapshot taken after the
 * keys were locked: it sees the rows of all who have folded into them, and no more can.
 *
 * The same for sessions that are torn, and so many that follow them (ahead; 0: events went). What
 * is put in does not overlap what is there, but for frozen parts of expired partitions: what looks
 * torn then, stays. But where sessions have a greatest length the last of what is put in may meet
 * the next session, and is torn again.
 */
static void
take_away(KnownView *view, Tuplestorestate *minus, int ahead, const Outcome *outcome)
{
	bool limited = session_is_limited(view);
	const Outcome last = {
		.old = outcome->old, .new = outcome->new, .torn = limited ? outcome->torn : NULL};
	Tuplestorestate *pieces = new_store();
	Tuplestorestate *dirty;
	ArrayType *emptied;
	Heads heads;
	bool any;

	tuplestore_rescan(minus);
	hand_over_many(MINUS_ROWS, minus, view->desc);
	heads = lock(view, false, true);
	dirty = take_out(view, heads, ahead, &emptied, outcome->old);
	tuplestore_end(heads.rows);
	promote(view, emptied, pieces, outcome->old);
	crash_point("sessions_taken_out");
	session_recompute(view, dirty, pieces);
	if (!limited)
		add_expired(view, dirty, pieces);
	any = tuplestore_tuple_count(pieces) > 0;
	hand_over_many(PLUS_ROWS, pieces, view->desc);
	heads = lock(view, true, true);
	if (any)
		merge(view, heads, &last);
	hand_back(PLUS_ROWS);
	hand_over_many(HEAD_ROWS, heads.rows, heads.desc);
	spi_run(session_clear(view));
	hand_back(HEAD_ROWS);
	hand_back(MINUS_ROWS);
	tuplestore_end(heads.rows);
	tuplestore_end(pieces);
	tuplestore_end(dirty);
}

/*
 * What is torn is computed anew, and what is torn by that. Borders that moved are mostly where they
 * were a few sessions on: so one is looked at first, then more at a time.
 */
static void
mend(KnownView *view, Outcome *outcome)
{
	for (int ahead = 1; outcome->torn && tuplestore_tuple_count(outcome->torn) > 0;
		 ahead = Min(ahead * 2, MOST_AHEAD))
	{
		Tuplestorestate *torn = outcome->torn;

		CHECK_FOR_INTERRUPTS();
		outcome->torn = new_store();
		take_away(view, torn, ahead, outcome);
		tuplestore_end(torn);
	}
}

/*
 * First what came, then what went: an event that did both within the transaction is in a session
 * when it is taken away. All keys are locked before, in one order.
 */
void
session_fold(KnownView *view, Tuplestorestate *plus, Tuplestorestate *minus, Tuplestorestate *old,
			 Tuplestorestate *new)
{
	Outcome outcome = {.old = old, .new = new, .torn = session_ends(view) ? new_store() : NULL};

	prefer_indexes();
	if (plus && minus)
	{
		hand_over_many(PLUS_ROWS, plus, view->desc);
		hand_over_many(MINUS_ROWS, minus, view->desc);
		tuplestore_end(lock(view, true, true).rows);
		hand_back(MINUS_ROWS);
		hand_back(PLUS_ROWS);
	}
	if (plus)
		add(view, plus, &outcome);
	mend(view, &outcome);
	if (minus)
	{
		take_away(view, minus, 0, &outcome);
		mend(view, &outcome);
	}
	if (outcome.torn)
		tuplestore_end(outcome.torn);
}
