COPY (
    SELECT to_char(date_trunc('minute', event_time) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS minute,
           action, count(*) AS events
    FROM game.fact_player_events
    WHERE event_time > now() - interval '1 hour' AND event_time <= now()
    GROUP BY 1, 2 ORDER BY 1, 2
) TO STDOUT WITH (FORMAT csv, HEADER);
