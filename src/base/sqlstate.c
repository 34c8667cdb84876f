#include "base/sqlstate.h"

#include "utils/errcodes.h"

static bool
sqlstate_is_data_error(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION: /* 22: malformed, out of range, division by zero */
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION: /* 23 */
		case ERRCODE_CARDINALITY_VIOLATION:          /* 21: a subquery of a rule or trigger */
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:    /* 44 */
		case ERRCODE_PLPGSQL_ERROR:                  /* P0: RAISE EXCEPTION in a trigger */
		case ERRCODE_TRIGGERED_ACTION_EXCEPTION:     /* 09 */
			return true;
	}

	switch (sqlstate)
	{
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED: /* a value too long for an index, a row too big */
		case ERRCODE_STATEMENT_TOO_COMPLEX:  /* nesting deeper than the stack allows */
		case ERRCODE_UNTRANSLATABLE_CHARACTER:
		case ERRCODE_CHARACTER_NOT_IN_REPERTOIRE:
			return true;
	}
	return false;
}

bool
error_is_of_data(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_SYNTAX_ERROR && error->cursorpos <= 0 &&
		error->internalpos <= 0)
		return true;
	return sqlstate_is_data_error(error->sqlerrcode);
}

bool
error_is_of_input(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: /* 42704: no such regconfig */
			return error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE;
		case ERRCODE_INVALID_SCHEMA_NAME: /* 3F: of a regclass */
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			return true;
	}
	return error->sqlerrcode == ERRCODE_INTERNAL_ERROR || error_is_of_data(error);
}
