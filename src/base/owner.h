/*
 * A scope in which everything runs as somebody else than the session's user: the owner of a
 * pipeline or of a continuous view, in a security-restricted operation, with settings pinned on
 * which results depend. Whatever runs, plans or folds expressions of the users' does so between the
 * two calls. An error needs no owner_end(): the end of the (sub)transaction restores the rest.
 */
#ifndef TELEMETRY_BASE_OWNER_H
#define TELEMETRY_BASE_OWNER_H

#include "postgres.h"

typedef struct OwnerScope
{
	Oid user;
	int context;
	int guc_level;
} OwnerScope;

extern void owner_begin(OwnerScope *scope, Oid owner);

/*
 * The same with settings as they are, for what is known to depend on none and to run no code of
 * users: it costs a tenth.
 */
extern void owner_begin_unpinned(OwnerScope *scope, Oid owner);
extern void owner_end(const OwnerScope *scope);

/* Whose a relation is; ereports if it is gone. */
extern Oid owner_of(Oid relation);

#endif
