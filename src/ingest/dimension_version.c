/*
 * Versions of members (a type-2 dimension): each is valid from one event time to the next one's.
 * Which dimensions keep them, of which attributes, and what stands in the way; the statements are
 * composed in dimension_version_sql.c, and what a batch does by them is in
 * dimension_version_write.c.
 */
#include "postgres.h"

#include "access/genam.h"
#include "base/spi.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#define VALID_FROM "valid_from"
#define VALID_TO   "valid_to"

static bool
is_bound(const Ingest *ingest, Relation dimension, const char *name)
{
	AttrNumber number = target_find_column(RelationGetDescr(dimension), name);
	Form_pg_attribute attribute;

	if (number == InvalidAttrNumber ||
		target_find_column(ingest->source_desc, name) != InvalidAttrNumber)
		return false;
	attribute = TupleDescAttr(RelationGetDescr(dimension), number - 1);
	return attribute->atttypid == TIMESTAMPTZOID && attribute->atttypmod == -1 &&
		   attribute->attnotnull && !attribute->attgenerated;
}

bool
dimension_index_has_versions(const Ingest *ingest, Relation dimension, Relation index)
{
	int last = index->rd_index->indnkeyatts - 1;
	AttrNumber number = index->rd_index->indkey.values[last];

	return last > 0 && number > 0 &&
		   strcmp(NameStr(TupleDescAttr(RelationGetDescr(dimension), number - 1)->attname),
				  VALID_FROM) == 0 &&
		   is_bound(ingest, dimension, VALID_FROM) && is_bound(ingest, dimension, VALID_TO);
}

/* Whether the target has the source's column of that name, as it comes. */
static bool
is_stored(const Ingest *ingest, Relation target, AttrNumber source)
{
	Form_pg_attribute from = TupleDescAttr(ingest->source_desc, source - 1);
	AttrNumber number = target_find_column(RelationGetDescr(target), NameStr(from->attname));
	Form_pg_attribute to;

	if (number == InvalidAttrNumber)
		return false;
	to = TupleDescAttr(RelationGetDescr(target), number - 1);
	return to->atttypid == from->atttypid &&
		   (to->atttypmod == -1 || to->atttypmod == from->atttypmod);
}

/* Whether the facts of a version are found without reading all of them. */
static bool
is_indexed(Relation target, AttrNumber column)
{
	bool found = false;
	ListCell *cell;

	foreach (cell, RelationGetIndexList(target))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index->rd_index->indisvalid && index->rd_index->indkey.values[0] == column &&
				 RelationGetIndexPredicate(index) == NIL;
		index_close(index, NoLock);
	}
	return found;
}

/* A pipeline into another target that refers to this dimension; NULL: there is none. */
static char *
other_pipeline(Oid dimension, Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(dimension), ObjectIdGetDatum(target)};
	MemoryContext context = CurrentMemoryContext;
	char *name = NULL;
	OwnSpi scope;

	own_spi_begin(&scope);
	if (own_spi_run(&plan,
					"SELECT p.name FROM telemetry._pipeline p "
					"JOIN pg_catalog.pg_constraint o ON o.conrelid = p.target "
					"WHERE o.contype = 'f' AND o.confrelid = $1 AND p.target <> $2 "
					"ORDER BY 1 LIMIT 1",
					2, types, values, NULL) > 0)
		name = own_spi_text(0, 1, context);
	own_spi_end(&scope);
	return name;
}

/* What the owner lacks for making versions, and what the target does; NULL: nothing. */
static const char *
misses(const Ingest *ingest, const Dimension *dimension, Relation target, AttrNumber column)
{
	Oid owner = ingest->options.owner;
	char *other;

	if (pg_class_aclcheck(dimension->relation, owner, ACL_UPDATE) != ACLCHECK_OK)
		return "the pipeline's owner has no UPDATE on it";
	if (pg_class_aclcheck(RelationGetRelid(target), owner, ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(RelationGetRelid(target), owner, ACL_UPDATE) != ACLCHECK_OK)
		return "the pipeline's owner has no SELECT and UPDATE on the target";
	if (check_enable_rls(RelationGetRelid(target), owner, true) == RLS_ENABLED)
		return "row-level security of the target applies to the pipeline's owner";
	if (!is_stored(ingest, target, ingest->event_time))
		return "the target does not store the event time under its name and type";
	if (!is_indexed(target, column))
		return "the target has no index that begins with that column";
	other = other_pipeline(dimension->relation, RelationGetRelid(target));
	return other ? psprintf("pipeline \"%s\" refers to it from another target", other) : NULL;
}

/* NULL: it can be tracked. */
static const char *
cannot_track(const Ingest *ingest, const Versions *versions, const TrackedColumn *column,
			 Form_pg_attribute attribute, Relation target)
{
	if (attribute->attnotnull)
		return "is NOT NULL, but unknown before the first event that says it";
	if (column->operator== NULL)
		return "has a type without equality";
	if (versions->kept && !is_stored(ingest, target, column->value.source))
		return "is not stored in the target under its name and type";
	return NULL;
}

/* The equality of an attribute's type, with its collation. */
static void
describe_equality(TrackedColumn *column, Form_pg_attribute attribute)
{
	TypeCacheEntry *entry = lookup_type_cache(column->value.type, TYPECACHE_EQ_OPR);
	Oid collation = attribute->attcollation;

	column->operator= OidIsValid(entry->eq_opr) ? target_operator(entry->eq_opr) : NULL;
	column->collate = "";
	if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID)
		column->collate = psprintf(" COLLATE %s", generate_collation_name(collation));
}

bool
dimension_versions_track(Ingest *ingest, Dimension *dimension, DimensionColumn *value,
						 Form_pg_attribute attribute, Relation target, StringInfo misfits)
{
	Versions *versions = dimension->versions;
	TrackedColumn *column = &versions->tracked[versions->ntracked];
	const char *reason;

	column->value = *value;
	describe_equality(column, attribute);
	reason = cannot_track(ingest, versions, column, attribute, target);
	if (reason)
	{
		target_misfit(misfits, "column \"%s\" of dimension %s, which keeps versions, %s",
					  value->name, dimension->name, reason);
		return false;
	}
	versions->ntracked++;
	return true;
}

bool
dimension_versions_begin(Ingest *ingest, Dimension *dimension, Relation relation, Relation target,
						 AttrNumber column, StringInfo misfits)
{
	const char *reason = NULL;

	dimension->versions = palloc0(sizeof(Versions));
	dimension->versions->tracked =
		palloc0(sizeof(TrackedColumn) * RelationGetDescr(relation)->natts);
	dimension->versions->kept = dimension->may_insert;
	if (ingest->event_time == InvalidAttrNumber || ingest->event_time_type != TIMESTAMPTZOID)
		reason = "the pipeline has no event_time_column of type timestamptz";
	else if (dimension->versions->kept)
		reason = misses(ingest, dimension, target, column);
	if (reason)
		target_misfit(misfits, "dimension %s cannot keep versions: %s", dimension->name, reason);
	return reason == NULL;
}
