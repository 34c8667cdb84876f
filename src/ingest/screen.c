/*
 * NOT NULL and CHECK of a row, asked without an error.
 *
 * PostgreSQL's own check throws, and a thrown error costs the whole transaction or a
 * subtransaction. What this finds is not yet condemned: the row is left out of its batch, and
 * PostgreSQL is asked about it alone. What this lets through is checked by PostgreSQL as ever.
 */
#include "postgres.h"

#include "base/compat.h"
#include "executor/executor.h"
#include "ingest/internal.h"
#include "nodes/nodes.h"
#include "utils/rel.h"

struct Screen
{
	ResultRelInfo *rri;
	ExprState **checks; /* NULL: they are not asked */
	int nchecks;
};

static void
prepare_checks(Screen *screen, EState *estate)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	const TupleConstr *constr = RelationGetDescr(screen->rri->ri_RelationDesc)->constr;

	screen->checks = palloc(sizeof(ExprState *) * constr->num_check);
	for (int i = 0; i < constr->num_check; i++)
		if (compat_check_is_enforced(&constr->check[i]))
			screen->checks[screen->nchecks++] =
				ExecPrepareExpr(stringToNode(constr->check[i].ccbin), estate);
	MemoryContextSwitchTo(old);
}

Screen *
screen_make(ResultRelInfo *rri, EState *estate, bool checks)
{
	Screen *screen = MemoryContextAllocZero(estate->es_query_cxt, sizeof(Screen));
	const TupleConstr *constr = RelationGetDescr(rri->ri_RelationDesc)->constr;

	screen->rri = rri;
	if (checks && constr->num_check > 0)
		prepare_checks(screen, estate);
	return screen;
}

/* NULL counts as fulfilled, as ever in a CHECK. */
static bool
breaks_check(Screen *screen, TupleTableSlot *slot, EState *estate)
{
	ExprContext *econtext = GetPerTupleExprContext(estate);

	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < screen->nchecks; i++)
		if (!ExecCheck(screen->checks[i], econtext))
			return true;
	return false;
}

bool
screen_refuses(Screen *screen, TupleTableSlot *slot, EState *estate)
{
	TupleDesc desc = RelationGetDescr(screen->rri->ri_RelationDesc);

	/* Virtual columns have no value in the slot. */
	if (compat_has_virtual_columns(desc))
		return false;
	if (desc->constr->has_not_null)
		for (int i = 0; i < desc->natts; i++)
			if (slot->tts_isnull[i] && TupleDescAttr(desc, i)->attnotnull)
				return true;
	return screen->checks && breaks_check(screen, slot, estate);
}
