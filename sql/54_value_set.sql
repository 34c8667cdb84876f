-- What count(DISTINCT) in continuous views of sessions is kept by: sorted arrays of distinct values.

CREATE FUNCTION telemetry._values_add(internal, anyelement) RETURNS internal
AS 'MODULE_PATHNAME', 'telemetry_values_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._values_add(internal, anyelement) IS 'A value comes to a set of distinct values.';

CREATE FUNCTION telemetry._values_add_set(internal, anyarray) RETURNS internal
AS 'MODULE_PATHNAME', 'telemetry_values_add_set' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._values_add_set(internal, anyarray) IS 'The values of a set come to another.';

CREATE FUNCTION telemetry._values_final(internal, anyelement) RETURNS anyarray
AS 'MODULE_PATHNAME', 'telemetry_values_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._values_final(internal, anyelement) IS 'The set of a group; NULL if it is empty.';

CREATE FUNCTION telemetry._values_final(internal, anyarray) RETURNS anyarray
AS 'MODULE_PATHNAME', 'telemetry_values_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._values_final(internal, anyarray) IS 'The union of a group''s sets; NULL if it is empty.';

CREATE FUNCTION telemetry._values_union(anyarray, anyarray) RETURNS anyarray
AS 'MODULE_PATHNAME', 'telemetry_values_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._values_union(anyarray, anyarray) IS
'Two sets of distinct values, each sorted by the default order of its type, as one.';

CREATE AGGREGATE telemetry._values_agg(value anyelement) (
	SFUNC = telemetry._values_add, STYPE = internal, SSPACE = 160,
	FINALFUNC = telemetry._values_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = SHAREABLE
);
COMMENT ON AGGREGATE telemetry._values_agg(anyelement) IS
'The distinct values of a group, sorted by the default order of their type; NULL is none, and no value gives NULL.';

CREATE AGGREGATE telemetry._values_union_agg(set anyarray) (
	SFUNC = telemetry._values_add_set, STYPE = internal, SSPACE = 160,
	FINALFUNC = telemetry._values_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = SHAREABLE
);
COMMENT ON AGGREGATE telemetry._values_union_agg(anyarray) IS 'The union of sets of distinct values.';
