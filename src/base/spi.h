/*
 * Statements through SPI. spi_*: on any table, in the caller's connection and with his rights;
 * own_spi_*: on the extension's own tables.
 */
#ifndef TELEMETRY_BASE_SPI_H
#define TELEMETRY_BASE_SPI_H

#include "postgres.h"

#include "executor/spi.h"

/* SPI_connect(), whose failure is an error. */
extern void spi_connect(void);

/* Plans and runs a statement. What SPI itself refuses is an error that shows the statement. */
extern void spi_run(const char *sql);
extern void spi_run_with(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls);

/* A plan that outlives the connection. */
extern SPIPlanPtr spi_keep_plan(const char *sql, int nargs, const Oid *types);

/*
 * The scope of own_spi_*: the rights of the bootstrap superuser, a pinned search_path and no trace
 * in the caller's settings. Only for statements that we wrote ourselves: nothing of a user's (his
 * triggers, functions, operators) may run inside.
 */
typedef struct OwnSpi
{
	Oid saved_user;
	int saved_context;
	int guc_level;
} OwnSpi;

extern void own_spi_begin(OwnSpi *scope);
extern void own_spi_end(OwnSpi *scope);

/*
 * Runs a statement whose plan is kept in *plan (prepared at first use). nulls as in SPI_execp: a
 * char per argument, 'n' for NULL, or NULL. Checks that the result is what the statement promises;
 * returns the number of rows.
 */
extern uint64 own_spi_run(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
						  Datum *values, const char *nulls);

/*
 * The same, with a snapshot of now also where the transaction's is older (REPEATABLE READ): what it
 * writes must take into account what was made since.
 */
extern uint64 own_spi_run_latest(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
								 Datum *values, const char *nulls);

/* The one value, passed by value, that a statement on a relation gives; in a scope of its own. */
extern Datum own_spi_ask(SPIPlanPtr *plan, const char *sql, Oid relation, bool *isnull);

/* Column of the current result, by position from 1. */
extern Datum own_spi_datum(uint64 row, int column, bool *isnull);

/* The same as a number, or what it is for NULL; as an OID, InvalidOid for NULL. */
extern int64 own_spi_int64(uint64 row, int column, int64 otherwise);
extern int32 own_spi_int32(uint64 row, int column, int32 otherwise);
extern Oid own_spi_oid(uint64 row, int column);

/* The same as text, palloc'd in context; NULL for NULL. */
extern char *own_spi_text(uint64 row, int column, MemoryContext context);

/*
 * True if the extension is there; then it stays until the end of the transaction. Asked before
 * anything else is locked: DROP EXTENSION begins with the same lock.
 */
extern bool own_extension_stays(void);

/* The same of a table that an update of the extension may yet have to bring. */
extern bool own_table_stays(const char *table);

#endif
