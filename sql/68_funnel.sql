-- telemetry.funnel: who got how far in an order of steps. C side: src/type/funnel*.c over src/sketch/funnel*.c.

CREATE TYPE telemetry.funnel;

CREATE FUNCTION telemetry.funnel_in(cstring) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_in(cstring) IS
	'Input of telemetry.funnel: {step, time; step, time, how often; ...}, in any order. '
	'Stable, for a time without a zone is one of the session''s zone. Errors: 22P02; what the numbers and times say.';
CREATE FUNCTION telemetry.funnel_out(telemetry.funnel) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_funnel_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_out(telemetry.funnel) IS
	'Output of telemetry.funnel: {1, 2026-01-01 10:00:00+00; 2, 2026-01-01 10:05:00+00, 3}, by time, in UTC whatever the settings; of what came several times how often.';
CREATE FUNCTION telemetry.funnel_recv(internal) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_recv(internal) IS
	'Binary input of telemetry.funnel. Bytes that funnel_send would not write are an error (22P03).';
CREATE FUNCTION telemetry.funnel_send(telemetry.funnel) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_funnel_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_send(telemetry.funnel) IS
	'Binary output of telemetry.funnel: the stored bytes, format and version first.';
CREATE TYPE telemetry.funnel (
	INPUT = telemetry.funnel_in,
	OUTPUT = telemetry.funnel_out,
	RECEIVE = telemetry.funnel_recv,
	SEND = telemetry.funnel_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.funnel IS
	'Events of a funnel: when somebody did which of its steps, 1 to 64. Funnels merge, and events can be taken away again; equal ones are equal byte for byte. '
	'About 6 bytes an event, at most 4,194,304 different events. See docs/funnels.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.funnel_plus(telemetry.funnel, telemetry.funnel) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_plus(telemetry.funnel, telemetry.funnel) IS
	'All events of both; one that is in both came twice. Errors: more than 4,194,304 different ones, or one more often than 2^62 times (54000). Behind the operator +.';
CREATE FUNCTION telemetry.funnel_minus(telemetry.funnel, telemetry.funnel) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_minus(telemetry.funnel, telemetry.funnel) IS
	'The first without the events of the second: exactly as if they had never come. Errors: as of funnel_plus(). Behind the operator -.';
CREATE FUNCTION telemetry.funnel_negate(telemetry.funnel) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_negate(telemetry.funnel) IS
	'What takes these events away when it is added: negative numbers of them. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.funnel, RIGHTARG = telemetry.funnel, FUNCTION = telemetry.funnel_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.funnel, telemetry.funnel) IS 'All events of both.';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.funnel, RIGHTARG = telemetry.funnel, FUNCTION = telemetry.funnel_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.funnel, telemetry.funnel) IS 'The first without the events of the second.';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.funnel, FUNCTION = telemetry.funnel_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.funnel) IS 'What takes these events away when it is added.';

-- ---- how far

CREATE FUNCTION telemetry.funnel_steps(funnel telemetry.funnel, within interval) RETURNS integer
	AS 'MODULE_PATHNAME', 'telemetry_funnel_steps' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.funnel_steps(funnel telemetry.funnel, within interval) IS
	'The greatest n such that steps 1 to n were done, each next one later than the one before (not at the same time), the last at most within later than '
	'the first. 0: not even step 1. Whichever first step leads farthest counts; other events between do no harm. A day is 24 hours. Errors: months, or a '
	'negative time (22023); negative numbers of events (22023). '
	'Example: SELECT player_id, telemetry.funnel_steps(telemetry.funnel_agg(event_time, action = ''login'', action = ''purchase''), ''1 day'') FROM fact GROUP BY player_id;';

-- ---- aggregates

CREATE FUNCTION telemetry._funnel_agg_add(internal, integer, timestamptz) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_add(internal, integer, timestamptz) IS
	'Transition of funnel_agg(step, event_time): an event comes.';
CREATE FUNCTION telemetry._funnel_agg_drop(internal, integer, timestamptz) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_drop(internal, integer, timestamptz) IS
	'Inverse transition of funnel_agg(step, event_time): the oldest event leaves a moving window.';
CREATE FUNCTION telemetry._funnel_agg_add(internal, timestamptz, boolean[]) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_conditions_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_add(internal, timestamptz, boolean[]) IS
	'Transition of funnel_agg(event_time, conditions): an event comes.';
CREATE FUNCTION telemetry._funnel_agg_drop(internal, timestamptz, boolean[]) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_conditions_drop' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_drop(internal, timestamptz, boolean[]) IS
	'Inverse transition of funnel_agg(event_time, conditions): the oldest event leaves a moving window.';
CREATE FUNCTION telemetry._funnel_agg_union(internal, telemetry.funnel) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_union(internal, telemetry.funnel) IS
	'Transition of funnel_union_agg(): a funnel comes.';
CREATE FUNCTION telemetry._funnel_agg_without(internal, telemetry.funnel) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_without' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_without(internal, telemetry.funnel) IS
	'Inverse transition of funnel_union_agg(): the oldest funnel leaves a moving window.';
CREATE FUNCTION telemetry._funnel_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_combine(internal, internal) IS
	'Merges the group of a parallel worker.';
CREATE FUNCTION telemetry._funnel_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_serialize(internal) IS
	'Packs a group for another process.';
CREATE FUNCTION telemetry._funnel_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_deserialize(bytea, internal) IS
	'Unpacks a group of another process.';
CREATE FUNCTION telemetry._funnel_agg_final(internal) RETURNS telemetry.funnel
	AS 'MODULE_PATHNAME', 'telemetry_funnel_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_agg_final(internal) IS
	'The funnel of a group; of nothing where there was nothing.';
CREATE AGGREGATE telemetry.funnel_agg(step integer, event_time timestamptz) (
	SFUNC = telemetry._funnel_agg_add, STYPE = internal, SSPACE = 400, FINALFUNC = telemetry._funnel_agg_final,
	COMBINEFUNC = telemetry._funnel_agg_combine, SERIALFUNC = telemetry._funnel_agg_serialize, DESERIALFUNC = telemetry._funnel_agg_deserialize,
	MSFUNC = telemetry._funnel_agg_add, MINVFUNC = telemetry._funnel_agg_drop, MSTYPE = internal, MSSPACE = 400, MFINALFUNC = telemetry._funnel_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.funnel_agg(integer, timestamptz) IS
	'The events of a funnel, for funnel_steps(): which step, 1 to 64, was done when. Rows with a NULL are no event; no row gives a funnel of nothing. An '
	'event that is several steps takes a row for each. Errors: another step (22003); more than 4,194,304 different events (54000). '
	'Example: SELECT player_id, telemetry.funnel_steps(telemetry.funnel_agg(array_position(ARRAY[''login'', ''purchase''], action), event_time), ''1 '
	'hour'') FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.funnel_agg(event_time timestamptz, VARIADIC conditions boolean[]) (
	SFUNC = telemetry._funnel_agg_add, STYPE = internal, SSPACE = 400, FINALFUNC = telemetry._funnel_agg_final,
	COMBINEFUNC = telemetry._funnel_agg_combine, SERIALFUNC = telemetry._funnel_agg_serialize, DESERIALFUNC = telemetry._funnel_agg_deserialize,
	MSFUNC = telemetry._funnel_agg_add, MINVFUNC = telemetry._funnel_agg_drop, MSTYPE = internal, MSSPACE = 400, MFINALFUNC = telemetry._funnel_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.funnel_agg(timestamptz, VARIADIC boolean[]) IS
	'As funnel_agg(step, event_time), with a condition for each step: the event is every step whose condition is true. '
	'Example: SELECT player_id, telemetry.funnel_steps(telemetry.funnel_agg(event_time, action = ''login'', action = ''purchase'' AND amount > 10), ''1 '
	'hour'') FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.funnel_union_agg(funnel telemetry.funnel) (
	SFUNC = telemetry._funnel_agg_union, STYPE = internal, SSPACE = 400, FINALFUNC = telemetry._funnel_agg_final,
	COMBINEFUNC = telemetry._funnel_agg_combine, SERIALFUNC = telemetry._funnel_agg_serialize, DESERIALFUNC = telemetry._funnel_agg_deserialize,
	MSFUNC = telemetry._funnel_agg_union, MINVFUNC = telemetry._funnel_agg_without, MSTYPE = internal, MSSPACE = 400, MFINALFUNC = telemetry._funnel_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.funnel_union_agg(telemetry.funnel) IS
	'All events of several funnels: byte for byte what one aggregate over all rows is; an event that is in two came twice. Errors: as of funnel_agg(). '
	'Example: SELECT player_id, telemetry.funnel_steps(telemetry.funnel_union_agg(funnel), ''7 days'') FROM daily GROUP BY player_id;';

-- How continuous views keep a large one in two columns: see src/type/aside.h.

CREATE FUNCTION telemetry._funnel_base(base telemetry.funnel, aside telemetry.funnel, added_base telemetry.funnel, added_aside telemetry.funnel, room integer)
RETURNS telemetry.funnel AS 'MODULE_PATHNAME', 'telemetry_funnel_base' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_base(telemetry.funnel, telemetry.funnel, telemetry.funnel, telemetry.funnel, integer) IS
'As _hll_base().';
CREATE FUNCTION telemetry._funnel_aside(aside telemetry.funnel, base telemetry.funnel, added_aside telemetry.funnel, added_base telemetry.funnel, room integer)
RETURNS telemetry.funnel AS 'MODULE_PATHNAME', 'telemetry_funnel_aside' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._funnel_aside(telemetry.funnel, telemetry.funnel, telemetry.funnel, telemetry.funnel, integer) IS
'As _hll_aside(), of events that came since.';
