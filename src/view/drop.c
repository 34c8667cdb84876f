/*
 * What is left to do when a continuous view, or what it stands on, was dropped in whatever way.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "catalog/suspension.h"
#include "catalog/view.h"
#include "commands/event_trigger.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "view/partition.h"
#include "view/statistics.h"
#include "view/trigger.h"
#include "view/utility.h"

static void
drop_relation(Oid relation, const char *kind)
{
	if (get_rel_name(relation) == NULL)
		return;
	spi_run(psprintf("DROP %s %s", kind, qualified_name(relation)));
}

/*
 * Not if others hold it who may be dropping it: what would be noted of a relation that is gone, no
 * DROP would take away, and each of the target would fail on it. Who comes next sees to it.
 */
static bool
stays(Oid relation)
{
	if (!ConditionalLockRelationOid(relation, AccessShareLock))
		return false;
	return get_rel_name(relation) != NULL;
}

/* (Helpers depend on the target by their query.) */
void
view_repair(void)
{
	static SPIPlanPtr plan;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run(&plan,
					"SELECT v.view::oid, v.target::oid FROM telemetry._view v "
					"JOIN pg_class c ON c.oid = v.view JOIN pg_class t ON t.oid = v.target "
					"WHERE v.feeds IS NULL AND NOT EXISTS (SELECT FROM pg_depend d "
					"WHERE d.classid = 'pg_class'::regclass AND d.objid = v.view "
					"AND d.refclassid = 'pg_class'::regclass AND d.refobjid = v.target)",
					0, NULL, NULL, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		Oid view = own_spi_oid(i, 1);
		Oid target = own_spi_oid(i, 2);

		if (stays(view) && stays(target))
			view_depend(view, target);
	}
	own_spi_end(&scope);
	if (n > 0)
		CommandCounterIncrement();
}

/* Whose part it is: the view itself, or the one that it is a helper of. */
static const ViewRow *
whole_of(const ViewRow *row, const List *rows)
{
	ListCell *cell;

	foreach (cell, rows)
		if (row->feeds != 0 && ((const ViewRow *) lfirst(cell))->id == row->feeds)
			return lfirst(cell);
	return row;
}

static void
drop_parts(const ViewRow *row)
{
	OwnSpi scope;

	own_spi_begin(&scope);
	/* That of a build which was interrupted. */
	drop_relation(
		get_relname_relid(psprintf("v%d_journal", row->id), get_namespace_oid(STATE_SCHEMA, false)),
		"TABLE");
	if (row->source != row->state)
		drop_relation(row->source, "VIEW");
	drop_relation(row->partial, "VIEW");
	drop_relation(row->definition, "VIEW");
	drop_relation(row->expired, "TABLE");
	if (OidIsValid(row->earlier))
		drop_relation(row->earlier, "TABLE");
	drop_relation(row->state, "TABLE");
	own_spi_end(&scope);
}

static void
refuse_lost_part(const ViewRow *row, const ViewRow *whole)
{
	Oid parts[] = {row->state,   row->definition, row->partial,
				   row->expired, row->earlier,    row->source};

	for (size_t i = 0; i < lengthof(parts); i++)
		if (OidIsValid(parts[i]) && get_rel_name(parts[i]) == NULL)
			ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
							errmsg("cannot drop a part of continuous view \"%s\"",
								   get_rel_name(whole->view)),
							errhint("DROP MATERIALIZED VIEW %s.", qualified_name(whole->view))));
}

/*
 * Who has written into the table has yet to fold, into parts that are there: they go when he is
 * through. Whoever comes later waits, and finds no view.
 */
static void
wait_for_folds(const List *rows)
{
	List *tables = NIL;
	ListCell *cell;

	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);

		if (get_rel_name(whole_of(row, rows)->view) == NULL)
			tables = list_append_unique_oid(tables, view_table(row->view, NULL));
	}
	list_sort(tables, list_oid_cmp);
	foreach (cell, tables)
		if (get_rel_name(lfirst_oid(cell)) != NULL)
			wait_for_writers(lfirst_oid(cell));
}

static void
after_drop(void)
{
	List *rows = view_all(InvalidOid, CurrentMemoryContext);
	List *targets = NIL;
	ListCell *cell;

	partition_dropped(rows);
	suspension_forget_dropped();
	wait_for_folds(rows);
	foreach (cell, rows)
	{
		const ViewRow *row = lfirst(cell);
		const ViewRow *whole = whole_of(row, rows);

		if (get_rel_name(whole->view) != NULL)
		{
			refuse_lost_part(row, whole);
			continue;
		}
		view_delete(row->id);
		statistics_forget(row->view);
		drop_parts(row);
		targets = list_append_unique_oid(targets, row->target);
	}
	foreach (cell, targets)
		if (get_rel_name(lfirst_oid(cell)) != NULL &&
			view_all(lfirst_oid(cell), CurrentMemoryContext) == NIL)
			triggers_remove(lfirst_oid(cell));
}

PG_FUNCTION_INFO_V1(telemetry_after_drop);
Datum
telemetry_after_drop(PG_FUNCTION_ARGS)
{
	static bool busy;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry._after_drop() can only be called as an event trigger")));
	/* What is dropped here calls us again. */
	if (busy || !view_catalog_exists())
		PG_RETURN_NULL();
	busy = true;
	PG_TRY();
	{
		after_drop();
	}
	PG_FINALLY();
	{
		busy = false;
	}
	PG_END_TRY();
	PG_RETURN_NULL();
}
