/*
 * ALTER TABLE of a continuous view, or of a table that such follow: partitions that come and go,
 * and what keeps changes of rows from the views. CREATE TABLE of a partition or of a child.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/owner.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "view/known.h"
#include "view/partition.h"
#include "view/renamed.h"
#include "view/suspend.h"
#include "view/trigger.h"
#include "view/utility.h"
#include "view/utility_internal.h"

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
	/* To be given what one has already changes nothing, and waits for nobody. */
	if (owner == owner_of(row->state))
		return;
	wait_for_writers(view_table(view, NULL));
	view_give_parts(row, owner);
	foreach (cell, view_helpers(row, CurrentMemoryContext))
		view_give_parts(lfirst(cell), owner);
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
		utility_mark_stale(relation, NULL, "another table inherits from it", true);
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
			utility_mark_stale(relation, NULL, "its triggers were disabled", false);
		else if (command->subtype == AT_SetUnLogged)
			utility_mark_stale(relation, NULL, "the table is unlogged, and empty after a crash",
							   true);
		else if (command->subtype == AT_AddInherit)
		{
			utility_mark_stale(relation, NULL, "the table inherits from another", true);
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
				/* Another's is refused later, and so is neither locked nor read here. */
				if (!compat_table_owner(relation, GetUserId()))
					break;
				partition_hold(relation, partition->concurrent);
				if (partition->concurrent && known_views(root_of(relation)) != NIL)
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("partitions of \"%s\" cannot be detached concurrently",
									get_rel_name(relation)),
							 errdetail("Continuous views follow it, and keep what the partition "
									   "contributed, in the transaction that detaches it."),
							 errhint("Use DETACH PARTITION without CONCURRENTLY.")));
				detached = RangeVarGetRelid(partition->name, NoLock, false);
				if (get_rel_relispartition(detached) &&
					get_partition_parent(detached, true) == relation)
					partition_goes(detached, false);
				break;
			default:
				break;
		}
	}
	utility_run(utility);
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

void
utility_alter_table(Utility *utility)
{
	AlterTableStmt *alter = (AlterTableStmt *) utility->statement->utilityStmt;
	Oid relation = RangeVarGetRelid(alter->relation, NoLock, true);
	char kind = OidIsValid(relation) ? get_rel_relkind(relation) : 0;
	ListCell *cell;

	if (kind == RELKIND_VIEW && utility_view(alter->relation))
	{
		alter = (AlterTableStmt *) utility_writable(utility);
		if (alter->objtype == OBJECT_MATVIEW)
			alter->objtype = OBJECT_VIEW;
		refuse_invoker(alter);
		foreach (cell, alter->cmds)
			if (((AlterTableCmd *) lfirst(cell))->subtype == AT_ChangeOwner)
				utility_writers_first(list_make1(view_by_oid(relation, CurrentMemoryContext)));
		utility_run(utility);
		follow_owner(relation);
	}
	else if (kind == RELKIND_RELATION && alter->objtype == OBJECT_TABLE)
	{
		foreach (cell, alter->cmds)
			if (disables_triggers(lfirst(cell)))
				suspend_guard(relation);
		refuse_expression(alter, relation);
		utility_run(utility);
		note_losses(alter, relation);
	}
	else if (kind == RELKIND_FOREIGN_TABLE)
	{
		utility_run(utility);
		note_losses(alter, relation);
	}
	else if (kind == RELKIND_PARTITIONED_TABLE)
		alter_followed(utility, relation);
	else
		utility_run(utility);
	if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
		kind == RELKIND_COMPOSITE_TYPE)
		utility_note_row_type(alter, relation);
}

/* Of foreign tables, too, whose statement begins as that of others. */
void
utility_create_table(Utility *utility)
{
	const CreateStmt *create = (const CreateStmt *) utility->statement->utilityStmt;
	Oid partition;
	ListCell *cell;

	utility_run(utility);
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
	if (!OidIsValid(partition))
		return;
	/* IF NOT EXISTS, it may be there, and others may drop it. */
	LockRelationOid(partition, AccessShareLock);
	if (get_rel_relispartition(partition))
		partition_came(partition, false);
}
