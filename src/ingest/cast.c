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

#include "base/attempt.h"
#include "base/sqlstate.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

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

typedef struct Casting
{
	Ingest *ingest;
	IngestRow *rows;
	int n;
	int at;     /* the row at hand */
	int column; /* the number of the target's column at hand; -1: none */
} Casting;

/* From the row at hand on, until the end or the first that cannot be cast. */
static void
cast_on(void *argument)
{
	Casting *casting = argument;

	for (; casting->at < casting->n; casting->at++)
	{
		for (int i = 0; i < casting->ingest->desc->natts; i++)
		{
			casting->column = i;
			project_cast(casting->ingest, &casting->rows[casting->at], i + 1);
		}
		casting->column = -1;
		if (casting->at % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

IngestRow *
cast_rows(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int *n)
{
	Casting casting = {.ingest = ingest, .rows = rows, .n = *n};
	IngestRow *kept = rows;
	int nkept = 0;

	if (ingest->ncasts == 0 || *n == 0)
		return rows;
	make_room(ingest, rows, *n);
	for (;;)
	{
		int first = casting.at;
		ErrorData *error;
		IngestMessage *message;

		casting.column = -1;
		error = attempt(cast_on, &casting);
		if (error && (casting.column < 0 || !error_is_of_data(error)))
			ReThrowError(error);
		/* The rows are not ours to close up: they may be needed for another try. */
		if (error && kept == rows)
			kept = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(IngestRow) * *n);
		if (kept != rows)
			memcpy(kept + nkept, rows + first, sizeof(IngestRow) * (casting.at - first));
		nkept += casting.at - first;
		if (error == NULL)
			break;
		message = &messages[rows[casting.at].message];
		condemn(message, error, CurrentMemoryContext);
		if (message->error.column == NULL)
			message->error.column =
				pstrdup(NameStr(TupleDescAttr(ingest->desc, casting.column)->attname));
		casting.at++;
	}
	*n = nkept;
	return kept;
}
