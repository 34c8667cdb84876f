-- Windows of time. C side: src/type/window.c, window_grid.c, window_clock.c.

CREATE FUNCTION telemetry._hop_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_hop_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hop_support(internal) IS
	'Tells the planner in how many windows of hop() an event is.';
CREATE FUNCTION telemetry._cumulate_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_cumulate_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._cumulate_support(internal) IS
	'Tells the planner in how many windows of cumulate() an event is, on average.';

-- Stable and not immutable, as date_trunc(field, ts, zone) is: a zone's rules may change with the server's tzdata.
CREATE FUNCTION telemetry.hop(ts timestamptz, slide interval, size interval, origin timestamptz DEFAULT NULL,
	zone text DEFAULT 'UTC', OUT window_start timestamptz, OUT window_end timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_hop' LANGUAGE C STABLE PARALLEL SAFE ROWS 10 SUPPORT telemetry._hop_support;
COMMENT ON FUNCTION telemetry.hop(timestamptz, interval, interval, timestamptz, text) IS
	'The hopping windows [window_start, window_end) that ts is in: one begins every slide and is size long, by the clock '
	'of zone, counted from origin (1970-01-01 00:00 there). NULL and infinite ts are in none. Stable: depends on nothing but '
	'its arguments and the time zone data. Errors: a length that is not positive, or mixes months with days or time, or a slide longer than the size (22023); '
	'more than 10,000 windows (54000); beyond the range of timestamps (22008). Example: SELECT w.window_start, count(*) FROM '
	'fact, telemetry.hop(event_time, slide => ''15 minutes'', size => ''1 hour'', zone => ''Europe/Berlin'') AS w GROUP BY 1;';
CREATE FUNCTION telemetry.hop(ts timestamp, slide interval, size interval, origin timestamp DEFAULT NULL,
	OUT window_start timestamp, OUT window_end timestamp) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_hop' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10 SUPPORT telemetry._hop_support;
COMMENT ON FUNCTION telemetry.hop(timestamp, interval, interval, timestamp) IS
	'As hop(timestamptz, ...), for times without a zone: every day has 24 hours. '
	'Example: SELECT * FROM telemetry.hop(timestamp ''2026-01-01 10:10'', ''15 minutes'', ''1 hour'');';

CREATE FUNCTION telemetry.cumulate(ts timestamptz, step interval, size interval, origin timestamptz DEFAULT NULL,
	zone text DEFAULT 'UTC', OUT window_start timestamptz, OUT window_end timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_cumulate' LANGUAGE C STABLE PARALLEL SAFE ROWS 10 SUPPORT telemetry._cumulate_support;
COMMENT ON FUNCTION telemetry.cumulate(timestamptz, interval, interval, timestamptz, text) IS
	'The cumulating windows [window_start, window_end) that ts is in: they begin every size, and each next one ends a step '
	'later, until the size is full; by the clock of zone, counted from origin (1970-01-01 00:00 there). NULL and infinite ts '
	'are in none. Stable: depends on nothing but its arguments and the time zone data. Errors as of hop(); a step longer than the '
	'size (22023). Example: SELECT w.window_start, w.window_end, count(*) FROM fact, '
	'telemetry.cumulate(event_time, step => ''1 hour'', size => ''1 day'', zone => ''Europe/Berlin'') AS w GROUP BY 1, 2;';
CREATE FUNCTION telemetry.cumulate(ts timestamp, step interval, size interval, origin timestamp DEFAULT NULL,
	OUT window_start timestamp, OUT window_end timestamp) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_cumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10 SUPPORT telemetry._cumulate_support;
COMMENT ON FUNCTION telemetry.cumulate(timestamp, interval, interval, timestamp) IS
	'As cumulate(timestamptz, ...), for times without a zone: every day has 24 hours. '
	'Example: SELECT * FROM telemetry.cumulate(timestamp ''2026-01-01 10:10'', ''1 hour'', ''1 day'');';
