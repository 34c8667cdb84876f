/*
 * A session that goes on has another end after each batch; a view over sessions that counts days
 * reads their days alone, and those rarely change. Rows that are, before and after, the same in all
 * that a view reads would be taken away and added again: they are left out beforehand.
 *
 * What counts as the same are the bytes: values that are equal otherwise only cost what they did.
 * Of what is left, no row goes that came in the same transaction (fold.c counts on that).
 */
#include "view/unchanged.h"

#include "access/table.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* ---- what a view reads of the one it follows ------------------------------------------------- */

typedef struct Reading
{
	int rti;
	int depth;
	Bitmapset *columns;
	bool everything; /* a whole row */
} Reading;

static bool
find_columns(Node *node, void *context)
{
	Reading *reading = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		const Var *var = (const Var *) node;

		if (var->varno != reading->rti || (int) var->varlevelsup != reading->depth)
			return false;
		if (var->varattno > 0)
			reading->columns = bms_add_member(reading->columns, var->varattno);
		else
			reading->everything = true;
		return false;
	}
	if (IsA(node, Query))
	{
		bool done;

		reading->depth++;
		done = query_tree_walker((Query *) node, find_columns, reading, 0);
		reading->depth--;
		return done;
	}
	return expression_tree_walker(node, find_columns, context);
}

/* The columns, from 1 on. Never empty: a view that reads none is given rows by their number. */
static Bitmapset *
columns_read(const KnownView *child, int natts)
{
	Relation partial = table_open(child->row.partial, AccessShareLock);
	Query *query = get_view_query(partial);
	Reading reading = {.rti = 0};
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		const RangeTblEntry *rte = lfirst(cell);

		/* Beside the relation that is followed it may be looked up in once more: that is another.
		 */
		if (rte->rtekind == RTE_RELATION && rte->relid == child->row.target)
		{
			reading.rti = foreach_current_index(cell) + 1;
			break;
		}
	}
	(void) query_tree_walker(query, find_columns, &reading, 0);
	table_close(partial, AccessShareLock);
	if (reading.rti == 0 || reading.everything)
		return bms_add_range(NULL, 1, natts);
	return reading.columns;
}

/* ---- rows as bytes --------------------------------------------------------------------------- */

typedef struct Image
{
	const char *bytes;
	int length;
} Image;

typedef struct ImageEntry
{
	Image image;
	int64 rows; /* of the old ones with this image, those that no new one is equal to */
	uint32 hash;
	char status;
} ImageEntry;

#define SH_PREFIX               image
#define SH_ELEMENT_TYPE         ImageEntry
#define SH_KEY_TYPE             Image
#define SH_KEY                  image
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key).bytes, (key).length)
#define SH_EQUAL(table, a, b)                                                                      \
	((a).length == (b).length && memcmp((a).bytes, (b).bytes, (a).length) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) ((entry)->hash)
#define SH_SCOPE                  static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static void
append_bytes(StringInfo bytes, const char *value, int32 length)
{
	appendBinaryStringInfo(bytes, (char *) &length, sizeof(length));
	appendBinaryStringInfo(bytes, value, length);
}

/* However it is stored: a row that came and went again has to be the same both times. */
static void
append_varlena(StringInfo bytes, struct varlena *value)
{
	struct varlena *plain = pg_detoast_datum_packed(value);

	append_bytes(bytes, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	if (plain != value)
		pfree(plain);
}

/* For a moment: till the next one. */
static Image
image_of(TupleTableSlot *slot, const Bitmapset *columns, StringInfo bytes)
{
	int column = -1;

	resetStringInfo(bytes);
	slot_getallattrs(slot);
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, column - 1);
		Datum value = slot->tts_values[column - 1];

		appendStringInfoCharMacro(bytes, slot->tts_isnull[column - 1]);
		if (slot->tts_isnull[column - 1])
			continue;
		if (attribute->attbyval)
			appendBinaryStringInfo(bytes, (char *) &value, sizeof(value));
		else if (attribute->attlen == -1)
			append_varlena(bytes, (struct varlena *) DatumGetPointer(value));
		else
			append_bytes(bytes, DatumGetPointer(value),
						 datumGetSize(value, false, attribute->attlen));
	}
	return (Image){.bytes = bytes->data, .length = bytes->len};
}

static void
count_old(image_hash *images, Tuplestorestate *old, TupleTableSlot *slot, const Bitmapset *columns)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	tuplestore_rescan(old);
	while (tuplestore_gettupleslot(old, true, false, slot))
	{
		Image image = image_of(slot, columns, &bytes);
		bool found;
		ImageEntry *entry = image_insert(images, image, &found);

		CHECK_FOR_INTERRUPTS();
		if (!found)
		{
			char *kept = palloc(image.length);

			memcpy(kept, image.bytes, image.length);
			entry->image.bytes = kept;
			entry->rows = 0;
		}
		entry->rows++;
	}
}

/*
 * Rows that have no equal on the other side. Of the new ones, each takes an old one with it; of the
 * old ones, those are kept that were not taken.
 */
static void
keep_changed(image_hash *images, Tuplestorestate *rows, TupleTableSlot *slot,
			 const Bitmapset *columns, bool is_old, Tuplestorestate *changed)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		ImageEntry *entry = image_lookup(images, image_of(slot, columns, &bytes));
		bool counted = entry && entry->rows > 0;

		CHECK_FOR_INTERRUPTS();
		if (counted)
			entry->rows--;
		if (counted == is_old)
			tuplestore_puttupleslot(changed, slot);
	}
}

void
unchanged_leave_out(KnownView *child, Tuplestorestate *old, Tuplestorestate *new,
					Tuplestorestate **changed_old, Tuplestorestate **changed_new)
{
	MemoryContext context;
	MemoryContext outside;
	Relation target = table_open(child->row.target, AccessShareLock);
	TupleTableSlot *slot;
	image_hash *images;

	if (child->reads == NULL)
	{
		outside = MemoryContextSwitchTo(child->context);
		child->reads = columns_read(child, RelationGetDescr(target)->natts);
		MemoryContextSwitchTo(outside);
	}
	*changed_old = tuplestore_begin_heap(false, false, work_mem);
	*changed_new = tuplestore_begin_heap(false, false, work_mem);
	context = AllocSetContextCreate(CurrentMemoryContext, "telemetry rows without a change",
									ALLOCSET_DEFAULT_SIZES);
	outside = MemoryContextSwitchTo(context);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(target), &TTSOpsMinimalTuple);
	images = image_create(context, tuplestore_tuple_count(old), NULL);
	count_old(images, old, slot, child->reads);
	MemoryContextSwitchTo(outside);
	keep_changed(images, new, slot, child->reads, false, *changed_new);
	keep_changed(images, old, slot, child->reads, true, *changed_old);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
	table_close(target, NoLock);
}
