/*
 * Which session_window() a query groups by, and what of it has no meaning.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_node.h"
#include "session/internal.h"
#include "session/session.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/* ---- which functions are ours --------------------------------------------------------------- */

static SessionFunctions functions;
static bool functions_known;
static uint64 times_forgotten; /* also while they are looked up */

static void
forget_functions(Datum argument, int cache, uint32 hash)
{
	functions_known = false;
	times_forgotten++;
}

static Oid
find_function(Oid schema, const char *name, int count, const Oid *types)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(types, count)), ObjectIdGetDatum(schema));
}

const SessionFunctions *
session_functions(void)
{
	static const Oid types[2][4] = {{TIMESTAMPTZOID, INTERVALOID, BOOLOID, INTERVALOID},
									{TIMESTAMPOID, INTERVALOID, BOOLOID, INTERVALOID}};
	static bool registered;
	uint64 before;
	Oid schema;

	if (functions_known)
		return OidIsValid(functions.window[0]) ? &functions : NULL;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, forget_functions, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_functions, (Datum) 0);
		registered = true;
	}
	before = times_forgotten;
	memset(&functions, 0, sizeof(functions));
	schema = get_namespace_oid("telemetry", true);
	for (int i = 0; OidIsValid(schema) && i < 2; i++)
	{
		functions.window[i] = find_function(schema, "session_window", 4, types[i]);
		functions.start[i] = find_function(schema, "_session_start", 2, types[i]);
		functions.start_options[i] = find_function(schema, "_session_start", 4, types[i]);
	}
	functions_known = times_forgotten == before;
	return OidIsValid(functions.window[0]) ? &functions : NULL;
}

/* ---- a query -------------------------------------------------------------------------------- */

int
session_position(const char *text, const Node *node)
{
	int location = exprLocation(node);

	if (location < 0 || text == NULL)
		return 0;
	return errposition(pg_mbstrlen_with_len(text, location) + 1);
}

typedef struct Search
{
	const SessionFunctions *ours;
	const char *text;
	FuncExpr *found;
} Search;

static bool
find_call(Node *node, void *context)
{
	Search *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr))
	{
		FuncExpr *call = (FuncExpr *) node;

		if (call->funcid == search->ours->window[0] || call->funcid == search->ours->window[1])
		{
			if (search->found && !equal(search->found, call))
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("a query can group by one session_window() only"),
								errdetail("Sessions of one gap do not lie within those of another "
										  "by their keys alone."),
								errhint("Group by the first one in a subquery in FROM, and by the "
										"other one outside of it."),
								session_position(search->text, node)));
			search->found = call;
			return false;
		}
	}
	return expression_tree_walker(node, find_call, context);
}

static Expr *
option(List *args, int n)
{
	Expr *value = list_nth(args, n);

	return IsA(value, Const) && ((Const *) value)->constisnull ? NULL : value;
}

/* Names and defaults of arguments resolved. */
static void
read_arguments(SessionWindow *session, const char *text)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(session->call->funcid));
	List *args;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", session->call->funcid);
	args = expand_function_arguments(copyObject(session->call->args), false,
									 session->call->funcresulttype, tuple);
	ReleaseSysCache(tuple);
	session->event_time = linitial(args);
	session->gap = lsecond(args);
	session->end_when = option(args, 2);
	session->max_length = option(args, 3);
	if (session->max_length && contain_vars_of_level((Node *) session->max_length, 0))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("max_length of session_window() must be the same for all rows"),
						errdetail("A length that each event gives anew would not say when the "
								  "session of several is too long."),
						errhint("Give a constant or a parameter."),
						session_position(text, (Node *) session->max_length)));
}

SessionWindow *
session_window_of(Query *query, const char *text)
{
	Search search = {.ours = session_functions(), .text = text};
	SessionWindow *session;
	ListCell *cell;

	if (search.ours == NULL || query->groupClause == NIL)
		return NULL;
	foreach (cell, query->groupClause)
		(void) find_call(
			compat_grouped_expr(query, get_sortgroupclause_tle(lfirst(cell), query->targetList)),
			&search);
	if (search.found == NULL)
		return NULL;
	if (query->groupingSets != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("session_window() cannot be used with GROUPING SETS, ROLLUP or CUBE"),
				 errdetail("Each grouping would have sessions of its own."),
				 errhint("Group by session_window() in a subquery in FROM, and its result by "
						 "GROUPING SETS."),
				 session_position(text, (Node *) search.found)));
	session = palloc0(sizeof(SessionWindow));
	session->call = search.found;
	foreach (cell, query->groupClause)
	{
		SortGroupClause *clause = lfirst(cell);
		TargetEntry *entry = get_sortgroupclause_tle(clause, query->targetList);
		Node *key = compat_grouped_expr(query, entry);

		search.found = NULL;
		if (equal(key, session->call))
		{
			session->entry = entry;
			session->clause = clause;
		}
		else if (!find_call(key, &search) && search.found == NULL)
			session->keys = lappend(session->keys, clause);
	}
	read_arguments(session, text);
	return session;
}
