/*
 * A helper is a view that nobody sees: SELECT keys, value, count(*) FROM target WHERE value IS NOT
 * NULL GROUP BY keys, value. It is collected, folded, expired and rebuilt as any other, before the
 * view that it feeds, since it has more keys; so no two writers wait for each other in a circle,
 * and two that bring the same new value of a group meet on its row: the second finds it there.
 *
 * Its fold says of each row whether it inserted it (_fresh) and whether nothing is left of it
 * (_count of 0). The number of rows that came, less that of those that went, is added to a column
 * of the group in the view's state, which is what users read.
 */
#include "view/distinct.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "view/generate.h"

/* Texts of more bytes are kept as digests. */
#define LONGEST_VALUE 64

/* ---- what the query asks for ----------------------------------------------------------------- */

Aggref *
distinct_undone(Aggref *aggref)
{
	Aggref *plain = copyObject(aggref);
	ListCell *cell;

	plain->aggdistinct = NIL;
	foreach (cell, plain->args)
		((TargetEntry *) lfirst(cell))->ressortgroupref = 0;
	return plain;
}

/* The aggregate of no rows: what a statement's rows alone add to a column that a helper feeds. */
static Expr *
of_no_rows(Aggref *aggref)
{
	Aggref *partial = distinct_undone(aggref);

	partial->aggfilter = (Expr *) makeBoolConst(false, false);
	partial->location = -1;
	return (Expr *) partial;
}

/* What is distinct: the argument; of a row its fields, since a column cannot hold such a row. */
static List *
values_of(const Aggref *aggref)
{
	Expr *arg = ((TargetEntry *) linitial(aggref->args))->expr;

	if (IsA(arg, RowExpr) && ((RowExpr *) arg)->row_typeid == RECORDOID)
		return ((RowExpr *) arg)->args;
	return list_make1(arg);
}

static void
add_entry(Query *query, Expr *expr, const char *name, SortGroupClause *clause)
{
	Index n = list_length(query->targetList) + 1;
	TargetEntry *entry = makeTargetEntry(copyObject(expr), n, pstrdup(name), false);
	SortGroupClause *own = copyObject(clause);

	entry->ressortgroupref = own->tleSortGroupRef = n;
	query->targetList = lappend(query->targetList, entry);
	query->groupClause = lappend(query->groupClause, own);
}

static SortGroupClause *
clause_for(const ViewShape *shape, Expr *value)
{
	SortGroupClause *clause = makeNode(SortGroupClause);
	Oid type = exprType((Node *) value);

	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot count distinct values of type %s",
							   format_type_be(type)),
						errhint("Count distinct rows of named values: count(DISTINCT (a, b))."),
						shape_position(shape, exprLocation((Node *) value))));
	get_sort_group_operators(type, true, true, false, &clause->sortop, &clause->eqop, NULL,
							 &clause->hashable);
	return clause;
}

static FuncExpr *
call(Oid function, Oid type, List *args)
{
	return makeFuncExpr(function, type, args, DEFAULT_COLLATION_OID, C_COLLATION_OID,
						COERCE_EXPLICIT_CALL);
}

/* 'sha256:' and 64 digits: longer than what is kept as it is, so that no value looks like it. */
static Expr *
digest_of(Expr *text)
{
	Expr *encoding = (Expr *) makeConst(
		NAMEOID, -1, C_COLLATION_OID, NAMEDATALEN,
		DirectFunctionCall1(namein, CStringGetDatum(GetDatabaseEncodingName())), false, false);
	Expr *bytes = (Expr *) call(F_CONVERT_TO, BYTEAOID, list_make2(text, encoding));
	Expr *digest = (Expr *) call(F_SHA256, BYTEAOID, list_make1(bytes));
	Expr *hex =
		(Expr *) call(F_ENCODE, TEXTOID,
					  list_make2(digest, makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
												   CStringGetTextDatum("hex"), false, false)));

	return (Expr *) call(F_TEXTCAT, TEXTOID,
						 list_make2(makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
											  CStringGetTextDatum("sha256:"), false, false),
									hex));
}

/*
 * An index row ends at a third of a page, and texts do not. As nobody reads the values, of a long
 * one that is equal to none but itself a digest will do: CASE WHEN 64 < octet_length(value) THEN
 * 'sha256:' || encode(sha256(convert_to(value, ...)), 'hex') ELSE value END.
 */
Expr *
distinct_shortened(Expr *value)
{
	Oid type = exprType((Node *) value);
	Oid collation = exprCollation((Node *) value);
	CaseExpr *choice;
	CaseWhen *when;
	Expr *length;

	if ((type != TEXTOID && type != VARCHAROID) || !OidIsValid(collation) ||
		!get_collation_isdeterministic(collation))
		return value;
	if (type == VARCHAROID)
		value = (Expr *) makeRelabelType(value, TEXTOID, -1, collation, COERCE_EXPLICIT_CAST);
	length = (Expr *) call(F_OCTET_LENGTH_TEXT, INT4OID, list_make1(copyObject(value)));
	when = makeNode(CaseWhen);
	when->expr = make_opclause(Int4LessOperator, BOOLOID, false,
							   (Expr *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
												  Int32GetDatum(LONGEST_VALUE), false, true),
							   length, InvalidOid, InvalidOid);
	((OpExpr *) when->expr)->opfuncid = F_INT4LT;
	when->result = digest_of(copyObject(value));
	when->location = -1;
	choice = makeNode(CaseExpr);
	choice->casetype = TEXTOID;
	choice->casecollid = collation;
	choice->args = list_make1(when);
	choice->defresult = value;
	choice->location = -1;
	return (Expr *) choice;
}

/* A row counts even if all its fields are NULL; any other value does not if it is. */
static Query *
query_of_values(const ViewShape *shape, const Aggref *aggref)
{
	Query *query = copyObject(shape->query);
	List *values = values_of(aggref);
	ListCell *cell;
	ListCell *clause;

	query->targetList = NIL;
	query->groupClause = NIL;
	query->havingQual = NULL;
	query->hasAggs = false;
	forboth (cell, shape->keys, clause, shape->groups)
	{
		const StateColumn *key = lfirst(cell);

		add_entry(query, key->partial, key->name, lfirst(clause));
	}
	foreach (cell, values)
		add_entry(query, lfirst(cell), "value", clause_for(shape, lfirst(cell)));
	if (values != ((RowExpr *) ((TargetEntry *) linitial(aggref->args))->expr)->args)
	{
		NullTest *test = makeNode(NullTest);

		test->arg = copyObject(linitial(values));
		test->nulltesttype = IS_NOT_NULL;
		test->location = -1;
		query->jointree->quals = make_and_qual(query->jointree->quals, (Node *) test);
	}
	if (aggref->aggfilter)
		query->jointree->quals =
			make_and_qual(query->jointree->quals, copyObject((Node *) aggref->aggfilter));
	return query;
}

static DistinctHelper *
helper_for(ViewShape *shape, const Aggref *aggref)
{
	DistinctHelper *helper;
	ListCell *cell;

	foreach (cell, shape->helpers)
	{
		helper = lfirst(cell);
		if (equal(helper->values, values_of(aggref)) && equal(helper->filter, aggref->aggfilter))
			return helper;
	}
	helper = palloc0(sizeof(DistinctHelper));
	helper->values = values_of(aggref);
	helper->filter = aggref->aggfilter;
	helper->query = query_of_values(shape, aggref);
	shape->helpers = lappend(shape->helpers, helper);
	return helper;
}

static char *
count_of(ViewShape *shape, DistinctHelper *helper, Aggref *like)
{
	if (helper->count == NULL)
	{
		Oid any = ANYOID;
		Aggref *count = copyObject(like);

		count->aggfnoid = LookupFuncName(list_make2(makeString("pg_catalog"), makeString("count")),
										 1, &any, false);
		count->aggtype = INT8OID;
		count->aggcollid = InvalidOid;
		helper->count = shape_own_component(shape, "distinct", of_no_rows(count));
	}
	return psprintf("s.%s", quote_identifier(helper->count->name));
}

/* Of whole numbers: what is added and taken away again leaves nothing, not even digits. */
static char *
sum_of(ViewShape *shape, DistinctHelper *helper, Aggref *like)
{
	if (helper->sum == NULL)
	{
		Aggref *sum = copyObject(like);
		Oid type = exprType((Node *) linitial(helper->values));

		sum->aggfnoid = LookupFuncName(list_make2(makeString("pg_catalog"), makeString("sum")), 1,
									   &type, false);
		sum->aggtype = get_func_rettype(sum->aggfnoid);
		helper->sum = shape_own_component(
			shape, sum->aggtype == INT8OID ? "distinct_sum_bigint" : "distinct_sum_numeric",
			of_no_rows(sum));
	}
	return psprintf("s.%s", quote_identifier(helper->sum->name));
}

char *
distinct_final(ViewShape *shape, Aggref *aggref, const char *name)
{
	bool is_count = strcmp(name, "count") == 0;
	bool is_avg = strcmp(name, "avg") == 0;
	Oid type = exprType((Node *) ((TargetEntry *) linitial(aggref->args))->expr);
	DistinctHelper *helper;
	char *count;
	char *sum;

	if (!is_count && ((!is_avg && strcmp(name, "sum") != 0) ||
					  (type != INT2OID && type != INT4OID && type != INT8OID)))
		return NULL;
	helper = helper_for(shape, aggref);
	count = count_of(shape, helper, aggref);
	if (is_count)
		return count;
	sum = sum_of(shape, helper, aggref);
	if (is_avg)
		return psprintf("CASE WHEN %1$s > 0 THEN %2$s::numeric / %1$s::numeric END", count, sum);
	return psprintf("CASE WHEN %s > 0 THEN %s END", count, sum);
}

ViewShape *
distinct_shape(const DistinctHelper *helper)
{
	ViewShape *shape = shape_analyse(helper->query, NULL);
	Oid type = BOOLOID;
	ListCell *cell;
	Aggref *fresh = copyObject(castNode(
		Aggref, ((StateColumn *) list_nth(shape->columns, list_length(shape->keys)))->partial));

	fresh->aggfnoid = LookupFuncName(list_make2(makeString("pg_catalog"), makeString("bool_and")),
									 1, &type, false);
	fresh->aggtype = BOOLOID;
	fresh->aggstar = false;
	fresh->aggargtypes = list_make1_oid(BOOLOID);
	fresh->args = list_make1(makeTargetEntry((Expr *) makeBoolConst(true, false), 1, NULL, false));
	shape_own_component(shape, "fresh", (Expr *) fresh)->name = "_fresh";
	for_each_from(cell, shape->keys, list_length(shape->keys) - list_length(helper->values))
	{
		StateColumn *value = lfirst(cell);

		value->partial = distinct_shortened(value->partial);
		value->type = exprType((Node *) value->partial);
		value->typmod = exprTypmod((Node *) value->partial);
	}
	return shape;
}

bool
distinct_is_fed(const ComponentKind *kind)
{
	return kind && strncmp(kind->name, "distinct", strlen("distinct")) == 0;
}

/* ---- the fold -------------------------------------------------------------------------------- */

static void
append_names(StringInfo sql, const KnownView *helper, int n)
{
	for (int i = 0; i < n; i++)
		appendStringInfo(sql, "%s%s", i ? ", " : "", helper->columns[i].name);
}

/* Where the values begin: behind the keys of the view that is fed. */
static int
first_value(const KnownView *helper)
{
	return helper->main->row.nkeys;
}

char *
distinct_inserted(const KnownView *helper)
{
	int nkeys = first_value(helper);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_names(&sql, helper, nkeys);
	appendStringInfo(&sql, "%spg_catalog.count(*), ", nkeys > 0 ? ", " : "");
	if (helper->row.feeds_sum)
		appendStringInfo(&sql, "pg_catalog.sum(%s), ", helper->columns[nkeys].name);
	else
		appendStringInfoString(&sql, "NULL::bigint, ");
	appendStringInfoString(&sql, "true, NULL::tid[] FROM " INSERTED_ROWS);
	if (nkeys > 0)
	{
		appendStringInfoString(&sql, " GROUP BY ");
		append_names(&sql, helper, nkeys);
	}
	return sql.data;
}

/*
 * A row that was inserted and is left with none was never there: it came and went in one
 * transaction.
 */
char *
distinct_fold(const KnownView *helper, bool plus, bool minus, bool gathered)
{
	int nkeys = first_value(helper);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "WITH f (_row, ");
	append_names(&sql, helper, helper->ncolumns);
	appendStringInfo(&sql, ") AS (%s) SELECT ", generate_fold(helper, plus, minus, true, gathered));
	append_names(&sql, helper, nkeys);
	appendStringInfo(&sql, "%spg_catalog.sum(_step)::bigint, ", nkeys > 0 ? ", " : "");
	if (helper->row.feeds_sum)
		appendStringInfo(&sql, "pg_catalog.sum(_step * %s)%s, ", helper->columns[nkeys].name,
						 TupleDescAttr(helper->desc, nkeys)->atttypid == INT8OID ? "" : "::bigint");
	else
		appendStringInfoString(&sql, "NULL::bigint, ");
	appendStringInfo(&sql, "pg_catalog.bool_or(_step <> 0), "
						   "pg_catalog.array_agg(_row) FILTER (WHERE _count = 0) FROM (SELECT f.*, "
						   "(_count <> 0)::int - (NOT _fresh)::int AS _step FROM f) AS f");
	if (nkeys > 0)
	{
		appendStringInfoString(&sql, " GROUP BY ");
		append_names(&sql, helper, nkeys);
	}
	return sql.data;
}

static bool
is_column(const KnownView *view, int i, const char *name)
{
	return name && strcmp(NameStr(TupleDescAttr(view->desc, i)->attname), name) == 0;
}

/* A row that adds to the columns that are fed, and leaves all others as they are. */
static void
give(const KnownView *helper, const Datum *gave, const bool *gave_null, Tuplestorestate *store)
{
	const KnownView *main = helper->main;
	int nkeys = main->row.nkeys;
	Datum *values = palloc0(sizeof(Datum) * main->ncolumns);
	bool *isnull = palloc0(sizeof(bool) * main->ncolumns);

	for (int i = 0; i < main->ncolumns; i++)
	{
		int from = i < nkeys                                     ? i
				   : is_column(main, i, helper->row.feeds_count) ? nkeys
				   : is_column(main, i, helper->row.feeds_sum)   ? nkeys + 1
																 : -1;

		if (from >= 0)
		{
			values[i] = gave[from];
			isnull[i] = gave_null[from];
		}
		else if (!known_is_count(main->columns[i].kind))
			isnull[i] = true;
	}
	tuplestore_putvalues(store, main->desc, values, isnull);
	pfree(values);
	pfree(isnull);
}

Datum
distinct_gave(const KnownView *helper, SPITupleTable *rows, uint64 n, Tuplestorestate *store)
{
	int nkeys = first_value(helper);
	Datum *gave = palloc(sizeof(Datum) * (nkeys + 4));
	bool *isnull = palloc(sizeof(bool) * (nkeys + 4));
	ArrayBuildState *gone = initArrayResult(TIDOID, CurrentMemoryContext, false);

	for (uint64 i = 0; i < n; i++)
	{
		Datum *rows_gone;
		int count = 0;

		heap_deform_tuple(rows->vals[i], rows->tupdesc, gave, isnull);
		if (!isnull[nkeys + 2] && DatumGetBool(gave[nkeys + 2]))
			give(helper, gave, isnull, store);
		if (!isnull[nkeys + 3])
			deconstruct_array(DatumGetArrayTypeP(gave[nkeys + 3]), TIDOID, sizeof(ItemPointerData),
							  false, TYPALIGN_SHORT, &rows_gone, NULL, &count);
		for (int row = 0; row < count; row++)
			accumArrayResult(gone, rows_gone[row], false, TIDOID, CurrentMemoryContext);
	}
	return makeArrayResult(gone, CurrentMemoryContext);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Groups and values of a helper, each once. */
static void
append_values(StringInfo sql, const KnownView *helper, bool anew)
{
	int n = helper->row.nkeys;

	if (!anew)
	{
		appendStringInfo(sql, "SELECT ");
		append_names(sql, helper, n);
		appendStringInfo(sql, " FROM %s", helper->state);
		return;
	}
	appendStringInfoString(sql, "SELECT ");
	append_names(sql, helper, n);
	appendStringInfoString(sql, " FROM (SELECT ");
	append_names(sql, helper, n);
	appendStringInfo(sql, " FROM %s UNION ALL SELECT ", helper->partial);
	append_names(sql, helper, n);
	appendStringInfo(sql, " FROM %s) AS w GROUP BY ", helper->expired);
	append_names(sql, helper, n);
}

static void
append_given(StringInfo sql, const KnownView *view, const KnownView *helper, bool anew)
{
	int nkeys = view->row.nkeys;

	appendStringInfoString(sql, " UNION ALL SELECT ");
	for (int i = 0; i < view->ncolumns; i++)
	{
		const KnownColumn *column = &view->columns[i];

		if (i > 0)
			appendStringInfoString(sql, ", ");
		if (i < nkeys)
			appendStringInfoString(sql, helper->columns[i].name);
		else if (is_column(view, i, helper->row.feeds_count))
			appendStringInfoString(sql, "pg_catalog.count(*)");
		else if (is_column(view, i, helper->row.feeds_sum))
			appendStringInfo(sql, "pg_catalog.sum(%s)", helper->columns[nkeys].name);
		else if (known_is_count(column->kind))
			appendStringInfoString(sql, "0");
		else
			appendStringInfo(
				sql, "NULL::%s",
				format_type_extended(TupleDescAttr(view->desc, i)->atttypid, -1,
									 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	appendStringInfoString(sql, " FROM (");
	append_values(sql, helper, anew);
	appendStringInfoString(sql, ") AS h");
	if (nkeys > 0)
	{
		appendStringInfoString(sql, " GROUP BY ");
		append_names(sql, helper, nkeys);
	}
}

void
distinct_append_all(StringInfo sql, const KnownView *view, bool anew)
{
	ListCell *cell;

	foreach (cell, known_helpers(view))
		append_given(sql, view, lfirst(cell), anew);
}

static void
append_counted(StringInfo sql, const KnownView *helper, const char *count, const char *from)
{
	appendStringInfoString(sql, "SELECT ");
	append_names(sql, helper, helper->row.nkeys);
	appendStringInfo(sql, ", %s AS _count FROM %s", count, from);
}

char *
distinct_kept(const KnownView *helper)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_counted(&sql, helper, "_count", helper->state);
	return sql.data;
}

char *
distinct_whole(const KnownView *helper)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_counted(&sql, helper, "pg_catalog.sum(_count)::bigint", "(");
	append_counted(&sql, helper, "_count", helper->partial);
	appendStringInfoString(&sql, " UNION ALL ");
	append_counted(&sql, helper, "_count", helper->expired);
	appendStringInfoString(&sql, ") AS w GROUP BY ");
	append_names(&sql, helper, helper->row.nkeys);
	return sql.data;
}
