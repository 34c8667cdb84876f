-- telemetry.quantile_sketch: how values are distributed. C side: src/type/quantile.c over src/sketch/quantile_*.c.

CREATE TYPE telemetry.quantile_sketch;

CREATE FUNCTION telemetry.quantile_sketch_in(cstring) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_in(cstring) IS
	'Input of telemetry.quantile_sketch. Takes exactly what quantile_sketch_out writes; anything else is an error (22P02).';
CREATE FUNCTION telemetry.quantile_sketch_out(telemetry.quantile_sketch) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_out(telemetry.quantile_sketch) IS
	'Output of telemetry.quantile_sketch: quantile_sketch/1;bits=6;0=2;65473=5: the bits of a fraction that tell buckets apart, then numbers of buckets with how many values are in each.';
CREATE FUNCTION telemetry.quantile_sketch_recv(internal) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_recv(internal) IS
	'Binary input of telemetry.quantile_sketch. Bytes that quantile_sketch_send did not write are an error (22P03).';
CREATE FUNCTION telemetry.quantile_sketch_send(telemetry.quantile_sketch) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_send(telemetry.quantile_sketch) IS
	'Binary output of telemetry.quantile_sketch: the stored bytes, format and version first.';
CREATE TYPE telemetry.quantile_sketch (
	INPUT = telemetry.quantile_sketch_in,
	OUTPUT = telemetry.quantile_sketch_out,
	RECEIVE = telemetry.quantile_sketch_recv,
	SEND = telemetry.quantile_sketch_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.quantile_sketch IS
	'How double precision values are distributed, for quantiles within a stated relative error, whatever their order; values can be taken away again. '
	'Equal multisets are equal byte for byte. 2 to 3 bytes for each bucket that has values: with an error of 1 %, 64 buckets for each power of two '
	'between the least and the greatest. See docs/quantiles.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.quantile_sketch_plus(telemetry.quantile_sketch, telemetry.quantile_sketch) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_plus(telemetry.quantile_sketch, telemetry.quantile_sketch) IS
	'All values of both; of two relative errors the greater one. More than 2^62 values in a bucket are an error (22003). Behind the operator +.';
CREATE FUNCTION telemetry.quantile_sketch_minus(telemetry.quantile_sketch, telemetry.quantile_sketch) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_minus(telemetry.quantile_sketch, telemetry.quantile_sketch) IS
	'The first without the values of the second: exactly as if they had never come; of sketches with different errors the greater one is the result''s. Behind the operator -.';
CREATE FUNCTION telemetry.quantile_sketch_negate(telemetry.quantile_sketch) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_sketch_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_sketch_negate(telemetry.quantile_sketch) IS
	'What takes these values away when it is added: negative counts. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.quantile_sketch, RIGHTARG = telemetry.quantile_sketch, FUNCTION = telemetry.quantile_sketch_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.quantile_sketch, telemetry.quantile_sketch) IS 'All values of both.';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.quantile_sketch, RIGHTARG = telemetry.quantile_sketch, FUNCTION = telemetry.quantile_sketch_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.quantile_sketch, telemetry.quantile_sketch) IS 'The first without the values of the second.';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.quantile_sketch, FUNCTION = telemetry.quantile_sketch_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.quantile_sketch) IS 'What takes these values away when it is added.';

-- ---- numbers out

CREATE FUNCTION telemetry.quantile(sketch telemetry.quantile_sketch, fraction double precision) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_quantile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile(sketch telemetry.quantile_sketch, fraction double precision) IS
	'The value at that fraction of all values in their order, 0.5 for the median: within quantile_error() of what percentile_disc(fraction) gives, as a '
	'share of it. Zero, infinities and NaN (which is the greatest, as in ORDER BY) are exact. NULL of no values; a fraction beyond 0 and 1 is an error '
	'(22003), a sketch with negative counts one (22023). '
	'Example: SELECT telemetry.quantile(telemetry.quantile_agg(amount), 0.95) FROM fact;';
CREATE FUNCTION telemetry.quantile_count(sketch telemetry.quantile_sketch) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_quantile_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_count(sketch telemetry.quantile_sketch) IS
	'Values in the sketch. Negative counts are an error (22023). Example: SELECT telemetry.quantile_count(lengths) FROM daily;';
CREATE FUNCTION telemetry.quantile_error(sketch telemetry.quantile_sketch) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_quantile_error' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.quantile_error(sketch telemetry.quantile_sketch) IS
	'Relative error of quantile(), a share of the value: 0.00775 by default. NULL for a sketch of nothing. Example: SELECT telemetry.quantile_error(lengths) FROM daily;';

-- ---- aggregates

CREATE FUNCTION telemetry._quantile_agg_add(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_add(internal, double precision) IS
	'Transition of quantile_agg(value): a row comes.';
CREATE FUNCTION telemetry._quantile_agg_drop(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_drop(internal, double precision) IS
	'Inverse transition of quantile_agg(value): the oldest row leaves a moving window.';
CREATE FUNCTION telemetry._quantile_agg_add(internal, double precision, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_add(internal, double precision, double precision) IS
	'Transition of quantile_agg(value, relative_error): a row comes.';
CREATE FUNCTION telemetry._quantile_agg_union(internal, telemetry.quantile_sketch) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_union(internal, telemetry.quantile_sketch) IS
	'Transition of quantile_union_agg(): a sketch comes.';
CREATE FUNCTION telemetry._quantile_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._quantile_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._quantile_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._quantile_agg_final(internal) RETURNS telemetry.quantile_sketch
	AS 'MODULE_PATHNAME', 'telemetry_quantile_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_agg_final(internal) IS
	'The sketch of a group; of nothing where there was nothing.';
CREATE AGGREGATE telemetry.quantile_agg(value double precision) (
	SFUNC = telemetry._quantile_agg_add, STYPE = internal, SSPACE = 2048, FINALFUNC = telemetry._quantile_agg_final,
	COMBINEFUNC = telemetry._quantile_agg_combine, SERIALFUNC = telemetry._quantile_agg_serialize, DESERIALFUNC = telemetry._quantile_agg_deserialize,
	MSFUNC = telemetry._quantile_agg_add, MINVFUNC = telemetry._quantile_agg_drop, MSTYPE = internal, MSSPACE = 2048, MFINALFUNC = telemetry._quantile_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.quantile_agg(double precision) IS
	'Sketch of the distribution of values, for quantiles within 1 % (more exactly 0.775 %). NULLs do not count; no row gives a sketch of nothing. '
	'Example: SELECT telemetry.quantile(telemetry.quantile_agg(amount), 0.5) AS median FROM fact;';
CREATE AGGREGATE telemetry.quantile_agg(value double precision, relative_error double precision) (
	SFUNC = telemetry._quantile_agg_add, STYPE = internal, SSPACE = 2048, FINALFUNC = telemetry._quantile_agg_final,
	COMBINEFUNC = telemetry._quantile_agg_combine, SERIALFUNC = telemetry._quantile_agg_serialize, DESERIALFUNC = telemetry._quantile_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.quantile_agg(double precision, double precision) IS
	'As quantile_agg(value), within that share of each value: 0.0005 to 0.2, anything else is an error (22023). Half the error takes twice the space. '
	'Example: SELECT telemetry.quantile(telemetry.quantile_agg(amount, 0.001), 0.99) FROM fact;';
CREATE AGGREGATE telemetry.quantile_union_agg(sketch telemetry.quantile_sketch) (
	SFUNC = telemetry._quantile_agg_union, STYPE = internal, SSPACE = 2048, FINALFUNC = telemetry._quantile_agg_final,
	COMBINEFUNC = telemetry._quantile_agg_combine, SERIALFUNC = telemetry._quantile_agg_serialize, DESERIALFUNC = telemetry._quantile_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.quantile_union_agg(telemetry.quantile_sketch) IS
	'All values of several sketches: byte for byte what one aggregate over all rows is. Of different relative errors the greatest is the result''s. '
	'Example: SELECT telemetry.quantile(telemetry.quantile_union_agg(lengths), 0.5) FROM daily;';
