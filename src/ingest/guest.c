/*
 * Writing in a transaction that is somebody else's: nothing of what ingest_write() needs for itself
 * may stay behind in it.
 *
 * What it needs is SET CONSTRAINTS ALL IMMEDIATE, of which two things are the transaction's own
 * affair. What is deferred in it already would be checked now, and as the pipeline's owner: so such
 * a transaction is refused. And what it has set so far must be in force again afterwards:
 * PostgreSQL keeps that when a subtransaction first changes it, and brings it back when that
 * aborts.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "ingest/ingest.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A relation with deferred events that have not fired; InvalidOid: there is none. */
static Oid
pending_relation(void)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	Oid last = InvalidOid;
	Oid found = InvalidOid;
	HeapTuple tuple;

	while (!OidIsValid(found) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!trigger->tgdeferrable || trigger->tgrelid == last)
			continue;
		last = trigger->tgrelid;
		if (AfterTriggerPendingOnRel(last))
			found = last;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

void
ingest_guest_begin(IngestGuest *guest)
{
	ConstraintsSetStmt immediate = {.type = T_ConstraintsSetStmt};
	Oid pending = pending_relation();

	if (OidIsValid(pending))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("rows cannot be written while deferred constraints of \"%s\" are unchecked",
						get_rel_name(pending)),
				 errdetail("They would be checked too early, and in the pipeline owner's name."),
				 errhint("SET CONSTRAINTS ALL IMMEDIATE first, or use a transaction of its own.")));
	guest->context = CurrentMemoryContext;
	guest->owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(guest->context);
	/* Fires nothing; makes this subtransaction the one that remembers what was set. */
	AfterTriggerSetState(&immediate);
}

static void
leave(const IngestGuest *guest)
{
	MemoryContextSwitchTo(guest->context);
	CurrentResourceOwner = guest->owner;
}

void
ingest_guest_end(const IngestGuest *guest)
{
	/*
	 * The triggers' side of the subtransaction alone aborts, and begins anew: no event of it is
	 * unfired, since all were immediate, so what this undoes is the setting.
	 */
	AfterTriggerEndSubXact(false);
	AfterTriggerBeginSubXact();
	ReleaseCurrentSubTransaction();
	leave(guest);
}

void
ingest_guest_abort(const IngestGuest *guest)
{
	RollbackAndReleaseCurrentSubTransaction();
	leave(guest);
}
