-- telemetry.hll: distinct counts that merge. C side: src/type/hll_*.c over src/sketch/hll_*.c.

CREATE TYPE telemetry.hll;

CREATE FUNCTION telemetry.hll_in(cstring) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_in(cstring) IS
	'Input of telemetry.hll. Takes exactly what hll_out writes; anything else is an error (22P02).';
CREATE FUNCTION telemetry.hll_out(telemetry.hll) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_hll_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_out(telemetry.hll) IS
	'Output of telemetry.hll: hll/1;precision=14;form=tokens;stored=3;\x... with the bytes in hexadecimal.';
CREATE FUNCTION telemetry.hll_recv(internal) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_recv(internal) IS
	'Binary input of telemetry.hll. Bytes that hll_send did not write are an error (22P03).';
CREATE FUNCTION telemetry.hll_send(telemetry.hll) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_hll_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_send(telemetry.hll) IS
	'Binary output of telemetry.hll: the stored bytes, format and version first.';

-- Packed bytes do not compress further, so TOAST need not try.
CREATE TYPE telemetry.hll (
	INPUT = telemetry.hll_in,
	OUTPUT = telemetry.hll_out,
	RECEIVE = telemetry.hll_recv,
	SEND = telemetry.hll_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = external
);
COMMENT ON TYPE telemetry.hll IS
	'HyperLogLog sketch of a set: its number of distinct values within about 1.04 / sqrt(2^precision), '
	'and mergeable. Equal sets of equal precision are equal byte for byte.';

-- ---- values in, numbers out

CREATE FUNCTION telemetry.hll_empty("precision" integer DEFAULT 14) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_empty' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_empty("precision" integer) IS
	'An empty sketch of 2^precision registers; precision 4 to 18, else an error (22023). '
	'Example: SELECT telemetry.hll_empty(11);';
CREATE FUNCTION telemetry.hll_cardinality(sketch telemetry.hll) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_hll_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_cardinality(sketch telemetry.hll) IS
	'Estimated number of distinct values; 0 for an empty set. Relative standard error: hll_error(). '
	'Example: SELECT telemetry.hll_cardinality(players) FROM dau;';
CREATE FUNCTION telemetry.hll_add(sketch telemetry.hll, value anyelement) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_add(sketch telemetry.hll, value anyelement) IS
	'The sketch with one more value; NULL adds nothing. '
	'Example: SELECT telemetry.hll_add(telemetry.hll_empty(), ''ann''::text);';
CREATE FUNCTION telemetry.hll_add_hash(sketch telemetry.hll, hash bigint) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_add_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_add_hash(sketch telemetry.hll, hash bigint) IS
	'The sketch with one more value, of which the caller gives a 64-bit hash with uniform bits. '
	'Example: SELECT telemetry.hll_add_hash(telemetry.hll_empty(), telemetry.hll_hash(42));';
CREATE FUNCTION telemetry.hll_hash(value anyelement) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_hll_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_hash(value anyelement) IS
	'The 64-bit hash by which a value is counted. For boolean, smallint, integer, bigint, bytea and text the same as '
	'postgresql-hll''s hll_hash_*(value). A type without a hash function is an error (42883). '
	'Example: SELECT telemetry.hll_hash(''ann''::text);';
CREATE FUNCTION telemetry.hll_union(a telemetry.hll, b telemetry.hll) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_union(a telemetry.hll, b telemetry.hll) IS
	'The sketch of all values of both. Different precisions give the smaller one. An argument that already holds '
	'the result is returned as it is stored. Example: SELECT telemetry.hll_union(a.players, b.players) FROM a, b;';
CREATE FUNCTION telemetry.hll_fold(sketch telemetry.hll, "precision" integer) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_fold' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_fold(sketch telemetry.hll, "precision" integer) IS
	'The sketch at a smaller precision, as if it had been built there: half the size and sqrt(2) times the error for '
	'each step. A precision not smaller than the sketch''s changes nothing. Example: SELECT telemetry.hll_fold(players, 11) FROM dau;';
CREATE FUNCTION telemetry.hll_intersection_cardinality(a telemetry.hll, b telemetry.hll) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_hll_intersection_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_intersection_cardinality(a telemetry.hll, b telemetry.hll) IS
	'Estimated number of values in both sets, by inclusion and exclusion. Its standard error is about hll_error() times '
	'the size of the union, whatever the size of the intersection: a small overlap of large sets is not seen. Small sets '
	'(form tokens) are nearly exact. Example: SELECT telemetry.hll_intersection_cardinality(a.players, b.players) FROM a, b;';
CREATE FUNCTION telemetry.hll_jaccard(a telemetry.hll, b telemetry.hll) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_hll_jaccard' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_jaccard(a telemetry.hll, b telemetry.hll) IS
	'Estimated share of common values, size of the intersection over size of the union, from 0 to 1; two empty sets give 1. '
	'Its standard error is about hll_error(), absolute. Example: SELECT telemetry.hll_jaccard(a.players, b.players) FROM a, b;';
CREATE FUNCTION telemetry.hll_error(sketch telemetry.hll) RETURNS double precision
	AS 'MODULE_PATHNAME', 'telemetry_hll_error' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_error(sketch telemetry.hll) IS
	'Relative standard error of hll_cardinality() for this sketch: 0 where hashes are kept, 0.0001 for tokens (small sets), '
	'1.04 / sqrt(2^precision) for registers (1.07 at precision 4, 1.05 at 6). Example: SELECT telemetry.hll_error(players) FROM dau;';
CREATE FUNCTION telemetry.hll_info(sketch telemetry.hll, OUT version integer, OUT "precision" integer,
	OUT registers integer, OUT register_bits integer, OUT parameters text, OUT form text, OUT stored integer,
	OUT bytes integer, OUT cardinality double precision, OUT relative_error double precision) RETURNS record
	AS 'MODULE_PATHNAME', 'telemetry_hll_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_info(telemetry.hll) IS
	'What a sketch is made of: format version, precision, registers, bits of one, whose parameters (telemetry, or storage v1), '
	'form (tokens, explicit, sparse, dense), entries stored (tokens, hashes, registers that are not zero), size in bytes, '
	'estimate and its relative standard error. Example: SELECT (telemetry.hll_info(players)).* FROM dau;';

-- ---- storage specification v1: postgresql-hll, java-hll, js-hll

CREATE FUNCTION telemetry.hll_from_storage(bytes bytea) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_from_storage' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_from_storage(bytes bytea) IS
	'A sketch from the bytes of a postgresql-hll value (storage specification v1), which it keeps the parameters of. '
	'Bytes that are no such set are an error (22P03). Example: SELECT telemetry.hll_from_storage(hll_send(old)) FROM t;';
CREATE FUNCTION telemetry.hll_to_bytea(sketch telemetry.hll) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_hll_to_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_to_bytea(sketch telemetry.hll) IS
	'Storage specification v1 with the parameters that the sketch came with, else with postgresql-hll''s defaults '
	'(regwidth 5, expthresh -1, sparseon 1). The cast from telemetry.hll to bytea. Example: SELECT hll_cardinality(players::bytea::hll) FROM dau;';
CREATE FUNCTION telemetry.hll_to_storage(sketch telemetry.hll, regwidth integer DEFAULT 5, expthresh bigint DEFAULT -1, sparseon integer DEFAULT 1) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_hll_to_storage' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.hll_to_storage(sketch telemetry.hll, regwidth integer, expthresh bigint, sparseon integer) IS
	'Storage specification v1 with these parameters, as postgresql-hll names them, so that the result merges with a column of '
	'that type. log2m is the sketch''s precision. Parameters out of range are an error (22023). '
	'Example: SELECT telemetry.hll_to_storage(telemetry.hll_fold(players, 11), expthresh => 0)::hll FROM dau;';
CREATE CAST (bytea AS telemetry.hll) WITH FUNCTION telemetry.hll_from_storage(bytea);
COMMENT ON CAST (bytea AS telemetry.hll) IS 'Reads a postgresql-hll value (storage specification v1).';
CREATE CAST (telemetry.hll AS bytea) WITH FUNCTION telemetry.hll_to_bytea(telemetry.hll);
COMMENT ON CAST (telemetry.hll AS bytea) IS 'Writes a postgresql-hll value (storage specification v1).';

-- ---- operators (order and hashing: 69_order.sql)

CREATE OPERATOR telemetry.|| (LEFTARG = telemetry.hll, RIGHTARG = telemetry.hll, FUNCTION = telemetry.hll_union,
	COMMUTATOR = OPERATOR(telemetry.||));
COMMENT ON OPERATOR telemetry.|| (telemetry.hll, telemetry.hll) IS 'Union: hll_union().';
CREATE OPERATOR telemetry.|| (LEFTARG = telemetry.hll, RIGHTARG = anyelement, FUNCTION = telemetry.hll_add);
COMMENT ON OPERATOR telemetry.|| (telemetry.hll, anyelement) IS 'One more value: hll_add(). Give a literal its type: sketch || ''ann''::text.';
CREATE OPERATOR telemetry.# (RIGHTARG = telemetry.hll, FUNCTION = telemetry.hll_cardinality);
COMMENT ON OPERATOR telemetry.# (NONE, telemetry.hll) IS 'Number of distinct values: hll_cardinality().';

-- ---- aggregates

CREATE FUNCTION telemetry._hll_agg_add(internal, anyelement) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_add(internal, anyelement) IS
	'Transition of hll_agg(value): adds a value to a group.';
CREATE FUNCTION telemetry._hll_agg_add(internal, anyelement, integer) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_add(internal, anyelement, integer) IS
	'Transition of hll_agg(value, precision): adds a value to a group.';
CREATE FUNCTION telemetry._hll_agg_add_hash(internal, bigint) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_add_hash' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_add_hash(internal, bigint) IS
	'Transition of hll_hash_agg(hash): adds a hash to a group.';
CREATE FUNCTION telemetry._hll_agg_add_hash(internal, bigint, integer) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_add_hash' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_add_hash(internal, bigint, integer) IS
	'Transition of hll_hash_agg(hash, precision): adds a hash to a group.';
CREATE FUNCTION telemetry._hll_agg_union(internal, telemetry.hll) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_union(internal, telemetry.hll) IS
	'Transition of hll_union_agg(sketch): merges a sketch into a group.';
CREATE FUNCTION telemetry._hll_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._hll_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._hll_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._hll_agg_final(internal) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_final(internal) IS
	'The sketch of a group; empty where there was nothing.';
CREATE FUNCTION telemetry._hll_agg_count(internal) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_hll_agg_count' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_agg_count(internal) IS
	'The number of distinct values of a group.';
CREATE FUNCTION telemetry._hll_window_add(internal, telemetry.hll) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_window_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_window_add(internal, telemetry.hll) IS
	'A row enters a moving window of hll_union_agg().';
CREATE FUNCTION telemetry._hll_window_drop(internal, telemetry.hll) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hll_window_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_window_drop(internal, telemetry.hll) IS
	'The oldest row leaves a moving window of hll_union_agg().';
CREATE FUNCTION telemetry._hll_window_final(internal) RETURNS telemetry.hll
	AS 'MODULE_PATHNAME', 'telemetry_hll_window_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_window_final(internal) IS
	'The union of a moving window.';
CREATE AGGREGATE telemetry.hll_agg(anyelement) (
	SFUNC = telemetry._hll_agg_add, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_final,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.hll_agg(anyelement) IS
	'Sketch of the distinct values, at precision 14 (standard error 0.81 %). NULLs do not count; no value gives an empty '
	'sketch. Example: SELECT day, telemetry.hll_agg(player_id) AS players FROM fact GROUP BY day;';
CREATE AGGREGATE telemetry.hll_agg(anyelement, integer) (
	SFUNC = telemetry._hll_agg_add, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_final,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.hll_agg(anyelement, integer) IS
	'Sketch of the distinct values at a precision of 4 to 18 (else an error, 22023), the same for all rows of a group. '
	'Example: SELECT day, telemetry.hll_agg(player_id, 11) AS players FROM fact GROUP BY day;';
CREATE AGGREGATE telemetry.approx_count_distinct(anyelement) (
	SFUNC = telemetry._hll_agg_add, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_count,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.approx_count_distinct(anyelement) IS
	'Estimated number of distinct values, standard error 0.81 %; small numbers (up to about 2,700) are nearly always exact. '
	'NULLs do not count; 0 where there is nothing. Example: SELECT telemetry.approx_count_distinct(player_id) FROM fact;';
CREATE AGGREGATE telemetry.approx_count_distinct(anyelement, integer) (
	SFUNC = telemetry._hll_agg_add, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_count,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.approx_count_distinct(anyelement, integer) IS
	'Estimated number of distinct values at a precision of 4 to 18 (else an error, 22023); standard error '
	'1.04 / sqrt(2^precision). Example: SELECT telemetry.approx_count_distinct(player_id, 18) FROM fact;';
CREATE AGGREGATE telemetry.hll_hash_agg(bigint) (
	SFUNC = telemetry._hll_agg_add_hash, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_final,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.hll_hash_agg(bigint) IS
	'Sketch of values of which 64-bit hashes are given, at precision 14. The hashes must be uniform. '
	'Example: SELECT telemetry.hll_hash_agg(telemetry.hll_hash(player_id)) FROM fact;';
CREATE AGGREGATE telemetry.hll_hash_agg(bigint, integer) (
	SFUNC = telemetry._hll_agg_add_hash, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_final,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.hll_hash_agg(bigint, integer) IS
	'Sketch of values of which 64-bit hashes are given, at a precision of 4 to 18 (else an error, 22023). '
	'Example: SELECT telemetry.hll_hash_agg(telemetry.hll_hash(player_id), 11) FROM fact;';
CREATE AGGREGATE telemetry.hll_union_agg(telemetry.hll) (
	SFUNC = telemetry._hll_agg_union, STYPE = internal, SSPACE = 4096, FINALFUNC = telemetry._hll_agg_final,
	COMBINEFUNC = telemetry._hll_agg_combine, SERIALFUNC = telemetry._hll_agg_serialize,
	DESERIALFUNC = telemetry._hll_agg_deserialize,
	MSFUNC = telemetry._hll_window_add, MINVFUNC = telemetry._hll_window_drop, MSTYPE = internal, MSSPACE = 65536,
	MFINALFUNC = telemetry._hll_window_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.hll_union_agg(telemetry.hll) IS
	'Union of sketches; NULLs do not count; no sketch gives an empty one. Different precisions give the smallest. In a moving '
	'window each row is merged about three times however long the frame. '
	'Example: SELECT day, telemetry.hll_cardinality(telemetry.hll_union_agg(players) OVER (ORDER BY day ROWS 6 PRECEDING)) FROM dau;';
