/*
 * What is below every plan: a function that walks a table by the table's access method alone,
 * without an executor, for bench/hll/floor. Its sketch is what a custom scan in the place of Agg
 * and SeqScan might take.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "sketch/hll_internal.h"

PG_MODULE_MAGIC;

static void *
allocate(void *arg, size_t size)
{
	return palloc(size);
}

static void
release(void *arg, void *pointer)
{
	pfree(pointer);
}

/* walk(table, column, into a sketch): sum of a column of bigint, rows (column 0), or estimate. */
PG_FUNCTION_INFO_V1(walk);
Datum
walk(PG_FUNCTION_ARGS)
{
	SketchMemory memory = {allocate, release, NULL};
	Relation table = table_open(PG_GETARG_OID(0), AccessShareLock);
	int column = PG_GETARG_INT32(1);
	bool count = PG_GETARG_BOOL(2);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, NULL);
	HllState *state = hll_create(HLL_DEFAULT_PRECISION, HLL_NATIVE_WIDTH, HLL_NATIVE, &memory);
	int64 sum = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool null = true;
		Datum value = column == 0 ? 0 : slot_getattr(slot, column, &null);

		if (column == 0)
			sum++;
		else if (!null && count)
			state = hll_add(state, hll_hash_word((uint64) DatumGetInt64(value), 8), &memory);
		else if (!null)
			sum += DatumGetInt64(value);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, AccessShareLock);
	PG_RETURN_INT64(count ? (int64) hll_estimate(state) : sum);
}

/* CPU time of this backend so far, ms. */
PG_FUNCTION_INFO_V1(cpu);
Datum
cpu(PG_FUNCTION_ARGS)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	PG_RETURN_FLOAT8((double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
					 (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
}
