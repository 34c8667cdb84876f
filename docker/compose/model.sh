# Runs once, sourced by the entrypoint, in database game: where Kafka is, the star schema with its KPIs and its
# pipeline, which waits until the topic is there; and who looks at it.
# shellcheck shell=bash
process_sql -v password="$POSTGRES_PASSWORD" <<'SQL'
CREATE EXTENSION IF NOT EXISTS telemetry;
CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'kafka:9092');
SELECT telemetry.create_game_model(server => 'game_kafka', topic => 'player-events', schema => 'game',
                                   fields => '{"device": "context.device"}');

-- Grafana's panels of KPIs, and the exporter of figures of operations. For a trial all have one password.
CREATE ROLE bi LOGIN PASSWORD :'password';
ALTER ROLE bi SET default_transaction_read_only = on;
SELECT telemetry.grant_bi('bi', 'game');
CREATE ROLE watcher LOGIN PASSWORD :'password' IN ROLE pg_monitor;
SQL
