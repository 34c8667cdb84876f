-- The events of events.py, straight into the star schema: psql -v rows=10000000 -v days=30 -f fill.sql, a statement for each day.
SET client_min_messages = warning;
SELECT telemetry.create_game_model('kafka', 'none', 'game', paused => true);
INSERT INTO game.dim_player (player_id, region, device)
SELECT p::text, (ARRAY['eu', 'us', 'asia', 'latam'])[1 + p % 4], (ARRAY['ios', 'android', 'pc', 'console'])[1 + p / 7 % 4] FROM generate_series(0, 99999) AS p;
INSERT INTO game.dim_game (game_id) SELECT 'g' || g FROM generate_series(0, 4) AS g;
SELECT format('CREATE TABLE game_partitions.fact_player_events_%s PARTITION OF game.fact_player_events FOR VALUES FROM (%L) TO (%L)',
        to_char(d, 'YYYYMMDD'), d::date, d::date + 1)
FROM generate_series('2026-01-01'::timestamp, '2026-01-01'::timestamp + (:days + 1) * interval '1 day', '1 day') AS d
\gexec
-- A pipeline has no checks of foreign keys to pay for; three a row would be most of what this costs.
ALTER TABLE game.fact_player_events DROP CONSTRAINT fact_player_events_player_key_fkey, DROP CONSTRAINT fact_player_events_game_key_fkey,
    DROP CONSTRAINT fact_player_events_date_key_fkey;
ANALYZE game.dim_player, game.dim_game;
PREPARE a_day AS
WITH event AS (
    SELECT i, i % 10000 AS online, ((i % 10000)::bigint * 7919 + $1 * (7 + i % 10000 % 3) * 104729::bigint) % 100000 AS player,
           timestamptz '2026-01-01 18:00+00' + $1 * interval '1 day' + CASE WHEN i % 1000 = 7 THEN i / 10000 * 10 - 3600
               ELSE i / 10000 * 10 + i % 10000 / 1000.0 END * interval '1 second' AS at,
           CASE WHEN (i / 10000 + i) % 30 = 29 THEN 'purchase' ELSE (ARRAY['login', 'match_start', 'quest_start', 'chat', 'match_end',
               'quest_complete', 'chat', 'level_up', 'match_start', 'match_end'])[1 + (i / 10000 + i) % 30 % 10] END AS action
    FROM generate_series(0, $2 - 1) AS i)
INSERT INTO game.fact_player_events (event_date, event_time, player_key, game_key, date_key, action, amount, currency, region, device, level, attributes)
SELECT (at AT TIME ZONE 'UTC')::date, at, p.player_key, g.game_key, to_char(at AT TIME ZONE 'UTC', 'YYYYMMDD')::integer, action,
       CASE WHEN action = 'purchase' THEN 0.99 + i % 20 END, CASE WHEN action = 'purchase' THEN (ARRAY['EUR', 'USD', 'JPY', 'BRL'])[1 + player % 4] END,
       p.region, p.device, 1 + player % 50 + $1 / 3, '{}'
FROM event AS e JOIN game.dim_player AS p ON p.player_id = e.player::text JOIN game.dim_game AS g ON g.game_id = 'g' || e.player % 5;
SELECT format('EXECUTE a_day(%s, %s)', d, ceil(:rows / :days::numeric)::integer) FROM generate_series(0, :days - 1) AS d
\gexec
ALTER TABLE game.fact_player_events ADD CONSTRAINT fact_player_events_player_key_fkey FOREIGN KEY (player_key) REFERENCES game.dim_player,
    ADD CONSTRAINT fact_player_events_game_key_fkey FOREIGN KEY (game_key) REFERENCES game.dim_game,
    ADD CONSTRAINT fact_player_events_date_key_fkey FOREIGN KEY (date_key) REFERENCES game.dim_date;
-- as autovacuum would have done by and by
VACUUM ANALYZE;
