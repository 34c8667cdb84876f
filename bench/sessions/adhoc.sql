-- What bench/sessions/adhoc runs. Variables: rows; only, numbers of queries.
\pset footer off
CREATE EXTENSION IF NOT EXISTS telemetry;
SET max_parallel_workers_per_gather = 0;
SET search_path = public, telemetry;

-- Each player has about ten events within a day, in two or three sessions; they arrive in no order of player or time.
CREATE UNLOGGED TABLE event AS
SELECT (hashint8(i) & 2147483647) % (:rows / 10) AS player_id,
	timestamptz '2026-01-01' + (hashint8extended(i, 1) & 3) * interval '6 hours'
		+ (hashint8extended(i, 2) & 4194303) * interval '1 millisecond' AS event_time, i % 100 AS amount
FROM generate_series(1::bigint, :rows) i;
VACUUM ANALYZE event;
-- The same of players whose keys are text, in the database's collation: a tenth as many events.
CREATE UNLOGGED TABLE text_event AS SELECT 'player-' || player_id AS player, event_time, amount FROM event WHERE player_id % 10 = 0;
VACUUM ANALYZE text_event;

-- Milliseconds of processor time of this backend: what else the machine does hits them less than the clock's.
CREATE FUNCTION processor() RETURNS numeric LANGUAGE sql VOLATILE AS $$
SELECT (f[14]::numeric + f[15]::numeric) * 10 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') AS f
$$;
SET bench.queries = :'only';
CREATE TABLE result (n int PRIMARY KEY, way text, ms numeric, cpu numeric, sessions bigint);
CREATE FUNCTION measure(number int, way text, query text, memory text DEFAULT '1GB', sort text DEFAULT 'on')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	used numeric := processor();
	sessions bigint;
	took numeric;
BEGIN
	IF number <> ALL (string_to_array(current_setting('bench.queries'), ',')::int[]) THEN
		RETURN;
	END IF;
	PERFORM set_config('work_mem', memory, true);
	PERFORM set_config('enable_sort', sort, true);
	EXECUTE query INTO sessions;
	took := extract(epoch FROM clock_timestamp() - began) * 1000;
	used := processor() - used;
	INSERT INTO result VALUES (number, way, took, used, sessions)
		ON CONFLICT (n) DO UPDATE SET ms = least(result.ms, took), cpu = least(result.cpu, used);
END $$;
CREATE FUNCTION measure_all() RETURNS void LANGUAGE sql AS $$
SELECT measure(1, 'bare grouping by player', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM event GROUP BY player_id) s');
SELECT measure(2, 'session_window()', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM event
	 GROUP BY player_id, session_window(event_time, interval ''30 minutes'')) s');
SELECT measure(3, 'lag() and sum() by hand', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM
		(SELECT *, sum(new) OVER (PARTITION BY player_id ORDER BY event_time ROWS UNBOUNDED PRECEDING) AS session FROM
			(SELECT *, CASE WHEN event_time - lag(event_time) OVER (PARTITION BY player_id ORDER BY event_time) <= interval ''30 minutes''
				THEN 0 ELSE 1 END AS new FROM event) a) b
	 GROUP BY player_id, session) s');
SELECT measure(4, 'range_agg of [event, event + gap], without counts', 'SELECT count(*) FROM
	(SELECT player_id, unnest(range_agg(tstzrange(event_time, event_time + interval ''30 minutes'', ''[]''))) FROM event GROUP BY player_id) s');
SELECT measure(5, 'sessions_agg()', 'SELECT sum(sessions_count(s)) FROM
	(SELECT player_id, sessions_agg(event_time, interval ''30 minutes'') AS s FROM event GROUP BY player_id) q');
SELECT measure(6, 'peak of session_window()''s sessions', 'SELECT peak_concurrent(started_at, ended_at) FROM
	(SELECT min(event_time) AS started_at, max(event_time) AS ended_at FROM event
	 GROUP BY player_id, session_window(event_time, interval ''30 minutes'')) s');
-- With files.
SELECT measure(7, 'session_window(), work_mem of 8 MB', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM event
	 GROUP BY player_id, session_window(event_time, interval ''30 minutes'')) s', '8MB');
SELECT measure(8, 'lag() and sum() by hand, work_mem of 8 MB', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM
		(SELECT *, sum(new) OVER (PARTITION BY player_id ORDER BY event_time ROWS UNBOUNDED PRECEDING) AS session FROM
			(SELECT *, CASE WHEN event_time - lag(event_time) OVER (PARTITION BY player_id ORDER BY event_time) <= interval ''30 minutes''
				THEN 0 ELSE 1 END AS new FROM event) a) b
	 GROUP BY player_id, session) s', '8MB');
-- As PostgreSQL runs it: Sort and WindowAgg, the plan node of ours being off.
SELECT measure(9, 'session_window() by Sort and WindowAgg', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM event
	 GROUP BY player_id, session_window(event_time, interval ''30 minutes'')) s', '1GB', 'off');
SELECT measure(10, 'session_window() by Sort and WindowAgg, work_mem of 8 MB', 'SELECT count(*) FROM
	(SELECT player_id, min(event_time), max(event_time), count(*), sum(amount) FROM event
	 GROUP BY player_id, session_window(event_time, interval ''30 minutes'')) s', '8MB', 'off');
SELECT measure(11, 'bare grouping by text', 'SELECT count(*) FROM
	(SELECT player, min(event_time), max(event_time), count(*), sum(amount) FROM text_event GROUP BY player) s');
SELECT measure(12, 'session_window() by text', 'SELECT count(*) FROM
	(SELECT player, min(event_time), max(event_time), count(*), sum(amount) FROM text_event
	 GROUP BY player, session_window(event_time, interval ''30 minutes'')) s');
SELECT measure(13, 'session_window() by text, by Sort and WindowAgg', 'SELECT count(*) FROM
	(SELECT player, min(event_time), max(event_time), count(*), sum(amount) FROM text_event
	 GROUP BY player, session_window(event_time, interval ''30 minutes'')) s', '1GB', 'off');
$$;
\o /dev/null
SELECT measure_all();
SELECT measure_all();
\o
SELECT way, round(ms) AS ms, round(cpu) AS "CPU ms", round(cpu / (SELECT cpu FROM result WHERE n = 1), 2) AS "against bare",
	round(cpu / (SELECT cpu FROM result WHERE n = 3), 2) AS "against by hand", sessions AS "sessions, or peak" FROM result ORDER BY n;
