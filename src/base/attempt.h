/*
 * What may fail for the data's sake, in a subtransaction: PostgreSQL's errors can be caught in no
 * other way.
 */
#ifndef TELEMETRY_BASE_ATTEMPT_H
#define TELEMETRY_BASE_ATTEMPT_H

#include "postgres.h"

/*
 * Calls body(argument) in the caller's memory context. NULL: it is done, and stays with the
 * transaction; else its error, in that context, and all that it did to the database is undone.
 * Whatever error it is: what is not the data's fault, the caller throws again (ReThrowError()).
 */
extern ErrorData *attempt(void (*body)(void *argument), void *argument);

/* An error in one line, for where it is kept and shown: its message and, if any, its detail. */
extern char *error_line(const ErrorData *error);

#endif
