-- What continuous views of sessions are kept by.

CREATE FUNCTION telemetry._session_of_piece(start timestamptz, reach timestamptz, last timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'telemetry_session_of_piece' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_of_piece(timestamptz, timestamptz, timestamptz) IS
'Start of the session that a run of events belongs to, where events can end sessions: OVER (PARTITION BY keys ORDER BY start, last, reach).';

CREATE FUNCTION telemetry._session_of_piece(start timestamp, reach timestamp, last timestamp) RETURNS timestamp
AS 'MODULE_PATHNAME', 'telemetry_session_of_piece' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_of_piece(timestamp, timestamp, timestamp) IS
'Start of the session that a run of events belongs to, where events can end sessions: OVER (PARTITION BY keys ORDER BY start, last, reach).';

CREATE FUNCTION telemetry._session_reach(event_time timestamptz, gap interval) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'telemetry_session_reach' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_reach(timestamptz, interval) IS
'Last moment at which another event still belongs to the session of one at event_time.';

CREATE FUNCTION telemetry._session_reach(event_time timestamp, gap interval) RETURNS timestamp
AS 'MODULE_PATHNAME', 'telemetry_session_reach' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_reach(timestamp, interval) IS
'Last moment at which another event still belongs to the session of one at event_time.';

CREATE FUNCTION telemetry._session_bin(event_time timestamptz, gap interval) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'telemetry_session_bin' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_bin(timestamptz, interval) IS
'Begin of the stretch of time, as long as the gap, that event_time is in: events of one stretch are of one session.';

CREATE FUNCTION telemetry._session_bin(event_time timestamp, gap interval) RETURNS timestamp
AS 'MODULE_PATHNAME', 'telemetry_session_bin' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_bin(timestamp, interval) IS
'Begin of the stretch of time, as long as the gap, that event_time is in: events of one stretch are of one session.';
