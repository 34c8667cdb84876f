#include "view/together.h"

#include "base/compat.h"
#include "executor/tstoreReceiver.h"
#include "executor/tuptable.h"
#include "nodes/makefuncs.h"

/* ---- one query ------------------------------------------------------------------------------- */

static bool
is_simple(const KnownView *view, const Query *query)
{
	ListCell *cell;

	if (!query->hasAggs || query->hasSubLinks || query->hasWindowFuncs || query->hasTargetSRFs ||
		query->cteList || query->setOperations || query->groupingSets || query->distinctClause ||
		query->sortClause || query->limitCount || query->limitOffset || query->havingQual ||
		list_length(query->groupClause) != view->row.nkeys)
		return false;
	foreach (cell, query->targetList)
		if (((TargetEntry *) lfirst(cell))->resjunk)
			return false;
	return list_length(query->targetList) == view->ncolumns;
}

/* What the rewriter puts there for the view itself differs; and so do the columns that are read. */
static bool
same_relation(const KnownView *view, RangeTblEntry *one, const KnownView *other_view,
			  RangeTblEntry *other)
{
	if (one->rtekind != other->rtekind)
		return false;
	if (one->rtekind == RTE_RELATION)
		return one->relid == view->row.partial && other->relid == other_view->row.partial;
	if (one->rtekind == RTE_NAMEDTUPLESTORE)
		return strcmp(one->enrname, other->enrname) == 0;
	return equal(one, other);
}

bool
together_fit(const KnownView *view, Query *query, const KnownView *other, Query *other_query)
{
	if (view->owner != other->owner || view->row.nkeys != other->row.nkeys ||
		!is_simple(view, query) || !is_simple(other, other_query) ||
		list_length(query->rtable) != list_length(other_query->rtable) ||
		!equal(query->jointree, other_query->jointree) ||
		!equal(query->groupClause, other_query->groupClause))
		return false;
	for (int i = 0; i < list_length(query->rtable); i++)
		if (!same_relation(view, list_nth(query->rtable, i), other,
						   list_nth(other_query->rtable, i)))
			return false;
	for (int i = 0; i < view->row.nkeys; i++)
		if (!equal(((TargetEntry *) list_nth(query->targetList, i))->expr,
				   ((TargetEntry *) list_nth(other_query->targetList, i))->expr))
			return false;
	return true;
}

/* Where the query has the expression behind its keys; there it is put if it has it not. */
static int
column_of(Query *query, Expr *expr, int nkeys)
{
	int n = list_length(query->targetList);

	for (int i = nkeys; i < n; i++)
		if (equal(((TargetEntry *) list_nth(query->targetList, i))->expr, expr))
			return i;
	query->targetList = lappend(query->targetList, makeTargetEntry(copyObject(expr), n + 1,
																   psprintf("column%d", n), false));
	return n;
}

int *
together_join(Query *query, Query *other, int nkeys)
{
	int *columns = palloc(sizeof(int) * list_length(other->targetList));

	for (int i = 0; i < list_length(other->targetList); i++)
		columns[i] =
			i < nkeys
				? i
				: column_of(query, ((TargetEntry *) list_nth(other->targetList, i))->expr, nkeys);
	return columns;
}

/* ---- its rows -------------------------------------------------------------------------------- */

typedef struct Scatter
{
	DestReceiver receiver;
	const ViewSet *set;
	DestReceiver **stores;
	TupleTableSlot **rows; /* one of each view */
} Scatter;

static bool
scatter(TupleTableSlot *slot, DestReceiver *self)
{
	Scatter *all = (Scatter *) self;

	slot_getallattrs(slot);
	for (int i = 0; i < list_length(all->set->views); i++)
	{
		TupleTableSlot *row = ExecClearTuple(all->rows[i]);

		for (int j = 0; j < row->tts_tupleDescriptor->natts; j++)
		{
			int column = all->set->columns[i][j];

			row->tts_values[j] = slot->tts_values[column];
			row->tts_isnull[j] = slot->tts_isnull[column];
		}
		(void) all->stores[i]->receiveSlot(ExecStoreVirtualTuple(row), all->stores[i]);
	}
	return true;
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Scatter *all = (Scatter *) self;

	for (int i = 0; i < list_length(all->set->views); i++)
		all->stores[i]->rStartup(all->stores[i], operation, all->rows[i]->tts_tupleDescriptor);
}

static void
shutdown(DestReceiver *self)
{
	Scatter *all = (Scatter *) self;

	for (int i = 0; i < list_length(all->set->views); i++)
		all->stores[i]->rShutdown(all->stores[i]);
}

static void
destroy(DestReceiver *self)
{
}

DestReceiver *
together_receiver(const ViewSet *set, Tuplestorestate **stores, MemoryContext context)
{
	int n = list_length(set->views);
	Scatter *all = palloc0(sizeof(Scatter));

	all->receiver.receiveSlot = scatter;
	all->receiver.rStartup = startup;
	all->receiver.rShutdown = shutdown;
	all->receiver.rDestroy = destroy;
	all->receiver.mydest = DestNone;
	all->set = set;
	all->stores = palloc(sizeof(DestReceiver *) * n);
	all->rows = palloc(sizeof(TupleTableSlot *) * n);
	for (int i = 0; i < n; i++)
	{
		const KnownView *view = list_nth(set->views, i);

		all->stores[i] = CreateTuplestoreDestReceiver();
		/* Values are taken out of the table's TOAST, as where a view is collected alone. */
		SetTuplestoreDestReceiverParams(all->stores[i], stores[i], context, true, NULL, NULL);
		all->rows[i] = MakeSingleTupleTableSlot(view->desc, &TTSOpsVirtual);
	}
	return &all->receiver;
}
