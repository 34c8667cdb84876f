/*
 * retry_dead_letters() and purge_dead_letters(), and their bytes as text.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/guc.h"
#include "catalog/dead_letter.h"
#include "catalog/offset.h"
#include "catalog/pg_type.h"
#include "decode/failure.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "api/pipeline.h"

PG_FUNCTION_INFO_V1(telemetry_retry_dead_letters);
PG_FUNCTION_INFO_V1(telemetry_purge_dead_letters);
PG_FUNCTION_INFO_V1(telemetry_readable);

/*
 * Most dead letters taken at once; of large ones fewer, as telemetry.batch_memory says: what bounds
 * the memory of a retry.
 */
#define PAGE 500

/* What a retry does to the counters of one partition. */
typedef struct Moved
{
	int32 partition;
	OffsetCounts counts;
} Moved;

typedef struct Retry
{
	const Pipeline *pipeline;
	Ingest *ingest;
	MemoryContext context; /* of moved */
	List *moved;           /* Moved *, in order of partition */
	int64 stored;
	int64 dead;
} Retry;

/* A message whose value was cut, or that had none, cannot become a row. */
static bool
is_whole(const DeadLetter *letter)
{
	return letter->value_length <= (int64) letter->message.value_length &&
		   (letter->value_length >= 0 || letter->message.key != NULL);
}

/* As ingest_write() takes it. */
static void
prepare(IngestMessage *message, const DeadLetter *letter)
{
	memset(message, 0, sizeof(IngestMessage));
	message->view = &letter->message;
	message->event_time = DT_NOBEGIN;
	if (is_whole(letter))
		return;
	message->verdict = INGEST_DEAD;
	message->error.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	message->error.message = letter->value_length < 0
								 ? "the message has no payload that could be retried"
								 : "the value was cut, so that it cannot be retried";
}

static int
compare_moved(const ListCell *a, const ListCell *b)
{
	return ((Moved *) lfirst(a))->partition - ((Moved *) lfirst(b))->partition;
}

static OffsetCounts *
counts_of(Retry *retry, int32 partition)
{
	MemoryContext old;
	Moved *moved;
	ListCell *cell;

	foreach (cell, retry->moved)
		if (((Moved *) lfirst(cell))->partition == partition)
			return &((Moved *) lfirst(cell))->counts;
	old = MemoryContextSwitchTo(retry->context);
	moved = palloc0(sizeof(Moved));
	moved->partition = partition;
	retry->moved = lappend(retry->moved, moved);
	list_sort(retry->moved, compare_moved);
	MemoryContextSwitchTo(old);
	return &moved->counts;
}

/* A message counts once, as what it is now: it counted as dead before. */
static void
settle(Retry *retry, const DeadLetter *letter, const IngestMessage *message)
{
	OffsetCounts *counts;

	if (message->verdict == INGEST_DEAD)
	{
		dead_letter_failed_again(letter->id, &message->error);
		retry->dead++;
		return;
	}
	dead_letter_delete(letter->id);
	retry->stored++;
	counts = counts_of(retry, letter->message.partition);
	counts->dead--;
	counts->skipped += message->verdict == INGEST_SKIPPED;
	if (message->verdict != INGEST_STORED)
		return;
	if (message->left_out)
	{
		counts->duplicates += retry->pipeline->ignore_conflicts;
		counts->suppressed += !retry->pipeline->ignore_conflicts;
		return;
	}
	counts->stored++;
	counts->late += !TIMESTAMP_NOT_FINITE(message->event_time) &&
					message->event_time < retry->pipeline->watermark;
}

static void
retry_page(Retry *retry, List *letters)
{
	int n = list_length(letters);
	IngestMessage *messages = palloc(sizeof(IngestMessage) * n);
	int done = 0;

	while (done < n)
	{
		IngestCounts totals = {0};
		int took;
		ListCell *cell;

		/* Those that an earlier call stopped before are tried anew. */
		for (int i = done; i < n; i++)
			prepare(&messages[i], list_nth(letters, i));
		took = ingest_write(retry->ingest, n - done, messages + done, true, &totals);
		for (int i = done; i < done + took; i++)
		{
			const IngestMessage *message = &messages[i];

			if (message->verdict == INGEST_STORED && message->left_out)
				(*(retry->pipeline->ignore_conflicts ? &totals.duplicates : &totals.suppressed))--;
			settle(retry, list_nth(letters, i), message);
		}
		foreach (cell, retry->moved)
			offset_leave_out(&((Moved *) lfirst(cell))->counts, &totals.duplicates,
							 &totals.suppressed);
		done += took;
	}
}

static void
retry_all(Retry *retry, int64 up_to, ArrayType *ids)
{
	MemoryContext page = AllocSetContextCreate(CurrentMemoryContext, "telemetry dead letters",
											   ALLOCSET_DEFAULT_SIZES);
	int64 after = 0;
	ListCell *cell;

	for (;;)
	{
		MemoryContext old;
		List *letters;

		MemoryContextReset(page);
		letters = dead_letter_fetch(retry->pipeline->id, after, up_to, ids, PAGE,
									(int64) telemetry_batch_memory * 1024, page);
		if (letters == NIL)
			break;
		after = ((DeadLetter *) llast(letters))->id;
		old = MemoryContextSwitchTo(page);
		retry_page(retry, letters);
		MemoryContextSwitchTo(old);
	}
	foreach (cell, retry->moved)
	{
		const Moved *moved = lfirst(cell);

		offset_count(retry->pipeline->id, moved->partition, &moved->counts);
	}
}

Datum
telemetry_retry_dead_letters(PG_FUNCTION_ARGS)
{
	Retry retry = {.context = CurrentMemoryContext};
	IngestGuest guest;
	IngestOptions options;
	ArrayType *ids = PG_ARGISNULL(2) ? NULL : PG_GETARG_ARRAYTYPE_P(2);
	/* No id is below 1; what is below 0 would ask for all of them. */
	int64 up_to = PG_ARGISNULL(1) ? -1 : Max(PG_GETARG_INT64(1), 0);
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "retry_dead_letters() returns no row");
	retry.pipeline = admin_pipeline(fcinfo);
	options = ingest_options_of(retry.pipeline);
	retry.ingest = ingest_open_locked(&options, CurrentMemoryContext);
	ingest_guest_begin(&guest);
	PG_TRY();
	{
		retry_all(&retry, up_to, ids);
	}
	PG_CATCH();
	{
		ingest_guest_abort(&guest);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ingest_guest_end(&guest);
	ingest_close(retry.ingest);
	values[0] = Int64GetDatum(retry.stored);
	values[1] = Int64GetDatum(retry.dead);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
telemetry_purge_dead_letters(PG_FUNCTION_ARGS)
{
	Pipeline *pipeline = admin_pipeline(fcinfo);
	TimestampTz before = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	ArrayType *ids = PG_ARGISNULL(2) ? NULL : PG_GETARG_ARRAYTYPE_P(2);

	PG_RETURN_INT64(dead_letter_purge(pipeline->id, before, ids));
}

/* convert_from() fails for bytes that are no text, and such are dead letters in particular. */
Datum
telemetry_readable(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_TEXT_P(
		cstring_to_text(decode_readable(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes))));
}
