/*
 * The queries and statements that a continuous view is made of.
 */
#ifndef TELEMETRY_VIEW_GENERATE_H
#define TELEMETRY_VIEW_GENERATE_H

#include "view/shape.h"
#include "view/known.h"

/* The query that gives rows of the state table's shape, of all rows of the target. */
extern Query *generate_partial(const ViewShape *shape);

/* CREATE TABLE of the state, and its unique index; name is qualified and quoted. */
extern char *generate_state_table(const ViewShape *shape, const char *name);

/* The other tables; and of a view of sessions the query that all sessions come from. */
extern char *generate_expired_table(const ViewShape *shape, const char *name);
extern char *generate_expired_index(const char *name);
extern char *generate_earlier_table(const ViewShape *shape, const char *name);
extern char *generate_all_sessions(const ViewShape *shape, const char *state, const char *earlier,
								   const char *expired);
extern char *generate_state_index(const ViewShape *shape, const char *name);

/* What users read: the definition's select list over the state table. */
extern Query *generate_public(ViewShape *shape, const char *state);

/* A query, over rows of the name DELTA_ROWS instead of the relation. */
extern Query *generate_delta(Query *original, Oid source);

#define DELTA_ROWS "telemetry_delta"
#define PLUS_ROWS  "telemetry_plus"
#define MINUS_ROWS "telemetry_minus"
#define DIRTY_ROWS "telemetry_dirty"

/*
 * Merges partial rows into the state: of PLUS_ROWS, and if minus takes away those of MINUS_ROWS.
 * gathered: each group has one row there already. Returns ctid and all columns of each row it
 * wrote, if wanted or minus. Not into a state that others write: every row is locked in the order
 * of the keys.
 */
extern char *generate_fold(const KnownView *view, bool plus, bool minus, bool wanted,
						   bool gathered);

/*
 * An UPDATE that never runs, for its expressions: the rows d merged into the rows s of the state.
 */
extern char *generate_merge(const KnownView *view);

/*
 * Locks the groups of PLUS_ROWS and MINUS_ROWS, in order, making those that are not there, with a
 * count of 0; returns their columns as they are.
 */
extern char *generate_lock(const KnownView *view, bool plus, bool minus);

/*
 * Of a view that keeps rows: adds PLUS_ROWS; takes away one row for each of MINUS_ROWS, but for
 * those that are gone already, whose hashes $1 has, and returns the hashes of those that it took.
 * wait: for rows that somebody else has.
 */
extern char *generate_append(const KnownView *view);
extern char *generate_remove(const KnownView *view, bool wait);

/* A row if any of those that are left to take away are there. */
extern char *generate_left(const KnownView *view);

/* A condition on MINUS_ROWS: values that cannot be taken away. NULL: all can. */
extern char *generate_unsafe(const KnownView *view);

/*
 * A SELECT that never runs, for its expressions: of a row of the state what merging takes it away
 * by, column by column, and whether it has a value that cannot be taken away.
 */
extern char *generate_negation(const KnownView *view);

/*
 * Of each group of PLUS_ROWS and MINUS_ROWS, in the order of the fold, whether it has to be
 * computed anew; apart as in PendingView. Of a view that has such groups.
 */
extern char *generate_dirty(const KnownView *view, bool apart);

/*
 * Sets the rows of DIRTY_ROWS (ctid and keys) to what target and expired partitions give; returns
 * ctid and all columns.
 */
extern char *generate_recompute(const KnownView *view);

/* What expired partitions contributed, into an empty state. */
extern char *generate_reset(const KnownView *view);

/* All of the state anew. */
extern char *generate_rebuild(const KnownView *view);

/* What column i stands for, of a row of the state's shape. */
extern char *generate_shown(const KnownView *view, int i);

/* The state's columns of a table that has them; and what they should be, of all rows. */
extern char *generate_columns(const KnownView *view, const char *table);
extern char *generate_whole(const KnownView *view);

#endif
