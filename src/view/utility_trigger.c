/*
 * Triggers of ours stay what they are: each statement that would take one away, or make another of
 * its name, is refused while views need it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"
#include "view/known.h"
#include "view/trigger.h"
#include "view/utility_internal.h"

/* DROP TRIGGER of ours would leave the views behind silently. */
void
utility_drop_trigger(Utility *utility)
{
	DropStmt *drop = (DropStmt *) utility->statement->utilityStmt;
	ListCell *cell;

	foreach (cell, drop->objects)
	{
		List *name = lfirst(cell);
		const char *trigger = strVal(llast(name));
		List *table = list_truncate(list_copy(name), list_length(name) - 1);
		Oid relation;

		if (table == NIL || !trigger_is_ours(trigger))
			continue;
		relation = RangeVarGetRelid(makeRangeVarFromNameList(table), NoLock, true);
		if (OidIsValid(relation) && known_views(root_of(relation)) != NIL)
			ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
							errmsg("cannot drop trigger %s of table \"%s\"", trigger,
								   get_rel_name(relation)),
							errdetail("Continuous views over the table need it."),
							errhint("Drop the views; the trigger goes with the last of them.")));
	}
	utility_run(utility);
}

/* By its name we know it again; under another it could be disabled or dropped behind our back. */
void
utility_refuse_renamed_trigger(const RenameStmt *rename)
{
	Oid relation;

	if (rename->renameType != OBJECT_TRIGGER || !trigger_is_ours(rename->subname))
		return;
	relation = RangeVarGetRelid(rename->relation, NoLock, true);
	if (OidIsValid(relation) && known_views(root_of(relation)) != NIL)
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot rename trigger %s of table \"%s\"", rename->subname,
							   get_rel_name(relation)),
						errdetail("Continuous views over the table need it.")));
}

/* What bears the name is taken for ours; a dump has ours, too. */
void
utility_create_trigger(Utility *utility)
{
	CreateTrigStmt *create = (CreateTrigStmt *) utility->statement->utilityStmt;
	Oid relation;

	if (trigger_is_ours(create->trigname))
	{
		if (strcmp(strVal(llast(create->funcname)), "_collect_changes") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_RESERVED_NAME),
					 errmsg("trigger name \"%s\" is reserved", create->trigname),
					 errdetail("Tables that continuous views follow have triggers of that name."),
					 errhint("Choose another name.")));
		relation = RangeVarGetRelid(create->relation, NoLock, true);
		if (create->replace && OidIsValid(relation) && known_views(root_of(relation)) != NIL)
			ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
							errmsg("cannot replace trigger %s of table \"%s\"", create->trigname,
								   get_rel_name(relation)),
							errdetail("Continuous views over the table need it.")));
	}
	utility_run(utility);
}
