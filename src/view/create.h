/*
 * CREATE MATERIALIZED VIEW ... WITH (telemetry.continuous), and its REFRESH.
 */
#ifndef TELEMETRY_VIEW_CREATE_H
#define TELEMETRY_VIEW_CREATE_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"

/* True if the statement is one that makes a continuous view; takes the option out. */
extern bool is_create_continuous(CreateTableAsStmt *stmt);

/* Ereports where the options of something else ask for a continuous view. */
extern void refuse_continuous(List *options);

/*
 * ereports what the query has that cannot be kept up to date. The completion, if any, becomes
 * SELECT with the number of groups, before HAVING.
 */
extern void view_create(CreateTableAsStmt *stmt, const char *source_text,
						QueryCompletion *completion);

/* Computes all of it anew. with_data false: empties it, and no longer follows the target. */
extern void view_refresh(Oid view, bool with_data);

/* The same, whoever the user is. */
extern void view_rebuild(Oid view, bool with_data);

/* The same in transactions of its own, while the table is written. Only at top level. */
extern void view_refresh_concurrently(Oid view);

#endif
