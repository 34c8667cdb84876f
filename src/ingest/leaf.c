/*
 * A leaf's buffer: rows on their way into one table, which table_multi_insert() writes together;
 * then come their index entries and AFTER triggers, row by row.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "base/compat.h"
#include "base/crash.h"
#include "catalog/catalog.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "ingest/fast.h"
#include "miscadmin.h"
#include "utils/memutils.h"

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

static Leaf *
make_leaf(FastInsert *insert, ResultRelInfo *rri)
{
	MemoryContext old = MemoryContextSwitchTo(insert->estate->es_query_cxt);
	Relation relation = rri->ri_RelationDesc;
	TriggerDesc *triggers = rri->ri_TrigDesc;
	TupleConstr *constr = RelationGetDescr(relation)->constr;
	Leaf *leaf = palloc0(sizeof(Leaf));

	/*
	 * All of it was looked at in every leaf when the target was opened; but a leaf can be altered
	 * without its root.
	 */
	if (rri->ri_FdwRoutine || (triggers && triggers->trig_insert_before_row) ||
		relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
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
	leaf->tried = insert->ingest->bad.seen && may_leave_out(insert->ingest) && trial_matters(rri);
	if (leaf->tried)
		trial_prepare(insert, leaf);
	leaf->lenient = may_set_aside(relation);
	leaf->recheck = insert->careful ? palloc0(sizeof(List *) * LEAF_ROWS) : NULL;
	insert->leaves = lappend(insert->leaves, leaf);
	MemoryContextSwitchTo(old);
	return leaf;
}

Leaf *
leaf_find(FastInsert *insert, ResultRelInfo *rri)
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

TupleTableSlot *
leaf_place(FastInsert *insert, Leaf *leaf)
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

void
leaf_write(FastInsert *insert, Leaf *leaf)
{
	EState *estate = insert->estate;
	MemoryContext old;

	if (leaf->tried && leaf->n > 0)
		trial_run(insert, leaf);
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

void
leaf_flush(FastInsert *insert, Leaf *leaf)
{
	leaf_write(insert, leaf);
	for (int i = 0; i < leaf->n; i++)
		ExecClearTuple(leaf->slots[i]);
	insert->buffered -= leaf->n;
	leaf->n = 0;
	ResetPerTupleExprContext(insert->estate);
}
