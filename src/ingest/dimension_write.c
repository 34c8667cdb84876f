/*
 * The UPDATE of dimension_follow.c, done without a statement where nothing but rows and indexes is
 * concerned: a member is found by the index over the key, and a new version of its row is written.
 * For as many members as a batch has, each of which mostly changes, that is half of the work.
 *
 * The order is the statement's, by key, and so two batches never wait for each other in a circle,
 * whichever of the two ways they take. A row that somebody else has changed is locked, as the
 * statement's recheck does it, and its newest version is looked at once more.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "ingest/dimension_follow.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

typedef struct Writer
{
	const Following *following;
	const Dimension *dimension;
	Relation relation;
	Relation index;
	AttrNumber *value_at; /* of each attribute, where its value stands, and where its time */
	AttrNumber *time_at;
	EState *estate;
	ResultRelInfo *rri;
	Snapshot snapshot;
	IndexScanDesc scan;
	ScanKeyData key;
	CommandId command;
	TupleTableSlot *old;
	TupleTableSlot *new;
} Writer;

/* ---- whether it can be done ------------------------------------------------------------------ */

/*
 * Our guard and PostgreSQL's own checks of keys that other tables refer to are for changes of other
 * columns than those that follow.
 */
static bool
is_of_other_columns(const Writer *writer, const Trigger *trigger)
{
	if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK)
		return true;
	if (trigger->tgnattr == 0)
		return false;
	for (int i = 0; i < trigger->tgnattr; i++)
		for (int c = 0; c < writer->dimension->nfollowed; c++)
			if (trigger->tgattr[i] == writer->value_at[c] ||
				trigger->tgattr[i] == writer->time_at[c])
				return false;
	return true;
}

static bool
triggers_stay_quiet(const Writer *writer)
{
	const TriggerDesc *triggers = writer->relation->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (TRIGGER_FOR_UPDATE(triggers->triggers[i].tgtype) &&
			!is_of_other_columns(writer, &triggers->triggers[i]))
			return false;
	return true;
}

/* Another table may refer to them, if they are unique. */
static bool
are_keys(const Writer *writer)
{
	Bitmapset *keys = RelationGetIndexAttrBitmap(writer->relation, INDEX_ATTR_BITMAP_KEY);
	bool any = false;

	for (int c = 0; c < writer->dimension->nfollowed; c++)
		any |= bms_is_member(writer->value_at[c] - FirstLowInvalidHeapAttributeNumber, keys) ||
			   bms_is_member(writer->time_at[c] - FirstLowInvalidHeapAttributeNumber, keys);
	bms_free(keys);
	return any;
}

static bool
may_write(Relation relation)
{
	const AclMode needed = ACL_SELECT | ACL_UPDATE;

	return pg_class_aclmask(RelationGetRelid(relation), GetUserId(), needed, ACLMASK_ALL) == needed;
}

static bool
is_plain(Relation relation)
{
	const TupleConstr *constr = RelationGetDescr(relation)->constr;

	if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relispartition ||
		relation->rd_rel->relrowsecurity || relation->rd_rules ||
		relation->rd_tableam != GetHeapamTableAmRoutine())
		return false;
	return constr == NULL || (constr->num_check == 0 && !constr->has_generated_stored &&
							  !compat_has_virtual_columns(RelationGetDescr(relation)));
}

/* Where each attribute and its time stand, if they are of the very types of what is written. */
static bool
find_columns(Writer *writer)
{
	const Dimension *dimension = writer->dimension;
	TupleDesc desc = RelationGetDescr(writer->relation);

	writer->value_at = palloc(sizeof(AttrNumber) * dimension->nfollowed);
	writer->time_at = palloc(sizeof(AttrNumber) * dimension->nfollowed);
	for (int c = 0; c < dimension->nfollowed; c++)
	{
		const FollowedColumn *column = &dimension->followed[c];
		Oid relation = RelationGetRelid(writer->relation);
		AttrNumber value = get_attnum(relation, column->value.name);
		AttrNumber time = get_attnum(relation, column->at_name);

		if (value <= 0 || time <= 0 || TupleDescAttr(desc, value - 1)->atttypmod >= 0 ||
			TupleDescAttr(desc, value - 1)->atttypid != column->value.type ||
			TupleDescAttr(desc, time - 1)->atttypmod >= 0 ||
			TupleDescAttr(desc, time - 1)->atttypid != TIMESTAMPTZOID)
			return false;
		writer->value_at[c] = value;
		writer->time_at[c] = time;
	}
	return true;
}

static bool
is_over_key(const Writer *writer, Relation index)
{
	const FormData_pg_index *form = index->rd_index;

	return form->indisunique && form->indisvalid && form->indimmediate && form->indnkeyatts == 1 &&
		   form->indkey.values[0] == writer->dimension->key &&
		   index->rd_rel->relam == BTREE_AM_OID && RelationGetIndexPredicate(index) == NIL &&
		   index->rd_opcintype[0] == INT8OID && writer->dimension->key_type == INT8OID &&
		   index->rd_opfamily[0] == INTEGER_BTREE_FAM_OID;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void
open_indexes(Writer *writer)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(writer->relation);
	rte->relkind = RELKIND_RELATION;
	rte->rellockmode = RowExclusiveLock;
	writer->estate = CreateExecutorState();
	compat_init_range_table(writer->estate, rte, ACL_SELECT | ACL_UPDATE);
	writer->rri = makeNode(ResultRelInfo);
	ExecInitResultRelation(writer->estate, writer->rri, 1);
	ExecOpenIndices(writer->rri, false);
	for (int i = 0; i < writer->rri->ri_NumIndices; i++)
		if (is_over_key(writer, writer->rri->ri_IndexRelationDescs[i]))
			writer->index = writer->rri->ri_IndexRelationDescs[i];
}

static void
close_indexes(Writer *writer)
{
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	ExecCloseResultRelations(writer->estate);
	ExecCloseRangeTableRelations(writer->estate);
	FreeExecutorState(writer->estate);
}

static void
begin(Writer *writer)
{
	TupleDesc desc = RelationGetDescr(writer->relation);

	writer->command = GetCurrentCommandId(true);
	writer->old = ExecInitExtraTupleSlot(writer->estate, desc, &TTSOpsBufferHeapTuple);
	writer->new = ExecInitExtraTupleSlot(writer->estate, desc, &TTSOpsVirtual);
	CheckCmdReplicaIdentity(writer->relation, CMD_UPDATE);
	writer->snapshot = RegisterSnapshot(GetLatestSnapshot());
	writer->scan = compat_index_beginscan(writer->relation, writer->index, writer->snapshot, 1);
	ScanKeyInit(&writer->key, 1, BTEqualStrategyNumber, F_INT8EQ, (Datum) 0);
}

/* ---- one member ------------------------------------------------------------------------------ */

/* Does an event's value follow what the row has? As newer() of dimension_follow.c says it. */
static bool
follows(const Writer *writer, int c, const IngestRow *row)
{
	FollowedColumn *column = &writer->dimension->followed[c];
	int value = writer->value_at[c] - 1;
	int time = writer->time_at[c] - 1;
	const TupleTableSlot *old = writer->old;
	TimestampTz at;

	if (old->tts_isnull[time])
		return true;
	at = DatumGetTimestampTz(old->tts_values[time]);
	if (row->event_time != at)
		return row->event_time > at;
	return old->tts_isnull[value] ||
		   dimension_value_is_greater(column, row->values[column->value.source - 1],
									  old->tts_values[value]);
}

/* The row as the events leave it; NULL: as it is. */
static TupleTableSlot *
changed(Writer *writer, int member)
{
	const Following *following = writer->following;
	TupleTableSlot *new = ExecClearTuple(writer->new);
	int natts = writer->old->tts_tupleDescriptor->natts;
	bool any = false;

	slot_getallattrs(writer->old);
	memcpy(new->tts_values, writer->old->tts_values, sizeof(Datum) * natts);
	memcpy(new->tts_isnull, writer->old->tts_isnull, sizeof(bool) * natts);
	for (int c = 0; c < writer->dimension->nfollowed; c++)
	{
		int newest = following->newest[(Size) member * writer->dimension->nfollowed + c];
		int value = writer->value_at[c] - 1;
		int time = writer->time_at[c] - 1;
		const IngestRow *row;

		if (newest < 0 || !follows(writer, c, &following->rows[newest]))
			continue;
		any = true;
		row = &following->rows[newest];
		new->tts_values[value] = row->values[writer->dimension->followed[c].value.source - 1];
		new->tts_values[time] = TimestampTzGetDatum(row->event_time);
		new->tts_isnull[value] = new->tts_isnull[time] = false;
	}
	return any ? ExecStoreVirtualTuple(new) : NULL;
}

/* The newest version of a row that somebody has changed, locked; false: it is gone. */
static bool
lock_newest(Writer *writer, ItemPointerData row)
{
	TM_FailureData failure;
	TM_Result result = table_tuple_lock(writer->relation, &row, writer->snapshot, writer->old,
										writer->command, LockTupleNoKeyExclusive, LockWaitBlock,
										TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);

	if (result != TM_Ok && result != TM_Deleted)
		elog(ERROR, "could not lock a row of %s: %d", writer->dimension->name, (int) result);
	return result == TM_Ok;
}

static void
write_member(Writer *writer, int member)
{
	TM_Result result = TM_Updated;

	writer->key.sk_argument = writer->following->keys[member];
	index_rescan(writer->scan, &writer->key, 1, NULL, 0);
	if (!index_getnext_slot(writer->scan, ForwardScanDirection, writer->old))
		return;
	while (result == TM_Updated)
	{
		TM_FailureData failure;
		ItemPointerData row = writer->old->tts_tid;
		TupleTableSlot *new = changed(writer, member);

		/* What is not newer than an old version of a member is not newer than any later one. */
		if (new == NULL)
			return;
		result = compat_update_row(writer->rri, writer->estate, &row, new, writer->command,
								   writer->snapshot, &failure);
		if (result == TM_Updated && !lock_newest(writer, row))
			return;
	}
	if (result != TM_Ok && result != TM_Deleted)
		elog(ERROR, "could not update a row of %s: %d", writer->dimension->name, (int) result);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int
by_key(const void *a, const void *b, void *argument)
{
	const Datum *keys = argument;
	int64 one = DatumGetInt64(keys[*(const int *) a]);
	int64 other = DatumGetInt64(keys[*(const int *) b]);

	return one < other ? -1 : one > other;
}

static void
write_all(Writer *writer)
{
	int n = writer->following->nmembers;
	int *order = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * n);

	for (int i = 0; i < n; i++)
		order[i] = i;
	qsort_arg(order, n, sizeof(int), by_key, writer->following->keys);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_member(writer, order[i]);
		ExecClearTuple(writer->old);
		ResetPerTupleExprContext(writer->estate);
	}
	pfree(order);
}

bool
dimension_write(const Following *following)
{
	Writer writer = {.following = following, .dimension = following->dimension};
	bool possible;

	/* What may not be seen there, and is an error, the statement knows. */
	if (IsolationUsesXactSnapshot())
		return false;
	writer.relation = table_open(following->dimension->relation, RowExclusiveLock);
	possible = is_plain(writer.relation) && find_columns(&writer) && !are_keys(&writer) &&
			   triggers_stay_quiet(&writer) && may_write(writer.relation);
	if (possible)
	{
		open_indexes(&writer);
		possible = writer.index != NULL;
		if (possible)
		{
			begin(&writer);
			write_all(&writer);
			index_endscan(writer.scan);
			UnregisterSnapshot(writer.snapshot);
		}
		close_indexes(&writer);
	}
	table_close(writer.relation, NoLock);
	if (possible)
		CommandCounterIncrement();
	return possible;
}
