-- Where Kafka is, and the topic as it is: what a producer writes, good or bad. :broker is the address of a Kafka broker.
CREATE EXTENSION IF NOT EXISTS telemetry;

CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka
    OPTIONS (bootstrap_servers :'broker');

CREATE FOREIGN TABLE game.player_events_raw (
    key   text OPTIONS (metadata 'key'),
    value text OPTIONS (metadata 'value')
) SERVER game_kafka OPTIONS (topic 'player-events', format 'text');
