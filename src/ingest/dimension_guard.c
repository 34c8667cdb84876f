/*
 * The guard of a dimension: a lock, and the triggers that take it (dimension.h says how it works).
 *
 * As PostgreSQL puts a foreign key's own triggers on a table by the right to refer to it, the guard
 * is put there by the right to fill a table that refers to it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define GUARD         "telemetry_dimension_guard"
#define GUARD_REPLICA "telemetry_dimension_guard_replica"

/*
 * Nobody locks a relation as an object of pg_class: PostgreSQL has a kind of lock for relations.
 */
static bool
guard_lock(Oid dimension, LOCKMODE mode)
{
	LOCKTAG tag;
	LockAcquireResult result;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, dimension, 0);
	result = LockAcquire(&tag, mode, false, false);
	if (result != LOCKACQUIRE_ALREADY_CLEAR)
		AcceptInvalidationMessages();
	return result == LOCKACQUIRE_OK;
}

bool
dimensions_lock(const Ingest *ingest)
{
	bool anew = false;

	for (int i = 0; i < ingest->ndimensions; i++)
	{
		const Dimension *dimension = ingest->by_oid[i];
		bool alone = ingest->alone && dimension->versions && dimension->versions->kept;

		/* An older snapshot has members and versions that are gone, and lacks those made since. */
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("members of dimension %s can only be looked up at isolation level "
							"READ COMMITTED",
							dimension->name)));
		anew |= target_lock_one(dimension->relation, RowExclusiveLock);
		anew |= guard_lock(dimension->relation, alone ? ExclusiveLock : ShareLock);
	}
	return anew;
}

/* ---- putting it in place --------------------------------------------------------------------- */

static const Trigger *
find_trigger(const TriggerDesc *triggers, const char *name)
{
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, name) == 0)
			return &triggers->triggers[i];
	return NULL;
}

/* The columns whose change the dimension's guard has to notice. */
static Bitmapset *
wanted_columns(const Dimension *dimension)
{
	Bitmapset *columns = bms_make_singleton(dimension->key);

	for (int i = 0; i < dimension->nkeys; i++)
		columns = bms_add_member(columns, dimension->columns[i].number);
	return columns;
}

static Bitmapset *
guarded_columns(const Trigger *trigger)
{
	Bitmapset *columns = NULL;

	for (int i = 0; trigger && i < trigger->tgnattr; i++)
		columns = bms_add_member(columns, trigger->tgattr[i]);
	return columns;
}

static bool
is_guarded(const Dimension *dimension, Relation relation)
{
	const Trigger *guard = find_trigger(relation->trigdesc, GUARD);
	const Trigger *replica = find_trigger(relation->trigdesc, GUARD_REPLICA);

	return guard && guard->tgenabled == TRIGGER_FIRES_ALWAYS && replica &&
		   replica->tgenabled == TRIGGER_FIRES_ON_REPLICA &&
		   bms_is_subset(wanted_columns(dimension), guarded_columns(guard));
}

/* The keys of this and of the other pipelines that resolve by this dimension, as a list. */
static char *
list_columns(const Dimension *dimension, Relation relation)
{
	Bitmapset *columns = bms_union(wanted_columns(dimension),
								   guarded_columns(find_trigger(relation->trigdesc, GUARD)));
	StringInfoData list;
	int number = -1;

	initStringInfo(&list);
	while ((number = bms_next_member(columns, number)) >= 0)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), number - 1);

		if (!attribute->attisdropped)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
							 quote_identifier(NameStr(attribute->attname)));
	}
	return list.data;
}

/*
 * UPDATE OF the keys of all pipelines that resolve by this dimension. A session in the replica role
 * fires the first trigger too, but not logical replication's apply, for it knows no statements: it
 * fires the second, of rows.
 */
static void
install(const Dimension *dimension, const char *columns)
{
	/* ALTER SCHEMA ... RENAME waits for nobody: it may have come since, or come now. */
	char *name = qualified_name(dimension->relation);
	OwnSpi scope;

	own_spi_begin(&scope);
	spi_run(psprintf("CREATE OR REPLACE TRIGGER " GUARD
					 " BEFORE DELETE OR TRUNCATE OR UPDATE OF %s ON %s "
					 "FOR EACH STATEMENT EXECUTE FUNCTION telemetry._guard_dimension()",
					 columns, name));
	spi_run(psprintf("CREATE OR REPLACE TRIGGER " GUARD_REPLICA
					 " BEFORE DELETE OR UPDATE OF %s ON %s "
					 "FOR EACH ROW EXECUTE FUNCTION telemetry._guard_dimension()",
					 columns, name));
	spi_run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER " GUARD
					 ", ENABLE REPLICA TRIGGER " GUARD_REPLICA,
					 name));
	/* It goes with the extension, and stands in nobody's way then. */
	spi_run(psprintf("ALTER TRIGGER " GUARD " ON %s DEPENDS ON EXTENSION telemetry", name));
	spi_run(psprintf("ALTER TRIGGER " GUARD_REPLICA " ON %s DEPENDS ON EXTENSION telemetry", name));
	own_spi_end(&scope);
	target_check_name(dimension->relation, name);
}

static bool
guard_one(const Dimension *dimension)
{
	Relation relation = table_open(dimension->relation, AccessShareLock);
	bool there = is_guarded(dimension, relation);
	char *columns = NULL;

	if (!there)
	{
		/* As CREATE TRIGGER locks it; meanwhile another may have done it. */
		LockRelationOid(dimension->relation, ShareRowExclusiveLock);
		there = is_guarded(dimension, relation);
		columns = list_columns(dimension, relation);
	}
	table_close(relation, NoLock);
	if (!there)
		install(dimension, columns);
	return !there;
}

bool
dimensions_guard(Ingest *ingest)
{
	bool made = false;

	for (int i = 0; i < ingest->ndimensions; i++)
		made |= guard_one(ingest->by_oid[i]);
	return made;
}

/* ---- taking it away -------------------------------------------------------------------------- */

/* Guarded tables that this target refers to, and no pipeline's target. */
static List *
guards_left(Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(target)};
	MemoryContext context = CurrentMemoryContext;
	List *left = NIL;
	uint64 n;
	OwnSpi scope;

	own_spi_begin(&scope);
	n = own_spi_run(&plan,
					"SELECT DISTINCT c.confrelid FROM pg_catalog.pg_constraint c "
					"JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.confrelid "
					"WHERE c.contype = 'f' AND c.conrelid = $1 AND t.tgname = '" GUARD "' "
					"AND t.tgfoid = 'telemetry._guard_dimension()'::pg_catalog.regprocedure "
					"AND NOT EXISTS (SELECT FROM telemetry._pipeline p "
					"JOIN pg_catalog.pg_constraint o ON o.conrelid = p.target "
					"WHERE o.contype = 'f' AND o.confrelid = c.confrelid) ORDER BY 1",
					1, types, values, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;
		MemoryContext old = MemoryContextSwitchTo(context);

		left = lappend_oid(left, DatumGetObjectId(own_spi_datum(i, 1, &isnull)));
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return left;
}

/*
 * DROP TRIGGER locks out readers: dropping a pipeline shall not wait for them, nor they for it. The
 * lock is ours already when the statements ask for it.
 */
void
ingest_remove_guards(Oid target)
{
	ListCell *cell;

	foreach (cell, guards_left(target))
	{
		Oid dimension = lfirst_oid(cell);
		char *name = qualified_name(dimension);
		OwnSpi scope;

		if (!ConditionalLockRelationOid(dimension, AccessExclusiveLock))
		{
			ereport(NOTICE,
					(errmsg("triggers " GUARD " and " GUARD_REPLICA " stay on %s, which is in use",
							name),
					 errhint("No pipeline needs them any more: drop them when you like.")));
			continue;
		}
		own_spi_begin(&scope);
		spi_run(psprintf("DROP TRIGGER IF EXISTS " GUARD " ON %s", name));
		spi_run(psprintf("DROP TRIGGER IF EXISTS " GUARD_REPLICA " ON %s", name));
		own_spi_end(&scope);
	}
}

/* ---- firing ---------------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(telemetry_guard_dimension);
Datum
telemetry_guard_dimension(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry._guard_dimension() can only be called as a trigger")));
	(void) guard_lock(RelationGetRelid(data->tg_relation), ExclusiveLock);
	/* Sent at commit, before the lock is let go. */
	CacheInvalidateRelcache(data->tg_relation);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple
																   : data->tg_trigtuple);
}

/* ---- what it saves --------------------------------------------------------------------------- */

/* The constraint of the uppermost table that this one comes from. */
static Oid
root_constraint(Oid constraint)
{
	for (;;)
	{
		HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
		Oid parent;

		if (!HeapTupleIsValid(tuple))
			return InvalidOid;
		parent = ((Form_pg_constraint) GETSTRUCT(tuple))->conparentid;
		ReleaseSysCache(tuple);
		if (!OidIsValid(parent))
			return constraint;
		constraint = parent;
	}
}

bool
dimensions_resolve_key(const Ingest *ingest, Oid constraint)
{
	for (int i = 0; i < ingest->ndimensions; i++)
		if (ingest->dimensions[i].constraint == constraint)
			return true;
	return false;
}

void
dimensions_skip_checks(const Ingest *ingest, TriggerDesc *triggers)
{
	bool others = false;

	if (ingest->ndimensions == 0 || triggers == NULL || !triggers->trig_insert_after_row)
		return;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || !TRIGGER_FOR_AFTER(trigger->tgtype) ||
			!TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_FK &&
			dimensions_resolve_key(ingest, root_constraint(trigger->tgconstraint)))
			trigger->tgenabled = TRIGGER_DISABLED;
		else
			others = true;
	}
	triggers->trig_insert_after_row = others;
}
