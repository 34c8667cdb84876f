-- What continuous views of sessions are kept by.

CREATE FUNCTION telemetry._session_reach(event_time timestamptz, gap interval) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'telemetry_session_reach' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_reach(timestamptz, interval) IS
'Last moment at which another event still belongs to the session of one at event_time.';

CREATE FUNCTION telemetry._session_reach(event_time timestamp, gap interval) RETURNS timestamp
AS 'MODULE_PATHNAME', 'telemetry_session_reach' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_reach(timestamp, interval) IS
'Last moment at which another event still belongs to the session of one at event_time.';
