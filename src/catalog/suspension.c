#include "catalog/suspension.h"

#include "base/spi.h"
#include "catalog/pg_type.h"

static uint64
run(SPIPlanPtr *plan, const char *sql, Oid target)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(target)};
	OwnSpi scope;
	uint64 n;

	own_spi_begin(&scope);
	n = own_spi_run_latest(plan, sql, 1, types, values, NULL);
	own_spi_end(&scope);
	return n;
}

bool
suspension_covers(Oid target)
{
	static SPIPlanPtr plan;

	return run(&plan,
			   "SELECT FROM telemetry._suspension WHERE target IS NULL OR target = $1 LIMIT 1",
			   target) > 0;
}

bool
suspension_exists(Oid target)
{
	static SPIPlanPtr plan;

	return run(&plan, "SELECT FROM telemetry._suspension WHERE coalesce(target, 0) = $1 LIMIT 1",
			   target) > 0;
}

void
suspension_insert(Oid target)
{
	static SPIPlanPtr plan;

	(void) run(&plan, "INSERT INTO telemetry._suspension (target) VALUES (nullif($1, 0)::regclass)",
			   target);
}

void
suspension_delete(Oid target)
{
	static SPIPlanPtr plan;

	(void) run(&plan, "DELETE FROM telemetry._suspension WHERE coalesce(target, 0) = $1", target);
}

void
suspension_forget_dropped(void)
{
	static SPIPlanPtr plan;

	(void) run(&plan,
			   "DELETE FROM telemetry._suspension s WHERE target IS NOT NULL AND $1 = 0::oid AND "
			   "NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.target)",
			   InvalidOid);
}
