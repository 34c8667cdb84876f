COPY (
    SELECT to_char(minute AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS minute, action, events
    FROM game.events_per_minute
    WHERE minute > now() - interval '1 hour' AND minute <= now()
    ORDER BY 1, 2
) TO STDOUT WITH (FORMAT csv, HEADER);
