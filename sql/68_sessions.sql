-- telemetry.sessions: sets of sessions. C side: src/type/sessions*.c over src/sketch/sessions*.c.

CREATE TYPE telemetry.sessions;

CREATE FUNCTION telemetry.sessions_in(cstring) RETURNS telemetry.sessions
	AS 'MODULE_PATHNAME', 'telemetry_sessions_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_in(cstring) IS
	'Input of telemetry.sessions: {gap; first time, last time, events; ...}, in order and farther apart than the gap. '
	'Stable, for a time without a zone is one of the session''s zone. Errors: 22P02; 22023 for the gap.';
CREATE FUNCTION telemetry.sessions_out(telemetry.sessions) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_sessions_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_out(telemetry.sessions) IS
	'Output of telemetry.sessions: {00:30:00; 2026-01-01 10:00:00+00, 2026-01-01 10:45:00+00, 17}, in UTC whatever the settings.';
CREATE FUNCTION telemetry.sessions_recv(internal) RETURNS telemetry.sessions
	AS 'MODULE_PATHNAME', 'telemetry_sessions_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_recv(internal) IS
	'Binary input of telemetry.sessions. Bytes that sessions_send would not write are an error (22P03).';
CREATE FUNCTION telemetry.sessions_send(telemetry.sessions) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_sessions_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_send(telemetry.sessions) IS
	'Binary output of telemetry.sessions: the stored bytes, format and version first.';
CREATE TYPE telemetry.sessions (
	INPUT = telemetry.sessions_in,
	OUTPUT = telemetry.sessions_out,
	RECEIVE = telemetry.sessions_recv,
	SEND = telemetry.sessions_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.sessions IS
	'Set of sessions of one gap, each with first and last time and number of events. Sets merge; equal sets are equal byte for byte. '
	'About 12 bytes a session. See docs/sessions.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.sessions_union(telemetry.sessions, telemetry.sessions) RETURNS telemetry.sessions
	AS 'MODULE_PATHNAME', 'telemetry_sessions_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_union(telemetry.sessions, telemetry.sessions) IS
	'The sessions of all events of both: sessions within the gap of each other become one. An event that is in both counts twice. '
	'Behind the operator ||. Errors: different gaps (22023). Example: SELECT monday || tuesday FROM t;';
CREATE OPERATOR telemetry.|| (LEFTARG = telemetry.sessions, RIGHTARG = telemetry.sessions, FUNCTION = telemetry.sessions_union,
	COMMUTATOR = OPERATOR(telemetry.||));
COMMENT ON OPERATOR telemetry.|| (telemetry.sessions, telemetry.sessions) IS 'The sessions of all events of both: sessions_union().';

-- ---- functions

CREATE FUNCTION telemetry.unnest(telemetry.sessions, OUT started_at timestamptz, OUT ended_at timestamptz, OUT events bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_sessions_unnest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION telemetry.unnest(telemetry.sessions) IS
	'The sessions, by time: first event, last event, number of events. Example: SELECT s.* FROM t, telemetry.unnest(t.sessions) AS s;';
CREATE FUNCTION telemetry.sessions_count(telemetry.sessions) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_sessions_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_count(telemetry.sessions) IS
	'Number of sessions. Example: SELECT telemetry.sessions_count(s) FROM t;';
CREATE FUNCTION telemetry.sessions_events(telemetry.sessions) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_sessions_events' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_events(telemetry.sessions) IS
	'Number of events of all sessions. Errors: more than a bigint can count (22003). Example: SELECT telemetry.sessions_events(s) FROM t;';
CREATE FUNCTION telemetry.sessions_total(telemetry.sessions) RETURNS interval
	AS 'MODULE_PATHNAME', 'telemetry_sessions_total' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_total(telemetry.sessions) IS
	'Time from the first to the last event of each session, summed up; days of 24 hours. Example: SELECT telemetry.sessions_total(s) FROM t;';
CREATE FUNCTION telemetry.sessions_longest(telemetry.sessions) RETURNS interval
	AS 'MODULE_PATHNAME', 'telemetry_sessions_longest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_longest(telemetry.sessions) IS
	'Length of the longest session; NULL of an empty set. Example: SELECT telemetry.sessions_longest(s) FROM t;';
CREATE FUNCTION telemetry.sessions_gap(telemetry.sessions) RETURNS interval
	AS 'MODULE_PATHNAME', 'telemetry_sessions_gap' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_gap(telemetry.sessions) IS
	'The gap, in hours and less. Example: SELECT telemetry.sessions_gap(s) FROM t;';
CREATE FUNCTION telemetry.sessions_at(telemetry.sessions, timestamptz) RETURNS boolean
	AS 'MODULE_PATHNAME', 'telemetry_sessions_at' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sessions_at(telemetry.sessions, timestamptz) IS
	'Is a session going on at that time, its first and last event included? Example: SELECT count(*) FROM t WHERE telemetry.sessions_at(s, now());';

-- ---- aggregates

CREATE FUNCTION telemetry._sessions_agg_add(internal, timestamptz, interval) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_add(internal, timestamptz, interval) IS
	'Transition of sessions_agg(): an event.';
CREATE FUNCTION telemetry._sessions_agg_union(internal, telemetry.sessions) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_union(internal, telemetry.sessions) IS
	'Transition of sessions_union_agg(): a set.';
CREATE FUNCTION telemetry._sessions_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_combine(internal, internal) IS
	'Merges the states of two workers.';
CREATE FUNCTION telemetry._sessions_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_serialize(internal) IS
	'State of a worker as bytes.';
CREATE FUNCTION telemetry._sessions_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_deserialize(bytea, internal) IS
	'State of a worker from bytes.';
CREATE FUNCTION telemetry._sessions_agg_final(internal) RETURNS telemetry.sessions
	AS 'MODULE_PATHNAME', 'telemetry_sessions_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sessions_agg_final(internal) IS
	'The set that an aggregate has gathered.';
CREATE AGGREGATE telemetry.sessions_agg(event_time timestamptz, gap interval) (
	SFUNC = telemetry._sessions_agg_add, STYPE = internal, FINALFUNC = telemetry._sessions_agg_final,
	COMBINEFUNC = telemetry._sessions_agg_combine, SERIALFUNC = telemetry._sessions_agg_serialize,
	DESERIALFUNC = telemetry._sessions_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sessions_agg(timestamptz, interval) IS
	'The sessions of all events: those at most gap apart are in one. Events without a time are left out; NULL without rows. Errors: a gap that is null '
	'(22004), not positive or has months, or differs between rows (22023). '
	'Example: SELECT player_id, telemetry.sessions_agg(event_time, ''30 minutes'') FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.sessions_union_agg(telemetry.sessions) (
	SFUNC = telemetry._sessions_agg_union, STYPE = internal, FINALFUNC = telemetry._sessions_agg_final,
	COMBINEFUNC = telemetry._sessions_agg_combine, SERIALFUNC = telemetry._sessions_agg_serialize,
	DESERIALFUNC = telemetry._sessions_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sessions_union_agg(telemetry.sessions) IS
	'The sessions of all events of all sets, as if they had been gathered at once. NULL without sets. Errors: different gaps (22023). Example: SELECT telemetry.sessions_union_agg(sessions) FROM daily;';
