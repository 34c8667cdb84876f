/*
 * Rows of telemetry._view: what a continuous view is made of.
 */
#ifndef TELEMETRY_CATALOG_VIEW_H
#define TELEMETRY_CATALOG_VIEW_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Where the parts of views are. */
#define STATE_SCHEMA "telemetry_state"

typedef enum ViewStatus
{
	VIEW_LIVE,     /* equals its query after every commit */
	VIEW_UNBUILT,  /* made WITH NO DATA, and holds nothing yet */
	VIEW_STALE,    /* a change was missed */
	VIEW_BROKEN,   /* its maintenance failed */
	VIEW_BUILDING, /* online, by a session that progress.c knows; without one: unbuilt */
	VIEW_SUSPENDED /* live but for telemetry.suspend(); never in the table */
} ViewStatus;

typedef struct ViewRow
{
	int id;
	Oid view;       /* what users read */
	Oid target;     /* whose rows it aggregates */
	Oid state;      /* one row per group */
	Oid definition; /* the query as it was written */
	Oid partial;    /* the query that gives rows of the state table's shape */
	Oid expired;    /* what dropped and detached partitions contributed */
	Oid earlier;    /* of a session view: all but the newest session of each key; or InvalidOid */
	Oid source;     /* what the view reads: the state, or all sessions */
	int nkeys;
	List *components; /* of char *: kinds of the columns behind keys and count */
	ViewStatus status;
	int feeds; /* the view that counts the values which this one keeps; 0: it is no helper */
	char *feeds_count; /* column of that view's state for their number; NULL: none */
	char *feeds_sum;   /* for their sum */
} ViewRow;

/* The next number, for names of a view's parts. */
extern int view_next_id(void);

extern void view_insert(const ViewRow *row);
/* For the table's trigger: true within view_insert(). */
extern bool view_insert_is_ours(void);
extern void view_delete(int id);
/* Of the view and its helpers. */
extern void view_set_status(int id, ViewStatus status, const char *reason);

/* By the view's OID; NULL: it is no continuous view. */
extern ViewRow *view_by_oid(Oid view, MemoryContext context);

/*
 * The table that a relation follows in the end: through views over views, itself if it is no
 * continuous view. *not_live, if not NULL: the first view on the way that is not live, or
 * InvalidOid.
 */
extern Oid view_table(Oid relation, Oid *not_live);

/* All views over a target (InvalidOid: over any), in the order in which they are folded. */
extern List *view_all(Oid target, MemoryContext context);

/* Helpers of a view: what keeps the distinct values that it counts. */
extern List *view_helpers(const ViewRow *row, MemoryContext context);

/* True while the extension is there, and has the table. */
extern bool view_catalog_exists(void);

#endif
