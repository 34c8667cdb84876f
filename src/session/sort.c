/*
 * Rows by keys and time, sorted within the processor's cache.
 *
 *     rows as they come                      chunk: as much as stays in the cache
 *       |  chunk is full: sort pointers, copy the rows in that order
 *       v
 *     [run][run][run]...                     in memory, each in order
 *       |  merge: each run is read from its begin to its end
 *       v
 *     rows in order
 *
 * PostgreSQL's sort in memory orders pointers to all rows and then fetches each row from
 * somewhere: of many rows that is most of its time. Runs are read as they lie. What does not fit
 * into work_mem goes on in PostgreSQL's sort, which writes files.
 *
 * A row is its columns as Datums, what they point to behind them, and a prefix: a number that
 * orders rows as their first key does, as far as it tells them apart.
 */
#include "postgres.h"

#include "session/sort.h"

#include <math.h>

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/tuplesort.h"

/* With what orders its rows, a chunk stays in the processor's second cache. */
#define CHUNK_BYTES (512 * 1024)
#define CHUNK_FIRST (8 * 1024)

/* PostgreSQL's sort needs about this much of memory for each file that it merges. */
#define BYTES_PER_FILE  (512 * 1024.0)
#define LEAST_FILE_SORT (8 * 1024)

/* How far ahead of where it is read a run is fetched into the cache. */
#define PREFETCH_BYTES 256

typedef struct Row
{
	uint64 prefix;
	uint32 size;                         /* bytes, with what the columns point to */
	uint32 nulls;                        /* a bit for each column */
	Datum values[FLEXIBLE_ARRAY_MEMBER]; /* not by value: from the row's begin on */
} Row;

typedef struct Place
{
	uint64 prefix;
	uint64 at; /* in the chunk */
} Place;

typedef struct Run
{
	uint64 prefix; /* of row */
	Row *row;      /* the next one; NULL: no more */
	char *end;
} Run;

struct SessionSort
{
	MemoryContext memory;
	TupleDesc desc;
	Size row_bytes; /* without what columns point to */
	bool by_reference;
	Size limit; /* of all memory */
	Size bytes; /* in runs */
	double expected;

	int n_keys;
	const SessionSortKey *keys;
	SortSupport supports; /* of keys */
	AttrNumber time;
	SortSupportData abbreviation; /* of the first key */
	uint64 (*prefix_of)(SessionSort *sort, Datum value);
	bool exact; /* a prefix tells first keys apart, but for its extremes, which NULL has as well */

	char *chunk;
	Size chunk_used, chunk_size;
	Place *items;
	int n_items, n_items_max;

	Run *runs;
	int n_runs, n_runs_max;
	int *tree; /* [0]: the run of the next row; the others: who lost where */
	const Row *last;

	Tuplesortstate *files; /* NULL: all is in memory */
	TupleTableSlot *feed;
	TupleTableSlot *fetched[2]; /* the last row from there, and the one before */
};

/* ---- the order ------------------------------------------------------------------------------ */

static uint64
prefix_of_signed(SessionSort *sort, Datum value)
{
	return (uint64) DatumGetInt64(value) ^ ((uint64) 1 << 63);
}

static uint64
prefix_of_int32(SessionSort *sort, Datum value)
{
	return (uint64) (int64) DatumGetInt32(value) ^ ((uint64) 1 << 63);
}

static uint64
prefix_of_unsigned(SessionSort *sort, Datum value)
{
	return (uint64) value;
}

static uint64
prefix_of_abbreviation(SessionSort *sort, Datum value)
{
	return (uint64) sort->abbreviation.abbrev_converter(value, &sort->abbreviation);
}

static void
prepare_key(SortSupport support, const SessionSortKey *key, bool abbreviate)
{
	support->ssup_cxt = CurrentMemoryContext;
	support->ssup_collation = key->collation;
	support->ssup_nulls_first = key->nulls_first;
	support->ssup_attno = key->column + 1;
	support->abbreviate = abbreviate;
	PrepareSortSupportFromOrderingOp(key->sort_operator, support);
}

/* How numbers stand for the first key, if they can. */
static void
choose_prefix(SessionSort *sort)
{
	if (sort->n_keys == 0)
	{
		sort->prefix_of = prefix_of_signed;
		return;
	}
	sort->exact = true;
	if (sort->supports[0].comparator == ssup_datum_signed_cmp)
		sort->prefix_of = prefix_of_signed;
	else if (sort->supports[0].comparator == ssup_datum_int32_cmp)
		sort->prefix_of = prefix_of_int32;
	else if (sort->supports[0].comparator == ssup_datum_unsigned_cmp)
		sort->prefix_of = prefix_of_unsigned;
	else
	{
		sort->exact = false;
		prepare_key(&sort->abbreviation, &sort->keys[0], true);
		if (sort->abbreviation.abbrev_converter &&
			sort->abbreviation.comparator == ssup_datum_unsigned_cmp)
			sort->prefix_of = prefix_of_abbreviation;
	}
}

static uint64
row_prefix(SessionSort *sort, const Datum *values, const bool *nulls)
{
	AttrNumber column = sort->n_keys ? sort->keys[0].column : sort->time;
	uint64 prefix;

	if (sort->prefix_of == NULL)
		return 0;
	if (nulls[column])
		return sort->n_keys && sort->keys[0].nulls_first ? 0 : PG_UINT64_MAX;
	prefix = sort->prefix_of(sort, values[column]);
	return sort->n_keys && sort->supports[0].ssup_reverse ? ~prefix : prefix;
}

static inline bool
is_null(const Row *row, AttrNumber column)
{
	return (row->nulls >> column) & 1;
}

static inline Datum
row_value(const SessionSort *sort, const Row *row, AttrNumber column)
{
	Datum value = row->values[column];

	if (TupleDescAttr(sort->desc, column)->attbyval || is_null(row, column))
		return value;
	return PointerGetDatum((const char *) row + value);
}

/* Of rows with the same prefix, or of any while prefixes are not asked. */
static int
compare_keys(const SessionSort *sort, const Row *a, const Row *b)
{
	bool settled = sort->exact && a->prefix != 0 && a->prefix != PG_UINT64_MAX;
	int i;

	for (i = settled ? 1 : 0; i < sort->n_keys; i++)
	{
		AttrNumber column = sort->keys[i].column;
		int result =
			ApplySortComparator(row_value(sort, a, column), is_null(a, column),
								row_value(sort, b, column), is_null(b, column), &sort->supports[i]);

		if (result != 0)
			return result;
	}
	return 0;
}

static int
compare_rows(const SessionSort *sort, const Row *a, const Row *b)
{
	int result = compare_keys(sort, a, b);
	int64 time_a = DatumGetInt64(a->values[sort->time]);
	int64 time_b = DatumGetInt64(b->values[sort->time]);

	if (result != 0)
		return result;
	result = (int) is_null(a, sort->time) - (int) is_null(b, sort->time);
	return result != 0 ? result : (time_a > time_b) - (time_a < time_b);
}

static inline int
compare_items(const Place *a, const Place *b, const SessionSort *sort)
{
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return compare_rows(sort, (const Row *) (sort->chunk + a->at),
						(const Row *) (sort->chunk + b->at));
}

#define ST_SORT                sort_items
#define ST_ELEMENT_TYPE        Place
#define ST_COMPARE(a, b, sort) compare_items(a, b, sort)
#define ST_COMPARE_ARG_TYPE    const SessionSort
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* ---- files, past the memory ----------------------------------------------------------------- */

static void
row_columns(const SessionSort *sort, const Row *row, Datum *values, bool *nulls)
{
	int i;

	for (i = 0; i < sort->desc->natts; i++)
	{
		nulls[i] = is_null(row, i);
		values[i] = row_value(sort, row, i);
	}
}

static void
feed_files(SessionSort *sort, char *rows, Size size)
{
	char *at = rows;

	while (at < rows + size)
	{
		const Row *row = (const Row *) at;

		ExecClearTuple(sort->feed);
		row_columns(sort, row, sort->feed->tts_values, sort->feed->tts_isnull);
		ExecStoreVirtualTuple(sort->feed);
		tuplesort_puttupleslot(sort->files, sort->feed);
		at += row->size;
	}
}

/*
 * It writes files anyway: so of no more memory than what makes few enough of them to be merged at
 * once, since a small sort stays in the cache.
 */
static int
kilobytes_of_files(const SessionSort *sort)
{
	double bytes = Max(sort->expected, 2.0 * sort->bytes);
	double enough = sqrt(bytes * BYTES_PER_FILE) / 1024;

	return (int) Min((double) work_mem, Max(enough, (double) LEAST_FILE_SORT));
}

static void
begin_files(SessionSort *sort)
{
	int n = sort->n_keys + 1, i;
	AttrNumber *columns = palloc(sizeof(AttrNumber) * n);
	Oid *operators = palloc(sizeof(Oid) * n);
	Oid *collations = palloc(sizeof(Oid) * n);
	bool *nulls_first = palloc(sizeof(bool) * n);

	for (i = 0; i < n; i++)
	{
		columns[i] = sort->keys[i].column + 1;
		operators[i] = sort->keys[i].sort_operator;
		collations[i] = sort->keys[i].collation;
		nulls_first[i] = sort->keys[i].nulls_first;
	}
	sort->files = tuplesort_begin_heap(sort->desc, n, columns, operators, collations, nulls_first,
									   kilobytes_of_files(sort), NULL, TUPLESORT_NONE);
	sort->feed = MakeSingleTupleTableSlot(sort->desc, &TTSOpsVirtual);
	for (i = 0; i < 2; i++)
		sort->fetched[i] = MakeSingleTupleTableSlot(sort->desc, &TTSOpsMinimalTuple);
}

/* What is in memory goes on there. */
static void
turn_to_files(SessionSort *sort)
{
	MemoryContext before = MemoryContextSwitchTo(sort->memory);
	int i;

	begin_files(sort);
	MemoryContextSwitchTo(before);
	for (i = 0; i < sort->n_runs; i++)
	{
		feed_files(sort, (char *) sort->runs[i].row,
				   sort->runs[i].end - (char *) sort->runs[i].row);
		pfree(sort->runs[i].row);
	}
	feed_files(sort, sort->chunk, sort->chunk_used);
	pfree(sort->runs);
	pfree(sort->chunk);
	pfree(sort->items);
	sort->runs = NULL;
	sort->chunk = NULL;
	sort->items = NULL;
	sort->n_runs = 0;
}

/* ---- rows come ------------------------------------------------------------------------------ */

SessionSort *
session_sort_begin(TupleDesc desc, const SessionSortKey *keys, int n_keys, double expected)
{
	SessionSort *sort = palloc0(sizeof(SessionSort));
	int i;

	Assert(desc->natts <= SESSION_SORT_COLUMNS && n_keys > 0);
	sort->memory = CurrentMemoryContext;
	sort->desc = desc;
	sort->row_bytes = offsetof(Row, values) + sizeof(Datum) * desc->natts;
	for (i = 0; i < desc->natts; i++)
		sort->by_reference |= !TupleDescAttr(desc, i)->attbyval;
	sort->limit = (Size) work_mem * 1024;
	sort->expected = expected;

	sort->n_keys = n_keys - 1;
	sort->keys = keys;
	sort->time = keys[n_keys - 1].column;
	sort->supports = palloc0(sizeof(SortSupportData) * n_keys);
	for (i = 0; i < sort->n_keys; i++)
		prepare_key(&sort->supports[i], &keys[i], false);
	choose_prefix(sort);

	sort->chunk_size = CHUNK_FIRST;
	sort->chunk = palloc(sort->chunk_size);
	sort->n_items_max = CHUNK_FIRST / sort->row_bytes + 1;
	sort->items = palloc(sizeof(Place) * sort->n_items_max);
	sort->n_runs_max = 16;
	sort->runs = palloc(sizeof(Run) * sort->n_runs_max);
	return sort;
}

/* The chunk becomes a run. */
static void
end_chunk(SessionSort *sort)
{
	Run *run;
	char *to;
	int i;

	if (sort->n_items == 0)
		return;
	sort_items(sort->items, sort->n_items, sort);
	if (sort->n_runs == sort->n_runs_max)
	{
		sort->n_runs_max *= 2;
		sort->runs = repalloc_huge(sort->runs, sizeof(Run) * sort->n_runs_max);
	}
	run = &sort->runs[sort->n_runs++];
	to = MemoryContextAllocHuge(sort->memory, sort->chunk_used);
	run->row = (Row *) to;
	for (i = 0; i < sort->n_items; i++)
	{
		const Row *row = (const Row *) (sort->chunk + sort->items[i].at);

		memcpy(to, row, row->size);
		to += row->size;
	}
	run->end = to;
	sort->bytes += sort->chunk_used;
	sort->chunk_used = 0;
	sort->n_items = 0;

	/* Abbreviations that tell few rows apart cost more than they are worth. */
	if (sort->prefix_of == prefix_of_abbreviation && sort->n_runs == 1 &&
		sort->abbreviation.abbrev_abort(i, &sort->abbreviation))
		sort->prefix_of = NULL;
}

/* Room in the chunk for a row; false: it would be more memory than is allowed. */
static bool
make_room(SessionSort *sort, Size size)
{
	Size most = Min(CHUNK_BYTES, sort->limit / 4);

	if (sort->chunk_used + size > sort->chunk_size && sort->chunk_size >= most)
		end_chunk(sort);
	while (sort->chunk_used + size > sort->chunk_size)
	{
		sort->chunk_size *= 2;
		sort->chunk = repalloc_huge(sort->chunk, sort->chunk_size);
	}
	if (sort->n_items == sort->n_items_max)
	{
		sort->n_items_max *= 2;
		sort->items = repalloc_huge(sort->items, sizeof(Place) * sort->n_items_max);
	}
	/* The chunk is there twice while it becomes a run. */
	return sort->bytes + 2 * sort->chunk_size + sort->n_items_max * sizeof(Place) <= sort->limit;
}

static Size
value_size(Datum value, int length)
{
	if (length == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
		return EOH_get_flat_size(DatumGetEOHP(value));
	return datumGetSize(value, false, length);
}

static void
store_value(char *to, Datum value, int length, Size size)
{
	if (length == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
		EOH_flatten_into(DatumGetEOHP(value), to, size);
	else
		memcpy(to, DatumGetPointer(value), size);
}

static bool
is_stored_apart(const SessionSort *sort, const TupleTableSlot *slot, int column)
{
	return !TupleDescAttr(sort->desc, column)->attbyval && !slot->tts_isnull[column];
}

static Size
size_of_row(const SessionSort *sort, const TupleTableSlot *slot)
{
	Size size = sort->row_bytes;
	int i;

	for (i = 0; sort->by_reference && i < sort->desc->natts; i++)
		if (is_stored_apart(sort, slot, i))
			size += MAXALIGN(value_size(slot->tts_values[i], TupleDescAttr(sort->desc, i)->attlen));
	return size;
}

static void
write_row(const SessionSort *sort, const TupleTableSlot *slot, Row *row, Size row_size)
{
	Size used = sort->row_bytes;
	int i;

	row->size = (uint32) row_size;
	row->nulls = 0;
	for (i = 0; i < sort->desc->natts; i++)
	{
		int length = TupleDescAttr(sort->desc, i)->attlen;

		row->values[i] = slot->tts_isnull[i] ? (Datum) 0 : slot->tts_values[i];
		row->nulls |= (uint32) slot->tts_isnull[i] << i;
		if (is_stored_apart(sort, slot, i))
		{
			Size size = value_size(slot->tts_values[i], length);

			store_value((char *) row + used, slot->tts_values[i], length, size);
			row->values[i] = (Datum) used;
			used += MAXALIGN(size);
		}
	}
}

void
session_sort_put(SessionSort *sort, TupleTableSlot *slot)
{
	Size size;
	Row *row;

	slot_getallattrs(slot);
	if (sort->files == NULL)
	{
		size = size_of_row(sort, slot);
		/* Rows of gigabytes are more than any chunk. */
		if (size > sort->limit || size > PG_UINT32_MAX / 2 || !make_room(sort, size))
			turn_to_files(sort);
	}
	if (sort->files)
	{
		tuplesort_puttupleslot(sort->files, slot);
		return;
	}
	row = (Row *) (sort->chunk + sort->chunk_used);
	write_row(sort, slot, row, size);
	row->prefix = row_prefix(sort, slot->tts_values, slot->tts_isnull);
	sort->items[sort->n_items].prefix = row->prefix;
	sort->items[sort->n_items++].at = sort->chunk_used;
	sort->chunk_used += size;
}

/* ---- rows go -------------------------------------------------------------------------------- */

static inline bool
comes_before(const SessionSort *sort, int a, int b)
{
	const Run *run_a = &sort->runs[a];
	const Run *run_b = &sort->runs[b];
	int result;

	if (run_a->prefix != run_b->prefix)
		return run_a->prefix < run_b->prefix;
	if (run_a->row == NULL || run_b->row == NULL)
		return run_a->row != NULL;
	result = compare_rows(sort, run_a->row, run_b->row);
	return result < 0 || (result == 0 && a < b);
}

/* An ended run comes after all others: its prefix is the greatest one, and it has no row. */
static inline void
look_at_row(const SessionSort *sort, Run *run, char *at)
{
	run->row = at < run->end ? (Row *) at : NULL;
	run->prefix = run->row == NULL ? PG_UINT64_MAX : sort->prefix_of == NULL ? 0 : run->row->prefix;
}

/* Each run goes up until it loses; who lost stays there. */
static void
build_tree(SessionSort *sort)
{
	int i, node;

	sort->tree = MemoryContextAlloc(sort->memory, sizeof(int) * Max(sort->n_runs, 1));
	for (i = 0; i < sort->n_runs; i++)
	{
		look_at_row(sort, &sort->runs[i], (char *) sort->runs[i].row);
		sort->tree[i] = -1;
	}
	for (i = sort->n_runs - 1; i >= 0; i--)
	{
		int winner = i;

		for (node = (i + sort->n_runs) / 2; node > 0 && winner >= 0; node /= 2)
		{
			int other = sort->tree[node];

			if (other < 0 || comes_before(sort, other, winner))
			{
				sort->tree[node] = winner;
				winner = other;
			}
		}
		if (winner >= 0)
			sort->tree[0] = winner;
	}
}

/* The run of the row that went takes part with its next one, on its own way up alone. */
static inline void
replay(SessionSort *sort)
{
	int winner = sort->tree[0];
	Run *run = &sort->runs[winner];
	int node;

	look_at_row(sort, run, (char *) run->row + run->row->size);
	if (run->row)
		__builtin_prefetch((char *) run->row + PREFETCH_BYTES);
	for (node = (winner + sort->n_runs) / 2; node > 0; node /= 2)
	{
		int other = sort->tree[node];

		if (comes_before(sort, other, winner))
		{
			sort->tree[node] = winner;
			winner = other;
		}
	}
	sort->tree[0] = winner;
}

void
session_sort_perform(SessionSort *sort)
{
	if (sort->files)
	{
		tuplesort_performsort(sort->files);
		return;
	}
	end_chunk(sort);
	pfree(sort->chunk);
	pfree(sort->items);
	build_tree(sort);
}

/* Without keys but the time the prefix is that of the time. */
static inline bool
may_be_same(const SessionSort *sort, const Row *a, const Row *b)
{
	return sort->n_keys == 0 || sort->prefix_of == NULL || a->prefix == b->prefix;
}

static bool
next_in_memory(SessionSort *sort, Datum *values, bool *nulls, bool *same_keys)
{
	const Row *row, *last = sort->last;

	if (sort->n_runs == 0)
		return false;
	if (last && sort->runs[sort->tree[0]].row)
		replay(sort);
	row = sort->runs[sort->tree[0]].row;
	if (row == NULL)
		return false;
	row_columns(sort, row, values, nulls);
	*same_keys = last && may_be_same(sort, last, row) && compare_keys(sort, last, row) == 0;
	sort->last = row;
	return true;
}

static bool
same_keys_in(const SessionSort *sort, TupleTableSlot *a, TupleTableSlot *b)
{
	int i;

	for (i = 0; i < sort->n_keys; i++)
	{
		AttrNumber column = sort->keys[i].column;

		if (ApplySortComparator(a->tts_values[column], a->tts_isnull[column], b->tts_values[column],
								b->tts_isnull[column], &sort->supports[i]) != 0)
			return false;
	}
	return true;
}

static bool
next_of_files(SessionSort *sort, Datum *values, bool *nulls, bool *same_keys)
{
	TupleTableSlot *last = sort->fetched[0];
	TupleTableSlot *slot = sort->fetched[1];

	if (!tuplesort_gettupleslot(sort->files, true, true, slot, NULL))
		return false;
	slot_getallattrs(slot);
	memcpy(values, slot->tts_values, sizeof(Datum) * sort->desc->natts);
	memcpy(nulls, slot->tts_isnull, sizeof(bool) * sort->desc->natts);
	*same_keys = !TTS_EMPTY(last) && same_keys_in(sort, last, slot);
	sort->fetched[0] = slot;
	sort->fetched[1] = last;
	return true;
}

bool
session_sort_next(SessionSort *sort, Datum *values, bool *nulls, bool *same_keys)
{
	return sort->files ? next_of_files(sort, values, nulls, same_keys)
					   : next_in_memory(sort, values, nulls, same_keys);
}

void
session_sort_end(SessionSort *sort)
{
	if (sort->files == NULL)
		return;
	ExecDropSingleTupleTableSlot(sort->feed);
	ExecDropSingleTupleTableSlot(sort->fetched[0]);
	ExecDropSingleTupleTableSlot(sort->fetched[1]);
	tuplesort_end(sort->files);
}

int64
session_sort_space(SessionSort *sort, bool *on_disk)
{
	TuplesortInstrumentation files;

	*on_disk = false;
	if (sort->files == NULL)
		return (sort->bytes + 1023) / 1024;
	tuplesort_get_stats(sort->files, &files);
	*on_disk = files.spaceType == SORT_SPACE_TYPE_DISK;
	return files.spaceUsed;
}
