-- telemetry.concurrency: how many intervals of time go on at each moment, as a value. C side: src/type/concurrency*.c.

CREATE TYPE telemetry.concurrency;

CREATE FUNCTION telemetry.concurrency_in(cstring) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_in(cstring) IS
	'Input of telemetry.concurrency: {2026-01-01 10:00:00+00, 2; 2026-01-01 10:45:00.000001+00, -1; ...}, steps in any order: a moment, and how many more go on from then on. '
	'Errors: 22P02; what timestamptz and bigint refuse.';
CREATE FUNCTION telemetry.concurrency_out(telemetry.concurrency) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_out(telemetry.concurrency) IS
	'Output of telemetry.concurrency: steps in order, times in UTC, whatever the settings.';
CREATE FUNCTION telemetry.concurrency_recv(internal) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_recv(internal) IS
	'Binary input of telemetry.concurrency: its bytes. Errors: 22P03.';
CREATE FUNCTION telemetry.concurrency_send(telemetry.concurrency) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_send(telemetry.concurrency) IS
	'Binary output of telemetry.concurrency: its bytes.';
CREATE TYPE telemetry.concurrency (
	INPUT = telemetry.concurrency_in,
	OUTPUT = telemetry.concurrency_out,
	RECEIVE = telemetry.concurrency_recv,
	SEND = telemetry.concurrency_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = external
);
COMMENT ON TYPE telemetry.concurrency IS
	'How many intervals of time go on at each moment, exactly: steps up and down. Values add and subtract; equal ones are equal byte for byte. '
	'3 to 6 bytes a step, all of them written with each change: for some thousands of intervals a value, as of a window of time; at most 1 GB. See docs/sessions.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.concurrency_plus(telemetry.concurrency, telemetry.concurrency) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_plus(telemetry.concurrency, telemetry.concurrency) IS
	'How many go on of the intervals of both; one that is in both counts twice. Errors: beyond bigint (22003). Behind the operator +. Example: SELECT mobile OPERATOR(telemetry.+) desktop FROM t;';
CREATE FUNCTION telemetry.concurrency_minus(telemetry.concurrency, telemetry.concurrency) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_minus(telemetry.concurrency, telemetry.concurrency) IS
	'How many go on of the intervals of the first without those of the second: (a + b) - b is a, to the byte. Errors: 22003. Behind the operator -. '
	'Example: SELECT everybody OPERATOR(telemetry.-) bots FROM t;';
CREATE FUNCTION telemetry.concurrency_negate(telemetry.concurrency) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_negate(telemetry.concurrency) IS
	'What, added, takes the intervals away. Errors: 22003. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.concurrency, RIGHTARG = telemetry.concurrency, FUNCTION = telemetry.concurrency_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.concurrency, telemetry.concurrency) IS 'The intervals of both: concurrency_plus().';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.concurrency, RIGHTARG = telemetry.concurrency, FUNCTION = telemetry.concurrency_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.concurrency, telemetry.concurrency) IS 'The first''s intervals without the second''s: concurrency_minus().';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.concurrency, FUNCTION = telemetry.concurrency_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.concurrency) IS 'What, added, takes the intervals away: concurrency_negate().';

-- ---- functions

CREATE FUNCTION telemetry.concurrency_peak(telemetry.concurrency) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_peak' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_peak(telemetry.concurrency) IS
	'The most intervals that go on at one moment; 0: none ever. Errors: beyond bigint (22003). '
	'Example: SELECT telemetry.concurrency_peak(telemetry.concurrency_agg(started_at, ended_at)) FROM session;';
CREATE FUNCTION telemetry.concurrency_at(telemetry.concurrency, moment timestamptz) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.concurrency_at(telemetry.concurrency, timestamptz) IS
	'How many intervals go on at a moment. Errors: beyond bigint (22003). '
	'Example: SELECT telemetry.concurrency_at(telemetry.concurrency_agg(started_at, ended_at), now()) FROM session;';
CREATE FUNCTION telemetry.unnest(telemetry.concurrency, OUT at timestamptz, OUT concurrent bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_unnest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION telemetry.unnest(telemetry.concurrency) IS
	'The steps: from that moment on, until the next step, so many intervals go on. Errors: beyond bigint (22003). '
	'Example: SELECT s.* FROM (SELECT telemetry.concurrency_agg(started_at, ended_at) AS c FROM session) AS q, telemetry.unnest(c) AS s;';

CREATE FUNCTION telemetry.window_pieces(started_at timestamptz, ended_at timestamptz, step interval,
	OUT window_start timestamptz, OUT piece_start timestamptz, OUT piece_end timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_window_pieces' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 3;
COMMENT ON FUNCTION telemetry.window_pieces(timestamptz, timestamptz, interval) IS
	'An interval of time, both ends included, cut at the bounds of windows of so long a step: a row for each window that it goes on in. piece_end is null if it goes on in the next window, so that '
	'concurrency_agg(piece_start, piece_end) says of each moment of the window what it would say of whole intervals. Windows are counted from 1970-01-01 '
	'00:00 UTC, a day has 24 hours. No rows of a null or infinite end or start. '
	'Errors: an end before its start, a step that has months or is not positive (22023), more than 1,000,000 windows (54000). '
	'Example: SELECT w.window_start, telemetry.concurrency_peak(telemetry.concurrency_agg(w.piece_start, w.piece_end)) FROM session AS s, LATERAL '
	'telemetry.window_pieces(s.started_at, s.ended_at, ''15 minutes'') AS w GROUP BY 1;';

-- ---- aggregates

CREATE FUNCTION telemetry._concurrency_agg(internal, timestamptz, timestamptz) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg(internal, timestamptz, timestamptz) IS 'Transition of concurrency_agg(): an interval.';
CREATE FUNCTION telemetry._concurrency_agg_union(internal, telemetry.concurrency) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg_union(internal, telemetry.concurrency) IS 'Transition of concurrency_union_agg(): a value.';
CREATE FUNCTION telemetry._concurrency_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg_combine(internal, internal) IS 'Merges the states of two workers.';
CREATE FUNCTION telemetry._concurrency_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg_serialize(internal) IS 'State of a worker as bytes.';
CREATE FUNCTION telemetry._concurrency_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg_deserialize(bytea, internal) IS 'State of a worker from bytes.';
CREATE FUNCTION telemetry._concurrency_agg_final(internal) RETURNS telemetry.concurrency
	AS 'MODULE_PATHNAME', 'telemetry_concurrency_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrency_agg_final(internal) IS 'What an aggregate has gathered.';
CREATE AGGREGATE telemetry.concurrency_agg(started_at timestamptz, ended_at timestamptz) (
	SFUNC = telemetry._concurrency_agg, STYPE = internal, FINALFUNC = telemetry._concurrency_agg_final,
	COMBINEFUNC = telemetry._concurrency_agg_combine, SERIALFUNC = telemetry._concurrency_agg_serialize,
	DESERIALFUNC = telemetry._concurrency_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.concurrency_agg(timestamptz, timestamptz) IS
	'How many intervals go on at each moment, as a value that a continuous view keeps; an interval goes on at its start, at its end and between. A null '
	'end is none yet; a null start is left out. Without rows, empty and not NULL. Errors: an end before its start (22023). '
	'Example: SELECT game_id, telemetry.concurrency_agg(started_at, ended_at) FROM session GROUP BY game_id;';
CREATE AGGREGATE telemetry.concurrency_union_agg(telemetry.concurrency) (
	SFUNC = telemetry._concurrency_agg_union, STYPE = internal, FINALFUNC = telemetry._concurrency_agg_final,
	COMBINEFUNC = telemetry._concurrency_agg_combine, SERIALFUNC = telemetry._concurrency_agg_serialize,
	DESERIALFUNC = telemetry._concurrency_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.concurrency_union_agg(telemetry.concurrency) IS
	'The intervals of all values, as if they had been gathered at once. Without values, empty and not NULL. '
	'Example: SELECT telemetry.concurrency_peak(telemetry.concurrency_union_agg(players)) FROM by_game;';
