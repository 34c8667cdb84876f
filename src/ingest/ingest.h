/*
 * One batch of messages becomes rows of a target table.
 *
 * The caller owns the transaction: it opens one, calls ingest_write(), records dead letters and
 * offsets, and commits, so that all of it happens or nothing does. Rows are written by one of two
 * paths that mean the same (ingest/README.md): our own multi-insert, or INSERT ... SELECT from the
 * batch where the target needs all of the executor.
 */
#ifndef TELEMETRY_INGEST_INGEST_H
#define TELEMETRY_INGEST_INGEST_H

#include "postgres.h"

#include "catalog/pipeline.h"
#include "datatype/timestamp.h"
#include "decode/decoder.h"
#include "fdw/source.h"
#include "utils/resowner.h"

typedef enum PartitionUnit
{
	PARTITIONS_BY_HAND, /* a row without a partition is a bad row */
	PARTITIONS_BY_HOUR,
	PARTITIONS_BY_DAY,
	PARTITIONS_BY_MONTH
} PartitionUnit;

typedef struct IngestOptions
{
	Oid source;
	Oid target;
	Oid owner;             /* everything is done as this role */
	bool ignore_conflicts; /* on_conflict 'ignore' */
	PartitionUnit create_partitions;
	const char
		*event_time_column; /* a source column of type timestamptz, timestamp or date; or NULL */
	int64 max_ahead_us;     /* how far an event time may lie in the future; -1: any */
} IngestOptions;

/* What a pipeline's row says. The strings are the pipeline's. */
extern IngestOptions ingest_options_of(const Pipeline *pipeline);

typedef enum IngestVerdict
{
	INGEST_PENDING = 0, /* not looked at yet */
	INGEST_STORED,  /* handed to the target (a trigger or a conflict may still have left it out) */
	INGEST_SKIPPED, /* a tombstone that means nothing here */
	INGEST_DEAD     /* bad: *error says why */
} IngestVerdict;

/* A message and what became of it. */
typedef struct IngestMessage
{
	const MessageView *view; /* set by the caller */
	IngestVerdict verdict;
	bool left_out;          /* INGEST_STORED: as far as is known, a trigger or a conflict did */
	TimestampTz event_time; /* DT_NOBEGIN: none. Set for stored rows */
	DecodeError error;      /* INGEST_DEAD */
} IngestMessage;

typedef struct IngestCounts
{
	int64 stored;     /* rows that the target took */
	int64 duplicates; /* rows that on_conflict 'ignore' left out */
	int64 suppressed; /* rows that a BEFORE trigger or rule left out */
	int64 dead;
	int64 skipped;
} IngestCounts;

typedef struct Ingest Ingest;

/*
 * Opens source and target and checks that they fit: columns map by name; each source column must
 * have a target column of the same name to which its type is assignment-castable... exactly what
 * fits is said in docs/pipelines.md. ereports with the whole list of what does not fit, so
 * create_pipeline() calls it as well. Needs a transaction; lives in a new context below parent.
 */
extern Ingest *ingest_open(const IngestOptions *options, MemoryContext parent);
extern void ingest_close(Ingest *ingest);

/*
 * As ingest_open(), and everything that ingest_write() locks is locked till the end of the
 * transaction: for a caller who cannot begin anew with a new transaction when what was opened was
 * altered before it was locked.
 */
extern Ingest *ingest_open_locked(const IngestOptions *options, MemoryContext parent);

/*
 * False once source or target, or what their definitions rest on, changed (or ingest is NULL):
 * close and open anew. Locks both until the end of the transaction first, so that the answer stays
 * true.
 */
extern bool ingest_is_valid(const Ingest *ingest);

/*
 * True once this process was told that any of that changed. Takes no lock, and needs no
 * transaction.
 */
extern bool ingest_was_altered(const Ingest *ingest);

/* Lets ingest_is_valid() say no. */
extern void ingest_invalidate(Ingest *ingest);

/*
 * ereports unless the owner may read the source and insert what it delivers: rights may have been
 * revoked since the last batch.
 */
extern void ingest_check_rights(const Ingest *ingest);

extern Source *ingest_source(const Ingest *ingest);

/* "fast" or "executor", and why not fast (NULL for fast); for stat_pipeline. */
extern const char *ingest_path(const Ingest *ingest, const char **reason);

/*
 * Decodes and writes messages[0..n). Inside the caller's transaction, under the owner's rights in a
 * security-restricted operation; deferred constraints and triggers have fired on return.
 *
 * careful = false is the happy path: no subtransaction but one around all casts, and for rows that
 * are known to be refused (a key that is there already, one that a foreign key misses, NOT NULL,
 * CHECK, no partition) before they are written; errors that decoding sees by itself become
 * verdicts, anything else is thrown. On a data error (base/sqlstate.h) the caller aborts and calls
 * again, in a new transaction, with careful = true: now rows go in by chunks in subtransactions
 * until the bad ones are known. At most 60 subtransactions are left behind and 65,536 messages
 * looked at, so it may stop early: returns how many messages (a prefix) are done; the caller
 * commits those and calls again for the rest, whose verdicts it sets back to INGEST_PENDING. An
 * error that no single row reproduces is thrown in either mode. Deferrable constraints are checked
 * at the end of the batch, or of a chunk, and are left immediate in the transaction (a guest's are
 * not, below).
 *
 * *counts is added to, for the messages done.
 */
extern int ingest_write(Ingest *ingest, int n, IngestMessage *messages, bool careful,
						IngestCounts *counts);

/*
 * Before ingest_write() of the same messages with the same n and careful, in a transaction that has
 * written nothing: makes the dimensions' members that they lack. True: it made some, and the caller
 * commits them, so that no other writer waits for them for as long as a batch takes, and calls
 * again in a new transaction (with verdicts set back). False: ingest_write() may follow in this
 * transaction, and decodes nothing twice. Without this call ingest_write() makes them itself.
 */
extern bool ingest_make_members(Ingest *ingest, int n, IngestMessage *messages, bool careful);

/* The batch is done: lets go what was decoded and kept in case that it has to be written again. */
extern void ingest_forget(Ingest *ingest);

/*
 * After a pipeline into that target is gone: takes the guards off the dimensions that no other
 * pipeline can look up. One that is in use keeps its guard, with a notice.
 */
extern void ingest_remove_guards(Oid target);

/* What columns of the target are looked up where, for stat_pipeline; palloc'd, "" for none. */
extern char *ingest_dimensions(const Ingest *ingest);

/* True if bad rows came so often of late that a batch of n is better written carefully at once. */
extern bool ingest_needs_care(const Ingest *ingest, int n);

/*
 * Around calls of ingest_write() in a transaction that others work in as well. begin() refuses one
 * with unchecked deferred constraints, and starts a subtransaction; end() keeps what was written
 * and brings SET CONSTRAINTS back to what it was. After an error: abort(), then throw it on.
 */
typedef struct IngestGuest
{
	MemoryContext context;
	ResourceOwner owner;
} IngestGuest;

extern void ingest_guest_begin(IngestGuest *guest);
extern void ingest_guest_end(const IngestGuest *guest);
extern void ingest_guest_abort(const IngestGuest *guest);

#endif
