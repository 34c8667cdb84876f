/*
 * What the parts of the fast path know together: a statement, and the buffers of its leaves.
 */
#ifndef TELEMETRY_INGEST_FAST_H
#define TELEMETRY_INGEST_FAST_H

#include "postgres.h"

#include "access/heapam.h"
#include "executor/execPartition.h"
#include "ingest/internal.h"
#include "utils/hsearch.h"

/* Rows of one leaf that are written together, and of all leaves before the fullest must go. */
#define LEAF_ROWS  1000
#define TOTAL_ROWS 20000

typedef struct Leaf
{
	ResultRelInfo *rri;
	TupleConversionMap *map; /* NULL: the root's layout */
	TupleDesc desc;          /* a copy */
	BulkInsertState bulk;
	bool after_row; /* row triggers, or transition tables, want each row */
	bool generated;
	bool checked;
	bool tried;     /* its rows are computed when its buffer is full */
	Screen *screen; /* made when it is needed */
	bool lenient;   /* rows that are in the table may leave it again */
	int n;
	List **recheck; /* careful: deferrable unique indexes that each row is to be checked by again */
	TupleTableSlot *slots[LEAF_ROWS];
	int rows[LEAF_ROWS]; /* -1: left out again */
} Leaf;

/* A row that is in its table, and has to leave it before anybody sees it. */
typedef struct Aside
{
	Relation relation;
	ItemPointerData tid;
} Aside;

typedef struct LeafEntry
{
	ResultRelInfo *rri; /* key */
	Leaf *leaf;
} LeafEntry;

typedef struct FastInsert
{
	Ingest *ingest;
	Relation target;
	EState *estate;
	ResultRelInfo *root;
	ModifyTableState *mtstate;
	PartitionTupleRouting *routing;
	TransitionCaptureState *capture;
	TupleTableSlot *slot; /* the row in the root's layout */
	CommandId command;
	List *leaves;
	HTAB *index; /* of leaves, by their ResultRelInfo */
	Leaf *last;
	List *aside;     /* of Aside */
	KeyHints *hints; /* about foreign keys */
	Routes *routes;  /* about partitions */
	int buffered;
	bool bulk;
	bool careful; /* no row is let go before all are in, and AFTER triggers fire row by row */
} FastInsert;

/* The row is left out, to be tried alone afterwards, when PostgreSQL says for certain. */
static inline void
leave_out(Ingest *ingest, int row)
{
	ingest->aside[ingest->naside++] = row;
}

static inline bool
may_leave_out(const Ingest *ingest)
{
	return ingest->naside < ingest->aside_room;
}

/* ---- leaf.c ---- */
/* The buffer of the table's rows: a partition's, or the target's own. */
extern Leaf *leaf_find(FastInsert *insert, ResultRelInfo *rri);

/* The row, in the leaf's own layout, in its buffer's next slot; leaf->n counts it if it stays. */
extern TupleTableSlot *leaf_place(FastInsert *insert, Leaf *leaf);

/* Writes the buffer, which stays as it is. */
extern void leaf_write(FastInsert *insert, Leaf *leaf);

/* Writes and empties it. */
extern void leaf_flush(FastInsert *insert, Leaf *leaf);

/* ---- trial.c ---- */
/* Whether a row of the table is more than its values: what is computed of them may fail. */
extern bool trial_matters(ResultRelInfo *rri);

/* Makes ready what must not be made within a trial, where half of it could stay. */
extern void trial_prepare(FastInsert *insert, Leaf *leaf);

/* What the leaf's table makes of the row; false: it refuses it. */
extern bool trial_complete(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot);

/*
 * Completes the buffer's rows before any is written, and leaves those out whose values the table
 * cannot take: PostgreSQL is asked about each alone.
 */
extern void trial_run(FastInsert *insert, Leaf *leaf);

#endif
