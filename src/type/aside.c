#include "type/aside.h"

#include "access/detoast.h"

/*
 * Per change an update logs the aside, on average half of what it grows to, and now and then the
 * base; the sum is least where aside^2 = 2 * base * (what a change adds): some 4 bytes.
 */
#define CHANGE 4

/* A base of fewer bytes is as well written itself. */
#define BASE_LEAST 512

/* What brings more at once is worth writing the base for: a row is to stay below 2,000 bytes. */
#define ADDED_MOST 1024

/* As they are stored. */
static Size
bytes_of(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? 0 : toast_datum_size(PG_GETARG_DATUM(argument));
}

bool
aside_base_stays(FunctionCallInfo fcinfo, int base, int aside)
{
	Size of_base = bytes_of(fcinfo, base);
	Size of_aside = bytes_of(fcinfo, aside);
	Size added = bytes_of(fcinfo, 2) + bytes_of(fcinfo, 3);

	return of_base >= BASE_LEAST && of_aside * of_aside <= 2 * of_base * CHANGE &&
		   added <= Min(of_base / 4, ADDED_MOST);
}

Datum
aside_together(FunctionCallInfo fcinfo, const int *arguments, int n,
			   Datum (*sum)(Datum one, Datum other))
{
	Datum all = (Datum) 0;
	bool any = false;

	for (int i = 0; i < n; i++)
	{
		if (PG_ARGISNULL(arguments[i]))
			continue;
		all = any ? sum(all, PG_GETARG_DATUM(arguments[i])) : PG_GETARG_DATUM(arguments[i]);
		any = true;
	}
	fcinfo->isnull = !any;
	return all;
}
