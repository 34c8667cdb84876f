/*
 * Whether a row has a partition, asked without an error.
 *
 * ExecFindPartition() throws where there is none. What this finds is a hint, as screen.c's: such a
 * row is left out and tried alone, and a row that this lets through is routed by PostgreSQL as
 * ever.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "executor/executor.h"
#include "ingest/internal.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/partcache.h"
#include "utils/rel.h"

/* A partitioned table: the root, or one below. */
typedef struct Level Level;
struct Level
{
	Relation relation;
	PartitionKey key;
	PartitionDesc desc;
	ExprState *keys[PARTITION_MAX_KEYS];    /* expressions; NULL: a column */
	AttrNumber columns[PARTITION_MAX_KEYS]; /* in the root's layout */
	Level **below;                          /* by number of the partition; NULL: not looked at */
};

struct Routes
{
	EState *estate;
	Level *root;
};

/* A column of a partitioned table below the root, in the root's layout. */
static AttrNumber
root_column(const Routes *routes, Relation relation, AttrNumber column)
{
	const char *name = NameStr(TupleDescAttr(RelationGetDescr(relation), column - 1)->attname);

	if (routes->root == NULL)
		return column;
	return target_find_column(RelationGetDescr(routes->root->relation), name);
}

static Level *
make_level(Routes *routes, Relation relation)
{
	MemoryContext old = MemoryContextSwitchTo(routes->estate->es_query_cxt);
	Level *level = palloc0(sizeof(Level));
	PartitionKey key = RelationGetPartitionKey(relation);
	List *expressions = key->partexprs;
	int next = 0;

	level->relation = relation;
	level->key = key;
	/* The one that rows are routed by, whatever is attached or detached meanwhile. */
	level->desc = PartitionDirectoryLookup(routes->estate->es_partition_directory, relation);
	level->below = palloc0(sizeof(Level *) * Max(level->desc->nparts, 1));
	if (routes->root)
		expressions = map_partition_varattnos(expressions, 1, routes->root->relation, relation);
	for (int i = 0; i < key->partnatts; i++)
		if (key->partattrs[i] != 0)
			level->columns[i] = root_column(routes, relation, key->partattrs[i]);
		else
			level->keys[i] = ExecPrepareExpr(list_nth(expressions, next++), routes->estate);
	MemoryContextSwitchTo(old);
	return level;
}

Routes *
routes_begin(EState *estate, Relation root)
{
	Routes *routes = MemoryContextAllocZero(estate->es_query_cxt, sizeof(Routes));

	routes->estate = estate;
	routes->root = make_level(routes, root);
	return routes;
}

/* Number of the partition; -1: none. */
static int
find_partition(const Level *level, Datum *values, bool *isnull)
{
	PartitionKey key = level->key;
	PartitionBoundInfo bounds = level->desc->boundinfo;
	bool equal = false; /* left alone where every bound is greater */
	int found = -1;
	int offset;

	if (level->desc->nparts == 0)
		return -1;
	switch (key->strategy)
	{
		case PARTITION_STRATEGY_HASH:
			return bounds
				->indexes[compute_partition_hash_value(key->partnatts, key->partsupfunc,
													   key->partcollation, values, isnull) %
						  bounds->nindexes];
		case PARTITION_STRATEGY_LIST:
			if (isnull[0])
			{
				if (partition_bound_accepts_nulls(bounds))
					found = bounds->null_index;
				break;
			}
			offset = partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, values[0],
											&equal);
			if (offset >= 0 && equal)
				found = bounds->indexes[offset];
			break;
		default:
			for (int i = 0; i < key->partnatts; i++)
				if (isnull[i])
					return bounds->default_index;
			offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds,
												   key->partnatts, values, &equal);
			found = bounds->indexes[offset + 1];
	}
	return found >= 0 ? found : bounds->default_index;
}

/* The partition's own level, with the lock that routing takes. */
static Level *
descend(Routes *routes, Level *level, int partition)
{
	if (level->below[partition] == NULL)
		level->below[partition] =
			make_level(routes, table_open(level->desc->oids[partition], RowExclusiveLock));
	return level->below[partition];
}

bool
routes_lack(Routes *routes, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(routes->estate);
	Level *level = routes->root;

	econtext->ecxt_scantuple = slot;
	for (;;)
	{
		Datum values[PARTITION_MAX_KEYS];
		bool isnull[PARTITION_MAX_KEYS];
		int partition;

		for (int i = 0; i < level->key->partnatts; i++)
			if (level->keys[i])
				values[i] = ExecEvalExprSwitchContext(level->keys[i], econtext, &isnull[i]);
			else
			{
				values[i] = slot->tts_values[level->columns[i] - 1];
				isnull[i] = slot->tts_isnull[level->columns[i] - 1];
			}
		partition = find_partition(level, values, isnull);
		if (partition < 0)
			return true;
		if (level->desc->is_leaf[partition])
			return false;
		level = descend(routes, level, partition);
	}
}

static void
close_below(Level *level)
{
	for (int i = 0; i < level->desc->nparts; i++)
		if (level->below[i])
		{
			close_below(level->below[i]);
			table_close(level->below[i]->relation, NoLock);
		}
}

void
routes_end(Routes *routes)
{
	if (routes)
		close_below(routes->root);
}
