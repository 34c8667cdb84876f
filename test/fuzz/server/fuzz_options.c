/*
 * Any words as options. The first byte says of what (a server, a user mapping, a table, a column,
 * the wrapper, or a catalog that has none) and, by its case, who gives them: a superuser for a big
 * letter. Each line of the rest is one option, name=value.
 */
#include "fuzz_server.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MOST_OPTIONS 16

static FmgrInfo validator;
static Oid nobody;
static Oid user;
static int security;

static void
options_begin(void)
{
	bool isnull;

	SPI_connect();
	if (SPI_execute("SELECT 'telemetry.telemetry_kafka_validator(text[], oid)'::regprocedure::oid",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "no validator");
	fmgr_info_cxt(
		DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)),
		&validator, TopMemoryContext);
	SPI_finish();
	nobody = get_role_oid("fuzz_nobody", false);
}

static void
options_before(void)
{
	GetUserIdAndSecContext(&user, &security);
}

static void
options_after(void)
{
	SetUserIdAndSecContext(user, security);
}

static Oid
catalog_of(char letter)
{
	switch (letter | 0x20)
	{
		case 's':
			return ForeignServerRelationId;
		case 'u':
			return UserMappingRelationId;
		case 't':
			return ForeignTableRelationId;
		case 'c':
			return AttributeRelationId;
		case 'w':
			return ForeignDataWrapperRelationId;
		default:
			return TypeRelationId;
	}
}

static void
options_input(const uint8_t *data, size_t size)
{
	char *lines[MOST_OPTIONS];
	Datum elements[MOST_OPTIONS];
	int n;

	if (size == 0)
		return;
	n = fuzz_lines(data + 1, size - 1, lines, MOST_OPTIONS);
	for (int i = 0; i < n; i++)
	{
		/* Libraries that librdkafka loads at once are their superuser's affair. */
		if (strncmp(lines[i], "plugin.library.paths=", 21) == 0)
			return;
		elements[i] = CStringGetTextDatum(lines[i]);
	}
	if (n < 0)
		return;
	if ((data[0] & 0x20) != 0)
		SetUserIdAndSecContext(nobody, security | SECURITY_LOCAL_USERID_CHANGE);
	(void) FunctionCall2(
		&validator, PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT)),
		ObjectIdGetDatum(catalog_of((char) data[0])));
}

const FuzzTarget fuzz_options = {"options", options_begin, options_before, options_input,
								 options_after};
