-- A topic, a table of facts, and what connects them. :broker is the address of a Kafka broker.

CREATE EXTENSION telemetry;

CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka
    OPTIONS (bootstrap_servers :'broker');

-- The topic as rows. NOT NULL and CHECK here are rules for messages: one that breaks them becomes a
-- dead letter.
CREATE FOREIGN TABLE game.player_events_topic (
    event_id        uuid        NOT NULL,
    player_id       bigint      NOT NULL,
    game_id         text        NOT NULL,
    action          text        NOT NULL,
    event_time      timestamptz OPTIONS (path 'timestamp') NOT NULL,
    amount          numeric     CHECK (amount >= 0),
    currency        text,
    region          text,
    level           integer,
    match_id        uuid,
    device          text        OPTIONS (path 'context.device'),
    country         text        OPTIONS (path 'context.country'),
    attributes      jsonb       OPTIONS (metadata 'rest'),
    kafka_partition integer     OPTIONS (metadata 'partition'),
    kafka_offset    bigint      OPTIONS (metadata 'offset')
) SERVER game_kafka OPTIONS (topic 'player-events', format 'json');

-- The same topic as it is: what a producer writes, good or bad.
CREATE FOREIGN TABLE game.player_events_raw (
    key   text OPTIONS (metadata 'key'),
    value text OPTIONS (metadata 'value')
) SERVER game_kafka OPTIONS (topic 'player-events', format 'text');

-- Facts, by day of the event. The pipeline makes partitions as they are needed.
CREATE TABLE game.fact_player_events (
    event_id        uuid        NOT NULL,
    player_id       bigint      NOT NULL,
    game_id         text        NOT NULL,
    action          text        NOT NULL,
    event_time      timestamptz NOT NULL,
    amount          numeric,
    currency        text,
    region          text,
    level           integer,
    match_id        uuid,
    device          text,
    country         text,
    attributes      jsonb,
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    arrived_at      timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (event_time);

-- Kept up to date by the worker, in the transaction that stores the facts.
CREATE MATERIALIZED VIEW game.daily_active_users WITH (telemetry.continuous) AS
SELECT date_trunc('day', event_time, 'UTC') AS day, game_id,
       telemetry.approx_count_distinct(player_id) AS active_users, count(*) AS events,
       count(*) FILTER (WHERE action = 'purchase') AS purchases,
       sum(amount) FILTER (WHERE currency = 'EUR') AS eur
FROM game.fact_player_events
GROUP BY 1, 2;

CREATE MATERIALIZED VIEW game.events_per_minute WITH (telemetry.continuous) AS
SELECT date_trunc('minute', event_time, 'UTC') AS minute, action, count(*) AS events
FROM game.fact_player_events
GROUP BY 1, 2;
