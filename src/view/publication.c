/*
 * State tables have no replica identity: none of their indexes can be one, since keys may be NULL,
 * and with FULL each change would have all of the old row in the log, its sketches too. But what is
 * published without one PostgreSQL lets nobody update or delete from: who writes into a table that
 * views follow would get an error, and pipelines would stand still. That state is published is
 * mostly nobody's intent, but FOR ALL TABLES does it.
 */
#include "view/publication.h"

#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/spi.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "view/fold.h"
#include "view/known.h"

/*
 * What ALTER TABLE ... REPLICA IDENTITY FULL does, which keeps readers off, too: for the views'
 * readers nothing changes. Writers are waited for.
 */
static void
log_whole_rows(Oid table)
{
	Relation catalog;
	HeapTuple tuple;

	LockRelationOid(table, ShareRowExclusiveLock);
	catalog = table_open(RelationRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(table));
	if (HeapTupleIsValid(tuple))
	{
		((Form_pg_class) GETSTRUCT(tuple))->relreplident = REPLICA_IDENTITY_FULL;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	}
	table_close(catalog, RowExclusiveLock);
}

/* Tables that are published, and may not be changed for it. */
static List *
tables_without_identity(void)
{
	static SPIPlanPtr plan;
	MemoryContext context = CurrentMemoryContext;
	List *tables = NIL;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run(
		&plan,
		"SELECT c.oid FROM pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
		"WHERE n.nspname IN ('telemetry', 'telemetry_state') AND c.relkind = 'r' "
		"AND c.relpersistence = 'p' AND c.relreplident = 'd' AND NOT EXISTS (SELECT "
		"FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) "
		"AND EXISTS (SELECT FROM pg_catalog.pg_publication p WHERE (p.pubupdate OR p.pubdelete) "
		"AND (p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r "
		"WHERE r.prpubid = p.oid AND r.prrelid = c.oid) OR EXISTS (SELECT "
		"FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid "
		"AND s.pnnspid = n.oid))) ORDER BY c.oid",
		0, NULL, NULL, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		tables = lappend_oid(tables, own_spi_oid(i, 1));
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return tables;
}

/* In the order in which folds take them, so that no commit and this wait for each other. */
static List *
in_order_of_folds(List *tables)
{
	List *ordered = NIL;
	List *views = NIL;
	ListCell *cell;

	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);
		KnownView *view = known_view_over(row->target, row->view);

		if (view)
			views = lappend(views, view);
	}
	list_sort(views, fold_order);
	foreach (cell, views)
	{
		const ViewRow *row = &((const KnownView *) lfirst(cell))->row;
		const Oid parts[] = {row->state, row->earlier, row->expired};

		for (size_t i = 0; i < lengthof(parts); i++)
			if (list_member_oid(tables, parts[i]))
				ordered = lappend_oid(ordered, parts[i]);
	}
	return list_concat_unique_oid(ordered, tables);
}

void
publication_follow(void)
{
	List *tables = tables_without_identity();
	ListCell *cell;

	if (tables == NIL)
		return;
	foreach (cell, in_order_of_folds(tables))
		log_whole_rows(lfirst_oid(cell));
	CommandCounterIncrement();
}
