/*
 * Casts into the target, before anything is written.
 *
 * A value that does not fit (too long, out of range, refused by a domain) makes its cast throw, and
 * a thrown error needs a subtransaction around it. Around casts alone it is nearly free, since
 * nothing has been written that it could undo: so all rows are cast in one, and each that cannot be
 * is dead at once, with PostgreSQL's own error, as if it could not have been decoded. A cast that
 * may write (a volatile function) is left to the insert: what it wrote for other rows would go,
 * too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/sqlstate.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

bool
cast_may_fail(const Expr *expression)
{
	/* A change of the type's name alone does not. */
	return !IsA(expression, RelabelType) && !contain_volatile_functions((Node *) expression);
}

/* Room for so many rows' casts. */
static void
make_room(Ingest *ingest, IngestRow *rows, int n)
{
	Datum *values =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * n * ingest->ncasts);
	bool *isnull = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * n * ingest->ncasts);

	for (int i = 0; i < n; i++)
	{
		rows[i].casts = values + (size_t) i * ingest->ncasts;
		rows[i].cast_isnull = isnull + (size_t) i * ingest->ncasts;
	}
}

/*
 * Casts rows from *at on, until the end or the first that cannot be: then *at is that row, *column
 * the number of the target's column, and the error is returned.
 */
static ErrorData *
cast_until_bad(Ingest *ingest, IngestRow *rows, volatile int *at, int n, volatile int *column)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	*column = -1;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (; *at < n; (*at)++)
		{
			for (int i = 0; i < ingest->desc->natts; i++)
			{
				*column = i;
				project_cast(ingest, &rows[*at], i + 1);
			}
			*column = -1;
			if (*at % 256 == 0)
				CHECK_FOR_INTERRUPTS();
		}
		ReleaseCurrentSubTransaction();
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
	return error;
}

IngestRow *
cast_rows(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int *n)
{
	IngestRow *kept = rows;
	int nkept = 0;

	if (ingest->ncasts == 0 || *n == 0)
		return rows;
	make_room(ingest, rows, *n);
	for (volatile int at = 0; at < *n;)
	{
		volatile int column;
		int first = at;
		ErrorData *error = cast_until_bad(ingest, rows, &at, *n, &column);
		IngestMessage *message;

		if (error && (column < 0 || !sqlstate_is_data_error(error->sqlerrcode)))
			ReThrowError(error);
		if (error && kept == rows)
		{
			/* The rows are not ours to close up: they may be needed for another try. */
			kept = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(IngestRow) * *n);
			nkept = 0;
		}
		if (kept != rows)
			memcpy(kept + nkept, rows + first, sizeof(IngestRow) * (at - first));
		nkept += at - first;
		if (error == NULL)
			break;
		message = &messages[rows[at].message];
		condemn(message, error, CurrentMemoryContext);
		if (message->error.column == NULL)
			message->error.column = pstrdup(NameStr(TupleDescAttr(ingest->desc, column)->attname));
		at++;
	}
	*n = nkept;
	return kept;
}
