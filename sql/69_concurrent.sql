-- How many intervals of time go on at once. C side: src/type/concurrent.c.

CREATE TYPE telemetry.concurrent_step AS (at timestamptz, concurrent bigint);
COMMENT ON TYPE telemetry.concurrent_step IS
	'From that moment on, until the next step, so many intervals go on: telemetry.concurrent(started_at, ended_at).';
CREATE TYPE telemetry.concurrent_window AS (window_start timestamptz, window_end timestamptz, peak bigint, peak_at timestamptz,
	total interval);
COMMENT ON TYPE telemetry.concurrent_window IS
	'The most intervals at once in [window_start, window_end), when first, and the time of all of them in it: telemetry.concurrent(started_at, ended_at, step).';

CREATE FUNCTION telemetry._concurrent_add(internal, timestamptz, timestamptz) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrent_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrent_add(internal, timestamptz, timestamptz) IS 'Transition of concurrent(): an interval.';
CREATE FUNCTION telemetry._concurrent_add(internal, timestamptz, timestamptz, interval) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_concurrent_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrent_add(internal, timestamptz, timestamptz, interval) IS
	'Transition of concurrent(): an interval, and the step.';
CREATE FUNCTION telemetry._concurrent_peak(internal) RETURNS bigint
	AS 'MODULE_PATHNAME', 'telemetry_concurrent_peak' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrent_peak(internal) IS 'Result of peak_concurrent().';
CREATE FUNCTION telemetry._concurrent_steps(internal) RETURNS telemetry.concurrent_step[]
	AS 'MODULE_PATHNAME', 'telemetry_concurrent_steps' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrent_steps(internal) IS 'Result of concurrent(started_at, ended_at).';
CREATE FUNCTION telemetry._concurrent_windows(internal) RETURNS telemetry.concurrent_window[]
	AS 'MODULE_PATHNAME', 'telemetry_concurrent_windows' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._concurrent_windows(internal) IS 'Result of concurrent(started_at, ended_at, step).';

CREATE AGGREGATE telemetry.peak_concurrent(started_at timestamptz, ended_at timestamptz) (
	SFUNC = telemetry._concurrent_add, STYPE = internal, FINALFUNC = telemetry._concurrent_peak, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.peak_concurrent(timestamptz, timestamptz) IS
	'The most intervals that go on at one moment, exactly; an interval goes on at its start, at its end and between. A null end '
	'is none yet; a null start is left out. NULL without rows. Errors: an end before its start (22023). 16 bytes of memory an interval. '
	'Example: SELECT telemetry.peak_concurrent(started_at, ended_at) FROM session;';
CREATE AGGREGATE telemetry.concurrent(started_at timestamptz, ended_at timestamptz) (
	SFUNC = telemetry._concurrent_add, STYPE = internal, FINALFUNC = telemetry._concurrent_steps, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.concurrent(timestamptz, timestamptz) IS
	'How many intervals go on, over time: a step at each moment from which on it is another number. What ends still goes on at its '
	'end, so the step down is a microsecond later. Nulls and errors as of peak_concurrent(); more than 10,000,000 steps (54000). '
	'Example: SELECT s.* FROM (SELECT telemetry.concurrent(started_at, ended_at) AS c FROM session) AS q, unnest(c) AS s;';
CREATE AGGREGATE telemetry.concurrent(started_at timestamptz, ended_at timestamptz, step interval) (
	SFUNC = telemetry._concurrent_add, STYPE = internal, FINALFUNC = telemetry._concurrent_windows, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.concurrent(timestamptz, timestamptz, interval) IS
	'The most intervals that go on at one moment, and the time of all of them, in each window of so long a step, from the first to '
	'the last start or end; windows are counted from 1970-01-01 00:00 UTC, a day has 24 hours. Nulls and errors as of peak_concurrent(); '
	'a step that is null (22004), has months, is not positive or changes (22023); more than 1,000,000 windows (54000). '
	'Example: SELECT w.* FROM (SELECT telemetry.concurrent(started_at, ended_at, ''1 minute'') AS c FROM session) AS q, unnest(c) AS w;';
