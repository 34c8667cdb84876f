#include "catalog/retention.h"

#include "base/spi.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Due as well where the wall clock was set back behind the last run. */
static const char select_retention[] =
	"SELECT r.target::oid, r.keep, r.create_partitions, r.ahead, "
	"coalesce(s.database_oid = $1, false), coalesce(s.next_run_at <= clock_timestamp() OR "
	"s.last_run_at > clock_timestamp(), false) "
	"FROM telemetry._retention r LEFT JOIN telemetry.retention_state s USING (target) "
	"WHERE $2 IS NULL OR r.target = $2 ORDER BY r.target";

static Retention *
read_retention(uint64 row, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Retention *retention = palloc0(sizeof(Retention));
	bool isnull;
	Datum keep = own_spi_datum(row, 2, &isnull);

	if (!isnull)
	{
		retention->keep = palloc(sizeof(Interval));
		*retention->keep = *DatumGetIntervalP(keep);
	}
	retention->target = own_spi_oid(row, 1);
	retention->create_partitions = own_spi_text(row, 3, context);
	retention->ahead = own_spi_int32(row, 4, 0);
	retention->active = DatumGetBool(own_spi_datum(row, 5, &isnull));
	MemoryContextSwitchTo(old);
	return retention;
}

static uint64
select_rows(Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(MyDatabaseId), ObjectIdGetDatum(target)};

	return own_spi_run(&plan, select_retention, 2, types, values, OidIsValid(target) ? "  " : " n");
}

Retention *
retention_of(Oid target, MemoryContext context)
{
	Retention *found = NULL;
	OwnSpi scope;

	own_spi_begin(&scope);
	if (select_rows(target) > 0)
		found = read_retention(0, context);
	own_spi_end(&scope);
	return found;
}

List *
retention_due(MemoryContext context, bool *any)
{
	List *due = NIL;
	OwnSpi scope;
	uint64 n;

	*any = false;
	/* False after DROP EXTENSION, which now has to wait. */
	if (!own_table_stays("retention_state"))
		return NIL;
	own_spi_begin(&scope);
	n = select_rows(InvalidOid);
	for (uint64 row = 0; row < n; row++)
	{
		Retention *retention = read_retention(row, context);
		bool isnull;
		MemoryContext old;

		*any |= retention->active;
		if (!retention->active || !DatumGetBool(own_spi_datum(row, 6, &isnull)))
			continue;
		old = MemoryContextSwitchTo(context);
		due = lappend(due, retention);
		MemoryContextSwitchTo(old);
	}
	own_spi_end(&scope);
	return due;
}

void
retention_store(const Retention *retention)
{
	static SPIPlanPtr store;
	static SPIPlanPtr activate;
	Oid types[] = {OIDOID, INTERVALOID, TEXTOID, INT4OID};
	Datum values[] = {ObjectIdGetDatum(retention->target), IntervalPGetDatum(retention->keep),
					  CStringGetTextDatum(retention->create_partitions),
					  Int32GetDatum(retention->ahead)};
	Oid state_types[] = {OIDOID, OIDOID};
	Datum state[] = {ObjectIdGetDatum(retention->target), ObjectIdGetDatum(MyDatabaseId)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(&store,
				"INSERT INTO telemetry._retention VALUES ($1, $2, $3, $4) "
				"ON CONFLICT (target) DO UPDATE SET keep = excluded.keep, "
				"create_partitions = excluded.create_partitions, ahead = excluded.ahead",
				4, types, values, retention->keep ? NULL : " n  ");
	own_spi_run(&activate,
				"INSERT INTO telemetry.retention_state (target, database_oid) VALUES ($1, $2) "
				"ON CONFLICT (target) DO UPDATE SET database_oid = excluded.database_oid, "
				"next_run_at = clock_timestamp(), error = NULL, error_at = NULL",
				2, state_types, state, NULL);
	own_spi_end(&scope);
}

bool
retention_remove(Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(target)};
	OwnSpi scope;
	bool removed;

	own_spi_begin(&scope);
	removed = own_spi_run(&plan, "DELETE FROM telemetry._retention WHERE target = $1", 1, types,
						  values, NULL) > 0;
	own_spi_end(&scope);
	return removed;
}

void
retention_report(Oid target, const RetentionResult *result, int next)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID, INT4OID, INT4OID, INT4OID, TEXTOID, INT4OID};
	char nulls[] = {' ', ' ', ' ', result->ahead < 0 ? 'n' : ' ', result->error ? ' ' : 'n',
					' ', 0};
	Datum values[] = {ObjectIdGetDatum(target),
					  Int32GetDatum(result->dropped),
					  Int32GetDatum(result->made),
					  Int32GetDatum(result->ahead),
					  result->error ? CStringGetTextDatum(result->error) : (Datum) 0,
					  Int32GetDatum(next)};
	OwnSpi scope;

	own_spi_begin(&scope);
	own_spi_run(
		&plan,
		"UPDATE telemetry.retention_state SET partitions_dropped = partitions_dropped + $2, "
		"partitions_made = partitions_made + $3, partitions_ahead = $4, error = $5, "
		"error_at = CASE WHEN $5 IS NOT NULL THEN clock_timestamp() END, "
		"last_run_at = clock_timestamp(), "
		"next_run_at = clock_timestamp() + $6 * pg_catalog.interval '1 second' "
		"WHERE target = $1",
		6, types, values, nulls);
	own_spi_end(&scope);
}
