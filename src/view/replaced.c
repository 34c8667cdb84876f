#include "view/replaced.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "type/holds.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "view/called.h"
#include "view/known.h"
#include "view/renamed.h"

/* ---- functions ------------------------------------------------------------------------------- */

typedef struct Remembered
{
	int view; /* by which it is called, or by a function that is */
	Oid function;
	char *name;
	char *what;
} Remembered;

/* PostgreSQL's own do not change. Ours are of the same version as we are. */
static bool
is_of_users(Oid function)
{
	char *schema;

	if (function < FirstNormalObjectId)
		return false;
	schema = get_namespace_name(get_func_namespace(function));
	return schema && strcmp(schema, "telemetry") != 0;
}

static bool
note_function(Oid function, void *functions)
{
	List **all = functions;
	HeapTuple tuple;
	ListCell *cell;

	if (!is_of_users(function) || list_member_oid(*all, function))
		return false;
	*all = lappend_oid(*all, function);
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);

		(void) note_function(form->aggtransfn, functions);
		(void) note_function(form->aggfinalfn, functions);
		(void) note_function(form->aggcombinefn, functions);
		ReleaseSysCache(tuple);
	}
	foreach (cell, called_by(function))
		(void) note_function(lfirst_oid(cell), functions);
	return false;
}

static bool
note_functions(Node *node, void *functions)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, note_function, functions);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, note_functions, functions, 0);
	return expression_tree_walker(node, note_functions, functions);
}

static void
note_functions_of(Oid view, List **functions)
{
	Relation relation = table_open(view, AccessShareLock);

	(void) note_functions((Node *) get_view_query(relation), functions);
	table_close(relation, AccessShareLock);
}

/* By which its state is computed: also those by which what it follows is shown. */
static List *
functions_of(const ViewRow *view)
{
	List *functions = NIL;

	note_functions_of(view->partial, &functions);
	if (get_rel_relkind(view->target) == RELKIND_VIEW)
		note_functions_of(view->target, &functions);
	return functions;
}

static void
append_attribute(StringInfo what, HeapTuple tuple, AttrNumber attribute, bool is_text)
{
	bool isnull;
	Datum value = SysCacheGetAttr(PROCOID, tuple, attribute, &isnull);

	if (isnull)
		appendStringInfoString(what, " -");
	else if (is_text)
		appendStringInfo(what, " %s", quote_literal_cstr(TextDatumGetCString(value)));
	else
	{
		struct varlena *array = PG_DETOAST_DATUM(value);

		for (Size i = 0; i < VARSIZE_ANY_EXHDR(array); i++)
			appendStringInfo(what, "%02x", (unsigned char) VARDATA_ANY(array)[i]);
	}
}

/* All that its results depend on, as far as its own definition says. */
static char *
what_is(Oid function)
{
	StringInfoData what;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	initStringInfo(&what);
	if (!HeapTupleIsValid(tuple))
		return what.data;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	appendStringInfo(&what, "%u %c %d", form->prolang, form->provolatile, form->proisstrict);
	append_attribute(&what, tuple, Anum_pg_proc_prosrc, true);
	append_attribute(&what, tuple, Anum_pg_proc_probin, true);
	append_attribute(&what, tuple, Anum_pg_proc_prosqlbody, true);
	append_attribute(&what, tuple, Anum_pg_proc_proconfig, false);
	ReleaseSysCache(tuple);
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_aggregate aggregate = (Form_pg_aggregate) GETSTRUCT(tuple);

		appendStringInfo(&what, " %u %u %u", aggregate->aggtransfn, aggregate->aggfinalfn,
						 aggregate->aggcombinefn);
		ReleaseSysCache(tuple);
	}
	return what.data;
}

static List *
remember(List *remembered, const ViewRow *view)
{
	ListCell *cell;

	foreach (cell, functions_of(view))
	{
		Remembered *one = palloc(sizeof(Remembered));

		one->view = view->id;
		one->function = lfirst_oid(cell);
		one->name = format_procedure_qualified(one->function);
		one->what = what_is(one->function);
		remembered = lappend(remembered, one);
	}
	return remembered;
}

List *
replaced_remember(void)
{
	List *rows = known_hold_all();
	List *remembered = NIL;
	ListCell *cell;

	foreach (cell, rows)
		remembered = remember(remembered, lfirst(cell));
	known_let_go(rows);
	return remembered;
}

const char *
replaced_function(const ViewRow *view, const List *remembered)
{
	ListCell *cell;

	foreach (cell, remembered)
	{
		const Remembered *one = lfirst(cell);

		if (one->view == view->id && strcmp(one->what, what_is(one->function)) != 0)
			return one->name;
	}
	return NULL;
}

/* ---- row types ------------------------------------------------------------------------------- */

static bool
has_values_of(Node *node, void *type)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_values_of, type, 0);
	if ((IsA(node, Var) || IsA(node, Const) || IsA(node, FuncExpr) || IsA(node, RowExpr)) &&
		type_holds(exprType(node), *(Oid *) type))
		return true;
	return expression_tree_walker(node, has_values_of, type);
}

bool
replaced_matters(const ViewRow *view, Oid type, bool dropped)
{
	Relation relation;
	bool matters;

	/* One more is NULL in all values, which are equal as before; their texts have a comma more. */
	if (!dropped)
		return renamed_matters(view->partial, type);
	relation = table_open(view->partial, AccessShareLock);
	matters = has_values_of((Node *) get_view_query(relation), &type);
	table_close(relation, AccessShareLock);
	return matters;
}
