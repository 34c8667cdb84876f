/*
 * The executor path: INSERT ... SELECT from the batch, which stands there as an ephemeral relation.
 * All that a target can have (BEFORE triggers, policies, rules, ON CONFLICT) is PostgreSQL's work.
 *
 * Rows flow one by one from the scan of the batch into the target, so a count of the rows scanned
 * tells whose fault an error is. What counts is a parameter that each row is compared with: the
 * executor asks for its value anew for every row. A last, numberless row marks the end of the scan,
 * so that an error of a trigger that fires later is nobody's.
 */
#include "postgres.h"

#include "base/crash.h"
#include "base/spi.h"
#include "commands/trigger.h"
#include "ingest/internal.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

static Tuplestorestate *
store_batch(Ingest *ingest, const IngestRow *rows, int n)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	int natts = ingest->batch_desc->natts - 1;
	Datum *values = palloc0(sizeof(Datum) * (natts + 1));
	bool *isnull = palloc(sizeof(bool) * (natts + 1));

	for (int i = 0; i < n; i++)
	{
		for (int column = 0; column < natts; column++)
		{
			AttrNumber number = ingest->batch_target[column];
			const TargetColumn *target = &ingest->columns[number - 1];

			/* A cast that has not been computed is the statement's. */
			if (target->kind == TARGET_EXPR && target->cast < 0)
			{
				values[column] = rows[i].values[target->source - 1];
				isnull[column] = rows[i].isnull[target->source - 1];
			}
			else
				values[column] = project_column(ingest, &rows[i], number, &isnull[column]);
		}
		values[natts] = Int32GetDatum(i);
		isnull[natts] = false;
		tuplestore_putvalues(store, ingest->batch_desc, values, isnull);
	}
	memset(isnull, true, sizeof(bool) * (natts + 1));
	tuplestore_putvalues(store, ingest->batch_desc, values, isnull);
	return store;
}

/* The least row number to insert: the first. */
static ParamExternData *
next_row(ParamListInfo params, int number, bool speculative, ParamExternData *value)
{
	Ingest *ingest = params->paramFetchArg;

	if (!speculative)
		ingest->current++;
	value->value = Int32GetDatum(0);
	value->isnull = false;
	value->pflags = 0;
	value->ptype = INT4OID;
	return value;
}

static ParamListInfo
make_params(Ingest *ingest)
{
	ParamListInfo params = makeParamList(1);

	params->paramFetch = next_row;
	params->paramFetchArg = ingest;
	return params;
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

	spi_connect();
	if (SPI_register_relation(batch) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the batch as a relation");
	if (ingest->insert_plan == NULL)
	{
		Oid type = INT4OID;
		SPIPlanPtr plan = SPI_prepare_cursor(ingest->insert_sql, 1, &type, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", ingest->insert_sql,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		ingest->insert_plan = plan;
	}
	ingest->current = -1;
	result = SPI_execute_plan_with_paramlist(ingest->insert_plan, make_params(ingest), false, 0);
	ingest->current = -1;
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", ingest->insert_sql, SPI_result_code_string(result));
	written = SPI_processed;
	crash_point("executor_written");
	SPI_finish();
	tuplestore_end(batch->reldata);
	return written;
}
