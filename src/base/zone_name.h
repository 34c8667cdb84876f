/*
 * Time zones by name, as pg_timezone_names lists them.
 */
#ifndef TELEMETRY_BASE_ZONE_NAME_H
#define TELEMETRY_BASE_ZONE_NAME_H

#include "postgres.h"

#include "pgtime.h"

/*
 * Rules in the manner of POSIX are taken by pg_tzset() as well: "UTC+2" is a zone two hours west of
 * Greenwich, and what nobody who writes it means. Only they hold digits, but for these names.
 */
static inline bool
zone_name_is_rule(const char *name)
{
	static const char *const names[] = {"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
										"GMT0",    "GMT+0",   "GMT-0"};

	/* Folders of another copy of the same names. */
	if (pg_strncasecmp(name, "posix/", 6) == 0 || pg_strncasecmp(name, "right/", 6) == 0)
		name += 6;
	if (strpbrk(name, "0123456789") == NULL || pg_strncasecmp(name, "Etc/", 4) == 0)
		return false;
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (pg_strcasecmp(name, names[i]) == 0)
			return false;
	}
	return true;
}

/*
 * NULL: there is no zone of that name. Abbreviations that are no zone of their own are none: what
 * they mean depends on a setting, timezone_abbreviations.
 */
static inline pg_tz *
zone_of_name(const char *name)
{
	pg_tz *zone;

	if (strlen(name) > TZ_STRLEN_MAX || zone_name_is_rule(name))
		return NULL;
	zone = pg_tzset(name);
	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

#endif
