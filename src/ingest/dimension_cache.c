/*
 * Members of a dimension by natural key, in memory of its own.
 *
 * Bounded: before a batch looks for its members, a cache beyond CACHE_BYTES is emptied. So it holds
 * at most that and the members of one batch.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "ingest/dimension.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define CACHE_BYTES ((Size) 64 * 1024 * 1024)

typedef struct CacheEntry
{
	Datum *natural;
	Member *member;
	uint32 hash;
	char status;
} CacheEntry;

static uint32 natural_hash(const Dimension *dimension, const Datum *natural);
static bool natural_equal(Dimension *dimension, const Datum *a, const Datum *b);

#define SH_PREFIX               member
#define SH_ELEMENT_TYPE         CacheEntry
#define SH_KEY_TYPE             Datum *
#define SH_KEY                  natural
#define SH_HASH_KEY(table, key) natural_hash((table)->private_data, key)
#define SH_EQUAL(table, a, b)   natural_equal((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) ((entry)->hash)
#define SH_SCOPE                  static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static uint32
natural_hash(const Dimension *dimension, const Datum *natural)
{
	uint32 hash = 0;

	for (int i = 0; i < dimension->nkeys; i++)
	{
		DimensionColumn *column = &dimension->columns[i];

		hash = hash_combine(
			hash, DatumGetUInt32(FunctionCall1Coll(&column->hash, column->collation, natural[i])));
	}
	return hash;
}

static bool
natural_equal(Dimension *dimension, const Datum *a, const Datum *b)
{
	for (int i = 0; i < dimension->nkeys; i++)
	{
		DimensionColumn *column = &dimension->columns[i];

		if (!DatumGetBool(FunctionCall2Coll(&column->equal, column->collation, a[i], b[i])))
			return false;
	}
	return true;
}

void
dimension_cache_trim(Dimension *dimension)
{
	if (dimension->cache &&
		MemoryContextMemAllocated(dimension->cache_context, true) <= CACHE_BYTES)
		return;
	dimension->cache = NULL;
	MemoryContextReset(dimension->cache_context);
	dimension->cache = member_create(dimension->cache_context, 1024, dimension);
}

static Member *
make_member(const Dimension *dimension, const Datum *natural)
{
	MemoryContext old = MemoryContextSwitchTo(dimension->cache_context);
	Member *member = palloc0(sizeof(Member));

	member->natural = palloc(sizeof(Datum) * dimension->nkeys);
	for (int i = 0; i < dimension->nkeys; i++)
	{
		const DimensionColumn *column = &dimension->columns[i];

		member->natural[i] = datumCopy(natural[i], column->byval, column->length);
	}
	MemoryContextSwitchTo(old);
	return member;
}

Member *
dimension_cache_member(Dimension *dimension, Datum *natural)
{
	CacheEntry *entry = member_lookup(dimension->cache, natural);
	Member *member;
	bool found;

	if (entry)
		return entry->member;
	/* Whole before the table knows of it: an error may come between. */
	member = make_member(dimension, natural);
	entry = member_insert(dimension->cache, member->natural, &found);
	entry->member = member;
	return member;
}
