/*
 * Differences between PostgreSQL's major versions, each with its reason. No other file may test
 * PG_VERSION_NUM. Supported: 15 to 18; tested from the first day on 15 and 17.
 */
#ifndef TELEMETRY_BASE_COMPAT_H
#define TELEMETRY_BASE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "telemetry needs PostgreSQL 15 or later"
#endif

/*
 * Elsewhere int8 and timestamptz are pointers in a Datum, and sums have no 128-bit integers to be
 * exact in.
 */
#if SIZEOF_VOID_P < 8 || !defined(__SIZEOF_INT128__)
#error "telemetry needs a 64-bit machine"
#endif

/* 16 took the macros of variable-length values (SET_VARSIZE, ...) out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 gave EXPLAIN more headers, and the mark of functions that do not return a new name. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif
#endif

/*
 * 16 and later declare an SQL-callable function exported; 15 only its info record, and since all
 * else is hidden here, the function would not be found. Files with such functions include this.
 */
#if PG_VERSION_NUM < 160000
#include "fmgr.h"
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname)                                                              \
	extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS);                                           \
	extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname)(void);                \
	const Pg_finfo_record *CppConcat(pg_finfo_, funcname)(void)                                    \
	{                                                                                              \
		static const Pg_finfo_record my_finfo = {1};                                               \
                                                                                                   \
		return &my_finfo;                                                                          \
	}                                                                                              \
	extern int no_such_variable
#endif

#include "catalog/pg_foreign_server.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "optimizer/pathnode.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"

/* 16 has one function for the rights on any kind of object. */
static inline AclResult
compat_server_aclcheck(Oid server, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role, mode);
#else
	return pg_foreign_server_aclcheck(server, role, mode);
#endif
}

/*
 * As whom a foreign table is read: through a view, as its owner. 16 moved checkAsUser from the
 * range table into the plan.
 */
static inline Oid
compat_scan_user(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
#if PG_VERSION_NUM >= 160000
	Oid user = plan->checkAsUser;
#else
	Oid user = exec_rt_fetch(plan->scan.scanrelid, node->ss.ps.state)->checkAsUser;
#endif

	return OidIsValid(user) ? user : GetUserId();
}

/* As whom rows are inserted into a foreign table; moved likewise. */
static inline Oid
compat_result_user(ResultRelInfo *result, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	return ExecGetResultRelCheckAsUser(result, estate);
#else
	ResultRelInfo *named =
		result->ri_RootResultRelInfo != NULL ? result->ri_RootResultRelInfo : result;
	Oid user = InvalidOid;

	if (named->ri_RangeTableIndex > 0)
		user = exec_rt_fetch(named->ri_RangeTableIndex, estate)->checkAsUser;
	return OidIsValid(user) ? user : GetUserId();
#endif
}

/* 17 added the restrictions of a pushed-down join, 18 the number of disabled nodes. */
static inline ForeignPath *
compat_create_foreignscan_path(PlannerInfo *root, RelOptInfo *relation, double rows, Cost startup,
							   Cost total, Relids outer)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, relation, NULL, rows, 0, startup, total, NIL, outer, NULL,
								   NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, relation, NULL, rows, startup, total, NIL, outer, NULL,
								   NIL, NIL);
#else
	return create_foreignscan_path(root, relation, NULL, rows, startup, total, NIL, outer, NULL,
								   NIL);
#endif
}

#include "optimizer/cost.h"

/* What sorting the rows of a path costs. 18 added the number of disabled nodes. */
static inline void
compat_cost_sort(Path *path, PlannerInfo *root, const Path *below, int kilobytes)
{
#if PG_VERSION_NUM >= 180000
	cost_sort(path, root, NIL, below->disabled_nodes, below->total_cost, below->rows,
			  below->pathtarget->width, 0.0, kilobytes, -1.0);
#else
	cost_sort(path, root, NIL, below->total_cost, below->rows, below->pathtarget->width, 0.0,
			  kilobytes, -1.0);
#endif
}

#include "catalog/pg_database.h"
#include "utils/acl.h"

/* Minor releases before November of 2023 do not mark a database that is half gone. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB -2
#endif

/* 16 replaced the checks of ownership and rights of each catalog by one function each. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#define compat_database_owner(database, role) object_ownercheck(DatabaseRelationId, database, role)
#include "catalog/pg_namespace.h"
#define compat_table_owner(table, role)   object_ownercheck(RelationRelationId, table, role)
#define compat_schema_owner(schema, role) object_ownercheck(NamespaceRelationId, schema, role)
#include "catalog/pg_tablespace.h"
#define compat_tablespace_create(space, role)                                                      \
	(object_aclcheck(TableSpaceRelationId, space, role, ACL_CREATE) == ACLCHECK_OK)
#else
#define compat_database_owner(database, role) pg_database_ownercheck(database, role)
#define compat_table_owner(table, role)       pg_class_ownercheck(table, role)
#define compat_schema_owner(schema, role)     pg_namespace_ownercheck(schema, role)
#define compat_tablespace_create(space, role)                                                      \
	(pg_tablespace_aclcheck(space, role, ACL_CREATE) == ACLCHECK_OK)
#endif

/*
 * An executor's range table of one relation. 16 took the permissions out of its entry, 18 asks
 * which entries pruning left over.
 */
#if PG_VERSION_NUM >= 180000
#define compat_init_range_table(estate, rte, perms)                                                \
	do                                                                                             \
	{                                                                                              \
		List *permissions_ = NIL;                                                                  \
		addRTEPermissionInfo(&permissions_, rte)->requiredPerms = (perms);                         \
		ExecInitRangeTable(estate, list_make1(rte), permissions_, bms_make_singleton(1));          \
	} while (0)
#elif PG_VERSION_NUM >= 160000
#define compat_init_range_table(estate, rte, perms)                                                \
	do                                                                                             \
	{                                                                                              \
		List *permissions_ = NIL;                                                                  \
		addRTEPermissionInfo(&permissions_, rte)->requiredPerms = (perms);                         \
		ExecInitRangeTable(estate, list_make1(rte), permissions_);                                 \
	} while (0)
#else
#define compat_init_range_table(estate, rte, perms)                                                \
	do                                                                                             \
	{                                                                                              \
		(rte)->requiredPerms = (perms);                                                            \
		ExecInitRangeTable(estate, list_make1(rte));                                               \
	} while (0)
#endif

/* 16 and 17 brought expressions that make JSON of values, and that read values from it. */
#if PG_VERSION_NUM >= 160000
#define compat_json_writes(node)                                                                   \
	(IsA(node, JsonConstructorExpr) ? ((JsonConstructorExpr *) (node))->args : NIL)
#else
#define compat_json_writes(node) NIL
#endif
#if PG_VERSION_NUM >= 170000
#define compat_json_reads(node)                                                                    \
	(IsA(node, JsonExpr) ? ((JsonExpr *) (node))->returning->typid : InvalidOid)
#else
#define compat_json_reads(node) InvalidOid
#endif

/* Which columns of a relation a query reads: 16 keeps it apart. */
#if PG_VERSION_NUM >= 160000
#define compat_columns_read(query, rte)                                                            \
	(getRTEPermissionInfo((query)->rteperminfos, (RangeTblEntry *) (rte))->selectedCols)
#else
#define compat_columns_read(query, rte) ((rte)->selectedCols)
#endif

/* 16 computes the map from the root's layout when asked; 15 has it since routing. */
#if PG_VERSION_NUM >= 160000
#define compat_root_to_child_map(rri, estate) ExecGetRootToChildMap(rri, estate)
#else
#define compat_root_to_child_map(rri, estate) ((rri)->ri_RootToPartitionMap)
#endif

/*
 * 16 can restrict it to summarizing indexes. conflict: NULL, or where to say that a unique index
 * may have the key already, instead of an error.
 */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples(rri, slot, estate, conflict)                                    \
	ExecInsertIndexTuples(rri, slot, estate, false, (conflict) != NULL, conflict, NIL, false)
#else
#define compat_insert_index_tuples(rri, slot, estate, conflict)                                    \
	ExecInsertIndexTuples(rri, slot, estate, false, (conflict) != NULL, conflict, NIL)
#endif

/*
 * A row becomes what the slot holds, with its index entries; not if somebody else changed it since.
 * 16 says which indexes want an entry, 15 whether they do.
 */
#include "access/tableam.h"
static inline TM_Result
compat_update_row(ResultRelInfo *rri, EState *estate, ItemPointer row, TupleTableSlot *slot,
				  CommandId command, Snapshot snapshot, TM_FailureData *failure)
{
	LockTupleMode mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;

	result = table_tuple_update(rri->ri_RelationDesc, row, slot, command, snapshot, InvalidSnapshot,
								true, failure, &mode, &indexes);
	if (result == TM_Ok && indexes != TU_None)
		list_free(ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL,
										indexes == TU_Summarizing));
#else
	bool indexes;

	result = table_tuple_update(rri->ri_RelationDesc, row, slot, command, snapshot, InvalidSnapshot,
								true, failure, &mode, &indexes);
	if (result == TM_Ok && indexes)
		list_free(ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL));
#endif
	return result;
}

/* False if a unique index has the key, and where; 18 is told of a row to be passed over. */
#if PG_VERSION_NUM >= 180000
#define compat_check_conflict(rri, slot, estate, row)                                              \
	ExecCheckIndexConstraints(rri, slot, estate, row, &(slot)->tts_tid, NIL)
#else
#define compat_check_conflict(rri, slot, estate, row)                                              \
	ExecCheckIndexConstraints(rri, slot, estate, row, NIL)
#endif

/* What computes a table's generated columns; 18 takes those along that are not stored. */
#if PG_VERSION_NUM >= 180000
#define compat_init_generated(rri, estate) ExecInitGenerated(rri, estate, CMD_INSERT)
#else
#define compat_init_generated(rri, estate) ExecInitStoredGenerated(rri, estate, CMD_INSERT)
#endif

/* 18 knows constraints that are not enforced, and generated columns that are not stored. */
#if PG_VERSION_NUM >= 180000
#define compat_check_is_enforced(check)  ((check)->ccenforced)
#define compat_key_is_enforced(info)     ((info)->conenforced)
#define compat_has_virtual_columns(desc) ((desc)->constr && (desc)->constr->has_generated_virtual)
#else
#define compat_check_is_enforced(check)  ((check)->ccbin != NULL)
#define compat_key_is_enforced(info)     true
#define compat_has_virtual_columns(desc) false
#endif

/* 18 counts what a scan does. */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(table, index, snapshot, nkeys)                                      \
	index_beginscan(table, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(table, index, snapshot, nkeys)                                      \
	index_beginscan(table, index, snapshot, nkeys, 0)
#endif

/* Who may give an object away to whom: 16 asks for SET, 15 for membership. */
#if PG_VERSION_NUM >= 160000
#define compat_may_become(member, role) member_can_set_role(member, role)
#else
#define compat_may_become(member, role) is_member_of_role(member, role)
#endif

/* 18 lets grouped expressions be columns of a range table entry of their own. */
#if PG_VERSION_NUM >= 180000
#include "optimizer/optimizer.h"
static inline void
compat_flatten_group(Query *query)
{
	if (!query->hasGroupRTE)
		return;
	query->targetList = (List *) flatten_group_exprs(NULL, query, (Node *) query->targetList);
	query->havingQual = flatten_group_exprs(NULL, query, query->havingQual);
	query->rtable = list_truncate(query->rtable, list_length(query->rtable) - 1);
	query->hasGroupRTE = false;
}

/* What a target entry that is grouped by stands for, without flattening the query. */
static inline Node *
compat_grouped_expr(Query *query, TargetEntry *entry)
{
	if (query->hasGroupRTE && IsA(entry->expr, Var) && ((Var *) entry->expr)->varlevelsup == 0)
	{
		Var *var = (Var *) entry->expr;
		RangeTblEntry *rte = list_nth(query->rtable, var->varno - 1);

		if (rte->rtekind == RTE_GROUP)
			return list_nth(rte->groupexprs, var->varattno - 1);
	}
	return (Node *) entry->expr;
}
#else
#define compat_flatten_group(query)        ((void) (query))
#define compat_grouped_expr(query, target) ((Node *) (target)->expr)
#endif

/* 16 keeps the rights that a query needs apart from its range table. */
#if PG_VERSION_NUM >= 160000
#define compat_forget_rights(rte) ((rte)->perminfoindex = 0)
#else
#define compat_forget_rights(rte) ((rte)->requiredPerms = 0)
#endif

/* They go along when a range table moves into another query. */
#if PG_VERSION_NUM >= 160000
#define compat_move_rights(to, from)                                                               \
	((to)->rteperminfos = (from)->rteperminfos, (from)->rteperminfos = NIL)
#else
#define compat_move_rights(to, from) ((void) (to))
#endif

/* 18 runs a query once and no more, without being told. */
#if PG_VERSION_NUM >= 180000
#define compat_executor_run(query) ExecutorRun(query, ForwardScanDirection, 0)
#else
#define compat_executor_run(query) ExecutorRun(query, ForwardScanDirection, 0, true)
#endif

/* 17 lets the expression of a generated column be changed, which computes its values anew. */
#if PG_VERSION_NUM >= 170000
#define compat_sets_expression(command) ((command)->subtype == AT_SetExpression)
#else
#define compat_sets_expression(command) false
#endif

/* 18 has columns that are generated when they are read. */
#define COMPAT_GENERATED_VIRTUAL 'v'

#endif
