/*
 * Writing rows when some of them are bad: by chunks, each in a subtransaction.
 *
 * A chunk that goes in stays in. One that fails is rolled back; if the error was one row's, which
 * the path knows (ingest->current), that row is dead, otherwise it is searched by halves until a
 * single row fails. So a bad row costs a subtransaction and the rows of one small chunk, whatever
 * the size of the batch, and rows that are bad only beside earlier ones (a key twice in a batch)
 * are found.
 *
 * Chunks are as large as the rows between bad ones lately allow: where all are bad, each is tried
 * alone, since the rows of a failed chunk were written for nothing (and stay as dead tuples).
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/sqlstate.h"
#include "ingest/internal.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Subtransactions left behind; past 64 PostgreSQL's snapshots overflow. */
#define SUBTRANSACTIONS 60
#define FIRST_CHUNK     64
#define SMALL_CHUNK     32
#define LAST_CHUNK      1000 /* of the fast path, too: it writes no more at once */

static DecodeError
copy_error(const ErrorData *error, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DecodeError copy = {
		.sqlstate = error->sqlerrcode,
		.message = error->detail ? psprintf("%s (%s)", error->message, error->detail)
								 : pstrdup(error->message),
		.column = error->column_name ? pstrdup(error->column_name) : NULL,
		.constraint = error->constraint_name ? pstrdup(error->constraint_name) : NULL,
	};

	MemoryContextSwitchTo(old);
	return copy;
}

/* Tries one chunk. NULL: it is in; else the error, with everything rolled back. */
static ErrorData *
try_chunk(Ingest *ingest, const IngestRow *rows, int n, MemoryContext chunk_context, int64 *written)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	ResetExprContext(ingest->econtext);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(chunk_context);
	PG_TRY();
	{
		int64 taken = insert_rows(ingest, rows, n);

		ReleaseCurrentSubTransaction();
		*written += taken;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		RollbackAndReleaseCurrentSubTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	/* Above all the executor state that an error left behind. */
	MemoryContextReset(chunk_context);
	return error;
}

/*
 * A failed chunk is wasted, a kept one counts towards SUBTRANSACTIONS: half the gap, but not so
 * little that the transaction ends after a few bad rows.
 */
static int
chunk_for(int gap)
{
	return Max(Max(Min(gap / 2, LAST_CHUNK), Min(gap * 2, SMALL_CHUNK)), 1);
}

int
careful_insert(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int n,
			   MemoryContext result_context, int64 *written, int64 *handed)
{
	MemoryContext chunk_context = AllocSetContextCreate(
		CurrentMemoryContext, "telemetry careful chunk", ALLOCSET_DEFAULT_SIZES);
	int done = 0;
	int chunk = ingest->careful_gap > 0 ? chunk_for(ingest->careful_gap) : FIRST_CHUNK;
	int suspect = 0; /* one of rows [done, suspect) is bad, which one is not known */
	int released = 0;
	int last_bad = -1;             /* its row */
	int gap = ingest->careful_gap; /* good rows between bad ones, of late */
	int prefix = 0;                /* rows that go in before one that is suspected */

	while (done < n && released < SUBTRANSACTIONS)
	{
		int size = prefix > 0       ? prefix
				   : suspect > done ? Max((suspect - done) / 2, 1)
									: Min(chunk, n - done);
		ErrorData *error = try_chunk(ingest, rows + done, size, chunk_context, written);
		int culprit;

		prefix = 0;
		if (error == NULL)
		{
			done += size;
			*handed += size;
			released++;
			if (suspect <= done && done - last_bad > gap * 2)
				chunk = Min(chunk * 2, LAST_CHUNK);
			continue;
		}
		if (!sqlstate_is_data_error(error->sqlerrcode))
			ReThrowError(error);
		culprit = size == 1 ? 0 : ingest->current;
		ingest->current = -1;
		if (culprit < 0 || culprit >= size)
		{
			suspect = done + size;
			FreeErrorData(error);
			continue;
		}
		if (size > 1 && !ingest->fast)
		{
			/* The executor's scan stood at this row; a foreign partition may lag behind it. */
			suspect = done + culprit + 1;
			prefix = culprit;
			FreeErrorData(error);
			continue;
		}
		messages[rows[done + culprit].message].verdict = INGEST_DEAD;
		messages[rows[done + culprit].message].error = copy_error(error, result_context);
		FreeErrorData(error);
		gap = (gap + done + culprit - last_bad - 1) / 2;
		last_bad = done + culprit;
		/* The dead row is dealt with; those before it come first once more, and alone. */
		memmove(&rows[done + 1], &rows[done], sizeof(IngestRow) * culprit);
		done++;
		suspect = 0;
		ingest->careful_gap = gap;
		chunk = chunk_for(gap);
	}
	MemoryContextDelete(chunk_context);
	return done;
}
