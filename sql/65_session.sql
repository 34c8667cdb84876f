-- Sessions of events. C side: src/session.

CREATE FUNCTION telemetry._session_window_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_session_window_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._session_window_support(internal) IS
	'Says at planning, with its place, that a session_window() stands where it means nothing.';

CREATE FUNCTION telemetry.session_window(event_time timestamptz, gap interval, end_when boolean DEFAULT NULL,
	max_length interval DEFAULT NULL) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'telemetry_session_window' LANGUAGE C STABLE PARALLEL SAFE
	SUPPORT telemetry._session_window_support;
COMMENT ON FUNCTION telemetry.session_window(timestamptz, interval, boolean, interval) IS
	'In GROUP BY beside other keys: the sessions of each key. Two events are in one session if their distance is at most gap '
	'(24 hours a day, no months). Stands for the time of the session''s first event. Events without a time are one group, NULL. '
	'end_when: an event for which it is true ends the session after its time; max_length: a session that would be longer '
	'ends before. Errors: a gap that is null (22004), not positive or has months (22023); anywhere but in GROUP BY (42P20); '
	'GROUPING SETS, or two of them (0A000). Example: SELECT player_id, min(event_time), max(event_time), count(*) FROM fact '
	'GROUP BY player_id, telemetry.session_window(event_time, interval ''30 minutes'');';
CREATE FUNCTION telemetry.session_window(event_time timestamp, gap interval, end_when boolean DEFAULT NULL,
	max_length interval DEFAULT NULL) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'telemetry_session_window' LANGUAGE C STABLE PARALLEL SAFE
	SUPPORT telemetry._session_window_support;
COMMENT ON FUNCTION telemetry.session_window(timestamp, interval, boolean, interval) IS
	'As session_window(timestamptz, ...), for times without a zone. Example: SELECT device, count(*) FROM reading '
	'GROUP BY device, telemetry.session_window(taken_at, interval ''5 minutes'');';

CREATE FUNCTION telemetry._session_start(timestamptz, interval) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'telemetry_session_start' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_start(timestamptz, interval) IS
	'What session_window() is planned as: OVER (PARTITION BY keys ORDER BY event_time).';
CREATE FUNCTION telemetry._session_start(timestamp, interval) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'telemetry_session_start' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_start(timestamp, interval) IS
	'What session_window() is planned as: OVER (PARTITION BY keys ORDER BY event_time).';
CREATE FUNCTION telemetry._session_start(timestamptz, interval, boolean, interval) RETURNS timestamptz
	AS 'MODULE_PATHNAME', 'telemetry_session_start' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_start(timestamptz, interval, boolean, interval) IS
	'What session_window() with end_when or max_length is planned as.';
CREATE FUNCTION telemetry._session_start(timestamp, interval, boolean, interval) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'telemetry_session_start' LANGUAGE C IMMUTABLE PARALLEL SAFE WINDOW;
COMMENT ON FUNCTION telemetry._session_start(timestamp, interval, boolean, interval) IS
	'What session_window() with end_when or max_length is planned as.';
