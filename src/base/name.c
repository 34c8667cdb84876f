#include "postgres.h"

#include "base/name.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}
