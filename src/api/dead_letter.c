/*
 * retry_dead_letters() and purge_dead_letters().
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/dead_letter.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "api/pipeline.h"

PG_FUNCTION_INFO_V1(telemetry_retry_dead_letters);
PG_FUNCTION_INFO_V1(telemetry_purge_dead_letters);

/* Dead letters taken at once: what bounds the memory of a retry. */
#define PAGE 500

/* Messages as ingest_write() takes them; one that was cut cannot become a row. */
static IngestMessage *
page_messages(List *letters)
{
	IngestMessage *messages = palloc0(sizeof(IngestMessage) * list_length(letters));
	int i = 0;
	ListCell *cell;

	foreach (cell, letters)
	{
		DeadLetter *letter = lfirst(cell);
		IngestMessage *message = &messages[i++];

		message->view = &letter->message;
		message->event_time = DT_NOBEGIN;
		if (letter->value_length <= (int64) letter->message.value_length &&
			(letter->value_length >= 0 || letter->message.key != NULL))
			continue;
		message->verdict = INGEST_DEAD;
		message->error.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		message->error.message = letter->value_length < 0
									 ? "the message has no payload that could be retried"
									 : "the value was cut, so that it cannot be retried";
	}
	return messages;
}

static void
retry_page(Ingest *ingest, List *letters, int64 *stored, int64 *dead)
{
	IngestMessage *messages = page_messages(letters);
	int n = list_length(letters);
	int done = 0;

	while (done < n)
	{
		IngestCounts counts = {0};
		int took = ingest_write(ingest, n - done, messages + done, true, &counts);

		for (int i = done; i < done + took; i++)
		{
			DeadLetter *letter = list_nth(letters, i);

			if (messages[i].verdict == INGEST_DEAD)
			{
				dead_letter_failed_again(letter->id, &messages[i].error);
				(*dead)++;
			}
			else
			{
				dead_letter_delete(letter->id);
				(*stored)++;
			}
		}
		/* What follows is tried anew: its verdicts were for a call that stopped before it. */
		for (int i = done + took; i < n; i++)
			if (messages[i].error.sqlstate != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
				messages[i].verdict = INGEST_PENDING;
		done += took;
	}
}

Datum
telemetry_retry_dead_letters(PG_FUNCTION_ARGS)
{
	Pipeline *pipeline;
	IngestOptions options;
	Ingest *ingest;
	ArrayType *ids = PG_ARGISNULL(2) ? NULL : PG_GETARG_ARRAYTYPE_P(2);
	int64 up_to = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);
	int64 after = 0;
	int64 stored = 0;
	int64 dead = 0;
	MemoryContext page = AllocSetContextCreate(CurrentMemoryContext, "telemetry dead letters",
											   ALLOCSET_DEFAULT_SIZES);
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "retry_dead_letters() returns no row");
	pipeline = admin_pipeline(fcinfo);
	options = ingest_options_of(pipeline);
	ingest = ingest_open(&options, CurrentMemoryContext);
	for (;;)
	{
		MemoryContext old;
		List *letters;

		MemoryContextReset(page);
		letters = dead_letter_fetch(pipeline->id, after, up_to, ids, PAGE, page);
		if (letters == NIL)
			break;
		after = ((DeadLetter *) llast(letters))->id;
		old = MemoryContextSwitchTo(page);
		retry_page(ingest, letters, &stored, &dead);
		MemoryContextSwitchTo(old);
	}
	ingest_close(ingest);
	values[0] = Int64GetDatum(stored);
	values[1] = Int64GetDatum(dead);
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
