-- One row: facts, dead letters, lag, whether it runs, and why not.
SELECT coalesce(sum(o.stored), 0), coalesce(sum(o.dead), 0),
       (SELECT count(*) FROM game.sent) - coalesce(sum(o.stored + o.dead), 0),
       CASE WHEN p.paused THEN 'paused' ELSE 'running' END, coalesce(p.pause_reason, '')
FROM telemetry.pipeline AS p LEFT JOIN telemetry.partition_offset AS o USING (pipeline_id)
WHERE p.name = 'player_events'
GROUP BY p.pipeline_id
