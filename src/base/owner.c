#include "base/owner.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

void
owner_begin_unpinned(OwnerScope *scope, Oid owner)
{
	GetUserIdAndSecContext(&scope->user, &scope->context);
	SetUserIdAndSecContext(owner, scope->context | SECURITY_RESTRICTED_OPERATION |
									  SECURITY_LOCAL_USERID_CHANGE);
	scope->guc_level = NewGUCNestLevel();
}

static void
pin(const char *const *setting)
{
	(void) set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

void
owner_begin(OwnerScope *scope, Oid owner)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"TimeZone", "UTC"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"bytea_output", "hex"},
		{"extra_float_digits", "1"},
		{"quote_all_identifiers", "off"},
		{"xmlbinary", "base64"},
		{"row_security", "on"},
	};

	/* Setting it reads a file, even where it is what it was. */
	static const char *const abbreviations[] = {"timezone_abbreviations", "Default"};

	owner_begin_unpinned(scope, owner);
	if (strcmp(GetConfigOption(abbreviations[0], false, false), abbreviations[1]) != 0)
		pin(abbreviations);
	for (size_t i = 0; i < lengthof(settings); i++)
		pin(settings[i]);
}

void
owner_end(const OwnerScope *scope)
{
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->user, scope->context);
}

Oid
owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist any more", relation)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}
