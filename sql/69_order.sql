-- Order and hashing of the types whose bytes are canonical: equal values have equal bytes. So they can be compared, sorted, made
-- DISTINCT, joined and hashed, all by the same functions. The order says nothing else of them. C side: src/type/hll_io.c.

DO $order$
DECLARE
	type record;
	compared record;
	hashed record;
BEGIN
	FOR type IN SELECT 'telemetry.' || name AS name, equal, other FROM (VALUES
		('hll', 'The same sketch, byte for byte.', 'Another sketch.'),
		('quantile_sketch', 'Equal in every count, byte for byte.', 'Different in a count.'),
		('float8_sum', 'Equal in every exact sum and count, byte for byte.', 'Different in an exact sum or a count.'),
		('float8_moments', 'Equal in every exact sum and count, byte for byte.', 'Different in an exact sum or a count.'),
		('funnel', 'Same events, each as often.', 'Different in an event, or in how often it came.'),
		('sessions', 'Same gap, same sessions, same numbers of events.', 'Different in the gap, a session or a number of events.'),
		('sums', 'Same keys, same sums, same numbers of rows.', 'Different in a key, a sum or a number of rows.'),
		('concurrency', 'The same number at every moment.', 'Another number at some moment.')) AS types (name, equal, other)
	LOOP
		FOR compared IN SELECT * FROM (VALUES
			('eq', 'telemetry_hll_eq', '=', '<>', '=', 'eqsel', 'eqjoinsel', ', HASHES, MERGES', 'equal', type.equal),
			('ne', 'telemetry_hll_ne', '<>', '=', '<>', 'neqsel', 'neqjoinsel', '', 'not equal', type.other),
			('lt', 'telemetry_hll_lt', '<', '>=', '>', 'scalarltsel', 'scalarltjoinsel', '', 'less', NULL),
			('le', 'telemetry_hll_le', '<=', '>', '>=', 'scalarlesel', 'scalarlejoinsel', '', 'less or equal', NULL),
			('gt', 'telemetry_hll_gt', '>', '<=', '<', 'scalargtsel', 'scalargtjoinsel', '', 'greater', NULL),
			('ge', 'telemetry_hll_ge', '>=', '<', '<=', 'scalargesel', 'scalargejoinsel', '', 'greater or equal', NULL))
			AS operators (name, code, operator, negator, commutator, restriction, joining, more, what, meaning)
		LOOP
			EXECUTE format($$CREATE FUNCTION %1$s_%2$s(%1$s, %1$s) RETURNS boolean
				AS 'MODULE_PATHNAME', '%3$s' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE$$, type.name, compared.name, compared.code);
			EXECUTE format($$COMMENT ON FUNCTION %1$s_%2$s(%1$s, %1$s) IS 'Is the first value %3$s, by its bytes? Behind an operator.'$$,
				type.name, compared.name, compared.what);
			EXECUTE format($$CREATE OPERATOR telemetry.%3$s (LEFTARG = %1$s, RIGHTARG = %1$s, FUNCTION = %1$s_%2$s, NEGATOR = OPERATOR(telemetry.%4$s),
				COMMUTATOR = OPERATOR(telemetry.%5$s), RESTRICT = %6$s, JOIN = %7$s%8$s)$$,
				type.name, compared.name, compared.operator, compared.negator, compared.commutator, compared.restriction, compared.joining, compared.more);
			EXECUTE format($$COMMENT ON OPERATOR telemetry.%2$s (%1$s, %1$s) IS %3$L$$, type.name, compared.operator,
				coalesce(compared.meaning, 'Order by bytes, for sorting and DISTINCT; it says nothing else.'));
		END LOOP;
		FOR hashed IN SELECT * FROM (VALUES
			('cmp', 'telemetry_hll_cmp', type.name, 'integer', 'Order of two values by their bytes, for sorting: it says nothing else.'),
			('hash_value', 'telemetry_hll_hash_value', NULL, 'integer', 'Hash of a value, for hash joins and hash aggregation.'),
			('hash_value_extended', 'telemetry_hll_hash_value_extended', 'bigint', 'bigint', '64-bit hash of a value with a seed, for hash partitioning.'))
			AS functions (name, code, second, result, meaning)
		LOOP
			EXECUTE format($$CREATE FUNCTION %1$s_%2$s(%3$s) RETURNS %4$s
				AS 'MODULE_PATHNAME', '%5$s' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE$$,
				type.name, hashed.name, concat_ws(', ', type.name, hashed.second), hashed.result, hashed.code);
			EXECUTE format('COMMENT ON FUNCTION %s_%s(%s) IS %L', type.name, hashed.name, concat_ws(', ', type.name, hashed.second), hashed.meaning);
		END LOOP;
		EXECUTE format($$CREATE OPERATOR CLASS %1$s_ops DEFAULT FOR TYPE %1$s USING btree AS
			OPERATOR 1 telemetry.<, OPERATOR 2 telemetry.<=, OPERATOR 3 telemetry.=, OPERATOR 4 telemetry.>=, OPERATOR 5 telemetry.>,
			FUNCTION 1 %1$s_cmp(%1$s, %1$s)$$, type.name);
		EXECUTE format($$COMMENT ON OPERATOR CLASS %s_ops USING btree IS 'Order by bytes, so that values can be sorted, compared and made DISTINCT.'$$, type.name);
		EXECUTE format($$CREATE OPERATOR CLASS %1$s_ops DEFAULT FOR TYPE %1$s USING hash AS
			OPERATOR 1 telemetry.=, FUNCTION 1 %1$s_hash_value(%1$s), FUNCTION 2 %1$s_hash_value_extended(%1$s, bigint)$$, type.name);
		EXECUTE format($$COMMENT ON OPERATOR CLASS %s_ops USING hash IS 'Hashing by bytes, so that EXCEPT and hash plans work.'$$, type.name);
	END LOOP;
END $order$;
