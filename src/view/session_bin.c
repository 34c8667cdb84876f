/*
 * Which events of a batch are of one session shows when they are in the order of time, and sorting
 * them is most of what collecting costs. But two events less than a gap apart are of one session in
 * any case. So those of a key within a stretch of time as long as the gap are one group, which
 * needs a hash table and no order. A batch of a live stream lies in one such stretch, or two.
 */
#include "view/session_bin.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "session/session.h"

void
session_bin(Query *query)
{
	SessionWindow *window = session_window_of(query, NULL);
	Oid types[2];
	Oid bin;

	if (window == NULL || window->entry == NULL || window->end_when || window->max_length ||
		!IsA(window->gap, Const) || ((Const *) window->gap)->constisnull)
		return;
	types[0] = exprType((Node *) window->event_time);
	types[1] = exprType((Node *) window->gap);
	bin = LookupFuncName(list_make2(makeString("telemetry"), makeString("_session_bin")), 2, types,
						 false);
	window->entry->expr = (Expr *) makeFuncExpr(
		bin, types[0], list_make2(copyObject(window->event_time), copyObject(window->gap)),
		InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}
