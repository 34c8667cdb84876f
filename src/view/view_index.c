#include "view/view_index.h"

#include "access/table.h"
#include "base/compat.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* A view whose columns a statement names, and its query over what it reads. */
typedef struct Columns
{
	const ViewRow *row;
	Query *query;
} Columns;

static void
check_tablespace(const IndexStmt *index)
{
	Oid space = index->tableSpace ? get_tablespace_oid(index->tableSpace, false)
								  : GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);

	if (OidIsValid(space) && space != MyDatabaseTableSpace &&
		!compat_tablespace_create(space, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLESPACE, get_tablespace_name(space));
}

void
view_index_check(const ViewRow *row, const IndexStmt *index)
{
	if (!compat_table_owner(row->view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, get_rel_name(row->view));
	if (index->concurrent)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("an index on a continuous view cannot be made concurrently"),
						errhint("Use CREATE INDEX without CONCURRENTLY.")));
	if (index->unique)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("an index on a continuous view cannot be unique"),
						errdetail("Its groups are unique already.")));
	check_tablespace(index);
}

/*
 * The state's name of a column; one that is not the view's is left, for PostgreSQL to complain of.
 */
static char *
state_name(const Columns *columns, char *name)
{
	ListCell *cell;

	foreach (cell, columns->query->targetList)
	{
		const TargetEntry *entry = lfirst(cell);
		const Var *var = (const Var *) entry->expr;

		/* Columns may have been renamed since: the query still has the name that they had. */
		if (entry->resjunk || strcmp(name, get_attname(columns->row->view, entry->resno, false)))
			continue;
		if (IsA(var, Var) &&
			rt_fetch(var->varno, columns->query->rtable)->relid == columns->row->source)
			return get_attname(columns->row->source, var->varattno, false);
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("column \"%s\" of continuous view \"%s\" cannot be indexed", name,
							   get_rel_name(columns->row->view)),
						errdetail("It is computed when the view is read."),
						errhint("Columns that the view groups by, counts, and greatest and least "
								"values can.")));
	}
	return name;
}

static bool
rename_columns(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		ColumnRef *column = (ColumnRef *) node;

		if (list_length(column->fields) == 1 && IsA(linitial(column->fields), String))
			linitial(column->fields) =
				makeString(state_name(context, strVal(linitial(column->fields))));
		return false;
	}
	return raw_expression_tree_walker(node, rename_columns, context);
}

static void
rename_elements(List *elements, Columns *columns)
{
	ListCell *cell;

	foreach (cell, elements)
	{
		IndexElem *element = lfirst(cell);

		if (element->name)
			element->name = state_name(columns, element->name);
		(void) rename_columns(element->expr, columns);
	}
}

IndexStmt *
view_index_on(const ViewRow *row, Oid table, const IndexStmt *index, const char *text)
{
	IndexStmt *statement = copyObject((IndexStmt *) index);
	Relation view = table_open(row->view, AccessShareLock);
	Columns columns = {.row = row, .query = get_view_query(view)};

	statement->relation->schemaname = STATE_SCHEMA;
	statement->relation->relname = get_rel_name(table);
	rename_elements(statement->indexParams, &columns);
	rename_elements(statement->indexIncludingParams, &columns);
	(void) rename_columns(statement->whereClause, &columns);
	table_close(view, AccessShareLock);
	/*
	 * As PostgreSQL will: a literal may run a domain's constraint, which is to be done as the user.
	 */
	LockRelationOid(table, ShareLock);
	return transformIndexStmt(table, statement, text);
}

static bool
is_of_state(const char *name)
{
	Oid index = get_relname_relid(name, get_namespace_oid(STATE_SCHEMA, false));

	return OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX;
}

char *
view_index_of_earlier(const char *name)
{
	return makeObjectName(name, NULL, "earlier");
}

List *
view_index_names(const List *names)
{
	List *found = NIL;
	ListCell *cell;

	foreach (cell, names)
	{
		List *name = lfirst(cell);
		char *twin;

		if (list_length(name) != 1 || !is_of_state(strVal(linitial(name))) ||
			OidIsValid(RangeVarGetRelid(makeRangeVarFromNameList(name), NoLock, true)))
		{
			found = lappend(found, name);
			continue;
		}
		found = lappend(found, list_make2(makeString(STATE_SCHEMA), linitial(name)));
		twin = view_index_of_earlier(strVal(linitial(name)));
		if (is_of_state(twin))
			found = lappend(found, list_make2(makeString(STATE_SCHEMA), makeString(twin)));
	}
	return found;
}
