-- first() and last() by time. C side: src/type/first_last.c.

CREATE FUNCTION telemetry._first_add(internal, anyelement, "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_first_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_add(internal, anyelement, "any") IS
	'Transition of first(value, time).';
CREATE FUNCTION telemetry._last_add(internal, anyelement, "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_last_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._last_add(internal, anyelement, "any") IS
	'Transition of last(value, time).';
CREATE FUNCTION telemetry._first_last_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_first_last_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._first_last_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_first_last_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._first_last_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_first_last_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._first_last_final(internal, anyelement, "any") RETURNS anyelement
	AS 'MODULE_PATHNAME', 'telemetry_first_last_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_final(internal, anyelement, "any") IS
	'The value found in a group; NULL where there was none.';
CREATE FUNCTION telemetry._first_moving_add(internal, anyelement, "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_first_moving_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_moving_add(internal, anyelement, "any") IS
	'A row enters a moving window of first(value, time).';
CREATE FUNCTION telemetry._last_moving_add(internal, anyelement, "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_last_moving_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._last_moving_add(internal, anyelement, "any") IS
	'A row enters a moving window of last(value, time).';
CREATE FUNCTION telemetry._first_last_moving_drop(internal, anyelement, "any") RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_first_last_moving_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_moving_drop(internal, anyelement, "any") IS
	'The oldest row leaves a moving window of first() or last().';
CREATE FUNCTION telemetry._first_last_moving_final(internal, anyelement, "any") RETURNS anyelement
	AS 'MODULE_PATHNAME', 'telemetry_first_last_moving_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._first_last_moving_final(internal, anyelement, "any") IS
	'The value found in a moving window; NULL where there is none.';

CREATE AGGREGATE telemetry.first(value anyelement, "time" timestamptz) (
	SFUNC = telemetry._first_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._first_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.first(anyelement, timestamptz) IS
	'The value with the least time; of values at the same time the least one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.first(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.first(value anyelement, "time" timestamp) (
	SFUNC = telemetry._first_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._first_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.first(anyelement, timestamp) IS
	'The value with the least time; of values at the same time the least one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.first(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.first(value anyelement, "time" date) (
	SFUNC = telemetry._first_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._first_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.first(anyelement, date) IS
	'The value with the least time; of values at the same time the least one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.first(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.first(value anyelement, "time" bigint) (
	SFUNC = telemetry._first_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._first_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.first(anyelement, bigint) IS
	'The value with the least time; of values at the same time the least one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.first(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.last(value anyelement, "time" timestamptz) (
	SFUNC = telemetry._last_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._last_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.last(anyelement, timestamptz) IS
	'The value with the greatest time; of values at the same time the greatest one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.last(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.last(value anyelement, "time" timestamp) (
	SFUNC = telemetry._last_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._last_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.last(anyelement, timestamp) IS
	'The value with the greatest time; of values at the same time the greatest one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.last(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.last(value anyelement, "time" date) (
	SFUNC = telemetry._last_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._last_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.last(anyelement, date) IS
	'The value with the greatest time; of values at the same time the greatest one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.last(level, event_time) FROM fact GROUP BY player_id;';

CREATE AGGREGATE telemetry.last(value anyelement, "time" bigint) (
	SFUNC = telemetry._last_add, STYPE = internal, SSPACE = 96,
	FINALFUNC = telemetry._first_last_final, FINALFUNC_EXTRA,
	COMBINEFUNC = telemetry._first_last_combine, SERIALFUNC = telemetry._first_last_serialize,
	DESERIALFUNC = telemetry._first_last_deserialize,
	MSFUNC = telemetry._last_moving_add, MINVFUNC = telemetry._first_last_moving_drop, MSTYPE = internal,
	MFINALFUNC = telemetry._first_last_moving_final, MFINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.last(anyelement, bigint) IS
	'The value with the greatest time; of values at the same time the greatest one. Rows whose value or time is NULL do not '
	'count; no row gives NULL. The value needs a type with an order, else an error (42883). '
	'Example: SELECT player_id, telemetry.last(level, event_time) FROM fact GROUP BY player_id;';
