-- Runs once, in database game: where Kafka is, and the star schema with its KPIs and its pipeline. The pipeline
-- waits until the topic is there.
CREATE EXTENSION IF NOT EXISTS telemetry;
CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'kafka:9092');
SELECT telemetry.create_game_model(server => 'game_kafka', topic => 'player-events', schema => 'game',
                                   fields => '{"device": "context.device"}');
