/*
 * Texts of values: pieces between separators, times that no setting changes, what messages show.
 */
#ifndef TELEMETRY_TYPE_TEXT_H
#define TELEMETRY_TYPE_TEXT_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Cuts *text at the next of the separators, which is returned ('\0' at the end). *piece is what was
 * before it, without the spaces around.
 */
extern char text_cut(char **text, const char *separators, char **piece);

/* A time in UTC, as ISO 8601 has it. */
extern void text_append_time(StringInfo out, int64 time);

/* As type timestamptz reads it. */
extern int64 text_read_time(char *text);

/* Of a text that is refused, as much as a message shows: in whole characters. */
extern char *text_shown(const char *text);

#endif
