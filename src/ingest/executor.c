/*
 * The executor path: INSERT ... SELECT from the batch, which stands there as an ephemeral relation.
 * All that a target can have (BEFORE triggers, policies, rules, ON CONFLICT) is PostgreSQL's work.
 *
 * Rows flow one by one from the scan of the batch into the target, so a count of the rows scanned
 * tells whose fault an error is. What counts is a parameter that each row is compared with: the
 * executor asks for its value anew for every row. A last, numberless row marks the end of the scan,
 * so that an error of a trigger that fires later is nobody's. And as each row is dealt with before
 * the next one is asked for, the statement's own count tells which rows the target did not take.
 */
#include "postgres.h"

#include "base/crash.h"
#include "base/spi.h"
#include "commands/trigger.h"
#include "executor/execExpr.h"
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
	int natts = ingest->executor.rows->natts - 1;
	Datum *values = palloc0(sizeof(Datum) * (natts + 1));
	bool *isnull = palloc(sizeof(bool) * (natts + 1));

	for (int i = 0; i < n; i++)
	{
		for (int column = 0; column < natts; column++)
		{
			AttrNumber number = ingest->executor.targets[column];
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
		tuplestore_putvalues(store, ingest->executor.rows, values, isnull);
	}
	memset(isnull, true, sizeof(bool) * (natts + 1));
	tuplestore_putvalues(store, ingest->executor.rows, values, isnull);
	return store;
}

/* One run of the statement: a parameter's callbacks are given it. */
typedef struct Insertion
{
	Ingest *ingest;
	IngestRow *rows;
	int n;
	EState *estate; /* of the statement that scans the batch now */
	uint64 taken;   /* by it, when the row at hand was asked for */
} Insertion;

/* The row before the next one is dealt with, or has to be: a rule's INSERT lags. */
static void
note_taken(Insertion *insertion)
{
	int row = insertion->ingest->current;
	uint64 taken;

	if (insertion->estate == NULL)
		return;
	taken = insertion->estate->es_processed;
	if (row >= 0 && row < insertion->n)
		insertion->rows[row].left_out = taken == insertion->taken;
	insertion->taken = taken;
}

/* The least row number to insert: the first. */
static ParamExternData *
next_row(ParamListInfo params, int number, bool speculative, ParamExternData *value)
{
	Insertion *insertion = params->paramFetchArg;

	if (!speculative)
	{
		note_taken(insertion);
		insertion->ingest->current++;
	}
	value->value = Int32GetDatum(0);
	value->isnull = false;
	value->pflags = 0;
	value->ptype = INT4OID;
	return value;
}

/* As without this callback; but it is told whose expression is compiled. */
static void
compile_parameter(ParamListInfo params, Param *param, ExprState *state, Datum *value, bool *isnull)
{
	Insertion *insertion = params->paramFetchArg;
	ExprEvalStep step = {.opcode = EEOP_PARAM_EXTERN, .resvalue = value, .resnull = isnull};

	if (state->parent)
	{
		insertion->estate = state->parent->state;
		insertion->taken = 0;
	}
	step.d.param.paramid = param->paramid;
	step.d.param.paramtype = param->paramtype;
	ExprEvalPushStep(state, &step);
}

static ParamListInfo
make_params(Insertion *insertion)
{
	ParamListInfo params = makeParamList(1);

	params->paramFetch = next_row;
	params->paramCompile = compile_parameter;
	params->paramFetchArg = insertion;
	return params;
}

/* Where a rule makes other statements of this one, their counts are not the batch's. */
static void
settle_left_out(IngestRow *rows, int n, int64 written)
{
	int64 taken = n;

	for (int i = 0; i < n; i++)
		taken -= rows[i].left_out;
	for (int i = 0; i < n && taken != written; i++)
		rows[i].left_out = false;
}

int64
executor_insert(Ingest *ingest, IngestRow *rows, int n)
{
	Insertion insertion = {.ingest = ingest, .rows = rows, .n = n};
	EphemeralNamedRelation batch = palloc0(sizeof(EphemeralNamedRelationData));
	int64 written;
	int result;

	batch->md.name = "_telemetry_batch";
	batch->md.reliddesc = InvalidOid;
	batch->md.tupdesc = ingest->executor.rows;
	batch->md.enrtype = ENR_NAMED_TUPLESTORE;
	batch->md.enrtuples = n;
	batch->reldata = store_batch(ingest, rows, n);

	spi_connect();
	if (SPI_register_relation(batch) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the batch as a relation");
	if (ingest->executor.plan == NULL)
	{
		Oid type = INT4OID;
		SPIPlanPtr plan =
			SPI_prepare_cursor(ingest->executor.sql, 1, &type, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", ingest->executor.sql,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		ingest->executor.plan = plan;
	}
	for (int i = 0; i < n; i++)
		rows[i].left_out = false;
	ingest->current = -1;
	result =
		SPI_execute_plan_with_paramlist(ingest->executor.plan, make_params(&insertion), false, 0);
	ingest->current = -1;
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", ingest->executor.sql,
			 SPI_result_code_string(result));
	written = SPI_processed;
	settle_left_out(rows, n, written);
	crash_point("executor_written");
	SPI_finish();
	tuplestore_end(batch->reldata);
	return written;
}
