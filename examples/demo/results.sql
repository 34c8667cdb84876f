-- What came out of the pipeline, as an analyst would ask for it.
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null ''

\echo
\echo 'Facts, as they stand in game.fact_player_events:'
SELECT to_char(event_time, 'HH24:MI:SS.MS') AS event_time, player_id, game_id, action, amount, currency,
       device, country, attributes->>'message' AS message
FROM game.fact_player_events
ORDER BY (action = 'purchase' OR action = 'chat') DESC, md5(event_id::text)
LIMIT 6;

\echo 'Events, players and money by game:'
SELECT game_id, count(*) AS events, count(DISTINCT player_id) AS players,
       count(*) FILTER (WHERE action = 'purchase') AS purchases,
       sum(amount) FILTER (WHERE currency = 'EUR') AS eur,
       sum(amount) FILTER (WHERE currency = 'USD') AS usd,
       sum(amount) FILTER (WHERE currency = 'JPY') AS jpy
FROM game.fact_player_events
GROUP BY game_id ORDER BY events DESC;

\echo 'Daily active users, a continuous view: kept up to date with every batch, not computed now:'
SELECT to_char(day, 'YYYY-MM-DD') AS day, game_id, active_users, events, purchases, eur
FROM game.daily_active_users
WHERE events > 100 ORDER BY day, game_id;

\echo 'It equals its query; telemetry.verify() compares both, row by row:'
SELECT view, (SELECT count(*) FROM telemetry.verify(view)) AS rows_that_differ
FROM telemetry.continuous_view ORDER BY view::text;

\echo 'Longest matches (start and end are two messages, joined by match_id):'
SELECT player_id, game_id, to_char(min(event_time), 'HH24:MI:SS') AS started,
       date_trunc('second', max(event_time) - min(event_time)) AS lasted
FROM game.fact_player_events
WHERE action IN ('match_start', 'match_end')
GROUP BY match_id, player_id, game_id
HAVING count(*) = 2 AND min(event_time) > now() - interval '1 hour'
ORDER BY lasted DESC LIMIT 3;

\echo 'Messages that were no facts (telemetry.dead_letter), by reason:'
SELECT count(*) AS messages, sqlstate, coalesce(column_name, '') AS "column",
       min(regexp_replace(message, '^(.{70}).+$', '\1…')) AS "for example"
FROM telemetry.dead_letter
GROUP BY sqlstate, column_name ORDER BY messages DESC;

\echo 'Events per minute of the last hour, by action:'
WITH minute AS (
    SELECT generate_series(date_trunc('minute', now()) - interval '59 minutes', date_trunc('minute', now()),
                           interval '1 minute') AS minute
), action AS (
    SELECT action, sum(events) AS events FROM game.events_per_minute GROUP BY action
), counted AS (
    SELECT action, minute, events FROM game.events_per_minute
), filled AS (
    SELECT a.action, a.events AS total, m.minute, coalesce(c.events, 0) AS events,
           max(c.events) OVER (PARTITION BY a.action) AS most
    FROM action AS a CROSS JOIN minute AS m LEFT JOIN counted AS c USING (action, minute)
)
SELECT action,
       string_agg(substr(' ▁▂▃▄▅▆▇█', 1 + ceil(8.0 * events / greatest(most, 1))::int, 1), '' ORDER BY minute)
           AS "an hour ago                                             now ",
       max(most) AS "most a minute", max(total) AS total
FROM filled GROUP BY action ORDER BY total DESC;
