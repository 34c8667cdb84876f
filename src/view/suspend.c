/*
 * While a table is suspended, what is written into it is not for the continuous views over it:
 * they keep the rows that they have. That is for a restore of data alone, which brings the states
 * as well as the rows that they were made of, and for bulk loads. How the views become live again,
 * whoever resumes has to say; so nothing is ever left out silently.
 *
 * A suspension is a row of telemetry._suspension, for one table (and for each view over it, whose
 * followers do not follow either) or for the whole database: in a restore there may be no view yet
 * at the time. The status of a view in its own row stays what it is, so a restore may bring it.
 */
#include "view/suspend.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/suspension.h"
#include "catalog/view.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/create.h"
#include "view/known.h"
#include "view/pending.h"
#include "view/trigger.h"

/* What becomes of the views when their table is resumed. */
typedef enum States
{
	STATES_REBUILT,
	STATES_RESTORED,
	STATES_STALE
} States;

void
suspend_refuse_building(Oid target)
{
	if (!suspension_covers(target))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("continuous views over \"%s\" are suspended", get_rel_name(target)),
			 errdetail("What is written meanwhile would not be counted."),
			 suspension_exists(InvalidOid) ? errhint("SELECT telemetry.resume().")
										   : errhint("SELECT telemetry.resume(%s).",
													 quote_literal_cstr(qualified_name(target)))));
}

/* ---- what is concerned ----------------------------------------------------------------------- */

/* Tables that views follow in the end, in the order of their OIDs; or that one. */
static List *
tables_of(Oid target)
{
	List *tables = NIL;
	ListCell *cell;

	if (OidIsValid(target))
		return list_make1_oid(target);
	foreach (cell, view_all(InvalidOid, CurrentMemoryContext))
	{
		Oid table = ((ViewRow *) lfirst(cell))->target;
		char kind = get_rel_relkind(table);

		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
			tables = list_append_unique_oid(tables, table);
	}
	list_sort(tables, list_oid_cmp);
	return tables;
}

/* The views over a table or view, without helpers. */
static List *
views_over(Oid target)
{
	List *views = NIL;
	ListCell *cell;

	foreach (cell, view_all(target, CurrentMemoryContext))
		if (((ViewRow *) lfirst(cell))->feeds == 0)
			views = lappend(views, lfirst(cell));
	return views;
}

/* The table, and all views over it: what views may follow. */
static List *
with_views(Oid target)
{
	List *all = list_make1_oid(target);
	ListCell *cell;

	foreach (cell, views_over(target))
		all = list_concat(all, with_views(((ViewRow *) lfirst(cell))->view));
	return all;
}

/* No build of a view goes on, no writer is at work, and the next one looks again. */
static void
hold(const List *tables)
{
	ListCell *cell;
	ListCell *inner;

	foreach (cell, tables)
	{
		foreach (inner, views_over(lfirst_oid(cell)))
			build_exclude(((ViewRow *) lfirst(inner))->view);
	}
	foreach (cell, tables)
	{
		LockRelationOid(lfirst_oid(cell), ShareRowExclusiveLock);
		foreach (inner, with_views(lfirst_oid(cell)))
			CacheInvalidateRelcacheByRelid(lfirst_oid(inner));
	}
}

/* ---- the functions --------------------------------------------------------------------------- */

static Oid
catalog_table(void)
{
	return get_relname_relid("_view", get_namespace_oid("telemetry", false));
}

/* The table itself for a partition; ereports if the user may not. */
static Oid
checked_target(Oid target)
{
	char kind;

	if (!OidIsValid(target))
	{
		if (!compat_table_owner(catalog_table(), GetUserId()))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("permission denied to suspend or resume all continuous views"),
							errhint("Name a table of yours; or let the extension's owner do it.")));
		return InvalidOid;
	}
	kind = get_rel_relkind(target);
	if ((kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) ||
		get_rel_relispartition(target))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table that continuous views follow",
							   get_rel_name(target) ? get_rel_name(target) : "?"),
						errhint("Name the table; of partitions, the table that they belong to.")));
	if (!compat_table_owner(target, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(target));
	return target;
}

static void
change_rows(Oid target, void (*change)(Oid))
{
	ListCell *cell;

	if (!OidIsValid(target))
		change(InvalidOid);
	else
		foreach (cell, with_views(target))
			change(lfirst_oid(cell));
	CommandCounterIncrement();
}

PG_FUNCTION_INFO_V1(telemetry_suspend);
Datum
telemetry_suspend(PG_FUNCTION_ARGS)
{
	Oid target = checked_target(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0));

	/* What was written before belongs to the views still. */
	if (pending_any())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("continuous views cannot be suspended in a transaction that has "
							   "changed what they follow"),
						errhint("COMMIT first.")));
	hold(tables_of(target));
	if (suspension_exists(target))
		ereport(NOTICE, (errmsg("the continuous views are suspended already")));
	else
		change_rows(target, suspension_insert);
	PG_RETURN_VOID();
}

static States
states_of(FunctionCallInfo fcinfo)
{
	char *name = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(name, "rebuild") == 0)
		return STATES_REBUILT;
	if (strcmp(name, "restored") == 0)
		return STATES_RESTORED;
	if (strcmp(name, "stale") == 0)
		return STATES_STALE;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("states must be rebuild, restored or stale, not \"%s\"", name)));
}

/* One that is still suspended, by itself or with all, stays so. */
static void
resume_table(Oid table, States states)
{
	ListCell *cell;

	if (suspension_covers(table) || views_over(table) == NIL)
		return;
	triggers_install(table);
	triggers_mend(table);
	CommandCounterIncrement();
	triggers_check(table);
	foreach (cell, views_over(table))
	{
		const ViewRow *row = lfirst(cell);

		if (row->status != VIEW_LIVE)
			continue;
		if (states == STATES_REBUILT)
			view_rebuild(row->view, true);
		else if (states == STATES_STALE)
			collect_stop(known_view(row->view), VIEW_STALE,
						 "rows were written while it was suspended");
	}
}

PG_FUNCTION_INFO_V1(telemetry_resume);
Datum
telemetry_resume(PG_FUNCTION_ARGS)
{
	Oid target = checked_target(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0));
	States states = states_of(fcinfo);
	List *tables = tables_of(target);
	ListCell *cell;

	hold(tables);
	if (!suspension_exists(target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 OidIsValid(target) ? errmsg("continuous views over \"%s\" are not suspended",
											 get_rel_name(target))
									: errmsg("continuous views of this database are not suspended"),
				 OidIsValid(target) && suspension_covers(target)
					 ? errhint("Those of the whole database are: SELECT telemetry.resume().")
					 : 0));
	change_rows(target, suspension_delete);
	foreach (cell, tables)
		resume_table(lfirst_oid(cell), states);
	PG_RETURN_VOID();
}

/* ---- restores that forget it ----------------------------------------------------------------- */

void
suspend_guard(Oid relation)
{
	if (relation == catalog_table() && !suspension_exists(InvalidOid))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("triggers of telemetry._view stay as they are"),
						errdetail("They refuse a restore of data alone that counts rows twice."),
						errhint("Before such a restore, SELECT telemetry.suspend().")));
}

/*
 * Rows of telemetry._view come from a dump. In a whole restore the tables' triggers are made last;
 * where they are there already, the tables' rows would be counted, beside the states that are
 * restored.
 */
PG_FUNCTION_INFO_V1(telemetry_views_restored);
Datum
telemetry_views_restored(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan;
	OwnSpi scope;
	char *table = NULL;
	MemoryContext context = CurrentMemoryContext;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry._views_restored() can only be called as a trigger")));
	if (view_insert_is_ours() || suspension_exists(InvalidOid))
		return PointerGetDatum(NULL);
	own_spi_begin(&scope);
	if (own_spi_run(&plan,
					"SELECT v.target::regclass::text FROM telemetry._view v JOIN pg_trigger t "
					"ON t.tgrelid = v.target AND t.tgname = 'telemetry_collect_insert' "
					"ORDER BY v.view_id DESC LIMIT 1",
					0, NULL, NULL, NULL) > 0)
		table = own_spi_text(0, 1, context);
	own_spi_end(&scope);
	if (table)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of table %s would be counted twice", table),
				 errdetail("Data of continuous views is restored while their triggers are there."),
				 errhint("SELECT telemetry.suspend() before a restore of data alone, and SELECT "
						 "telemetry.resume(states => 'restored') after it.")));
	return PointerGetDatum(NULL);
}
