/*
 * finalized_until(): the event time up to which no event is expected any more in a view or a table;
 * is_final(): whether that has come to the end of a window; and session_is_closed(): whether it is
 * past all that could still belong to a session.
 */
#include "view/finalized.h"

#include "access/table.h"
#include "base/compat.h"
#include "base/spi.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "session/session.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "view/view.h"

ViewRow *
finalized_view(Oid view, bool to_monitor)
{
	ViewRow *row = view_by_oid(view, CurrentMemoryContext);
	AclResult allowed;

	if (row == NULL)
		view_refuse_other(view);
	allowed = pg_class_aclcheck(view, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK && !(to_monitor && has_privs_of_role(GetUserId(), ROLE_PG_MONITOR)))
		aclcheck_error(allowed, OBJECT_VIEW, get_rel_name(view));
	return row;
}

/* The table that pipelines write to: of a view the one at the bottom, else itself. */
static Oid
table_of(Oid relation)
{
	char kind = get_rel_relkind(relation);
	AclResult allowed;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		return view_table(finalized_view(relation, false)->target, NULL);
	allowed = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_TABLE, get_rel_name(relation));
	return relation;
}

/* The least watermark of all pipelines into a table; none if one of them has none yet. */
static TimestampTz
watermark_of(Oid table, bool *isnull)
{
	static SPIPlanPtr plan;
	Datum watermark =
		own_spi_ask(&plan,
					"SELECT CASE WHEN count(*) = count(w.watermark) THEN min(w.watermark) END "
					"FROM telemetry.pipeline p LEFT JOIN telemetry.pipeline_watermark w "
					"USING (pipeline_id) WHERE p.target = $1",
					table, isnull);

	return *isnull ? 0 : DatumGetTimestampTz(watermark);
}

PG_FUNCTION_INFO_V1(telemetry_finalized_until);
Datum
telemetry_finalized_until(PG_FUNCTION_ARGS)
{
	bool isnull;
	TimestampTz watermark = watermark_of(table_of(PG_GETARG_OID(0)), &isnull);

	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(watermark);
}

/* ---- what is asked for each row -------------------------------------------------------------- */

/*
 * What all rows of a statement have in common, asked once. A call in PL/pgSQL outlives its
 * statement: so it holds for one user, and for what one snapshot sees.
 */
typedef struct Closing
{
	Oid view; /* InvalidOid: nothing known yet */
	Oid user;
	SubTransactionId subxact;
	CommandId command;
	TransactionId xmin;
	TransactionId xmax;
	uint32 xcnt;
	TransactionId *xip; /* with room for xcnt */
	TimestampTz watermark;
	bool no_watermark;
	int64 gap; /* of the view; 0: not asked for yet */
} Closing;

static bool
still_holds(const Closing *closing, Oid view)
{
	const SnapshotData *snapshot = GetActiveSnapshot();

	return closing->view == view && closing->user == GetUserId() &&
		   closing->subxact == GetCurrentSubTransactionId() &&
		   closing->command == snapshot->curcid && closing->xmin == snapshot->xmin &&
		   closing->xmax == snapshot->xmax && closing->xcnt == snapshot->xcnt &&
		   (snapshot->xcnt == 0 ||
			memcmp(closing->xip, snapshot->xip, sizeof(TransactionId) * snapshot->xcnt) == 0);
}

static void
ask_anew(Closing *closing, Oid view, MemoryContext context)
{
	const SnapshotData *snapshot = GetActiveSnapshot();

	closing->view = InvalidOid;
	closing->watermark = watermark_of(table_of(view), &closing->no_watermark);
	closing->gap = 0;
	if (closing->xip)
		pfree(closing->xip);
	closing->xip = MemoryContextAlloc(context, sizeof(TransactionId) * Max(snapshot->xcnt, 1));
	if (snapshot->xcnt > 0)
		memcpy(closing->xip, snapshot->xip, sizeof(TransactionId) * snapshot->xcnt);
	closing->xcnt = snapshot->xcnt;
	closing->xmin = snapshot->xmin;
	closing->xmax = snapshot->xmax;
	closing->command = snapshot->curcid;
	closing->subxact = GetCurrentSubTransactionId();
	closing->user = GetUserId();
	closing->view = view;
}

/* What is known for this call, of the relation in its first argument. */
static Closing *
closing_of(FunctionCallInfo fcinfo)
{
	Closing *closing = fcinfo->flinfo->fn_extra;

	if (closing == NULL)
	{
		closing = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Closing));
		fcinfo->flinfo->fn_extra = closing;
	}
	if (!still_holds(closing, PG_GETARG_OID(0)))
		ask_anew(closing, PG_GETARG_OID(0), fcinfo->flinfo->fn_mcxt);
	return closing;
}

/* For timestamp as well: both are microseconds, and the watermark is of UTC. */
PG_FUNCTION_INFO_V1(telemetry_is_final);
Datum
telemetry_is_final(PG_FUNCTION_ARGS)
{
	const Closing *closing;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	closing = closing_of(fcinfo);
	/* Its end is not in a window. */
	PG_RETURN_BOOL(!PG_ARGISNULL(1) && !closing->no_watermark &&
				   closing->watermark >= PG_GETARG_TIMESTAMPTZ(1));
}

/* The gap that the view's query says, if it is the same for all rows. */
static int64
gap_of_view(Oid view)
{
	ViewRow *row = finalized_view(view, false);
	Relation relation = table_open(row->definition, AccessShareLock);
	SessionWindow *session = session_window_of(copyObject(get_view_query(relation)), NULL);
	Node *gap = session ? eval_const_expressions(NULL, (Node *) session->gap) : NULL;

	table_close(relation, AccessShareLock);
	if (gap == NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" does not group by session_window()", get_rel_name(view)),
						errhint("Give the gap of the sessions as the third argument.")));
	if (!IsA(gap, Const) || ((Const *) gap)->constisnull)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the sessions of \"%s\" have no gap that is the same for all events",
						get_rel_name(view)),
				 errhint("Keep max(event_time + gap) as a column of the view: a session is closed "
						 "when telemetry.finalized_until() is past that.")));
	return session_length(DatumGetIntervalP(((Const *) gap)->constvalue), "gap");
}

/* For timestamp as well: both are microseconds, and the watermark is of UTC. */
PG_FUNCTION_INFO_V1(telemetry_session_is_closed);
Datum
telemetry_session_is_closed(PG_FUNCTION_ARGS)
{
	Closing *closing;
	int64 gap;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	closing = closing_of(fcinfo);
	if (PG_ARGISNULL(2) && closing->gap == 0)
		closing->gap = gap_of_view(closing->view);
	gap = PG_ARGISNULL(2) ? closing->gap : session_length(PG_GETARG_INTERVAL_P(2), "gap");
	PG_RETURN_BOOL(!PG_ARGISNULL(1) && !closing->no_watermark &&
				   closing->watermark > session_reach(PG_GETARG_TIMESTAMPTZ(1), gap));
}
