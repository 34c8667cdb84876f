/*
 * A source: a foreign table on a telemetry_kafka server, as the things that read it see it.
 *
 * source_open() reads options of server, user mapping, table and columns, and compiles the
 * decoder and the table's own constraints (NOT NULL and CHECK on the foreign table are
 * data-quality rules: a message that breaks one is a bad message).
 */
#ifndef TELEMETRY_FDW_SOURCE_H
#define TELEMETRY_FDW_SOURCE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "decode/decoder.h"
#include "kafka/kafka.h"

typedef struct Source
{
	Oid relid;
	char *relation; /* "schema"."table", quoted, for messages */
	Oid server;
	char *topic;
	DecodeFormat format;
	bool skip_errors; /* on_error 'skip' */
	bool compacted; /* compact 'true': a tombstone is a row of NULLs and its key; else it is skipped
					 */
	KafkaSettings settings; /* of server, user mapping and table together; holds secrets */
	TupleDesc desc;         /* copy of the foreign table's */
	Decoder *decoder;
	MemoryContext context;
	struct SourceChecks *checks; /* compiled CHECK constraints */
} Source;

/*
 * Reads the definition as userid would: user mapping of that role (or PUBLIC's). Everything lives
 * in a new context below parent. Needs a transaction; the Source outlives it. The caller watches
 * relcache, syscache (FOREIGNSERVEROID, USERMAPPINGOID) invalidations and opens it anew.
 */
extern Source *source_open(Oid relid, Oid userid, MemoryContext parent);
extern void source_close(Source *source);

/* ereports unless userid has SELECT on the table and USAGE on its server. */
extern void source_check_rights(Oid relid, Oid userid);

typedef enum SourceRow
{
	SOURCE_ROW,    /* values[]/isnull[] are filled */
	SOURCE_NO_ROW, /* nothing to store: a tombstone of a topic that is not declared compacted */
	SOURCE_BAD     /* *error says why */
} SourceRow;

/*
 * Decodes one message and applies NOT NULL and CHECK. May throw only where source_may_throw().
 */
extern SourceRow source_row(Source *source, const MessageView *message, Datum *values, bool *isnull,
							DecodeError *error);
extern bool source_may_throw(const Source *source);

/* After a throw out of source_row(): the column or the constraint that was at work, or NULL. */
extern void source_error_place(const Source *source, const char **column, const char **constraint);

/* One message's result in source_rows(). */
typedef struct SourceResult
{
	SourceRow verdict;
	DecodeError error; /* SOURCE_BAD */
	Datum *values;     /* SOURCE_ROW: desc->natts of them */
	bool *isnull;
} SourceResult;

/*
 * Decodes many. Where a row throws a data error, the rows after it go on in a new subtransaction:
 * one subtransaction for the batch and one per throwing row, none when source_may_throw() is
 * false. Errors that are not a row's fault (cancel, out of memory, ...) are passed on.
 * Allocates in the current context.
 */
extern void source_rows(Source *source, int n, const MessageView *const *messages,
						SourceResult *results);

#endif
