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

#endif
