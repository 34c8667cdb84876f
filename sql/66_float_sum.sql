-- telemetry.float8_sum: exact sums of floating point. C side: src/type/float_sum.c over src/sketch/float_sum.c.

CREATE TYPE telemetry.float8_sum;

CREATE FUNCTION telemetry.float8_sum_in(cstring) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_in(cstring) IS
	'Input of telemetry.float8_sum. Takes exactly what float8_sum_out writes; anything else is an error (22P02).';
CREATE FUNCTION telemetry.float8_sum_out(telemetry.float8_sum) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_out(telemetry.float8_sum) IS
	'Output of telemetry.float8_sum: float8_sum/1;finite=3;sum=0x19p-2, exact numbers with hexadecimal digits and a power of two.';
CREATE FUNCTION telemetry.float8_sum_recv(internal) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_recv(internal) IS
	'Binary input of telemetry.float8_sum. Bytes that float8_sum_send did not write are an error (22P03).';
CREATE FUNCTION telemetry.float8_sum_send(telemetry.float8_sum) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_send(telemetry.float8_sum) IS
	'Binary output of telemetry.float8_sum: the stored bytes, format and version first.';
CREATE TYPE telemetry.float8_sum (
	INPUT = telemetry.float8_sum_in,
	OUTPUT = telemetry.float8_sum_out,
	RECEIVE = telemetry.float8_sum_recv,
	SEND = telemetry.float8_sum_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = main
);
COMMENT ON TYPE telemetry.float8_sum IS
	'Exact sum of double precision values, whatever their order, and their count, from which values can be taken away again. Equal multisets are equal '
	'byte for byte. About 20 bytes where magnitudes are alike, 300 at most. See docs/numbers.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.float8_sum_plus(telemetry.float8_sum, telemetry.float8_sum) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_plus(telemetry.float8_sum, telemetry.float8_sum) IS
	'All values of both. Behind the operator +.';
CREATE FUNCTION telemetry.float8_sum_minus(telemetry.float8_sum, telemetry.float8_sum) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_minus(telemetry.float8_sum, telemetry.float8_sum) IS
	'The first without the values of the second: exactly as if they had never come. Behind the operator -.';
CREATE FUNCTION telemetry.float8_sum_negate(telemetry.float8_sum) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_negate(telemetry.float8_sum) IS
	'What takes these values away when it is added: negative sums and counts. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.float8_sum, RIGHTARG = telemetry.float8_sum, FUNCTION = telemetry.float8_sum_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.float8_sum, telemetry.float8_sum) IS 'All values of both.';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.float8_sum, RIGHTARG = telemetry.float8_sum, FUNCTION = telemetry.float8_sum_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.float8_sum, telemetry.float8_sum) IS 'The first without the values of the second.';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.float8_sum, FUNCTION = telemetry.float8_sum_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.float8_sum) IS 'What takes these values away when it is added.';

-- ---- numbers out

CREATE FUNCTION telemetry.float8_sum_value(sum telemetry.float8_sum) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_value(sum telemetry.float8_sum) IS
	'The exact sum, rounded once to the nearest double precision number (of two the even one). NULL where no value is; NaN, and infinity beside '
	'-infinity, give NaN. A sum beyond 1.8e308 is an error (22003). '
	'Example: SELECT day, telemetry.float8_sum_value(telemetry.float8_sum_union_agg(amounts)) FROM daily GROUP BY day;';
CREATE FUNCTION telemetry.float8_sum_count(sum telemetry.float8_sum) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_count(sum telemetry.float8_sum) IS
	'Values in the sum, NaN and infinities included; negative after a unary minus. Example: SELECT telemetry.float8_sum_count(amounts) FROM daily;';
CREATE FUNCTION telemetry.float8_sum_avg(sum telemetry.float8_sum) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_sum_avg(sum telemetry.float8_sum) IS
	'The exact sum divided by the count, rounded once to the nearest double precision number. NULL where no value is; NaN and infinities as '
	'float8_sum_value(). Never overflows. '
	'Example: SELECT telemetry.float8_sum_avg(amounts) FROM daily;';

-- ---- aggregates

CREATE FUNCTION telemetry._float8_sum_agg_add(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_add(internal, double precision) IS
	'Transition of float8_sum_agg(), exact_sum() and exact_avg(): a row comes.';
CREATE FUNCTION telemetry._float8_sum_agg_drop(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_drop(internal, double precision) IS
	'Inverse transition of float8_sum_agg(), exact_sum() and exact_avg(): the oldest row leaves a moving window.';
CREATE FUNCTION telemetry._float8_sum_agg_union(internal, telemetry.float8_sum) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_union(internal, telemetry.float8_sum) IS
	'Transition of float8_sum_union_agg(): a value comes.';
CREATE FUNCTION telemetry._float8_sum_agg_union_drop(internal, telemetry.float8_sum) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_union_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_union_drop(internal, telemetry.float8_sum) IS
	'Inverse transition of float8_sum_union_agg(): the oldest value leaves a moving window.';
CREATE FUNCTION telemetry._float8_sum_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._float8_sum_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._float8_sum_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._float8_sum_agg_final(internal) RETURNS telemetry.float8_sum
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_final(internal) IS
	'The state of a group; empty where there was nothing.';
CREATE FUNCTION telemetry._float8_sum_agg_value(internal) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_value' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_value(internal) IS
	'The sum of a group; NULL where there was no value.';
CREATE FUNCTION telemetry._float8_sum_agg_avg(internal) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_sum_agg_avg' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_sum_agg_avg(internal) IS
	'The average of a group; NULL where there was no value.';
CREATE AGGREGATE telemetry.float8_sum_agg(value double precision) (
	SFUNC = telemetry._float8_sum_agg_add, STYPE = internal, SSPACE = 160, FINALFUNC = telemetry._float8_sum_agg_final,
	COMBINEFUNC = telemetry._float8_sum_agg_combine, SERIALFUNC = telemetry._float8_sum_agg_serialize, DESERIALFUNC = telemetry._float8_sum_agg_deserialize,
	MSFUNC = telemetry._float8_sum_agg_add, MINVFUNC = telemetry._float8_sum_agg_drop, MSTYPE = internal, MSSPACE = 160, MFINALFUNC = telemetry._float8_sum_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.float8_sum_agg(double precision) IS
	'Exact sum of the values, to be kept and merged. NULLs do not count; no value gives an empty sum. '
	'Example: CREATE TABLE daily AS SELECT day, telemetry.float8_sum_agg(amount) AS amounts FROM fact GROUP BY day;';
CREATE AGGREGATE telemetry.float8_sum_union_agg(sum telemetry.float8_sum) (
	SFUNC = telemetry._float8_sum_agg_union, STYPE = internal, SSPACE = 160, FINALFUNC = telemetry._float8_sum_agg_final,
	COMBINEFUNC = telemetry._float8_sum_agg_combine, SERIALFUNC = telemetry._float8_sum_agg_serialize, DESERIALFUNC = telemetry._float8_sum_agg_deserialize,
	MSFUNC = telemetry._float8_sum_agg_union, MINVFUNC = telemetry._float8_sum_agg_union_drop, MSTYPE = internal, MSSPACE = 160, MFINALFUNC = telemetry._float8_sum_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.float8_sum_union_agg(telemetry.float8_sum) IS
	'All values of several sums: exactly what one sum over all rows is. Example: SELECT telemetry.float8_sum_value(telemetry.float8_sum_union_agg(amounts)) FROM daily;';
CREATE AGGREGATE telemetry.exact_sum(value double precision) (
	SFUNC = telemetry._float8_sum_agg_add, STYPE = internal, SSPACE = 160, FINALFUNC = telemetry._float8_sum_agg_value,
	COMBINEFUNC = telemetry._float8_sum_agg_combine, SERIALFUNC = telemetry._float8_sum_agg_serialize, DESERIALFUNC = telemetry._float8_sum_agg_deserialize,
	MSFUNC = telemetry._float8_sum_agg_add, MINVFUNC = telemetry._float8_sum_agg_drop, MSTYPE = internal, MSSPACE = 160, MFINALFUNC = telemetry._float8_sum_agg_value,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.exact_sum(double precision) IS
	'Sum in exact arithmetic, rounded once at the end: the same in any order, serial or parallel, and in moving windows. NULL where no value is; NaN and '
	'infinity as sum(); beyond 1.8e308 an error (22003). real goes by its cast. '
	'Example: SELECT telemetry.exact_sum(amount) FROM fact;';
CREATE AGGREGATE telemetry.exact_avg(value double precision) (
	SFUNC = telemetry._float8_sum_agg_add, STYPE = internal, SSPACE = 160, FINALFUNC = telemetry._float8_sum_agg_avg,
	COMBINEFUNC = telemetry._float8_sum_agg_combine, SERIALFUNC = telemetry._float8_sum_agg_serialize, DESERIALFUNC = telemetry._float8_sum_agg_deserialize,
	MSFUNC = telemetry._float8_sum_agg_add, MINVFUNC = telemetry._float8_sum_agg_drop, MSTYPE = internal, MSSPACE = 160, MFINALFUNC = telemetry._float8_sum_agg_avg,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.exact_avg(double precision) IS
	'Average in exact arithmetic, rounded once at the end: the same in any order, serial or parallel, and in moving windows. NULL where no value is. '
	'real goes by its cast. '
	'Example: SELECT telemetry.exact_avg(amount) FROM fact;';
