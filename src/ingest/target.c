/*
 * Opening source and target: their locks, what of them must not be, and invalidation.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/name.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "ingest/internal.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* The open ones of this process, so that an invalidation finds them. */
static Ingest *open_ingests = NULL;

static bool
is_dimension(const Ingest *ingest, Oid relid)
{
	for (int i = 0; i < ingest->ndimensions; i++)
		if (ingest->dimensions[i].relation == relid)
			return true;
	return false;
}

static void
invalidate_relation(Datum arg, Oid relid)
{
	for (Ingest *ingest = open_ingests; ingest; ingest = ingest->next)
	{
		/* It may be a partition. */
		ingest->storage_known = false;
		if (!OidIsValid(relid) || relid == ingest->options.source ||
			relid == ingest->options.target || is_dimension(ingest, relid) ||
			foreign_keys_ask(ingest->foreign_keys, relid))
			ingest->valid = false;
	}
}

/* Constraints of domains are compiled into casts and defaults; a table's come by its relcache. */
static void
invalidate_constraint(Datum arg, int cache, uint32 hash)
{
	for (Ingest *ingest = open_ingests; ingest; ingest = ingest->next)
		if (ingest->domains)
			ingest->valid = false;
}

static void
invalidate_catalog(Datum arg, int cache, uint32 hash)
{
	for (Ingest *ingest = open_ingests; ingest; ingest = ingest->next)
		ingest->valid = false;
}

static void
watch(Ingest *ingest)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate_catalog, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate_catalog, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, invalidate_catalog, (Datum) 0);
		/* Membership decides whether row-level security applies. */
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, invalidate_catalog, (Datum) 0);
		CacheRegisterSyscacheCallback(CONSTROID, invalidate_constraint, (Datum) 0);
		CacheRegisterSyscacheCallback(CASTSOURCETARGET, invalidate_catalog, (Datum) 0);
		/* Functions in compiled defaults and casts. */
		CacheRegisterSyscacheCallback(PROCOID, invalidate_catalog, (Datum) 0);
		/* Statements name tables by schema, and of its renaming no relation tells. */
		CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_catalog, (Datum) 0);
		registered = true;
	}
	ingest->valid = true;
	ingest->next = open_ingests;
	open_ingests = ingest;
}

/* When its memory goes, by ingest_close() or by an error: what it has outside of it goes along. */
static void
let_go(void *arg)
{
	Ingest *ingest = arg;

	if (ingest->executor.plan)
		SPI_freeplan(ingest->executor.plan);
	foreign_keys_forget(ingest->foreign_keys);
	for (Ingest **link = &open_ingests; *link; link = &(*link)->next)
		if (*link == ingest)
		{
			*link = (*link)->next;
			return;
		}
}

char *
target_operator(Oid operator)
{
	Oid namespace = get_func_namespace(get_opcode(operator));

	return psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(namespace)),
					get_opname(operator));
}

char *
target_type(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

bool
target_lock_one(Oid relation, LOCKMODE mode)
{
	LOCKTAG tag;
	LockAcquireResult result;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
	result = LockAcquire(&tag, mode, false, false);
	if (result != LOCKACQUIRE_ALREADY_CLEAR)
		AcceptInvalidationMessages();
	return result == LOCKACQUIRE_OK;
}

bool
target_lock(const IngestOptions *options)
{
	bool source = target_lock_one(options->source, AccessShareLock);
	bool target = target_lock_one(options->target, RowExclusiveLock);

	return source || target;
}

void
target_check_name(Oid relation, const char *name)
{
	if (strcmp(qualified_name(relation), name) != 0)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("%s got another name while rows were written", name)));
}

void
target_check_names(const Ingest *ingest)
{
	target_check_name(ingest->options.target, ingest->target_name);
	for (int i = 0; i < ingest->ndimensions; i++)
		target_check_name(ingest->dimensions[i].relation, ingest->dimensions[i].name);
}

/*
 * The mapped columns, cast where cast.c does it, as the executor path's ephemeral relation shows
 * them.
 */
static void
describe_batch(Ingest *ingest)
{
	int n = 0;
	StringInfoData columns;

	for (int i = 0; i < ingest->desc->natts; i++)
		n += ingest->columns[i].source != InvalidAttrNumber ||
			 ingest->columns[i].kind == TARGET_MEMBER;
	ingest->executor.rows = CreateTemplateTupleDesc(n + 1);
	ingest->executor.targets = palloc(sizeof(AttrNumber) * Max(n, 1));
	initStringInfo(&columns);
	n = 0;
	for (int i = 0; i < ingest->desc->natts; i++)
	{
		const TargetColumn *column = &ingest->columns[i];

		if (column->kind == TARGET_MEMBER || (column->kind == TARGET_EXPR && column->cast >= 0))
			TupleDescCopyEntry(ingest->executor.rows, ++n, ingest->desc, i + 1);
		else if (column->source != InvalidAttrNumber)
			TupleDescCopyEntry(ingest->executor.rows, ++n, ingest->source_desc, column->source);
		else
			continue;
		TupleDescAttr(ingest->executor.rows, n - 1)->attnotnull = false;
		ingest->executor.targets[n - 1] = i + 1;
		appendStringInfo(&columns, "%s%s", n > 1 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(ingest->desc, i)->attname)));
	}
	TupleDescInitEntry(ingest->executor.rows, n + 1, BATCH_ROW, INT4OID, -1, 0);
	ingest->executor.sql = psprintf(
		"INSERT INTO %s (%s) SELECT %s FROM _telemetry_batch WHERE \"" BATCH_ROW "\" >= $1%s",
		ingest->target_name, columns.data, columns.data,
		ingest->options.ignore_conflicts ? " ON CONFLICT DO NOTHING" : "");
}

static void
check_kind(Ingest *ingest, Relation target)
{
	char kind = target->rd_rel->relkind;

	ingest->target_kind = kind;
	if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
		return;
	if (kind == RELKIND_VIEW && target->trigdesc && target->trigdesc->trig_insert_instead_row)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s cannot be a pipeline's target", ingest->target_name),
			 errdetail("A target is a table, a partitioned table, or a view with an INSTEAD OF "
					   "INSERT trigger.")));
}

/* The target, and all of its partitions. */
static List *
tables_of(const Ingest *ingest)
{
	return ingest->target_kind == RELKIND_PARTITIONED_TABLE
			   ? find_all_inheritors(ingest->options.target, NoLock, NULL)
			   : list_make1_oid(ingest->options.target);
}

/*
 * A target must outlive a crash as the offsets do, be the same table to every process, and not be
 * what is read.
 */
void
target_check_storage(Ingest *ingest)
{
	List *relations = tables_of(ingest);
	ListCell *cell;

	ingest->storage_known = true;
	foreach (cell, relations)
	{
		Oid relation = lfirst_oid(cell);

		if (relation == ingest->options.source)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s cannot be a pipeline's target: source %s is a partition of it",
							ingest->target_name, qualified_name(relation)),
					 errdetail("It would read what it writes, without end.")));
		switch (get_rel_persistence(relation))
		{
			case RELPERSISTENCE_TEMP:
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("%s cannot be a pipeline's target: it is temporary",
									   qualified_name(relation)),
								errdetail("Only the session that made it can see its rows.")));
				break;
			case RELPERSISTENCE_UNLOGGED:
				/* What holds no rows itself says nothing about where they go. */
				if (get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE)
					break;
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("%s cannot be a pipeline's target: it is unlogged",
									   qualified_name(relation)),
								errdetail("A crash empties it, and what it held would not be read "
										  "again: the offsets stay."),
								errhint("ALTER TABLE %s SET LOGGED.", qualified_name(relation))));
				break;
			default:
				break;
		}
	}
	list_free(relations);
}

/* An index of the relation that is checked later than at once; InvalidOid: there is none. */
static Oid
deferrable_index(Relation catalog, Oid relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid found = InvalidOid;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (!OidIsValid(found) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		if (!index->indimmediate)
			found = index->indexrelid;
	}
	systable_endscan(scan);
	return found;
}

/*
 * PostgreSQL refuses ON CONFLICT at every row where a unique index is checked later: one of a
 * partition alone as well, which is looked for in the catalogs, since opening thousands of
 * partitions would cost that many locks.
 */
static void
check_conflicts(const Ingest *ingest)
{
	Relation catalog;
	List *relations;
	ListCell *cell;

	if (!ingest->options.ignore_conflicts)
		return;
	relations = tables_of(ingest);
	catalog = table_open(IndexRelationId, AccessShareLock);
	foreach (cell, relations)
	{
		Oid relation = lfirst_oid(cell);
		Oid index = deferrable_index(catalog, relation);

		if (OidIsValid(index))
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("on_conflict 'ignore' does not go with deferrable constraint \"%s\" of %s",
						get_rel_name(index), qualified_name(relation)),
				 errhint("Make the constraint NOT DEFERRABLE, or use on_conflict 'error'.")));
	}
	table_close(catalog, AccessShareLock);
	list_free(relations);
}

static int
compare_relations(const void *a, const void *b)
{
	Oid left = (*(Dimension *const *) a)->relation;
	Oid right = (*(Dimension *const *) b)->relation;

	return left < right ? -1 : left > right;
}

static void
order_dimensions(Ingest *ingest)
{
	ingest->by_oid = palloc(sizeof(Dimension *) * Max(ingest->ndimensions, 1));
	for (int i = 0; i < ingest->ndimensions; i++)
		ingest->by_oid[i] = &ingest->dimensions[i];
	qsort(ingest->by_oid, ingest->ndimensions, sizeof(Dimension *), compare_relations);
}

/* Neither can be replaced by another: the offsets are of this topic's rows in that table. */
static void
check_both_exist(const IngestOptions *options)
{
	bool source = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(options->source));

	if (source && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(options->target)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 source ? errmsg("the target table (OID %u) does not exist any more", options->target)
					: errmsg("the source (foreign table with OID %u) does not exist any more",
							 options->source),
			 errhint("Drop the pipeline by telemetry.drop_pipeline(), and create it anew.")));
}

/* In the transaction's memory: an error's cleanup takes what is not whole. */
static Ingest *
open_once(const IngestOptions *options)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry ingest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Ingest *ingest = palloc0(sizeof(Ingest));
	OwnerScope scope;
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	Relation target;

	/* An error may leave the context to whoever resets its parent. */
	callback->func = let_go;
	callback->arg = ingest;
	MemoryContextRegisterResetCallback(context, callback);
	ingest->context = context;
	ingest->options = *options;
	if (options->event_time_column)
		ingest->event_time_column = pstrdup(options->event_time_column);
	ingest->current = -1;
	ingest->bad.careful_gap = -1;

	/* The lock of the batch to come: had it to be stronger then, two workers could deadlock. */
	(void) target_lock(options);
	check_both_exist(options);
	target = relation_open(options->target, NoLock);
	watch(ingest);
	ingest->target_schema = get_namespace_name(RelationGetNamespace(target));
	ingest->target_table = pstrdup(RelationGetRelationName(target));
	ingest->target_name = quote_qualified_identifier(ingest->target_schema, ingest->target_table);
	check_kind(ingest, target);
	target_check_storage(ingest);
	check_conflicts(ingest);
	owner_begin(&scope, options->owner);
	ingest->source = source_open(options->source, options->owner, context);
	ingest->source_desc = ingest->source->desc;
	ingest->desc = CreateTupleDescCopyConstr(RelationGetDescr(target));
	ingest->columns = palloc0(sizeof(TargetColumn) * Max(ingest->desc->natts, 1));
	ingest->dimensions = palloc0(sizeof(Dimension) * Max(ingest->desc->natts, 1));
	ingest->prepared.context =
		AllocSetContextCreate(context, "telemetry prepared rows", ALLOCSET_DEFAULT_SIZES);
	ingest->econtext = CreateStandaloneExprContext();
	ingest->source_slot = MakeSingleTupleTableSlot(ingest->source_desc, &TTSOpsVirtual);
	target_map_columns(ingest, target);
	order_dimensions(ingest);
	path_choose(ingest, target);
	if (ingest->fast)
		foreign_keys_find(ingest, target);
	describe_batch(ingest);
	if (options->create_partitions != PARTITIONS_BY_HAND)
		partitions_check(ingest, target);
	owner_end(&scope);
	relation_close(target, NoLock);
	MemoryContextSwitchTo(old);
	return ingest;
}

Ingest *
ingest_open(const IngestOptions *options, MemoryContext parent)
{
	for (;;)
	{
		Ingest *ingest = open_once(options);

		/* A guard that is new makes what was read of its dimension stale. */
		if (!dimensions_guard(ingest))
		{
			MemoryContextSetParent(ingest->context, parent);
			return ingest;
		}
		ingest_close(ingest);
		CommandCounterIncrement();
	}
}

void
ingest_close(Ingest *ingest)
{
	FreeExprContext(ingest->econtext, true);
	source_close(ingest->source);
	MemoryContextDelete(ingest->context);
}

/*
 * What is waited for may alter what was opened; once the locks are ours, nobody does any more, and
 * a second time finds all as it stays. Where versions are kept a session that is not told of them
 * takes the stronger lock at once, as ingest_write() does.
 */
Ingest *
ingest_open_locked(const IngestOptions *options, MemoryContext parent)
{
	for (;;)
	{
		Ingest *ingest = ingest_open(options, parent);

		ingest->alone = dimensions_keep_versions(ingest);
		if (ingest_is_valid(ingest))
			return ingest;
		ingest_close(ingest);
	}
}

bool
ingest_is_valid(const Ingest *ingest)
{
	if (ingest == NULL)
		return false;
	(void) dimensions_lock(ingest);
	(void) target_lock(&ingest->options);
	return ingest->valid;
}

bool
ingest_was_altered(const Ingest *ingest)
{
	return !ingest->valid;
}

void
ingest_invalidate(Ingest *ingest)
{
	ingest->valid = false;
}

Source *
ingest_source(const Ingest *ingest)
{
	return ingest->source;
}

const char *
ingest_path(const Ingest *ingest, const char **reason)
{
	*reason = ingest->path_reason;
	return ingest->fast ? "fast" : "executor";
}

char *
ingest_dimensions(const Ingest *ingest)
{
	StringInfoData text;

	initStringInfo(&text);
	dimensions_describe(ingest, &text);
	return text.data;
}
