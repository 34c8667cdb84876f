/*
 * One call for one batch: decode, check, write, in the owner's name.
 */
#include "ingest/ingest.h"

#include "access/xact.h"
#include "base/crash.h"
#include "base/epoch.h"
#include "base/sqlstate.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Messages that a careful call looks at: the first one, and the least and most of the others. */
#define FIRST_CAREFUL_MESSAGES 4096
#define LEAST_CAREFUL_MESSAGES 128
#define MOST_CAREFUL_MESSAGES  65536

/* What care costs a batch, in rows: its chunks' beginnings and ends. */
#define COST_OF_CARE 15

static TimestampTz
event_time(const Ingest *ingest, const Datum *values, const bool *isnull)
{
	int column = ingest->event_time - 1;

	if (ingest->event_time == InvalidAttrNumber || isnull[column])
		return DT_NOBEGIN;
	if (ingest->event_time_type == DATEOID)
	{
		DateADT date = DatumGetDateADT(values[column]);

		if (DATE_IS_NOBEGIN(date))
			return DT_NOBEGIN;
		/* Dates reach farther than timestamps: to the year 5,874,897. */
		if (date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return DT_NOEND;
		return (TimestampTz) date * USECS_PER_DAY;
	}
	return DatumGetTimestampTz(values[column]);
}

/* A clock that runs far ahead must not move the watermark: such an event is bad. */
static bool
is_ahead(const Ingest *ingest, IngestMessage *message, TimestampTz now)
{
	const MessageView *view = message->view;
	TimestampTz reference = now;

	if (ingest->options.max_ahead_us < 0 || message->event_time == DT_NOBEGIN)
		return false;
	if (view->append_time)
		(void) epoch_time_of_ms(view->timestamp_ms, &reference);
	if (message->event_time <= reference + ingest->options.max_ahead_us)
		return false;
	message->verdict = INGEST_DEAD;
	message->error.sqlstate = ERRCODE_DATETIME_FIELD_OVERFLOW;
	message->error.column = ingest->event_time_column;
	message->error.constraint = NULL;
	message->error.message =
		psprintf("event time %s lies more than max_ahead (%lld s) after %s %s",
				 pstrdup(timestamptz_to_str(message->event_time)),
				 (long long) (ingest->options.max_ahead_us / USECS_PER_SEC),
				 view->append_time ? "the broker's time of receipt" : "the time of ingestion",
				 pstrdup(timestamptz_to_str(reference)));
	return true;
}

/* Decodes what is pending. Returns the rows, in the messages' order. */
static IngestRow *
decode(Ingest *ingest, int n, IngestMessage *messages, int *nrows)
{
	const MessageView **views =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(MessageView *) * n);
	SourceResult *results = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SourceResult) * n);
	int *which = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n);
	IngestRow *rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(IngestRow) * n);
	TimestampTz now = GetCurrentTimestamp();
	int pending = 0;

	for (int i = 0; i < n; i++)
		if (messages[i].verdict == INGEST_PENDING)
		{
			which[pending] = i;
			views[pending++] = messages[i].view;
		}
	source_rows(ingest->source, pending, views, results);
	*nrows = 0;
	for (int i = 0; i < pending; i++)
	{
		IngestMessage *message = &messages[which[i]];
		SourceResult *result = &results[i];

		switch (result->verdict)
		{
			case SOURCE_NO_ROW:
				message->verdict = INGEST_SKIPPED;
				break;
			case SOURCE_BAD:
				message->verdict = INGEST_DEAD;
				message->error = result->error;
				break;
			case SOURCE_ROW:
				message->event_time = event_time(ingest, result->values, result->isnull);
				if (is_ahead(ingest, message, now))
					break;
				message->verdict = INGEST_STORED;
				rows[*nrows].message = which[i];
				rows[*nrows].left_out = false;
				rows[*nrows].values = result->values;
				rows[*nrows].isnull = result->isnull;
				rows[*nrows].event_time = message->event_time;
				(*nrows)++;
		}
	}
	return rows;
}

/* As a failed chunk leaves no version behind, what another one was given is looked up again. */
static void
make_versions(Ingest *ingest, IngestRow *rows, int n)
{
	if (!ingest->assigned)
		dimensions_assign_versions(ingest, rows, n);
	ingest->assigned = ingest->assigned && !dimensions_have_news(ingest, rows, n);
	dimensions_write_versions(ingest, rows, n);
}

/*
 * The one place that all rows of a batch come by, whichever path writes them. Deferred constraints
 * and triggers fire at the end of the INSERT, as the owner: left to the commit they would run as
 * somebody else, which PostgreSQL refuses in a security-restricted operation.
 */
static int64
write_rows(Ingest *ingest, IngestRow *rows, int n)
{
	ConstraintsSetStmt immediate = {.type = T_ConstraintsSetStmt};
	int64 written;

	ingest->current = -1;
	AfterTriggerSetState(&immediate);
	if (dimensions_keep_versions(ingest))
		make_versions(ingest, rows, n);
	if (ingest->options.create_partitions != PARTITIONS_BY_HAND)
	{
		partitions_ensure(ingest, rows, n);
		crash_point("partitions_ensured");
	}
	written = ingest->fast ? fast_insert(ingest, rows, n) : executor_insert(ingest, rows, n);
	ingest->current = -1;
	dimensions_update(ingest, rows, n);
	return written;
}

/* A policy's refusal, told from a missing right by its text before translation. */
static bool
is_policy_violation(const ErrorData *error)
{
	static const char text[] = "new row violates row-level security policy";

	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE && error->message_id &&
		   strncmp(error->message_id, text, sizeof(text) - 1) == 0;
}

/* A policy's refusal is the row's fault, though its SQLSTATE is that of a missing right. */
int64
insert_rows(Ingest *ingest, IngestRow *rows, int n)
{
	volatile int64 written = 0;
	MemoryContext context = CurrentMemoryContext;

	if (!ingest->row_security)
		return write_rows(ingest, rows, n);
	PG_TRY();
	{
		written = write_rows(ingest, rows, n);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!is_policy_violation(error))
			PG_RE_THROW();
		FlushErrorState();
		error->sqlerrcode = ERRCODE_WITH_CHECK_OPTION_VIOLATION;
		ReThrowError(error);
	}
	PG_END_TRY();
	return written;
}

static void
count(const IngestMessage *messages, int n, IngestCounts *counts)
{
	for (int i = 0; i < n; i++)
	{
		counts->dead += messages[i].verdict == INGEST_DEAD;
		counts->skipped += messages[i].verdict == INGEST_SKIPPED;
	}
}

/* What care has moved about, too: a row knows its message. */
static void
mark_left_out(IngestMessage *messages, const IngestRow *rows, int n)
{
	for (int i = 0; i < n; i++)
		messages[rows[i].message].left_out =
			rows[i].left_out && messages[rows[i].message].verdict == INGEST_STORED;
}

/*
 * A batch that fails was decoded, and written up to its bad row, in vain; so much is lost as often
 * as one of its rows is bad. How often that is, the last bad ones tell, or the rows since.
 */
bool
ingest_needs_care(const Ingest *ingest, int n)
{
	int64 gap = Max(ingest->bad.gap, ingest->bad.since);

	if (aside_too_often(ingest))
		return true;
	return ingest->bad.gap > 0 && (int64) n * n > COST_OF_CARE * gap;
}

/* What is not written in this call need not be decoded for it. */
static int
look_at(const Ingest *ingest, int n, bool careful)
{
	if (!careful)
		return n;
	return Min(n, ingest->bad.window > 0 ? ingest->bad.window : FIRST_CAREFUL_MESSAGES);
}

/* Locks first, validity afterwards; then the owner's scope. */
static void
enter(Ingest *ingest, OwnerScope *scope)
{
	bool anew = dimensions_lock(ingest);

	anew |= target_lock(&ingest->options);
	if (anew && !ingest->valid)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("source or target %s changed before rows were written",
							   ingest->target_name)));
	/* The fast path looks at each partition that it writes into. */
	if (!ingest->fast && !ingest->storage_known)
		target_check_storage(ingest);
	ResetExprContext(ingest->econtext);
	owner_begin(scope, ingest->options.owner);
	ingest_check_rights(ingest);
}

static void
forget_prepared(Ingest *ingest)
{
	ingest->prepared.messages = NULL;
	ingest->prepared.resolved = NULL;
	MemoryContextReset(ingest->prepared.context);
}

void
ingest_forget(Ingest *ingest)
{
	forget_prepared(ingest);
	ingest->alone = false;
}

static bool
is_prepared(const Ingest *ingest, int n, const IngestMessage *messages)
{
	const Prepared *prepared = &ingest->prepared;

	return prepared->messages && prepared->n == n &&
		   prepared->messages[0].view == messages[0].view &&
		   prepared->messages[n - 1].view == messages[n - 1].view;
}

/* Keeps verdicts and rows beyond the transaction. */
static void
prepare(Ingest *ingest, int n, IngestMessage *messages)
{
	Prepared *prepared = &ingest->prepared;
	MemoryContext old;

	if (is_prepared(ingest, n, messages))
	{
		memcpy(messages, prepared->messages, sizeof(IngestMessage) * n);
		return;
	}
	forget_prepared(ingest);
	old = MemoryContextSwitchTo(prepared->context);
	prepared->n = n;
	prepared->at = 0;
	prepared->rows = decode(ingest, n, messages, &prepared->nrows);
	prepared->messages = MemoryContextAllocHuge(prepared->context, sizeof(IngestMessage) * n);
	memcpy(prepared->messages, messages, sizeof(IngestMessage) * n);
	MemoryContextSwitchTo(old);
}

/*
 * The rows of messages[0..n) out of what was prepared, of which these messages are a part; NULL:
 * they are not. A copy, since care reorders them. Calls for one batch go forward only.
 */
static IngestRow *
prepared_part(Ingest *ingest, int n, IngestMessage *messages, int *nrows)
{
	Prepared *prepared = &ingest->prepared;
	IngestRow *rows;
	int row = 0;

	if (prepared->messages == NULL)
		return NULL;
	while (prepared->at < prepared->n && prepared->messages[prepared->at].view != messages[0].view)
		prepared->at++;
	if (prepared->at + n > prepared->n)
		return NULL;
	memcpy(messages, prepared->messages + prepared->at, sizeof(IngestMessage) * n);
	for (int end = prepared->nrows; row < end;)
	{
		int middle = row + (end - row) / 2;

		if (prepared->rows[middle].message < prepared->at)
			row = middle + 1;
		else
			end = middle;
	}
	rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(IngestRow) * n);
	for (*nrows = 0; row < prepared->nrows && prepared->rows[row].message < prepared->at + n; row++)
	{
		rows[*nrows] = prepared->rows[row];
		rows[(*nrows)++].message -= prepared->at;
	}
	return rows;
}

/* The same of a target without dimensions: what is decoded for the happy path serves care, too. */
static IngestRow *
take_plain_rows(Ingest *ingest, int n, IngestMessage *messages, bool careful, int *nrows)
{
	IngestRow *rows;

	if (!careful)
	{
		prepare(ingest, n, messages);
		*nrows = ingest->prepared.nrows;
		return ingest->prepared.rows;
	}
	rows = prepared_part(ingest, n, messages, nrows);
	return rows ? rows : decode(ingest, n, messages, nrows);
}

/*
 * What makes versions holds their dimensions' locks exclusively, from the start: a lock that became
 * a stronger one would be a deadlock of two that do. True: a new transaction is needed for it.
 */
static bool
be_alone(Ingest *ingest)
{
	if (ingest->alone || !dimensions_keep_versions(ingest))
		return false;
	ingest->alone = true;
	return true;
}

bool
ingest_make_members(Ingest *ingest, int n, IngestMessage *messages, bool careful)
{
	Prepared *prepared = &ingest->prepared;
	OwnerScope scope;
	MemoryContext old;
	IngestRow *rows;
	int nrows;
	bool made;

	if (ingest->ndimensions == 0 || n == 0)
		return false;
	/* Its chunks may make versions that the whole does not. */
	if (careful && be_alone(ingest))
		return true;
	n = look_at(ingest, n, careful);
	enter(ingest, &scope);
	ingest->careful = careful;
	ingest->assigned = false;
	prepared->resolved = NULL;
	old = MemoryContextSwitchTo(prepared->context);
	rows = prepared_part(ingest, n, messages, &nrows);
	if (rows == NULL)
	{
		prepare(ingest, n, messages);
		rows = prepared_part(ingest, n, messages, &nrows);
	}
	made = dimensions_resolve(ingest, messages, rows, &nrows, true);
	if (!made && !careful && dimensions_keep_versions(ingest))
	{
		dimensions_assign_versions(ingest, rows, nrows);
		ingest->assigned = true;
		made = dimensions_have_news(ingest, rows, nrows) && be_alone(ingest);
	}
	if (!made)
	{
		prepared->resolved = MemoryContextAllocHuge(prepared->context, sizeof(IngestMessage) * n);
		memcpy(prepared->resolved, messages, sizeof(IngestMessage) * n);
		prepared->nresolved = n;
		prepared->resolved_rows = rows;
		prepared->nresolved_rows = nrows;
	}
	MemoryContextSwitchTo(old);
	target_check_names(ingest);
	owner_end(&scope);
	return made;
}

/* The rows of messages[0..n), decoded and resolved, now or before; care may reorder them. */
static IngestRow *
take_rows(Ingest *ingest, int n, IngestMessage *messages, bool careful, int *nrows)
{
	Prepared *prepared = &ingest->prepared;
	const IngestMessage *resolved = prepared->resolved;
	IngestRow *rows;

	if (ingest->ndimensions == 0)
		return take_plain_rows(ingest, n, messages, careful, nrows);
	prepared->resolved = NULL;
	if (resolved && prepared->nresolved == n && resolved[0].view == messages[0].view)
	{
		memcpy(messages, resolved, sizeof(IngestMessage) * n);
		*nrows = prepared->nresolved_rows;
		return prepared->resolved_rows;
	}
	ingest->assigned = false;
	rows = decode(ingest, n, messages, nrows);
	if (*nrows > 0)
		(void) dimensions_resolve(ingest, messages, rows, nrows, false);
	return rows;
}

int
ingest_write(Ingest *ingest, int n, IngestMessage *messages, bool careful, IngestCounts *counts)
{
	OwnerScope scope;
	IngestRow *rows;
	int64 written = 0;
	int64 handed = 0;
	int nrows = 0;
	int done;

	n = look_at(ingest, n, careful);
	done = n;
	/* Nobody may have looked yet whether it makes versions. */
	if (ingest->prepared.resolved == NULL)
		(void) be_alone(ingest);
	enter(ingest, &scope);
	ingest->careful = careful;
	ingest->aside_room = 0; /* an error may have left it */
	ingest->bad.seen |= careful;
	rows = cast_rows(ingest, messages, take_rows(ingest, n, messages, careful, &nrows), &nrows);
	if (nrows > 0 && !careful)
	{
		hopeful_insert(ingest, messages, rows, nrows, CurrentMemoryContext, &written, &handed);
		mark_left_out(messages, rows, nrows);
	}
	else if (nrows > 0)
	{
		int dealt;

		dimensions_lock_members(ingest, rows, nrows);
		dealt =
			careful_insert(ingest, messages, rows, nrows, CurrentMemoryContext, &written, &handed);
		mark_left_out(messages, rows, dealt);

		if (dealt < nrows)
			done = rows[dealt].message;
		/* A little more than this call came to; what is decoded beyond that is decoded again. */
		ingest->bad.window = dealt < nrows ? Max(done + done / 4, LEAST_CAREFUL_MESSAGES)
										   : Min(2 * n, MOST_CAREFUL_MESSAGES);
	}
	target_check_names(ingest);
	owner_end(&scope);
	crash_point("ingest_written");

	counts->stored += written;
	if (ingest->options.ignore_conflicts)
		counts->duplicates += handed - written;
	else
		counts->suppressed += handed - written;
	count(messages, done, counts);
	return done;
}
