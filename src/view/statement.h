/*
 * Pieces of the statements that merge partial rows, for those who write others of them.
 */
#ifndef TELEMETRY_VIEW_STATEMENT_H
#define TELEMETRY_VIEW_STATEMENT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "view/known.h"

/*
 * Lists of columns, each behind the prefix ("d."; "" for none): all, keys, what is behind the keys.
 */
extern char *statement_columns(const KnownView *view, const char *prefix);
extern char *statement_keys(const KnownView *view, const char *prefix);
extern char *statement_values(const KnownView *view, const char *prefix);

/* The keys as they are, and over rows of one group what merging them all gives of the rest. */
extern char *statement_gathering(const KnownView *view, bool keys);

/* " ORDER BY keys", the same for all writers. */
extern char *statement_order(const KnownView *view);

/* ROW(keys)::record: compared by record_eq, to which NULL equals NULL, and which hashes. */
extern char *statement_key_record(const KnownView *view, const char *prefix);

/* max() and min() of PostgreSQL, where what comes may make up for what goes. */
extern bool statement_is_extreme(const KnownColumn *column);

#endif
