/*
 * What telemetry.float8_sum and telemetry.float8_moments have in common: results out of range.
 */
#include "type/float_type.h"

double
float_result(double result, bool overflow)
{
	if (overflow)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("value out of range: overflow"),
						errdetail("The exact result is beyond the greatest double precision "
								  "number, about 1.8e308.")));
	return result;
}

void
float_out_of_range(const char *type)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("value of type %s out of range", type),
					errdetail("Counts go to 2^62, magnitudes to 2^2176.")));
}
