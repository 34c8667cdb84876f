/*
 * CREATE INDEX ON a continuous view: the statement that makes the same index on a table of its
 * state.
 */
#ifndef TELEMETRY_VIEW_VIEW_INDEX_H
#define TELEMETRY_VIEW_VIEW_INDEX_H

#include "postgres.h"

#include "catalog/view.h"
#include "nodes/parsenodes.h"

/*
 * Checks what PostgreSQL does not check for a superuser, as whom the statement is run: only with
 * those rights is an index made in the extension's schema.
 */
extern void view_index_check(const ViewRow *row, const IndexStmt *index);

/* For one of the tables. Analysed, so that no code of the user's is left to run at that. */
extern IndexStmt *view_index_on(const ViewRow *row, Oid table, const IndexStmt *index,
								const char *text);

/* Of a view of sessions there are two tables, and so the index that has a name has another. */
extern char *view_index_of_earlier(const char *name);

/* What DROP INDEX names, with the schema of those that stand on a state table. */
extern List *view_index_names(const List *names);

#endif
