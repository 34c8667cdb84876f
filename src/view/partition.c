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
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/known.h"
#include "view/pending.h"
#include "view/session_statement.h"
#include "view/statement.h"
#include "view/trigger.h"

/*
 * Partitions that this transaction drops: those that were read before, and all, with their roots.
 */
static List *counted;
static List *dropped_partitions;
static List *dropped_roots;
/* Other tables, of which some may have been partitions before. */
static List *dropped_tables;
static object_access_hook_type next_hook;

static void
end_of_transaction(XactEvent event, void *argument)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	counted = dropped_partitions = dropped_roots = dropped_tables = NIL;
}

/* What a rolled back part of the transaction read or dropped does not count. */
static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
					  void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		counted = dropped_partitions = dropped_roots = dropped_tables = NIL;
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
	if (access != OAT_DROP || class != RelationRelationId || column != 0 ||
		get_rel_relkind(object) != RELKIND_RELATION)
		return;
	if (get_rel_relispartition(object))
	{
		remember(&dropped_partitions, object);
		remember(&dropped_roots, root_of(object));
	}
	else if (get_rel_persistence(object) != RELPERSISTENCE_TEMP &&
			 get_rel_namespace(object) != get_namespace_oid(STATE_SCHEMA, true))
		remember(&dropped_tables, object);
}

/*
 * What a detached partition contributed stays when it is dropped, but nobody brings it back: its
 * OID may become another table's, at the latest after a dump and restore.
 */
static void
forget_tables(const List *views)
{
	Oid types[] = {OIDARRAYOID};
	Datum *tables = palloc(sizeof(Datum) * (list_length(dropped_tables) + 1));
	Datum values[1];
	int n = 0;
	ListCell *cell;

	foreach (cell, dropped_tables)
		tables[n++] = ObjectIdGetDatum(lfirst_oid(cell));
	dropped_tables = NIL;
	if (n == 0)
		return;
	values[0] =
		PointerGetDatum(construct_array(tables, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
	foreach (cell, views)
	{
		const ViewRow *row = lfirst(cell);
		char *expired;
		OwnerScope scope;

		/* Other tables have no partitions. */
		if (get_rel_relkind(row->target) != RELKIND_PARTITIONED_TABLE)
			continue;
		/* Others may be dropping the view: it is gone then, as one that is dropped here may be. */
		LockRelationOid(row->expired, RowExclusiveLock);
		expired = get_rel_name(row->expired);
		if (expired == NULL)
			continue;
		owner_begin(&scope, owner_of(row->expired));
		spi_connect();
		spi_run_with(psprintf("UPDATE " STATE_SCHEMA ".%s SET _partition = 0 "
							  "WHERE _partition = ANY ($1) AND _partition <> 0",
							  quote_identifier(expired)),
					 1, types, values, NULL);
		SPI_finish();
		owner_end(&scope);
	}
}

void
partition_dropped(const List *views)
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
	forget_tables(views);
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

static void
insert_expired(const KnownView *view, Oid partition, Tuplestorestate *rows)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(partition)};
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	tuplestore_rescan(rows);
	hand_over(PLUS_ROWS, rows, view->desc);
	spi_run_with(
		psprintf("INSERT INTO %s SELECT $1::regclass, r.* FROM " PLUS_ROWS " AS r", view->expired),
		1, types, values, NULL);
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
	pending_copy_rows(rows, pending_store(pending, true), view->desc);
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

/*
 * Each by itself: it may come back without those that it went with, or with others. What this
 * transaction has for the view is put aside meanwhile.
 */
static void
leaf_goes(KnownView *view, Oid leaf, bool dropped)
{
	PendingView *pending = pending_view(view->row.view, view->row.target, view->desc);
	Tuplestorestate *before = pending->plus;

	pending->plus = NULL;
	collect_relation(list_make1(view), leaf, false);
	if (pending->plus)
	{
		insert_expired(view, dropped ? InvalidOid : leaf, pending->plus);
		if (session_ends(view) && build_follows(view))
			freeze(pending, view, pending->plus);
		tuplestore_end(pending->plus);
	}
	pending->plus = before;
}

/* Its tables that have rows; of those that are dropped, each once, however often it is named. */
static List *
leaves_of(Oid partition, bool dropped)
{
	List *leaves = NIL;
	ListCell *cell;

	foreach (cell, find_all_inheritors(partition, NoLock, NULL))
	{
		Oid leaf = lfirst_oid(cell);

		if (get_rel_relkind(leaf) != RELKIND_RELATION || list_member_oid(counted, leaf))
			continue;
		if (dropped)
			remember(&counted, leaf);
		leaves = lappend_oid(leaves, leaf);
	}
	return leaves;
}

void
partition_hold(Oid parent, bool concurrently)
{
	Oid root = root_of(parent);

	if (root != parent && known_views(root) != NIL)
		LockRelationOid(root, ShareUpdateExclusiveLock);
	LockRelationOid(parent, concurrently ? ShareUpdateExclusiveLock : AccessExclusiveLock);
}

void
partition_goes(Oid partition, bool dropped)
{
	Oid root = root_of(partition);
	List *views = known_views(root);
	List *leaves;
	ListCell *cell;
	ListCell *leaf;

	if (root == partition || views == NIL)
		return;
	if (!lock_from_above(root, partition))
	{
		partition_goes(partition, dropped);
		return;
	}
	leaves = leaves_of(partition, dropped);
	/* Those that were made while it waited. */
	views = known_views(root);
	foreach (cell, views)
		if (keeps_expired(lfirst(cell)))
			foreach (leaf, leaves)
				leaf_goes(lfirst(cell), lfirst_oid(leaf), dropped);
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
	Datum *columns = palloc(sizeof(Datum) * view->ncolumns);
	bool *isnull = palloc(sizeof(bool) * view->ncolumns);
	OwnerScope scope;

	owner_begin(&scope, view->owner);
	spi_connect();
	/* Others may have taken it out since this transaction's snapshot. */
	execute_latest_with(
		psprintf("DELETE FROM %s WHERE _partition = $1 AND _partition <> 0 RETURNING %s",
				 view->expired, statement_columns(view, "")),
		1, types, values);
	/* Else it is computed anew, without them. */
	if (!frozen && build_follows(view) && SPI_processed > 0)
		went = pending_store(pending_view(view->row.view, view->row.target, view->desc), true);
	for (uint64 i = 0; went && i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, columns, isnull);
		tuplestore_putvalues(went, view->desc, columns, isnull);
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
	ListCell *leaf;

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
			foreach (leaf, find_all_inheritors(partition, NoLock, NULL))
				take_back(view, lfirst_oid(leaf));
		if (build_follows(view))
			following = lappend(following, view);
	}
	collect_relation(following, partition, false);
}
