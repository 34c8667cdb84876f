/*
 * The shape of a continuous view: what its query groups by, and the mergeable columns that its
 * aggregates are kept in.
 *
 * A query without aggregates and GROUP BY is kept as its rows, each with a hash of all of it, by
 * which a DELETE finds one that equals the row that went. Any other query SELECT <expressions over
 * keys and aggregates> FROM target WHERE ... GROUP BY keys HAVING ... is kept as a state table of
 * one row per group keys..., _count (all rows of the group), components of the aggregates... of
 * which the partial query gives rows for any set of the target's rows, which merge with what is
 * there, and from whose rows the final expressions give back what the query says.
 */
#ifndef TELEMETRY_VIEW_SHAPE_H
#define TELEMETRY_VIEW_SHAPE_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "session/session.h"

/*
 * How a component is merged. In the templates {a} and {b} stand for the two values, {at} and {bt}
 * for the values of the next column beside them, {au} and {bu} for those of the one after that,
 * {ap} and {bp} for those of the one before; {room} for the bytes that a value aside may have.
 */
typedef struct ComponentKind
{
	const char *name;   /* as telemetry._view.components keeps it */
	const char *merge;  /* expression of two values, either of which may be NULL */
	const char *gather; /* aggregate over values {a}: what merging them all gives */
	const char *negate; /* of a value, so that merging takes it away; NULL: recompute the group */
	const char *unsafe; /* condition on a value that cannot be taken away by negate; NULL: none */
	const char *whole;  /* what it stands for, where that is not the value alone; NULL: it is */
	bool aside;         /* what came to the next column, see type/aside.h */
} ComponentKind;

extern const ComponentKind *component_kind(const char *name);

/* What stands for {a}, ... */
typedef struct ComponentNames
{
	const char *a;
	const char *b;
	const char *at;
	const char *bt;
	const char *au;
	const char *bu;
	const char *ap;
	const char *bp;
	const char *room;
} ComponentNames;

/* Sketches of a row have so many bytes aside together: it is to stay in its page whole. */
#define COMPONENT_ROOM 1600

extern char *component_expand(const char *template, const ComponentNames *names);

/* A column of the state table. */
typedef struct StateColumn
{
	char *name;
	Oid type;
	int32 typmod;
	Oid collation;
	Expr *partial;             /* over the target's rows */
	const ComponentKind *kind; /* NULL: a key, or the count of rows */
} StateColumn;

/*
 * Values that are counted once a group: kept by a helper, a view of its own with one row per group
 * and value. What appears and disappears there is added to columns of the view's state.
 */
typedef struct DistinctHelper
{
	List *values; /* of Expr *: one, or the fields of a row */
	Expr *filter;
	StateColumn *count; /* columns that it feeds; NULL: none */
	StateColumn *sum;
	Query *query; /* SELECT keys, values FROM ... GROUP BY keys, values */
} DistinctHelper;

/* One distinct aggregate of the query. */
typedef struct ViewAggregate
{
	Aggref *aggref;
	char *final_sql; /* its value, over the state table as s */
	Expr *final;     /* the same, analysed */
} ViewAggregate;

typedef struct ViewShape
{
	Query *query; /* the definition */
	const char *source_text;
	Oid target;
	int target_rti;
	bool rows;        /* no aggregates: a filter or a reshape, whose rows are kept as they are */
	List *keys;       /* of StateColumn * */
	List *groups;     /* of SortGroupClause *, one for each key */
	List *columns;    /* of StateColumn *: all of the state table, keys first */
	List *aggregates; /* of ViewAggregate * */
	List *helpers;    /* of DistinctHelper * */
	SessionWindow *session; /* NULL: its groups are no sessions; else the columns behind the count
							 * are the first event's time and the session's reach; and
							 * the last event's time, where events end sessions */
} ViewShape;

/* ereports what cannot be kept, with its position. source_text may be NULL. */
extern ViewShape *shape_analyse(Query *query, const char *source_text);

/* ereports if it calls what may give another result next time: a function may have become so. */
extern void shape_require_stable(Query *query, Oid target);

/* Adds a session's first event and its reach. */
extern void aggregate_add_session(ViewShape *shape);

/* Adds what an aggregate is kept in to shape->columns. ereports if it cannot be kept. */
extern void aggregate_add(ViewShape *shape, Aggref *aggref);

/* The column of that value; added if no other aggregate has it already. */
extern StateColumn *shape_component(ViewShape *shape, const char *kind, Expr *partial);

/* A column that is no other's, even if that looks the same. */
extern StateColumn *shape_own_component(ViewShape *shape, const char *kind, Expr *partial);

/* For ereport: where in the statement a node stands. */
extern int shape_position(const ViewShape *shape, int location);

#endif
