/*
 * What a continuous view's query may be, and what of it is refused, with its place and what to do.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/typcache.h"
#include "view/place.h"
#include "view/renamed.h"
#include "view/shape.h"
#include "view/zone_calls.h"

int
shape_position(const ViewShape *shape, int location)
{
	if (location < 0 || shape->source_text == NULL)
		return 0;
	return errposition(pg_mbstrlen_with_len(shape->source_text, location) + 1);
}

static void refuse(const ViewShape *shape, const char *what, const char *hint, int location)
	pg_attribute_noreturn();

static void
refuse(const ViewShape *shape, const char *what, const char *hint, int location)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("a continuous view cannot have %s", what), errhint("%s", hint),
					shape_position(shape, location)));
}

/* ---- the query as a whole ------------------------------------------------------------------- */

static void
refuse_clauses(const ViewShape *shape)
{
	const Query *query = shape->query;

	if (query->commandType != CMD_SELECT || query->utilityStmt)
		refuse(shape, "a query other than SELECT", "Write one SELECT.", -1);
	if (query->setOperations)
		refuse(shape, "UNION, INTERSECT or EXCEPT",
			   "Make a continuous view of each part, and an ordinary view over them.",
			   place_of_set_operation(query));
	if (query->cteList != NIL)
		refuse(shape, "a WITH clause", "Write the query without it.",
			   ((CommonTableExpr *) linitial(query->cteList))->location);
	if (query->hasWindowFuncs)
		refuse(shape, "window functions", "Use them in an ordinary view over it.",
			   place_of_window_function(query));
	if (query->hasTargetSRFs)
		refuse(shape, "set-returning functions in its select list",
			   "Call them in FROM, with LATERAL.", place_of_set_returning(query));
	if (query->groupingSets != NIL)
		refuse(shape, "GROUPING SETS, ROLLUP or CUBE", "Make a continuous view for each grouping.",
			   exprLocation(linitial(query->groupingSets)));
	if (query->distinctClause != NIL)
		refuse(shape, "DISTINCT", "Use GROUP BY.", place_of_clause(query, query->distinctClause));
	if (query->sortClause != NIL)
		refuse(shape, "ORDER BY", "Order where you read it.",
			   place_of_clause(query, query->sortClause));
	if (query->limitCount || query->limitOffset)
		refuse(shape, "LIMIT or OFFSET", "Limit where you read it.",
			   exprLocation(query->limitCount ? query->limitCount : query->limitOffset));
	if (query->rowMarks != NIL)
		refuse(shape, "FOR UPDATE or FOR SHARE", "Leave it out: what is read here is not changed.",
			   place_of_source(query, ((RowMarkClause *) linitial(query->rowMarks))->rti,
							   shape->source_text));
	if (query->hasSubLinks)
		refuse(shape, "subqueries in expressions", "Join the table instead.",
			   place_of_sublink(query));
}

/* ---- expressions ---------------------------------------------------------------------------- */

/* Stable for PostgreSQL, since zones are files, but the same in every session. */
static bool
depends_on_named_zone_only(Oid function)
{
	char *schema = get_namespace_name(get_func_namespace(function));

	return function == F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT || strcmp(schema, "telemetry") == 0;
}

static bool
is_unstable(Oid function, void *context)
{
	char volatility = func_volatile(function);

	if (volatility == PROVOLATILE_IMMUTABLE ||
		(volatility == PROVOLATILE_STABLE && depends_on_named_zone_only(function)))
		return false;
	*(Oid *) context = function;
	return true;
}

/* What to do instead of calling a function whose result may change. */
static const char *
hint_for(Oid function)
{
	Oid *types;
	int n;

	if (func_volatile(function) == PROVOLATILE_VOLATILE)
		return "Store such a value in the table, and read it from there.";
	/* number || text: whether it depends on settings is known of the cast alone. */
	if (function == F_ANYTEXTCAT || function == F_TEXTANYCAT)
		return "Cast to text what is not, then concatenate.";
	(void) get_func_signature(function, &types, &n);
	for (int i = 0; i < n; i++)
		if (types[i] == TIMESTAMPTZOID)
			return "Name the time zone: date_trunc('day', ts, 'Europe/Berlin'), or "
				   "(ts AT TIME ZONE 'Europe/Berlin')::date. What depends on the time of reading "
				   "belongs into the query that reads the view.";
	return "Leave it to the query that reads the view, or compute the same from fields, elements "
		   "or constants of types that do not depend on settings.";
}

/* From PostgreSQL 18 on: no row has its value, and so none that a trigger hands over. */
static bool
is_virtual(const ViewShape *shape, const Var *var)
{
	const RangeTblEntry *rte;

	if (var->varlevelsup > 0 || var->varattno <= 0)
		return false;
	rte = rt_fetch(var->varno, shape->query->rtable);
	if (rte->rtekind == RTE_JOIN)
	{
		const Node *below = list_nth(rte->joinaliasvars, var->varattno - 1);

		return below && IsA(below, Var) && is_virtual(shape, (const Var *) below);
	}
	return rte->rtekind == RTE_RELATION && rte->relid == shape->target &&
		   get_attgenerated(rte->relid, var->varattno) == COMPAT_GENERATED_VIRTUAL;
}

static bool
depends_on_settings(Oid type, bool written)
{
	Oid base = getBaseType(type);
	Oid element = get_element_type(base);
	Oid function;
	Oid parameter;
	bool is_varlena;

	if (OidIsValid(element))
		base = getBaseType(element);
	/* JSON has these in one form alone. */
	if (written && (base == DATEOID || base == TIMESTAMPOID))
		return false;
	if (written)
		getTypeOutputInfo(base, &function, &is_varlena);
	else
		getTypeInputInfo(base, &function, &parameter);
	return func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

/* What reads texts as values, or makes texts of them, without calling a function that says so. */
static void
refuse_texts(const ViewShape *shape, Node *node)
{
	const char *what = NULL;
	ListCell *cell;

	if (IsA(node, TableFunc))
		foreach (cell, ((TableFunc *) node)->coltypes)
			if (depends_on_settings(lfirst_oid(cell), false))
				what = "columns of XMLTABLE or JSON_TABLE that are read by settings of the session";
	if (OidIsValid(compat_json_reads(node)) && depends_on_settings(compat_json_reads(node), false))
		what = "values that are read from JSON by settings of the session";
	foreach (cell, compat_json_writes(node))
		if (depends_on_settings(exprType(lfirst(cell)), true))
			what = "values that are written as JSON by settings of the session";
	if (what)
		refuse(shape, what,
			   "Let the table have such a column, or keep the text and compute from it where the "
			   "view is read; of a time write what it is in a zone that is named: ts AT TIME ZONE "
			   "'Europe/Berlin'.",
			   exprLocation(node));
}

/*
 * PostgreSQL calls AT TIME ZONE immutable, but what an abbreviation means there is a setting. And a
 * zone that does not exist is an error of this statement, rather than of each that writes a row.
 */
static void
refuse_zone(const ViewShape *shape, const FuncExpr *call)
{
	const Const *zone = (const Const *) zone_of_call(call);
	char *name;

	if (zone == NULL || !IsA(zone, Const) || zone->constisnull)
		return;
	name = TextDatumGetCString(zone->constvalue);
	if (strlen(name) <= TZ_STRLEN_MAX && pg_tzset(name) != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a continuous view cannot use time zone \"%s\"", name),
			 errdetail("No zone has that name. What an abbreviation, such as CEST or IST, means "
					   "depends on the session's setting timezone_abbreviations."),
			 errhint("Take a name of pg_timezone_names, such as Europe/Berlin."),
			 shape_position(shape, zone->location)));
}

static bool
refuse_unstable(Node *node, void *context)
{
	const ViewShape *shape = context;
	Oid function = InvalidOid;

	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
		refuse(shape, "functions of the session or of the current time",
			   "Leave it to the query that reads the view.", ((SQLValueFunction *) node)->location);
	if (IsA(node, GroupingFunc))
		refuse(shape, "GROUPING()", "Leave it out.", ((GroupingFunc *) node)->location);
	if (IsA(node, Var) && is_virtual(shape, (const Var *) node))
		refuse(shape, "virtual generated columns of the table it follows",
			   "Write their expression in the view, or make them STORED.",
			   ((Var *) node)->location);
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == 0 && ((Var *) node)->varattno <= 0)
		refuse(shape, "whole-row references or system columns", "Name the columns.",
			   ((Var *) node)->location);
	if (check_functions_in_node(node, is_unstable, &function))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot use %s function %s",
						func_volatile(function) == PROVOLATILE_STABLE ? "stable" : "volatile",
						format_procedure(function)),
				 errdetail("Its result may depend on the session's settings, on the time or on "
						   "other tables, so that the view would not equal its query."),
				 errhint("%s", hint_for(function)), shape_position(shape, exprLocation(node))));
	refuse_texts(shape, node);
	if (IsA(node, FuncExpr))
		refuse_zone(shape, (const FuncExpr *) node);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_unstable, context, 0);
	return expression_tree_walker(node, refuse_unstable, context);
}

static void
refuse_unstable_in(ViewShape *shape)
{
	(void) query_tree_walker(shape->query, refuse_unstable, shape, QTW_IGNORE_RANGE_TABLE);
	(void) range_table_walker(shape->query->rtable, refuse_unstable, shape, 0);
}

void
shape_require_stable(Query *query, Oid target)
{
	ViewShape shape = {.query = query, .target = target};

	refuse_unstable_in(&shape);
}

static bool
collect_aggregates(Node *node, List **aggregates)
{
	ListCell *cell;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		foreach (cell, *aggregates)
			if (equal(lfirst(cell), node))
				return false;
		*aggregates = lappend(*aggregates, node);
		return false;
	}
	return expression_tree_walker(node, collect_aggregates, aggregates);
}

/* ---- where the rows come from --------------------------------------------------------------- */

static void
check_target(const ViewShape *shape, int rti)
{
	const RangeTblEntry *rte = rt_fetch(rti, shape->query->rtable);
	char *name = get_rel_name(rte->relid);
	int place = place_of_source(shape->query, rti, shape->source_text);

	if (rte->relkind == RELKIND_VIEW && view_by_oid(rte->relid, CurrentMemoryContext))
		return;
	if (rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("a continuous view cannot follow \"%s\"", name),
						errdetail("It is neither a table nor a continuous view."),
						errhint("Put the table whose rows it aggregates first in FROM."),
						shape_position(shape, place)));
	if (get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("a continuous view cannot follow temporary table \"%s\"", name),
						errhint("Use a permanent table, or query the temporary one directly."),
						shape_position(shape, place)));
	if (get_rel_relispartition(rte->relid))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("a continuous view cannot follow partition \"%s\" alone", name),
						errhint("Name the partitioned table, and choose its rows by WHERE."),
						shape_position(shape, place)));
	if (rte->relkind == RELKIND_RELATION &&
		(has_superclass(rte->relid) || find_inheritance_children(rte->relid, NoLock) != NIL))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("a continuous view cannot follow \"%s\"", name),
						errdetail("It inherits from another table, or another from it."),
						errhint("Use declarative partitioning."), shape_position(shape, place)));
	if (rte->relkind == RELKIND_PARTITIONED_TABLE && !rte->inh)
		refuse(shape, "ONLY of a partitioned table",
			   "Leave it out: all rows are in the partitions.", place);
	if (rte->tablesample)
		refuse(shape, "TABLESAMPLE",
			   "Leave it out, or choose rows by WHERE, such as by a hash of a column.", place);
}

/* The relation whose rows drive the view stands first in FROM; the others are looked up. */
static int
leftmost(Node *node)
{
	while (node && IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		if (join->jointype != JOIN_INNER && join->jointype != JOIN_LEFT)
			return 0;
		node = join->larg;
	}
	return node && IsA(node, RangeTblRef) ? ((RangeTblRef *) node)->rtindex : 0;
}

static void
find_target(ViewShape *shape)
{
	Query *query = shape->query;
	ListCell *cell;
	RangeTblEntry *target;
	int rti = query->jointree->fromlist ? leftmost(linitial(query->jointree->fromlist)) : 0;

	if (rti == 0)
		refuse(shape, "a FROM that begins with anything but the table it follows",
			   "Put the table first, and join others to it by JOIN or LEFT JOIN.",
			   place_of_first_source(query, shape->source_text));
	target = rt_fetch(rti, query->rtable);
	if (target->rtekind != RTE_RELATION)
		refuse(
			shape, "a FROM that begins with anything but the table it follows",
			"Put the table first. What a subquery would do, do in the view itself, or in another "
			"continuous view which this one follows.",
			place_of_source(query, rti, shape->source_text));
	check_target(shape, rti);
	shape->target_rti = rti;
	shape->target = target->relid;
	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst(cell);

		if (rte == target)
			continue;
		if (rte->rtekind == RTE_RELATION && rte->relid == target->relid)
			refuse(shape, "the table it follows twice", "Join it where you read the view.",
				   place_of_source(query, foreach_current_index(cell) + 1, shape->source_text));
		if (rte->rtekind == RTE_SUBQUERY)
			refuse(shape, "subqueries in FROM", "Write joins and LATERAL functions.",
				   place_of_source(query, foreach_current_index(cell) + 1, shape->source_text));
	}
}

/* ---- keys and aggregates -------------------------------------------------------------------- */

static char *
unique_name(const ViewShape *shape, const char *wanted)
{
	char *name = pstrdup(wanted);
	ListCell *cell;
	int n = 1;

again:
	foreach (cell, shape->columns)
		if (strcmp(((StateColumn *) lfirst(cell))->name, name) == 0)
		{
			name = makeObjectName(wanted, NULL, psprintf("%d", ++n));
			goto again;
		}
	return name;
}

static StateColumn *
add_column(ViewShape *shape, const char *name, Expr *partial)
{
	StateColumn *column = palloc0(sizeof(StateColumn));

	column->name = unique_name(shape, name);
	column->partial = partial;
	column->type = exprType((Node *) partial);
	column->typmod = exprTypmod((Node *) partial);
	column->collation = exprCollation((Node *) partial);
	shape->columns = lappend(shape->columns, column);
	return column;
}

StateColumn *
shape_own_component(ViewShape *shape, const char *kind, Expr *partial)
{
	StateColumn *column = add_column(
		shape, psprintf("_c%d", list_length(shape->columns) - list_length(shape->keys)), partial);

	column->kind = component_kind(kind);
	/* What merges has the type of the aggregate, not a length of its own. */
	column->typmod = -1;
	return column;
}

StateColumn *
shape_component(ViewShape *shape, const char *kind, Expr *partial)
{
	const ComponentKind *wanted = component_kind(kind);
	ListCell *cell;

	foreach (cell, shape->columns)
	{
		StateColumn *column = lfirst(cell);

		if (column->kind == wanted && equal(column->partial, partial))
			return column;
	}
	return shape_own_component(shape, kind, partial);
}

/* What is constant is said at once, not by the first event. */
static void
check_length(const Expr *length, const char *name)
{
	Node *constant = eval_const_expressions(NULL, copyObject((Node *) length));

	if (constant && IsA(constant, Const) && !((Const *) constant)->constisnull)
		(void) session_length(DatumGetIntervalP(((Const *) constant)->constvalue), name);
}

static void
find_session(ViewShape *shape)
{
	SessionWindow *session = session_window_of(shape->query, shape->source_text);

	if (session == NULL)
		return;
	if (session->entry == NULL ||
		list_length(session->keys) + 1 != list_length(shape->query->groupClause))
		refuse(shape, "session_window() within another expression of GROUP BY",
			   "Group by session_window() itself, and compute from it in the select list.",
			   session->call->location);
	shape->session = session;
	check_length(session->gap, "gap");
	check_length(session->max_length, "max_length");
}

/* Names with a _ in front are ours. */
static const char *
not_ours(const char *name)
{
	return name[0] == '_' ? makeObjectName("key", name + 1, NULL) : name;
}

static void
add_keys(ViewShape *shape)
{
	ListCell *cell;

	foreach (cell, shape->query->groupClause)
	{
		SortGroupClause *clause = lfirst(cell);
		TargetEntry *entry = get_sortgroupclause_tle(clause, shape->query->targetList);
		Oid type = exprType((Node *) entry->expr);
		const char *name = entry->resname && !entry->resjunk ? entry->resname : "key";

		if (shape->session && clause == shape->session->clause)
			continue;
		if (!OidIsValid(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a continuous view cannot group by type %s", format_type_be(type)),
					 errdetail("It has no btree operator class."),
					 errhint("Group by an expression of another type, such as its text."),
					 shape_position(shape, exprLocation((Node *) entry->expr))));
		shape->keys =
			lappend(shape->keys, add_column(shape, not_ours(name), copyObject(entry->expr)));
		shape->groups = lappend(shape->groups, clause);
	}
}

/* The number of all rows of a group: at zero the group is gone. */
static StateColumn *
add_count(ViewShape *shape)
{
	Aggref *count = makeNode(Aggref);
	StateColumn *column;

	count->aggfnoid = F_COUNT_;
	count->aggtype = INT8OID;
	count->aggstar = true;
	count->aggkind = AGGKIND_NORMAL;
	count->aggno = -1;
	count->aggtransno = -1;
	count->location = -1;
	column = add_column(shape, "_count", (Expr *) count);
	column->kind = component_kind("count");
	return column;
}

/*
 * md5(ROW(all columns)::text): settings that the text depends on are pinned where it is computed.
 */
static Expr *
row_hash(const ViewShape *shape)
{
	RowExpr *row = makeNode(RowExpr);
	CoerceViaIO *text = makeNode(CoerceViaIO);
	CoerceViaIO *uuid = makeNode(CoerceViaIO);
	ListCell *cell;

	foreach (cell, shape->columns)
	{
		const StateColumn *column = lfirst(cell);
		Expr *value = renamed_by_number(copyObject(column->partial));

		if (value == NULL)
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot keep rows with values of type %s",
						format_type_be(column->type)),
				 errdetail("In it are names of objects, which may change; rows are found again by "
						   "what they show."),
				 errhint("Select its fields or elements, or their OIDs."),
				 shape_position(shape, exprLocation((Node *) column->partial))));
		row->args = lappend(row->args, value);
		row->colnames = lappend(row->colnames, makeString(pstrdup(column->name)));
	}
	row->row_typeid = RECORDOID;
	row->row_format = COERCE_EXPLICIT_CALL;
	row->location = -1;
	text->arg = (Expr *) row;
	text->resulttype = TEXTOID;
	text->resultcollid = DEFAULT_COLLATION_OID;
	text->coerceformat = COERCE_EXPLICIT_CAST;
	text->location = -1;
	uuid->arg = (Expr *) makeFuncExpr(F_MD5_TEXT, TEXTOID, list_make1(text), DEFAULT_COLLATION_OID,
									  DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
	uuid->resulttype = UUIDOID;
	uuid->coerceformat = COERCE_EXPLICIT_CAST;
	uuid->location = -1;
	return (Expr *) uuid;
}

static void
add_rows(ViewShape *shape)
{
	ListCell *cell;

	shape->rows = true;
	foreach (cell, shape->query->targetList)
	{
		TargetEntry *entry = lfirst(cell);

		if (!entry->resjunk)
			add_column(shape, not_ours(entry->resname), copyObject(entry->expr));
	}
	add_column(shape, "_hash", row_hash(shape))->kind = component_kind("row_hash");
}

/*
 * Sketches, and what is aside, behind all that changes with every row: component.c says why. The
 * count of rows, whose first byte is what changes with each, right before them. (Those of sessions,
 * whose count stands before their times, are in other columns.)
 */
static List *
sketches_last(List *columns, StateColumn *count)
{
	List *others = NIL;
	List *sketches = NIL;
	ListCell *cell;

	foreach (cell, columns)
	{
		StateColumn *column = lfirst(cell);

		if (column->kind && column->kind->whole)
			sketches = lappend(sketches, column);
		else if (column != count)
			others = lappend(others, column);
	}
	if (sketches == NIL)
		return columns;
	return list_concat(lappend(others, count), sketches);
}

ViewShape *
shape_analyse(Query *query, const char *source_text)
{
	ViewShape *shape = palloc0(sizeof(ViewShape));
	List *aggregates = NIL;
	StateColumn *count;
	ListCell *cell;

	compat_flatten_group(query);
	shape->query = query;
	shape->source_text = source_text;
	refuse_clauses(shape);
	find_target(shape);
	refuse_unstable_in(shape);
	if (query->groupClause == NIL && !query->hasAggs)
	{
		if (query->havingQual)
			refuse(shape, "HAVING without an aggregate", "Use WHERE.",
				   exprLocation(query->havingQual));
		add_rows(shape);
		return shape;
	}
	find_session(shape);
	add_keys(shape);
	count = add_count(shape);
	if (shape->session)
		aggregate_add_session(shape);
	(void) collect_aggregates((Node *) query->targetList, &aggregates);
	(void) collect_aggregates(query->havingQual, &aggregates);
	foreach (cell, aggregates)
		aggregate_add(shape, lfirst(cell));
	shape->columns = sketches_last(shape->columns, count);
	return shape;
}
