-- What came out of the pipeline, as an analyst would ask for it.
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null ''

\echo
\echo 'Facts, as they stand in game.fact_player_events:'
SELECT to_char(event_time, 'YYYY-MM-DD HH24:MI:SS.MS') AS event_time, action, amount::numeric(12,2) AS amount, currency, region, device, level,
       attributes->>'message' AS message, attributes->>'quest' AS quest
FROM game.fact_player_events
ORDER BY (action IN ('purchase', 'chat', 'quest_start')) DESC, md5(attributes->>'event_id')
LIMIT 6;

\echo 'Messages that were no facts (telemetry.dead_letter), by reason:'
\ir ../dead_letters.sql

\echo 'Events per minute by action, over the last day (a continuous view; a column is 24 minutes):'
WITH newest AS (
    SELECT max(minute) + interval '1 minute' AS at FROM game.events_per_minute WHERE minute <= now()
), counted AS (
    SELECT e.action, floor(extract(epoch FROM e.minute - n.at + interval '1 day') / 1440)::int AS slot, sum(e.events) AS events
    FROM game.events_per_minute AS e CROSS JOIN newest AS n
    WHERE e.minute >= n.at - interval '1 day' AND e.minute < n.at GROUP BY 1, 2
), filled AS (
    SELECT action, slot, coalesce(c.events, 0) / 24.0 AS rate, max(c.events) OVER (PARTITION BY action) / 24.0 AS most,
           sum(c.events) OVER (PARTITION BY action) AS total
    FROM (SELECT DISTINCT action FROM counted) AS a CROSS JOIN generate_series(0, 59) AS slot
    LEFT JOIN counted AS c USING (action, slot)
)
SELECT action,
       string_agg(substr(' ▁▂▃▄▅▆▇█', 1 + ceil(8 * rate / most)::int, 1), '' ORDER BY slot)
           AS "a day ago                                               now ",
       round(max(most), 1) AS "most a minute", max(total) AS "in the day"
FROM filled GROUP BY action ORDER BY max(total) DESC, action;

\echo 'The views equal their queries; telemetry.verify() compares both, row by row:'
SELECT count(*) AS continuous_views, sum((SELECT count(*) FROM telemetry.verify(view))) AS rows_that_differ
FROM telemetry.continuous_view;
