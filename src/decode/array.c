/*
 * A JSON array to a PostgreSQL array, with json_populate_record()'s idea of dimensions.
 *
 * Nested arrays are dimensions, so they have to be as long as each other; an array of json or
 * jsonb has one dimension, whose elements are any JSON. An empty array has no dimensions, as '{}'.
 */
#include "decode/convert.h"

#include "utils/array.h"
#include "utils/errcodes.h"
#include "utils/memutils.h"

#include "decode/text.h"

typedef struct ArrayBuild
{
	Converter *element;
	JsonScan scan;
	DecodeError *error;
	bool deep; /* nested arrays are dimensions */
	int ndims; /* known once the first innermost array has begun */
	int dims[MAXDIM];
	Datum *values;
	bool *nulls;
	uint32 n;
	uint32 allocated;
} ArrayBuild;

#define ELEMENTS_MAX (MaxAllocSize / sizeof(Datum))

static bool
append_element(ArrayBuild *build, const JsonToken *token)
{
	if (build->n >= build->allocated)
	{
		if (build->n >= ELEMENTS_MAX)
			return decode_fail(build->error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							   "array has more than %zu elements", (size_t) ELEMENTS_MAX);
		build->allocated = Min(Max(16, build->allocated * 2), ELEMENTS_MAX);
		if (build->values == NULL)
		{
			build->values = palloc(build->allocated * sizeof(Datum));
			build->nulls = palloc(build->allocated * sizeof(bool));
		}
		else
		{
			build->values = repalloc(build->values, build->allocated * sizeof(Datum));
			build->nulls = repalloc(build->nulls, build->allocated * sizeof(bool));
		}
	}
	if (!convert_token(build->element, token, &build->values[build->n], &build->nulls[build->n],
					   build->error))
		return false;
	build->n++;
	return true;
}

static bool
not_rectangular(ArrayBuild *build)
{
	return decode_fail(build->error, ERRCODE_ARRAY_SUBSCRIPT_ERROR,
					   "nested JSON arrays of different lengths or depths do not make a "
					   "PostgreSQL array");
}

/* p stands behind the opening bracket of an array that is inside dim others. */
static const char *
build_level(ArrayBuild *build, const char *p, int dim)
{
	const char *end = build->scan.end;
	int count = 0;
	bool known = build->dims[dim] >= 0; /* how long arrays of this depth are */

	p = json_skip_space(p, end);
	while (p < end && *p != ']')
	{
		/*
		 * On the first way down every array is a dimension; at the innermost one an array is an
		 * element like any other, as it stands.
		 */
		if (*p == '[' && build->deep && (build->ndims == 0 || dim + 1 < build->ndims))
		{
			if (dim + 1 >= MAXDIM)
			{
				decode_fail(build->error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							"number of array dimensions exceeds the maximum allowed (%d)", MAXDIM);
				return NULL;
			}
			p = build_level(build, p + 1, dim + 1);
			if (p == NULL)
				return NULL;
		}
		else
		{
			JsonToken token;

			if (build->ndims == 0)
				build->ndims = dim + 1;
			if (dim + 1 != build->ndims)
			{
				not_rectangular(build);
				return NULL;
			}
			p = json_scan_value(&build->scan, p, 0, &token);
			if (p == NULL)
			{
				decode_fail_json(build->error, &build->scan);
				return NULL;
			}
			if (!append_element(build, &token))
				return NULL;
		}
		count++;
		p = json_skip_space(p, end);
		if (p < end && *p == ',')
			p = json_skip_space(p + 1, end);
	}

	if (build->ndims == 0)
		build->ndims = dim + 1;
	if (!known)
		build->dims[dim] = count;
	else if (build->dims[dim] != count)
	{
		not_rectangular(build);
		return NULL;
	}
	return p + 1;
}

bool
convert_array(Converter *converter, const JsonToken *token, Datum *value, DecodeError *error)
{
	ArrayBuild build = {0};
	int lower[MAXDIM];

	if (token->kind == KIND_STRING) /* PostgreSQL's own syntax, as '{1,2}' */
		return convert_by_input(converter, token, value, error);
	if (token->kind != KIND_ARRAY)
		return decode_fail_syntax(error, ERRCODE_INVALID_TEXT_REPRESENTATION, converter->type_name,
								  token->start, token->length);

	build.element = converter->inner;
	build.scan.begin = token->start;
	build.scan.end = token->start + token->length;
	build.error = error;
	build.deep = !converter_is_json(converter->inner);
	for (int i = 0; i < MAXDIM; i++)
	{
		build.dims[i] = -1;
		lower[i] = 1;
	}
	if (build_level(&build, token->start + 1, 0) == NULL)
		return false;

	if (build.n == 0)
		*value = PointerGetDatum(construct_empty_array(converter->inner->type));
	else
		*value = PointerGetDatum(construct_md_array(
			build.values, build.nulls, build.ndims, build.dims, lower, converter->inner->type,
			converter->inner_length, converter->inner_by_value, converter->inner_align));
	return true;
}
