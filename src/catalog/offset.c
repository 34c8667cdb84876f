#include "catalog/offset.h"

#include "catalog/pg_type.h"
#include "base/spi.h"
#include "catalog/pipeline.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

List *
offset_all(int pipeline_id, MemoryContext context)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id)};
	List *list = NIL;
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run(&plan,
					"SELECT partition, next_offset, cluster_id, last_offset, last_timestamp, "
					"last_checksum, max_event_time, watermark, pause_reason "
					"FROM telemetry.partition_offset WHERE pipeline_id = $1 ORDER BY partition",
					1, types, values, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		PartitionOffset *offset = palloc0(sizeof(PartitionOffset));
		bool isnull;

		offset->partition = DatumGetInt32(own_spi_datum(row, 1, &isnull));
		offset->next_offset = DatumGetInt64(own_spi_datum(row, 2, &isnull));
		offset->cluster_id = own_spi_text(row, 3, context);
		offset->last_offset = own_spi_int64(row, 4, -1);
		offset->last_timestamp = own_spi_int64(row, 5, -1);
		offset->last_checksum = own_spi_int64(row, 6, 0);
		offset->max_event_time = own_spi_int64(row, 7, DT_NOBEGIN);
		offset->watermark = own_spi_int64(row, 8, DT_NOBEGIN);
		offset->pause_reason = own_spi_text(row, 9, context);
		list = lappend(list, offset);
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return list;
}

/* Where a partition goes on: what becomes of one that is known stands behind it. */
#define INSERT_NEXT                                                                                \
	"INSERT INTO telemetry.partition_offset (pipeline_id, partition, next_offset) "                \
	"SELECT p.pipeline_id, $2, $3 " PIPELINE_STAYS "ON CONFLICT "

static void
run_next(SPIPlanPtr *plan, const char *sql, int pipeline_id, int32 partition, int64 next_offset)
{
	Oid types[] = {INT4OID, INT4OID, INT8OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(partition),
					  Int64GetDatum(next_offset)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(plan, sql, 3, types, values, NULL);
	own_spi_end(&scope);
}

void
offset_insert(int pipeline_id, int32 partition, int64 next_offset)
{
	static SPIPlanPtr plan;

	run_next(&plan, INSERT_NEXT "DO NOTHING", pipeline_id, partition, next_offset);
}

bool
offset_update(int pipeline_id, const PartitionOffset *new, int64 expected_next,
			  const OffsetCounts *counts)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, INT4OID, INT8OID,        INT8OID,        TEXTOID, INT8OID,
				   INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID,
				   INT8OID, INT8OID, INT8OID,        INT8OID};
	char nulls[lengthof(types) + 1];
	Datum values[lengthof(types)];
	OwnSpi scope;
	bool found;

	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types)] = '\0';
	values[0] = Int32GetDatum(pipeline_id);
	values[1] = Int32GetDatum(new->partition);
	values[2] = Int64GetDatum(expected_next);
	values[3] = Int64GetDatum(new->next_offset);
	values[4] = new->cluster_id ? CStringGetTextDatum(new->cluster_id) : (Datum) 0;
	values[5] = Int64GetDatum(new->last_offset);
	values[6] = Int64GetDatum(new->last_timestamp);
	values[7] = Int64GetDatum(new->last_checksum);
	values[8] = TimestampTzGetDatum(new->max_event_time);
	values[9] = TimestampTzGetDatum(new->watermark);
	values[10] = Int64GetDatum(counts->stored);
	values[11] = Int64GetDatum(counts->duplicates);
	values[12] = Int64GetDatum(counts->suppressed);
	values[13] = Int64GetDatum(counts->skipped);
	values[14] = Int64GetDatum(counts->dead);
	values[15] = Int64GetDatum(counts->late);
	if (new->cluster_id == NULL)
		nulls[4] = 'n';
	if (new->last_offset < 0)
		nulls[5] = nulls[6] = nulls[7] = 'n';
	if (new->max_event_time == DT_NOBEGIN)
		nulls[8] = 'n';
	if (new->watermark == DT_NOBEGIN)
		nulls[9] = 'n';

	own_spi_begin(&scope);
	found = own_spi_run(&plan,
						"UPDATE telemetry.partition_offset SET next_offset = $4, cluster_id = $5, "
						"last_offset = $6, last_timestamp = $7, last_checksum = $8, "
						"max_event_time = $9, watermark = $10, stored = stored + $11, "
						"duplicates = duplicates + $12, suppressed = suppressed + $13, "
						"skipped = skipped + $14, dead = dead + $15, late = late + $16, "
						"updated_at = clock_timestamp() "
						"WHERE pipeline_id = $1 AND partition = $2 AND next_offset = $3",
						lengthof(types), types, values, nulls) == 1;
	own_spi_end(&scope);
	return found;
}

void
offset_count(int pipeline_id, int32 partition, const OffsetCounts *counts)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	Datum values[] = {
		Int32GetDatum(pipeline_id),        Int32GetDatum(partition),
		Int64GetDatum(counts->stored),     Int64GetDatum(counts->duplicates),
		Int64GetDatum(counts->suppressed), Int64GetDatum(counts->skipped),
		Int64GetDatum(counts->dead),       Int64GetDatum(counts->late),
	};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"UPDATE telemetry.partition_offset SET stored = stored + $3, "
				"duplicates = duplicates + $4, suppressed = suppressed + $5, "
				"skipped = skipped + $6, dead = dead + $7, late = late + $8, "
				"updated_at = clock_timestamp() WHERE pipeline_id = $1 AND partition = $2",
				lengthof(types), types, values, NULL);
	own_spi_end(&scope);
}

static void
leave_out(OffsetCounts *counts, int64 *rest, int64 *counted)
{
	int64 n = Min(*rest, counts->stored);

	counts->stored -= n;
	*counted += n;
	*rest -= n;
}

void
offset_leave_out(OffsetCounts *counts, int64 *duplicates, int64 *suppressed)
{
	leave_out(counts, duplicates, &counts->duplicates);
	leave_out(counts, suppressed, &counts->suppressed);
}

void
offset_set_paused(int pipeline_id, int32 partition, const char *reason)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(partition),
					  reason ? CStringGetTextDatum(reason) : (Datum) 0};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"UPDATE telemetry.partition_offset SET pause_reason = $3, "
				"updated_at = clock_timestamp() WHERE pipeline_id = $1 AND partition = $2",
				3, types, values, reason ? "   " : "  n");
	own_spi_end(&scope);
}

void
offset_seek(int pipeline_id, int32 partition, int64 next_offset)
{
	static SPIPlanPtr plan;

	run_next(&plan,
			 INSERT_NEXT
			 "(pipeline_id, partition) DO UPDATE SET "
			 "next_offset = excluded.next_offset, cluster_id = NULL, last_offset = NULL, "
			 "last_timestamp = NULL, last_checksum = NULL, pause_reason = NULL, "
			 "updated_at = clock_timestamp()",
			 pipeline_id, partition, next_offset);
}

void
offset_forget_from(int pipeline_id, int32 count)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(pipeline_id), Int32GetDatum(count)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"WITH gone AS (DELETE FROM telemetry.partition_offset "
				"WHERE pipeline_id = $1 AND partition >= $2 RETURNING *), "
				"counted AS (SELECT sum(stored)::bigint AS stored, "
				"sum(duplicates)::bigint AS duplicates, sum(suppressed)::bigint AS suppressed, "
				"sum(skipped)::bigint AS skipped, sum(dead)::bigint AS dead, "
				"sum(late)::bigint AS late FROM gone HAVING count(*) > 0) "
				"UPDATE telemetry.partition_offset o SET stored = o.stored + c.stored, "
				"duplicates = o.duplicates + c.duplicates, "
				"suppressed = o.suppressed + c.suppressed, skipped = o.skipped + c.skipped, "
				"dead = o.dead + c.dead, late = o.late + c.late FROM counted c "
				"WHERE o.pipeline_id = $1 AND o.partition = (SELECT min(f.partition) "
				"FROM telemetry.partition_offset f WHERE f.pipeline_id = $1)",
				2, types, values, NULL);
	own_spi_end(&scope);
}
