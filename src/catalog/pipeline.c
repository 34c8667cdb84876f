#include "catalog/pipeline.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "base/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* clang-format off */
#define MICROSECONDS(column) "(extract(epoch FROM p." column ") * 1000000)::bigint, "

#define SELECT_PIPELINES                                                                          \
	"SELECT p.pipeline_id, p.name, p.owner::oid, p.source::oid, p.target::oid, p.start_position, " \
	"p.event_time_column, "                                                                        \
	MICROSECONDS("allowed_lateness")                                                               \
	MICROSECONDS("idle_timeout")                                                                   \
	MICROSECONDS("max_ahead")                                                                      \
	"p.batch_rows, "                                                                               \
	MICROSECONDS("batch_interval")                                                                 \
	"p.workers, p.partitions, p.dead_letter_limit, p.on_conflict = 'ignore', p.create_partitions, "\
	"p.consumer_group, p.paused, p.pause_reason, p.revision, a.database_oid, w.watermark "         \
	"FROM telemetry._pipeline p LEFT JOIN telemetry.activation a USING (pipeline_id) "             \
	"LEFT JOIN telemetry.pipeline_watermark w USING (pipeline_id) "
/* clang-format on */

static bool
bool_of(uint64 row, int column)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static void
read_partitions(Pipeline *pipeline, uint64 row, int column, MemoryContext context)
{
	bool isnull;
	Datum value = own_spi_datum(row, column, &isnull);
	Datum *elements;
	bool *nulls;
	int n;

	pipeline->npartitions = -1;
	pipeline->partitions = NULL;
	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(value), INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &elements, &nulls, &n);
	pipeline->partitions = MemoryContextAlloc(context, sizeof(int32) * Max(n, 1));
	pipeline->npartitions = 0;
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			pipeline->partitions[pipeline->npartitions++] = DatumGetInt32(elements[i]);
}

static Pipeline *
read_pipeline(uint64 row, MemoryContext context)
{
	Pipeline *pipeline = MemoryContextAllocZero(context, sizeof(Pipeline));

	pipeline->id = own_spi_int32(row, 1, 0);
	pipeline->name = own_spi_text(row, 2, context);
	pipeline->owner = own_spi_oid(row, 3);
	pipeline->source = own_spi_oid(row, 4);
	pipeline->target = own_spi_oid(row, 5);
	pipeline->start_position = own_spi_text(row, 6, context);
	pipeline->event_time_column = own_spi_text(row, 7, context);
	pipeline->allowed_lateness = own_spi_int64(row, 8, 0);
	pipeline->idle_timeout = own_spi_int64(row, 9, 0);
	pipeline->max_ahead = own_spi_int64(row, 10, -1);
	pipeline->batch_rows = own_spi_int32(row, 11, 1);
	pipeline->batch_interval = own_spi_int64(row, 12, 0);
	pipeline->workers = own_spi_int32(row, 13, 1);
	read_partitions(pipeline, row, 14, context);
	pipeline->dead_letter_limit = own_spi_int32(row, 15, 0);
	pipeline->ignore_conflicts = bool_of(row, 16);
	pipeline->create_partitions = own_spi_text(row, 17, context);
	pipeline->consumer_group = own_spi_text(row, 18, context);
	pipeline->paused = bool_of(row, 19);
	pipeline->pause_reason = own_spi_text(row, 20, context);
	pipeline->revision = own_spi_int64(row, 21, 0);
	pipeline->activated = own_spi_oid(row, 22) == MyDatabaseId;
	pipeline->watermark = own_spi_int64(row, 23, DT_NOBEGIN);
	return pipeline;
}

/* One statement each, so that its plan is made once: a worker asks by id in each batch. */
static List *
select_pipelines(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types, Datum *values,
				 MemoryContext context)
{
	List *list = NIL;
	OwnSpi scope;
	uint64 n;

	/* False after DROP EXTENSION, which now has to wait. */
	if (!own_table_stays("pipeline_watermark"))
		return NIL;
	own_spi_begin(&scope);
	n = own_spi_run(plan, sql, nargs, types, values, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		list = lappend(list, read_pipeline(row, context));
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return list;
}

Pipeline *
pipeline_by_id(int id, MemoryContext context)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(id)};
	List *found = select_pipelines(&plan, SELECT_PIPELINES "WHERE p.pipeline_id = $1",
								   lengthof(types), types, values, context);

	return found ? linitial(found) : NULL;
}

Pipeline *
pipeline_by_name(const char *name, MemoryContext context)
{
	static SPIPlanPtr plan;
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	List *found = select_pipelines(&plan, SELECT_PIPELINES "WHERE p.name = $1", lengthof(types),
								   types, values, context);

	return found ? linitial(found) : NULL;
}

List *
pipeline_all(MemoryContext context)
{
	static SPIPlanPtr plan;

	return select_pipelines(&plan, SELECT_PIPELINES "ORDER BY p.pipeline_id", 0, NULL, NULL,
							context);
}

bool
pipeline_reads(const Pipeline *pipeline, int32 partition)
{
	if (pipeline->npartitions < 0)
		return true;
	for (int i = 0; i < pipeline->npartitions; i++)
		if (pipeline->partitions[i] == partition)
			return true;
	return false;
}

void
pipeline_lock(int id, bool exclusive)
{
	/* The table's own OID as class: no catalogued object has it there, so it is ours alone. */
	Oid table = get_relname_relid("_pipeline", get_namespace_oid("telemetry", false));

	LockDatabaseObject(table, (Oid) id, 0, exclusive ? AccessExclusiveLock : RowExclusiveLock);
	/* The batch must see what the last change committed, not what its plans remember. */
	AcceptInvalidationMessages();
}

void
pipeline_set_paused(int id, bool paused, const char *reason)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, BOOLOID, TEXTOID};
	Datum values[] = {Int32GetDatum(id), BoolGetDatum(paused),
					  reason ? CStringGetTextDatum(reason) : (Datum) 0};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"UPDATE telemetry._pipeline SET paused = $2, pause_reason = $3, "
				"paused_at = CASE WHEN $2 THEN clock_timestamp() END, revision = revision + 1 "
				"WHERE pipeline_id = $1",
				3, types, values, reason ? "   " : "  n");
	own_spi_end(&scope);
}

void
pipeline_activate(int id)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, OIDOID};
	Datum values[] = {Int32GetDatum(id), ObjectIdGetDatum(MyDatabaseId)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&plan,
				"INSERT INTO telemetry.activation VALUES ($1, $2) "
				"ON CONFLICT (pipeline_id) DO UPDATE SET database_oid = excluded.database_oid",
				2, types, values, NULL);
	own_spi_end(&scope);
}

bool
pipeline_advance_watermark(int id, TimestampTz watermark)
{
	static SPIPlanPtr plan;
	Oid types[] = {INT4OID, TIMESTAMPTZOID};
	Datum values[] = {Int32GetDatum(id), TimestampTzGetDatum(watermark)};
	OwnSpi scope;
	bool moved;

	own_spi_begin(&scope);
	moved = own_spi_run(&plan,
						"INSERT INTO telemetry.pipeline_watermark AS w "
						"SELECT p.pipeline_id, $2 " PIPELINE_STAYS
						"ON CONFLICT (pipeline_id) DO UPDATE SET watermark = excluded.watermark "
						"WHERE w.watermark < excluded.watermark",
						2, types, values, NULL) > 0;
	own_spi_end(&scope);
	return moved;
}

void
pipeline_delete(int id)
{
	/* First what is locked by those who write the others, which are then read as they are now. */
	static const char *const statements[] = {
		"DELETE FROM telemetry._pipeline WHERE pipeline_id = $1",
		"DELETE FROM telemetry.partition_offset WHERE pipeline_id = $1",
		"DELETE FROM telemetry.pipeline_watermark WHERE pipeline_id = $1",
		"DELETE FROM telemetry._dead_letter WHERE pipeline_id = $1",
	};
	static SPIPlanPtr plans[lengthof(statements)];
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(id)};
	OwnSpi scope;

	own_spi_begin(&scope);
	for (int i = 0; i < (int) lengthof(statements); i++)
		own_spi_run_latest(&plans[i], statements[i], 1, types, values, NULL);
	own_spi_end(&scope);
}
