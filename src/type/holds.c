#include "type/holds.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/compat.h"

bool
row_holds(TupleDesc desc, Oid wanted)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			type_holds(TupleDescAttr(desc, i)->atttypid, wanted))
			return true;
	return false;
}

bool
type_holds(Oid type, Oid wanted)
{
	Oid element;
	TupleDesc desc;
	bool found;

	type = getBaseType(type);
	if (OidIsValid(wanted) ? type == wanted : get_typtype(type) == TYPTYPE_ENUM)
		return true;
	element = get_element_type(type);
	if (OidIsValid(element))
		return type_holds(element, wanted);
	if (type_is_range(type))
		return type_holds(get_range_subtype(type), wanted);
	if (type_is_multirange(type))
		return type_holds(get_multirange_range(type), wanted);
	if (get_typtype(type) != TYPTYPE_COMPOSITE)
		return false;
	desc = lookup_rowtype_tupdesc(type, -1);
	found = row_holds(desc, wanted);
	ReleaseTupleDesc(desc);
	return found;
}
