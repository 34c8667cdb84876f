/*
 * The utility statements that concern continuous views: a continuous view is, to PostgreSQL, a
 * plain view, but what people write of it says MATERIALIZED VIEW.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/owner.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "commands/user.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/create.h"
#include "view/known.h"
#include "view/partition.h"
#include "view/publication.h"
#include "view/renamed.h"
#include "view/replaced.h"
#include "view/suspend.h"
#include "view/trigger.h"
#include "view/utility.h"
#include "view/view.h"
#include "view/view_index.h"

static ProcessUtility_hook_type next_hook;

typedef struct Utility
{
	PlannedStmt *statement;
	const char *text;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *environment;
	DestReceiver *receiver;
	QueryCompletion *completion;
} Utility;

static void
run(Utility *utility)
{
	ProcessUtility_hook_type go = next_hook ? next_hook : standard_ProcessUtility;

	go(utility->statement, utility->text, true, utility->context, utility->params,
	   utility->environment, utility->receiver, utility->completion);
}

/* The statement, to be changed: nobody else may see the change. */
static Node *
writable(Utility *utility)
{
	utility->statement = copyObject(utility->statement);
	return utility->statement->utilityStmt;
}

static ViewRow *
continuous(RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	if (!OidIsValid(relation) || get_rel_relkind(relation) != RELKIND_VIEW)
		return NULL;
	return view_by_oid(relation, CurrentMemoryContext);
}

/*
 * To tell the views over one of a change a writer opens it, with the table in use. So who drops
 * such views or gives them away waits for the writers first; of others he waits when he has the
 * view.
 */
static void
writers_first(const List *rows)
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

/* ---- DROP ------------------------------------------------------------------------------------ */

/*
 * DROP MATERIALIZED VIEW a, b: those that are continuous are dropped as the views they are. To DROP
 * VIEW all are.
 */
static void
drop_views(Utility *utility, ObjectType kind)
{
	DropStmt *all = (DropStmt *) writable(utility);
	List *plain = NIL;
	List *ours = NIL;
	List *rows = NIL;
	ListCell *cell;

	foreach (cell, all->objects)
	{
		ViewRow *row = continuous(makeRangeVarFromNameList(lfirst(cell)));

		if (row)
			ours = lappend(ours, lfirst(cell));
		else
			plain = lappend(plain, lfirst(cell));
		rows = lappend(rows, row);
	}
	writers_first(rows);
	if (kind == OBJECT_VIEW)
	{
		run(utility);
		return;
	}
	if (plain != NIL)
	{
		all->objects = plain;
		run(utility);
	}
	if (ours != NIL)
	{
		DropStmt *drop = (DropStmt *) writable(utility);

		drop->removeType = OBJECT_VIEW;
		drop->objects = ours;
		run(utility);
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
	writers_first(rows);
	run(utility);
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
	run(utility);
}

/*
 * DROP OWNED, REASSIGN OWNED: PostgreSQL takes what the roles own one after the other, parts of a
 * view before its table or behind. Writers have the table, and open the parts when they collect and
 * fold; so they are waited for before anything is taken.
 */
static void
change_owned(Utility *utility, List *role_names)
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

		if (row->feeds != 0 || !(list_member_oid(roles, owner_of(row->view)) ||
								 list_member_oid(roles, owner_of(table))))
			continue;
		/* Builds take views before tables. */
		build_exclude(row->view);
		tables = list_append_unique_oid(tables, table);
	}
	list_sort(tables, list_oid_cmp);
	foreach (cell, tables)
		wait_for_writers(lfirst_oid(cell));
	run(utility);
}

/* Those of continuous views are found by the names that they were given. */
static void
drop_indexes(Utility *utility)
{
	DropStmt *drop = (DropStmt *) writable(utility);

	drop->objects = view_index_names(drop->objects);
	run(utility);
}

/* DROP TRIGGER of ours would leave the views behind silently. */
static void
drop_trigger(Utility *utility)
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
	run(utility);
}

/* By its name we know it again; under another it could be disabled or dropped behind our back. */
static void
refuse_renamed_trigger(const RenameStmt *rename)
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

/* What is in them is looked for by their names: writers would go on, and no view would follow. */
static void
refuse_renamed_schema(const RenameStmt *rename)
{
	if (rename->renameType == OBJECT_SCHEMA && (strcmp(rename->subname, "telemetry") == 0 ||
												strcmp(rename->subname, "telemetry_state") == 0))
		ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
						errmsg("cannot rename schema \"%s\"", rename->subname),
						errdetail("Extension telemetry finds by that name what it needs.")));
}

/* What bears the name is taken for ours; a dump has ours, too. */
static void
create_trigger(Utility *utility)
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
	run(utility);
}

/* ---- ALTER ----------------------------------------------------------------------------------- */

/*
 * The parts belong to whom the view belongs. Who has written into the table has yet to fold, as the
 * owner that there was.
 */
static void
follow_owner(Oid view)
{
	ViewRow *row = view_by_oid(view, CurrentMemoryContext);
	ListCell *cell;
	Oid owner;

	if (row == NULL)
		return;
	CommandCounterIncrement();
	owner = owner_of(view);
	if (owner != owner_of(row->state))
		wait_for_writers(view_table(view, NULL));
	view_give_parts(row, owner);
	foreach (cell, view_helpers(row, CurrentMemoryContext))
		view_give_parts(lfirst(cell), owner);
}

/* The views that follow a table; only: that one of them, or whose helper it is. */
static void
mark_stale(Oid relation, const ViewRow *only, const char *reason, bool suspended)
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

/* What of an ALTER TABLE keeps changes of the table's rows from us, until it is undone. */
static bool
disables_triggers(const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			return true;
		case AT_DisableTrig:
			return trigger_is_ours(command->name);
		default:
			return false;
	}
}

static bool
enables_triggers(const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
			return true;
		case AT_EnableTrig:
		case AT_EnableAlwaysTrig:
		case AT_EnableReplicaTrig:
			return trigger_is_ours(command->name);
		default:
			return false;
	}
}

/* What is written into a table that inherits fires no trigger of ours. */
static void
note_child(const RangeVar *parent)
{
	Oid relation = RangeVarGetRelid(parent, NoLock, true);

	if (OidIsValid(relation) && get_rel_relkind(relation) == RELKIND_RELATION)
		mark_stale(relation, NULL, "another table inherits from it", true);
}

static void
note_losses(const AlterTableStmt *alter, Oid relation)
{
	bool mend = false;
	ListCell *cell;

	foreach (cell, alter->cmds)
	{
		const AlterTableCmd *command = lfirst(cell);

		/* Whoever suspended the views resumes them, and says then what becomes of them. */
		if (disables_triggers(command))
			mark_stale(relation, NULL, "its triggers were disabled", false);
		else if (command->subtype == AT_SetUnLogged)
			mark_stale(relation, NULL, "the table is unlogged, and empty after a crash", true);
		else if (command->subtype == AT_AddInherit)
		{
			mark_stale(relation, NULL, "the table inherits from another", true);
			note_child((const RangeVar *) command->def);
		}
		mend = mend || enables_triggers(command);
	}
	/* Each fires when it must, whatever the statement says; pg_restore says the same of all. */
	if (mend && known_views(root_of(relation)) != NIL)
		triggers_mend(relation);
}

/* PostgreSQL does not ask the views that read the column, as it does when its type changes. */
static void
refuse_expression(const AlterTableStmt *alter, Oid relation)
{
	ListCell *cell;
	ListCell *one;

	foreach (cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst(cell);

		if (!compat_sets_expression(command))
			continue;
		foreach (one, known_views(root_of(relation)))
		{
			const KnownView *view = lfirst(one);

			if (renamed_reads(view->row.partial, view->row.target, command->name))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot change the expression of column \"%s\"", command->name),
						 errdetail("Continuous view %s reads it.", view->name),
						 errhint("Drop the view, and create it anew afterwards.")));
		}
	}
}

static void
alter_followed(Utility *utility, Oid relation)
{
	AlterTableStmt *alter = (AlterTableStmt *) utility->statement->utilityStmt;
	Oid attached = InvalidOid;
	Oid detached = InvalidOid;
	ListCell *cell;

	refuse_expression(alter, relation);
	foreach (cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst(cell);
		PartitionCmd *partition;

		switch (command->subtype)
		{
			case AT_AttachPartition:
				partition = (PartitionCmd *) command->def;
				attached = RangeVarGetRelid(partition->name, NoLock, true);
				break;
			case AT_DetachPartition:
				partition = (PartitionCmd *) command->def;
				if (partition->concurrent && known_views(root_of(relation)) != NIL)
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("partitions of \"%s\" cannot be detached concurrently",
									get_rel_name(relation)),
							 errdetail("Continuous views follow it, and keep what the partition "
									   "contributed, in the transaction that detaches it."),
							 errhint("Use DETACH PARTITION without CONCURRENTLY.")));
				if (compat_table_owner(relation, GetUserId()))
				{
					detached = RangeVarGetRelid(partition->name, NoLock, false);
					/* Another's is refused later, and so is neither locked nor read here. */
					if (get_rel_relispartition(detached) &&
						get_partition_parent(detached, true) == relation)
						partition_goes(detached, false);
				}
				break;
			default:
				break;
		}
	}
	run(utility);
	note_losses(alter, relation);
	if (OidIsValid(attached))
		partition_came(attached, true);
	/* It feeds nothing any more; and early minor releases would not attach it again with them. */
	if (OidIsValid(detached) && known_views(root_of(relation)) != NIL)
	{
		CommandCounterIncrement();
		triggers_remove(detached);
	}
}

/* Who may read the view has no rights on its state. */
static void
refuse_invoker(const AlterTableStmt *alter)
{
	ListCell *cell;
	ListCell *option;

	foreach (cell, alter->cmds)
	{
		const AlterTableCmd *command = lfirst(cell);

		if (command->subtype != AT_SetRelOptions)
			continue;
		foreach (option, (List *) command->def)
			if (strcmp(((DefElem *) lfirst(option))->defname, "security_invoker") == 0 &&
				defGetBoolean(lfirst(option)))
				ereport(
					ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("continuous view \"%s\" cannot have security_invoker",
							alter->relation->relname),
					 errdetail("It is kept for all readers alike, as its owner sees its table."),
					 errhint("Make an ordinary view over it that shows to each what is for "
							 "him.")));
	}
}

/* Values of a row type, of a table or of none, have a column more, or one less. */
static void
note_row_type(const AlterTableStmt *alter, Oid relation)
{
	bool added = false;
	bool dropped = false;
	Oid type = get_rel_type_id(relation);
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
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);

		if (replaced_matters(row, type, dropped))
			mark_stale(row->target, row,
					   psprintf("values that it keeps, of type %s, have other columns",
								format_type_be(type)),
					   true);
	}
}

static void
alter_table(Utility *utility)
{
	AlterTableStmt *alter = (AlterTableStmt *) utility->statement->utilityStmt;
	Oid relation = RangeVarGetRelid(alter->relation, NoLock, true);
	char kind = OidIsValid(relation) ? get_rel_relkind(relation) : 0;
	ListCell *cell;

	if (kind == RELKIND_VIEW && continuous(alter->relation))
	{
		alter = (AlterTableStmt *) writable(utility);
		if (alter->objtype == OBJECT_MATVIEW)
			alter->objtype = OBJECT_VIEW;
		refuse_invoker(alter);
		foreach (cell, alter->cmds)
			if (((AlterTableCmd *) lfirst(cell))->subtype == AT_ChangeOwner)
				writers_first(list_make1(view_by_oid(relation, CurrentMemoryContext)));
		run(utility);
		follow_owner(relation);
	}
	else if (kind == RELKIND_RELATION && alter->objtype == OBJECT_TABLE)
	{
		foreach (cell, alter->cmds)
			if (disables_triggers(lfirst(cell)))
				suspend_guard(relation);
		refuse_expression(alter, relation);
		run(utility);
		note_losses(alter, relation);
	}
	else if (kind == RELKIND_FOREIGN_TABLE)
	{
		run(utility);
		note_losses(alter, relation);
	}
	else if (kind == RELKIND_PARTITIONED_TABLE)
		alter_followed(utility, relation);
	else
		run(utility);
	if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
		kind == RELKIND_COMPOSITE_TYPE)
		note_row_type(alter, relation);
}

/* Of foreign tables, too, whose statement begins as that of others. */
static void
create_table(Utility *utility)
{
	const CreateStmt *create = (const CreateStmt *) utility->statement->utilityStmt;
	Oid partition;
	ListCell *cell;

	run(utility);
	if (create->partbound == NULL)
	{
		foreach (cell, create->inhRelations)
			note_child(lfirst(cell));
		return;
	}
	CommandCounterIncrement();
	/* Where it was made: a temporary table of the same name would be found first. */
	partition = get_relname_relid(create->relation->relname,
								  RangeVarGetCreationNamespace(create->relation));
	if (OidIsValid(partition) && get_rel_relispartition(partition))
		partition_came(partition, false);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void
refresh(Utility *utility)
{
	RefreshMatViewStmt *statement = (RefreshMatViewStmt *) utility->statement->utilityStmt;
	ViewRow *row = continuous(statement->relation);

	if (row == NULL)
		run(utility);
	else
	{
		view_check_preloaded();
		if (statement->concurrent)
		{
			/* Its own transactions are what lets the writers go on. */
			PreventInTransactionBlock(
				utility->context == PROCESS_UTILITY_TOPLEVEL,
				"REFRESH MATERIALIZED VIEW CONCURRENTLY of a continuous view");
			view_refresh_concurrently(row->view);
		}
		else
			view_refresh(row->view, !statement->skipData);
	}
}

/*
 * CREATE INDEX ON view: on its state table. Making one asks for CREATE on the schema, which is the
 * extension's.
 */
static void
create_index(Utility *utility)
{
	IndexStmt *index = (IndexStmt *) utility->statement->utilityStmt;
	ViewRow *row = index->relation ? continuous(index->relation) : NULL;
	IndexStmt *earlier = NULL;
	Oid user;
	int context;

	if (row == NULL)
	{
		run(utility);
		return;
	}
	view_index_check(row, index);
	(void) writable(utility);
	/* Sessions stand in two tables. */
	if (OidIsValid(row->earlier))
	{
		earlier = view_index_on(row, row->earlier, index, utility->text);
		if (index->idxname)
			earlier->idxname = view_index_of_earlier(index->idxname);
	}
	index = view_index_on(row, row->state, index, utility->text);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	utility->statement->utilityStmt = (Node *) index;
	run(utility);
	utility->statement->utilityStmt = (Node *) earlier;
	if (earlier)
		run(utility);
	SetUserIdAndSecContext(user, context);
}

static void
replace_view(Utility *utility)
{
	ViewStmt *statement = (ViewStmt *) utility->statement->utilityStmt;

	if (statement->replace && continuous(statement->view))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is a continuous view", statement->view->relname),
						errhint("Drop it, and create it anew.")));
	run(utility);
}

/* A view's query is a rule of PostgreSQL's. */
static void
create_rule(Utility *utility)
{
	RuleStmt *rule = (RuleStmt *) utility->statement->utilityStmt;

	if (rule->event == CMD_SELECT && continuous(rule->relation))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is a continuous view", rule->relation->relname),
						errhint("Drop it, and create it anew.")));
	run(utility);
}

/* Statements that name the kind of object: ours is called by its other name. */
static void
rename_kind(Utility *utility)
{
	Node *node = utility->statement->utilityStmt;

	if (IsA(node, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) node;

		refuse_renamed_trigger(rename);
		refuse_renamed_schema(rename);
		if ((rename->renameType == OBJECT_MATVIEW || rename->relationType == OBJECT_MATVIEW) &&
			rename->relation && continuous(rename->relation))
		{
			rename = (RenameStmt *) writable(utility);
			if (rename->renameType == OBJECT_MATVIEW)
				rename->renameType = OBJECT_VIEW;
			else
				rename->relationType = OBJECT_VIEW;
		}
	}
	else if (IsA(node, AlterObjectSchemaStmt))
	{
		AlterObjectSchemaStmt *move = (AlterObjectSchemaStmt *) node;

		if (move->objectType == OBJECT_MATVIEW && continuous(move->relation))
			((AlterObjectSchemaStmt *) writable(utility))->objectType = OBJECT_VIEW;
	}
	else if (IsA(node, CommentStmt))
	{
		CommentStmt *comment = (CommentStmt *) node;

		if (comment->objtype == OBJECT_MATVIEW &&
			continuous(makeRangeVarFromNameList((List *) comment->object)))
			((CommentStmt *) writable(utility))->objtype = OBJECT_VIEW;
	}
	run(utility);
}

/*
 * Views that keep texts of the type's values look for them by the new name in vain; sketches count
 * the new name besides the old.
 */
static void
alter_enum(Utility *utility)
{
	AlterEnumStmt *alter = (AlterEnumStmt *) utility->statement->utilityStmt;
	ListCell *cell;
	Oid type;

	run(utility);
	if (alter->oldVal == NULL)
		return;
	type = typenameTypeId(NULL, makeTypeNameFromNameList(alter->typeName));
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);

		/* One that follows a view is stale with it. */
		if (renamed_matters(row->partial, type))
			mark_stale(row->target, row, "a value that it keeps by its name was renamed", true);
	}
}

/* ALTER, DROP or CREATE OR REPLACE: what views hold was computed by what the function was. */
static void
change_function(Utility *utility)
{
	/* Our own script may come before the tables are as we know them. */
	bool is_ours =
		creating_extension && CurrentExtensionObject == get_extension_oid("telemetry", true);
	List *remembered = is_ours ? NIL : replaced_remember();
	ListCell *cell;

	run(utility);
	if (remembered == NIL)
		return;
	CommandCounterIncrement();
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		const ViewRow *row = lfirst(cell);
		const char *function = replaced_function(row, remembered);

		if (function)
			mark_stale(row->target, row,
					   psprintf("function %s, which it calls, was changed", function), true);
	}
}

static void
dispatch(Utility *utility)
{
	Node *node = utility->statement->utilityStmt;

	switch (nodeTag(node))
	{
		case T_CreateTableAsStmt:
			if (((CreateTableAsStmt *) node)->into->options != NIL)
			{
				CreateTableAsStmt *create = (CreateTableAsStmt *) writable(utility);

				if (is_create_continuous(create))
				{
					view_create(create, utility->text, utility->completion);
					publication_follow();
					return;
				}
			}
			run(utility);
			break;
		case T_RefreshMatViewStmt:
			refresh(utility);
			break;
		case T_DropOwnedStmt:
			view_repair();
			change_owned(utility, ((DropOwnedStmt *) node)->roles);
			break;
		case T_ReassignOwnedStmt:
			change_owned(utility, ((ReassignOwnedStmt *) node)->roles);
			break;
		case T_DropStmt:
			view_repair();
			if (((DropStmt *) node)->removeType == OBJECT_MATVIEW ||
				((DropStmt *) node)->removeType == OBJECT_VIEW)
				drop_views(utility, ((DropStmt *) node)->removeType);
			else if (((DropStmt *) node)->removeType == OBJECT_SCHEMA)
				drop_schemas(utility);
			else if (((DropStmt *) node)->removeType == OBJECT_TABLE)
				drop_tables(utility);
			else if (((DropStmt *) node)->removeType == OBJECT_TRIGGER)
				drop_trigger(utility);
			else if (((DropStmt *) node)->removeType == OBJECT_INDEX)
				drop_indexes(utility);
			else if (((DropStmt *) node)->removeType == OBJECT_FUNCTION ||
					 ((DropStmt *) node)->removeType == OBJECT_ROUTINE ||
					 ((DropStmt *) node)->removeType == OBJECT_AGGREGATE)
				change_function(utility);
			else
				run(utility);
			break;
		case T_AlterTableStmt:
			alter_table(utility);
			break;
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			create_table(utility);
			break;
		case T_AlterEnumStmt:
			alter_enum(utility);
			break;
		case T_CreateFunctionStmt:
			if (((CreateFunctionStmt *) node)->replace)
				change_function(utility);
			else
				run(utility);
			break;
		case T_DefineStmt:
			if (((DefineStmt *) node)->replace)
				change_function(utility);
			else
				run(utility);
			break;
		case T_AlterFunctionStmt:
			change_function(utility);
			break;
		case T_IndexStmt:
			create_index(utility);
			break;
		case T_CreateTrigStmt:
			create_trigger(utility);
			break;
		case T_RuleStmt:
			create_rule(utility);
			break;
		case T_ViewStmt:
			refuse_continuous(((ViewStmt *) node)->options);
			replace_view(utility);
			break;
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			run(utility);
			CommandCounterIncrement();
			publication_follow();
			break;
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
		case T_CommentStmt:
			rename_kind(utility);
			break;
		default:
			run(utility);
	}
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	Utility utility = {statement, text, context, params, environment, receiver, completion};

	/* Names can be looked up only where a transaction is in order: not for ROLLBACK. */
	if (IsTransactionState() && !IsA(statement->utilityStmt, TransactionStmt) &&
		view_catalog_exists())
		dispatch(&utility);
	else
	{
		ProcessUtility_hook_type go = next_hook ? next_hook : standard_ProcessUtility;

		go(statement, text, read_only, context, params, environment, receiver, completion);
	}
}

void
utility_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
