/*
 * Queries as trees: names are resolved once, when the view is made, and never again.
 */
#include "view/generate.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "access/table.h"

/* ---- the partial query ----------------------------------------------------------------------- */

Query *
generate_partial(const ViewShape *shape)
{
	Query *query = copyObject(shape->query);
	ListCell *cell;
	int n = 0;

	query->targetList = NIL;
	query->havingQual = NULL;
	query->groupClause = NIL;
	query->hasAggs = !shape->rows;
	foreach (cell, shape->columns)
	{
		const StateColumn *column = lfirst(cell);
		TargetEntry *entry =
			makeTargetEntry(copyObject(column->partial), n + 1, pstrdup(column->name), false);

		if (n < list_length(shape->keys))
		{
			SortGroupClause *clause = copyObject(list_nth(shape->groups, n));

			clause->tleSortGroupRef = n + 1;
			entry->ressortgroupref = n + 1;
			query->groupClause = lappend(query->groupClause, clause);
		}
		query->targetList = lappend(query->targetList, entry);
		n++;
	}
	if (shape->session)
	{
		SortGroupClause *clause = copyObject(shape->session->clause);
		TargetEntry *entry =
			makeTargetEntry(copyObject(shape->session->entry->expr), n + 1, NULL, true);

		clause->tleSortGroupRef = n + 1;
		entry->ressortgroupref = n + 1;
		query->groupClause = lappend(query->groupClause, clause);
		query->targetList = lappend(query->targetList, entry);
	}
	return query;
}

/* The range table entry of the source becomes one of rows that the executor is handed. */
Query *
generate_delta(Query *original, Oid source)
{
	Query *query = copyObject(original);
	Relation relation = table_open(source, AccessShareLock);
	TupleDesc desc = RelationGetDescr(relation);
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind != RTE_RELATION || rte->relid != source)
			continue;
		rte->rtekind = RTE_NAMEDTUPLESTORE;
		rte->enrname = pstrdup(DELTA_ROWS);
		rte->enrtuples = 1000;
		rte->relkind = 0;
		rte->rellockmode = 0;
		rte->inh = false;
		compat_forget_rights(rte);
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(desc, i);
			bool dropped = attribute->attisdropped;

			rte->coltypes = lappend_oid(rte->coltypes, dropped ? InvalidOid : attribute->atttypid);
			rte->coltypmods = lappend_int(rte->coltypmods, dropped ? 0 : attribute->atttypmod);
			rte->colcollations =
				lappend_oid(rte->colcollations, dropped ? InvalidOid : attribute->attcollation);
		}
	}
	table_close(relation, AccessShareLock);
	return query;
}

/* ---- the state table ------------------------------------------------------------------------- */

/* The columns of the state, as CREATE TABLE wants them. */
static char *
column_definitions(const ViewShape *shape)
{
	StringInfoData sql;
	const char *comma = "";
	ListCell *cell;

	initStringInfo(&sql);
	foreach (cell, shape->columns)
	{
		const StateColumn *column = lfirst(cell);

		appendStringInfo(
			&sql, "%s%s %s", comma, quote_identifier(column->name),
			format_type_extended(column->type, column->typmod,
								 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(column->collation))
			appendStringInfo(&sql, " COLLATE %s", generate_collation_name(column->collation));
		comma = ", ";
	}
	return sql.data;
}

/*
 * How full pages of new rows get, in percent. Of sessions and funnels each batch writes the newest
 * rows anew, all of a page: with less than half of it free most would move to another page, which
 * costs entries of the index.
 */
static int
fillfactor_of(const ViewShape *shape)
{
	ListCell *cell;

	if (shape->session)
		return 45;
	foreach (cell, shape->columns)
	{
		const StateColumn *column = lfirst(cell);

		if (column->kind && strncmp(column->kind->name, "funnel", strlen("funnel")) == 0)
			return 45;
	}
	return 70;
}

char *
generate_state_table(const ViewShape *shape, const char *name)
{
	if (shape->rows)
		return psprintf("CREATE TABLE %s (%s)", name, column_definitions(shape));
	/*
	 * Rows are updated in place all the time: room for HOT updates, and vacuum early, by rows that
	 * died and not by their share of a large table; the same for sketches, which lie in TOAST. Of a
	 * few hot rows most dead ones are pruned before they are counted, but until a vacuum nobody is
	 * told of the room: so it comes by at a hundred.
	 */
	return psprintf("CREATE TABLE %s (%s%s) WITH (fillfactor = %d, "
					"autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100, "
					"toast.autovacuum_vacuum_scale_factor = 0.02, "
					"toast.autovacuum_vacuum_threshold = 1000)",
					name, column_definitions(shape),
					shape->session ? ", _key bigint GENERATED ALWAYS AS IDENTITY" : "",
					fillfactor_of(shape));
}

char *
generate_earlier_table(const ViewShape *shape, const char *name)
{
	return psprintf("CREATE TABLE %s (%s, _key bigint)", name, column_definitions(shape));
}

char *
generate_expired_table(const ViewShape *shape, const char *name)
{
	return psprintf("CREATE TABLE %s (_partition regclass, %s)", name, column_definitions(shape));
}

/* By a table that may come back, of which there are few. */
char *
generate_expired_index(const char *name)
{
	return psprintf("CREATE INDEX ON %s (_partition) WHERE _partition <> 0", name);
}

char *
generate_all_sessions(const ViewShape *shape, const char *state, const char *earlier,
					  const char *expired)
{
	StringInfoData columns;
	ListCell *cell;

	initStringInfo(&columns);
	foreach (cell, shape->columns)
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "",
						 quote_identifier(((StateColumn *) lfirst(cell))->name));
	/*
	 * Keys that are locked without having a session are there within a fold only. A condition would
	 * make each row go through a subquery, or be looked at once more. Where sessions have a
	 * greatest length, those of expired partitions stand by themselves.
	 */
	return psprintf(
		"SELECT %1$s FROM %2$s UNION ALL SELECT %1$s FROM %3$s%4$s", columns.data, state, earlier,
		shape->session->max_length ? psprintf(" UNION ALL SELECT %s FROM %s", columns.data, expired)
								   : "");
}

/* A NULL key is a group like any other. Without keys there is one row, and the index says so. */
char *
generate_state_index(const ViewShape *shape, const char *name)
{
	StringInfoData sql;
	const char *comma = "";
	ListCell *cell;

	if (shape->rows)
		return psprintf("CREATE INDEX ON %s (_hash)", name);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE UNIQUE INDEX ON %s (", name);
	if (shape->keys == NIL)
		appendStringInfoString(&sql, "(true)");
	foreach (cell, shape->keys)
	{
		appendStringInfo(&sql, "%s%s", comma,
						 quote_identifier(((StateColumn *) lfirst(cell))->name));
		comma = ", ";
	}
	appendStringInfoString(&sql, ") NULLS NOT DISTINCT");
	return sql.data;
}

/* ---- what users read ------------------------------------------------------------------------- */

/*
 * SELECT keys, finals FROM state AS s: analysed, so that PostgreSQL resolves what the finals say.
 */
static Query *
analyse_finals(const ViewShape *shape, const char *state)
{
	StringInfoData sql;
	ListCell *cell;
	RawStmt *raw;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT s.%s", shape->rows ? "_hash" : "_count");
	foreach (cell, shape->rows ? shape->columns : shape->keys)
		appendStringInfo(&sql, ", s.%s", quote_identifier(((StateColumn *) lfirst(cell))->name));
	foreach (cell, shape->aggregates)
		appendStringInfo(&sql, ", %s", ((ViewAggregate *) lfirst(cell))->final_sql);
	appendStringInfo(&sql, " FROM %s AS s", state);
	raw = linitial_node(RawStmt, raw_parser(sql.data, RAW_PARSE_DEFAULT));
	return parse_analyze_fixedparams(raw, sql.data, NULL, 0, NULL);
}

/* The rows as they are kept: all columns but the hash. */
static void
public_rows(const ViewShape *shape, Query *query)
{
	List *targets = NIL;
	ListCell *cell;

	foreach (cell, shape->query->targetList)
	{
		const TargetEntry *entry = lfirst(cell);
		int n = list_length(targets);
		const StateColumn *column = list_nth(shape->columns, n);

		if (entry->resjunk)
			continue;
		targets =
			lappend(targets, makeTargetEntry((Expr *) makeVar(1, n + 1, column->type,
															  column->typmod, column->collation, 0),
											 n + 1, pstrdup(entry->resname), false));
	}
	query->targetList = targets;
}

static Node *
replace(Node *node, ViewShape *shape)
{
	ListCell *cell;
	int n = 0;

	if (node == NULL)
		return NULL;
	foreach (cell, shape->keys)
	{
		const StateColumn *key = lfirst(cell);

		n++;
		if (equal(node, key->partial))
			return (Node *) makeVar(1, n, key->type, key->typmod, key->collation, 0);
	}
	if (shape->session && equal(node, shape->session->call))
	{
		const StateColumn *start = list_nth(shape->columns, n + 1);

		return (Node *) makeVar(1, n + 2, start->type, start->typmod, start->collation, 0);
	}
	if (IsA(node, Aggref))
		foreach (cell, shape->aggregates)
		{
			const ViewAggregate *aggregate = lfirst(cell);

			if (equal(aggregate->aggref, node))
				return copyObject((Node *) aggregate->final);
		}
	if (IsA(node, Var))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot have columns that follow from its keys "
							   "by a primary key alone"),
						errhint("Name them in GROUP BY."),
						shape_position(shape, ((Var *) node)->location)));
	return expression_tree_mutator(node, replace, shape);
}

/* The final's type is the aggregate's, or the view would not equal its query; but for a domain. */
static Expr *
checked(const ViewAggregate *aggregate, Expr *final)
{
	Oid type = exprType((Node *) final);

	if (type != aggregate->aggref->aggtype && type != getBaseType(aggregate->aggref->aggtype))
		elog(ERROR, "\"%s\" is of type %s, not %s", aggregate->final_sql, format_type_be(type),
			 format_type_be(aggregate->aggref->aggtype));
	return final;
}

Query *
generate_public(ViewShape *shape, const char *state)
{
	Query *query = analyse_finals(shape, state);
	int n = 1 + list_length(shape->keys);
	List *targets = NIL;
	ListCell *cell;

	if (shape->rows)
	{
		public_rows(shape, query);
		return query;
	}
	foreach (cell, shape->aggregates)
	{
		ViewAggregate *aggregate = lfirst(cell);
		TargetEntry *entry = list_nth(query->targetList, n++);

		aggregate->final = checked(aggregate, entry->expr);
	}
	foreach (cell, shape->query->targetList)
	{
		TargetEntry *entry = lfirst(cell);

		if (entry->resjunk)
			continue;
		targets = lappend(targets, makeTargetEntry((Expr *) replace((Node *) entry->expr, shape),
												   list_length(targets) + 1,
												   pstrdup(entry->resname), false));
	}
	query->targetList = targets;
	query->jointree->quals = replace(shape->query->havingQual, shape);
	return query;
}
