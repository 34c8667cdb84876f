/*
 * A partition that goes takes nothing away: that is how raw data expires. Its rows' contribution
 * stays in the state, and is written down in the view's table of expired contributions, so that
 * what is computed anew later (a group after a DELETE, a REFRESH, verify()) still counts it.
 */
#include "view/partition.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/owner.h"
#include "base/spi.h"
#include "catalog/pg_type.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/generate.h"
#include "view/known.h"
#include "view/pending.h"
#include "view/session_statement.h"
#include "view/trigger.h"

/* Partitions that this transaction drops: those that were read before, and all, with their roots.
 */
static List *counted;
static List *dropped_partitions;
static List *dropped_roots;
static object_access_hook_type next_hook;

static void
end_of_transaction(XactEvent event, void *argument)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	counted = dropped_partitions = dropped_roots = NIL;
}

/* What a rolled back part of the transaction read or dropped does not count. */
static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
					  void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		counted = dropped_partitions = dropped_roots = NIL;
}

static void
remember(List **list, Oid relation)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	*list = lappend_oid(*list, relation);
	MemoryContextSwitchTo(old);
}

static void
object_accessed(ObjectAccessType access, Oid class, Oid object, int column, void *argument)
{
	if (next_hook)
		next_hook(access, class, object, column, argument);
	if (access == OAT_DROP && class == RelationRelationId && column == 0 &&
		get_rel_relispartition(object) && get_rel_relkind(object) == RELKIND_RELATION)
	{
		remember(&dropped_partitions, object);
		remember(&dropped_roots, root_of(object));
	}
}

void
partition_check_dropped(void)
{
	ListCell *partition;
	ListCell *root;

	forboth (partition, dropped_partitions, root, dropped_roots)
	{
		char *name = get_rel_name(lfirst_oid(root));

		if (name && !list_member_oid(counted, lfirst_oid(partition)) &&
			known_views(lfirst_oid(root)) != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop a partition of \"%s\" in this way", name),
					 errdetail("Continuous views follow the table, and keep what the partition "
							   "contributed, which has to be read before."),
					 errhint("Use DROP TABLE on the partition, or ALTER TABLE %s DETACH PARTITION, "
							 "first.",
							 name)));
	}
	dropped_partitions = dropped_roots = NIL;
}

void
partition_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = object_accessed;
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}

/* ---- going ----------------------------------------------------------------------------------- */

/* Takes what the level has for the view as it is, apart, while rows of a partition are collected.
 */
typedef struct Aside
{
	Tuplestorestate *plus;
	Tuplestorestate *minus;
} Aside;

static void
insert_expired(const KnownView *view, Oid partition, Tuplestorestate *rows)
{
	EphemeralNamedRelationData relation = {0};
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(partition)};
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	tuplestore_rescan(rows);
	relation.md.name = PLUS_ROWS;
	relation.md.tupdesc = view->desc;
	relation.md.enrtype = ENR_NAMED_TUPLESTORE;
	relation.md.enrtuples = tuplestore_tuple_count(rows);
	relation.reldata = rows;
	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not hand rows of a partition over");
	if (SPI_execute_with_args(psprintf("INSERT INTO %s SELECT $1::regclass, r.* FROM " PLUS_ROWS
									   " AS r",
									   view->expired),
							  1, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not keep what a partition contributed");
	SPI_finish();
	owner_end(&scope);
}

/*
 * One that does not follow the table now will be computed anew, of the rows that are left and of
 * what expired. One that was never built has nothing to keep.
 */
static bool
keeps_expired(const KnownView *view)
{
	return build_follows(view) || view->row.status == VIEW_STALE ||
		   view->row.status == VIEW_SUSPENDED;
}

/*
 * Sessions of a greatest length that expired are rows of the view by themselves. Its state does not
 * change by that, so that views over it are told here.
 */
static void
tell_of_frozen(KnownView *view, Tuplestorestate *rows, bool gone)
{
	ListCell *cell;

	foreach (cell, known_views(view->row.view))
	{
		KnownView *child = lfirst(cell);
		PendingView *pending;
		Tuplestorestate *public;

		if (!build_follows(child) || !collect_allowed(child))
			continue;
		public = tuplestore_begin_heap(false, false, work_mem);
		tuplestore_rescan(rows);
		collect_public(view, rows, public);
		tuplestore_rescan(public);
		pending = pending_view(child->row.view, view->row.view, child->desc);
		collect_run(child, public, pending_store(pending, gone));
		pending->collected++;
		tuplestore_end(public);
	}
}

/*
 * Where events can end sessions, what is frozen does not split any more, and may join what did not
 * belong to it before: the sessions that had the partition's events are computed anew. So are those
 * of a greatest length, which begin again behind what is frozen.
 */
static void
freeze(PendingView *pending, KnownView *view, Tuplestorestate *rows)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(view->desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
		tuplestore_puttupleslot(pending_store(pending, true), slot);
	ExecDropSingleTupleTableSlot(slot);
	if (session_is_limited(view))
		tell_of_frozen(view, rows, false);
}

/*
 * As PostgreSQL itself will lock it, from above: who has the parent, and asks for the partition
 * next, is waited for here. False if meanwhile another took the partition out: it is no part of the
 * table any more, or somewhere else in it.
 */
static bool
lock_from_above(Oid root, Oid partition)
{
	Oid parent = get_partition_parent(partition, true);

	if (parent != root)
		LockRelationOid(root, ShareUpdateExclusiveLock);
	LockRelationOid(parent, AccessExclusiveLock);
	LockRelationOid(partition, AccessExclusiveLock);
	return get_rel_relispartition(partition) && get_partition_parent(partition, true) == parent &&
		   root_of(partition) == root;
}

void
partition_goes(Oid partition, bool dropped)
{
	Oid root = root_of(partition);
	List *views = known_views(root);
	ListCell *cell;

	if (root == partition || views == NIL)
		return;
	if (!lock_from_above(root, partition))
	{
		partition_goes(partition, dropped);
		return;
	}
	/* Those that were made while it waited. */
	views = known_views(root);
	if (dropped)
	{
		foreach (cell, find_all_inheritors(partition, NoLock, NULL))
			remember(&counted, lfirst_oid(cell));
	}
	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);
		PendingView *pending;
		Aside aside;

		if (!keeps_expired(view))
			continue;
		pending = pending_view(view->row.view, root, view->desc);
		aside.plus = pending->plus;
		aside.minus = pending->minus;
		pending->plus = NULL;
		collect_relation(list_make1(view), partition, false);
		if (pending->plus)
		{
			insert_expired(view, dropped ? InvalidOid : partition, pending->plus);
			if (session_ends(view) && build_follows(view))
				freeze(pending, view, pending->plus);
			tuplestore_end(pending->plus);
		}
		pending->plus = aside.plus;
	}
}

/* ---- coming ---------------------------------------------------------------------------------- */

/* An old contribution of the same table is taken back: its rows count as rows again. */
static void
take_back(KnownView *view, Oid partition)
{
	Tuplestorestate *frozen = session_is_limited(view) && build_follows(view)
								  ? tuplestore_begin_heap(false, false, work_mem)
								  : NULL;
	Tuplestorestate *went = frozen;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(partition)};
	OwnerScope scope;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s WHERE _partition = $1 RETURNING ", view->expired);
	for (int i = 0; i < view->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "", view->columns[i].name);
	owner_begin(&scope, view->owner);
	spi_connect();
	if (SPI_execute_with_args(sql.data, 1, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not take back what a partition contributed");
	/* Else it is computed anew, without them. */
	if (!frozen && build_follows(view) && SPI_processed > 0)
		went = pending_store(pending_view(view->row.view, view->row.target, view->desc), true);
	for (uint64 i = 0; went && i < SPI_processed; i++)
	{
		Datum *columns = palloc(sizeof(Datum) * view->ncolumns);
		bool *nulls = palloc(sizeof(bool) * view->ncolumns);

		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, columns, nulls);
		tuplestore_putvalues(went, view->desc, columns, nulls);
	}
	SPI_finish();
	owner_end(&scope);
	if (frozen == NULL)
		return;
	tell_of_frozen(view, frozen, true);
	tuplestore_end(frozen);
}

void
partition_came(Oid partition, bool with_rows)
{
	Oid root = root_of(partition);
	List *views = known_views(root);
	List *following = NIL;
	ListCell *cell;

	if (views == NIL)
		return;
	check_logged(partition);
	triggers_install(partition);
	if (!with_rows)
		return;
	foreach (cell, views)
	{
		KnownView *view = lfirst(cell);

		if (keeps_expired(view))
			take_back(view, partition);
		if (build_follows(view))
			following = lappend(following, view);
	}
	collect_relation(following, partition, false);
}
