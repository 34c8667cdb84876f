#include "view/create.h"

#include "access/reloptions.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/name.h"
#include "base/spi.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/view.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "view/distinct.h"
#include "view/build.h"
#include "view/collect.h"
#include "view/fold.h"
#include "view/generate.h"
#include "view/handover.h"
#include "view/journal.h"
#include "view/pending.h"
#include "view/session_index.h"
#include "view/shape.h"
#include "view/suspend.h"
#include "view/trigger.h"
#include "view/utility.h"
#include "view/view.h"

/* Where else the words are not understood, who writes them is told where they belong. */
void
refuse_continuous(List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);
		bool ours = option->defnamespace != NULL && strcmp(option->defnamespace, "telemetry") == 0;

		if (ours || (option->defnamespace == NULL && strcmp(option->defname, "continuous") == 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized parameter \"%s%s\"", ours ? "telemetry." : "",
							option->defname),
					 errhint("A continuous view is made by CREATE MATERIALIZED VIEW ... WITH "
							 "(telemetry.continuous) AS SELECT ...")));
	}
}

bool
is_create_continuous(CreateTableAsStmt *stmt)
{
	ListCell *cell;
	bool wanted;

	if (stmt->objtype != OBJECT_MATVIEW)
	{
		refuse_continuous(stmt->into->options);
		return false;
	}
	foreach (cell, stmt->into->options)
	{
		DefElem *option = lfirst(cell);

		if (option->defnamespace == NULL || strcmp(option->defnamespace, "telemetry") != 0)
			continue;
		if (strcmp(option->defname, "continuous") != 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("unrecognized parameter \"telemetry.%s\"", option->defname),
							errhint("A materialized view takes WITH (telemetry.continuous).")));
		wanted = defGetBoolean(option);
		stmt->into->options = foreach_delete_current(stmt->into->options, cell);
		return wanted;
	}
	refuse_continuous(stmt->into->options);
	return false;
}

/* ---- what may be made, by whom --------------------------------------------------------------- */

static void
check_options(const IntoClause *into)
{
	if (into->rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot be temporary or unlogged"),
						errdetail("It would be lost where the table's rows are not."),
						errhint("Leave TEMPORARY or UNLOGGED out.")));
	if (into->options != NIL || into->tableSpaceName || into->accessMethod)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view has no storage parameters, access method or "
							   "tablespace of its own"),
						errhint("Set them on its state table, which telemetry.continuous_view "
								"names.")));
}

static void
check_rights(Oid target)
{
	Oid user = GetUserId();
	AclResult result;

	if (!compat_table_owner(target, user))
	{
		result = pg_class_aclcheck(target, user, ACL_TRIGGER);
		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_TABLE, get_rel_name(target));
	}
	result = pg_class_aclcheck(target, user, ACL_SELECT);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(target));
	if (check_enable_rls(target, user, true) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a continuous view cannot follow \"%s\", whose row-level security "
							   "applies to you",
							   get_rel_name(target)),
						errdetail("It is maintained from what others write, and would tell of rows "
								  "that you may not see."),
						errhint("Let the table's owner create it, or a role with BYPASSRLS.")));
}

/* What it finds there would depend on who writes, and with which settings. */
static void
check_lookups(const ViewShape *shape)
{
	ListCell *cell;

	foreach (cell, shape->query->rtable)
	{
		const RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind == RTE_RELATION && rte->relid != shape->target &&
			check_enable_rls(rte->relid, GetUserId(), true) == RLS_ENABLED)
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot look up rows of \"%s\", whose row-level "
						"security applies to you",
						get_rel_name(rte->relid)),
				 errdetail("Which of them it finds may depend on the settings of whoever writes."),
				 errhint("Let the table's owner create it, or a role with BYPASSRLS.")));
	}
}

/* ---- its parts ------------------------------------------------------------------------------- */

static Oid
define_view(const char *schema, const char *name, Query *query, Oid owner)
{
	CreateStmt *create = makeNode(CreateStmt);
	ObjectAddress address;
	ListCell *cell;

	create->relation = makeRangeVar(pstrdup(schema), pstrdup(name), -1);
	create->oncommit = ONCOMMIT_NOOP;
	foreach (cell, query->targetList)
	{
		TargetEntry *entry = lfirst(cell);
		Node *expr = (Node *) entry->expr;

		if (!entry->resjunk)
			create->tableElts =
				lappend(create->tableElts, makeColumnDef(entry->resname, exprType(expr),
														 exprTypmod(expr), exprCollation(expr)));
	}
	address = DefineRelation(create, RELKIND_VIEW, owner, NULL, NULL);
	CommandCounterIncrement();
	StoreViewQuery(address.objectId, copyObject(query), false);
	CommandCounterIncrement();
	return address.objectId;
}

static Oid
define_table(const char *create, const char *name, Oid owner)
{
	spi_run(create);
	spi_run(psprintf("ALTER TABLE " STATE_SCHEMA ".%s OWNER TO %s", name,
					 quote_identifier(GetUserNameFromId(owner, false))));
	return get_relname_relid(name, get_namespace_oid(STATE_SCHEMA, false));
}

/*
 * The view goes with its target; by drop.c, its parts go with the view. (Dependencies of the parts
 * on the view would go round in a circle, which pg_dump breaks by making the view twice.)
 */
void
view_depend(Oid view, Oid target)
{
	ObjectAddress dependent;
	ObjectAddress referenced;

	ObjectAddressSet(dependent, RelationRelationId, view);
	ObjectAddressSet(referenced, RelationRelationId, target);
	recordDependencyOn(&dependent, &referenced, DEPENDENCY_NORMAL);
}

static List *
component_names(const ViewShape *shape)
{
	List *names = NIL;
	ListCell *cell;

	foreach (cell, shape->columns)
	{
		const StateColumn *column = lfirst(cell);

		if (column->kind)
			names = lappend(names, pstrdup(column->kind->name));
	}
	return names;
}

/* The tables beside the state of a view of sessions; gives the name of what it reads. */
static char *
make_sessions(const ViewShape *shape, ViewRow *row, char *state, const char *expired, Oid owner)
{
	char *earlier = psprintf("v%d_earlier", row->id);
	char *qualified = psprintf(STATE_SCHEMA ".%s", earlier);
	char *sessions = psprintf("v%d_sessions", row->id);
	char *sql = generate_all_sessions(shape, state, qualified, expired);
	RawStmt *raw;

	row->earlier = define_table(generate_earlier_table(shape, qualified), earlier, owner);
	spi_run(psprintf("CREATE INDEX ON %s (_key, _reach)", qualified));
	raw = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	row->source = define_view(STATE_SCHEMA, sessions,
							  parse_analyze_fixedparams(raw, sql, NULL, 0, NULL), owner);
	return psprintf(STATE_SCHEMA ".%s", sessions);
}

/* Only of a partitioned table can anything expire; the table is there for all. */
static Oid
define_expired(const ViewShape *shape, Oid target, const char *name, Oid owner)
{
	char *qualified = psprintf(STATE_SCHEMA ".%s", name);
	Oid table = define_table(generate_expired_table(shape, qualified), name, owner);

	if (get_rel_relkind(target) == RELKIND_PARTITIONED_TABLE)
		spi_run(generate_expired_index(qualified));
	return table;
}

static ViewRow
make_parts(ViewShape *shape, const char *schema, const char *name, Oid owner)
{
	ViewRow row = {.id = view_next_id(), .target = shape->target, .status = VIEW_UNBUILT};
	char *state = psprintf("v%d_state", row.id);
	char *expired = psprintf("v%d_expired", row.id);
	char *qualified = psprintf(STATE_SCHEMA ".%s", state);
	OwnSpi scope;

	/* The schema is the extension's, the view's schema was checked: so no right is gained here. */
	own_spi_begin(&scope);
	row.state = define_table(generate_state_table(shape, qualified), state, owner);
	spi_run(generate_state_index(shape, qualified));
	row.expired = define_expired(shape, row.target, expired, owner);
	row.source = row.state;
	if (shape->session)
		qualified =
			make_sessions(shape, &row, qualified, psprintf(STATE_SCHEMA ".%s", expired), owner);
	row.definition =
		define_view(STATE_SCHEMA, psprintf("v%d_definition", row.id), shape->query, owner);
	row.partial =
		define_view(STATE_SCHEMA, psprintf("v%d_partial", row.id), generate_partial(shape), owner);
	row.view = define_view(schema, name, generate_public(shape, qualified), owner);
	own_spi_end(&scope);
	/* In the caller's memory: SPI's is gone. */
	row.nkeys = list_length(shape->rows ? shape->columns : shape->keys) - (shape->rows ? 1 : 0);
	row.components = component_names(shape);
	return row;
}

/* What keeps the distinct values of one expression. */
static void
make_helper(const ViewRow *view, const DistinctHelper *helper, int n, Oid owner)
{
	ViewShape *shape = distinct_shape(helper);
	ViewRow row = {.id = view_next_id(),
				   .target = view->target,
				   .status = view->status,
				   .feeds = view->id,
				   .feeds_count = helper->count ? helper->count->name : NULL,
				   .feeds_sum = helper->sum ? helper->sum->name : NULL};
	char *state = psprintf("v%d_distinct_%d", view->id, n);
	char *qualified = psprintf(STATE_SCHEMA ".%s", state);
	char *expired = psprintf("%s_expired", state);
	OwnSpi scope;

	own_spi_begin(&scope);
	row.state = define_table(generate_state_table(shape, qualified), state, owner);
	spi_run(generate_state_index(shape, qualified));
	row.source = row.state;
	row.expired = define_expired(shape, row.target, expired, owner);
	/* One query is all: nobody reads it. */
	row.partial = row.definition = row.view =
		define_view(STATE_SCHEMA, psprintf("%s_partial", state), generate_partial(shape), owner);
	own_spi_end(&scope);
	row.nkeys = list_length(shape->keys);
	row.components = component_names(shape);
	view_insert(&row);
}

void
view_give_parts(const ViewRow *row, Oid owner)
{
	Oid parts[] = {row->state,   row->definition, row->partial,
				   row->expired, row->earlier,    row->source};
	OwnSpi scope;

	own_spi_begin(&scope);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (!OidIsValid(parts[i]))
			continue;
		ATExecChangeOwner(parts[i], owner, false, AccessExclusiveLock);
		/* One relation may stand for several parts. */
		CommandCounterIncrement();
	}
	own_spi_end(&scope);
}

/* ---- the statements -------------------------------------------------------------------------- */

static void
name_columns(Query *query, List *names)
{
	ListCell *name = list_head(names);
	ListCell *cell;

	foreach (cell, query->targetList)
	{
		TargetEntry *entry = lfirst(cell);

		if (entry->resjunk || name == NULL)
			continue;
		entry->resname = pstrdup(strVal(lfirst(name)));
		name = lnext(names, name);
	}
	if (name)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("too many column names were specified")));
}

/*
 * Writers of the table that is followed in the end wait from here on, as for CREATE INDEX, so that
 * what is built misses none of them.
 */
static void
hold_writers_off(Oid target)
{
	Oid not_live;
	Oid table = view_table(target, &not_live);

	if (OidIsValid(not_live))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("continuous view \"%s\" is not live", get_rel_name(not_live)),
						errhint("REFRESH MATERIALIZED VIEW %s.", qualified_name(not_live))));
	LockRelationOid(table, ShareRowExclusiveLock);
	suspend_refuse_building(table);
}

static uint64
build(const ViewRow *row)
{
	ListCell *cell;

	view_set_status(row->id, VIEW_LIVE, NULL);
	CommandCounterIncrement();
	foreach (cell, view_helpers(row, CurrentMemoryContext))
		fold_rebuild(known_view(((ViewRow *) lfirst(cell))->view));
	CommandCounterIncrement();
	return fold_rebuild(known_view(row->view));
}

void
view_create(CreateTableAsStmt *stmt, const char *source_text, QueryCompletion *completion)
{
	IntoClause *into = stmt->into;
	Query *query = copyObject(castNode(Query, stmt->query));
	Oid existing = InvalidOid;
	Oid schema;
	ViewShape *shape;
	ListCell *cell;
	ViewRow row;

	view_check_preloaded();
	check_options(into);
	schema = RangeVarGetAndCheckCreationNamespace(into->rel, NoLock, &existing);
	if (OidIsValid(existing))
	{
		if (!stmt->if_not_exists)
			ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
							errmsg("relation \"%s\" already exists", into->rel->relname)));
		ereport(NOTICE, (errcode(ERRCODE_DUPLICATE_TABLE),
						 errmsg("relation \"%s\" already exists, skipping", into->rel->relname)));
		return;
	}
	name_columns(query, into->colNames);
	shape = shape_analyse(query, source_text);
	check_rights(shape->target);
	check_lookups(shape);
	hold_writers_off(shape->target);
	row = make_parts(shape, get_namespace_name(schema), into->rel->relname, GetUserId());
	view_insert(&row);
	foreach (cell, shape->helpers)
		make_helper(&row, lfirst(cell), foreach_current_index(cell) + 1, GetUserId());
	view_depend(row.view, row.target);
	CommandCounterIncrement();
	if (get_rel_relkind(row.target) != RELKIND_VIEW)
	{
		check_logged(row.target);
		triggers_install(row.target);
	}
	CommandCounterIncrement();
	if (!into->skipData)
	{
		uint64 groups = build(&row);

		/* As of any CREATE MATERIALIZED VIEW; SPI relies on it. */
		if (completion)
			SetQueryCompletion(completion, CMDTAG_SELECT, groups);
	}
	if (shape->session)
		session_propose_index(shape);
}

static void
empty(const ViewRow *row)
{
	OwnSpi scope;

	/* What this transaction has changed is in the table, and comes with its rows. */
	pending_supersede(pending_view(row->view, row->target, known_view(row->view)->desc), false);
	own_spi_begin(&scope);
	/* Writers are held off, but may have come since this transaction's snapshot. */
	execute_latest(psprintf("DELETE FROM %s",
							quote_qualified_identifier(STATE_SCHEMA, get_rel_name(row->state))));
	if (OidIsValid(row->earlier))
		execute_latest(psprintf("DELETE FROM %s", quote_qualified_identifier(
													  STATE_SCHEMA, get_rel_name(row->earlier))));
	own_spi_end(&scope);
}

/* With those over it, which hold what they got of it. */
static void
refresh(ViewRow *row, bool with_data)
{
	ListCell *cell;

	if (with_data)
		collect_require_buildable(known_view(row->view));
	view_set_status(row->id, VIEW_UNBUILT, NULL);
	/* Of a build that was interrupted. */
	journal_drop(row);
	CommandCounterIncrement();
	foreach (cell, view_helpers(row, CurrentMemoryContext))
		empty(lfirst(cell));
	empty(row);
	if (with_data)
		build(row);
	foreach (cell, view_all(row->view, CurrentMemoryContext))
		if (((ViewRow *) lfirst(cell))->feeds == 0)
			refresh(lfirst(cell), with_data);
}

void
view_refresh(Oid view, bool with_data)
{
	if (!compat_table_owner(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, get_rel_name(view));
	view_rebuild(view, with_data);
}

void
view_rebuild(Oid view, bool with_data)
{
	ViewRow *row = view_by_oid(view, CurrentMemoryContext);

	build_exclude(view);
	hold_writers_off(row->target);
	if (get_rel_relkind(row->target) != RELKIND_VIEW)
	{
		check_logged(row->target);
		triggers_install(row->target);
		CommandCounterIncrement();
		triggers_check(row->target);
	}
	refresh(row, with_data);
}

void
view_refresh_concurrently(Oid view)
{
	if (!compat_table_owner(view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, get_rel_name(view));
	build_online(view);
}
