/*
 * The fast path: rows straight into their leaf partitions by multi-insert.
 *
 * Each row is projected into the root's layout, routed, brought into its leaf's layout, checked and
 * put into that leaf's buffer; full buffers are written by table_multi_insert(), then their index
 * entries and AFTER triggers row by row. ingest->current says which row an error is the fault of,
 * wherever that is one row's.
 *
 * Once bad rows have been seen, all that has to be computed of a buffer's rows is tried before any
 * of them is written: what fails then has nothing to undo, and is left out.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "base/attempt.h"
#include "base/compat.h"
#include "base/crash.h"
#include "base/sqlstate.h"
#include "catalog/catalog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/execPartition.h"
#include "executor/nodeModifyTable.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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

static void
begin(FastInsert *insert, Ingest *ingest)
{
	EState *estate = CreateExecutorState();
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	Relation target = table_open(ingest->options.target, RowExclusiveLock);

	insert->ingest = ingest;
	insert->target = target;
	insert->estate = estate;
	insert->command = GetCurrentCommandId(true);
	estate->es_output_cid = insert->command;

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(target);
	rte->relkind = target->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	compat_init_range_table(estate, rte, ACL_INSERT);
	insert->root = makeNode(ResultRelInfo);
	ExecInitResultRelation(estate, insert->root, 1);

	insert->mtstate = makeNode(ModifyTableState);
	insert->mtstate->ps.plan = NULL;
	insert->mtstate->ps.state = estate;
	insert->mtstate->operation = CMD_INSERT;
	insert->mtstate->mt_nrels = 1;
	insert->mtstate->resultRelInfo = insert->root;
	insert->mtstate->rootResultRelInfo = insert->root;
	/* Transition tables belong to a query, so it has to have begun. */
	AfterTriggerBeginQuery();
	insert->capture =
		MakeTransitionCaptureState(target->trigdesc, RelationGetRelid(target), CMD_INSERT);
	insert->mtstate->mt_transition_capture = insert->capture;
	if (target->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		HASHCTL control = {
			.keysize = sizeof(ResultRelInfo *),
			.entrysize = sizeof(LeafEntry),
			.hcxt = estate->es_query_cxt,
		};

		insert->routing = ExecSetupPartitionTupleRouting(estate, target);
		insert->index =
			hash_create("telemetry leaves", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	insert->slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(target), &TTSOpsVirtual);

	/* Transition tables belong to the one statement. */
	insert->careful = ingest->careful && insert->capture == NULL;

	ExecBSInsertTriggers(estate, insert->root);
}

/*
 * Logical decoding must not see rows that come and go in one transaction; and a row that is written
 * behind later ones must not be noticed by a trigger of the users'.
 */
static bool
may_set_aside(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	if (RelationIsLogicallyLogged(relation))
		return false;
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!trigger->tgisinternal && TRIGGER_FOR_ROW(trigger->tgtype) &&
			TRIGGER_FOR_INSERT(trigger->tgtype) && trigger->tgenabled != TRIGGER_FIRES_ON_REPLICA &&
			trigger->tgenabled != TRIGGER_DISABLED)
			return false;
	}
	return true;
}

/* The row is left out, to be tried alone afterwards, when PostgreSQL says for certain. */
static void
leave_out(Ingest *ingest, int row)
{
	ingest->aside[ingest->naside++] = row;
}

static bool
may_leave_out(const Ingest *ingest)
{
	return ingest->naside < ingest->aside_room;
}

/* Whether a row of the table is more than its values: what is computed of them may fail. */
static bool
computes(ResultRelInfo *rri)
{
	const TupleConstr *constr = RelationGetDescr(rri->ri_RelationDesc)->constr;

	if (constr && (constr->has_generated_stored || constr->num_check > 0))
		return true;
	for (int i = 0; i < rri->ri_NumIndices; i++)
		if (rri->ri_IndexRelationInfo[i]->ii_Expressions ||
			rri->ri_IndexRelationInfo[i]->ii_Predicate)
			return true;
	return false;
}

static Leaf *
make_leaf(FastInsert *insert, ResultRelInfo *rri)
{
	MemoryContext old = MemoryContextSwitchTo(insert->estate->es_query_cxt);
	Relation relation = rri->ri_RelationDesc;
	TriggerDesc *triggers = rri->ri_TrigDesc;
	TupleConstr *constr = RelationGetDescr(relation)->constr;
	Leaf *leaf = palloc0(sizeof(Leaf));

	/* path_choose() has looked at every leaf, but a leaf can be altered without its root. */
	if (rri->ri_FdwRoutine || (triggers && triggers->trig_insert_before_row))
	{
		insert->ingest->valid = false;
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("partition \"%s\" changed while rows were written",
							   RelationGetRelationName(relation))));
	}
	if (rri->ri_IndexRelationDescs == NULL && relation->rd_rel->relhasindex)
		ExecOpenIndices(rri, false);
	dimensions_skip_checks(insert->ingest, triggers);
	leaf->rri = rri;
	leaf->map = rri == insert->root ? NULL : compat_root_to_child_map(rri, insert->estate);
	/*
	 * Slots share a copy: each would take a reference to the relation's own, and PostgreSQL's list
	 * of these is searched in linear time where all are the same.
	 */
	leaf->desc = CreateTupleDescCopy(RelationGetDescr(relation));
	/* Its ring of buffers is for loads; a few rows are better off in shared buffers proper. */
	leaf->bulk = insert->bulk ? GetBulkInsertState() : NULL;
	leaf->after_row = insert->capture != NULL || (triggers && triggers->trig_insert_after_row);
	leaf->generated = constr && constr->has_generated_stored;
	leaf->checked = constr != NULL;
	leaf->tried = insert->ingest->screens && may_leave_out(insert->ingest) && computes(rri);
	/* PostgreSQL keeps half of what it compiles when that fails: not within what is tried. */
	if (leaf->tried && leaf->generated)
		compat_init_generated(rri, insert->estate);
	if (leaf->tried && leaf->checked)
		leaf->screen = screen_make(rri, insert->estate, true);
	leaf->lenient = may_set_aside(relation);
	leaf->recheck = insert->careful ? palloc0(sizeof(List *) * LEAF_ROWS) : NULL;
	insert->leaves = lappend(insert->leaves, leaf);
	MemoryContextSwitchTo(old);
	return leaf;
}

static Leaf *
find_leaf(FastInsert *insert, ResultRelInfo *rri)
{
	LeafEntry *entry;
	bool found;

	if (insert->last && insert->last->rri == rri)
		return insert->last;
	if (insert->routing == NULL)
		return insert->last = make_leaf(insert, rri);
	entry = hash_search(insert->index, &rri, HASH_ENTER, &found);
	if (!found)
		entry->leaf = make_leaf(insert, rri);
	return insert->last = entry->leaf;
}

/*
 * A row whose key a unique index may have already: it is left out. Its entries stay in the indexes
 * until all rows of the chunk are in, so that any later row that could depend on it is left out as
 * well: those that are not come out as if they had been inserted one after the other.
 */
static void
set_aside(FastInsert *insert, Leaf *leaf, int i)
{
	MemoryContext old = MemoryContextSwitchTo(insert->estate->es_query_cxt);
	Aside *aside = palloc(sizeof(Aside));

	aside->relation = leaf->rri->ri_RelationDesc;
	aside->tid = leaf->slots[i]->tts_tid;
	insert->aside = lappend(insert->aside, aside);
	leave_out(insert->ingest, leaf->rows[i]);
	leaf->rows[i] = -1;
	MemoryContextSwitchTo(old);
}

/* Takes the rows that were set aside out of their tables, before any trigger runs. */
static void
remove_aside(FastInsert *insert)
{
	ListCell *cell;

	if (insert->aside == NIL)
		return;
	CommandCounterIncrement();
	foreach (cell, insert->aside)
	{
		Aside *aside = lfirst(cell);
		TM_FailureData failure;

		if (table_tuple_delete(aside->relation, &aside->tid, GetCurrentCommandId(true),
							   GetActiveSnapshot(), InvalidSnapshot, false, &failure,
							   false) != TM_Ok)
			elog(ERROR, "could not take back a row of \"%s\"",
				 RelationGetRelationName(aside->relation));
	}
	CommandCounterIncrement();
}

/* Index entries and AFTER triggers of one row that is in the table already. */
static void
finish_row(FastInsert *insert, Leaf *leaf, int i)
{
	TupleTableSlot *slot = leaf->slots[i];
	List *recheck = NIL;
	bool conflict = false;

	if (leaf->rri->ri_NumIndices > 0)
	{
		bool lenient = leaf->lenient && may_leave_out(insert->ingest);

		/* Index expressions read the slot; what they allocate goes with the per-tuple context. */
		insert->ingest->doubtful = lenient;
		recheck =
			compat_insert_index_tuples(leaf->rri, slot, insert->estate, lenient ? &conflict : NULL);
		insert->ingest->doubtful = false;
	}
	if (conflict)
	{
		set_aside(insert, leaf, i);
		return;
	}
	if (leaf->recheck)
	{
		leaf->recheck[i] = recheck;
		return;
	}
	if (leaf->after_row || recheck != NIL)
		ExecARInsertTriggers(insert->estate, leaf->rri, slot, recheck, insert->capture);
	list_free(recheck);
}

/*
 * Fires each row's AFTER triggers, foreign keys among them, as if it were a statement of its own:
 * so an error is known to be that row's. All rows of the chunk are in their tables by now.
 */
static void
fire_rows(FastInsert *insert)
{
	ListCell *cell;

	foreach (cell, insert->leaves)
	{
		Leaf *leaf = lfirst(cell);

		for (int i = 0; i < leaf->n; i++)
		{
			if (leaf->rows[i] < 0 || (!leaf->after_row && leaf->recheck[i] == NIL))
				continue;
			insert->ingest->current = leaf->rows[i];
			AfterTriggerBeginQuery();
			ExecARInsertTriggers(insert->estate, leaf->rri, leaf->slots[i], leaf->recheck[i], NULL);
			AfterTriggerEndQuery(insert->estate);
		}
	}
	insert->ingest->current = -1;
}

/* Whether NOT NULL and CHECK would refuse the row, asked only where it may be left out. */
static bool
is_refused(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	if (!may_leave_out(insert->ingest))
		return false;
	if (leaf->screen == NULL)
		leaf->screen = screen_make(leaf->rri, insert->estate, insert->ingest->screens);
	return screen_refuses(leaf->screen, slot, insert->estate);
}

/* What the leaf's table makes of the row; false: it refuses it. */
static bool
complete_row(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	EState *estate = insert->estate;

	if (leaf->generated)
		ExecComputeStoredGenerated(leaf->rri, estate, slot, CMD_INSERT);
	if (leaf->checked)
	{
		if (is_refused(insert, leaf, slot))
			return false;
		ExecConstraints(leaf->rri, slot, estate);
	}
	/* Routing proves it, unless the target is itself a partition. */
	if (leaf->rri == insert->root && leaf->rri->ri_RelationDesc->rd_rel->relispartition)
		ExecPartitionCheck(leaf->rri, slot, estate, true);
	return true;
}

/*
 * Computes what its index entries are made of, for the error alone: they are made later. Behind a
 * unique index this must not go: the row's own error would be that its key is there, and later
 * rows that have it would be in before it is asked.
 */
static void
try_indexes(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	EState *estate = insert->estate;
	ExprContext *econtext = GetPerTupleExprContext(estate);
	Datum values[INDEX_MAX_KEYS];
	bool isnull[INDEX_MAX_KEYS];

	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < leaf->rri->ri_NumIndices; i++)
	{
		IndexInfo *info = leaf->rri->ri_IndexRelationInfo[i];

		if (info->ii_Predicate && info->ii_PredicateState == NULL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
		if (ExecQual(info->ii_PredicateState, econtext) && info->ii_Expressions)
			FormIndexDatum(info, slot, estate, values, isnull);
		if (info->ii_Unique)
			return;
	}
}

/* Rows of a leaf's buffer that are tried. */
typedef struct Trial
{
	FastInsert *insert;
	Leaf *leaf;
	int at;
	int kept;
} Trial;

static void
keep_row(Trial *trial)
{
	Leaf *leaf = trial->leaf;
	TupleTableSlot *slot = leaf->slots[trial->at];

	leaf->slots[trial->at] = leaf->slots[trial->kept];
	leaf->slots[trial->kept] = slot;
	leaf->rows[trial->kept++] = leaf->rows[trial->at];
}

/* From the row at hand on, until the end or the first that fails. */
static void
try_on(void *argument)
{
	Trial *trial = argument;
	FastInsert *insert = trial->insert;
	Leaf *leaf = trial->leaf;

	for (; trial->at < leaf->n; trial->at++)
	{
		TupleTableSlot *slot = leaf->slots[trial->at];

		insert->ingest->current = leaf->rows[trial->at];
		if (complete_row(insert, leaf, slot))
		{
			try_indexes(insert, leaf, slot);
			keep_row(trial);
		}
		else
			leave_out(insert->ingest, leaf->rows[trial->at]);
	}
}

/* Leaves those out whose values the table cannot take: PostgreSQL is asked about each alone. */
static void
try_rows(FastInsert *insert, Leaf *leaf)
{
	Trial trial = {.insert = insert, .leaf = leaf};
	ErrorData *error;

	while ((error = attempt(try_on, &trial)) != NULL)
	{
		if (!sqlstate_is_data_error(error->sqlerrcode) || !may_leave_out(insert->ingest))
			ReThrowError(error);
		FreeErrorData(error);
		leave_out(insert->ingest, leaf->rows[trial.at++]);
	}
	insert->ingest->current = -1;
	insert->buffered -= leaf->n - trial.kept;
	leaf->n = trial.kept;
}

static void
write_leaf(FastInsert *insert, Leaf *leaf)
{
	EState *estate = insert->estate;
	MemoryContext old;

	if (leaf->tried && leaf->n > 0)
		try_rows(insert, leaf);
	if (leaf->n == 0)
		return;
	insert->ingest->current = leaf->n == 1 ? leaf->rows[0] : -1;
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	table_multi_insert(leaf->rri->ri_RelationDesc, leaf->slots, leaf->n, insert->command, 0,
					   leaf->bulk);
	MemoryContextSwitchTo(old);
	crash_point("heap_written");
	if (leaf->rri->ri_NumIndices > 0 || leaf->after_row)
		for (int i = 0; i < leaf->n; i++)
		{
			insert->ingest->current = leaf->rows[i];
			finish_row(insert, leaf, i);
			CHECK_FOR_INTERRUPTS();
		}
	crash_point("indexes_written");
	insert->ingest->current = -1;
}

static void
flush(FastInsert *insert, Leaf *leaf)
{
	write_leaf(insert, leaf);
	for (int i = 0; i < leaf->n; i++)
		ExecClearTuple(leaf->slots[i]);
	insert->buffered -= leaf->n;
	leaf->n = 0;
	ResetPerTupleExprContext(insert->estate);
}

static void
flush_all(FastInsert *insert)
{
	ListCell *cell;

	foreach (cell, insert->leaves)
		flush(insert, lfirst(cell));
}

/* The last rows; of a careful chunk, all rows. */
static void
flush_last(FastInsert *insert)
{
	ListCell *cell;

	if (insert->careful)
	{
		foreach (cell, insert->leaves)
			write_leaf(insert, lfirst(cell));
		remove_aside(insert);
		fire_rows(insert);
	}
	else
	{
		flush_all(insert);
		remove_aside(insert);
	}
}

/* The row, in the leaf's own layout, in the next slot of its buffer. */
static TupleTableSlot *
place_row(FastInsert *insert, Leaf *leaf)
{
	TupleTableSlot *slot = leaf->slots[leaf->n];

	if (slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(insert->estate->es_query_cxt);

		slot = ExecAllocTableSlot(&insert->estate->es_tupleTable, leaf->desc,
								  table_slot_callbacks(leaf->rri->ri_RelationDesc));
		leaf->slots[leaf->n] = slot;
		MemoryContextSwitchTo(old);
	}
	if (leaf->map)
		return leaf->slots[leaf->n] = execute_attr_map_slot(leaf->map->attrMap, insert->slot, slot);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, insert->slot->tts_values,
		   sizeof(Datum) * insert->slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, insert->slot->tts_isnull,
		   sizeof(bool) * insert->slot->tts_tupleDescriptor->natts);
	return ExecStoreVirtualTuple(slot);
}

/* Whether a foreign key of the row would be refused; the same. */
static bool
lacks_key(FastInsert *insert)
{
	Ingest *ingest = insert->ingest;

	if (ingest->foreign_keys == NULL || !may_leave_out(ingest))
		return false;
	if (insert->hints == NULL)
		insert->hints = foreign_keys_begin(insert->estate->es_query_cxt);
	return foreign_keys_refuse(ingest->foreign_keys, insert->hints, insert->slot);
}

/* Whether no partition takes the row; the same. */
static bool
lacks_partition(FastInsert *insert)
{
	Ingest *ingest = insert->ingest;

	if (insert->routing == NULL || !ingest->screens || !may_leave_out(ingest))
		return false;
	if (insert->routes == NULL)
		insert->routes = routes_begin(insert->estate, insert->target);
	return routes_lack(insert->routes, insert->slot);
}

static void
add_row(FastInsert *insert, const IngestRow *row, int index)
{
	EState *estate = insert->estate;
	ResultRelInfo *rri = insert->root;
	TupleTableSlot *slot;
	Leaf *leaf;

	insert->ingest->current = index;
	project_row(insert->ingest, row, insert->slot);
	if (lacks_key(insert) || lacks_partition(insert))
	{
		leave_out(insert->ingest, index);
		return;
	}
	if (insert->routing)
		rri =
			ExecFindPartition(insert->mtstate, insert->root, insert->routing, insert->slot, estate);
	leaf = find_leaf(insert, rri);
	slot = place_row(insert, leaf);
	slot->tts_tableOid = RelationGetRelid(rri->ri_RelationDesc);
	if (!leaf->tried && !complete_row(insert, leaf, slot))
	{
		leave_out(insert->ingest, index);
		return;
	}
	leaf->rows[leaf->n++] = index;
	insert->buffered++;
	/* A careful chunk is no larger than a leaf's buffer, and stays there till its triggers fired.
	 */
	if (leaf->n == LEAF_ROWS && !insert->careful)
		flush(insert, leaf);
	else if (insert->buffered >= TOTAL_ROWS)
		flush_all(insert);
}

static int
compare_numbers(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

static void
finish(FastInsert *insert)
{
	EState *estate = insert->estate;
	ListCell *cell;

	flush_last(insert);
	/* Each leaf gave its own. */
	qsort(insert->ingest->aside, insert->ingest->naside, sizeof(int), compare_numbers);
	ExecASInsertTriggers(estate, insert->root, insert->capture);
	AfterTriggerEndQuery(estate);
	foreach (cell, insert->leaves)
	{
		Leaf *leaf = lfirst(cell);

		if (leaf->bulk)
			FreeBulkInsertState(leaf->bulk);
		table_finish_bulk_insert(leaf->rri->ri_RelationDesc, 0);
	}
	routes_end(insert->routes);
	if (insert->routing)
		ExecCleanupTupleRouting(insert->mtstate, insert->routing);
	ExecResetTupleTable(estate->es_tupleTable, false);
	ExecCloseResultRelations(estate);
	ExecCloseRangeTableRelations(estate);
	FreeExecutorState(estate);
	table_close(insert->target, NoLock);
	CommandCounterIncrement();
}

int64
fast_insert(Ingest *ingest, const IngestRow *rows, int n)
{
	FastInsert insert = {0};

	insert.bulk = n >= LEAF_ROWS;
	ingest->naside = 0;
	begin(&insert, ingest);
	for (int i = 0; i < n; i++)
	{
		add_row(&insert, &rows[i], i);
		if (i % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	ingest->current = -1;
	finish(&insert);
	return n - ingest->naside;
}
