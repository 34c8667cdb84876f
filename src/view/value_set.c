/*
 * Groups of a table stay what they are, so that their distinct values stand in a helper of rows
 * (distinct.c). Sessions move: what bridges two of them would have to move all rows of one. So each
 * session has its values beside it, as a sorted array: sessions that meet unite them, and what is
 * computed anew after a DELETE has them anew. Sessions are short; one of very many distinct values
 * writes all of them again with each that comes.
 */
#include "view/value_set.h"

#include "access/nbtree.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "view/distinct.h"

/* ---- values that an array cannot hold: rows, and arrays -------------------------------------- */

/* Are values of the type that are equal the same bytes, and so the same text? */
static bool
looks_as_it_is(Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(type), TYPECACHE_BTREE_OPFAMILY);
	Oid function;

	if (!OidIsValid(entry->btree_opf))
		return false;
	function = get_opfamily_proc(entry->btree_opf, entry->btree_opintype, entry->btree_opintype,
								 BTEQUALIMAGE_PROC);
	return OidIsValid(function) &&
		   DatumGetBool(
			   OidFunctionCall1Coll(function, collation, ObjectIdGetDatum(entry->btree_opintype)));
}

static void
check_looks(const ViewShape *shape, const Expr *value)
{
	Oid type = exprType((const Node *) value);
	Oid element = get_base_element_type(type);

	if (looks_as_it_is(OidIsValid(element) ? element : type, exprCollation((const Node *) value)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a continuous view of sessions cannot count distinct rows or arrays of type %s",
					format_type_be(type)),
			 errdetail("They are told apart by their text, and equal values of this type may look "
					   "different."),
			 errhint("Name a text that is the same for equal values, such as "
					 "pg_catalog.trim_scale(value)::text of a numeric."),
			 shape_position(shape, exprLocation((const Node *) value))));
}

static Expr *
text_of(Expr *value)
{
	CoerceViaIO *text = makeNode(CoerceViaIO);

	text->arg = value;
	text->resulttype = TEXTOID;
	text->resultcollid = DEFAULT_COLLATION_OID;
	text->coerceformat = COERCE_EXPLICIT_CAST;
	text->location = -1;
	return (Expr *) text;
}

/* What an array holds one of for each value. Long texts are kept as digests: nobody reads them. */
static Expr *
kept_value(const ViewShape *shape, Expr *value)
{
	Oid type = exprType((Node *) value);
	ListCell *cell;

	if (IsA(value, RowExpr) && ((RowExpr *) value)->row_typeid == RECORDOID)
	{
		foreach (cell, ((RowExpr *) value)->args)
			check_looks(shape, lfirst(cell));
		value = text_of(value);
	}
	else if (OidIsValid(get_base_element_type(type)))
	{
		check_looks(shape, value);
		value = text_of(value);
	}
	else if (!OidIsValid(get_array_type(type)))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot count distinct values of type %s",
							   format_type_be(type)),
						errhint("Count distinct rows of named values: count(DISTINCT (a, b))."),
						shape_position(shape, exprLocation((Node *) value))));
	return distinct_shortened(value);
}

/* ---- the column ------------------------------------------------------------------------------ */

static StateColumn *
column_for(ViewShape *shape, const Aggref *aggref)
{
	Expr *arg = copyObject(((TargetEntry *) linitial(aggref->args))->expr);
	Expr *value = kept_value(shape, arg);
	Oid type = exprType((Node *) value);
	Oid any = ANYELEMENTOID;
	Aggref *values = distinct_undone((Aggref *) aggref);

	values->aggfnoid = LookupFuncName(
		list_make2(makeString("telemetry"), makeString("_values_agg")), 1, &any, false);
	values->aggtype = get_array_type(type);
	values->aggcollid = values->inputcollid = exprCollation((Node *) value);
	values->aggargtypes = list_make1_oid(type);
	values->args = list_make1(makeTargetEntry(value, 1, NULL, false));
	values->location = -1;
	return shape_component(shape, "value_set", (Expr *) values);
}

char *
value_set_final(ViewShape *shape, Aggref *aggref, const char *name)
{
	bool is_count = strcmp(name, "count") == 0;
	Oid type = exprType((Node *) ((TargetEntry *) linitial(aggref->args))->expr);
	const char *column;

	if (!is_count && ((strcmp(name, "avg") != 0 && strcmp(name, "sum") != 0) ||
					  (type != INT2OID && type != INT4OID && type != INT8OID)))
		return NULL;
	column = quote_identifier(column_for(shape, aggref)->name);
	if (is_count)
		return psprintf("COALESCE(pg_catalog.cardinality(s.%s), 0)::bigint", column);
	return psprintf("(SELECT pg_catalog.%s(v.v) FROM pg_catalog.unnest(s.%s) AS v (v))", name,
					column);
}
