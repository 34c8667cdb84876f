/*
 * From the source's row to the target's, in the root's layout.
 */
#include "postgres.h"

#include "ingest/internal.h"

/* Expressions see the source's row as their scan tuple. */
static void
show_row(Ingest *ingest, const IngestRow *row)
{
	TupleTableSlot *slot = ingest->source_slot;

	ExecClearTuple(slot);
	slot->tts_values = row->values;
	slot->tts_isnull = row->isnull;
	ExecStoreVirtualTuple(slot);
	ingest->econtext->ecxt_scantuple = slot;
}

void
project_cast(Ingest *ingest, IngestRow *row, AttrNumber column)
{
	const TargetColumn *target = &ingest->columns[column - 1];

	if (target->kind != TARGET_EXPR || target->cast < 0)
		return;
	show_row(ingest, row);
	row->casts[target->cast] =
		ExecEvalExpr(target->state, ingest->econtext, &row->cast_isnull[target->cast]);
}

static Datum
compute(Ingest *ingest, const IngestRow *row, const TargetColumn *column, bool *isnull)
{
	if (column->kind == TARGET_EXPR && column->cast >= 0)
	{
		*isnull = row->cast_isnull[column->cast];
		return row->casts[column->cast];
	}
	switch (column->kind)
	{
		case TARGET_SOURCE:
			*isnull = row->isnull[column->source - 1];
			return row->values[column->source - 1];
		case TARGET_EXPR:
		case TARGET_DEFAULT:
			show_row(ingest, row);
			/* In the caller's context: the value lives until its row is written. */
			return ExecEvalExpr(column->state, ingest->econtext, isnull);
		case TARGET_MEMBER:
			*isnull = row->member_isnull[column->dimension];
			return row->members[column->dimension];
		default:
			*isnull = true;
			return (Datum) 0;
	}
}

Datum
project_column(Ingest *ingest, const IngestRow *row, AttrNumber column, bool *isnull)
{
	return compute(ingest, row, &ingest->columns[column - 1], isnull);
}

void
project_row(Ingest *ingest, const IngestRow *row, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	for (int i = 0; i < ingest->desc->natts; i++)
		slot->tts_values[i] = compute(ingest, row, &ingest->columns[i], &slot->tts_isnull[i]);
	ExecStoreVirtualTuple(slot);
}
