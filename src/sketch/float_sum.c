/*
 * Exact sums of doubles with counts of what is no number (see float_sum.h).
 */
#include "sketch/float_sum.h"

/* ---- NaN and infinity ------------------------------------------------------------------------ */

double
float_special_value(const FloatSpecial *special)
{
	bool up = special->inf > 0 || special->minus_inf < 0;
	bool down = special->minus_inf > 0 || special->inf < 0;

	if (special->nan != 0 || (up && down))
		return (double) NAN;
	return up ? (double) INFINITY : -(double) INFINITY;
}

bool
float_special_merge(FloatSpecial *dst, const FloatSpecial *src, bool subtract)
{
	return exact_add_count(&dst->nan, src->nan, subtract) &&
		   exact_add_count(&dst->inf, src->inf, subtract) &&
		   exact_add_count(&dst->minus_inf, src->minus_inf, subtract);
}

uint8_t *
float_special_pack(uint8_t *out, const FloatSpecial *special)
{
	out = exact_pack_integer(out, special->nan);
	out = exact_pack_integer(out, special->inf);
	return exact_pack_integer(out, special->minus_inf);
}

const uint8_t *
float_special_unpack(const uint8_t *in, const uint8_t *end, FloatSpecial *special)
{
	if ((in = exact_unpack_integer(in, end, &special->nan)) != NULL &&
		(in = exact_unpack_integer(in, end, &special->inf)) != NULL)
		in = exact_unpack_integer(in, end, &special->minus_inf);
	return in;
}

static char *
write_count(char *out, const char *prefix, const char *name, int64_t count)
{
	if (count == 0)
		return out;
	out = exact_write_string(out, ";");
	out = exact_write_string(out, prefix);
	out = exact_write_string(out, name);
	return exact_write_integer(out, count);
}

char *
float_special_write(char *out, const char *prefix, const FloatSpecial *special)
{
	out = write_count(out, prefix, "nan=", special->nan);
	out = write_count(out, prefix, "inf=", special->inf);
	return write_count(out, prefix, "-inf=", special->minus_inf);
}

/* A count that is not there stays as it is. */
static const char *
read_count(const char *in, const char *prefix, const char *name, int64_t *count)
{
	const char *next = exact_read_string(in, ";");

	if (next == NULL || (next = exact_read_string(next, prefix)) == NULL ||
		(next = exact_read_string(next, name)) == NULL)
		return in;
	return exact_read_integer(next, count);
}

const char *
float_special_read(const char *in, const char *prefix, FloatSpecial *special)
{
	if ((in = read_count(in, prefix, "nan=", &special->nan)) != NULL &&
		(in = read_count(in, prefix, "inf=", &special->inf)) != NULL)
		in = read_count(in, prefix, "-inf=", &special->minus_inf);
	return in;
}

/* ---- sums ------------------------------------------------------------------------------------ */

void
float_sum_init(FloatSum *sum)
{
	sum->finite = 0;
	memset(&sum->special, 0, sizeof(sum->special));
	exact_init(&sum->sum);
}

void
float_sum_reset(FloatSum *sum, const SketchMemory *memory)
{
	exact_reset(&sum->sum, memory);
	float_sum_init(sum);
}

void
float_sum_add(FloatSum *sum, double value, bool subtract, const SketchMemory *memory)
{
	if (!isfinite(value))
	{
		float_special_add(&sum->special, value, subtract);
		return;
	}
	exact_add(&sum->sum, value, subtract, memory);
	sum->finite += subtract ? -1 : 1;
}

bool
float_sum_merge(FloatSum *dst, const FloatSum *src, bool subtract, const SketchMemory *memory)
{
	return exact_add_count(&dst->finite, src->finite, subtract) &&
		   float_special_merge(&dst->special, &src->special, subtract) &&
		   exact_merge(&dst->sum, &src->sum, subtract, memory);
}

/* Four counts of 2^62 at most can leave 64 bits: then the greatest there is. */
int64_t
float_sum_count(const FloatSum *sum)
{
	double about = (double) sum->finite + (double) sum->special.nan + (double) sum->special.inf +
				   (double) sum->special.minus_inf;

	if (fabs(about) > (double) EXACT_MAX_COUNT)
		return about > 0 ? EXACT_MAX_COUNT : -EXACT_MAX_COUNT;
	return (int64_t) ((uint64_t) sum->finite + (uint64_t) sum->special.nan +
					  (uint64_t) sum->special.inf + (uint64_t) sum->special.minus_inf);
}

double
float_sum_value(const FloatSum *sum, bool *overflow)
{
	*overflow = false;
	if (float_special_any(&sum->special))
		return float_special_value(&sum->special);
	return exact_round(&sum->sum, overflow);
}

double
float_sum_average(const FloatSum *sum, bool *overflow)
{
	ExactBig dividend;
	ExactBig divisor;

	*overflow = false;
	if (float_special_any(&sum->special))
		return float_special_value(&sum->special);
	exact_big_number(&dividend, &sum->sum);
	exact_big_integer(&divisor, sum->finite);
	return exact_big_divide(&dividend, &divisor, overflow);
}

/* ---- packed bytes ---------------------------------------------------------------------------- */

size_t
float_sum_pack(const FloatSum *sum, uint8_t *out)
{
	uint8_t *next = out;

	*next++ = FLOAT_SUM_FORMAT;
	*next++ = FLOAT_SUM_VERSION;
	*next++ = float_special_any(&sum->special);
	next = exact_pack_integer(next, sum->finite);
	if (float_special_any(&sum->special))
		next = float_special_pack(next, &sum->special);
	next = exact_pack_number(next, &sum->sum);
	return (size_t) (next - out);
}

const char *
float_sum_unpack(const void *bytes, size_t size, FloatSum *sum, const SketchMemory *memory)
{
	const uint8_t *in = bytes;
	const uint8_t *end = in + size;

	if (size < 3 || in[0] != FLOAT_SUM_FORMAT)
		return "it does not begin as a sum";
	if (in[1] != FLOAT_SUM_VERSION)
		return "its format version is unknown";
	if (in[2] > 1)
		return "its flags are unknown";
	if ((in = exact_unpack_integer(in + 3, end, &sum->finite)) == NULL)
		return "its count is cut off or out of range";
	if (((const uint8_t *) bytes)[2] == 1 &&
		(in = float_special_unpack(in, end, &sum->special)) == NULL)
		return "its counts of NaN and infinity are cut off or out of range";
	if ((in = exact_unpack_number(in, end, &sum->sum, memory)) == NULL)
		return "its sum is cut off or out of range";
	return in == end ? NULL : "it goes on after its end";
}

const char *
float_sum_check(const void *bytes, size_t size, FloatSum *sum, const SketchMemory *memory)
{
	uint8_t again[FLOAT_SUM_SIZE];
	const char *error = float_sum_unpack(bytes, size, sum, memory);

	if (error == NULL && (float_sum_pack(sum, again) != size || memcmp(again, bytes, size) != 0))
		error = "it is not in the form that is written";
	return error;
}

/* ---- text ------------------------------------------------------------------------------------ */

void
float_sum_write(const FloatSum *sum, char *out)
{
	out = exact_write_string(out, "float8_sum/1;finite=");
	out = exact_write_integer(out, sum->finite);
	out = exact_write_string(out, ";sum=");
	out = exact_write_number(out, &sum->sum);
	float_special_write(out, "", &sum->special);
}

const char *
float_sum_read(const char *text, FloatSum *sum, const SketchMemory *memory)
{
	char again[FLOAT_SUM_TEXT];
	const char *in = exact_read_string(text, "float8_sum/1;finite=");

	if (in == NULL)
		return "it does not begin with float8_sum/1;finite=";
	if ((in = exact_read_integer(in, &sum->finite)) == NULL ||
		(in = exact_read_string(in, ";sum=")) == NULL)
		return "its count is not an integer in range, or no sum follows";
	if ((in = exact_read_number(in, &sum->sum, memory)) == NULL)
		return "its sum is not a hexadecimal number in range";
	if ((in = float_special_read(in, "", &sum->special)) == NULL || *in != '\0')
		return "after its sum comes what is no count of nan, inf or -inf";
	float_sum_write(sum, again);
	return strcmp(text, again) == 0 ? NULL : "it is not in the form that is written";
}
