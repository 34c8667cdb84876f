#include "postgres.h"

#include "base/compat.h"
#include "utils/lsyscache.h"
#include "view/view.h"

#include "view/fold.h"
#include "view/known.h"
#include "view/leaf.h"
#include "view/partition.h"
#include "view/pending.h"
#include "view/progress.h"
#include "view/read_only.h"
#include "view/statistics.h"
#include "view/utility.h"

static bool preloaded;

void
view_init(void)
{
	known_init();
	pending_init(fold_pending);
	utility_init();
	read_only_init();
	leaf_init();
	partition_init();
	statistics_init();
	progress_init();
	preloaded = process_shared_preload_libraries_in_progress;
}

void
view_fold(bool careful)
{
	if (!pending_any())
		return;
	if (careful)
		fold_or_break();
	else
		fold_pending();
}

void
view_check_preloaded(void)
{
	if (!preloaded)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("telemetry is not in shared_preload_libraries"),
			 errdetail("Continuous views would miss what other sessions do to partitions."),
			 errhint("Add the line shared_preload_libraries = 'telemetry' to postgresql.conf and "
					 "restart PostgreSQL.")));
}

void
view_refuse_other(Oid relation)
{
	const char *name = get_rel_name(relation);

	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("\"%s\" is not a continuous view", name ? name : "?"),
					errhint("telemetry.continuous_view lists those that are.")));
}
