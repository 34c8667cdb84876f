#include "view/located.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* Groups of one hash share an entry: the last one has it. */
typedef struct Location
{
	uint32 hash;
	ItemPointerData row; /* not valid: the entry is free */
} Location;

/* Open addressing; nothing is ever taken out. */
typedef struct Located
{
	uint32 size; /* a power of two */
	uint32 used;
	Location entries[FLEXIBLE_ARRAY_MEMBER];
} Located;

#define SMALLEST 64

/* Of all views that this session knows. */
static Size all_bytes;

static Size
bytes_of(uint32 size)
{
	return offsetof(Located, entries) + sizeof(Location) * (Size) size;
}

uint32
located_hash(const KnownView *view, TupleTableSlot *row)
{
	uint32 hash = 0;

	slot_getsomeattrs(row, view->row.nkeys);
	for (int i = 0; i < view->row.nkeys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(view->desc, i);

		hash = pg_rotate_left32(hash, 5) * 0x9E3779B1;
		if (!row->tts_isnull[i])
			hash ^= datum_image_hash(row->tts_values[i], attribute->attbyval, attribute->attlen);
	}
	return hash;
}

bool
located_same(const KnownView *view, TupleTableSlot *one, TupleTableSlot *other)
{
	slot_getsomeattrs(one, view->row.nkeys);
	slot_getsomeattrs(other, view->row.nkeys);
	for (int i = 0; i < view->row.nkeys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(view->desc, i);

		if (one->tts_isnull[i] != other->tts_isnull[i])
			return false;
		if (!one->tts_isnull[i] && !datum_image_eq(one->tts_values[i], other->tts_values[i],
												   attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

/* Its entry, or the free one where it belongs. */
static Location *
entry_of(Located *located, uint32 hash)
{
	uint32 at = hash & (located->size - 1);

	while (ItemPointerIsValid(&located->entries[at].row) && located->entries[at].hash != hash)
		at = (at + 1) & (located->size - 1);
	return &located->entries[at];
}

void
located_prefetch(const KnownView *view, uint32 hash)
{
	if (view->located)
		__builtin_prefetch(&view->located->entries[hash & (view->located->size - 1)]);
}

bool
located_find(const KnownView *view, uint32 hash, ItemPointer row)
{
	const Location *entry;

	if (view->located == NULL)
		return false;
	entry = entry_of(view->located, hash);
	*row = entry->row;
	return ItemPointerIsValid(row);
}

static void
put(Located *located, uint32 hash, const ItemPointerData *row)
{
	Location *entry = entry_of(located, hash);

	if (!ItemPointerIsValid(&entry->row))
		located->used++;
	entry->hash = hash;
	entry->row = *row;
}

/* NULL: there is no room for so many. */
static Located *
make(uint32 size)
{
	Located *located;

	if (all_bytes + bytes_of(size) > (Size) maintenance_work_mem * 1024)
		return NULL;
	located = MemoryContextAllocExtended(TopMemoryContext, bytes_of(size),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	if (located == NULL)
		return NULL;
	located->size = size;
	all_bytes += bytes_of(size);
	return located;
}

void
located_forget(KnownView *view)
{
	if (view->located == NULL)
		return;
	all_bytes -= bytes_of(view->located->size);
	pfree(view->located);
	view->located = NULL;
}

/* Where there is no room for more, the groups of today drive out those of yesterday. */
static void
make_room(KnownView *view)
{
	Located *larger =
		view->located->size < PG_UINT32_MAX / 4 ? make(view->located->size * 2) : NULL;

	if (larger)
	{
		for (uint32 i = 0; i < view->located->size; i++)
		{
			const Location *entry = &view->located->entries[i];

			if (ItemPointerIsValid(&entry->row))
				put(larger, entry->hash, &entry->row);
		}
		located_forget(view);
		view->located = larger;
		return;
	}
	memset(view->located->entries, 0, sizeof(Location) * (Size) view->located->size);
	view->located->used = 0;
}

void
located_keep(KnownView *view, uint32 hash, const ItemPointerData *row)
{
	if (view->located == NULL)
		view->located = make(SMALLEST);
	if (view->located == NULL)
		return;
	if (view->located->used >= view->located->size / 4 * 3)
		make_room(view);
	put(view->located, hash, row);
}
