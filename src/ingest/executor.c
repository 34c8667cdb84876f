/*
 * The executor path: INSERT ... SELECT from the batch, which stands there as an ephemeral relation.
 * All that a target can have (BEFORE triggers, policies, rules, ON CONFLICT) is PostgreSQL's work.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "ingest/internal.h"
#include "miscadmin.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

static Tuplestorestate *
store_batch(Ingest *ingest, const IngestRow *rows, int n)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	int natts = ingest->batch_desc->natts;
	Datum *values = palloc(sizeof(Datum) * Max(natts, 1));
	bool *isnull = palloc(sizeof(bool) * Max(natts, 1));

	for (int i = 0; i < n; i++)
	{
		for (int column = 0; column < natts; column++)
		{
			int source = ingest->batch_source[column] - 1;

			values[column] = rows[i].values[source];
			isnull[column] = rows[i].isnull[source];
		}
		tuplestore_putvalues(store, ingest->batch_desc, values, isnull);
	}
	return store;
}

int64
executor_insert(Ingest *ingest, const IngestRow *rows, int n)
{
	EphemeralNamedRelation batch = palloc0(sizeof(EphemeralNamedRelationData));
	int64 written;
	int result;

	batch->md.name = "_telemetry_batch";
	batch->md.reliddesc = InvalidOid;
	batch->md.tupdesc = ingest->batch_desc;
	batch->md.enrtype = ENR_NAMED_TUPLESTORE;
	batch->md.enrtuples = n;
	batch->reldata = store_batch(ingest, rows, n);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_register_relation(batch) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the batch as a relation");
	if (ingest->insert_plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(ingest->insert_sql, 0, NULL);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", ingest->insert_sql,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		ingest->insert_plan = plan;
	}
	result = SPI_execute_plan(ingest->insert_plan, NULL, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", ingest->insert_sql, SPI_result_code_string(result));
	written = SPI_processed;
	SPI_finish();
	tuplestore_end(batch->reldata);
	return written;
}
