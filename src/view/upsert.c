/*
 * What INSERT ... ON CONFLICT DO UPDATE does, for rows of which each is another group, at READ
 * COMMITTED: in the same order of keys as the statement, so that the two can meet.
 *
 *     a group that the index finds --> merged, and updated if nobody changed it since it was read;
 *                                      else its newest version is locked, merged and updated
 *     one that it does not find    --> inserted speculatively, as ON CONFLICT does; if somebody
 *                                      else was faster, his row is waited for and merged
 *
 * Against the statement this saves: one lock, and its WAL, for each group that is there; the search
 * for conflicts, where groups keep being new; a sort that spills; and, for a few groups, making and
 * clearing up an executor.
 *
 * Above READ COMMITTED the statement has its rules for what may not be seen; it does those folds.
 */
#include "view/upsert.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_oper.h"
#include "parser/parser.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "view/generate.h"
#include "view/located.h"
#include "view/plain.h"
#include "view/sorted.h"
#include "view/upsert_internal.h"

/*
 * After so many groups in a row that were new, be it over several folds, the next is inserted
 * without a look for it in the index.
 */
#define NEW_IN_A_ROW 32

/* ---- whether it can be done, and by what expressions ----------------------------------------- */

/* The group that is there stands for the first relation, what is merged into it for the second. */
static Node *
as_slots(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = copyObject((Var *) node);

		var->varno = var->varno == 1 ? OUTER_VAR : INNER_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, as_slots, context);
}

static TargetEntry *
entry_of(const List *entries, AttrNumber column)
{
	ListCell *cell;

	foreach (cell, entries)
		if (((TargetEntry *) lfirst(cell))->resno == column)
			return lfirst(cell);
	return NULL;
}

/*
 * A target list that gives a row of the state. The parser makes it of an UPDATE that never runs, so
 * that each value is brought to its column's type as the statement does it.
 */
static List *
make_merges(const KnownView *view, TupleDesc state)
{
	char *sql = generate_merge(view);
	Query *query = parse_analyze_fixedparams(
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)), sql, NULL, 0, NULL);
	List *merges = NIL;

	if (query->hasSubLinks)
		return NIL;
	for (int i = 0; i < state->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(state, i);
		TargetEntry *entry = entry_of(query->targetList, i + 1);
		Expr *expr;

		if (entry)
			expr = expression_planner((Expr *) as_slots((Node *) entry->expr, NULL));
		else
			expr = (Expr *) makeVar(OUTER_VAR, i + 1, attribute->atttypid, attribute->atttypmod,
									attribute->attcollation, 0);
		merges = lappend(merges, makeTargetEntry(expr, i + 1, NULL, false));
	}
	return merges;
}

/* What only the executor does is left to it. */
static bool
is_plain(const KnownView *view, Relation state)
{
	TupleDesc desc = RelationGetDescr(state);

	if (state->rd_rel->relkind != RELKIND_RELATION || state->rd_rel->relrowsecurity ||
		state->rd_rel->relispartition || state->trigdesc || state->rd_rules ||
		state->rd_tableam != GetHeapamTableAmRoutine())
		return false;
	/* Sessions have the number of their key behind. */
	if (view->earlier ? desc->natts != view->ncolumns + 1
					  : desc->constr || desc->natts != view->ncolumns)
		return false;
	if (desc->constr && (desc->constr->has_generated_stored || desc->constr->num_check > 0))
		return false;
	for (int i = 0; i < view->ncolumns; i++)
		if (TupleDescAttr(desc, i)->attisdropped ||
			TupleDescAttr(desc, i)->atttypid != TupleDescAttr(view->desc, i)->atttypid)
			return false;
	return true;
}

static bool
is_over_keys(Relation index, int nkeys)
{
	const FormData_pg_index *form = index->rd_index;

	if (!form->indnullsnotdistinct || !form->indisvalid || !form->indimmediate ||
		index->rd_rel->relam != BTREE_AM_OID || form->indnkeyatts != nkeys ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (form->indkey.values[i] != i + 1)
			return false;
	return true;
}

/* The index over the keys, if no other index says what may not be there twice. */
static Relation
find_index(const ResultRelInfo *rri, int nkeys)
{
	Relation found = NULL;

	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		Relation index = rri->ri_IndexRelationDescs[i];

		if (index->rd_index->indisexclusion)
			return NULL;
		if (!index->rd_index->indisunique)
			continue;
		if (found || !is_over_keys(index, nkeys))
			return NULL;
		found = index;
	}
	return found;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void
open_state(Upsert *upsert)
{
	EState *estate = CreateExecutorState();
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(upsert->state);
	rte->relkind = RELKIND_RELATION;
	rte->rellockmode = RowExclusiveLock;
	compat_init_range_table(estate, rte, ACL_INSERT | ACL_UPDATE);
	upsert->estate = estate;
	upsert->rri = makeNode(ResultRelInfo);
	ExecInitResultRelation(estate, upsert->rri, 1);
	ExecOpenIndices(upsert->rri, true);
}

static void
close_state(Upsert *upsert)
{
	ExecResetTupleTable(upsert->estate->es_tupleTable, false);
	ExecCloseResultRelations(upsert->estate);
	ExecCloseRangeTableRelations(upsert->estate);
	FreeExecutorState(upsert->estate);
}

/* Those of any row: the values are filled in for each. */
static ScanKey
make_keys(Relation index, int nkeys)
{
	ScanKey keys = palloc0(sizeof(ScanKeyData) * nkeys);

	for (int i = 0; i < nkeys; i++)
	{
		Oid type = index->rd_opcintype[i];
		Oid equal = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);

		if (!OidIsValid(equal))
			elog(ERROR, "no equality for column %d of index \"%s\"", i + 1,
				 RelationGetRelationName(index));
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], get_opcode(equal), (Datum) 0);
	}
	return keys;
}

/* What is committed by now is seen from here on. */
static void
look_anew(Upsert *upsert)
{
	if (upsert->scan)
		index_endscan(upsert->scan);
	if (upsert->snapshot)
		UnregisterSnapshot(upsert->snapshot);
	upsert->scan = NULL;
	upsert->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

static void
begin(Upsert *upsert)
{
	TupleDesc desc = RelationGetDescr(upsert->state);
	EState *estate = upsert->estate;
	ExprContext *context = GetPerTupleExprContext(estate);

	upsert->command = GetCurrentCommandId(true);
	upsert->all_new = true;
	upsert->old = ExecInitExtraTupleSlot(estate, desc, &TTSOpsBufferHeapTuple);
	upsert->delta = ExecInitExtraTupleSlot(estate, upsert->view->desc, &TTSOpsMinimalTuple);
	upsert->merge =
		ExecBuildProjectionInfo(upsert->view->merges, context,
								ExecInitExtraTupleSlot(estate, desc, &TTSOpsVirtual), NULL, NULL);
	upsert->nblocks = RelationGetNumberOfBlocks(upsert->state);
	upsert->new_in_a_row = upsert->view->new_in_a_row;
	CheckCmdReplicaIdentity(upsert->state, CMD_UPDATE);
	look_anew(upsert);
}

/* ---- one group ------------------------------------------------------------------------------- */

TupleTableSlot *
upsert_merged(Upsert *upsert, TupleTableSlot *one, TupleTableSlot *other)
{
	ExprContext *context = upsert->merge->pi_exprContext;

	context->ecxt_outertuple = one;
	context->ecxt_innertuple = other;
	return ExecProject(upsert->merge);
}

/*
 * Updates of many batches go into the room that a page has before it is pruned once: readers of the
 * index prune a page that is fuller than its fillfactor, which is each time that we come by.
 */
static bool
prune_if_full(Upsert *upsert)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) upsert->old;
	Size needed = slot->base.tuple->t_len + slot->base.tuple->t_len / 8 + 64;
	Buffer buffer = slot->buffer;

	/* Unlocked, as PostgreSQL looks at it, too: it is about speed alone. */
	if (PageGetHeapFreeSpace(BufferGetPage(buffer)) >= needed)
		return false;
	IncrBufferRefCount(buffer);
	ExecClearTuple(upsert->old);
	heap_page_prune_opt(upsert->state, buffer);
	ReleaseBuffer(buffer);
	return true;
}

/* The row is looked for where this session saw it last. */
static bool
find_located(Upsert *upsert)
{
	ItemPointerData row;

	if (!located_find(upsert->view, upsert->hash, &row) ||
		ItemPointerGetBlockNumber(&row) >= upsert->nblocks)
		return false;
	if (!table_tuple_fetch_row_version(upsert->state, &row, upsert->snapshot, upsert->old))
		return false;
	if (!located_same(upsert->view, upsert->old, upsert->delta))
	{
		ExecClearTuple(upsert->old);
		return false;
	}
	return !prune_if_full(upsert) ||
		   table_tuple_fetch_row_version(upsert->state, &row, upsert->snapshot, upsert->old);
}

static bool
find(Upsert *upsert)
{
	int nkeys = upsert->view->row.nkeys;

	if (find_located(upsert))
		return true;
	if (upsert->keys == NULL)
		upsert->keys = make_keys(upsert->index, nkeys);
	if (upsert->scan == NULL)
		upsert->scan =
			compat_index_beginscan(upsert->state, upsert->index, upsert->snapshot, nkeys);
	for (int i = 0; i < nkeys; i++)
	{
		bool isnull;

		upsert->keys[i].sk_argument = slot_getattr(upsert->delta, i + 1, &isnull);
		upsert->keys[i].sk_flags = isnull ? SK_ISNULL | SK_SEARCHNULL : 0;
	}
	index_rescan(upsert->scan, upsert->keys, nkeys, NULL, 0);
	return index_getnext_slot(upsert->scan, ForwardScanDirection, upsert->old);
}

static TM_Result
lock(Upsert *upsert, ItemPointerData row, bool *moved)
{
	TM_FailureData failure;
	TM_Result result = table_tuple_lock(upsert->state, &row, upsert->snapshot, upsert->old,
										upsert->command, LockTupleNoKeyExclusive, LockWaitBlock,
										TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);

	*moved = failure.traversed;
	return result;
}

/* A row as which nothing is written: that of a group that has no rows any more. */
static bool
is_empty(const Upsert *upsert, TupleTableSlot *row)
{
	bool isnull;

	return upsert->takes_away &&
		   DatumGetInt64(slot_getattr(row, upsert->view->count + 1, &isnull)) == 0;
}

/* The row that old holds is written as this one; or goes, if that is a group without rows. */
static TM_Result
write_row(Upsert *upsert, TupleTableSlot *row)
{
	TM_FailureData failure;
	TM_Result result;

	if (is_empty(upsert, row))
		return table_tuple_delete(upsert->state, &upsert->old->tts_tid, upsert->command,
								  upsert->snapshot, InvalidSnapshot, true, &failure, false);
	result = compat_update_row(upsert->rri, upsert->estate, &upsert->old->tts_tid, row,
							   upsert->command, upsert->snapshot, &failure);
	if (result == TM_Ok)
		located_keep(upsert->view, upsert->hash, &row->tts_tid);
	return result;
}

/* The row that old holds becomes what it and the delta give. Others may have changed it since. */
static TM_Result
update(Upsert *upsert)
{
	TM_Result result = TM_Ok;
	TupleTableSlot *row;

	if (upsert->rules == NULL)
		row = upsert_merged(upsert, upsert->old, upsert->delta);
	else
		for (bool moved = true; (row = upsert->rules->change(upsert)) == NULL && moved;)
		{
			result = lock(upsert, upsert->old->tts_tid, &moved);
			if (result != TM_Ok)
				return result;
		}
	if (row)
		result = write_row(upsert, row);
	if (result == TM_Ok && upsert->rules)
		upsert->rules->done(upsert, row);
	return result;
}

/* False if the row is gone, and with it the group. */
static bool
lock_and_update(Upsert *upsert, ItemPointerData row)
{
	bool moved;
	TM_Result result = lock(upsert, row, &moved);

	if (result == TM_Deleted)
		return false;
	if (result == TM_Ok)
		result = update(upsert);
	if (result != TM_Ok)
		elog(ERROR, "could not update a row of \"%s\": %d", RelationGetRelationName(upsert->state),
			 (int) result);
	return true;
}

/* Others wait for it. So nothing may be waited for while it is held. */
static void
release_token(Upsert *upsert)
{
	if (upsert->token != 0)
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	upsert->token = 0;
}

/*
 * The page that rows go to stays pinned; of a small ring of pages, which the state would be written
 * out from, nothing is wanted.
 */
static BulkInsertState
begin_many(void)
{
	BulkInsertState at = GetBulkInsertState();

	FreeAccessStrategy(at->strategy);
	at->strategy = NULL;
	return at;
}

/*
 * False if somebody else has the group by now. Where groups keep being new, one lock serves all of
 * them: between them nobody is waited for.
 */
static bool
insert(Upsert *upsert, TupleTableSlot *row)
{
	bool many = upsert->new_in_a_row >= NEW_IN_A_ROW;
	bool conflict = false;

	if (upsert->token == 0)
		upsert->token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	if (many && upsert->at == NULL)
		upsert->at = begin_many();
	table_tuple_insert_speculative(upsert->state, row, upsert->command, 0, upsert->at,
								   upsert->token);
	list_free(compat_insert_index_tuples(upsert->rri, row, upsert->estate, &conflict));
	table_tuple_complete_speculative(upsert->state, row, upsert->token, !conflict);
	if (conflict || !many)
		release_token(upsert);
	if (conflict)
		return false;
	located_keep(upsert->view, upsert->hash, &row->tts_tid);
	if (upsert->rules)
		upsert->rules->done(upsert, row);
	return true;
}

/*
 * The row that is in the way of an insertion, once its transaction is over. False: there is none.
 */
static bool
update_in_the_way(Upsert *upsert, TupleTableSlot *row)
{
	ItemPointerData other;

	ItemPointerSetInvalid(&row->tts_tid);
	return !compat_check_conflict(upsert->rri, row, upsert->estate, &other) &&
		   lock_and_update(upsert, other);
}

/*
 * Somebody has changed or locked the row and is not through: to lock it first, which waits for him,
 * spares merging into what it is no more. Unlocked, as it is about speed alone.
 */
static bool
is_in_use(const Upsert *upsert)
{
	const HeapTupleHeader row =
		((const BufferHeapTupleTableSlot *) upsert->old)->base.tuple->t_data;
	TransactionId other = HeapTupleHeaderGetRawXmax(row);

	if (row->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI))
		return false;
	return TransactionIdIsNormal(other) && !TransactionIdIsCurrentTransactionId(other) &&
		   TransactionIdIsInProgress(other);
}

/*
 * Not where groups keep being new, unless this session knows better. What takes away has to find
 * the group, or else that there is nothing to be taken.
 */
static bool
is_looked_for(const Upsert *upsert)
{
	ItemPointerData row;

	return upsert->new_in_a_row < NEW_IN_A_ROW || upsert->takes_away ||
		   located_find(upsert->view, upsert->hash, &row);
}

static void
no_new_one(Upsert *upsert)
{
	upsert->new_in_a_row = 0;
	upsert->all_new = false;
	release_token(upsert);
}

static void
merge_delta(Upsert *upsert)
{
	upsert->hash = located_hash(upsert->view, upsert->delta);
	for (;;)
	{
		TupleTableSlot *fresh;

		CHECK_FOR_INTERRUPTS();
		if (is_looked_for(upsert) && find(upsert))
		{
			TM_Result result;

			no_new_one(upsert);
			result = is_in_use(upsert) ? TM_Updated : update(upsert);
			if (result == TM_Ok ||
				(result == TM_Updated && lock_and_update(upsert, upsert->old->tts_tid)))
				return;
			if (result != TM_Updated && result != TM_Deleted)
				elog(ERROR, "could not update a row of \"%s\": %d",
					 RelationGetRelationName(upsert->state), (int) result);
			look_anew(upsert);
			continue;
		}
		/* What was found before, and is gone by now, may still stand there. */
		ExecClearTuple(upsert->old);
		fresh = upsert->rules ? upsert->rules->fresh(upsert) : upsert->delta;
		/* All that came went, too. */
		if (is_empty(upsert, fresh))
			return;
		if (insert(upsert, fresh))
		{
			upsert->new_in_a_row++;
			if (upsert->inserted)
				tuplestore_puttupleslot(upsert->inserted, fresh);
			return;
		}
		no_new_one(upsert);
		if (update_in_the_way(upsert, fresh))
			return;
	}
}

void
upsert_take(Upsert *upsert)
{
	merge_delta(upsert);
	ExecClearTuple(upsert->old);
	ResetPerTupleExprContext(upsert->estate);
}

/* ---- all of them ----------------------------------------------------------------------------- */

ExprState *
upsert_same_group(const Upsert *upsert)
{
	int nkeys = upsert->view->row.nkeys;
	AttrNumber *columns = palloc(sizeof(AttrNumber) * nkeys);
	Oid *equals = palloc(sizeof(Oid) * nkeys);
	Oid *collations = palloc(sizeof(Oid) * nkeys);

	for (int i = 0; i < nkeys; i++)
	{
		Oid less;

		columns[i] = i + 1;
		sorted_order_of(upsert->view, i, &less, &equals[i], &collations[i]);
	}
	return execTuplesMatchPrepare(upsert->view->desc, nkeys, columns, equals, collations, NULL);
}

static void
take_sorted(Upsert *upsert, SortedRows *sorted)
{
	while (sorted_next(sorted, upsert->delta))
		upsert_take(upsert);
}

/* An insertion writes down in the slot where the row lies. */
static void
take_copy(Upsert *upsert, TupleTableSlot *row)
{
	ExecCopySlot(upsert->delta, row);
	upsert_take(upsert);
}

/* Rows of the same group, which come one after the other, are one row. */
static void
take_gathering(Upsert *upsert, SortedRows *sorted)
{
	TupleTableSlot *next =
		ExecInitExtraTupleSlot(upsert->estate, upsert->view->desc, &TTSOpsMinimalTuple);
	TupleTableSlot *group =
		ExecInitExtraTupleSlot(upsert->estate, upsert->view->desc, &TTSOpsMinimalTuple);
	ExprContext *context = CreateExprContext(upsert->estate);
	ExprState *same = upsert_same_group(upsert);

	while (sorted_next(sorted, next))
	{
		context->ecxt_outertuple = group;
		context->ecxt_innertuple = next;
		if (TupIsNull(group))
			ExecCopySlot(group, next);
		else if (ExecQualAndReset(same, context))
		{
			ExecCopySlot(group, upsert_merged(upsert, group, next));
			ResetPerTupleExprContext(upsert->estate);
		}
		else
		{
			take_copy(upsert, group);
			ExecCopySlot(group, next);
		}
	}
	if (!TupIsNull(group))
		take_copy(upsert, group);
}

static void
take_all(Upsert *upsert, Tuplestorestate *rows, bool gathered)
{
	SortedRows *sorted;

	tuplestore_rescan(rows);
	if (tuplestore_tuple_count(rows) == 1)
	{
		if (tuplestore_gettupleslot(rows, true, false, upsert->delta))
			upsert_take(upsert);
		return;
	}
	sorted = sorted_begin(upsert->view, rows, upsert->delta);
	if (gathered)
		take_sorted(upsert, sorted);
	else
		take_gathering(upsert, sorted);
	ExecClearTuple(upsert->delta);
	sorted_end(sorted);
}

/* The expressions are kept for as long as what is known of the view. */
static bool
know_merges(KnownView *view, Relation state)
{
	MemoryContext old;
	List *merges;

	if (view->merges == NIL)
	{
		merges = make_merges(view, RelationGetDescr(state));
		view->plain_state = plain_state(merges, state);
		old = MemoryContextSwitchTo(view->context);
		view->merges = copyObject(merges);
		MemoryContextSwitchTo(old);
	}
	return view->merges != NIL;
}

bool
upsert_begin(Upsert *upsert)
{
	KnownView *view = upsert->view;
	bool possible;

	if (IsolationUsesXactSnapshot() || view->row.nkeys == 0)
		return false;
	upsert->state = table_open(view->row.state, RowExclusiveLock);
	possible = is_plain(view, upsert->state) && know_merges(view, upsert->state);
	if (possible)
	{
		open_state(upsert);
		upsert->index = find_index(upsert->rri, view->row.nkeys);
		possible = upsert->index != NULL;
		if (possible)
			begin(upsert);
		else
			close_state(upsert);
	}
	if (!possible)
		table_close(upsert->state, NoLock);
	return possible;
}

void
upsert_end(Upsert *upsert)
{
	release_token(upsert);
	/* Of groups that are new every time but for some, each fold's first would be in the way. */
	upsert->view->new_in_a_row = upsert->all_new ? Min(upsert->new_in_a_row, NEW_IN_A_ROW) : 0;
	if (upsert->at)
		FreeBulkInsertState(upsert->at);
	if (upsert->scan)
		index_endscan(upsert->scan);
	UnregisterSnapshot(upsert->snapshot);
	close_state(upsert);
	table_close(upsert->state, NoLock);
	CommandCounterIncrement();
}

bool
upsert_groups(KnownView *view, Tuplestorestate *rows, bool gathered, Tuplestorestate *inserted)
{
	Upsert upsert = {.view = view, .inserted = inserted};

	if (!upsert_begin(&upsert))
		return false;
	take_all(&upsert, rows, gathered);
	upsert_end(&upsert);
	return true;
}

/* ---- with the groups as they were and as they are -------------------------------------------- */

static TupleTableSlot *
merged_with_delta(Upsert *upsert)
{
	return upsert_merged(upsert, upsert->old, upsert->delta);
}

static TupleTableSlot *
delta_alone(Upsert *upsert)
{
	return upsert->delta;
}

/* A group without rows is none. */
static void
keep_both(Upsert *upsert, TupleTableSlot *row)
{
	BeforeAndAfter *change = upsert->argument;

	if (change->old && !TupIsNull(upsert->old))
		tuplestore_puttupleslot(change->old, upsert->old);
	if (change->new && !is_empty(upsert, row))
		tuplestore_puttupleslot(change->new, row);
}

const UpsertRules upsert_keeping_both = {
	.change = merged_with_delta, .fresh = delta_alone, .done = keep_both};

bool
upsert_changing_groups(KnownView *view, Tuplestorestate *rows, bool gathered, Tuplestorestate *old,
					   Tuplestorestate *new)
{
	BeforeAndAfter change = {.old = old, .new = new};
	Upsert upsert = {.view = view, .rules = &upsert_keeping_both, .argument = &change};

	if (!upsert_begin(&upsert))
		return false;
	take_all(&upsert, rows, gathered);
	upsert_end(&upsert);
	return true;
}
