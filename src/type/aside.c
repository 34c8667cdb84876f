#include "type/aside.h"

#include "access/detoast.h"

/*
 * A change logs what it brings, some 4 bytes, and now and then the base, which is the rarer the
 * more may be aside; but the longer rows are, the fewer versions of them fit a page before it is
 * pruned, which is logged as well. Of a base of 6 kB, out of line, the sum is flat from 400 to 900
 * bytes aside on; of one of 1 kB, in line, it falls to some 350.
 */
#define ASIDE_SQUARED 128

/* A base of fewer bytes is as well written itself. */
#define BASE_LEAST 512

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
	Size room = Max(PG_GETARG_INT32(4), 0);

	return of_base >= BASE_LEAST && of_aside * of_aside <= ASIDE_SQUARED * of_base &&
		   of_aside + added <= room && added <= of_base / 4;
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
