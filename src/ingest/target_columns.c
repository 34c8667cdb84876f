/*
 * Which column of the target comes from where, and everything that does not fit, at once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "ingest/internal.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

void
target_misfit(StringInfo list, const char *format, ...)
{
	if (list->len > 0)
		appendStringInfoString(list, "; ");
	for (;;)
	{
		va_list args;
		int needed;

		va_start(args, format);
		needed = appendStringInfoVA(list, format, args);
		va_end(args);
		if (needed == 0)
			return;
		enlargeStringInfo(list, needed);
	}
}

/*
 * The cast or length coercion that brings a source column into a target column; NULL: there is
 * none.
 */
static Expr *
conversion(Form_pg_attribute from, AttrNumber number, Form_pg_attribute to)
{
	Var *var = makeVar(1, number, from->atttypid, from->atttypmod, from->attcollation, 0);

	return (Expr *) coerce_to_target_type(NULL, (Node *) var, from->atttypid, to->atttypid,
										  to->atttypmod, COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST,
										  -1);
}

static void
map_delivered(Ingest *ingest, Form_pg_attribute to, AttrNumber source, TargetColumn *column,
			  StringInfo misfits)
{
	Form_pg_attribute from = TupleDescAttr(ingest->source_desc, source - 1);

	column->source = source;
	if (to->attgenerated)
		target_misfit(misfits, "column \"%s\" of the target is generated", NameStr(to->attname));
	else if (to->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
		target_misfit(misfits, "column \"%s\" of the target is GENERATED ALWAYS AS IDENTITY",
					  NameStr(to->attname));
	else if (from->atttypid == to->atttypid &&
			 (to->atttypmod == -1 || to->atttypmod == from->atttypmod))
		column->kind = TARGET_SOURCE;
	else
	{
		column->kind = TARGET_EXPR;
		column->expression = conversion(from, source, to);
		if (column->expression == NULL)
			target_misfit(misfits, "column \"%s\" is of type %s in the source and %s in the target",
						  NameStr(to->attname), format_type_be(from->atttypid),
						  format_type_be(to->atttypid));
	}
}

/*
 * NULL as a domain's value: the domain's checks decide whether it may be. (coerce_null_to_domain()
 * says the same, but only minor releases of 2025 and later have it.)
 */
static Node *
null_of_domain(Form_pg_attribute column)
{
	int32 typmod = column->atttypmod;
	Oid type = getBaseTypeAndTypmod(column->atttypid, &typmod);
	Const *null = makeNullConst(type, typmod, column->attcollation);

	return coerce_to_domain((Node *) null, type, typmod, column->atttypid, COERCION_IMPLICIT,
							COERCE_IMPLICIT_CAST, -1, false);
}

/* Whether a trigger may give a column its value: those of constraints and of views come after. */
static bool
may_be_filled(Relation target)
{
	const TriggerDesc *triggers = target->trigdesc;

	return triggers && (triggers->trig_insert_before_row || triggers->trig_insert_instead_row);
}

static void
map_absent(Ingest *ingest, Relation target, Form_pg_attribute to, TargetColumn *column,
		   StringInfo misfits)
{
	Node *expression;

	if (to->attgenerated)
	{
		column->kind = TARGET_GENERATED;
		return;
	}
	column->dimension = dimension_find(ingest, target, to->attnum, misfits);
	if (column->dimension >= 0)
	{
		column->kind = TARGET_MEMBER;
		return;
	}
	expression = build_column_default(target, to->attnum);
	if (expression == NULL && get_typtype(to->atttypid) == TYPTYPE_DOMAIN)
		expression = null_of_domain(to);
	if (expression)
	{
		column->kind = TARGET_DEFAULT;
		column->expression = (Expr *) expression;
	}
	else if (to->attnotnull && !may_be_filled(target))
		target_misfit(
			misfits,
			"column \"%s\" of the target is NOT NULL, has no default, and the source has no "
			"column of that name",
			NameStr(to->attname));
}

AttrNumber
target_find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

static bool
column_is_metadata(Oid source, AttrNumber column)
{
	ListCell *cell;

	foreach (cell, GetForeignColumnOptions(source, column))
		if (strcmp(((DefElem *) lfirst(cell))->defname, "metadata") == 0)
			return true;
	return false;
}

/*
 * Source columns that have no place in the target, nor in a dimension; metadata may be left out,
 * events' fields not.
 */
static void
check_leftover(Ingest *ingest, StringInfo misfits)
{
	for (int i = 0; i < ingest->source_desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(ingest->source_desc, i);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped || target_find_column(ingest->desc, name) ||
			column_is_metadata(ingest->options.source, i + 1) || dimensions_read(ingest, i + 1) ||
			(ingest->event_time_column && strcmp(name, ingest->event_time_column) == 0))
			continue;
		target_misfit(misfits,
					  "column \"%s\" of the source has no column of that name in the target", name);
	}
}

static void
find_event_time(Ingest *ingest, StringInfo misfits)
{
	Form_pg_attribute attribute;

	if (ingest->event_time_column == NULL)
		return;
	ingest->event_time = target_find_column(ingest->source_desc, ingest->event_time_column);
	if (ingest->event_time == InvalidAttrNumber)
	{
		target_misfit(misfits, "the source has no column \"%s\" to take event times from",
					  ingest->event_time_column);
		return;
	}
	attribute = TupleDescAttr(ingest->source_desc, ingest->event_time - 1);
	ingest->event_time_type = getBaseType(attribute->atttypid);
	if (ingest->event_time_type != TIMESTAMPTZOID && ingest->event_time_type != TIMESTAMPOID &&
		ingest->event_time_type != DATEOID)
		target_misfit(misfits,
					  "event time column \"%s\" is of type %s, not timestamptz, timestamp or date",
					  ingest->event_time_column, format_type_be(attribute->atttypid));
}

void
target_map_columns(Ingest *ingest, Relation target)
{
	StringInfoData misfits;
	int mapped = 0;

	initStringInfo(&misfits);
	find_event_time(ingest, &misfits); /* dimensions ask for it */
	for (int i = 0; i < ingest->desc->natts; i++)
	{
		Form_pg_attribute to = TupleDescAttr(ingest->desc, i);
		TargetColumn *column = &ingest->columns[i];
		AttrNumber source;

		column->kind = TARGET_NULL;
		if (to->attisdropped)
			continue;
		source = target_find_column(ingest->source_desc, NameStr(to->attname));
		mapped += source != InvalidAttrNumber;
		if (source != InvalidAttrNumber)
			map_delivered(ingest, to, source, column, &misfits);
		else
			map_absent(ingest, target, to, column, &misfits);
		ingest->domains |= get_typtype(to->atttypid) == TYPTYPE_DOMAIN;
		if (column->expression)
		{
			column->expression = expression_planner(column->expression);
			column->state = ExecInitExpr(column->expression, NULL);
			column->cast = column->kind == TARGET_EXPR && cast_may_fail(column->expression)
							   ? ingest->ncasts++
							   : -1;
		}
	}
	if (mapped == 0)
		target_misfit(&misfits,
					  "no column of the source has a column of the same name in the target");
	check_leftover(ingest, &misfits);
	if (misfits.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("source %s does not fit target %s", ingest->source->relation,
						ingest->target_name),
				 errdetail("%s.", misfits.data),
				 errhint("Columns map by name. Add, rename or alter columns on either side.")));
}
