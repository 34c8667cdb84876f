-- A game's star schema: each KPI against a batch query over the raw facts, the script, rights, DROP.
SET client_min_messages = warning;
SET TimeZone = 'America/New_York';
SET datestyle = 'ISO';
CREATE SERVER model_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'localhost:1');
-- what is refused
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => 'Mars/Base');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', churn_days => 0);
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', fields => '[1]');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', fields => '{"gamer": "uid"}');
SELECT telemetry.create_game_model('model_kafka', 'events', NULL);
SELECT telemetry.create_game_model('model_kafka', 'events', repeat('g', 60));

-- script_only makes nothing; the script runs as it is, with names that need quotes and braces in what is put in
SELECT to_regnamespace('"my {tz}"') IS NULL AS nothing_made,
       telemetry.create_game_model('model_kafka', 'events', 'my {tz}', fields => '{"player": "uid"}', exact => true, paused => true, script_only => true) AS script \gset
SELECT :'nothing_made' AS nothing_made, to_regnamespace('"my {tz}"') IS NULL AS still_nothing;
:script
\pset null NULL
SELECT count(*) AS relations, count(*) FILTER (WHERE obj_description(oid, 'pg_class') IS NULL) AS without_comment
FROM pg_class WHERE relnamespace = '"my {tz}"'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f');
SELECT attfdwoptions FROM pg_attribute WHERE attrelid = '"my {tz}_internal".player_events_topic'::regclass AND attname = 'player_id';

SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', time_zone => 'Europe/Berlin', churn_days => 3, paused => true);
-- An error is that of the statement, without the script around it.
SELECT telemetry.create_game_model('no_kafka', 'events', 'other');
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm');
SELECT c.relname, a.attname AS without_comment FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'gm'::regnamespace AND c.relkind IN ('p', 'v', 'm') AND col_description(c.oid, a.attnum) IS NULL;
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS not_for_bi FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'gm'::regnamespace AND c.relkind IN ('v', 'm')
AND a.atttypid NOT IN ('bigint'::regtype, 'integer'::regtype, 'double precision'::regtype, 'numeric'::regtype, 'text'::regtype, 'boolean'::regtype, 'date'::regtype, 'timestamptz'::regtype);

-- 100 players, 45 days over the change of the clock; later days are rarer, some amounts and currencies are unknown.
CREATE TABLE gm.fact_player_events_all PARTITION OF gm.fact_player_events DEFAULT;
CREATE FUNCTION draw(n int, stream int) RETURNS float LANGUAGE sql IMMUTABLE
RETURN (hashint8extended(n, stream) & 1048575) / 1048576.0::float8;
INSERT INTO gm.fact_player_events (event_time, player_id, game_id, action, amount, currency, region, device, level)
SELECT '2026-10-10 21:00+00'::timestamptz + interval '1 day' * floor(45 * power(draw(n, 1), 2)) + interval '8 hours' * power(draw(n, 2), 3),
       'p' || floor(100 * power(draw(n, 3), 2)), 'g' || n % 3, (ARRAY['login', 'chat', 'purchase', 'level_up'])[1 + n % 4],
       CASE WHEN n % 4 = 2 AND n % 5 > 0 THEN n % 997 / 100.0 END, CASE WHEN n % 4 = 2 THEN (ARRAY['EUR', 'USD', NULL])[1 + n % 3] END,
       'r' || n % 2, (ARRAY['pc', 'ios', NULL])[1 + n % 3], n / 400
FROM generate_series(1, 4000) AS n;
-- what comes late, and what goes again, moves the KPIs it belongs to
INSERT INTO gm.fact_player_events (event_time, player_id, game_id, action, level) VALUES ('2026-10-09 12:00+00', 'p5', 'g1', 'login', 1);
DELETE FROM gm.fact_player_events WHERE player_id = 'p7' AND event_time > '2026-10-15';

CREATE VIEW raw AS SELECT *, (event_time AT TIME ZONE 'Europe/Berlin')::date AS d FROM gm.fact_player_events;
CREATE VIEW newest AS SELECT max(d) AS d FROM raw;
CREATE TABLE cohort AS SELECT player_id, min(d) AS c, max(d) AS l FROM raw GROUP BY 1;
-- Each row: the KPI, its rows, and how many differ between it and the batch query. All of the last are 0.
CREATE FUNCTION differ(kpi text, batch text) RETURNS TABLE (name text, has_rows bool, differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*) > 0, (SELECT count(*) FROM ((SELECT * FROM (%1$s) a EXCEPT ALL SELECT * FROM (%2$s) b) UNION ALL
        (SELECT * FROM (%2$s) b EXCEPT ALL SELECT * FROM (%1$s) a)) x) FROM (%1$s) a', kpi, batch) INTO has_rows, differences;
    name := substring(kpi FROM 'FROM gm\.(\w+)');
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
UNION ALL SELECT * FROM differ('SELECT player_id, days_inactive, is_churned FROM gm.kpi_churn',
    'SELECT player_id, newest.d - l, NOT EXISTS (SELECT FROM raw x WHERE x.player_id = cohort.player_id AND x.d > newest.d - 3) FROM cohort, newest')
UNION ALL SELECT * FROM differ('SELECT cohort_date, day_number, cohort_players, retained, retained_rolling, retention, retention_rolling FROM gm.kpi_retention',
    'SELECT c, n, p, a, r, round(a::numeric / p, 6), round(r::numeric / p, 6) FROM (SELECT c, n, (SELECT count(*) FROM cohort x WHERE x.c = s.c) p,
        (SELECT count(*) FROM cohort x WHERE x.c = s.c AND EXISTS (SELECT FROM raw WHERE raw.player_id = x.player_id AND raw.d = s.c + n)) a,
        (SELECT count(*) FROM cohort x WHERE x.c = s.c AND l >= s.c + n) r
     FROM (SELECT DISTINCT c FROM cohort) s, generate_series(0, 30) n, newest WHERE c + n <= newest.d) t')
UNION ALL SELECT * FROM differ('SELECT player_id, cohort_date, region, first_purchase_at, is_payer FROM gm.dim_player',
    'SELECT DISTINCT player_id, c, (SELECT region FROM raw x WHERE x.player_id = o.player_id ORDER BY event_time DESC LIMIT 1), p, p IS NOT NULL
     FROM cohort o, LATERAL (SELECT min(event_time) AS p FROM raw WHERE player_id = o.player_id AND action = ''purchase'') s');
-- sessions by window functions, and the peak by counting at each start
CREATE TABLE session AS
SELECT player_id, game_id, min(event_time) AS s, max(event_time) AS e, count(*) AS n FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY player_id, game_id ORDER BY event_time) AS k FROM (
        SELECT *, (event_time - lag(event_time) OVER (PARTITION BY player_id, game_id ORDER BY event_time) > '30 minutes')::int AS fresh FROM raw) r) r
GROUP BY 1, 2, coalesce(k, 0);
SELECT * FROM differ('SELECT player_id, game_id, started_at, ended_at, events FROM gm.fact_player_sessions', 'SELECT * FROM session')
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, sessions, players, sessions_per_player, total_seconds, average_seconds, median_seconds FROM gm.kpi_sessions',
    'SELECT (s AT TIME ZONE ''Europe/Berlin'')::date, game_id, count(*), count(DISTINCT player_id), round(count(*)::numeric / count(DISTINCT player_id), 6),
        extract(epoch FROM sum(e - s)), round(extract(epoch FROM sum(e - s)) / count(*), 6),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e - s)) FROM session GROUP BY 1, 2')
-- the most at once is had at a start, or at the day's begin
UNION ALL SELECT * FROM differ('SELECT event_date, game_id, peak_players FROM gm.kpi_concurrent WHERE peak_players > 0',
    'SELECT (t AT TIME ZONE ''Europe/Berlin'')::date, game_id, max(c) FROM (SELECT t, g.game_id,
        (SELECT count(*) FROM session x WHERE x.game_id = g.game_id AND t BETWEEN x.s AND x.e) AS c
     FROM (SELECT game_id, s AS t FROM session UNION SELECT game_id, (date_trunc(''day'', e, ''Europe/Berlin'')) FROM session) g) p WHERE c > 0 GROUP BY 1, 2');
SELECT * FROM differ('SELECT event_date, game_id, region, device, currency, purchases, revenue FROM gm.kpi_purchases',
    'SELECT d, game_id, region, device, currency, count(*), sum(amount) FROM raw WHERE action = ''purchase'' GROUP BY 1, 2, 3, 4, 5')
UNION ALL SELECT * FROM differ('SELECT event_date, currency, dau, payers, purchases, revenue, conversion, arpdau, arppu FROM gm.kpi_monetization',
    'SELECT d, currency, a, count(DISTINCT player_id), count(*), sum(amount), round(count(DISTINCT player_id)::numeric / a, 6),
        round(sum(amount) / a, 6), round(sum(amount) / count(DISTINCT player_id), 6)
     FROM raw JOIN (SELECT d, count(DISTINCT player_id) a FROM raw GROUP BY 1) x USING (d) WHERE action = ''purchase'' GROUP BY 1, 2, 3')
UNION ALL SELECT * FROM differ('SELECT player_id, currency, purchases, revenue, first_purchase_date FROM gm.kpi_player_value',
    'SELECT player_id, currency, count(*), sum(amount), min(d) FROM raw WHERE action = ''purchase'' GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT currency, players, payers, revenue, conversion, arpu, arppu FROM gm.kpi_totals',
    'SELECT currency, n, count(DISTINCT player_id), sum(amount), round(count(DISTINCT player_id)::numeric / n, 6), round(sum(amount) / n, 6),
        round(sum(amount) / count(DISTINCT player_id), 6) FROM raw, (SELECT count(*) n FROM cohort) x WHERE action = ''purchase'' GROUP BY 1, 2')
UNION ALL SELECT * FROM differ('SELECT cohort_date, day_number, currency, cohort_players, revenue, value_per_player FROM gm.kpi_cohort_value',
    'SELECT c, n, currency, p, sum(amount), round(sum(amount) / p, 6) FROM raw JOIN cohort USING (player_id)
        JOIN (SELECT c, count(*) p FROM cohort GROUP BY 1) x USING (c), generate_series(0, 30) n, newest
     WHERE action = ''purchase'' AND raw.d <= c + n AND c + n <= newest.d GROUP BY 1, 2, 3, 4')
UNION ALL SELECT * FROM differ('SELECT game_id, place, player_id, highest_level, tied FROM gm.kpi_leaderboard',
    'WITH b AS (SELECT game_id, player_id, max(level) m FROM raw GROUP BY 1, 2)
     SELECT game_id, (SELECT count(*) + 1 FROM b x WHERE x.game_id = b.game_id AND x.m > b.m), player_id, m,
        (SELECT count(*) FROM b x WHERE x.game_id = b.game_id AND x.m = b.m) FROM b')
UNION ALL SELECT * FROM differ('SELECT game_id, level, players FROM gm.kpi_levels',
    'SELECT game_id, level, count(*) FROM (SELECT DISTINCT ON (game_id, player_id) game_id, player_id, level FROM raw
        ORDER BY 1, 2, event_time DESC) x GROUP BY 1, 2');
SELECT view FROM telemetry.continuous_view c, telemetry.verify(c.view) v WHERE view::text LIKE 'gm%';

-- counted exactly, when asked for
SELECT telemetry.create_game_model('model_kafka', 'events', 'gm', exact => true, script_only => true) ~ 'count\(DISTINCT player_id\) AS active_users' AS exact,
       telemetry.create_game_model('model_kafka', 'events', 'gm', script_only => true) ~ 'approx_count_distinct\(player_id\) AS active_users' AS sketched;

-- the calendar: ISO weeks at a turn of the year, relative days
SELECT date_key, year, quarter, iso_year, iso_week, iso_weekday FROM gm.dim_date WHERE full_date IN ('2026-12-31', '2027-01-01', '2027-01-04') ORDER BY 1;
SELECT full_date = (now() AT TIME ZONE 'Europe/Berlin')::date AS today FROM gm.dim_date WHERE relative_day = 0;

-- a BI role reads the model, through the parent alone, and neither partitions nor helpers nor the topic
CREATE ROLE regress_bi;
SELECT telemetry.grant_bi('regress_bi', 'gm');
SET ROLE regress_bi;
SELECT count(*) > 0 AS reads FROM gm.fact_player_events;
SELECT count(*) > 0 AS reads FROM gm.kpi_retention;
SELECT count(*) > 0 AS reads FROM gm.fact_player_sessions;
SELECT count(*) FROM gm.fact_player_events_all;
SELECT count(*) FROM gm_internal.player_day;
SELECT count(*) FROM gm_internal.player_events_topic;
DELETE FROM gm.fact_player_events;
SELECT telemetry.pause_pipeline('gm_player_events');
RESET ROLE;
-- keys are shown to clients by REFERENCES
CREATE TABLE gm.note (note_key bigint PRIMARY KEY, body text);
SELECT telemetry.grant_bi('regress_bi', 'gm');
SELECT has_column_privilege('regress_bi', 'gm.note', 'note_key', 'REFERENCES') AS key, has_column_privilege('regress_bi', 'gm.note', 'body', 'REFERENCES') AS other;

-- all of it goes
SELECT telemetry.drop_pipeline('gm_player_events'), telemetry.drop_pipeline('my {tz}_player_events');
DROP VIEW newest, raw;
DROP SCHEMA gm, gm_internal, "my {tz}", "my {tz}_internal" CASCADE;
SELECT count(*) FROM telemetry.continuous_view WHERE view::text ~ '^(gm|"my)';
DROP FUNCTION draw, differ;
DROP TABLE session, cohort;
DROP SERVER model_kafka;
DROP OWNED BY regress_bi;
DROP ROLE regress_bi;
