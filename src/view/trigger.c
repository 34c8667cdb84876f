#include "view/trigger.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/known.h"
#include "view/pending.h"

/*
 * In the replica role, that of logical replication's apply, triggers for statements do not fire,
 * and apply would not fire them anyway: a row trigger takes their place there, and only there. That
 * of TRUNCATE, which apply does fire, is there for both.
 */
static const struct
{
	const char *name;
	const char *when;
	bool root_only; /* PostgreSQL itself clones it to the partitions */
} triggers[] = {
	{"telemetry_collect_insert",
	 "AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT", false},
	{"telemetry_collect_update",
	 "AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH "
	 "STATEMENT",
	 false},
	{"telemetry_collect_delete",
	 "AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT", false},
	{"telemetry_collect_truncate", "BEFORE TRUNCATE ON %s FOR EACH STATEMENT", false},
	{"telemetry_collect_replica", "AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW", true},
};

Oid
root_of(Oid relation)
{
	List *ancestors;

	if (!get_rel_relispartition(relation))
		return relation;
	ancestors = get_partition_ancestors(relation);
	return ancestors == NIL ? relation : llast_oid(ancestors);
}

/* ---- making and dropping --------------------------------------------------------------------- */

void
wait_for_writers(Oid relation)
{
	LockRelationOid(relation, ShareRowExclusiveLock);
	(void) find_all_inheritors(relation, ShareRowExclusiveLock, NULL);
}

static bool
is_for_replica(const char *trigger)
{
	return strcmp(trigger, "telemetry_collect_replica") == 0;
}

static bool
is_for_truncate(const char *trigger)
{
	return strcmp(trigger, "telemetry_collect_truncate") == 0;
}

/* How ALTER TABLE ... ENABLE ... TRIGGER says when it fires. */
static const char *
way_of(const char *trigger)
{
	return is_for_replica(trigger) ? "REPLICA " : is_for_truncate(trigger) ? "ALWAYS " : "";
}

static char
mode_of(const char *trigger)
{
	return is_for_replica(trigger)    ? TRIGGER_FIRES_ON_REPLICA
		   : is_for_truncate(trigger) ? TRIGGER_FIRES_ALWAYS
									  : TRIGGER_FIRES_ON_ORIGIN;
}

static void
install_one(Oid relation, bool is_root)
{
	char *name = qualified_name(relation);

	if (get_rel_relkind(relation) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("a continuous view cannot follow foreign table %s", name),
						errdetail("What others write into it would not be seen.")));
	for (size_t i = 0; i < lengthof(triggers); i++)
	{
		StringInfoData sql;

		if (OidIsValid(get_trigger_oid(relation, triggers[i].name, true)) ||
			(triggers[i].root_only && !is_root))
			continue;
		initStringInfo(&sql);
		appendStringInfo(&sql, "CREATE TRIGGER %s ", triggers[i].name);
		appendStringInfo(&sql, triggers[i].when, name);
		appendStringInfoString(&sql, " EXECUTE FUNCTION telemetry._collect_changes()");
		spi_run(sql.data);
		spi_run(psprintf("ALTER TABLE %s ENABLE %sTRIGGER %s", name, way_of(triggers[i].name),
						 triggers[i].name));
	}
}

void
triggers_install(Oid relation)
{
	List *relations = find_all_inheritors(relation, ShareRowExclusiveLock, NULL);
	bool is_root = !get_rel_relispartition(relation);
	ListCell *cell;
	OwnSpi scope;

	own_spi_begin(&scope);
	foreach (cell, relations)
		install_one(lfirst_oid(cell), is_root && lfirst_oid(cell) == relation);
	own_spi_end(&scope);
}

void
triggers_remove(Oid relation)
{
	List *relations = find_all_inheritors(relation, ShareRowExclusiveLock, NULL);
	ListCell *cell;
	OwnSpi scope;

	own_spi_begin(&scope);
	foreach (cell, relations)
		for (size_t i = 0; i < lengthof(triggers); i++)
			if (OidIsValid(get_trigger_oid(lfirst_oid(cell), triggers[i].name, true)) &&
				(!triggers[i].root_only || lfirst_oid(cell) == relation))
				spi_run(psprintf("DROP TRIGGER %s ON %s", triggers[i].name,
								 qualified_name(lfirst_oid(cell))));
	own_spi_end(&scope);
}

bool
trigger_is_ours(const char *name)
{
	for (size_t i = 0; i < lengthof(triggers); i++)
		if (strcmp(triggers[i].name, name) == 0)
			return true;
	return false;
}

static void
report_mode(Relation relation, const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("trigger %s of table \"%s\" is not as the continuous views need it",
						   name, RelationGetRelationName(relation)),
					errhint("ALTER TABLE %s ENABLE %sTRIGGER %s.",
							qualified_name(RelationGetRelid(relation)), way_of(name), name)));
}

static void
check_one(Relation relation)
{
	TriggerDesc *desc = relation->trigdesc;
	int found = 0;

	for (int i = 0; desc && i < desc->numtriggers; i++)
	{
		const Trigger *trigger = &desc->triggers[i];

		if (!trigger_is_ours(trigger->tgname))
			continue;
		if (trigger->tgenabled != mode_of(trigger->tgname))
			report_mode(relation, pstrdup(trigger->tgname));
		found++;
	}
	if (found < (int) lengthof(triggers))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s\" lacks triggers that the continuous views need",
							   RelationGetRelationName(relation))));
}

static void
mend_one(Oid relation)
{
	Relation table = table_open(relation, NoLock);
	TriggerDesc *desc = table->trigdesc;
	List *wrong = NIL;
	ListCell *cell;

	for (int i = 0; desc && i < desc->numtriggers; i++)
	{
		const Trigger *trigger = &desc->triggers[i];

		if (trigger_is_ours(trigger->tgname) && trigger->tgenabled != TRIGGER_DISABLED &&
			trigger->tgenabled != mode_of(trigger->tgname))
			wrong = lappend(wrong, pstrdup(trigger->tgname));
	}
	/* It may not be open while it is altered. */
	table_close(table, NoLock);
	foreach (cell, wrong)
		spi_run(psprintf("ALTER TABLE ONLY %s ENABLE %sTRIGGER %s", qualified_name(relation),
						 way_of(lfirst(cell)), (char *) lfirst(cell)));
}

void
triggers_mend(Oid relation)
{
	List *relations;
	ListCell *cell;
	OwnSpi scope;

	CommandCounterIncrement();
	own_spi_begin(&scope);
	relations = find_all_inheritors(relation, ShareRowExclusiveLock, NULL);
	foreach (cell, relations)
		mend_one(lfirst_oid(cell));
	own_spi_end(&scope);
}

/* Statements on a table that inherits fire no triggers of its parent, nor the other way round. */
static void
check_alone(Oid relation)
{
	if (get_rel_relkind(relation) != RELKIND_RELATION || get_rel_relispartition(relation) ||
		(!has_superclass(relation) && find_inheritance_children(relation, NoLock) == NIL))
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("a continuous view cannot follow \"%s\"", get_rel_name(relation)),
					errdetail("It inherits from another table, or another from it."),
					errhint("ALTER TABLE ... NO INHERIT.")));
}

void
check_logged(Oid relation)
{
	List *relations = find_all_inheritors(relation, AccessShareLock, NULL);
	ListCell *cell;

	foreach (cell, relations)
	{
		char *name = get_rel_name(lfirst_oid(cell));

		/* What a partitioned table says of itself means nothing before PostgreSQL 18. */
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION &&
			get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_UNLOGGED)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a continuous view cannot follow unlogged table \"%s\"", name),
					 errdetail("It is empty after a crash, and on a standby; the view would "
							   "not be."),
					 errhint("ALTER TABLE %s SET LOGGED.", qualified_name(lfirst_oid(cell)))));
	}
}

void
triggers_check(Oid relation)
{
	List *relations = find_all_inheritors(relation, AccessShareLock, NULL);
	ListCell *cell;

	check_alone(relation);
	foreach (cell, relations)
	{
		Relation table = table_open(lfirst_oid(cell), NoLock);

		check_one(table);
		table_close(table, NoLock);
	}
}

/* ---- firing ---------------------------------------------------------------------------------- */

static void
collect_leaf(List *views, Oid relation, bool minus)
{
	Relation table = table_open(relation, AccessShareLock);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplestore_puttupleslot(rows, slot);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	collect_rows_for(views, table, rows, minus);
	tuplestore_end(rows);
	table_close(table, NoLock);
}

void
collect_relation(List *views, Oid relation, bool minus)
{
	List *relations = find_all_inheritors(relation, NoLock, NULL);
	ListCell *cell;

	if (views == NIL)
		return;
	CommandCounterIncrement();
	foreach (cell, relations)
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION)
			collect_leaf(views, lfirst_oid(cell), minus);
}

/*
 * TRUNCATE of the whole table leaves nothing but what expired. It fires the triggers of all
 * partitions as well, after the root's: there is nothing to take away from then on. TRUNCATE of
 * partitions takes their rows away.
 */
static void
truncated(List *views, Relation relation)
{
	const KnownView *first = linitial(views);
	bool whole = RelationGetRelid(relation) == first->row.target;
	List *affected = NIL;
	ListCell *cell;

	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);
		PendingView *pending;

		if (!build_follows(view))
			continue;
		pending = pending_view(view->row.view, view->row.target, view->desc);
		if (whole)
			pending_supersede(pending, true);
		else if (!pending->emptied || pending->plus)
			affected = lappend(affected, view);
	}
	if (!whole && relation->rd_rel->relkind == RELKIND_RELATION)
		collect_relation(affected, RelationGetRelid(relation), true);
}

static void
collect_tuple(List *views, Relation relation, TupleTableSlot *slot, bool minus)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);

	tuplestore_puttupleslot(rows, slot);
	collect_rows(views, relation, rows, minus);
	tuplestore_end(rows);
}

static void
row_changed(List *views, TriggerData *data)
{
	TriggerEvent event = data->tg_event;

	if (TRIGGER_FIRED_BY_INSERT(event))
		collect_tuple(views, data->tg_relation, data->tg_trigslot, false);
	else
		collect_tuple(views, data->tg_relation, data->tg_trigslot, true);
	if (TRIGGER_FIRED_BY_UPDATE(event))
		collect_tuple(views, data->tg_relation, data->tg_newslot, false);
}

/* The expressions of generated columns; NULL: of none. Their number is that of the columns. */
static ExprState **
generated_columns(Relation relation, EState *estate)
{
	TupleDesc desc = RelationGetDescr(relation);
	ExprState **states = palloc0(sizeof(ExprState *) * desc->natts);

	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attgenerated == ATTRIBUTE_GENERATED_STORED)
			states[i] = ExecPrepareExpr((Expr *) build_column_default(relation, i + 1), estate);
	return states;
}

/* As copy, in a store of our own; what has a value keeps it. */
static void
generate_values(ExprState **states, ExprContext *econtext, TupleTableSlot *row,
				TupleTableSlot *copy)
{
	slot_getallattrs(row);
	econtext->ecxt_scantuple = row;
	ExecClearTuple(copy);
	for (int i = 0; i < row->tts_tupleDescriptor->natts; i++)
	{
		copy->tts_values[i] = row->tts_values[i];
		copy->tts_isnull[i] = row->tts_isnull[i];
		if (states[i] && row->tts_isnull[i])
			copy->tts_values[i] =
				ExecEvalExprSwitchContext(states[i], econtext, &copy->tts_isnull[i]);
	}
	ExecStoreVirtualTuple(copy);
}

/*
 * PostgreSQL puts a row that goes to a partition of another layout into the root's transition table
 * as it came, before the partition's generated columns were computed. They are computed here, from
 * the same row by the same user.
 */
static Tuplestorestate *
with_generated_columns(Relation relation, Tuplestorestate *rows)
{
	TupleDesc desc = RelationGetDescr(relation);
	Tuplestorestate *complete;
	TupleTableSlot *row;
	TupleTableSlot *copy;
	EState *estate;
	ExprState **states;

	if (relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || desc->constr == NULL ||
		!desc->constr->has_generated_stored)
		return rows;
	estate = CreateExecutorState();
	states = generated_columns(relation, estate);
	row = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	copy = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	complete = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		generate_values(states, GetPerTupleExprContext(estate), row, copy);
		tuplestore_puttupleslot(complete, copy);
		ResetPerTupleExprContext(estate);
	}
	ExecDropSingleTupleTableSlot(row);
	ExecDropSingleTupleTableSlot(copy);
	FreeExecutorState(estate);
	return complete;
}

/*
 * What the statement itself put into a table that is looked up (WITH member AS (INSERT ...) INSERT
 * ...) is seen, as by any trigger. Old rows were collected before, as they had been counted: with
 * what that statement takes away there.
 */
static void
collect_new(List *views, Relation relation, Tuplestorestate *rows)
{
	Tuplestorestate *complete = with_generated_columns(relation, rows);

	CommandCounterIncrement();
	collect_rows(views, relation, complete, false);
	if (complete != rows)
		tuplestore_end(complete);
}

PG_FUNCTION_INFO_V1(telemetry_collect_changes);
Datum
telemetry_collect_changes(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Relation relation;
	List *views;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry._collect_changes() can only be called as a trigger")));
	relation = data->tg_relation;
	views = known_views(relation->rd_rel->relispartition ? root_of(RelationGetRelid(relation))
														 : RelationGetRelid(relation));
	if (views == NIL)
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		truncated(views, relation);
	else if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		row_changed(views, data);
	else
	{
		if (data->tg_oldtable)
			collect_rows(views, relation, data->tg_oldtable, true);
		if (data->tg_newtable)
			collect_new(views, relation, data->tg_newtable);
	}
	return PointerGetDatum(NULL);
}
