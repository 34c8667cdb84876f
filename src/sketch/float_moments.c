/*
 * Exact moments: adding, merging, packed bytes and text (see float_moments.h).
 */
#include "sketch/float_moments.h"

void
float_moments_init(FloatMoments *moments)
{
	moments->n = 0;
	moments->variables = 0;
	memset(moments->special, 0, sizeof(moments->special));
	for (int i = 0; i < FLOAT_MOMENTS; i++)
		exact_init(&moments->sum[i]);
}

void
float_moments_reset(FloatMoments *moments, const SketchMemory *memory)
{
	for (int i = 0; i < FLOAT_MOMENTS; i++)
		exact_reset(&moments->sum[i], memory);
	float_moments_init(moments);
}

/* A variable's own two sums. */
static void
add_variable(FloatMoments *moments, int variable, double value, bool subtract,
			 const SketchMemory *memory)
{
	FloatMoment first = variable == 0 ? MOMENT_X : MOMENT_Y;

	if (!isfinite(value))
	{
		float_special_add(&moments->special[variable], value, subtract);
		return;
	}
	exact_add(&moments->sum[first], value, subtract, memory);
	exact_add_product(&moments->sum[first + 1], value, value, subtract, memory);
}

void
float_moments_add(FloatMoments *moments, double x, bool subtract, const SketchMemory *memory)
{
	moments->variables = 1;
	moments->n += subtract ? -1 : 1;
	add_variable(moments, 0, x, subtract, memory);
}

void
float_moments_add_pair(FloatMoments *moments, double y, double x, bool subtract,
					   const SketchMemory *memory)
{
	moments->variables = 2;
	moments->n += subtract ? -1 : 1;
	add_variable(moments, 0, x, subtract, memory);
	add_variable(moments, 1, y, subtract, memory);
	if (isfinite(x) && isfinite(y))
		exact_add_product(&moments->sum[MOMENT_XY], x, y, subtract, memory);
}

bool
float_moments_merge(FloatMoments *dst, const FloatMoments *src, bool subtract,
					const SketchMemory *memory)
{
	if (dst->variables == 0)
		dst->variables = src->variables;
	if (!exact_add_count(&dst->n, src->n, subtract))
		return false;
	for (int i = 0; i < 2; i++)
		if (!float_special_merge(&dst->special[i], &src->special[i], subtract))
			return false;
	for (int i = 0; i < FLOAT_MOMENTS; i++)
		if (!exact_merge(&dst->sum[i], &src->sum[i], subtract, memory))
			return false;
	return true;
}

/* ---- packed bytes ---------------------------------------------------------------------------- */

#define FLAG_SPECIAL(variable) (4 << (variable))

/* How many variables to write: where everything went again, it is as if nothing had come. */
static int
variables_left(const FloatMoments *moments)
{
	if (moments->n != 0)
		return moments->variables;
	for (int i = 0; i < moments->variables; i++)
		if (float_special_any(&moments->special[i]))
			return moments->variables;
	for (int i = 0; i < float_moments_sums(moments->variables); i++)
	{
		ExactDigits digits;

		exact_digits(&moments->sum[i], &digits);
		if (digits.n > 0)
			return moments->variables;
	}
	return 0;
}

size_t
float_moments_pack(const FloatMoments *moments, uint8_t *out)
{
	int variables = variables_left(moments);
	uint8_t *next = out;
	uint8_t flags = (uint8_t) variables;

	for (int i = 0; i < variables; i++)
		if (float_special_any(&moments->special[i]))
			flags |= FLAG_SPECIAL(i);
	*next++ = FLOAT_MOMENTS_FORMAT;
	*next++ = FLOAT_MOMENTS_VERSION;
	*next++ = flags;
	next = exact_pack_integer(next, moments->n);
	for (int i = 0; i < variables; i++)
		if ((flags & FLAG_SPECIAL(i)) != 0)
			next = float_special_pack(next, &moments->special[i]);
	for (int i = 0; i < float_moments_sums(variables); i++)
		next = exact_pack_number(next, &moments->sum[i]);
	return (size_t) (next - out);
}

const char *
float_moments_unpack(const void *bytes, size_t size, FloatMoments *moments,
					 const SketchMemory *memory)
{
	const uint8_t *in = bytes;
	const uint8_t *end = in + size;
	uint8_t flags;

	if (size < 3 || in[0] != FLOAT_MOMENTS_FORMAT)
		return "it does not begin as moments";
	if (in[1] != FLOAT_MOMENTS_VERSION)
		return "its format version is unknown";
	flags = in[2];
	moments->variables = flags & 3;
	if (moments->variables == 3 || (flags >> 2) >> moments->variables != 0)
		return "its flags are unknown";
	if ((in = exact_unpack_integer(in + 3, end, &moments->n)) == NULL ||
		(moments->n != 0 && moments->variables == 0))
		return "its count is cut off or out of range";
	for (int i = 0; i < moments->variables; i++)
		if ((flags & FLAG_SPECIAL(i)) != 0 &&
			(in = float_special_unpack(in, end, &moments->special[i])) == NULL)
			return "its counts of NaN and infinity are cut off or out of range";
	for (int i = 0; i < float_moments_sums(moments->variables); i++)
		if ((in = exact_unpack_number(in, end, &moments->sum[i], memory)) == NULL)
			return "one of its sums is cut off or out of range";
	return in == end ? NULL : "it goes on after its end";
}

const char *
float_moments_check(const void *bytes, size_t size, FloatMoments *moments,
					const SketchMemory *memory)
{
	uint8_t again[FLOAT_MOMENTS_SIZE];
	const char *error = float_moments_unpack(bytes, size, moments, memory);

	if (error == NULL &&
		(float_moments_pack(moments, again) != size || memcmp(again, bytes, size) != 0))
		error = "it is not in the form that is written";
	return error;
}

/* ---- text ------------------------------------------------------------------------------------ */

static const char *const sum_names[FLOAT_MOMENTS] = {";x=", ";xx=", ";y=", ";yy=", ";xy="};
static const char *const special_names[] = {"x_", "y_"};

void
float_moments_write(const FloatMoments *moments, char *out)
{
	int variables = variables_left(moments);

	out = exact_write_string(out, "float8_moments/1;n=");
	out = exact_write_integer(out, moments->n);
	for (int i = 0; i < float_moments_sums(variables); i++)
	{
		out = exact_write_string(out, sum_names[i]);
		out = exact_write_number(out, &moments->sum[i]);
	}
	for (int i = 0; i < variables; i++)
		out = float_special_write(out, special_names[i], &moments->special[i]);
}

const char *
float_moments_read(const char *text, FloatMoments *moments, const SketchMemory *memory)
{
	char again[FLOAT_MOMENTS_TEXT];
	const char *in = exact_read_string(text, "float8_moments/1;n=");
	int n = 0;

	if (in == NULL)
		return "it does not begin with float8_moments/1;n=";
	if ((in = exact_read_integer(in, &moments->n)) == NULL)
		return "its count is not an integer in range";
	for (const char *next; n < FLOAT_MOMENTS; n++)
	{
		if ((next = exact_read_string(in, sum_names[n])) == NULL)
			break;
		if ((in = exact_read_number(next, &moments->sum[n], memory)) == NULL)
			return "one of its sums is not a hexadecimal number in range";
	}
	if (n != 0 && n != 2 && n != FLOAT_MOMENTS)
		return "its sums are neither x, xx nor x, xx, y, yy, xy";
	moments->variables = n == 0 ? 0 : n == 2 ? 1 : 2;
	for (int i = 0; i < moments->variables && in != NULL; i++)
		in = float_special_read(in, special_names[i], &moments->special[i]);
	if (in == NULL || *in != '\0' || (moments->n != 0 && moments->variables == 0))
		return "after its sums comes what is no count of nan, inf or -inf, or there are no sums";
	float_moments_write(moments, again);
	return strcmp(text, again) == 0 ? NULL : "it is not in the form that is written";
}
