-- telemetry.float8_moments: variance, covariance and regression, exactly. C side: src/type/float_moments.c over src/sketch/float_moments.c.

CREATE TYPE telemetry.float8_moments;

CREATE FUNCTION telemetry.float8_moments_in(cstring) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_in(cstring) IS
	'Input of telemetry.float8_moments. Takes exactly what float8_moments_out writes; anything else is an error (22P02).';
CREATE FUNCTION telemetry.float8_moments_out(telemetry.float8_moments) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_out(telemetry.float8_moments) IS
	'Output of telemetry.float8_moments: float8_moments/1;n=2;x=0x3p0;xx=0x5p0, exact numbers with hexadecimal digits and a power of two.';
CREATE FUNCTION telemetry.float8_moments_recv(internal) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_recv(internal) IS
	'Binary input of telemetry.float8_moments. Bytes that float8_moments_send did not write are an error (22P03).';
CREATE FUNCTION telemetry.float8_moments_send(telemetry.float8_moments) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_send(telemetry.float8_moments) IS
	'Binary output of telemetry.float8_moments: the stored bytes, format and version first.';
CREATE TYPE telemetry.float8_moments (
	INPUT = telemetry.float8_moments_in,
	OUTPUT = telemetry.float8_moments_out,
	RECEIVE = telemetry.float8_moments_recv,
	SEND = telemetry.float8_moments_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = main
);
COMMENT ON TYPE telemetry.float8_moments IS
	'Count and exact sums of x and x^2, or of x, x^2, y, y^2 and xy, from which variance, covariance, correlation and regression follow, and from which '
	'rows can be taken away again. Equal multisets are equal byte for byte. About 45 bytes for one variable, 100 for two, where magnitudes are alike. '
	'See docs/numbers.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.float8_moments_plus(telemetry.float8_moments, telemetry.float8_moments) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_plus(telemetry.float8_moments, telemetry.float8_moments) IS
	'All values of both. Behind the operator +.';
CREATE FUNCTION telemetry.float8_moments_minus(telemetry.float8_moments, telemetry.float8_moments) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_minus(telemetry.float8_moments, telemetry.float8_moments) IS
	'The first without the values of the second: exactly as if they had never come. Behind the operator -.';
CREATE FUNCTION telemetry.float8_moments_negate(telemetry.float8_moments) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_negate(telemetry.float8_moments) IS
	'What takes these values away when it is added: negative sums and counts. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.float8_moments, RIGHTARG = telemetry.float8_moments, FUNCTION = telemetry.float8_moments_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.float8_moments, telemetry.float8_moments) IS 'All values of both.';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.float8_moments, RIGHTARG = telemetry.float8_moments, FUNCTION = telemetry.float8_moments_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.float8_moments, telemetry.float8_moments) IS 'The first without the values of the second.';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.float8_moments, FUNCTION = telemetry.float8_moments_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.float8_moments) IS 'What takes these values away when it is added.';

-- ---- numbers out

CREATE FUNCTION telemetry.float8_moments_count(moments telemetry.float8_moments) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_count(moments telemetry.float8_moments) IS
	'Rows in the moments, those with NaN and infinity included. Example: SELECT telemetry.float8_moments_count(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_count(moments telemetry.float8_moments) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_count(moments telemetry.float8_moments) IS
	'As regr_count(): rows in the moments, those with NaN and infinity included. Example: SELECT telemetry.float8_moments_regr_count(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_var_pop(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_var_pop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_var_pop(moments telemetry.float8_moments) IS
	'As var_pop(), but exact: from moments of one variable, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it needs; '
	'beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_var_pop(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_var_samp(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_var_samp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_var_samp(moments telemetry.float8_moments) IS
	'As var_samp(), but exact: from moments of one variable, rounded once. NULL where less than two rows are; NaN where NaN or infinity is among the '
	'values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_var_samp(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_stddev_pop(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_stddev_pop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_stddev_pop(moments telemetry.float8_moments) IS
	'As stddev_pop(), but exact: from moments of one variable, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_stddev_pop(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_stddev_samp(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_stddev_samp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_stddev_samp(moments telemetry.float8_moments) IS
	'As stddev_samp(), but exact: from moments of one variable, rounded once. NULL where less than two rows are; NaN where NaN or infinity is among the '
	'values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_stddev_samp(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_covar_pop(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_covar_pop' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_covar_pop(moments telemetry.float8_moments) IS
	'As covar_pop(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_covar_pop(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_covar_samp(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_covar_samp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_covar_samp(moments telemetry.float8_moments) IS
	'As covar_samp(), but exact: from moments of two variables, rounded once. NULL where less than two rows are; NaN where NaN or infinity is among the '
	'values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_covar_samp(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_corr(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_corr' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_corr(moments telemetry.float8_moments) IS
	'As corr(), but exact: from moments of two variables, rounded once. NULL where no row is, or where x or y is constant; NaN where NaN or infinity is '
	'among the values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_corr(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_avgx(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_avgx' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_avgx(moments telemetry.float8_moments) IS
	'As regr_avgx(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_avgx(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_avgy(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_avgy' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_avgy(moments telemetry.float8_moments) IS
	'As regr_avgy(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_avgy(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_sxx(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_sxx' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_sxx(moments telemetry.float8_moments) IS
	'As regr_sxx(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_sxx(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_syy(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_syy' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_syy(moments telemetry.float8_moments) IS
	'As regr_syy(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_syy(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_sxy(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_sxy' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_sxy(moments telemetry.float8_moments) IS
	'As regr_sxy(), but exact: from moments of two variables, rounded once. NULL where no row is; NaN where NaN or infinity is among the values it '
	'needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_sxy(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_slope(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_slope' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_slope(moments telemetry.float8_moments) IS
	'As regr_slope(), but exact: from moments of two variables, rounded once. NULL where no row is, or where x is constant; NaN where NaN or infinity is '
	'among the values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_slope(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_intercept(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_intercept' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_intercept(moments telemetry.float8_moments) IS
	'As regr_intercept(), but exact: from moments of two variables, rounded once. NULL where no row is, or where x is constant; NaN where NaN or '
	'infinity is among the values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_intercept(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE FUNCTION telemetry.float8_moments_regr_r2(moments telemetry.float8_moments) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_regr_r2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.float8_moments_regr_r2(moments telemetry.float8_moments) IS
	'As regr_r2(), but exact: from moments of two variables, rounded once. NULL where no row is, or where x is constant; 1 where y is; NaN where NaN or '
	'infinity is among the values it needs; beyond 1.8e308 an error (22003). '
	'Example: SELECT telemetry.float8_moments_regr_r2(telemetry.float8_moments_agg(amount, level)) FROM fact;';

-- ---- aggregates

CREATE FUNCTION telemetry._float8_moments_agg_add(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_add(internal, double precision) IS
	'Transition of float8_moments_agg(x): a row comes.';
CREATE FUNCTION telemetry._float8_moments_agg_drop(internal, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_drop(internal, double precision) IS
	'Inverse transition of float8_moments_agg(x): the oldest row leaves a moving window.';
CREATE FUNCTION telemetry._float8_moments_agg_add(internal, double precision, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_add(internal, double precision, double precision) IS
	'Transition of float8_moments_agg(y, x): a row comes.';
CREATE FUNCTION telemetry._float8_moments_agg_drop(internal, double precision, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_drop(internal, double precision, double precision) IS
	'Inverse transition of float8_moments_agg(y, x): the oldest row leaves a moving window.';
CREATE FUNCTION telemetry._float8_moments_agg_union(internal, telemetry.float8_moments) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_union(internal, telemetry.float8_moments) IS
	'Transition of float8_moments_union_agg(): a value comes.';
CREATE FUNCTION telemetry._float8_moments_agg_union_drop(internal, telemetry.float8_moments) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_union_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_union_drop(internal, telemetry.float8_moments) IS
	'Inverse transition of float8_moments_union_agg(): the oldest value leaves a moving window.';
CREATE FUNCTION telemetry._float8_moments_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._float8_moments_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._float8_moments_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._float8_moments_agg_final(internal) RETURNS telemetry.float8_moments
	AS 'MODULE_PATHNAME', 'telemetry_float8_moments_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._float8_moments_agg_final(internal) IS
	'The state of a group; empty where there was nothing.';
CREATE AGGREGATE telemetry.float8_moments_agg(x double precision) (
	SFUNC = telemetry._float8_moments_agg_add, STYPE = internal, SSPACE = 640, FINALFUNC = telemetry._float8_moments_agg_final,
	COMBINEFUNC = telemetry._float8_moments_agg_combine, SERIALFUNC = telemetry._float8_moments_agg_serialize, DESERIALFUNC = telemetry._float8_moments_agg_deserialize,
	MSFUNC = telemetry._float8_moments_agg_add, MINVFUNC = telemetry._float8_moments_agg_drop, MSTYPE = internal, MSSPACE = 640, MFINALFUNC = telemetry._float8_moments_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.float8_moments_agg(double precision) IS
	'Exact moments of one variable, for variance and standard deviation. NULLs do not count; no row gives empty moments. '
	'Example: SELECT telemetry.float8_moments_stddev_samp(telemetry.float8_moments_agg(amount)) FROM fact;';
CREATE AGGREGATE telemetry.float8_moments_agg(y double precision, x double precision) (
	SFUNC = telemetry._float8_moments_agg_add, STYPE = internal, SSPACE = 640, FINALFUNC = telemetry._float8_moments_agg_final,
	COMBINEFUNC = telemetry._float8_moments_agg_combine, SERIALFUNC = telemetry._float8_moments_agg_serialize, DESERIALFUNC = telemetry._float8_moments_agg_deserialize,
	MSFUNC = telemetry._float8_moments_agg_add, MINVFUNC = telemetry._float8_moments_agg_drop, MSTYPE = internal, MSSPACE = 640, MFINALFUNC = telemetry._float8_moments_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.float8_moments_agg(double precision, double precision) IS
	'Exact moments of two variables, for covariance, correlation and regression: the dependent variable first, as in regr_slope(y, x). Rows with a NULL '
	'do not count; no row gives empty moments. '
	'Example: SELECT telemetry.float8_moments_corr(telemetry.float8_moments_agg(amount, level)) FROM fact;';
CREATE AGGREGATE telemetry.float8_moments_union_agg(moments telemetry.float8_moments) (
	SFUNC = telemetry._float8_moments_agg_union, STYPE = internal, SSPACE = 640, FINALFUNC = telemetry._float8_moments_agg_final,
	COMBINEFUNC = telemetry._float8_moments_agg_combine, SERIALFUNC = telemetry._float8_moments_agg_serialize, DESERIALFUNC = telemetry._float8_moments_agg_deserialize,
	MSFUNC = telemetry._float8_moments_agg_union, MINVFUNC = telemetry._float8_moments_agg_union_drop, MSTYPE = internal, MSSPACE = 640, MFINALFUNC = telemetry._float8_moments_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.float8_moments_union_agg(telemetry.float8_moments) IS
	'All rows of several moments: exactly what one aggregate over all rows is. Moments of one and of two variables together are an error (22023). '
	'Example: SELECT telemetry.float8_moments_var_samp(telemetry.float8_moments_union_agg(amounts)) FROM daily;';
