/*
 * Partial rows that this transaction's statements gave, until its commit folds them.
 *
 * Kept by subtransaction: what is rolled back to a savepoint is forgotten, what is released goes to
 * the surrounding one.
 */
#ifndef TELEMETRY_VIEW_PENDING_H
#define TELEMETRY_VIEW_PENDING_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

typedef struct PendingView
{
	Oid view;
	Oid target;
	bool superseded;        /* what happened before in this transaction does not count */
	bool emptied;           /* since the table was truncated then */
	bool apart;             /* no row goes that came in this transaction */
	int collected;          /* by how many statements: after one, each group has one row */
	Tuplestorestate *plus;  /* partial rows of what came; NULL: none */
	Tuplestorestate *minus; /* of what went */
	TupleDesc desc;
} PendingView;

/* Of the current subtransaction; made if it is not there. */
extern PendingView *pending_view(Oid view, Oid target, TupleDesc desc);

/* The store to put partial rows into. */
extern Tuplestorestate *pending_store(PendingView *pending, bool minus);

/* Adds all rows of one store to another. */
extern void pending_copy_rows(Tuplestorestate *from, Tuplestorestate *to, TupleDesc desc);

/*
 * What came and went before does not count: the table was emptied, or else the state was computed
 * anew from the table as it is.
 */
extern void pending_supersede(PendingView *pending, bool emptied);

/* True if something waits to be folded. */
extern bool pending_any(void);

/*
 * PendingView *, one for each view, of all levels together. Not one level after the other: a group
 * that is computed anew for an outer level has the rows of the inner ones in it already.
 */
extern List *pending_all(void);

/* Nothing waits any more. */
extern void pending_forget(void);

/* at_commit is called before the commit, while queries can still run. */
extern void pending_init(void (*at_commit)(void));

#endif
