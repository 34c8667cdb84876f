\echo 'Every message is a fact or a dead letter, once:'
-- Facts and dead letters together hold every partition's offsets, each once.
WITH arrived AS (
    SELECT kafka_partition AS partition, kafka_offset AS "offset" FROM game.fact_player_events
    UNION ALL
    SELECT partition, "offset" FROM telemetry.dead_letter
)
SELECT (SELECT count(*) FROM game.sent) AS sent, count(*) AS arrived,
       count(*) - count(DISTINCT (partition, "offset")) AS repeated,
       (SELECT count(*) FROM game.sent) - count(DISTINCT (partition, "offset")) AS lost
FROM arrived;
