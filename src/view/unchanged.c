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

		/*
		 * Beside the relation that is followed it may be looked up in once more: that is another.
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

/* Of rows as they were and as they are, in any order: those that differ in what the child reads. */
static ChangedRows
leave_out_equal(const KnownView *child, ChangedRows rows, TupleDesc desc)
{
	ChangedRows changed = {.old = tuplestore_begin_heap(false, false, work_mem),
						   .new = tuplestore_begin_heap(false, false, work_mem)};
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "telemetry rows without a change", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outside = MemoryContextSwitchTo(context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	image_hash *images = image_create(context, tuplestore_tuple_count(rows.old), NULL);

	count_old(images, rows.old, slot, child->reads);
	MemoryContextSwitchTo(outside);
	keep_changed(images, rows.new, slot, child->reads, false, changed.new);
	keep_changed(images, rows.old, slot, child->reads, true, changed.old);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
	return changed;
}

/* ---- rows in step ---------------------------------------------------------------------------- */

/*
 * A fold goes through groups by their keys, and tells of each what it was and what it is: mostly
 * the next of the old rows is of the next new one's group. The two are compared once, for all views
 * over it. What is not met in step, in whatever order it is, is looked up by the above.
 */
typedef struct InStep
{
	TupleDesc desc;
	const Bitmapset *keys;
	TupleTableSlot *old;
	TupleTableSlot *new;
	int8 *differs; /* of each column of the two at hand; -1: not compared yet */
	List *children;
	ChangedRows *rows; /* of each child */
	int64 gone;        /* rows that were met on one side alone */
	int64 come;
} InStep;

static bool
same_column(InStep *step, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(step->desc, column - 1);
	bool isnull = step->old->tts_isnull[column - 1];

	if (isnull || step->new->tts_isnull[column - 1])
		return isnull == step->new->tts_isnull[column - 1];
	return datum_image_eq(step->old->tts_values[column - 1], step->new->tts_values[column - 1],
						  attribute->attbyval, attribute->attlen);
}

static bool
same_group(InStep *step)
{
	int column = -1;

	if (TupIsNull(step->old))
		return false;
	while ((column = bms_next_member(step->keys, column)) >= 0)
		if (!same_column(step, column))
			return false;
	return true;
}

static bool
same_for(InStep *step, const KnownView *child)
{
	int column = -1;

	while ((column = bms_next_member(child->reads, column)) >= 0)
	{
		int8 *differs = &step->differs[column - 1];

		if (*differs < 0)
			*differs = !same_column(step, column);
		if (*differs)
			return false;
	}
	return true;
}

static bool
next(Tuplestorestate *rows, TupleTableSlot *slot)
{
	if (!tuplestore_gettupleslot(rows, true, false, slot))
		return false;
	slot_getallattrs(slot);
	return true;
}

/* The row at hand goes to the children that it is another for. */
static void
tell(InStep *step, bool was, bool is)
{
	memset(step->differs, -1, step->desc->natts);
	step->gone += was && !is;
	step->come += is && !was;
	for (int i = 0; i < list_length(step->children); i++)
	{
		if (was && is && same_for(step, list_nth(step->children, i)))
			continue;
		if (was)
			tuplestore_puttupleslot(step->rows[i].old, step->old);
		if (is)
			tuplestore_puttupleslot(step->rows[i].new, step->new);
	}
}

static void
go_in_step(InStep *step, Tuplestorestate *old, Tuplestorestate *new)
{
	bool more;

	step->old = MakeSingleTupleTableSlot(step->desc, &TTSOpsMinimalTuple);
	step->new = MakeSingleTupleTableSlot(step->desc, &TTSOpsMinimalTuple);
	step->differs = palloc(step->desc->natts);
	tuplestore_rescan(old);
	tuplestore_rescan(new);
	more = next(old, step->old);
	while (next(new, step->new))
	{
		bool both = more && same_group(step);

		CHECK_FOR_INTERRUPTS();
		tell(step, both, true);
		if (both)
			more = next(old, step->old);
	}
	for (; more; more = next(old, step->old))
		tell(step, true, false);
	ExecDropSingleTupleTableSlot(step->old);
	ExecDropSingleTupleTableSlot(step->new);
	pfree(step->differs);
}

static void
know_columns(KnownView *child, int natts)
{
	MemoryContext old = MemoryContextSwitchTo(child->context);

	if (child->reads == NULL)
		child->reads = columns_read(child, natts);
	MemoryContextSwitchTo(old);
}

ChangedRows *
unchanged_leave_out(const KnownView *view, List *children, const ChangedRows *all, bool apart)
{
	Relation target = table_open(view->row.view, AccessShareLock);
	InStep step = {.desc = RelationGetDescr(target), .keys = view->public_keys};
	ListCell *cell;

	step.children = children;
	step.rows = palloc(sizeof(ChangedRows) * Max(list_length(children), 1));
	foreach (cell, children)
	{
		ChangedRows *rows = &step.rows[foreach_current_index(cell)];

		know_columns(lfirst(cell), step.desc->natts);
		*rows = *all;
		if (step.keys == NULL)
			continue;
		rows->old = tuplestore_begin_heap(false, false, work_mem);
		rows->new = tuplestore_begin_heap(false, false, work_mem);
	}
	if (step.keys)
		go_in_step(&step, all->old, all->new);
	/* Each was met beside what it has become: another could only happen to look the same. */
	if (step.keys && apart && (step.gone == 0 || step.come == 0))
		children = NIL;
	foreach (cell, children)
	{
		ChangedRows *rows = &step.rows[foreach_current_index(cell)];
		ChangedRows met = *rows;

		if (tuplestore_tuple_count(met.old) == 0 || tuplestore_tuple_count(met.new) == 0)
			continue;
		*rows = leave_out_equal(lfirst(cell), met, step.desc);
		if (step.keys == NULL)
			continue;
		tuplestore_end(met.old);
		tuplestore_end(met.new);
	}
	table_close(target, NoLock);
	return step.rows;
}

void
unchanged_end(ChangedRows *changed, int n, const ChangedRows *all)
{
	for (int i = 0; i < n; i++)
	{
		if (changed[i].old != all->old)
			tuplestore_end(changed[i].old);
		if (changed[i].new != all->new)
			tuplestore_end(changed[i].new);
	}
	pfree(changed);
}
