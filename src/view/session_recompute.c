#include "view/session_recompute.h"

#include "access/table.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_oper.h"
#include "rewrite/rewriteHandler.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "view/collect.h"
#include "view/generate.h"
#include "view/session_statement.h"
#include "session/session.h"

/* Above this the values of a key are no condition of their own: the join finds the rows. */
#define MAX_KEY_VALUES 10000

/* ---- the dirty sessions as a relation of the query ------------------------------------------- */

static int
add_dirty(Query *query, const KnownView *view)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *reference = makeNode(RangeTblRef);
	List *names = NIL;

	rte->rtekind = RTE_NAMEDTUPLESTORE;
	rte->enrname = pstrdup(DIRTY_ROWS);
	rte->enrtuples = 100;
	rte->inFromCl = true;
	for (int i = 0; i < view->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(view->desc, i);

		rte->coltypes = lappend_oid(rte->coltypes, attribute->atttypid);
		rte->coltypmods = lappend_int(rte->coltypmods, attribute->atttypmod);
		rte->colcollations = lappend_oid(rte->colcollations, attribute->attcollation);
		names = lappend(names, makeString(pstrdup(NameStr(attribute->attname))));
	}
	rte->eref = makeAlias(DIRTY_ROWS, names);
	query->rtable = lappend(query->rtable, rte);
	reference->rtindex = list_length(query->rtable);
	query->jointree->fromlist = lappend(query->jointree->fromlist, reference);
	return reference->rtindex;
}

static Expr *
dirty_column(const KnownView *view, int rti, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(view->desc, column);

	return (Expr *) makeVar(rti, column + 1, attribute->atttypid, attribute->atttypmod,
							attribute->attcollation, 0);
}

/* ---- conditions ------------------------------------------------------------------------------ */

static Node *
compare(Expr *one, bool at_least, Expr *other)
{
	TypeCacheEntry *type =
		lookup_type_cache(exprType((Node *) one), TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	Oid operator= get_negator(at_least ? type->lt_opr : type->gt_opr);
	OpExpr *test =
		(OpExpr *) make_opclause(operator, BOOLOID, false, one, other, InvalidOid, InvalidOid);

	set_opfuncid(test);
	return (Node *) test;
}

static Node *
is_null(Expr *expr)
{
	NullTest *test = makeNode(NullTest);

	test->arg = expr;
	test->nulltesttype = IS_NULL;
	test->location = -1;
	return (Node *) test;
}

static Expr *
record(List *columns)
{
	RowExpr *row = makeNode(RowExpr);

	row->args = columns;
	row->row_typeid = RECORDOID;
	row->row_format = COERCE_EXPLICIT_CALL;
	for (int i = 1; i <= list_length(columns); i++)
		row->colnames = lappend(row->colnames, makeString(psprintf("f%d", i)));
	row->location = -1;
	return (Expr *) row;
}

/* To record_eq NULL equals NULL; and it hashes. */
static Node *
same_keys(const KnownView *view, List *keys, int rti)
{
	List *columns = NIL;
	OpExpr *test;

	for (int i = 0; i < view->row.nkeys; i++)
		columns = lappend(columns, dirty_column(view, rti, i));
	test = (OpExpr *) make_opclause(RECORD_EQ_OP, BOOLOID, false, record(keys), record(columns),
									InvalidOid, InvalidOid);
	set_opfuncid(test);
	return (Node *) test;
}

/*
 * All events of a session that has a limit are up to its last one; it may be torn, and reach less.
 */
static int
end_column(const KnownView *view)
{
	return view->row.nkeys + (session_is_limited(view) ? 3 : 2);
}

static Node *
within(const KnownView *view, Expr *time, int rti)
{
	int start = view->row.nkeys + 1;
	List *range =
		list_make2(compare(copyObject(time), true, dirty_column(view, rti, start)),
				   compare(copyObject(time), false, dirty_column(view, rti, end_column(view))));
	List *nulls = list_make2(is_null(copyObject(time)), is_null(dirty_column(view, rti, start)));

	return (Node *) makeBoolExpr(
		OR_EXPR, list_make2(makeBoolExpr(AND_EXPR, range, -1), makeBoolExpr(AND_EXPR, nulls, -1)),
		-1);
}

/* ---- what reaches indexes and partitions ----------------------------------------------------- */

/* What the dirty sessions span; false if one is that of events without a time. */
static bool
span(const KnownView *view, Tuplestorestate *dirty, TimestampTz *from, TimestampTz *to)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(view->desc, &TTSOpsMinimalTuple);
	bool all = true;

	*from = DT_NOEND;
	*to = DT_NOBEGIN;
	tuplestore_rescan(dirty);
	while (tuplestore_gettupleslot(dirty, true, false, slot))
	{
		bool isnull;
		TimestampTz start = DatumGetTimestampTz(slot_getattr(slot, view->row.nkeys + 2, &isnull));

		if (isnull)
		{
			all = false;
			continue;
		}
		*from = Min(*from, start);
		*to = Max(*to, DatumGetTimestampTz(slot_getattr(slot, end_column(view) + 1, &isnull)));
	}
	ExecDropSingleTupleTableSlot(slot);
	return all;
}

static Expr *
time_constant(Oid type, TimestampTz time)
{
	return (Expr *) makeConst(type, -1, InvalidOid, sizeof(TimestampTz), TimestampTzGetDatum(time),
							  false, FLOAT8PASSBYVAL);
}

/* The values of a key; NULL if one is NULL, or they are too many. */
static ArrayType *
key_values(const KnownView *view, Tuplestorestate *dirty, int key)
{
	Form_pg_attribute attribute = TupleDescAttr(view->desc, key);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(view->desc, &TTSOpsMinimalTuple);
	int64 n = tuplestore_tuple_count(dirty);
	Datum *values;
	int count = 0;
	bool isnull = false;

	if (n > MAX_KEY_VALUES)
		return NULL;
	values = palloc(sizeof(Datum) * (n + 1));
	tuplestore_rescan(dirty);
	while (!isnull && tuplestore_gettupleslot(dirty, true, false, slot))
	{
		Datum value = slot_getattr(slot, key + 1, &isnull);

		if (!isnull)
			values[count++] = datumCopy(value, attribute->attbyval, attribute->attlen);
	}
	ExecDropSingleTupleTableSlot(slot);
	return isnull ? NULL
				  : construct_array(values, count, attribute->atttypid, attribute->attlen,
									attribute->attbyval, attribute->attalign);
}

static Node *
one_of(Expr *key, ArrayType *values, Oid array_type)
{
	TypeCacheEntry *type = lookup_type_cache(exprType((Node *) key), TYPECACHE_EQ_OPR);
	ScalarArrayOpExpr *test = makeNode(ScalarArrayOpExpr);

	test->opno = type->eq_opr;
	test->opfuncid = get_opcode(type->eq_opr);
	test->useOr = true;
	test->inputcollid = exprCollation((Node *) key);
	test->args = list_make2(key, makeConst(array_type, -1, test->inputcollid, -1,
										   PointerGetDatum(values), false, false));
	test->location = -1;
	return (Node *) test;
}

static List *
narrowing(const KnownView *view, List *keys, Expr *time, Tuplestorestate *dirty)
{
	List *conditions = NIL;
	Oid type = exprType((Node *) time);
	TimestampTz from;
	TimestampTz to;
	ListCell *cell;
	int n = 0;

	if (span(view, dirty, &from, &to))
		conditions = list_make2(compare(copyObject(time), true, time_constant(type, from)),
								compare(copyObject(time), false, time_constant(type, to)));
	foreach (cell, keys)
	{
		ArrayType *values = key_values(view, dirty, n);
		Oid array_type = get_array_type(TupleDescAttr(view->desc, n)->atttypid);

		if (values && OidIsValid(array_type))
			conditions = lappend(conditions, one_of(copyObject(lfirst(cell)), values, array_type));
		n++;
	}
	return conditions;
}

/*
 * Each dirty session by itself. What is left of two could meet over one between them that events
 * end: that one is clean, so that its end is not seen here. The merge puts together what belongs
 * together.
 */
static void
group_by_dirty(Query *query, const KnownView *view, int rti)
{
	Expr *start = dirty_column(view, rti, view->row.nkeys + 1);
	int n = list_length(query->targetList) + 1;
	TargetEntry *entry = makeTargetEntry(start, n, NULL, true);
	SortGroupClause *clause = makeNode(SortGroupClause);

	get_sort_group_operators(exprType((Node *) start), true, true, false, &clause->sortop,
							 &clause->eqop, NULL, &clause->hashable);
	clause->tleSortGroupRef = entry->ressortgroupref = n;
	query->groupClause = lcons(clause, query->groupClause);
	query->targetList = lappend(query->targetList, entry);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static Query *
query_over_dirty(const KnownView *view, Tuplestorestate *dirty)
{
	Relation relation = table_open(view->row.partial, AccessShareLock);
	Query *query = copyObject(get_view_query(relation));
	SessionWindow *session;
	List *keys = NIL;
	List *conditions;
	int rti;

	table_close(relation, AccessShareLock);
	session = session_window_of(query, NULL);
	if (session == NULL)
		elog(ERROR, "continuous view %s has lost its sessions", view->name);
	for (int i = 0; i < view->row.nkeys; i++)
		keys = lappend(keys, copyObject(((TargetEntry *) list_nth(query->targetList, i))->expr));
	conditions = narrowing(view, keys, session->event_time, dirty);
	rti = add_dirty(query, view);
	conditions = lappend(conditions, within(view, session->event_time, rti));
	if (keys != NIL)
		conditions = lappend(conditions, same_keys(view, keys, rti));
	/* Where sessions have a greatest length, those that follow each other are computed as one. */
	if (session_ends(view) && !session_is_limited(view))
		group_by_dirty(query, view, rti);
	if (query->jointree->quals)
		conditions = lcons(query->jointree->quals, conditions);
	query->jointree->quals = (Node *) makeBoolExpr(AND_EXPR, conditions, -1);
	return query;
}

void
session_recompute(KnownView *view, Tuplestorestate *dirty, Tuplestorestate *store)
{
	if (tuplestore_tuple_count(dirty) > 0)
		collect_query(view, query_over_dirty(view, dirty), DIRTY_ROWS, dirty, store);
}
