/*
 * What a subscription brings into tables that say what runs in this very database.
 *
 * A publication FOR ALL TABLES has them as well, and PostgreSQL lets nobody leave a table out. A
 * database's OID is no help against that: "postgres" has the same one everywhere, and the first
 * database that somebody makes often has.
 */
#include "postgres.h"

#include "base/compat.h"
#include "commands/trigger.h"
#include "fmgr.h"

/* A trigger of rows that fires for what is replicated alone: nothing of it is done. */
PG_FUNCTION_INFO_V1(telemetry_stays_here);
Datum
telemetry_stays_here(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry._stays_here() can only be called as a trigger")));
	return PointerGetDatum(NULL);
}
