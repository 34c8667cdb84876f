/*
 * Writing rows when some of them are bad: by chunks, each in a subtransaction.
 *
 * A chunk that goes in stays in. One that fails is rolled back; if the error was one row's, which
 * the path knows (ingest->current), that row is dead, otherwise it is searched by halves until a
 * single row fails. So a bad row costs a subtransaction and the rows of one small chunk, whatever
 * the size of the batch, and rows that are bad only beside earlier ones (a key twice in a batch)
 * are found.
 *
 * The most common errors, a key that is there already, one that is referred to and is not there, a
 * NULL or CHECK of the row, no partition, what is computed of it, cost no chunk: the fast path
 * leaves such rows out, and each is tried alone when the others are in. They come out as they would
 * one after the other: no row that stays in depends on one that was left out (fast.c), and those
 * are tried in order. Should anything else fail in such a chunk, it is written again with nothing
 * left out. A whole batch is written so as well, as long as such rows are few: then nothing is
 * written in vain.
 *
 * Chunks are as large as the rows between bad ones lately allow: where all are bad, each is tried
 * alone, since the rows of a failed chunk were written for nothing (and stay as dead tuples).
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "base/attempt.h"
#include "base/crash.h"
#include "base/sqlstate.h"
#include "ingest/internal.h"
#include "utils/memutils.h"

/* Subtransactions left behind; past 64 PostgreSQL's snapshots overflow. */
#define SUBTRANSACTIONS 60
#define FIRST_CHUNK     64
#define LAST_CHUNK      1000 /* of the fast path, too: it writes no more at once */

/* One row in so many may be left out of a batch; and what counts as of late, in rows. */
#define ASIDE_SHARE 10
#define RECENT_ROWS 20000

/* After so many times the distance of bad rows there are no more of them. */
#define BURST_IS_OVER 4

static DecodeError
copy_error(const ErrorData *error, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DecodeError copy = {
		.sqlstate = error->sqlerrcode,
		.message = error_line(error),
		.column = error->column_name ? pstrdup(error->column_name) : NULL,
		.constraint = error->constraint_name ? pstrdup(error->constraint_name) : NULL,
	};

	MemoryContextSwitchTo(old);
	return copy;
}

typedef struct Chunk
{
	Ingest *ingest;
	IngestRow *rows;
	int n;
	MemoryContext context;
	int64 taken;
} Chunk;

static void
write_chunk(void *argument)
{
	Chunk *chunk = argument;

	MemoryContextSwitchTo(chunk->context);
	chunk->taken = insert_rows(chunk->ingest, chunk->rows, chunk->n);
	crash_point("chunk_written");
}

/* Tries one chunk. NULL: it is in; else the error, with everything rolled back. */
static ErrorData *
try_chunk(Ingest *ingest, IngestRow *rows, int n, MemoryContext chunk_context, int64 *written)
{
	Chunk chunk = {.ingest = ingest, .rows = rows, .n = n, .context = chunk_context};
	ErrorData *error;

	ResetExprContext(ingest->econtext);
	error = attempt(write_chunk, &chunk);
	if (error)
		crash_point("chunk_rolled_back");
	else
		*written += chunk.taken;
	/* Above all the executor state that an error left behind. */
	MemoryContextReset(chunk_context);
	return error;
}

/*
 * The size at which what is lost is least: the beginning and end of a subtransaction for each
 * chunk, about as dear as five rows of the fast path, 13 of the executor's; for each bad row a half
 * to a whole chunk, at the end of which AFTER triggers fire.
 */
static int
chunk_for(const Ingest *ingest)
{
	const BadRows *bad = &ingest->bad;
	int64 gap = Max(bad->careful_gap, bad->since);
	int64 best = (int64) sqrt((ingest->fast ? 10.0 : 26.0) * gap);

	if (bad->careful_gap < 0)
		best = Max(best, FIRST_CHUNK);
	else
		best = Min(best, gap * 2);
	/* Bad rows often come in bursts: that one is over. */
	if (bad->careful_gap >= 0 && bad->since > BURST_IS_OVER * (bad->careful_gap + 1))
		best = LAST_CHUNK;
	return Max(Min(best, LAST_CHUNK), 1);
}

/* What one call of hopeful_insert() or careful_insert() is about. */
typedef struct Careful
{
	Ingest *ingest;
	IngestMessage *messages;
	IngestRow *rows;
	MemoryContext chunk_context;
	MemoryContext result_context;
	int64 *written;
	int64 *handed;
	int done;     /* rows dealt with: a prefix */
	int released; /* subtransactions that are kept */
} Careful;

static Careful
begin(Ingest *ingest, IngestMessage *messages, IngestRow *rows, MemoryContext result_context,
	  int64 *written, int64 *handed)
{
	return (Careful){
		.ingest = ingest,
		.messages = messages,
		.rows = rows,
		.chunk_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry careful chunk",
											   ALLOCSET_DEFAULT_SIZES),
		.result_context = result_context,
		.written = written,
		.handed = handed,
	};
}

/* Remembers how far apart bad rows are: the happy path is only tried where it is likely to do. */
static void
note_bad(Ingest *ingest)
{
	BadRows *bad = &ingest->bad;
	int64 gap = bad->since + 1;

	bad->gap = bad->gap > 0 ? (bad->gap + gap) / 2 : gap;
	bad->careful_gap = bad->careful_gap < 0 ? bad->since : (bad->careful_gap + bad->since) / 2;
	bad->since = 0;
}

void
condemn(IngestMessage *message, ErrorData *error, MemoryContext context)
{
	message->verdict = INGEST_DEAD;
	message->error = copy_error(error, context);
	FreeErrorData(error);
}

static void
condemn_row(Careful *careful, int row, ErrorData *error)
{
	condemn(&careful->messages[careful->rows[row].message], error, careful->result_context);
}

/* The versions that a batch makes are those of all its rows. */
static bool
leaves_rows_out(const Ingest *ingest)
{
	return ingest->fast && !ingest->alone;
}

bool
aside_too_often(const Ingest *ingest)
{
	const BadRows *bad = &ingest->bad;

	return bad->recent_aside > SUBTRANSACTIONS &&
		   bad->recent_aside * (ASIDE_SHARE + 2) > bad->recent_rows;
}

/* Of rows that were written, how many were left out at first. */
static void
note_aside(Ingest *ingest, int rows, int aside)
{
	BadRows *bad = &ingest->bad;

	bad->recent_rows += rows;
	bad->recent_aside += aside;
	while (bad->recent_rows > RECENT_ROWS)
	{
		bad->recent_rows /= 2;
		bad->recent_aside /= 2;
	}
	bad->since += rows;
}

/* Tries each row that the chunk before careful->done left out, in order. */
static void
try_aside(Careful *careful, int first)
{
	Ingest *ingest = careful->ingest;
	int n = ingest->naside;

	ingest->aside_room = 0;
	for (int i = 0; i < n; i++)
	{
		int row = first + ingest->aside[i];
		ErrorData *error;

		/* With that many the batch is for chunks. */
		if (careful->released > SUBTRANSACTIONS)
			ereport(ERROR, (errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
							errmsg("too many rows of a batch wait for others")));
		error = try_chunk(ingest, careful->rows + row, 1, careful->chunk_context, careful->written);

		ingest->current = -1;
		if (error && !error_is_of_data(error))
			ReThrowError(error);
		if (error)
			condemn_row(careful, row, error);
		else
		{
			(*careful->handed)++;
			careful->released++;
		}
	}
	ingest->naside = 0;
}

/* A chunk is in: what it left out comes after it. */
static void
keep_chunk(Careful *careful, int size)
{
	Ingest *ingest = careful->ingest;

	*careful->handed += size - ingest->naside;
	note_aside(ingest, size, ingest->naside);
	careful->done += size;
	careful->released++;
	if (ingest->naside > 0)
		try_aside(careful, careful->done - size);
}

void
hopeful_insert(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int n,
			   MemoryContext result_context, int64 *written, int64 *handed)
{
	Careful careful = begin(ingest, messages, rows, result_context, written, handed);

	ingest->naside = 0;
	ingest->aside_room = leaves_rows_out(ingest) ? n / ASIDE_SHARE + 1 : 0;
	ingest->aside = palloc(sizeof(int) * Max(ingest->aside_room, 1));
	*written += insert_rows(ingest, rows, n);
	*handed += n - ingest->naside;
	note_aside(ingest, n, ingest->naside);
	if (ingest->naside > 0)
	{
		ingest->bad.seen = true;
		try_aside(&careful, 0);
	}
	ingest->aside_room = 0;
	MemoryContextDelete(careful.chunk_context);
}

/* How the search for bad rows stands; all are positions in the batch's rows, or numbers of them. */
typedef struct Search
{
	int chunk;   /* rows that are tried at once */
	int suspect; /* one of rows [done, suspect) is bad, which one is not known */
	int strict;  /* of rows [done, strict) none is left out */
	int prefix;  /* rows that go in before one that is suspected; 0: none is */
} Search;

static int
next_size(const Search *search, int done, int n)
{
	if (search->prefix > 0)
		return search->prefix;
	if (search->suspect > done)
		return Max((search->suspect - done) / 2, 1);
	return Min(search->chunk, n - done);
}

static void
after_success(Careful *careful, Search *search, int size)
{
	int aside = careful->ingest->naside;

	keep_chunk(careful, size);
	if (search->suspect <= careful->done)
		search->chunk = Min(search->chunk * 2, chunk_for(careful->ingest));
	/* The next one shall have room for what it leaves out. */
	if (aside > 0)
		search->chunk = Max(Min(search->chunk, size * (SUBTRANSACTIONS / 3) / aside), 1);
}

/* A chunk failed by its data. True: the row at fault is found, at *culprit in the chunk. */
static bool
narrow_down(Careful *careful, Search *search, int size, int *culprit)
{
	Ingest *ingest = careful->ingest;
	int done = careful->done;

	*culprit = size == 1 ? 0 : ingest->current;
	ingest->current = -1;
	if (ingest->naside > 0 || ingest->doubtful)
	{
		/* It may have missed a row that was left out, or a conflict of its own. */
		search->strict = done + size;
		search->chunk = Max(size / 2, 1);
		return false;
	}
	if (*culprit < 0 || *culprit >= size)
	{
		search->suspect = done + size;
		return false;
	}
	if (size > 1 && ingest->executor.lags)
	{
		/* The executor's scan stood at this row, its writing perhaps not yet. */
		search->suspect = done + *culprit + 1;
		search->prefix = *culprit;
		return false;
	}
	return true;
}

/* Row done + culprit is dead, and dealt with; those before it come first once more, and alone. */
static void
set_aside_dead(Careful *careful, Search *search, int culprit, ErrorData *error)
{
	IngestRow *rows = careful->rows + careful->done;

	condemn_row(careful, careful->done + culprit, error);
	note_bad(careful->ingest);
	memmove(&rows[1], &rows[0], sizeof(IngestRow) * culprit);
	careful->done++;
	search->suspect = 0;
	search->chunk = chunk_for(careful->ingest);
}

int
careful_insert(Ingest *ingest, IngestMessage *messages, IngestRow *rows, int n,
			   MemoryContext result_context, int64 *written, int64 *handed)
{
	Careful careful = begin(ingest, messages, rows, result_context, written, handed);
	Search search = {
		.chunk = ingest->bad.chunk > 0 ? ingest->bad.chunk : chunk_for(ingest),
	};

	ingest->aside = palloc(sizeof(int) * SUBTRANSACTIONS);
	while (careful.done < n && careful.released < SUBTRANSACTIONS)
	{
		int done = careful.done;
		int size = next_size(&search, done, n);
		ErrorData *error;
		int culprit;

		ingest->naside = 0;
		ingest->doubtful = false;
		/* Each may become a subtransaction that is kept. */
		ingest->aside_room = leaves_rows_out(ingest) && size > 1 && done >= search.strict
								 ? SUBTRANSACTIONS - careful.released - 1
								 : 0;
		error = try_chunk(ingest, rows + done, size, careful.chunk_context, written);
		search.prefix = 0;
		if (error == NULL)
			after_success(&careful, &search, size);
		else if (!error_is_of_data(error))
			ReThrowError(error);
		else if (narrow_down(&careful, &search, size, &culprit))
			set_aside_dead(&careful, &search, culprit, error);
		else
			FreeErrorData(error);
	}
	ingest->bad.chunk = search.chunk;
	ingest->aside_room = 0;
	MemoryContextDelete(careful.chunk_context);
	return careful.done;
}
