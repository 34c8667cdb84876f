-- A game's model in schema game of a new database, and roles that look at it; :broker is Kafka's address.
SET client_min_messages = warning;
CREATE EXTENSION telemetry;
CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers :'broker');
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', fields => '{"device": "context.device"}');
CREATE ROLE analysts NOLOGIN;
SELECT telemetry.grant_bi('analysts', 'game');
-- pg_monitor shows a pipeline's lag to others than its owner.
CREATE ROLE bi_user LOGIN PASSWORD 'secret' IN ROLE analysts, pg_monitor;
ALTER ROLE bi_user SET default_transaction_read_only = on;
CREATE ROLE dbt_user LOGIN PASSWORD 'secret' IN ROLE analysts;
CREATE SCHEMA game_reports AUTHORIZATION dbt_user;
