/*
 * Which of the two ways rows are written, and why.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "ingest/internal.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

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

/* Why one table (the target, or one of its partitions) needs the executor; NULL: it does not. */
static char *
reason_of(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	TriggerDesc *triggers = relation->trigdesc;

	if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return psprintf("partition \"%s\" is a foreign table", name);
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

void
path_choose(Ingest *ingest, Relation target)
{
	List *relations;
	ListCell *cell;

	ingest->row_security =
		check_enable_rls(ingest->options.target, ingest->options.owner, true) == RLS_ENABLED;
	if (ingest->options.ignore_conflicts)
		ingest->path_reason = "on_conflict is 'ignore'";
	else if (ingest->row_security)
		ingest->path_reason = "row-level security applies to the pipeline's owner";
	else if (telemetry_insert_path == INSERT_PATH_EXECUTOR)
		ingest->path_reason = "telemetry.insert_path is executor";
	else
	{
		relations = find_all_inheritors(ingest->options.target, AccessShareLock, NULL);
		foreach (cell, relations)
		{
			Relation relation;

			/* Children by inheritance get no rows of the parent's. */
			if (lfirst_oid(cell) != ingest->options.target &&
				target->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
				continue;
			relation = table_open(lfirst_oid(cell), NoLock);
			if (ingest->path_reason == NULL)
				ingest->path_reason = reason_of(relation);
			table_close(relation, NoLock);
		}
	}
	ingest->fast = ingest->path_reason == NULL;
	if (!ingest->fast && telemetry_insert_path == INSERT_PATH_FAST)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("telemetry.insert_path is fast, which target %s does not allow",
							   ingest->target_name),
						errdetail("%s.", ingest->path_reason)));
}
