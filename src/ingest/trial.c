/*
 * What is computed of a row, before anything is written: generated columns, constraints, and what
 * index entries are made of.
 *
 * An error there is the row's own and no constraint's (1/0, a cast), so that it has to be thrown. A
 * subtransaction around a buffer's computing has nothing to undo, and costs a bad row no other. It
 * is used once bad rows have been seen; until then rows are computed as they come.
 */
#include "postgres.h"

#include "base/attempt.h"
#include "base/compat.h"
#include "base/sqlstate.h"
#include "catalog/index.h"
#include "executor/nodeModifyTable.h"
#include "ingest/fast.h"

bool
trial_matters(ResultRelInfo *rri)
{
	const TupleConstr *constr = RelationGetDescr(rri->ri_RelationDesc)->constr;

	if (constr && (constr->has_generated_stored || constr->num_check > 0))
		return true;
	for (int i = 0; i < rri->ri_NumIndices; i++)
		if (rri->ri_IndexRelationInfo[i]->ii_Expressions ||
			rri->ri_IndexRelationInfo[i]->ii_Predicate)
			return true;
	return false;
}

/* PostgreSQL keeps half of what it compiles when that fails. */
void
trial_prepare(FastInsert *insert, Leaf *leaf)
{
	if (leaf->generated)
		compat_init_generated(leaf->rri, insert->estate);
	if (leaf->checked)
		leaf->screen = screen_make(leaf->rri, insert->estate, true);
}

/* Whether NOT NULL and CHECK would refuse the row, asked only where it may be left out. */
static bool
is_refused(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	if (!may_leave_out(insert->ingest))
		return false;
	if (leaf->screen == NULL)
		leaf->screen = screen_make(leaf->rri, insert->estate, insert->ingest->bad.seen);
	return screen_refuses(leaf->screen, slot, insert->estate);
}

bool
trial_complete(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	EState *estate = insert->estate;

	if (leaf->generated)
		ExecComputeStoredGenerated(leaf->rri, estate, slot, CMD_INSERT);
	if (leaf->checked)
	{
		if (is_refused(insert, leaf, slot))
			return false;
		ExecConstraints(leaf->rri, slot, estate);
	}
	/* Routing proves it, unless the target is itself a partition. */
	if (leaf->rri == insert->root && leaf->rri->ri_RelationDesc->rd_rel->relispartition)
		ExecPartitionCheck(leaf->rri, slot, estate, true);
	return true;
}

/*
 * Computes what its index entries are made of, for the error alone: they are made later. Behind a
 * unique index this must not go: the row's own error would be that its key is there, and later
 * rows that have it would be in before it is asked.
 */
static void
try_indexes(FastInsert *insert, Leaf *leaf, TupleTableSlot *slot)
{
	EState *estate = insert->estate;
	ExprContext *econtext = GetPerTupleExprContext(estate);
	Datum values[INDEX_MAX_KEYS];
	bool isnull[INDEX_MAX_KEYS];

	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < leaf->rri->ri_NumIndices; i++)
	{
		IndexInfo *info = leaf->rri->ri_IndexRelationInfo[i];

		if (info->ii_Predicate && info->ii_PredicateState == NULL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
		if (ExecQual(info->ii_PredicateState, econtext) && info->ii_Expressions)
			FormIndexDatum(info, slot, estate, values, isnull);
		if (info->ii_Unique)
			return;
	}
}

/* Rows of a leaf's buffer that are tried. */
typedef struct Trial
{
	FastInsert *insert;
	Leaf *leaf;
	int at;
	int kept;
} Trial;

static void
keep_row(Trial *trial)
{
	Leaf *leaf = trial->leaf;
	TupleTableSlot *slot = leaf->slots[trial->at];

	leaf->slots[trial->at] = leaf->slots[trial->kept];
	leaf->slots[trial->kept] = slot;
	leaf->rows[trial->kept++] = leaf->rows[trial->at];
}

/* From the row at hand on, until the end or the first that fails. */
static void
try_on(void *argument)
{
	Trial *trial = argument;
	FastInsert *insert = trial->insert;
	Leaf *leaf = trial->leaf;

	for (; trial->at < leaf->n; trial->at++)
	{
		TupleTableSlot *slot = leaf->slots[trial->at];

		insert->ingest->current = leaf->rows[trial->at];
		if (trial_complete(insert, leaf, slot))
		{
			try_indexes(insert, leaf, slot);
			keep_row(trial);
		}
		else
			leave_out(insert->ingest, leaf->rows[trial->at]);
	}
}

void
trial_run(FastInsert *insert, Leaf *leaf)
{
	Trial trial = {.insert = insert, .leaf = leaf};
	ErrorData *error;

	while ((error = attempt(try_on, &trial)) != NULL)
	{
		if (!error_is_of_data(error) || !may_leave_out(insert->ingest))
			ReThrowError(error);
		FreeErrorData(error);
		leave_out(insert->ingest, leaf->rows[trial.at++]);
	}
	insert->ingest->current = -1;
	insert->buffered -= leaf->n - trial.kept;
	leaf->n = trial.kept;
}
