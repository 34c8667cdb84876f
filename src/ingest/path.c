/*
 * Which of the two ways rows are written, and why.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "ingest/internal.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

static bool
has_exclusion(Relation relation)
{
	ListCell *cell;
	List *indexes = RelationGetIndexList(relation);

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		bool exclusion = index->rd_index->indisexclusion;

		index_close(index, AccessShareLock);
		if (exclusion)
			return true;
	}
	return false;
}

/* Why the target itself needs the executor; NULL: it does not. */
static char *
reason_of(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	TriggerDesc *triggers = relation->trigdesc;

	if (relation->rd_rel->relkind == RELKIND_VIEW)
		return psprintf("\"%s\" is a view", name);
	if (triggers && triggers->trig_insert_before_row)
		return psprintf("\"%s\" has a BEFORE INSERT row trigger", name);
	if (relation->rd_rules && relation->rd_rules->numLocks > 0)
		return psprintf("\"%s\" has a rule", name);
	if (has_exclusion(relation))
		return psprintf("\"%s\" has an exclusion constraint", name);
	return NULL;
}

static bool
has_before_row(Relation catalog, Oid relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		int16 type = ((Form_pg_trigger) GETSTRUCT(tuple))->tgtype;

		found = TRIGGER_FOR_ROW(type) && TRIGGER_FOR_BEFORE(type) && TRIGGER_FOR_INSERT(type);
	}
	systable_endscan(scan);
	return found;
}

/*
 * The same of one partition, from the catalogs alone: opening thousands of them would cost that
 * many locks and relation cache entries. Its rules do not apply to rows that come by the root.
 */
static char *
reason_of_partition(Relation catalog, Oid partition)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	Form_pg_class class;
	char *reason = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	class = (Form_pg_class) GETSTRUCT(tuple);
	if (class->relkind == RELKIND_FOREIGN_TABLE)
		reason = psprintf("partition \"%s\" is a foreign table", NameStr(class->relname));
	else if (class->relhastriggers && has_before_row(catalog, partition))
		reason = psprintf("\"%s\" has a BEFORE INSERT row trigger", NameStr(class->relname));
	ReleaseSysCache(tuple);
	return reason;
}

static char *
reason_of_partitions(Oid target)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	List *relations = find_all_inheritors(target, NoLock, NULL);
	char *reason = NULL;
	ListCell *cell;

	foreach (cell, relations)
		if (reason == NULL && lfirst_oid(cell) != target)
			reason = reason_of_partition(catalog, lfirst_oid(cell));
	list_free(relations);
	table_close(catalog, AccessShareLock);
	return reason;
}

/*
 * Whether some partition is a foreign table, or may become one unnoticed: of what is attached below
 * another level, no invalidation of the target tells.
 */
static bool
may_have_foreign_partition(Oid target)
{
	List *relations = find_all_inheritors(target, NoLock, NULL);
	bool found = false;
	ListCell *cell;

	foreach (cell, relations)
	{
		char kind = get_rel_relkind(lfirst_oid(cell));

		found |= kind == RELKIND_FOREIGN_TABLE ||
				 (kind == RELKIND_PARTITIONED_TABLE && lfirst_oid(cell) != target);
	}
	list_free(relations);
	return found;
}

void
path_choose(Ingest *ingest, Relation target)
{
	ingest->row_security =
		check_enable_rls(ingest->options.target, ingest->options.owner, true) == RLS_ENABLED;
	if (ingest->options.ignore_conflicts)
		ingest->path_reason = "on_conflict is 'ignore'";
	else if (ingest->row_security)
		ingest->path_reason = "row-level security applies to the pipeline's owner";
	else if (telemetry_insert_path == INSERT_PATH_EXECUTOR)
		ingest->path_reason = "telemetry.insert_path is executor";
	else
		ingest->path_reason = reason_of(target);
	if (ingest->path_reason == NULL && target->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ingest->path_reason = reason_of_partitions(ingest->options.target);
	ingest->fast = ingest->path_reason == NULL;
	/* Rules are statements of their own; a foreign table may gather rows before it sends them. */
	ingest->executor.lags =
		(target->rd_rules && target->rd_rules->numLocks > 0) ||
		(!ingest->fast && target->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		 may_have_foreign_partition(ingest->options.target));
	if (!ingest->fast && telemetry_insert_path == INSERT_PATH_FAST)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("telemetry.insert_path is fast, which target %s does not allow",
							   ingest->target_name),
						errdetail("%s.", ingest->path_reason)));
}
