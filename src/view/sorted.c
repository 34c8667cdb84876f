/*
 * Rows that are in memory are ordered by a number of 64 bits each, which the keys are packed into
 * as tightly as their values allow: of numbers and times, how many steps they are from the least;
 * of texts, what follows the part that all have in common. Mostly all keys fit, and rows are
 * ordered by that number alone; else rows of one number are compared by their keys. What follows is
 * that no comparison touches a row, where PostgreSQL's sort looks at nearly each: its abbreviated
 * keys are the first eight bytes, "player-1" of all players.
 *
 * What does not fit into memory, and keys of other types, are sorted by PostgreSQL.
 */
#include "view/sorted.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "port/pg_bitutils.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/uuid.h"
#include "view/located.h"

/* So many rows ahead memory is told to have a row at hand. */
#define AHEAD 8

/* How values of a type become bits that are ordered as they are. */
typedef enum Code
{
	CODE_NONE,
	CODE_NUMBER,
	CODE_TEXT,
	CODE_UUID
} Code;

/* What all values of one key have in common. */
typedef struct PackedKey
{
	Code code;
	bool nulls;
	bool values; /* there is one that is not NULL */
	/* of numbers */
	int64 least;
	int64 greatest;
	uint64 step; /* divides all differences; 0: there are none */
	/* of texts */
	const char *first;
	int common; /* bytes at the beginning that all have */
	int longest;
	/* of the packed number; a NULL has a bit of its own before them */
	int bits;
} PackedKey;

typedef struct SortedRow
{
	uint64 packed;
	uint32 row; /* as it came */
	uint32 hash;
} SortedRow;

struct SortedRows
{
	const KnownView *view;
	TupleDesc desc;
	int nkeys;
	int npacked; /* keys that are in the number, the last of them maybe in part */
	bool exact;  /* all of all keys */
	PackedKey *keys;
	SortSupport orders;
	MinimalTuple *tuples; /* as they came */
	SortedRow *rows;
	int64 n;
	int64 at;
	int64 nplus;              /* of two stores: the rows of the first */
	Tuplesortstate *spilling; /* or: PostgreSQL's */
};

void
sorted_order_of(const KnownView *view, int key, Oid *less, Oid *equal, Oid *collation)
{
	Form_pg_attribute attribute = TupleDescAttr(view->desc, key);

	*collation = attribute->attcollation;
	if (OidIsValid(*collation) && get_collation_isdeterministic(*collation))
		*collation = C_COLLATION_OID;
	get_sort_group_operators(attribute->atttypid, true, true, false, less, equal, NULL, NULL);
}

/* ---- packing --------------------------------------------------------------------------------- */

static Code
code_of(Form_pg_attribute attribute)
{
	switch (attribute->atttypid)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return CODE_NUMBER;
		case TEXTOID:
		case VARCHAROID:
			return get_collation_isdeterministic(attribute->attcollation) ? CODE_TEXT : CODE_NONE;
		case UUIDOID:
			return CODE_UUID;
		default:
			return CODE_NONE;
	}
}

static int64
number_of(Datum value, Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return DatumGetBool(value) ? 1 : 0;
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case DATEOID:
			return DatumGetDateADT(value);
		default:
			return DatumGetInt64(value);
	}
}

/* False if its bytes are not at hand. */
static bool
bytes_of(const PackedKey *key, Datum value, const char **bytes, int *length)
{
	if (key->code == CODE_UUID)
	{
		*bytes = (const char *) DatumGetUUIDP(value)->data;
		*length = UUID_LEN;
		return true;
	}
	if (VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value))
		return false;
	*bytes = VARDATA_ANY(value);
	*length = VARSIZE_ANY_EXHDR(value);
	return true;
}

static uint64
divisor(uint64 a, uint64 b)
{
	while (b != 0)
	{
		uint64 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void
see_number(PackedKey *key, int64 value)
{
	uint64 distance;

	if (!key->values)
		key->least = key->greatest = value;
	/* From any other value: a step that divides these divides all differences. */
	distance = value < key->greatest ? (uint64) key->greatest - (uint64) value
									 : (uint64) value - (uint64) key->greatest;
	if (distance != 0 && (key->step == 0 || distance % key->step != 0))
		key->step = divisor(distance, key->step);
	key->least = Min(key->least, value);
	key->greatest = Max(key->greatest, value);
}

static bool
see_bytes(PackedKey *key, Datum value)
{
	const char *bytes;
	int length;
	int same = 0;

	if (!bytes_of(key, value, &bytes, &length))
		return false;
	if (!key->values)
	{
		key->first = bytes;
		key->common = length;
	}
	key->common = Min(key->common, length);
	while (same < key->common && bytes[same] == key->first[same])
		same++;
	key->common = same;
	key->longest = Max(key->longest, length);
	return true;
}

static bool
see(SortedRows *sorted, TupleTableSlot *slot)
{
	for (int i = 0; i < sorted->nkeys; i++)
	{
		PackedKey *key = &sorted->keys[i];

		if (slot->tts_isnull[i])
		{
			key->nulls = true;
			continue;
		}
		if (key->code == CODE_NUMBER)
			see_number(key,
					   number_of(slot->tts_values[i], TupleDescAttr(sorted->desc, i)->atttypid));
		else if (key->code != CODE_NONE && !see_bytes(key, slot->tts_values[i]))
			return false;
		key->values = true;
	}
	return true;
}

static int
bits_of_number(const PackedKey *key)
{
	return key->step == 0
			   ? 0
			   : pg_leftmost_one_pos64(((uint64) key->greatest - (uint64) key->least) / key->step) +
					 1;
}

/* Gives each key its bits. */
static void
share_bits(SortedRows *sorted)
{
	int left = 64;

	sorted->exact = true;
	for (int i = 0; i < sorted->nkeys; i++)
	{
		PackedKey *key = &sorted->keys[i];

		if (key->code == CODE_NONE || (key->nulls && left == 0))
		{
			sorted->exact = false;
			return;
		}
		left -= key->nulls ? 1 : 0;
		key->bits =
			key->code == CODE_NUMBER ? bits_of_number(key) : (key->longest - key->common) * 8;
		sorted->npacked++;
		if (key->bits > left)
		{
			/* The beginning of a text orders, too; and so do the first bits of a number. */
			key->bits = left;
			sorted->exact = false;
			return;
		}
		left -= key->bits;
	}
}

/*
 * The first bits of what follows the common part; a text that ends is followed by zeros, which none
 * has.
 */
static uint64
pack_bytes(const PackedKey *key, Datum value)
{
	const char *bytes;
	int length;
	uint64 packed = 0;

	(void) bytes_of(key, value, &bytes, &length);
	bytes += key->common;
	length -= key->common;
	for (int i = 0; i < 8; i++)
		packed = packed << 8 | (i < length ? (uint8) bytes[i] : 0);
	return key->bits == 0 ? 0 : packed >> (64 - key->bits);
}

static uint64
pack_number(const PackedKey *key, int64 value)
{
	uint64 steps = key->step == 0 ? 0 : ((uint64) value - (uint64) key->least) / key->step;

	return steps >> (bits_of_number(key) - key->bits);
}

static uint64
pack(const SortedRows *sorted, TupleTableSlot *slot)
{
	uint64 packed = 0;
	int left = 64;

	for (int i = 0; i < sorted->npacked; i++)
	{
		const PackedKey *key = &sorted->keys[i];
		uint64 bits = 0;

		if (key->nulls)
			packed |= (uint64) slot->tts_isnull[i] << --left;
		left -= key->bits;
		if (slot->tts_isnull[i] || key->bits == 0)
			continue;
		if (key->code == CODE_NUMBER)
			bits = pack_number(
				key, number_of(slot->tts_values[i], TupleDescAttr(sorted->desc, i)->atttypid));
		else
			bits = pack_bytes(key, slot->tts_values[i]);
		packed |= bits << left;
	}
	return packed;
}

/* ---- ordering -------------------------------------------------------------------------------- */

static void
as_heap_tuple(MinimalTuple tuple, HeapTupleData *heap_tuple)
{
	heap_tuple->t_len = tuple->t_len + MINIMAL_TUPLE_OFFSET;
	heap_tuple->t_data = (HeapTupleHeader) ((char *) tuple - MINIMAL_TUPLE_OFFSET);
}

static int
compare_keys(const SortedRow *a, const SortedRow *b, const SortedRows *sorted)
{
	HeapTupleData one;
	HeapTupleData other;
	int result = 0;

	as_heap_tuple(sorted->tuples[a->row], &one);
	as_heap_tuple(sorted->tuples[b->row], &other);
	for (int i = 0; i < sorted->nkeys && result == 0; i++)
	{
		bool null_one;
		bool null_other;
		Datum of_one = heap_getattr(&one, i + 1, sorted->desc, &null_one);
		Datum of_other = heap_getattr(&other, i + 1, sorted->desc, &null_other);

		result = ApplySortComparator(of_one, null_one, of_other, null_other, &sorted->orders[i]);
	}
	return result;
}

/* Rows of one group are in the order that they came in. */
static inline int
compare(const SortedRow *a, const SortedRow *b, const SortedRows *sorted)
{
	int result;

	if (a->packed != b->packed)
		return a->packed < b->packed ? -1 : 1;
	result = sorted->exact ? 0 : compare_keys(a, b, sorted);
	return result != 0 ? result : (a->row > b->row) - (a->row < b->row);
}

#define ST_SORT             order_rows
#define ST_ELEMENT_TYPE     SortedRow
#define ST_COMPARE(a, b, s) compare(a, b, s)
#define ST_COMPARE_ARG_TYPE const SortedRows
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static SortSupport
make_orders(const KnownView *view)
{
	SortSupport orders = palloc0(sizeof(SortSupportData) * view->row.nkeys);

	for (int i = 0; i < view->row.nkeys; i++)
	{
		Oid less;
		Oid equal;

		orders[i].ssup_cxt = CurrentMemoryContext;
		sorted_order_of(view, i, &less, &equal, &orders[i].ssup_collation);
		orders[i].ssup_attno = i + 1;
		PrepareSortSupportFromOrderingOp(less, &orders[i]);
	}
	return orders;
}

/* False if a key is not at hand. */
static bool
see_all(SortedRows *sorted, Tuplestorestate *rows, TupleTableSlot *slot)
{
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, sorted->nkeys);
		if (!see(sorted, slot))
			return false;
		sorted->tuples[sorted->n++] = ((MinimalTupleTableSlot *) slot)->mintuple;
	}
	return true;
}

/*
 * False if rows are not at hand, or their first key is of a type that is not packed. minus may be
 * NULL.
 */
static bool
sort_in_memory(SortedRows *sorted, const KnownView *view, Tuplestorestate *plus,
			   Tuplestorestate *minus, TupleTableSlot *slot)
{
	int64 n = tuplestore_tuple_count(plus) + (minus ? tuplestore_tuple_count(minus) : 0);

	sorted->keys = palloc0(sizeof(PackedKey) * sorted->nkeys);
	for (int i = 0; i < sorted->nkeys; i++)
		sorted->keys[i].code = code_of(TupleDescAttr(sorted->desc, i));
	if (!tuplestore_in_memory(plus) || (minus && !tuplestore_in_memory(minus)) ||
		sorted->keys[0].code == CODE_NONE || n > PG_UINT32_MAX)
		return false;
	sorted->rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SortedRow) * Max(n, 1));
	sorted->tuples = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(MinimalTuple) * Max(n, 1));
	if (!see_all(sorted, plus, slot))
		return false;
	sorted->nplus = sorted->n;
	if (minus && !see_all(sorted, minus, slot))
		return false;
	Assert(n == sorted->n);
	share_bits(sorted);
	for (int64 i = 0; i < n; i++)
	{
		ExecStoreMinimalTuple(sorted->tuples[i], slot, false);
		slot_getsomeattrs(slot, sorted->nkeys);
		sorted->rows[i].packed = pack(sorted, slot);
		sorted->rows[i].row = (uint32) i;
		sorted->rows[i].hash = located_hash(view, slot);
	}
	if (!sorted->exact)
		sorted->orders = make_orders(view);
	order_rows(sorted->rows, n, sorted);
	return true;
}

static Tuplesortstate *
sort_spilling(const KnownView *view, Tuplestorestate *rows, TupleTableSlot *slot)
{
	int nkeys = view->row.nkeys;
	AttrNumber *columns = palloc(sizeof(AttrNumber) * nkeys);
	Oid *operators = palloc(sizeof(Oid) * nkeys);
	Oid *collations = palloc(sizeof(Oid) * nkeys);
	bool *nulls_first = palloc0(sizeof(bool) * nkeys);
	Tuplesortstate *sorted;

	for (int i = 0; i < nkeys; i++)
	{
		Oid equal;

		columns[i] = i + 1;
		sorted_order_of(view, i, &operators[i], &equal, &collations[i]);
	}
	sorted = tuplesort_begin_heap(view->desc, nkeys, columns, operators, collations, nulls_first,
								  maintenance_work_mem, NULL, TUPLESORT_NONE);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplesort_puttupleslot(sorted, slot);
	}
	tuplesort_performsort(sorted);
	return sorted;
}

static SortedRows *
new_sorted(const KnownView *view)
{
	SortedRows *sorted = palloc0(sizeof(SortedRows));

	sorted->view = view;
	sorted->desc = view->desc;
	sorted->nkeys = view->row.nkeys;
	return sorted;
}

SortedRows *
sorted_begin(const KnownView *view, Tuplestorestate *rows, TupleTableSlot *slot)
{
	SortedRows *sorted = new_sorted(view);

	tuplestore_rescan(rows);
	if (!sort_in_memory(sorted, view, rows, NULL, slot))
		sorted->spilling = sort_spilling(view, rows, slot);
	ExecClearTuple(slot);
	return sorted;
}

SortedRows *
sorted_begin_both(const KnownView *view, Tuplestorestate *plus, Tuplestorestate *minus,
				  TupleTableSlot *slot)
{
	SortedRows *sorted = new_sorted(view);
	bool done;

	tuplestore_rescan(plus);
	tuplestore_rescan(minus);
	done = sort_in_memory(sorted, view, plus, minus, slot);
	ExecClearTuple(slot);
	if (done)
		return sorted;
	sorted_end(sorted);
	return NULL;
}

/* Rows lie anywhere, and so does what is known of where their groups are. */
static inline void
fetch_ahead(const SortedRows *sorted)
{
	if (sorted->at + 2 * AHEAD < sorted->n)
		__builtin_prefetch(&sorted->tuples[sorted->rows[sorted->at + 2 * AHEAD].row]);
	if (sorted->at + AHEAD < sorted->n)
	{
		const SortedRow *row = &sorted->rows[sorted->at + AHEAD];

		__builtin_prefetch(sorted->tuples[row->row]);
		located_prefetch(sorted->view, row->hash);
	}
}

bool
sorted_next(SortedRows *sorted, TupleTableSlot *slot)
{
	if (sorted->spilling)
		return tuplesort_gettupleslot(sorted->spilling, true, false, slot, NULL);
	if (sorted->at >= sorted->n)
	{
		ExecClearTuple(slot);
		return false;
	}
	fetch_ahead(sorted);
	ExecStoreMinimalTuple(sorted->tuples[sorted->rows[sorted->at++].row], slot, false);
	return true;
}

bool
sorted_is_minus(const SortedRows *sorted)
{
	return sorted->rows[sorted->at - 1].row >= sorted->nplus;
}

void
sorted_end(SortedRows *sorted)
{
	if (sorted->spilling)
		tuplesort_end(sorted->spilling);
	if (sorted->rows)
	{
		pfree(sorted->rows);
		pfree(sorted->tuples);
	}
	pfree(sorted->keys);
	pfree(sorted);
}
