#include "view/handover.h"

#include "access/xact.h"
#include "base/spi.h"
#include "utils/snapmgr.h"

/* What a kept plan is made for, so that it joins by hashing and does not go through all pairs. */
#define MANY_ROWS 10000

static void
register_rows(const char *name, Tuplestorestate *rows, TupleDesc desc, double estimate)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = estimate;
	relation->reldata = rows;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not hand \"%s\" over", name);
}

void
hand_over(const char *name, Tuplestorestate *rows, TupleDesc desc)
{
	register_rows(name, rows, desc, tuplestore_tuple_count(rows));
}

void
hand_over_many(const char *name, Tuplestorestate *rows, TupleDesc desc)
{
	register_rows(name, rows, desc, MANY_ROWS);
}

void
hand_back(const char *name)
{
	SPI_unregister_relation(name);
}

void
execute_latest(const char *sql)
{
	execute_latest_with(sql, 0, NULL, NULL);
}

void
execute_latest_with(const char *sql, int nargs, Oid *types, Datum *values)
{
	SPIPlanPtr plan = SPI_prepare(sql, nargs, types);
	int result;

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_snapshot(plan, values, NULL, GetActiveSnapshot(), InvalidSnapshot, false,
								  false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	PopActiveSnapshot();
}

void
execute_kept(SPIPlanPtr *kept, const char *sql)
{
	int result;

	if (*kept == NULL)
		*kept = spi_keep_plan(sql, 0, NULL);
	result = SPI_execute_plan(*kept, NULL, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}
