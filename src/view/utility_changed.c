/*
 * What views are computed by becomes something else, in their table or behind its back: those that
 * held what it was are stale.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/known.h"
#include "view/renamed.h"
#include "view/replaced.h"
#include "view/trigger.h"
#include "view/utility_internal.h"

void
utility_mark_stale(Oid relation, const ViewRow *only, const char *reason, bool suspended)
{
	ListCell *cell;

	foreach (cell, known_views(root_of(relation)))
	{
		const KnownView *view = lfirst(cell);

		if (view->main || (only && view->row.id != only->id && view->row.id != only->feeds) ||
			!(build_follows(view) || (suspended && view->row.status == VIEW_SUSPENDED)))
			continue;
		ereport(WARNING, (errmsg("continuous view %s is stale from now on: %s", view->name, reason),
						  errhint("%sREFRESH MATERIALIZED VIEW %s.",
								  only ? "" : "Undo it, and then ", view->name)));
		collect_stop(view, VIEW_STALE, reason);
	}
}

/* Values of a row type, of a table or of none, have a column more, or one less. */
void
utility_note_row_type(const AlterTableStmt *alter, Oid relation)
{
	bool added = false;
	bool dropped = false;
	Oid type = get_rel_type_id(relation);
	List *rows;
	ListCell *cell;

	foreach (cell, alter->cmds)
	{
		const AlterTableCmd *command = lfirst(cell);

		added = added || command->subtype == AT_AddColumn;
		dropped = dropped || command->subtype == AT_DropColumn;
	}
	if (!OidIsValid(type) || !(added || dropped))
		return;
	CommandCounterIncrement();
	rows = known_hold_all();
	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);

		if (replaced_matters(row, type, dropped))
			utility_mark_stale(row->target, row,
							   psprintf("values that it keeps, of type %s, have other columns",
										format_type_be(type)),
							   true);
	}
	known_let_go(rows);
}

/*
 * Views that keep texts of the type's values look for them by the new name in vain; sketches count
 * the new name besides the old.
 */
void
utility_alter_enum(Utility *utility)
{
	AlterEnumStmt *alter = (AlterEnumStmt *) utility->statement->utilityStmt;
	List *rows;
	ListCell *cell;
	Oid type;

	utility_run(utility);
	if (alter->oldVal == NULL)
		return;
	type = typenameTypeId(NULL, makeTypeNameFromNameList(alter->typeName));
	rows = known_hold_all();
	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);

		/* One that follows a view is stale with it. */
		if (renamed_matters(row->partial, type))
			utility_mark_stale(row->target, row, "a value that it keeps by its name was renamed",
							   true);
	}
	known_let_go(rows);
}

/* CREATE without OR REPLACE makes something that nobody called before. */
static bool
replaces(const Node *statement)
{
	if (IsA(statement, CreateFunctionStmt))
		return ((const CreateFunctionStmt *) statement)->replace;
	if (IsA(statement, DefineStmt))
		return ((const DefineStmt *) statement)->replace;
	return true;
}

/* CREATE OR REPLACE, ALTER or DROP: views hold what the function gave as it was before. */
void
utility_change_function(Utility *utility)
{
	/* Our own script may come before the tables are as we know them. */
	bool is_ours =
		creating_extension && CurrentExtensionObject == get_extension_oid("telemetry", true);
	bool changes = !is_ours && replaces(utility->statement->utilityStmt);
	List *remembered = changes ? replaced_remember() : NIL;
	List *rows;
	ListCell *cell;

	utility_run(utility);
	if (remembered == NIL)
		return;
	CommandCounterIncrement();
	rows = known_hold_all();
	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);
		const char *function = replaced_function(row, remembered);

		if (function)
			utility_mark_stale(row->target, row,
							   psprintf("function %s, which it calls, was changed", function),
							   true);
	}
	known_let_go(rows);
}
