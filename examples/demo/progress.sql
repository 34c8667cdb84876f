-- One row: facts, dead letters, lag, whether it runs, and why not.
SELECT coalesce(stored, 0), coalesce(dead, 0), coalesce(lag::text, '?'), state,
       replace(coalesce(reason, error, ''), E'\n', ' ')
FROM telemetry.stat_pipeline WHERE pipeline = 'player_events'
