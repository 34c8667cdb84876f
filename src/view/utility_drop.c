/*
 * DROP of continuous views, and of what they stand on; DROP OWNED and REASSIGN OWNED. What is left
 * to do then is done by drop.c.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/owner.h"
#include "catalog/namespace.h"
#include "commands/user.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "view/build.h"
#include "view/partition.h"
#include "view/trigger.h"
#include "view/utility.h"
#include "view/utility_internal.h"
#include "view/view_index.h"

void
utility_writers_first(const List *rows)
{
	List *waited = NIL;
	ListCell *cell;

	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);

		if (row == NULL || !compat_table_owner(row->view, GetUserId()) ||
			view_all(row->view, CurrentMemoryContext) == NIL)
			continue;
		/* Builds take views before tables. */
		build_exclude(row->view);
		waited = lappend_oid(waited, row->view);
	}
	foreach (cell, waited)
		wait_for_writers(view_table(lfirst_oid(cell), NULL));
}

/*
 * DROP MATERIALIZED VIEW a, b: those that are continuous are dropped as the views they are. To DROP
 * VIEW all are.
 */
static void
drop_views(Utility *utility)
{
	DropStmt *all = (DropStmt *) utility_writable(utility);
	List *plain = NIL;
	List *ours = NIL;
	List *rows = NIL;
	ListCell *cell;

	foreach (cell, all->objects)
	{
		ViewRow *row = utility_view(makeRangeVarFromNameList(lfirst(cell)));

		if (row)
			ours = lappend(ours, lfirst(cell));
		else
			plain = lappend(plain, lfirst(cell));
		rows = lappend(rows, row);
	}
	utility_writers_first(rows);
	if (all->removeType == OBJECT_VIEW)
	{
		utility_run(utility);
		return;
	}
	if (plain != NIL)
	{
		all->objects = plain;
		utility_run(utility);
	}
	if (ours != NIL)
	{
		DropStmt *drop = (DropStmt *) utility_writable(utility);

		drop->removeType = OBJECT_VIEW;
		drop->objects = ours;
		utility_run(utility);
	}
}

/* DROP SCHEMA ... CASCADE */
static void
drop_schemas(Utility *utility)
{
	DropStmt *drop = (DropStmt *) utility->statement->utilityStmt;
	List *schemas = NIL;
	List *rows = NIL;
	ListCell *cell;

	foreach (cell, drop->objects)
		schemas = lappend_oid(schemas, get_namespace_oid(strVal(lfirst(cell)), true));
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		ViewRow *row = lfirst(cell);

		if (list_member_oid(schemas, get_rel_namespace(row->view)))
			rows = lappend(rows, row);
	}
	utility_writers_first(rows);
	utility_run(utility);
}

static void
drop_tables(Utility *utility)
{
	DropStmt *drop = (DropStmt *) utility->statement->utilityStmt;
	List *relations = NIL;
	ListCell *cell;

	foreach (cell, drop->objects)
		relations = lappend_oid(
			relations, RangeVarGetRelid(makeRangeVarFromNameList(lfirst(cell)), NoLock, true));
	foreach (cell, relations)
	{
		Oid relation = lfirst_oid(cell);

		/* Somebody else's table is refused later, and so is not read here. */
		if (OidIsValid(relation) && get_rel_relispartition(relation) &&
			!list_member_oid(relations, root_of(relation)) &&
			(compat_table_owner(relation, GetUserId()) ||
			 compat_schema_owner(get_rel_namespace(relation), GetUserId())))
			partition_goes(relation, true);
	}
	utility_run(utility);
}

/*
 * DROP OWNED, REASSIGN OWNED: PostgreSQL takes what the roles own one after the other, parts of a
 * view before its table or behind. Writers have the table, and open the parts when they collect and
 * fold; so they are waited for before anything is taken.
 */
void
utility_change_owned(Utility *utility, List *role_names)
{
	List *roles = roleSpecsToIds(role_names);
	List *tables = NIL;
	ListCell *cell;

	/* Else it is refused later. */
	foreach (cell, roles)
		if (!has_privs_of_role(GetUserId(), lfirst_oid(cell)))
			roles = foreach_delete_current(roles, cell);
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);
		Oid table = view_table(row->view, NULL);

		/* Others may have dropped it just now. */
		if (row->feeds != 0 || get_rel_name(row->view) == NULL ||
			!(list_member_oid(roles, owner_of(row->view)) ||
			  list_member_oid(roles, owner_of(table))))
			continue;
		/* Builds take views before tables. */
		build_exclude(row->view);
		tables = list_append_unique_oid(tables, table);
	}
	list_sort(tables, list_oid_cmp);
	foreach (cell, tables)
		wait_for_writers(lfirst_oid(cell));
	utility_run(utility);
}

/* Those of continuous views are found by the names that they were given. */
static void
drop_indexes(Utility *utility)
{
	DropStmt *drop = (DropStmt *) utility_writable(utility);

	drop->objects = view_index_names(drop->objects);
	utility_run(utility);
}

void
utility_drop(Utility *utility)
{
	const DropStmt *drop = (DropStmt *) utility->statement->utilityStmt;

	view_repair();
	switch (drop->removeType)
	{
		case OBJECT_MATVIEW:
		case OBJECT_VIEW:
			drop_views(utility);
			break;
		case OBJECT_SCHEMA:
			drop_schemas(utility);
			break;
		case OBJECT_TABLE:
			drop_tables(utility);
			break;
		case OBJECT_TRIGGER:
			utility_drop_trigger(utility);
			break;
		case OBJECT_INDEX:
			drop_indexes(utility);
			break;
		case OBJECT_FUNCTION:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			utility_change_function(utility);
			break;
		default:
			utility_run(utility);
	}
}
