/*
 * State tables have no replica identity: none of their indexes can be one, since keys may be NULL,
 * and with FULL each change would have all of the old row in the log, its sketches too. But what is
 * published without one PostgreSQL lets nobody update or delete from: who writes into a table that
 * views follow would get an error, and pipelines would stand still. That state is published is
 * mostly nobody's intent, but FOR ALL TABLES does it.
 */
#include "view/publication.h"

#include "postgres.h"

#include "base/spi.h"
#include "nodes/pg_list.h"

void
publication_follow(void)
{
	static SPIPlanPtr plan;
	MemoryContext context = CurrentMemoryContext;
	List *tables = NIL;
	ListCell *cell;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run(
		&plan,
		"SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
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
		tables = lappend(tables, own_spi_text(i, 1, context));
	foreach (cell, tables)
		spi_run(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", (const char *) lfirst(cell)));
	own_spi_end(&scope);
}
