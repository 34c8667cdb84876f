/*
 * Which columns of a target are resolved, by which dimension, and the statements for it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "ingest/dimension.h"
#include "ingest/internal.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/typcache.h"

/*
 * The foreign key of this column alone; NULL: it has none. A copy: the relation's own go whenever
 * somebody alters the table, or grants a right on it.
 */
static const ForeignKeyCacheInfo *
foreign_key_of(Relation target, AttrNumber column)
{
	List *keys = copyObject(RelationGetFKeyList(target));
	ListCell *cell;

	foreach (cell, keys)
	{
		const ForeignKeyCacheInfo *key = lfirst(cell);

		if (key->nkeys == 1 && key->conkey[0] == column && !get_rel_relispartition(key->confrelid))
			return key;
	}
	return NULL;
}

/* Is every column of this unique index delivered, and can it be looked up by equality? */
static bool
index_fits(const Ingest *ingest, Relation dimension, Relation index)
{
	Form_pg_index form = index->rd_index;
	int n;

	if (!form->indisunique || !form->indimmediate || !form->indisvalid ||
		RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL)
		return false;
	n = form->indnkeyatts - dimension_index_has_versions(ingest, dimension, index);
	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute attribute =
			TupleDescAttr(RelationGetDescr(dimension), form->indkey.values[i] - 1);
		Oid type = index->rd_opcintype[i];
		TypeCacheEntry *entry = lookup_type_cache(
			getBaseType(attribute->atttypid), TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);

		if (attribute->attgenerated || attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS ||
			target_find_column(ingest->source_desc, NameStr(attribute->attname)) ==
				InvalidAttrNumber ||
			!OidIsValid(entry->hash_proc_finfo.fn_oid) ||
			!OidIsValid(get_array_type(getBaseType(attribute->atttypid))) ||
			get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber) !=
				entry->eq_opr ||
			index->rd_indcollation[i] != attribute->attcollation)
			return false;
	}
	return true;
}

/* The natural key: the unique index with the fewest columns, of these the oldest. */
static Relation
natural_key(const Ingest *ingest, Relation dimension)
{
	Relation best = NULL;
	ListCell *cell;

	foreach (cell, RelationGetIndexList(dimension))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (!index_fits(ingest, dimension, index) ||
			(best && (best->rd_index->indnkeyatts < index->rd_index->indnkeyatts ||
					  (best->rd_index->indnkeyatts == index->rd_index->indnkeyatts &&
					   RelationGetRelid(best) < RelationGetRelid(index)))))
		{
			index_close(index, NoLock);
			continue;
		}
		if (best)
			index_close(best, NoLock);
		best = index;
	}
	return best;
}

/* What a dimension must not be, since its members could change unseen; NULL: nothing. */
static const char *
obstacle(const Ingest *ingest, Relation dimension)
{
	if (dimension->rd_rel->relkind != RELKIND_RELATION ||
		has_subclass(RelationGetRelid(dimension)) || has_superclass(RelationGetRelid(dimension)))
		return "it is partitioned or part of an inheritance tree";
	if (dimension->rd_rules)
		return "it has a rule";
	if (dimension->trigdesc && dimension->trigdesc->trig_update_before_row)
		for (int i = 0; i < dimension->trigdesc->numtriggers; i++)
		{
			const Trigger *trigger = &dimension->trigdesc->triggers[i];

			if (TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
				TRIGGER_FOR_UPDATE(trigger->tgtype) &&
				strcmp(trigger->tgname, "telemetry_dimension_guard_replica") != 0)
				return "it has a BEFORE UPDATE row trigger, which could change keys";
		}
	if (check_enable_rls(RelationGetRelid(dimension), ingest->options.owner, true) == RLS_ENABLED)
		return "row-level security applies to the pipeline's owner";
	return NULL;
}

/* Whether the source's values are stored as they come. */
static bool
same_type(const Ingest *ingest, const DimensionColumn *column, Form_pg_attribute attribute)
{
	Form_pg_attribute from = TupleDescAttr(ingest->source_desc, column->source - 1);
	Oid type = getBaseType(attribute->atttypid);

	if (!IsBinaryCoercible(getBaseType(from->atttypid), type))
		return false;
	/* varchar(n) refuses what is too long; others would round, and never be found again. */
	return attribute->atttypmod == -1 || attribute->atttypmod == from->atttypmod ||
		   type == VARCHAROID;
}

/* false: the source's type does not fit. */
static bool
describe_column(const Ingest *ingest, DimensionColumn *column, Form_pg_attribute attribute,
				bool natural)
{
	Form_pg_attribute from;
	TypeCacheEntry *entry;
	Oid source;

	column->name = pstrdup(NameStr(attribute->attname));
	column->source = target_find_column(ingest->source_desc, column->name);
	column->number = attribute->attnum;
	from = TupleDescAttr(ingest->source_desc, column->source - 1);
	source = getBaseType(from->atttypid);
	/* A natural key is compared as it comes; the rest is assigned. */
	column->type = natural ? getBaseType(attribute->atttypid) : source;
	column->array = get_array_type(column->type);
	if (!OidIsValid(column->array))
		return false;
	get_typlenbyvalalign(column->type, &column->length, &column->byval, &column->align);
	if (!natural)
		return can_coerce_type(1, &source, &attribute->atttypid, COERCION_ASSIGNMENT);
	if (!same_type(ingest, column, attribute))
		return false;
	entry = lookup_type_cache(column->type, TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
	fmgr_info_cxt(entry->hash_proc_finfo.fn_oid, &column->hash, ingest->context);
	fmgr_info_cxt(entry->eq_opr_finfo.fn_oid, &column->equal, ingest->context);
	column->collation = attribute->attcollation;
	return true;
}

static char *
name_of_time(const char *attribute)
{
	return psprintf("%s_at", attribute);
}

/*
 * An attribute follows the newest event when a column beside it, NAME_at of type timestamptz, can
 * say of when it is.
 */
static bool
follows(const Ingest *ingest, Relation dimension, Form_pg_attribute attribute)
{
	char *name = name_of_time(NameStr(attribute->attname));
	AttrNumber number = target_find_column(RelationGetDescr(dimension), name);
	Form_pg_attribute at;
	Oid relation = RelationGetRelid(dimension);
	Oid owner = ingest->options.owner;

	if (ingest->event_time == InvalidAttrNumber || number == InvalidAttrNumber ||
		target_find_column(ingest->source_desc, name) != InvalidAttrNumber)
		return false;
	at = TupleDescAttr(RelationGetDescr(dimension), number - 1);
	if (at->atttypid != TIMESTAMPTZOID || at->atttypmod != -1 || at->attnotnull ||
		at->attgenerated || at->attidentity)
		return false;
	return pg_class_aclcheck(relation, owner, ACL_UPDATE) == ACLCHECK_OK ||
		   (pg_attribute_aclcheck(relation, attribute->attnum, owner, ACL_UPDATE) == ACLCHECK_OK &&
			pg_attribute_aclcheck(relation, number, owner, ACL_UPDATE) == ACLCHECK_OK);
}

/* false: the source's type does not fit. */
static bool
describe_followed(const Ingest *ingest, FollowedColumn *followed, Form_pg_attribute attribute)
{
	Oid output;
	bool varlena;

	followed->at_name = name_of_time(NameStr(attribute->attname));
	/* As a natural key: values that rounding makes equal would come out in the order they came. */
	if (!describe_column(ingest, &followed->value, attribute, false) ||
		!same_type(ingest, &followed->value, attribute))
		return false;
	getTypeOutputInfo(followed->value.type, &output, &varlena);
	fmgr_info_cxt(output, &followed->output, ingest->context);
	return true;
}

/* An attribute of which versions are kept; false: it does not fit. */
static bool
track_column(Ingest *ingest, Dimension *dimension, Form_pg_attribute attribute, Relation target,
			 StringInfo misfits)
{
	DimensionColumn value = {0};

	if (!describe_column(ingest, &value, attribute, false) || !same_type(ingest, &value, attribute))
	{
		target_misfit(misfits,
					  "column \"%s\" has another type in the source than in dimension %s, which "
					  "keeps versions",
					  value.name, dimension->name);
		return false;
	}
	return dimension_versions_track(ingest, dimension, &value, attribute, target, misfits);
}

/* The natural key first, then what else the source delivers by name. */
static bool
describe_columns(Ingest *ingest, Dimension *dimension, Relation relation, Relation index,
				 Relation target, StringInfo misfits)
{
	TupleDesc desc = RelationGetDescr(relation);
	Form_pg_index form = index->rd_index;
	int n = form->indnkeyatts - (dimension->versions != NULL);

	dimension->nkeys = n;
	dimension->columns = palloc0(sizeof(DimensionColumn) * (desc->natts + n));
	dimension->followed = palloc0(sizeof(FollowedColumn) * desc->natts);
	for (int i = 0; i < n; i++)
		if (!describe_column(ingest, &dimension->columns[i],
							 TupleDescAttr(desc, form->indkey.values[i] - 1), true))
		{
			target_misfit(misfits,
						  "column \"%s\" has another type in the source than in dimension %s",
						  dimension->columns[i].name, dimension->name);
			return false;
		}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool taken = attribute->attisdropped || attribute->attgenerated ||
					 attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS ||
					 target_find_column(ingest->source_desc, NameStr(attribute->attname)) ==
						 InvalidAttrNumber;

		for (int k = 0; k < dimension->nkeys; k++)
			taken |= form->indkey.values[k] == attribute->attnum;
		if (taken)
			continue;
		if (dimension->versions)
		{
			if (!track_column(ingest, dimension, attribute, target, misfits))
				return false;
			continue;
		}
		if (follows(ingest, relation, attribute))
		{
			FollowedColumn *followed = &dimension->followed[dimension->nfollowed++];

			if (!describe_followed(ingest, followed, attribute))
			{
				target_misfit(misfits,
							  "column \"%s\" has another type in the source than in dimension %s, "
							  "where \"%s\" makes it follow the newest event",
							  followed->value.name, dimension->name, followed->at_name);
				return false;
			}
			/* A member is made without it, and then updated as by any event. */
			if (!attribute->attnotnull)
				continue;
		}
		if (!describe_column(ingest, &dimension->columns[n], attribute, false))
		{
			target_misfit(misfits, "column \"%s\" of the source cannot be assigned to dimension %s",
						  dimension->columns[n].name, dimension->name);
			return false;
		}
		n++;
	}
	dimension->ncolumns = n;
	return true;
}

char *
dimension_unnest(int first, int n)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "%spg_catalog.unnest($%d)", i > 0 ? ", " : "", first + i);
	return sql.data;
}

char *
dimension_parameters(int n, const char *before)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "%s%sc%d", i > 0 ? ", " : "", before, i);
	return sql.data;
}

Datum
dimension_array(Datum *values, bool *nulls, int n, Oid type, int16 length, bool byval, char align)
{
	int dims[1] = {n};
	int lower[1] = {1};

	return PointerGetDatum(
		construct_md_array(values, nulls, 1, dims, lower, type, length, byval, align));
}

static void
compose_sql(Dimension *dimension, Relation index)
{
	StringInfoData where;
	StringInfoData names;
	StringInfoData values;
	StringInfoData natural;
	StringInfoData order;
	const char *type = target_type(dimension->key_type);
	const char *key = quote_identifier(dimension->key_name);

	initStringInfo(&where);
	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&natural);
	initStringInfo(&order);
	for (int i = 0; i < dimension->ncolumns; i++)
	{
		const char *comma = i > 0 ? ", " : "";
		const char *name = quote_identifier(dimension->columns[i].name);

		appendStringInfo(&names, "%s%s", comma, name);
		appendStringInfo(&values, "%su.c%d", comma, i);
		if (i >= dimension->nkeys)
			continue;
		appendStringInfo(
			&where, "%sd.%s %s u.c%d", i > 0 ? " AND " : "", name,
			target_operator(get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i],
												index->rd_opcintype[i], BTEqualStrategyNumber)),
			i);
		appendStringInfo(&natural, "%s%s", comma, name);
		appendStringInfo(&order, "%su.c%d", comma, i);
	}
	dimension->natural_sql = pstrdup(where.data);
	if (dimension->versions)
	{
		/* The member is its first version, which says nothing and is valid from the beginning. */
		appendStringInfo(&names, ", valid_from, valid_to");
		appendStringInfo(&values,
						 ", '-infinity', COALESCE((SELECT pg_catalog.min(d.valid_from) FROM ONLY "
						 "%s AS d WHERE %s), 'infinity')",
						 dimension->name, where.data);
		for (int i = 0; i < dimension->versions->ntracked; i++)
		{
			appendStringInfo(&names, ", %s",
							 quote_identifier(dimension->versions->tracked[i].value.name));
			appendStringInfoString(&values, ", NULL");
		}
		appendStringInfoString(&natural, ", valid_from");
		appendStringInfoString(&where, " AND d.valid_from = '-infinity'");
	}
	dimension->select_sql =
		psprintf("SELECT u.n, CAST(d.%s AS %s) FROM ROWS FROM (%s) WITH ORDINALITY AS u(%s, n) "
				 "JOIN ONLY %s AS d ON %s",
				 key, type, dimension_unnest(1, dimension->nkeys),
				 dimension_parameters(dimension->nkeys, ""), dimension->name, where.data);
	dimension->insert_sql =
		psprintf("INSERT INTO %s (%s) SELECT %s FROM ROWS FROM (%s) AS u(%s) ORDER BY %s "
				 "ON CONFLICT (%s) DO NOTHING",
				 dimension->name, names.data, values.data, dimension_unnest(1, dimension->ncolumns),
				 dimension_parameters(dimension->ncolumns, ""), order.data, natural.data);
	dimension->unknown_sql = psprintf("SELECT CAST(d.%s AS %s) FROM ONLY %s AS d WHERE d.%s = -1",
									  key, type, dimension->name, key);
}

static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == NUMERICOID;
}

static int
add_dimension(Ingest *ingest, Relation target, const ForeignKeyCacheInfo *key, Relation relation,
			  Relation index, StringInfo misfits)
{
	Dimension *dimension = &ingest->dimensions[ingest->ndimensions];
	Form_pg_attribute to = TupleDescAttr(RelationGetDescr(target), key->conkey[0] - 1);
	const char *reason = obstacle(ingest, relation);
	Form_pg_attribute referred = TupleDescAttr(RelationGetDescr(relation), key->confkey[0] - 1);

	dimension->relation = RelationGetRelid(relation);
	dimension->constraint = key->conoid;
	dimension->key = referred->attnum;
	dimension->key_name = pstrdup(NameStr(referred->attname));
	dimension->key_operator = target_operator(key->conpfeqop[0]);
	dimension->key_type = to->atttypid;
	dimension->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
												 RelationGetRelationName(relation));
	dimension->target_column = pstrdup(NameStr(to->attname));
	dimension->has_unknown = is_number(referred->atttypid);
	dimension->may_insert =
		pg_class_aclcheck(dimension->relation, ingest->options.owner, ACL_INSERT) == ACLCHECK_OK;
	get_typlenbyval(to->atttypid, &dimension->key_length, &dimension->key_byval);
	if (reason)
	{
		target_misfit(misfits, "column \"%s\" of the target cannot be looked up in %s: %s",
					  NameStr(to->attname), dimension->name, reason);
		return -1;
	}
	if (dimension_index_has_versions(ingest, relation, index) &&
		!dimension_versions_begin(ingest, dimension, relation, target, to->attnum, misfits))
		return -1;
	if (!describe_columns(ingest, dimension, relation, index, target, misfits))
		return -1;
	compose_sql(dimension, index);
	if (dimension->versions && !dimension_versions_compose(ingest, dimension, relation, misfits))
		return -1;
	dimension_follow_compose(dimension);
	dimension->cache_context = AllocSetContextCreate(ingest->context, "telemetry dimension members",
													 ALLOCSET_DEFAULT_SIZES);
	dimension_cache_trim(dimension);
	return ingest->ndimensions++;
}

int
dimension_find(Ingest *ingest, Relation target, AttrNumber column, StringInfo misfits)
{
	const ForeignKeyCacheInfo *key = foreign_key_of(target, column);
	Relation relation;
	Relation index;
	int found = -1;

	if (key == NULL)
		return -1;
	relation = table_open(key->confrelid, AccessShareLock);
	index = natural_key(ingest, relation);
	if (index)
	{
		found = add_dimension(ingest, target, key, relation, index, misfits);
		index_close(index, NoLock);
	}
	table_close(relation, NoLock);
	return found;
}

bool
dimensions_read(const Ingest *ingest, AttrNumber column)
{
	for (int i = 0; i < ingest->ndimensions; i++)
	{
		const Dimension *dimension = &ingest->dimensions[i];
		int ntracked = dimension->versions ? dimension->versions->ntracked : 0;

		for (int k = 0; k < dimension->ncolumns; k++)
			if (dimension->columns[k].source == column)
				return true;
		for (int k = 0; k < dimension->nfollowed; k++)
			if (dimension->followed[k].value.source == column)
				return true;
		for (int k = 0; k < ntracked; k++)
			if (dimension->versions->tracked[k].value.source == column)
				return true;
	}
	return false;
}

void
dimensions_describe(const Ingest *ingest, StringInfo text)
{
	for (int i = 0; i < ingest->ndimensions; i++)
	{
		const Dimension *dimension = &ingest->dimensions[i];

		appendStringInfo(text, "%s%s: %s (", i > 0 ? ", " : "",
						 quote_identifier(dimension->target_column), dimension->name);
		for (int k = 0; k < dimension->nkeys; k++)
			appendStringInfo(text, "%s%s", k > 0 ? ", " : "",
							 quote_identifier(dimension->columns[k].name));
		for (int k = 0; k < dimension->nfollowed; k++)
			appendStringInfo(text, "%s%s", k > 0 ? ", " : "; newest ",
							 quote_identifier(dimension->followed[k].value.name));
		for (int k = 0; dimension->versions && k < dimension->versions->ntracked; k++)
			appendStringInfo(text, "%s%s", k > 0 ? ", " : "; versions by ",
							 quote_identifier(dimension->versions->tracked[k].value.name));
		appendStringInfo(text, ")%s", dimension->may_insert ? "" : " looked up only");
	}
}
