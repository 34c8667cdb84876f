-- A game's star schema: each KPI against a batch query over the raw facts, the script, rights, DROP.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'America/New_York';
SET datestyle = 'ISO';
SELECT telemetry.create_game_model('no_kafka', 'events', 'gm');
CREATE SERVER model_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'localhost:1');
-- what is refused
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => 'Mars/Base');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', churn_days => 0);
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', fields => '[1]');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', fields => '{"gamer": "uid"}');
SELECT telemetry.create_game_model('model_kafka', 'events', NULL);
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => NULL, exact => NULL);
SELECT telemetry.create_game_model('model_kafka', 'events', repeat('g', 50));
SELECT telemetry.create_game_model('no_kafka', 'events', 'gm');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => 'europe/berlin');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', churn_days => 36501);
-- names that try to get out of quotes
SELECT telemetry.create_game_model('model_kafka', 'events', 'g"m''s {schema} $funnel$ \', fields => '{"player": "\"it''s\".\"{x}\""}', funnel_steps => '{"it''s","{a}"}', paused => true);
SELECT step, action, players FROM "g""m's {schema} $funnel$ \".funnel('{"it''s"}', '1 day', '2026-01-01', '2026-01-02');
-- clocks that stand at their first day, or run far ahead: days of which dim_date knows nothing lie between
INSERT INTO "g""m's {schema} $funnel$ \".dim_player (player_id) VALUES ('p');
INSERT INTO "g""m's {schema} $funnel$ \".dim_date (event_date) VALUES ('1970-01-01'), ('2100-12-31');
CREATE TABLE "g""m's {schema} $funnel$ \_partitions".rest PARTITION OF "g""m's {schema} $funnel$ \".fact_player_events DEFAULT;
INSERT INTO "g""m's {schema} $funnel$ \".fact_player_events (event_date, event_time, player_key, game_key, date_key, action)
SELECT d, d + timetz '12:00+00', player_key, -1, to_char(d, 'YYYYMMDD')::int, 'login' FROM "g""m's {schema} $funnel$ \".dim_player, unnest('{1970-01-01,2026-01-01,2026-01-09,2100-12-31}'::date[]) d WHERE player_id = 'p';
SELECT event_date, dau, wau, mau FROM "g""m's {schema} $funnel$ \".kpi_active_users WHERE dau > 0;
-- what stays when a schema is dropped
DROP SCHEMA "g""m's {schema} $funnel$ \", "g""m's {schema} $funnel$ \_internal", "g""m's {schema} $funnel$ \_partitions" CASCADE;
SELECT telemetry.create_game_model('model_kafka', 'events', 'g"m''s {schema} $funnel$ \', paused => true);
SELECT telemetry.drop_pipeline('g"m''s {schema} $funnel$ \_player_events');
SELECT telemetry.create_game_model('model_kafka', 'events', repeat('g', 60));
SELECT telemetry.create_game_model('model_kafka', 'events', '');
SELECT telemetry.create_game_model('model_kafka', 'events', 'telemetry');
-- a name that looks like what quotes the body of the model's function
SELECT count(*) FROM regexp_matches(telemetry.create_game_model('model_kafka', 'events', 'g$funnel$', script_only => true), '\$funnel_{9}\$', 'g');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', session_gap => '23 hours');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', session_gap => '0');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_steps => '{}');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_steps => '{login,NULL}');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_steps => array_fill('login'::text, '{65}'));
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_within => '-1 s');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_within => '31 days 1 us');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', funnel_within => '1 month');

-- script_only makes nothing; the script runs as it is, with names that need quotes and braces in what is put in
SELECT to_regnamespace('"my {tz}"') IS NULL AS nothing_made,
       telemetry.create_game_model('model_kafka', 'events', 'my {tz}', fields => '{"player": "uid"}', exact => true, paused => true, script_only => true) AS script \gset
SELECT :'nothing_made' AS nothing_made, to_regnamespace('"my {tz}"') IS NULL AS still_nothing;
:script
\pset null NULL
SELECT count(*) AS relations, count(*) FILTER (WHERE obj_description(oid, 'pg_class') IS NULL) AS without_comment
FROM pg_class WHERE relnamespace = '"my {tz}"'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f');
SELECT attfdwoptions FROM pg_attribute WHERE attrelid = '"my {tz}_internal".player_events_topic'::regclass AND attname = 'player_id';

SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => 'Europe/Berlin', churn_days => 3, paused => true, funnel_steps => '{login,chat,login,purchase}', funnel_within => '2 days 30 minutes');
-- An error is that of the statement, without the script around it.
SELECT telemetry.create_game_model('no_kafka', 'events', 'other');
SELECT telemetry.create_game_model('', 'events', 'other');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm');
SELECT c.relname, a.attname AS without_comment FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'gm'::regnamespace AND c.relkind IN ('p', 'v', 'm') AND col_description(c.oid, a.attnum) IS NULL;
SELECT col_description('gm.kpi_active_users'::regclass, 1) AS "whose days";
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS not_for_bi FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'gm'::regnamespace AND c.relkind IN ('v', 'm')
AND a.atttypid NOT IN ('bigint'::regtype, 'integer'::regtype, 'double precision'::regtype, 'numeric'::regtype, 'text'::regtype, 'boolean'::regtype, 'date'::regtype, 'timestamptz'::regtype);

-- 100 players, 45 days over the change of the clock; later days are rarer, some amounts and currencies are unknown. In
-- random order, in several commits.
CREATE TABLE gm_partitions.fact_player_events_all PARTITION OF gm.fact_player_events DEFAULT;
CREATE FUNCTION draw(n int, stream int) RETURNS float LANGUAGE sql IMMUTABLE
RETURN (hashint8extended(n, stream) & 1048575) / 1048576.0::float8;
CREATE TABLE happened AS
SELECT '2026-10-10 21:00+00'::timestamptz + interval '1 day' * floor(45 * power(draw(n, 1), 2)) + interval '8 hours' * power(draw(n, 2), 3) AS event_time,
       'p' || floor(100 * power(draw(n, 3), 2)) AS player_id, 'g' || n % 3 AS game_id, (ARRAY['login', 'chat', 'purchase', 'level_up'])[1 + n % 4] AS action,
       CASE WHEN n % 4 = 2 AND n % 5 > 0 THEN n % 997 / 100.0 + CASE n % 3 WHEN 1 THEN 1e14 ELSE 0 END END AS amount, CASE WHEN n % 4 = 2 THEN (ARRAY['EUR', 'USD', NULL])[1 + n % 3] END AS currency,
       'r' || n % 2 AS region, (ARRAY['pc', 'ios', NULL])[1 + n % 3] AS device, n / 400 AS level, n
FROM generate_series(1, 4000) AS n;
-- with the members that a pipeline would make
CREATE FUNCTION store(part int) RETURNS void LANGUAGE sql BEGIN ATOMIC
    INSERT INTO gm.dim_player (player_id) SELECT DISTINCT player_id FROM happened ON CONFLICT DO NOTHING;
    INSERT INTO gm.dim_game (game_id) SELECT DISTINCT game_id FROM happened ON CONFLICT DO NOTHING;
    INSERT INTO gm.fact_player_events (event_date, event_time, player_key, game_key, date_key, action, amount, currency, region, device, level)
    SELECT event_date, event_time, player_key, game_key, date_key, action, amount, currency, h.region, h.device, level
    FROM (SELECT *, (event_time AT TIME ZONE 'Europe/Berlin')::date AS event_date FROM happened WHERE floor(4 * draw(n, 5)) = part) AS h
    JOIN gm.dim_player USING (player_id) JOIN gm.dim_game USING (game_id) JOIN gm.dim_date USING (event_date) ORDER BY draw(n, 6);
END;
SELECT store(0); SELECT store(1); SELECT store(2); SELECT store(3);
-- what comes late, and what goes again, moves the KPIs it belongs to
TRUNCATE happened;
INSERT INTO happened VALUES ('2026-10-09 12:00+00', 'p5', 'g1', 'login', NULL, NULL, NULL, NULL, 1, 0);
SELECT store(floor(4 * draw(0, 5))::int);
DELETE FROM gm.fact_player_events WHERE player_key = (SELECT player_key FROM gm.dim_player WHERE player_id = 'p7') AND event_time > '2026-10-15';

CREATE TABLE raw AS SELECT f.*, player_id, game_id, (event_time AT TIME ZONE 'Europe/Berlin')::date AS d
FROM gm.fact_player_events f JOIN gm.dim_player USING (player_key) JOIN gm.dim_game USING (game_key);
CREATE INDEX ON raw (player_id, d);
ANALYZE raw;
CREATE VIEW newest AS SELECT max(d) AS d FROM raw;
CREATE TABLE cohort AS SELECT player_id, min(d) AS c, max(d) AS l FROM raw GROUP BY 1;
-- Each row: the KPI, its rows, and how many differ between it and the batch query. All of the last are 0.
CREATE FUNCTION differ(kpi text, batch text) RETURNS TABLE (name text, has_rows bool, differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE TEMP TABLE a AS ' || kpi;
    CREATE TEMP TABLE b (LIKE a);
    EXECUTE 'INSERT INTO b ' || batch;
    has_rows := EXISTS (SELECT FROM a);
    SELECT count(*) INTO differences FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) x;
    DROP TABLE a, b;
    name := substring(kpi FROM 'gm\.(\w+)');
    RETURN NEXT;
END $$;
SELECT * FROM differ('SELECT event_date, dau, wau, mau, stickiness FROM gm.kpi_active_users WHERE dau > 0',
    'SELECT d, a, w, m, round(a::numeric / m, 6) FROM (SELECT DISTINCT d, (SELECT count(DISTINCT player_id) FROM raw x WHERE x.d = r.d) a,
        (SELECT count(DISTINCT player_id) FROM raw x WHERE x.d BETWEEN r.d - 6 AND r.d) w,
        (SELECT count(DISTINCT player_id) FROM raw x WHERE x.d BETWEEN r.d - 29 AND r.d) m FROM (SELECT DISTINCT d FROM raw) r) s')
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, active_users, events FROM gm.kpi_daily_active_users',
    'SELECT d, game_id, count(DISTINCT player_id), count(*) FROM raw GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT event_date, dau, new_players, returning_players, resurrected_players FROM gm.kpi_player_status',
    'SELECT d, count(*), count(*) FILTER (WHERE c = d),
        count(*) FILTER (WHERE c < d AND EXISTS (SELECT FROM raw x WHERE x.player_id = s.player_id AND x.d BETWEEN s.d - 3 AND s.d - 1)),
        count(*) FILTER (WHERE c < d AND NOT EXISTS (SELECT FROM raw x WHERE x.player_id = s.player_id AND x.d BETWEEN s.d - 3 AND s.d - 1))
     FROM (SELECT DISTINCT d, player_id FROM raw) s JOIN cohort USING (player_id) GROUP BY 1')
UNION ALL SELECT * FROM differ('SELECT player_id, cohort_date, last_date, active_days, first_purchase_at, days_inactive, is_churned FROM gm.kpi_churn',
    'SELECT player_id, c, l, (SELECT count(DISTINCT d) FROM raw x WHERE x.player_id = cohort.player_id),
        (SELECT min(event_time) FROM raw x WHERE x.player_id = cohort.player_id AND action = ''purchase''), newest.d - l,
        NOT EXISTS (SELECT FROM raw x WHERE x.player_id = cohort.player_id AND x.d > newest.d - 3) FROM cohort, newest')
UNION ALL SELECT * FROM differ('SELECT event_date, churned_players, returned_players, return_rate FROM gm.kpi_churn_return',
    'SELECT d + 3, count(*), count(*) FILTER (WHERE back), round(count(*) FILTER (WHERE back)::numeric / count(*), 6)
     FROM (SELECT DISTINCT d, player_id, EXISTS (SELECT FROM raw x WHERE x.player_id = raw.player_id AND x.d > raw.d) AS back FROM raw
           WHERE NOT EXISTS (SELECT FROM raw x WHERE x.player_id = raw.player_id AND x.d BETWEEN raw.d + 1 AND raw.d + 3)) s
     WHERE d + 3 <= (SELECT d FROM newest) GROUP BY 1')
UNION ALL SELECT * FROM differ('SELECT cohort_date, day_number, cohort_players, retained, retained_rolling, retention, retention_rolling FROM gm.kpi_retention',
    'SELECT c, n, p, a, r, round(a::numeric / p, 6), round(r::numeric / p, 6) FROM (SELECT c, n, (SELECT count(*) FROM cohort x WHERE x.c = s.c) p,
        (SELECT count(*) FROM cohort x WHERE x.c = s.c AND EXISTS (SELECT FROM raw WHERE raw.player_id = x.player_id AND raw.d = s.c + n)) a,
        (SELECT count(*) FROM cohort x WHERE x.c = s.c AND l >= s.c + n) r
     FROM (SELECT DISTINCT c FROM cohort) s, generate_series(0, 30) n, newest WHERE c + n <= newest.d) t')
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, region, device, active_users, events FROM gm.kpi_segments',
    'SELECT d, game_id, region, device, count(DISTINCT player_id), count(*) FROM raw GROUP BY 1, 2, 3, 4');
-- sessions by window functions, and the peak by counting at each start
CREATE TABLE session AS
SELECT player_id, game_id, min(event_time) AS s, max(event_time) AS e, count(*) AS n, max(level) AS l FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY player_id, game_id ORDER BY event_time) AS k FROM (
        SELECT *, (event_time - lag(event_time) OVER (PARTITION BY player_id, game_id ORDER BY event_time) > '30 minutes')::int AS fresh FROM raw) r) r
GROUP BY 1, 2, coalesce(k, 0);
CREATE TABLE five_minutes AS
SELECT t, game_id, count(*) AS c FROM session, generate_series(date_trunc('hour', s), e, '5 minutes') t WHERE t BETWEEN s AND e GROUP BY 1, 2;
-- all ways through the steps of the funnel; its days have 24 hours, whatever the session's clock
CREATE TABLE way AS
WITH RECURSIVE r AS (
    SELECT d, player_id, event_time AS started_at, 1 AS step, event_time FROM raw WHERE action = 'login'
    UNION SELECT r.d, player_id, r.started_at, r.step + 1, raw.event_time FROM r JOIN raw USING (player_id)
    WHERE raw.action = (ARRAY['login', 'chat', 'login', 'purchase'])[r.step + 1] AND raw.event_time > r.event_time AND raw.event_time <= r.started_at + interval '48 hours 30 minutes')
TABLE r;
SELECT * FROM differ('SELECT player_id, game_id, started_at, ended_at, events, highest_level, full_date, seconds
        FROM gm.fact_player_sessions JOIN gm.dim_player USING (player_key) JOIN gm.dim_game USING (game_key) JOIN gm.dim_date USING (date_key)',
    'SELECT *, (s AT TIME ZONE ''Europe/Berlin'')::date, extract(epoch FROM e - s)::float8 FROM session')
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, sessions, players, sessions_per_player, total_seconds, average_seconds FROM gm.kpi_sessions',
    'SELECT (s AT TIME ZONE ''Europe/Berlin'')::date, session.game_id, count(*), p, round(count(*)::numeric / p, 6),
        extract(epoch FROM sum(e - s)), round(extract(epoch FROM sum(e - s)) / count(*), 6)
     FROM session JOIN (SELECT d, game_id, count(DISTINCT player_id) AS p FROM raw GROUP BY 1, 2) a ON a.d = (s AT TIME ZONE ''Europe/Berlin'')::date AND a.game_id = session.game_id
     GROUP BY 1, session.game_id, a.game_id, p')
-- quantiles within the error that is stated
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, abs(median_seconds - m) <= 0.008 * m AS median, abs(p95_seconds - q) <= 0.008 * q AS p95 FROM gm.kpi_sessions
        JOIN (SELECT (s AT TIME ZONE ''Europe/Berlin'')::date AS event_date, game_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e - s)) AS m,
                     percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e - s)) AS q FROM session GROUP BY 1, 2) x USING (event_date, game_id)',
    'SELECT DISTINCT (s AT TIME ZONE ''Europe/Berlin'')::date, game_id, true, true FROM session')
UNION ALL SELECT * FROM differ('SELECT at, game_id, players FROM gm.kpi_concurrent_players',
    'SELECT t, game_id, c FROM five_minutes')
-- the most at once is had at a start, or at a day's begin
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, peak_players FROM gm.kpi_concurrent',
    'SELECT (t AT TIME ZONE ''Europe/Berlin'')::date, game_id, max(c) FROM (SELECT t, g.game_id,
        (SELECT count(*) FROM session x WHERE x.game_id = g.game_id AND t BETWEEN x.s AND x.e) AS c
     FROM (SELECT game_id, s AS t FROM session
           UNION SELECT game_id, day AT TIME ZONE ''Europe/Berlin'' FROM session, generate_series(date_trunc(''day'', s AT TIME ZONE ''Europe/Berlin''), e AT TIME ZONE ''Europe/Berlin'', ''1 day'') day) g) p
     WHERE c > 0 GROUP BY 1, 2');
SELECT * FROM differ('SELECT event_date, game_id, region, device, currency, purchases, revenue FROM gm.kpi_purchases',
    'SELECT d, game_id, region, device, currency, count(*), sum(amount) FROM raw WHERE action = ''purchase'' GROUP BY 1, 2, 3, 4, 5')
UNION ALL SELECT * FROM differ('SELECT event_date, currency, dau, payers, purchases, revenue, conversion, arpdau, arppu FROM gm.kpi_monetization',
    'SELECT d, currency, a, count(DISTINCT player_id), count(*), sum(amount), round(count(DISTINCT player_id)::numeric / a, 6),
        round(sum(amount) / a, 6), round(sum(amount) / count(DISTINCT player_id), 6)
     FROM raw JOIN (SELECT d, count(DISTINCT player_id) a FROM raw GROUP BY 1) x USING (d) WHERE action = ''purchase'' GROUP BY 1, 2, 3')
UNION ALL SELECT * FROM differ('SELECT event_date, dau, payers, payers_in_several_currencies, conversion FROM gm.kpi_payers',
    'SELECT d, a, count(c), count(*) FILTER (WHERE c > 1), round(count(c)::numeric / a, 6)
     FROM (SELECT d, player_id, nullif(count(DISTINCT coalesce(currency, ''none'')) FILTER (WHERE action = ''purchase''), 0) AS c FROM raw GROUP BY 1, 2) x
     JOIN (SELECT d, count(DISTINCT player_id) a FROM raw GROUP BY 1) y USING (d) GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT player_id, currency, purchases, revenue, first_purchase_at, first_purchase_date FROM gm.kpi_player_value',
    'SELECT player_id, currency, count(*), sum(amount), min(event_time), min(d) FROM raw WHERE action = ''purchase'' GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT currency, players, payers, revenue, conversion, arpu, arppu FROM gm.kpi_totals',
    'SELECT currency, n, count(DISTINCT player_id), sum(amount), round(count(DISTINCT player_id)::numeric / n, 6), round(sum(amount) / n, 6),
        round(sum(amount) / count(DISTINCT player_id), 6) FROM raw, (SELECT count(*) n FROM cohort) x WHERE action = ''purchase'' GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT cohort_date, day_number, currency, cohort_players, revenue, value_per_player FROM gm.kpi_cohort_value',
    'SELECT c, n, currency, p, sum(amount), round(sum(amount) / p, 6) FROM raw JOIN cohort USING (player_id)
        JOIN (SELECT c, count(*) p FROM cohort GROUP BY 1) x USING (c), generate_series(0, 30) n, newest
     WHERE action = ''purchase'' AND raw.d <= c + n AND c + n <= newest.d GROUP BY 1, 2, 3, 4')
UNION ALL SELECT * FROM differ('SELECT game_id, place, player_id, highest_level, tied FROM gm.kpi_leaderboard',
    'WITH b AS (SELECT game_id, player_id, max(level) m FROM raw GROUP BY 1, 2)
     SELECT * FROM (SELECT game_id, (SELECT count(*) + 1 FROM b x WHERE x.game_id = b.game_id AND x.m > b.m) AS p, player_id, m,
        (SELECT count(*) FROM b x WHERE x.game_id = b.game_id AND x.m = b.m) FROM b) y WHERE p <= 100')
UNION ALL SELECT * FROM differ('SELECT game_id, level, players FROM gm.kpi_levels',
    'SELECT game_id, m, count(*) FROM (SELECT game_id, player_id, max(level) m FROM raw GROUP BY 1, 2) x GROUP BY 1, 2')
-- each way through the steps, from each first one
UNION ALL SELECT * FROM differ('SELECT event_date, step, action, players, conversion, from_previous FROM gm.kpi_funnel',
    'SELECT d, n, (ARRAY[''login'', ''chat'', ''login'', ''purchase''])[n], c, round(c::numeric / max(c) OVER (PARTITION BY d), 6),
        round(c::numeric / nullif(coalesce(lag(c) OVER (PARTITION BY d ORDER BY n), c), 0), 6)
     FROM (SELECT d, n, count(*) FILTER (WHERE reached >= n) AS c FROM (SELECT d, player_id, max(step) AS reached FROM way GROUP BY 1, 2) x, generate_series(1, 4) n GROUP BY 1, 2) y')
UNION ALL SELECT * FROM differ('SELECT step, action, players, conversion, from_previous FROM gm.funnel(''{login,chat,login,purchase}'', ''2 days 30 minutes'', ''2026-10-12'', ''2026-10-26'')',
    'SELECT n, (ARRAY[''login'', ''chat'', ''login'', ''purchase''])[n], c, round(c::numeric / max(c) OVER (), 6), round(c::numeric / nullif(coalesce(lag(c) OVER (ORDER BY n), c), 0), 6)
     FROM (SELECT n, count(*) FILTER (WHERE reached >= n) AS c FROM (SELECT player_id, max(step) AS reached FROM way WHERE d BETWEEN ''2026-10-12'' AND ''2026-10-26'' GROUP BY 1) x, generate_series(1, 4) n GROUP BY 1) y');
-- there are funnels that go on over midnight, such as are not got through on the day, and days of 25 hours
SELECT count(*) > 100 AS ways, count(*) FILTER (WHERE ends <> d) > 20 AS over_midnight, count(*) FILTER (WHERE step < 4) > 20 AS unfinished, count(*) FILTER (WHERE '2026-10-25' BETWEEN d AND ends) > 0 AS clock FROM
    (SELECT DISTINCT ON (d, player_id) d, player_id, step, (event_time AT TIME ZONE 'Europe/Berlin')::date AS ends FROM way ORDER BY d, player_id, step DESC) x;
SELECT * FROM gm.funnel('{login}', NULL, '2026-10-12', '2026-10-12');
SELECT * FROM gm.funnel('{login}', '1 month', '2026-10-12', '2026-10-12');
SELECT * FROM gm.funnel('{login}', '1 day', '2000-01-01', '2000-01-01');
SELECT view FROM telemetry.continuous_view c, telemetry.verify(c.view) v WHERE view::text LIKE 'gm%';

-- counted exactly, when asked for
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', exact => true, script_only => true) ~ 'count\(DISTINCT player_key\) AS active_users' AS exact,
       telemetry.create_game_model('model_kafka', 'events', 'gm', script_only => true) ~ 'approx_count_distinct\(player_key\) AS active_users' AS sketched;

-- the calendar: ISO weeks at a turn of the year, relative days, a day that is not there yet
SELECT date_key, full_date, year, quarter, month, day, iso_year, iso_week, iso_weekday FROM gm.dim_date WHERE event_date IN ('2026-12-31', '2027-01-01', '2027-01-04') ORDER BY 1;
SELECT full_date = (now() AT TIME ZONE 'Europe/Berlin')::date AS today, relative_week, relative_month FROM gm.dim_date_relative WHERE relative_day = 0;
SELECT count(*) FROM gm.dim_date_relative WHERE relative_week = -1;
-- days are final by the watermark, in the time zone of the model
BEGIN;
INSERT INTO telemetry.pipeline_watermark SELECT pipeline_id, '2026-11-04 23:00+00' FROM telemetry.pipeline WHERE name = 'gm_player_events'
ON CONFLICT (pipeline_id) DO UPDATE SET watermark = excluded.watermark;
SELECT max(event_date) FILTER (WHERE is_final) AS final, min(event_date) FILTER (WHERE NOT is_final) AS provisional FROM gm.dim_date_relative;
ROLLBACK;
INSERT INTO gm.dim_date (event_date) VALUES ('1999-12-31') RETURNING date_key;
-- keys
SELECT conname, contype, conrelid::regclass, confrelid::regclass FROM pg_constraint
WHERE connamespace = 'gm'::regnamespace AND contype IN ('p', 'u', 'f') AND conparentid = 0 ORDER BY 2, 1;
SELECT count(*) AS "each name is there once" FROM (SELECT conname FROM pg_constraint WHERE connamespace = 'gm'::regnamespace AND conparentid = 0 GROUP BY 1 HAVING count(*) > 1) d;
-- a filter on event_date has one partition read, under the wrappings of BI tools
CREATE TABLE gm_partitions.fact_player_events_2030 PARTITION OF gm.fact_player_events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
EXPLAIN (COSTS OFF) SELECT "rows"."region", sum("rows"."amount") FROM (SELECT "_"."region", "_"."amount" FROM (SELECT * FROM gm.fact_player_events "$Table") "_"
    WHERE "_"."event_date" >= timestamp '2030-02-01 00:00:00'::date AND "_"."event_date" < date '2030-02-02') "rows" GROUP BY "region" LIMIT 1000001;

-- a BI role reads the model, through the parent alone, and neither partitions nor helpers nor the topic
CREATE ROLE regress_bi;
SELECT telemetry.grant_bi('regress_bi', 'gm');
SELECT state::text AS state FROM telemetry.continuous_view WHERE view = 'gm_internal.session'::regclass \gset
SET ROLE regress_bi;
SELECT count(*) > 0 AS reads FROM gm.fact_player_events;
SELECT count(*) > 0 AS reads FROM gm.kpi_retention;
SELECT count(*) > 0 AS reads, bool_or(is_final) AS final FROM gm.dim_date_relative;
SELECT count(*) > 0 AS reads FROM gm.fact_player_sessions;
SELECT count(*) FROM gm_partitions.fact_player_events_all;
SELECT count(*) FROM gm_internal.player_day;
SELECT count(*) FROM gm_internal.player_events_topic;
SELECT count(*) FROM gm_internal.session;
\set VERBOSITY sqlstate
SELECT count(*) FROM :state; -- whatever its number is
\set VERBOSITY default
SELECT count(*) FROM gm.dim_player;
SELECT count(*) FROM gm.funnel('{login}', '1 day', '2026-11-01', '2026-11-02');
DELETE FROM gm.fact_player_events;
SELECT telemetry.pause_pipeline('gm_player_events');
RESET ROLE;
-- keys are shown to clients by REFERENCES
CREATE TABLE gm.note (note_key bigint PRIMARY KEY, body text);
SELECT telemetry.grant_bi('regress_bi', 'gm');
SELECT has_column_privilege('regress_bi', 'gm.note', 'note_key', 'REFERENCES') AS key, has_column_privilege('regress_bi', 'gm.note', 'body', 'REFERENCES') AS other;
-- all that it may read, and what stands outside of the model's schema
SELECT count(*) AS unreadable FROM pg_class WHERE relnamespace = 'gm'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT has_table_privilege('regress_bi', oid, 'SELECT');
SELECT count(*) AS readable FROM pg_class WHERE relnamespace IN ('gm_internal'::regnamespace, 'gm_partitions'::regnamespace, 'telemetry_state'::regnamespace)
AND CASE relkind WHEN 'i' THEN false WHEN 'S' THEN has_sequence_privilege('regress_bi', oid, 'SELECT') ELSE has_table_privilege('regress_bi', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') END;
SELECT count(*) AS usable FROM pg_namespace WHERE nspname IN ('gm_internal', 'gm_partitions') AND has_schema_privilege('regress_bi', oid, 'USAGE, CREATE');

-- all of it goes
SELECT telemetry.drop_pipeline('gm_player_events'), telemetry.drop_pipeline('my {tz}_player_events');
DROP VIEW newest;
DROP TABLE raw;
DROP SCHEMA gm, gm_internal, gm_partitions, "my {tz}", "my {tz}_internal", "my {tz}_partitions" CASCADE;
SELECT count(*) FROM pg_class WHERE relname LIKE 'fact_player_events%';
SELECT count(*) FROM telemetry.continuous_view WHERE view::text ~ '^(gm|"my)';
DROP FUNCTION draw, differ;
DROP TABLE session, five_minutes, cohort, happened;
DROP SERVER model_kafka;
DROP OWNED BY regress_bi;
DROP ROLE regress_bi;
