-- The whole star schema by one call: the topic's columns, facts, sessions, dimensions, KPIs, and the pipeline that
-- feeds them. And a continuous view of our own beside it. The ingest begins at COMMIT.
SET client_min_messages = warning;      -- the schema is there: the simulator stands in it
BEGIN;
SELECT telemetry.create_game_model(server => 'game_kafka', topic => 'player-events', schema => 'game',
                                   fields => '{"device": "context.device"}') \g /dev/null

CREATE MATERIALIZED VIEW game.events_per_minute WITH (telemetry.continuous) AS
SELECT date_trunc('minute', event_time, 'UTC') AS minute, action, count(*) AS events
FROM game.fact_player_events
GROUP BY 1, 2;
COMMIT;
