/*
 * The module's entry point, and nothing else: each floor registers what is its own.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/guc.h"
#include "session/session.h"
#include "view/view.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	guc_define();
	session_init();
	view_init();
	worker_init();
}
