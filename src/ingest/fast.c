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

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/nodeModifyTable.h"
#include "ingest/fast.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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

static void
flush_all(FastInsert *insert)
{
	ListCell *cell;

	foreach (cell, insert->leaves)
		leaf_flush(insert, lfirst(cell));
}

/* The last rows; of a careful chunk, all rows. */
static void
flush_last(FastInsert *insert)
{
	ListCell *cell;

	if (insert->careful)
	{
		foreach (cell, insert->leaves)
			leaf_write(insert, lfirst(cell));
		remove_aside(insert);
		fire_rows(insert);
	}
	else
	{
		flush_all(insert);
		remove_aside(insert);
	}
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

	if (insert->routing == NULL || !ingest->bad.seen || !may_leave_out(ingest))
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
	leaf = leaf_find(insert, rri);
	slot = leaf_place(insert, leaf);
	slot->tts_tableOid = RelationGetRelid(rri->ri_RelationDesc);
	if (!leaf->tried && !trial_complete(insert, leaf, slot))
	{
		leave_out(insert->ingest, index);
		return;
	}
	leaf->rows[leaf->n++] = index;
	insert->buffered++;
	/*
	 * A careful chunk is no larger than a leaf's buffer, and stays there till its triggers fired.
	 */
	if (leaf->n == LEAF_ROWS && !insert->careful)
		leaf_flush(insert, leaf);
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
