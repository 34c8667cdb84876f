/*
 * The state of a view without aggregates has each row as often as the query gives it. Of rows that
 * are equal any may go, and nobody waits for one that somebody else takes away: he goes on to the
 * next. There is one for each. Who takes away rows has deleted as many rows of the table, which no
 * two do with the same; and for each of the table's rows one is there, committed with it. So those
 * that are committed and that nobody takes away are never fewer than those that are yet to be
 * taken. A look at them may miss them all the same, while others come and go; then they moved on,
 * and it looks again. Holding rows and waiting for none, no two can wait in a circle.
 *
 * Only where the number is not right is a row waited for that somebody else has: when a lookup gave
 * something else as a row came than as it goes, or when the state was locked by hand.
 *
 * Above READ COMMITTED the number may be not right otherwise, since of rows that are equal only
 * those are seen that are older than the snapshot, and somebody may have them for rows that he took
 * from the table and that are newer. So there none is ever waited for: it is an error.
 */
#include "view/rows.h"

#include "access/xact.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/wait_event.h"
#include "view/generate.h"

/* So often rows are looked for that others have, and none is free, before one is waited for. */
#define LOOKS 20

/* Hashes of the rows that are gone already. */
typedef struct Removed
{
	ArrayBuildState *hashes;
	int64 missing; /* so many are yet to go */
} Removed;

/*
 * With the transaction's snapshot: above READ COMMITTED, views over this one that compute groups
 * anew have no other, and must see that just these rows are gone.
 */
static uint64
remove_rows(const char *sql, Removed *removed)
{
	Datum values[] = {makeArrayResult(removed->hashes, CurrentMemoryContext)};
	Oid types[] = {UUIDARRAYOID};
	uint64 n;

	spi_run_with(sql, 1, types, values, NULL);
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;
		Datum hash = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		(void) accumArrayResult(removed->hashes, hash, isnull, UUIDOID, CurrentMemoryContext);
	}
	SPI_freetuptable(SPI_tuptable);
	removed->missing -= (int64) n;
	return n;
}

/* Rows that are to go stand there, and so somebody else has them. */
static bool
others_have_some(const KnownView *view, const Removed *removed)
{
	Datum values[] = {makeArrayResult(removed->hashes, CurrentMemoryContext)};
	Oid types[] = {UUIDARRAYOID};

	spi_run_with(generate_left(view), 1, types, values, NULL);
	return SPI_processed > 0;
}

static void
look_again_later(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1L,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
remove_all(const KnownView *view, int64 n)
{
	Removed removed = {.hashes = initArrayResult(UUIDOID, CurrentMemoryContext, false),
					   .missing = n};
	int looks = 0;

	while (removed.missing > 0)
	{
		bool wait = looks >= LOOKS;

		if (wait && IsolationUsesXactSnapshot())
			break;
		if (remove_rows(generate_remove(view, wait), &removed) > 0)
			continue;
		if (!others_have_some(view, &removed))
			break;
		if (!wait)
			look_again_later();
		looks++;
	}
	/* Others have equal rows that it saw, or it was all built anew. Else it never was there. */
	if (removed.missing > 0 && IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access to continuous view %s", view->name),
						errdetail("Rows of it that this transaction deletes were made anew "
								  "after its snapshot, or are being taken by others."),
						errhint("The transaction might succeed if retried.")));
}

void
rows_fold(const KnownView *view, const PendingView *pending)
{
	if (pending->plus)
		spi_run(generate_append(view));
	if (pending->minus)
		remove_all(view, tuplestore_tuple_count(pending->minus));
}
