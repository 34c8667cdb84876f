/*
 * Foreign keys of a row, asked without an error.
 *
 * PostgreSQL's check is a trigger that fires when the whole batch is in its table: a row that it
 * refuses is one that everything was written in vain for. So the fast path asks beforehand whether
 * the row that is referred to is there, once for each key of a batch. The answer is a hint: a row
 * that is left out for it is tried alone afterwards, and the others are checked by the trigger as
 * ever.
 */
#include "postgres.h"

#include "access/table.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "ingest/internal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

/* A batch of many keys would be asked too much: a query for so many rows, and some to begin. */
#define ROWS_A_QUERY  10
#define FIRST_QUERIES 100

typedef struct KeyColumn
{
	AttrNumber number; /* in the target */
	Oid type;
	int16 length;
	bool byval;
} KeyColumn;

typedef struct ForeignKey
{
	Oid relation; /* that is referred to */
	char enabled; /* its trigger's, as in pg_trigger */
	int ncolumns;
	KeyColumn columns[INDEX_MAX_KEYS];
	char *sql;
	SPIPlanPtr plan;
} ForeignKey;

struct ForeignKeys
{
	int n;
	ForeignKey keys[FLEXIBLE_ARRAY_MEMBER];
};

typedef struct KnownKey
{
	uint64 hash; /* of the constraint's number and the values: a collision makes a wrong hint */
	bool there;
} KnownKey;

/* What one batch knows. */
struct KeyHints
{
	HTAB *known;
	int64 rows;
	int64 queries;
};

/* ---- which ----------------------------------------------------------------------------------- */

/* Whether the owner may read what is referred to, as it is. */
static bool
may_ask(const Ingest *ingest, Oid relation)
{
	return pg_class_aclcheck(relation, ingest->options.owner, ACL_SELECT) == ACLCHECK_OK &&
		   check_enable_rls(relation, ingest->options.owner, true) != RLS_ENABLED;
}

/* False: one of its columns has no value before the executor computes it. */
static bool
describe(ForeignKey *key, const ForeignKeyCacheInfo *info, Relation target)
{
	char *relation = qualified_name(info->confrelid);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT FROM %s%s AS r WHERE ",
					 get_rel_relkind(info->confrelid) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 relation);
	key->relation = info->confrelid;
	key->ncolumns = info->nkeys;
	for (int i = 0; i < info->nkeys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(target), info->conkey[i] - 1);
		const char *name = get_attname(info->confrelid, info->confkey[i], false);

		if (column->attgenerated)
			return false;
		key->columns[i].number = column->attnum;
		key->columns[i].type = column->atttypid;
		key->columns[i].length = column->attlen;
		key->columns[i].byval = column->attbyval;
		appendStringInfo(&sql, "%sr.%s %s $%d", i > 0 ? " AND " : "", quote_identifier(name),
						 target_operator(info->conpfeqop[i]), i + 1);
	}
	key->sql = sql.data;
	return true;
}

/* When the trigger fires that checks inserted rows, as in pg_trigger. */
static char
when_enabled(Relation target, Oid constraint)
{
	const TriggerDesc *triggers = target->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgconstraint == constraint &&
			TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype))
			return triggers->triggers[i].tgenabled;
	return TRIGGER_DISABLED;
}

/* The relation's own list goes whenever somebody alters the table, or grants a right on it. */
void
foreign_keys_find(Ingest *ingest, Relation target)
{
	List *all = copyObject(RelationGetFKeyList(target));
	ForeignKeys *keys =
		palloc0(offsetof(ForeignKeys, keys) + sizeof(ForeignKey) * (list_length(all) + 1));
	ListCell *cell;

	/* From here on the ingest hears of what is done to those that are described. */
	ingest->foreign_keys = keys;
	foreach (cell, all)
	{
		const ForeignKeyCacheInfo *info = lfirst(cell);

		/* A row may refer to one of its own batch. */
		if (info->confrelid != RelationGetRelid(target) && compat_key_is_enforced(info) &&
			!dimensions_resolve_key(ingest, info->conoid) && may_ask(ingest, info->confrelid) &&
			describe(&keys->keys[keys->n], info, target))
			keys->keys[keys->n++].enabled = when_enabled(target, info->conoid);
	}
	if (keys->n == 0)
		ingest->foreign_keys = NULL;
}

void
foreign_keys_forget(ForeignKeys *keys)
{
	for (int i = 0; keys && i < keys->n; i++)
		if (keys->keys[i].plan)
			SPI_freeplan(keys->keys[i].plan);
}

bool
foreign_keys_ask(const ForeignKeys *keys, Oid relation)
{
	for (int i = 0; keys && i < keys->n; i++)
		if (keys->keys[i].relation == relation)
			return true;
	return false;
}

/* ---- asking ---------------------------------------------------------------------------------- */

KeyHints *
foreign_keys_begin(MemoryContext context)
{
	HASHCTL control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(KnownKey),
		.hcxt = context,
	};
	KeyHints *hints = MemoryContextAllocZero(context, sizeof(KeyHints));

	hints->known =
		hash_create("telemetry foreign keys", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return hints;
}

static uint64
hash_value(const KeyColumn *column, Datum value, uint64 seed)
{
	if (column->byval)
		return hash_bytes_extended((unsigned char *) &value, sizeof(Datum), seed);
	if (column->length == -1)
		return hash_bytes_extended((unsigned char *) VARDATA_ANY(DatumGetPointer(value)),
								   VARSIZE_ANY_EXHDR(DatumGetPointer(value)), seed);
	return hash_bytes_extended(
		(unsigned char *) DatumGetPointer(value),
		column->length > 0 ? column->length : (int) strlen(DatumGetCString(value)), seed);
}

static bool
is_there(ForeignKey *key, Datum *values)
{
	bool there;

	spi_connect();
	if (key->plan == NULL)
	{
		Oid types[INDEX_MAX_KEYS];

		for (int i = 0; i < key->ncolumns; i++)
			types[i] = key->columns[i].type;
		key->plan = spi_keep_plan(key->sql, key->ncolumns, types);
	}
	if (SPI_execute_plan(key->plan, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", key->sql);
	there = SPI_processed > 0;
	SPI_finish();
	return there;
}

static bool
refuses(KeyHints *hints, ForeignKey *key, int number, const TupleTableSlot *slot)
{
	Datum values[INDEX_MAX_KEYS];
	uint64 hash = number;
	KnownKey *known;
	bool found;

	for (int i = 0; i < key->ncolumns; i++)
	{
		int column = key->columns[i].number - 1;

		/* MATCH FULL has more to say of it; that is for the trigger. */
		if (slot->tts_isnull[column])
			return false;
		values[i] = slot->tts_values[column];
		if (key->columns[i].length == -1)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[i]));
		hash = hash_value(&key->columns[i], values[i], hash);
	}
	known = hash_search(hints->known, &hash, HASH_FIND, NULL);
	if (known)
		return !known->there;
	if (hints->queries > FIRST_QUERIES + hints->rows / ROWS_A_QUERY)
		return false;
	hints->queries++;
	found = is_there(key, values);
	known = hash_search(hints->known, &hash, HASH_ENTER, NULL);
	known->there = found;
	return !found;
}

/* session_replication_role may change at any time. */
static bool
is_checked(const ForeignKey *key)
{
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return key->enabled == TRIGGER_FIRES_ALWAYS || key->enabled == TRIGGER_FIRES_ON_REPLICA;
	return key->enabled == TRIGGER_FIRES_ALWAYS || key->enabled == TRIGGER_FIRES_ON_ORIGIN;
}

bool
foreign_keys_refuse(ForeignKeys *keys, KeyHints *hints, const TupleTableSlot *slot)
{
	hints->rows++;
	for (int i = 0; i < keys->n; i++)
		if (is_checked(&keys->keys[i]) && refuses(hints, &keys->keys[i], i, slot))
			return true;
	return false;
}
