/*
 * The upsert of upsert.c, for those who have rules of their own for what becomes of a row.
 */
#ifndef TELEMETRY_VIEW_UPSERT_INTERNAL_H
#define TELEMETRY_VIEW_UPSERT_INTERNAL_H

#include "postgres.h"

#include "access/genam.h"
#include "nodes/execnodes.h"
#include "utils/tuplestore.h"
#include "view/known.h"

typedef struct Upsert Upsert;

typedef struct UpsertRules
{
	/* What the row that is there (old) becomes by delta; NULL: it stays, and is locked. */
	TupleTableSlot *(*change)(Upsert *upsert);
	/* What is inserted where none is there. */
	TupleTableSlot *(*fresh)(Upsert *upsert);
	/* It was done: old became row; NULL: it was locked. Or (old is empty) row was inserted. */
	void (*done)(Upsert *upsert, TupleTableSlot *row);
} UpsertRules;

/* The delta is merged, and groups are kept as they were and as they are where argument says. */
typedef struct BeforeAndAfter
{
	Tuplestorestate *old; /* or NULL, as new */
	Tuplestorestate *new;
} BeforeAndAfter;

extern const UpsertRules upsert_keeping_both;

struct Upsert
{
	KnownView *view;
	const UpsertRules *rules; /* NULL: delta is merged into what is there */
	void *argument;           /* of theirs */
	/* Deltas may take away all rows of a group, which goes then. */
	bool takes_away;
	EState *estate;
	ResultRelInfo *rri;
	Relation state;
	Relation index; /* over the keys */
	CommandId command;
	Snapshot snapshot;
	IndexScanDesc scan;  /* NULL: nothing was looked up in the index by now */
	BlockNumber nblocks; /* of the state, at the beginning */
	ScanKey keys;
	TupleTableSlot *delta;     /* the row that is merged into the state */
	TupleTableSlot *old;       /* the group as it is there */
	ProjectionInfo *merge;     /* of old and delta */
	Tuplestorestate *inserted; /* gets the rows of new groups; or NULL */
	int new_in_a_row;
	bool all_new;                   /* no group of this fold was there */
	uint32 token;                   /* of speculative insertions; 0: none is held */
	struct BulkInsertStateData *at; /* the page that new rows go to; NULL: not known */
	uint32 hash;                    /* of delta's keys */
};

/* False if it is not to be done in this way: then it is not begun. */
extern bool upsert_begin(Upsert *upsert);
extern void upsert_end(Upsert *upsert);

/* What merging the two gives, as a row of the state; for a moment. */
extern TupleTableSlot *upsert_merged(Upsert *upsert, TupleTableSlot *one, TupleTableSlot *other);

/* The row of delta, which must be ordered as sorted rows are. */
extern void upsert_take(Upsert *upsert);

/* Are outer and inner row of the context of the same group? */
extern ExprState *upsert_same_group(const Upsert *upsert);

#endif
