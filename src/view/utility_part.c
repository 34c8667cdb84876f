/*
 * The parts of views belong to whom the view belongs, who so may do anything to them. What would
 * make the view hold something else, or keep us from finding them, is refused.
 */
#include "postgres.h"

#include "access/relation.h"
#include "base/name.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "view/utility_internal.h"

static bool
is_part(const ViewRow *row, Oid relation)
{
	const Oid parts[] = {row->state,   row->definition, row->partial,
						 row->expired, row->earlier,    row->source};

	for (size_t i = 0; i < lengthof(parts); i++)
		if (parts[i] == relation)
			return true;
	return false;
}

/* InvalidOid: it is part of none. */
static Oid
view_of_part(Oid relation)
{
	List *rows;
	int id = 0;
	ListCell *cell;

	if (!OidIsValid(relation) ||
		get_rel_namespace(relation) != get_namespace_oid(STATE_SCHEMA, true))
		return InvalidOid;
	rows = view_all(InvalidOid, CurrentMemoryContext);
	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);

		if (is_part(row, relation))
			id = row->feeds != 0 ? row->feeds : row->id;
	}
	foreach (cell, rows)
		if (id != 0 && ((const ViewRow *) lfirst(cell))->id == id)
			return ((const ViewRow *) lfirst(cell))->view;
	return InvalidOid;
}

static void
refuse(const RangeVar *name, const char *what, const char *hint)
{
	Oid view = name ? view_of_part(RangeVarGetRelid(name, NoLock, true)) : InvalidOid;

	if (OidIsValid(view))
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot %s \"%s\"", what, name->relname),
						errdetail("It is a part of continuous view %s.", qualified_name(view)),
						errhint(hint, qualified_name(view))));
}

/*
 * One that has no rows yet may be emptied: pg_restore -j truncates what it has made before it fills
 * it. Who may not is told so by PostgreSQL.
 */
static void
refuse_truncate(const RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);
	Relation opened;
	bool empty;

	if (!OidIsValid(view_of_part(relation)) || get_rel_relkind(relation) != RELKIND_RELATION ||
		pg_class_aclcheck(relation, GetUserId(), ACL_TRUNCATE) != ACLCHECK_OK)
		return;
	opened = try_relation_open(relation, AccessExclusiveLock);
	if (opened == NULL)
		return;
	empty = RelationGetNumberOfBlocks(opened) == 0;
	relation_close(opened, NoLock);
	if (!empty)
		refuse(name, "truncate",
			   "TRUNCATE what the view follows, or drop it: DROP MATERIALIZED VIEW %s.");
}

static void
refuse_alter(const AlterTableStmt *alter)
{
	ListCell *cell;

	foreach (cell, alter->cmds)
		switch (((const AlterTableCmd *) lfirst(cell))->subtype)
		{
			case AT_SetUnLogged:
			case AT_EnableRowSecurity:
			case AT_ForceRowSecurity:
			case AT_AddInherit:
				refuse(alter->relation, "alter",
					   "Alter what the view follows, or drop it: DROP MATERIALIZED VIEW %s.");
				break;
			default:
				break;
		}
}

void
utility_refuse_parts(const Node *statement)
{
	ListCell *cell;

	switch (nodeTag(statement))
	{
		case T_TruncateStmt:
			foreach (cell, ((const TruncateStmt *) statement)->relations)
				refuse_truncate(lfirst(cell));
			break;
		case T_RenameStmt:
			refuse(((const RenameStmt *) statement)->relation, "rename",
				   "Rename the view or its columns: ALTER MATERIALIZED VIEW %s RENAME ...");
			break;
		case T_AlterObjectSchemaStmt:
			refuse(((const AlterObjectSchemaStmt *) statement)->relation, "move",
				   "Move the view: ALTER MATERIALIZED VIEW %s SET SCHEMA ...");
			break;
		case T_AlterTableStmt:
			refuse_alter((const AlterTableStmt *) statement);
			break;
		case T_ViewStmt:
			if (((const ViewStmt *) statement)->replace)
				refuse(((const ViewStmt *) statement)->view, "replace",
					   "Drop the view, and create it anew: DROP MATERIALIZED VIEW %s.");
			break;
		default:
			break;
	}
}
