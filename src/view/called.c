#include "view/called.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* ---- bodies that were parsed ----------------------------------------------------------------- */

static List *
add_dependency(List *functions, const FormData_pg_depend *depend)
{
	if (depend->refclassid == ProcedureRelationId)
		return list_append_unique_oid(functions, depend->refobjid);
	if (depend->refclassid == OperatorRelationId && OidIsValid(get_opcode(depend->refobjid)))
		return list_append_unique_oid(functions, get_opcode(depend->refobjid));
	return functions;
}

static List *
add_dependencies(List *functions, Oid function)
{
	Relation depends = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ProcedureRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(function));
	scan = systable_beginscan(depends, DependDependerIndexId, true, NULL, lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		functions = add_dependency(functions, (Form_pg_depend) GETSTRUCT(tuple));
	systable_endscan(scan);
	table_close(depends, AccessShareLock);
	return functions;
}

/* ---- bodies that are text -------------------------------------------------------------------- */

static List *
add_named(List *functions, const char *name)
{
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members; i++)
		functions = list_append_unique_oid(
			functions, ((Form_pg_proc) GETSTRUCT(&list->members[i]->tuple))->oid);
	ReleaseSysCacheList(list);
	return functions;
}

static bool
is_of_name(char c)
{
	return isalnum((unsigned char) c) || c == '_' || c == '$' || IS_HIGHBIT_SET(c);
}

static bool
is_called(const char *behind)
{
	while (isspace((unsigned char) *behind))
		behind++;
	return *behind == '(';
}

/*
 * Names with a parenthesis behind them, in whatever language: within quotes they are looked at as
 * well, as a name that is quoted itself, and as words of a statement that another language quotes.
 */
static List *
add_calls(List *functions, const char *body)
{
	for (const char *at = body; *at;)
	{
		const char *end = at;

		if (*at == '"')
		{
			end = strchr(at + 1, '"');
			if (end && end - at <= NAMEDATALEN && is_called(end + 1))
				functions = add_named(functions, pnstrdup(at + 1, end - at - 1));
			at++;
			continue;
		}
		while (is_of_name(*end))
			end++;
		if (end > at && is_called(end))
			functions = add_named(functions, downcase_truncate_identifier(at, end - at, false));
		at = end > at ? end : at + 1;
	}
	return functions;
}

List *
called_by(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	List *functions = add_dependencies(NIL, function);
	Datum body;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		return functions;
	body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	if (!isnull)
		functions = add_calls(functions, TextDatumGetCString(body));
	ReleaseSysCache(tuple);
	return functions;
}
