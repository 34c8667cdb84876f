#include "view/session_index.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/name.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A column of the target; 0: an expression, or a column of another relation. */
static AttrNumber
column_of_target(const ViewShape *shape, const Expr *expr)
{
	const Var *var = (const Var *) expr;

	return IsA(expr, Var) && var->varno == shape->target_rti ? var->varattno : 0;
}

/* The keys first, in any order, and then the time. */
static bool
index_serves(Relation index, const Bitmapset *keys, int nkeys, AttrNumber time)
{
	const Form_pg_index form = index->rd_index;

	if (form->indnkeyatts <= nkeys || form->indkey.values[nkeys] != time)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (!bms_is_member(form->indkey.values[i], keys))
			return false;
	return true;
}

static bool
has_index(Oid target, const Bitmapset *keys, int nkeys, AttrNumber time)
{
	Relation relation = table_open(target, AccessShareLock);
	List *indexes = RelationGetIndexList(relation);
	bool found = false;
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index_serves(index, keys, nkeys, time);
		index_close(index, AccessShareLock);
	}
	table_close(relation, AccessShareLock);
	return found;
}

void
session_propose_index(const ViewShape *shape)
{
	AttrNumber time = column_of_target(shape, shape->session->event_time);
	Bitmapset *keys = NULL;
	StringInfoData columns;
	ListCell *cell;

	if (time <= 0 || get_rel_relkind(shape->target) == RELKIND_VIEW)
		return;
	initStringInfo(&columns);
	foreach (cell, shape->keys)
	{
		AttrNumber key = column_of_target(shape, ((StateColumn *) lfirst(cell))->partial);

		if (key <= 0)
			return;
		keys = bms_add_member(keys, key);
		appendStringInfo(&columns, "%s, ",
						 quote_identifier(get_attname(shape->target, key, false)));
	}
	if (has_index(shape->target, keys, bms_num_members(keys), time))
		return;
	ereport(
		NOTICE,
		(shape->session->end_when
			 ? errmsg("after a DELETE or UPDATE of an event, and after a late one that splits a "
					  "session, all of \"%s\" is read for it",
					  get_rel_name(shape->target))
			 : errmsg("after a DELETE or UPDATE of an event, all of \"%s\" is read for its session",
					  get_rel_name(shape->target)),
		 errhint("If that is to happen: CREATE INDEX ON %s (%s%s);", qualified_name(shape->target),
				 columns.data, quote_identifier(get_attname(shape->target, time, false)))));
}
