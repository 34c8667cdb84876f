/*
 * In whose name a batch is mapped, planned and written: the pipeline's owner's, and nobody else's.
 *
 * The worker's session belongs to a superuser. Even planning an expression runs functions (what is
 * IMMUTABLE is folded), so a target is not as much as mapped outside of the owner's scope.
 */
#include "postgres.h"

#include "ingest/internal.h"
#include "miscadmin.h"
#include "utils/acl.h"

/* INSERT on the table, or on every column that is written. */
static bool
may_insert(const Ingest *ingest)
{
	Oid target = ingest->options.target;
	Oid owner = ingest->options.owner;

	/* target_map_columns() has seen to it that at least one column is written. */
	if (pg_class_aclcheck(target, owner, ACL_INSERT) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < ingest->desc->natts; i++)
		if ((ingest->columns[i].source != InvalidAttrNumber ||
			 ingest->columns[i].kind == TARGET_MEMBER) &&
			pg_attribute_aclcheck(target, i + 1, owner, ACL_INSERT) != ACLCHECK_OK)
			return false;
	return true;
}

void
ingest_check_rights(const Ingest *ingest)
{
	source_check_rights(ingest->options.source, ingest->options.owner);
	if (may_insert(ingest))
		return;
	aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, ingest->target_table);
}
