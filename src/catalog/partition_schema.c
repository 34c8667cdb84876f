#include "catalog/partition_schema.h"

#include "base/spi.h"
#include "catalog/pg_type.h"

char *
partition_schema_of(Oid target)
{
	static SPIPlanPtr plan;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(target)};
	MemoryContext context = CurrentMemoryContext;
	char *schema = NULL;
	OwnSpi scope;

	own_spi_begin(&scope);
	if (own_spi_run(&plan, "SELECT schema FROM telemetry._partition_schema WHERE target = $1", 1,
					types, values, NULL) > 0)
		schema = own_spi_text(0, 1, context);
	own_spi_end(&scope);
	return schema;
}

void
partition_schema_store(Oid target, Oid schema)
{
	static SPIPlanPtr store;
	static SPIPlanPtr remove;
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(target), ObjectIdGetDatum(schema)};
	OwnSpi scope;

	own_spi_begin(&scope);
	if (OidIsValid(schema))
		own_spi_run(&store,
					"INSERT INTO telemetry._partition_schema "
					"SELECT $1, nspname FROM pg_namespace WHERE oid = $2 "
					"ON CONFLICT (target) DO UPDATE SET schema = excluded.schema",
					2, types, values, NULL);
	else
		own_spi_run(&remove, "DELETE FROM telemetry._partition_schema WHERE target = $1", 1, types,
					values, NULL);
	own_spi_end(&scope);
}
