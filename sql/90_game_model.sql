-- A star schema of a game with its KPIs, made of the public parts alone: nothing here is known to the C code.

-- The model as a script. What stands in braces is put in by create_game_model(), in one pass.
CREATE FUNCTION telemetry._game_model_template() RETURNS text LANGUAGE sql IMMUTABLE
RETURN $script$-- A game's star schema, written by telemetry.create_game_model(): read it, change it, it is yours.
-- Days are those of time zone {tz}.
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE SCHEMA IF NOT EXISTS {internal};
COMMENT ON SCHEMA {internal} IS 'What the relations of {schema_text} are made of: not for readers.';
CREATE SCHEMA IF NOT EXISTS {partitions};
COMMENT ON SCHEMA {partitions} IS 'Partitions of the facts of {schema_text}: not for readers.';

CREATE FOREIGN TABLE {internal}.player_events_topic (
    player_id       text        OPTIONS (path {player}) NOT NULL,
    game_id         text        OPTIONS (path {game}),
    action          text        OPTIONS (path {action}) NOT NULL,
    event_time      timestamptz OPTIONS (path {time}) NOT NULL,
    event_date      date        OPTIONS (path {time}, time_zone {tz}),
    amount          numeric     OPTIONS (path {amount}) CHECK (amount >= 0),
    currency        text        OPTIONS (path {currency}),
    region          text        OPTIONS (path {region}),
    device          text        OPTIONS (path {device}),
    level           integer     OPTIONS (path {level}),
    attributes      jsonb       OPTIONS (metadata 'rest'),
    kafka_partition integer     OPTIONS (metadata 'partition'),
    kafka_offset    bigint      OPTIONS (metadata 'offset')
) SERVER {server} OPTIONS (topic {topic}, format 'json');
COMMENT ON FOREIGN TABLE {internal}.player_events_topic IS 'The topic as rows: reading it reads Kafka, INSERT produces.';

-- ---- dimensions: the pipeline finds their keys, and makes their members ----------------------------------

CREATE TABLE {schema}.dim_player (
    player_key bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT dim_player_pkey PRIMARY KEY,
    player_id  text        NOT NULL CONSTRAINT dim_player_player_id_key UNIQUE,
    region     text,
    region_at  timestamptz,
    device     text,
    device_at  timestamptz
) WITH (fillfactor = 40); -- a batch may update each row of a page: so none of them touches an index
INSERT INTO {schema}.dim_player (player_key, player_id) OVERRIDING SYSTEM VALUE VALUES (-1, '(unknown)');
COMMENT ON TABLE {schema}.dim_player IS 'One row per player. Region and device follow the newest event; with the facts stands what they were at the event.';
COMMENT ON COLUMN {schema}.dim_player.player_key IS 'Key of the player in this model; -1: unknown.';
COMMENT ON COLUMN {schema}.dim_player.player_id IS 'Player, as messages name him.';
COMMENT ON COLUMN {schema}.dim_player.region IS 'Newest known region, by event time.';
COMMENT ON COLUMN {schema}.dim_player.region_at IS 'Time of the event that region is from.';
COMMENT ON COLUMN {schema}.dim_player.device IS 'Newest known device, by event time.';
COMMENT ON COLUMN {schema}.dim_player.device_at IS 'Time of the event that device is from.';

CREATE TABLE {schema}.dim_game (
    game_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dim_game_pkey PRIMARY KEY,
    game_id  text   NOT NULL CONSTRAINT dim_game_game_id_key UNIQUE
);
INSERT INTO {schema}.dim_game (game_key, game_id) OVERRIDING SYSTEM VALUE VALUES (-1, '(unknown)');
COMMENT ON TABLE {schema}.dim_game IS 'One row per game.';
COMMENT ON COLUMN {schema}.dim_game.game_key IS 'Key of the game in this model; -1: the message names none.';
COMMENT ON COLUMN {schema}.dim_game.game_id IS 'Game, as messages name it.';

CREATE TABLE {schema}.dim_date (
    date_key    integer GENERATED ALWAYS AS ((extract(year FROM event_date) * 10000 + extract(month FROM event_date) * 100 + extract(day FROM event_date))::integer) STORED
                        CONSTRAINT dim_date_pkey PRIMARY KEY,
    event_date  date    NOT NULL CONSTRAINT dim_date_event_date_key UNIQUE,
    full_date   date    GENERATED ALWAYS AS (event_date) STORED,
    year        integer GENERATED ALWAYS AS (extract(year FROM event_date)::integer) STORED,
    quarter     integer GENERATED ALWAYS AS (extract(quarter FROM event_date)::integer) STORED,
    month       integer GENERATED ALWAYS AS (extract(month FROM event_date)::integer) STORED,
    day         integer GENERATED ALWAYS AS (extract(day FROM event_date)::integer) STORED,
    iso_year    integer GENERATED ALWAYS AS (extract(isoyear FROM event_date)::integer) STORED,
    iso_week    integer GENERATED ALWAYS AS (extract(week FROM event_date)::integer) STORED,
    iso_weekday integer GENERATED ALWAYS AS (extract(isodow FROM event_date)::integer) STORED
);
INSERT INTO {schema}.dim_date (event_date)
SELECT d::date FROM generate_series(timestamp '2015-01-01', timestamp '2034-12-31', interval '1 day') AS d;
COMMENT ON TABLE {schema}.dim_date IS 'One row per day from 2015 to 2034, and for each other day of an event.';
COMMENT ON COLUMN {schema}.dim_date.date_key IS 'Year, month and day as a number: 20261120.';
COMMENT ON COLUMN {schema}.dim_date.event_date IS 'The day, under the name that facts and KPIs give it.';
COMMENT ON COLUMN {schema}.dim_date.full_date IS 'The day.';
COMMENT ON COLUMN {schema}.dim_date.year IS 'Year.';
COMMENT ON COLUMN {schema}.dim_date.quarter IS 'Quarter, 1 to 4.';
COMMENT ON COLUMN {schema}.dim_date.month IS 'Month, 1 to 12.';
COMMENT ON COLUMN {schema}.dim_date.day IS 'Day of the month, 1 to 31.';
COMMENT ON COLUMN {schema}.dim_date.iso_year IS 'Year of the ISO week.';
COMMENT ON COLUMN {schema}.dim_date.iso_week IS 'ISO week, 1 to 53: weeks begin on Monday, the first has the year''s first Thursday.';
COMMENT ON COLUMN {schema}.dim_date.iso_weekday IS '1 Monday to 7 Sunday.';

-- ---- facts ---------------------------------------------------------------------------------------------------

CREATE TABLE {schema}.fact_player_events (
    event_date      date        NOT NULL,
    event_time      timestamptz NOT NULL,
    player_key      bigint      NOT NULL CONSTRAINT fact_player_events_player_key_fkey REFERENCES {schema}.dim_player,
    game_key        bigint      NOT NULL CONSTRAINT fact_player_events_game_key_fkey REFERENCES {schema}.dim_game,
    date_key        integer     NOT NULL CONSTRAINT fact_player_events_date_key_fkey REFERENCES {schema}.dim_date,
    action          text        NOT NULL,
    amount          numeric(28,6),
    currency        text,
    region          text,
    device          text,
    level           integer,
    attributes      jsonb,
    kafka_partition integer,
    kafka_offset    bigint
) PARTITION BY RANGE (event_date);
COMMENT ON TABLE {schema}.fact_player_events IS 'One row per message of the topic that is an event, partitioned by event_date: a filter on that column, and on no other, has few partitions read.';
COMMENT ON COLUMN {schema}.fact_player_events.event_date IS 'Day of event_time in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.fact_player_events.event_time IS 'When it happened, as the message says.';
COMMENT ON COLUMN {schema}.fact_player_events.player_key IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.fact_player_events.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.fact_player_events.date_key IS 'Day, a key of dim_date. A filter on event_date is faster.';
COMMENT ON COLUMN {schema}.fact_player_events.action IS 'What the player did: login, purchase, level_up, ...';
COMMENT ON COLUMN {schema}.fact_player_events.amount IS 'Money of a purchase in its currency, rounded to 6 decimals; never to be summed over several currencies.';
COMMENT ON COLUMN {schema}.fact_player_events.currency IS 'Currency of amount; NULL: the message does not say.';
COMMENT ON COLUMN {schema}.fact_player_events.region IS 'Region at the time of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.device IS 'Device of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.level IS 'Level of the player in the game at the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.attributes IS 'Fields of the message that no column takes.';
COMMENT ON COLUMN {schema}.fact_player_events.kafka_partition IS 'Partition of the message; NULL: it did not come from Kafka.';
COMMENT ON COLUMN {schema}.fact_player_events.kafka_offset IS 'Its offset in the partition.';
SELECT telemetry.set_partition_schema({fact_table}, {partitions_text});

-- ---- what KPIs are made of, kept up to date with every event ---------------------------------------------------
-- Events of a player go into his session. All that is known of players by the day is made of sessions: since a pause
-- within one is shorter than a day, it has an event on each day from its first to its last.

CREATE MATERIALIZED VIEW {internal}.session WITH (telemetry.continuous) AS
SELECT player_key, game_key, (min(event_time) AT TIME ZONE {tz})::date AS event_date, (max(event_time) AT TIME ZONE {tz})::date AS last_date,
       min(event_time) AS started_at, max(event_time) AS ended_at, count(*) AS events, max(level) AS highest_level,
       telemetry.sum_by(event_date, currency, amount) FILTER (WHERE action = 'purchase') AS spent
FROM {schema}.fact_player_events GROUP BY player_key, game_key, telemetry.session_window(event_time, interval {gap});
COMMENT ON MATERIALIZED VIEW {internal}.session IS 'One row per session.';
CREATE MATERIALIZED VIEW {internal}.segment WITH (telemetry.continuous) AS
SELECT event_date, game_key, region, device, {segment_users} AS active_users, count(*) AS events
FROM {schema}.fact_player_events GROUP BY 1, 2, 3, 4;
COMMENT ON MATERIALIZED VIEW {internal}.segment IS 'One row per day, game, region and device with an event.';
CREATE MATERIALIZED VIEW {internal}.player_spending WITH (telemetry.continuous) AS
SELECT player_key, event_date, currency, count(*) AS purchases, sum(amount) AS revenue
FROM {schema}.fact_player_events WHERE action = 'purchase' GROUP BY 1, 2, 3;
COMMENT ON MATERIALIZED VIEW {internal}.player_spending IS 'One row per player, day and currency with a purchase.';
CREATE MATERIALIZED VIEW {internal}.player_value WITH (telemetry.continuous) AS
SELECT player_key, currency, count(*) AS purchases, sum(amount) AS revenue, min(event_time) AS first_purchase_at
FROM {schema}.fact_player_events WHERE action = 'purchase' GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_value IS 'One row per player and currency with a purchase.';
CREATE MATERIALIZED VIEW {internal}.purchases WITH (telemetry.continuous) AS
SELECT event_date, game_key, region, device, currency, count(*) AS purchases, sum(amount) AS revenue
FROM {schema}.fact_player_events WHERE action = 'purchase' GROUP BY 1, 2, 3, 4, 5;
COMMENT ON MATERIALIZED VIEW {internal}.purchases IS 'Purchases by day, game, region, device and currency.';

-- A session that goes on changes nothing in views that read its days, its player or its level alone.
CREATE MATERIALIZED VIEW {internal}.player_game_day WITH (telemetry.continuous) AS
SELECT s.player_key, s.game_key, s.event_date + n AS event_date
FROM {internal}.session AS s, LATERAL generate_series(0, s.last_date - s.event_date) AS n GROUP BY 1, 2, 3;
COMMENT ON MATERIALIZED VIEW {internal}.player_game_day IS 'One row per player, game and day with an event.';
CREATE MATERIALIZED VIEW {internal}.game_day WITH (telemetry.continuous) AS
SELECT event_date, game_key, count(*) AS players FROM {internal}.player_game_day GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.game_day IS 'Players by day and game.';
CREATE MATERIALIZED VIEW {internal}.player_day WITH (telemetry.continuous) AS
SELECT player_key, event_date FROM {internal}.player_game_day GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_day IS 'One row per player and day with an event.';
CREATE MATERIALIZED VIEW {internal}.day WITH (telemetry.continuous) AS
SELECT event_date, count(*) AS players FROM {internal}.player_day GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.day IS 'Players by day.';

-- All days of a player in one row, as sets of sessions of days: with pauses of a day they say on which days he was there; of 7
-- and 30 days, on which days he counts for the week or month until then; of {churn} days, when he came and was gone.
CREATE MATERIALIZED VIEW {internal}.player WITH (telemetry.continuous) AS
SELECT player_key, min(event_date) AS cohort_date, max(event_date) AS last_date, count(*) AS active_days,
       telemetry.sessions_agg(event_date::timestamp AT TIME ZONE 'UTC', interval '1 day') AS days,
       telemetry.sessions_agg(event_date::timestamp AT TIME ZONE 'UTC', interval '7 days') AS weeks,
       telemetry.sessions_agg(event_date::timestamp AT TIME ZONE 'UTC', interval '30 days') AS months,
       telemetry.sessions_agg(event_date::timestamp AT TIME ZONE 'UTC', interval '{churn} days') AS stays
FROM {internal}.player_day GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.player IS 'One row per player.';
CREATE MATERIALIZED VIEW {internal}.week_step WITH (telemetry.continuous) AS
SELECT CASE k WHEN 0 THEN (s.started_at AT TIME ZONE 'UTC')::date ELSE (s.ended_at AT TIME ZONE 'UTC')::date + 7 END AS event_date, sum(1 - 2 * k) AS players
FROM {internal}.player AS p, LATERAL telemetry.unnest(p.weeks) AS s, LATERAL generate_series(0, 1) AS k GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.week_step IS 'By how many the players of a week become more or less on a day.';
CREATE MATERIALIZED VIEW {internal}.month_step WITH (telemetry.continuous) AS
SELECT CASE k WHEN 0 THEN (s.started_at AT TIME ZONE 'UTC')::date ELSE (s.ended_at AT TIME ZONE 'UTC')::date + 30 END AS event_date, sum(1 - 2 * k) AS players
FROM {internal}.player AS p, LATERAL telemetry.unnest(p.months) AS s, LATERAL generate_series(0, 1) AS k GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.month_step IS 'By how many the players of 30 days become more or less on a day.';
CREATE MATERIALIZED VIEW {internal}.stay WITH (telemetry.continuous) AS
SELECT CASE k WHEN 0 THEN (s.started_at AT TIME ZONE 'UTC')::date ELSE (s.ended_at AT TIME ZONE 'UTC')::date END AS event_date,
       count(*) FILTER (WHERE k = 0) AS begun, count(*) FILTER (WHERE k = 0 AND (s.started_at AT TIME ZONE 'UTC')::date = p.cohort_date) AS first,
       count(*) FILTER (WHERE k = 1) AS ended, count(*) FILTER (WHERE k = 1 AND (s.ended_at AT TIME ZONE 'UTC')::date < p.last_date) AS came_back
FROM {internal}.player AS p, LATERAL telemetry.unnest(p.stays) AS s, LATERAL generate_series(0, 1) AS k GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.stay IS 'Stays of players, without a pause of {churn} whole days, that begin or end on a day.';
CREATE MATERIALIZED VIEW {internal}.cohort_day WITH (telemetry.continuous) AS
SELECT p.cohort_date, n AS day_number, count(*) AS players
FROM {internal}.player AS p, LATERAL telemetry.unnest(p.days) AS s,
     LATERAL generate_series((s.started_at AT TIME ZONE 'UTC')::date - p.cohort_date, least((s.ended_at AT TIME ZONE 'UTC')::date - p.cohort_date, 30)) AS n
GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.cohort_day IS 'Players of a cohort who are there on a day after their first, 0 to 30.';
CREATE MATERIALIZED VIEW {internal}.cohort_span WITH (telemetry.continuous) AS
SELECT cohort_date, least(last_date - cohort_date, 31) AS days, count(*) AS players FROM {internal}.player GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.cohort_span IS 'Players of a cohort by the days from their first to their last; 31: more than 30.';

-- A player's first day and his money in one row: when a late event moves the day, all of the money moves to its new cohort.
CREATE MATERIALIZED VIEW {internal}.player_money WITH (telemetry.continuous) AS
SELECT player_key, min(event_date) AS cohort_date,
       telemetry.sums_between(telemetry.sums_union_agg(spent), min(event_date), min(event_date) + 30) AS spent
FROM {internal}.session GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.player_money IS 'One row per player: his first day, and what he spent on it and the 30 days after, by day and currency.';
CREATE MATERIALIZED VIEW {internal}.cohort_money WITH (telemetry.continuous) AS
SELECT p.cohort_date, s.day - p.cohort_date AS day_number, s.key AS currency, sum(s.total) AS revenue
FROM {internal}.player_money AS p, LATERAL telemetry.unnest(p.spent) AS s GROUP BY 1, 2, 3;
COMMENT ON MATERIALIZED VIEW {internal}.cohort_money IS 'What a cohort spent on a day after its first, 0 to 30, by currency.';

CREATE MATERIALIZED VIEW {internal}.player_level WITH (telemetry.continuous) AS
SELECT player_key, game_key, max(highest_level) AS highest_level FROM {internal}.session GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_level IS 'One row per player and game.';
CREATE MATERIALIZED VIEW {internal}.level_player WITH (telemetry.continuous) AS
SELECT game_key, highest_level, player_key FROM {internal}.player_level GROUP BY 1, 2, 3;
COMMENT ON MATERIALIZED VIEW {internal}.level_player IS 'The same, to be found by game and level.';
CREATE MATERIALIZED VIEW {internal}.level WITH (telemetry.continuous) AS
SELECT game_key, highest_level, count(*) AS players FROM {internal}.player_level GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.level IS 'Players by game and highest level.';

CREATE MATERIALIZED VIEW {internal}.session_day WITH (telemetry.continuous) AS
SELECT event_date, game_key, count(*) AS sessions, sum(ended_at - started_at) AS length,
       telemetry.quantile_agg(date_part('epoch', ended_at - started_at)) AS lengths
FROM {internal}.session GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.session_day IS 'Sessions by game and the day they began on.';
-- A session is in each quarter of an hour that it goes on in, cut at its bounds: so that each has all it takes to know its
-- greatest number. A day begins with one of them, as UTC or any other zone has it.
CREATE MATERIALIZED VIEW {internal}.concurrent WITH (telemetry.continuous) AS
SELECT w.window_start, s.game_key, telemetry.concurrency_agg(w.piece_start, w.piece_end) AS players
FROM {internal}.session AS s, LATERAL telemetry.window_pieces(s.started_at, s.ended_at, '15 minutes') AS w GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.concurrent IS 'Players in a session, over time, by game and quarter of an hour.';
CREATE MATERIALIZED VIEW {internal}.concurrent_day WITH (telemetry.continuous) AS
SELECT (window_start AT TIME ZONE {tz})::date AS event_date, game_key, max(telemetry.concurrency_peak(players)) AS players
FROM {internal}.concurrent GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.concurrent_day IS 'Greatest number of a day of players in a session at one moment.';

CREATE MATERIALIZED VIEW {internal}.money_day WITH (telemetry.continuous) AS
SELECT event_date, currency, count(*) AS payers, sum(purchases) AS purchases, sum(revenue) AS revenue FROM {internal}.player_spending GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.money_day IS 'Purchases by day and currency.';
CREATE MATERIALIZED VIEW {internal}.payer_day WITH (telemetry.continuous) AS
SELECT player_key, event_date, count(*) AS currencies FROM {internal}.player_spending GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.payer_day IS 'One row per player and day with a purchase.';
CREATE MATERIALIZED VIEW {internal}.payers WITH (telemetry.continuous) AS
SELECT event_date, count(*) AS payers, count(*) FILTER (WHERE currencies > 1) AS payers_in_several FROM {internal}.payer_day GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.payers IS 'Payers by day.';
CREATE MATERIALIZED VIEW {internal}.money WITH (telemetry.continuous) AS
SELECT currency, count(*) AS payers, sum(purchases) AS purchases, sum(revenue) AS revenue FROM {internal}.player_value GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.money IS 'Purchases of all time by currency.';

-- A funnel counts on the day that it begins on; its later steps may be of the days after, as far as it may last. So an event
-- belongs to the funnels of its own day, and if it is a later step to those of the days before that it may still belong to.
CREATE MATERIALIZED VIEW {internal}.player_funnel WITH (telemetry.continuous) AS
SELECT f.player_key, f.event_date + n AS event_date,
       telemetry.funnel_steps(telemetry.funnel_agg(f.event_time, {funnel_conditions}), interval {funnel_within}) AS steps
FROM {schema}.fact_player_events AS f CROSS JOIN unnest({funnel_days}) AS n
WHERE f.action = ANY ({funnel_steps})
  AND (n = 0 OR f.action = ANY ({funnel_later}) AND n >= ((f.event_time AT TIME ZONE 'UTC' - interval {funnel_within}) AT TIME ZONE 'UTC' AT TIME ZONE {tz})::date - f.event_date)
GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_funnel IS 'How many steps of the funnel a player gets through that he begins on a day: a row for each player and day, 0: he begins none.';
CREATE MATERIALIZED VIEW {internal}.funnel_day WITH (telemetry.continuous) AS
SELECT event_date, steps, count(*) AS players FROM {internal}.player_funnel WHERE steps > 0 GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.funnel_day IS 'Players by the day that their funnel begins on, and how many steps they get through.';

-- ---- what readers see --------------------------------------------------------------------------------------------

CREATE VIEW {schema}.dim_date_relative AS
SELECT date_key, event_date, full_date, event_date - (now() AT TIME ZONE {tz})::date AS relative_day,
       ((event_date - iso_weekday) - ((now() AT TIME ZONE {tz})::date - extract(isodow FROM now() AT TIME ZONE {tz})::integer)) / 7 AS relative_week,
       (year - extract(year FROM now() AT TIME ZONE {tz})::integer) * 12 + month - extract(month FROM now() AT TIME ZONE {tz})::integer AS relative_month,
       telemetry.is_final({fact_table}, event_date, {tz}) AS is_final
FROM {schema}.dim_date;
COMMENT ON VIEW {schema}.dim_date_relative IS 'Days by their distance from today in time zone {tz_text}, and whether they are final, computed when it is read: no job at night keeps it.';
COMMENT ON COLUMN {schema}.dim_date_relative.date_key IS 'Key of dim_date.';
COMMENT ON COLUMN {schema}.dim_date_relative.event_date IS 'The day.';
COMMENT ON COLUMN {schema}.dim_date_relative.full_date IS 'The day.';
COMMENT ON COLUMN {schema}.dim_date_relative.relative_day IS 'Days from today: 0 today, -1 yesterday.';
COMMENT ON COLUMN {schema}.dim_date_relative.relative_week IS 'ISO weeks from this one: 0 this week, -1 the last.';
COMMENT ON COLUMN {schema}.dim_date_relative.relative_month IS 'Calendar months from this one.';
COMMENT ON COLUMN {schema}.dim_date_relative.is_final IS 'Whether no event of the day is expected any more: the pipeline''s watermark is past its end.';

CREATE VIEW {schema}.fact_player_sessions AS
SELECT player_key, game_key, (extract(year FROM event_date) * 10000 + extract(month FROM event_date) * 100 + extract(day FROM event_date))::integer AS date_key,
       event_date, started_at, ended_at, date_part('epoch', ended_at - started_at) AS seconds, events, highest_level
FROM {internal}.session;
COMMENT ON VIEW {schema}.fact_player_sessions IS 'One row per session: events of a player in a game without a pause longer than {gap_text}. A late event may join two.';
COMMENT ON COLUMN {schema}.fact_player_sessions.player_key IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.fact_player_sessions.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.fact_player_sessions.date_key IS 'Day of the first event, a key of dim_date.';
COMMENT ON COLUMN {schema}.fact_player_sessions.event_date IS 'Day of the first event in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.fact_player_sessions.started_at IS 'First event.';
COMMENT ON COLUMN {schema}.fact_player_sessions.ended_at IS 'Last event, without the gap: a session of one event has length 0.';
COMMENT ON COLUMN {schema}.fact_player_sessions.seconds IS 'From first to last event.';
COMMENT ON COLUMN {schema}.fact_player_sessions.events IS 'Events of it.';
COMMENT ON COLUMN {schema}.fact_player_sessions.highest_level IS 'Highest level of an event of it; NULL: none known.';

CREATE VIEW {schema}.kpi_daily_active_users AS
SELECT d.event_date, d.game_key, g.game_id, d.players AS active_users, s.events
FROM {internal}.game_day AS d JOIN {schema}.dim_game AS g USING (game_key)
JOIN (SELECT event_date, game_key, sum(events)::bigint AS events FROM {internal}.segment GROUP BY 1, 2) AS s USING (event_date, game_key);
COMMENT ON VIEW {schema}.kpi_daily_active_users IS 'Daily active users by game, exact. Users of several games count in each: for all games together kpi_active_users has them.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.active_users IS 'Players with an event in the game on the day.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.events IS 'Events.';

CREATE VIEW {schema}.kpi_segments AS
SELECT s.event_date, s.game_key, g.game_id, s.region, s.device, s.active_users, s.events
FROM {internal}.segment AS s JOIN {schema}.dim_game AS g USING (game_key);
COMMENT ON VIEW {schema}.kpi_segments IS 'Active users and events by day, game, region and device, as the events say; users {segment_kind}. Users of several count in each; events may be summed.';
COMMENT ON COLUMN {schema}.kpi_segments.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_segments.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_segments.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_segments.region IS 'Region of the events; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_segments.device IS 'Device of the events; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_segments.active_users IS 'Players with such an event, {segment_kind}.';
COMMENT ON COLUMN {schema}.kpi_segments.events IS 'Events, exact.';

CREATE VIEW {schema}.kpi_active_users AS
SELECT s.event_date, coalesce(a.players, 0)::bigint AS dau, s.wau, s.mau, (coalesce(a.players, 0)::numeric / nullif(s.mau, 0))::numeric(9,6) AS stickiness
FROM (SELECT event_date, d.date_key IS NOT NULL AS is_known, coalesce(sum(w.players) OVER (ORDER BY event_date), 0)::bigint AS wau,
             coalesce(sum(m.players) OVER (ORDER BY event_date), 0)::bigint AS mau
      FROM (SELECT * FROM {schema}.dim_date
            WHERE event_date BETWEEN (SELECT min(event_date) FROM {internal}.day) AND (SELECT max(event_date) FROM {internal}.day)) AS d
      -- a step down may be on a day of which dim_date knows nothing
      FULL JOIN {internal}.week_step AS w USING (event_date) FULL JOIN {internal}.month_step AS m USING (event_date)) AS s
LEFT JOIN {internal}.day AS a USING (event_date) WHERE s.is_known;
COMMENT ON VIEW {schema}.kpi_active_users IS 'Active users of all games together, exactly: one row per day of dim_date from the first to the newest with an event.';
COMMENT ON COLUMN {schema}.kpi_active_users.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_active_users.dau IS 'Players with an event on the day.';
COMMENT ON COLUMN {schema}.kpi_active_users.wau IS 'Players with an event on the day or the 6 before.';
COMMENT ON COLUMN {schema}.kpi_active_users.mau IS 'Players with an event on the day or the 29 before.';
COMMENT ON COLUMN {schema}.kpi_active_users.stickiness IS 'dau / mau, 0 to 1; NULL: mau is 0.';

CREATE VIEW {schema}.kpi_player_status AS
SELECT d.event_date, d.players AS dau, coalesce(s.first, 0)::bigint AS new_players,
       (d.players - coalesce(s.begun, 0))::bigint AS returning_players, coalesce(s.begun - s.first, 0)::bigint AS resurrected_players
FROM {internal}.day AS d LEFT JOIN {internal}.stay AS s USING (event_date);
COMMENT ON VIEW {schema}.kpi_player_status IS 'Active users of a day by what they were before; the three kinds sum up to dau.';
COMMENT ON COLUMN {schema}.kpi_player_status.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_player_status.dau IS 'Players with an event on the day.';
COMMENT ON COLUMN {schema}.kpi_player_status.new_players IS 'Whose first day it is.';
COMMENT ON COLUMN {schema}.kpi_player_status.returning_players IS 'Whose last day before lies at most {churn} days back.';
COMMENT ON COLUMN {schema}.kpi_player_status.resurrected_players IS 'Who had been away for {churn} whole days or more.';

CREATE VIEW {schema}.kpi_churn AS
SELECT p.player_key, d.player_id, p.cohort_date, p.last_date, p.active_days,
       (SELECT min(v.first_purchase_at) FROM {internal}.player_value AS v WHERE v.player_key = p.player_key) AS first_purchase_at,
       n.today - p.last_date AS days_inactive, n.today - p.last_date >= {churn} AS is_churned
FROM {internal}.player AS p JOIN {schema}.dim_player AS d USING (player_key) CROSS JOIN (SELECT max(event_date) AS today FROM {internal}.day) AS n;
COMMENT ON VIEW {schema}.kpi_churn IS 'One row per player with an event: since when, until when, and whether he is gone, as of the newest day with an event of anybody.';
COMMENT ON COLUMN {schema}.kpi_churn.player_key IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.kpi_churn.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_churn.cohort_date IS 'Day of the first event in time zone {tz_text}; a late one moves it.';
COMMENT ON COLUMN {schema}.kpi_churn.last_date IS 'Day of the last event.';
COMMENT ON COLUMN {schema}.kpi_churn.active_days IS 'Days with an event.';
COMMENT ON COLUMN {schema}.kpi_churn.first_purchase_at IS 'Time of the first purchase, of whatever amount; NULL: none.';
COMMENT ON COLUMN {schema}.kpi_churn.days_inactive IS 'Days from the last day with an event to the newest day.';
COMMENT ON COLUMN {schema}.kpi_churn.is_churned IS 'days_inactive >= {churn}.';

CREATE VIEW {schema}.kpi_churn_return AS
SELECT s.event_date + {churn} AS event_date, s.ended AS churned_players, s.came_back AS returned_players,
       (s.came_back::numeric / s.ended)::numeric(9,6) AS return_rate
FROM {internal}.stay AS s
WHERE s.ended > 0 AND s.event_date + {churn} <= (SELECT max(event_date) FROM {internal}.day);
COMMENT ON VIEW {schema}.kpi_churn_return IS 'Players who are lost on a day, {churn} days after their last event, and how many of them came back later. Who was lost twice counts on both days.';
COMMENT ON COLUMN {schema}.kpi_churn_return.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_churn_return.churned_players IS 'Whose last event until then was {churn} days before.';
COMMENT ON COLUMN {schema}.kpi_churn_return.returned_players IS 'Of them, with a later event by now: it still grows.';
COMMENT ON COLUMN {schema}.kpi_churn_return.return_rate IS 'returned_players / churned_players, 0 to 1.';

CREATE VIEW {schema}.kpi_retention AS
SELECT c.cohort_date, n AS day_number, c.players AS cohort_players, coalesce(a.players, 0)::bigint AS retained,
       r.players AS retained_rolling, (coalesce(a.players, 0)::numeric / c.players)::numeric(9,6) AS retention,
       (r.players::numeric / c.players)::numeric(9,6) AS retention_rolling
FROM (SELECT cohort_date, sum(players)::bigint AS players FROM {internal}.cohort_span GROUP BY 1) AS c
CROSS JOIN generate_series(0, 30) AS n
JOIN (SELECT s.cohort_date, i AS n, coalesce(sum(s.players) FILTER (WHERE s.days >= i), 0)::bigint AS players
      FROM {internal}.cohort_span AS s CROSS JOIN generate_series(0, 30) AS i GROUP BY 1, 2) AS r USING (cohort_date, n)
LEFT JOIN {internal}.cohort_day AS a ON a.cohort_date = c.cohort_date AND a.day_number = n
WHERE c.cohort_date + n <= (SELECT max(event_date) FROM {internal}.day);
COMMENT ON VIEW {schema}.kpi_retention IS 'Retention by cohort and day since, 0 to 30: D1, D7 and D30 are day_number 1, 7 and 30. Days that no event has reached yet are left out; the newest day is still filling.';
COMMENT ON COLUMN {schema}.kpi_retention.cohort_date IS 'Day of the first event in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_retention.day_number IS 'Days since: 0 is the first day.';
COMMENT ON COLUMN {schema}.kpi_retention.cohort_players IS 'Players whose first day it is.';
COMMENT ON COLUMN {schema}.kpi_retention.retained IS 'Of them, with an event on exactly that day: classic retention.';
COMMENT ON COLUMN {schema}.kpi_retention.retained_rolling IS 'Of them, with an event on that day or later: rolling retention, which still grows.';
COMMENT ON COLUMN {schema}.kpi_retention.retention IS 'retained / cohort_players, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_retention.retention_rolling IS 'retained_rolling / cohort_players, 0 to 1.';

CREATE VIEW {schema}.kpi_sessions AS
SELECT s.event_date, s.game_key, g.game_id, s.sessions, d.players, (s.sessions::numeric / d.players)::numeric(18,6) AS sessions_per_player,
       extract(epoch FROM s.length)::numeric(28,6) AS total_seconds, (extract(epoch FROM s.length) / s.sessions)::numeric(18,6) AS average_seconds,
       telemetry.quantile(s.lengths, 0.5) AS median_seconds, telemetry.quantile(s.lengths, 0.95) AS p95_seconds
FROM {internal}.session_day AS s JOIN {internal}.game_day AS d USING (event_date, game_key) JOIN {schema}.dim_game AS g USING (game_key);
COMMENT ON VIEW {schema}.kpi_sessions IS 'Sessions by game and the day they began on; one over midnight counts with all its length on its first day.';
COMMENT ON COLUMN {schema}.kpi_sessions.event_date IS 'Day of the first event in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_sessions.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_sessions.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_sessions.sessions IS 'Sessions.';
COMMENT ON COLUMN {schema}.kpi_sessions.players IS 'Players with an event in the game on the day.';
COMMENT ON COLUMN {schema}.kpi_sessions.sessions_per_player IS 'sessions / players.';
COMMENT ON COLUMN {schema}.kpi_sessions.total_seconds IS 'From first to last event, summed, in seconds.';
COMMENT ON COLUMN {schema}.kpi_sessions.average_seconds IS 'total_seconds / sessions.';
COMMENT ON COLUMN {schema}.kpi_sessions.median_seconds IS 'Median length in seconds, of an even number the lower middle: within 0.8 % of it.';
COMMENT ON COLUMN {schema}.kpi_sessions.p95_seconds IS 'Length that 95 % do not exceed, in seconds: within 0.8 % of it.';

CREATE VIEW {schema}.kpi_concurrent_players AS
SELECT c.at, c.game_key, g.game_id, c.players
FROM (SELECT w.window_start + n.after AS at, w.game_key, s.players
      FROM {internal}.concurrent AS w CROSS JOIN (VALUES (interval '0'), ('5 minutes'), ('10 minutes')) AS n (after)
           CROSS JOIN LATERAL (SELECT telemetry.concurrency_at(w.players, w.window_start + n.after) AS players OFFSET 0) AS s) AS c -- once a row
JOIN {schema}.dim_game AS g USING (game_key) WHERE c.players > 0;
COMMENT ON VIEW {schema}.kpi_concurrent_players IS 'Players in a session of a game at each full five minutes, first and last event included; no row: none.';
COMMENT ON COLUMN {schema}.kpi_concurrent_players.at IS 'The moment.';
COMMENT ON COLUMN {schema}.kpi_concurrent_players.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_concurrent_players.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_concurrent_players.players IS 'Players in a session at that very moment.';

CREATE VIEW {schema}.kpi_concurrent AS
SELECT c.event_date, c.game_key, g.game_id, c.players AS peak_players
FROM {internal}.concurrent_day AS c JOIN {schema}.dim_game AS g USING (game_key);
COMMENT ON VIEW {schema}.kpi_concurrent IS 'Most players in a session of a game at one moment of a day, whatever moment that is, first and last event included: exact. A session over midnight counts on both days.';
COMMENT ON COLUMN {schema}.kpi_concurrent.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_concurrent.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_concurrent.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_concurrent.peak_players IS 'The peak. Those of several games come at different moments: their sum is none.';

CREATE VIEW {schema}.kpi_purchases AS
SELECT p.event_date, p.game_key, g.game_id, p.region, p.device, p.currency, p.purchases, p.revenue::numeric(28,6) AS revenue
FROM {internal}.purchases AS p JOIN {schema}.dim_game AS g USING (game_key);
COMMENT ON VIEW {schema}.kpi_purchases IS 'Purchases by day, game, region, device and currency, as the events say. Sum revenue within a currency only.';
COMMENT ON COLUMN {schema}.kpi_purchases.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_purchases.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_purchases.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_purchases.region IS 'Region of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_purchases.device IS 'Device of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_purchases.currency IS 'Currency; NULL: the event does not say.';
COMMENT ON COLUMN {schema}.kpi_purchases.purchases IS 'Purchases, also without an amount.';
COMMENT ON COLUMN {schema}.kpi_purchases.revenue IS 'Sum of amount in the currency; NULL: none has an amount.';

CREATE VIEW {schema}.kpi_monetization AS
SELECT s.event_date, s.currency, a.players AS dau, s.payers, s.purchases::bigint AS purchases, s.revenue::numeric(28,6) AS revenue,
       (s.payers::numeric / a.players)::numeric(9,6) AS conversion, (s.revenue / a.players)::numeric(28,6) AS arpdau,
       (s.revenue / s.payers)::numeric(28,6) AS arppu
FROM {internal}.money_day AS s JOIN {internal}.day AS a USING (event_date);
COMMENT ON VIEW {schema}.kpi_monetization IS 'Money of a day, by currency; days without a purchase have no row. Who pays in two currencies is a payer of both: kpi_payers counts him once.';
COMMENT ON COLUMN {schema}.kpi_monetization.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_monetization.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_monetization.dau IS 'Players with an event on the day, payers or not, of all currencies.';
COMMENT ON COLUMN {schema}.kpi_monetization.payers IS 'Players with a purchase in the currency on the day.';
COMMENT ON COLUMN {schema}.kpi_monetization.purchases IS 'Their purchases.';
COMMENT ON COLUMN {schema}.kpi_monetization.revenue IS 'Sum of amount in the currency.';
COMMENT ON COLUMN {schema}.kpi_monetization.conversion IS 'payers / dau, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_monetization.arpdau IS 'revenue / dau, in the currency.';
COMMENT ON COLUMN {schema}.kpi_monetization.arppu IS 'revenue / payers of the day, in the currency.';

CREATE VIEW {schema}.kpi_payers AS
SELECT event_date, a.players AS dau, coalesce(p.payers, 0)::bigint AS payers, coalesce(p.payers_in_several, 0)::bigint AS payers_in_several_currencies,
       (coalesce(p.payers, 0)::numeric / a.players)::numeric(9,6) AS conversion
FROM {internal}.day AS a LEFT JOIN {internal}.payers AS p USING (event_date);
COMMENT ON VIEW {schema}.kpi_payers IS 'Payers of a day, whatever their currencies: each counts once.';
COMMENT ON COLUMN {schema}.kpi_payers.event_date IS 'Day in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_payers.dau IS 'Players with an event on the day.';
COMMENT ON COLUMN {schema}.kpi_payers.payers IS 'Of them, with a purchase.';
COMMENT ON COLUMN {schema}.kpi_payers.payers_in_several_currencies IS 'Of them, with purchases in two currencies or more (one that is not known is one).';
COMMENT ON COLUMN {schema}.kpi_payers.conversion IS 'payers / dau, 0 to 1.';

CREATE VIEW {schema}.kpi_player_value AS
SELECT v.player_key, d.player_id, v.currency, v.purchases, v.revenue::numeric(28,6) AS revenue, v.first_purchase_at,
       (v.first_purchase_at AT TIME ZONE {tz})::date AS first_purchase_date
FROM {internal}.player_value AS v JOIN {schema}.dim_player AS d USING (player_key);
COMMENT ON VIEW {schema}.kpi_player_value IS 'Lifetime value to date: one row per player and currency with a purchase.';
COMMENT ON COLUMN {schema}.kpi_player_value.player_key IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.kpi_player_value.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_player_value.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_player_value.purchases IS 'Purchases so far.';
COMMENT ON COLUMN {schema}.kpi_player_value.revenue IS 'Sum of amount so far, in the currency.';
COMMENT ON COLUMN {schema}.kpi_player_value.first_purchase_at IS 'Time of the first of them.';
COMMENT ON COLUMN {schema}.kpi_player_value.first_purchase_date IS 'Its day in time zone {tz_text}.';

CREATE VIEW {schema}.kpi_cohort_value AS
SELECT c.cohort_date, n AS day_number, v.currency, c.players AS cohort_players, v.revenue::numeric(28,6) AS revenue,
       (v.revenue::numeric(28,6) / c.players)::numeric(28,6) AS value_per_player
FROM (SELECT cohort_date, sum(players)::bigint AS players FROM {internal}.cohort_span GROUP BY 1) AS c
JOIN (SELECT cohort_date, currency, day_number, sum(revenue) OVER w AS revenue, lead(day_number, 1, 31) OVER w AS until
      FROM {internal}.cohort_money WINDOW w AS (PARTITION BY cohort_date, currency ORDER BY day_number)) AS v USING (cohort_date)
JOIN generate_series(0, 30) AS n ON n >= v.day_number AND n < v.until -- until the next day with a purchase the value stays
WHERE c.cohort_date + n <= (SELECT max(event_date) FROM {internal}.day);
COMMENT ON VIEW {schema}.kpi_cohort_value IS 'Lifetime value by cohort, days since and currency, 0 to 30: what the cohort spent until then. No row before its first purchase in the currency; days that no event has reached yet are left out.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.cohort_date IS 'Day of the first event in time zone {tz_text}.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.day_number IS 'Days since: 0 is the first day.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.cohort_players IS 'Players of the cohort, payers or not.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.revenue IS 'Sum of amount from day 0 to that day, in the currency.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.value_per_player IS 'revenue / cohort_players.';

CREATE VIEW {schema}.kpi_totals AS
SELECT v.currency, n.players, v.payers, v.revenue::numeric(28,6) AS revenue,
       (v.payers::numeric / n.players)::numeric(9,6) AS conversion, (v.revenue / n.players)::numeric(28,6) AS arpu,
       (v.revenue / v.payers)::numeric(28,6) AS arppu
FROM {internal}.money AS v CROSS JOIN (SELECT sum(players)::bigint AS players FROM {internal}.cohort_span) AS n;
COMMENT ON VIEW {schema}.kpi_totals IS 'Money of all time, by currency.';
COMMENT ON COLUMN {schema}.kpi_totals.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_totals.players IS 'All players with an event.';
COMMENT ON COLUMN {schema}.kpi_totals.payers IS 'Of them, with a purchase in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.revenue IS 'Sum of amount in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.conversion IS 'payers / players, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_totals.arpu IS 'revenue / players, in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.arppu IS 'revenue / payers, in the currency.';

CREATE VIEW {schema}.kpi_leaderboard AS
SELECT l.game_key, g.game_id, l.place, p.player_key,
       (SELECT d.player_id FROM {schema}.dim_player AS d WHERE d.player_key = p.player_key) AS player_id, -- looked up, whatever number is guessed
       p.highest_level, l.tied
FROM (SELECT game_key, highest_level, players AS tied, (1 + sum(players) OVER w - players)::bigint AS place
      FROM {internal}.level WHERE highest_level IS NOT NULL WINDOW w AS (PARTITION BY game_key ORDER BY highest_level DESC)) AS l
JOIN {internal}.level_player AS p ON p.game_key = l.game_key AND p.highest_level = l.highest_level
JOIN {schema}.dim_game AS g ON g.game_key = l.game_key
WHERE l.place BETWEEN 1 AND 100; -- of a range few are guessed
COMMENT ON VIEW {schema}.kpi_leaderboard IS 'Players on the first 100 places of a game, by the highest level they reached. Equal levels share a place, all of them are shown, and the places behind are left out: 1, 2, 2, 4.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.place IS 'Place, 1 is the best.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.player_key IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.highest_level IS 'Highest level of an event in the game.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.tied IS 'Players who share the place, this one included.';

CREATE VIEW {schema}.kpi_levels AS
SELECT l.game_key, g.game_id, l.highest_level AS level, l.players FROM {internal}.level AS l JOIN {schema}.dim_game AS g USING (game_key);
COMMENT ON VIEW {schema}.kpi_levels IS 'How many players of a game have got how far.';
COMMENT ON COLUMN {schema}.kpi_levels.game_key IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.kpi_levels.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_levels.level IS 'Highest level of a player in the game; NULL: none known.';
COMMENT ON COLUMN {schema}.kpi_levels.players IS 'Players.';

CREATE VIEW {schema}.kpi_funnel AS
SELECT event_date, step, ({funnel_steps})[step] AS action, players, (players::numeric / first_value(players) OVER w)::numeric(9,6) AS conversion,
       (players::numeric / nullif(coalesce(lag(players) OVER w, players), 0))::numeric(9,6) AS from_previous
FROM (SELECT d.event_date, n AS step, coalesce(sum(d.players) FILTER (WHERE d.steps >= n), 0)::bigint AS players
      FROM {internal}.funnel_day AS d CROSS JOIN generate_series(1, cardinality({funnel_steps})) AS n GROUP BY 1, 2) AS s
WINDOW w AS (PARTITION BY event_date ORDER BY step);
COMMENT ON VIEW {schema}.kpi_funnel IS 'How many players get from step to step, by the day of the first step: each next one later, all within {funnel_within_text} from the first, whatever day that is on. A player counts once a day, by what leads farthest; one of several days on each. Other steps, and players of several days once: {schema_text}.funnel().';
COMMENT ON COLUMN {schema}.kpi_funnel.event_date IS 'Day of the first step in time zone {tz_text}. Days on which nobody did it have no row.';
COMMENT ON COLUMN {schema}.kpi_funnel.step IS 'Number of the step, from 1.';
COMMENT ON COLUMN {schema}.kpi_funnel.action IS 'Action that is the step.';
COMMENT ON COLUMN {schema}.kpi_funnel.players IS 'Players who did it after the steps before, in time. Of the last days it still grows.';
COMMENT ON COLUMN {schema}.kpi_funnel.conversion IS 'players / those of the first step, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_funnel.from_previous IS 'players / those of the step before, 0 to 1; NULL: nobody did that.';

-- ---- of steps and days that are told when it is asked ---------------------------------------------------------------

CREATE FUNCTION {schema}.funnel(steps text[], within interval, from_date date, to_date date,
    OUT step integer, OUT action text, OUT players bigint, OUT conversion numeric, OUT from_previous numeric) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS {quote}
    WITH player AS (
        SELECT telemetry.funnel_steps(telemetry.funnel_agg(s.nr::integer, f.event_time), within) AS reached
        FROM {schema}.fact_player_events AS f JOIN unnest(steps) WITH ORDINALITY AS s (action, nr) ON s.action = f.action
        WHERE f.action = ANY (steps) AND f.event_date BETWEEN from_date AND (to_date + within)::date + 1 AND (s.nr > 1 OR f.event_date <= to_date)
        GROUP BY f.player_key
    ), counted AS (
        SELECT n, coalesce(sum(p.players) FILTER (WHERE p.reached >= n), 0)::bigint AS players
        FROM generate_series(1, cardinality(steps)) AS n LEFT JOIN (SELECT reached, count(*) AS players FROM player GROUP BY 1) AS p ON true GROUP BY 1
    )
    SELECT n, steps[n], c.players, (c.players::numeric / nullif(first_value(c.players) OVER (ORDER BY n), 0))::numeric(9,6),
           (c.players::numeric / nullif(coalesce(lag(c.players) OVER (ORDER BY n), c.players), 0))::numeric(9,6)
    FROM counted AS c ORDER BY n
{quote};
COMMENT ON FUNCTION {schema}.funnel(text[], interval, date, date) IS 'How many players do the first step on a day from from_date to to_date, and each next one later, all within that time from the first; each player once. conversion: players / those of the first step; from_previous: / those of the step before; NULL: of nobody. Read from the facts of these days, once. Up to 64 steps; a day of within has 24 hours, months are an error (22023). Example: SELECT * FROM {schema_text}.funnel(ARRAY[''login'', ''purchase''], ''1 day'', ''2026-11-01'', ''2026-11-30'')';

SELECT telemetry.create_pipeline({pipeline}, source => {topic_table}, target => {fact_table},
    event_time_column => 'event_time', create_partitions => 'day', batch_rows => 100000, paused => {paused});
$script$;
COMMENT ON FUNCTION telemetry._game_model_template() IS 'The script of telemetry.create_game_model(), with names in braces for what it is told.';

CREATE FUNCTION telemetry.create_game_model(
    server text, topic text, schema text,
    time_zone text DEFAULT 'UTC', fields jsonb DEFAULT '{}', session_gap interval DEFAULT '30 minutes',
    churn_days integer DEFAULT 14, exact boolean DEFAULT false, pipeline text DEFAULT NULL, paused boolean DEFAULT false, script_only boolean DEFAULT false,
    funnel_steps text[] DEFAULT '{login,match_start,purchase}', funnel_within interval DEFAULT '1 day')
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on SET intervalstyle = postgres AS $$
DECLARE
    known CONSTANT jsonb := '{"player": "player_id", "game": "game_id", "action": "action", "time": "timestamp", "amount": "amount",
        "currency": "currency", "region": "region", "device": "device", "level": "level"}';
    internal CONSTANT text := schema || '_internal';
    feed CONSTANT text := coalesce(pipeline, schema || '_player_events');
    partitions CONSTANT text := schema || '_partitions';
    piece jsonb;
    unknown text;
    script text;
    message text;
    detail text;
    hint text;
BEGIN
    SELECT string_agg(a.name, ', ' ORDER BY a.nr) INTO unknown
    FROM unnest(ARRAY['server', 'topic', 'schema', 'time_zone', 'fields', 'session_gap', 'churn_days', 'exact', 'paused', 'script_only', 'funnel_steps', 'funnel_within'],
        ARRAY[server, topic, schema, time_zone, fields::text, session_gap::text, churn_days::text, exact::text, paused::text, script_only::text, funnel_steps::text, funnel_within::text])
        WITH ORDINALITY AS a (name, value, nr) WHERE a.value IS NULL;
    IF unknown IS NOT NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = format('NULL is given for %s', unknown), HINT = 'Only pipeline may be NULL; leave out what is to be as it comes.';
    END IF;
    IF schema IN ('', 'telemetry') THEN
        RAISE invalid_schema_name USING MESSAGE = format('the schema of a model cannot be "%s"', schema), HINT = 'Name one of its own, for example game.';
    END IF;
    IF octet_length(partitions) > 63 THEN
        RAISE name_too_long USING MESSAGE = format('schema name "%s" is too long', schema), HINT = 'With "_partitions" behind it, it must fit into 63 bytes.';
    END IF;
    IF octet_length(feed) > 63 AND pipeline IS NULL THEN
        RAISE name_too_long USING MESSAGE = format('the pipeline''s name "%s" would be too long', feed),
            HINT = 'It may have 63 bytes: give another with pipeline => ''...'', or a shorter name of the schema.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = time_zone) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('time zone "%s" is not known', time_zone),
            HINT = coalesce((SELECT format('It is written "%s".', z.name) FROM pg_timezone_names AS z WHERE lower(z.name) = lower(time_zone) ORDER BY 1 LIMIT 1), 'pg_timezone_names has all names.');
    END IF;
    IF churn_days NOT BETWEEN 1 AND 36500 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('churn_days is %s, which must be 1 to 36500', churn_days);
    END IF;
    IF session_gap NOT BETWEEN interval '1 microsecond' AND interval '22 hours' THEN
        RAISE invalid_parameter_value USING MESSAGE = format('session_gap is %s, which must be more than 0 and at most 22 hours', session_gap),
            DETAIL = 'Which days a player was there on is read from his sessions, where no pause may be as long as a day, which has 23 hours when the clock is put forward.';
    END IF;
    IF cardinality(funnel_steps) NOT BETWEEN 1 AND 64 OR array_ndims(funnel_steps) <> 1 OR array_position(funnel_steps, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('funnel_steps is %s, which must be a list of 1 to 64 actions, none of them NULL',
                left(funnel_steps::text, 200)),
            HINT = 'For example funnel_steps => ''{login,purchase}''.';
    END IF;
    IF funnel_within NOT BETWEEN interval '0' AND interval '31 days' OR extract(year FROM funnel_within) <> 0 OR extract(month FROM funnel_within) <> 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('funnel_within is %s, which must be 0 to 31 days, and no months', funnel_within),
            DETAIL = 'An event goes into the funnels of each day within that time before it.', HINT = 'The function funnel() of the model takes any time.';
    END IF;
    IF jsonb_typeof(fields) <> 'object' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'fields must be a JSON object', HINT = 'For example {"player": "uid"}.';
    END IF;
    SELECT f.key INTO unknown FROM jsonb_each(fields) AS f
    WHERE NOT known ? f.key OR jsonb_typeof(f.value) <> 'string' ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING MESSAGE = format('field "%s" is not known, or its path is no text', unknown),
            HINT = 'Fields are player, game, action, time, amount, currency, region, device and level.';
    END IF;
    SELECT jsonb_object_agg(f.key, quote_literal(f.value)) INTO piece FROM jsonb_each_text(known || fields) AS f;
    piece := piece || jsonb_build_object(
        'schema', quote_ident(schema), 'internal', quote_ident(internal), 'partitions', quote_ident(partitions),
        'schema_text', replace(quote_ident(schema), '''', ''''''), 'internal_text', replace(quote_ident(internal), '''', ''''''),
        'partitions_text', quote_literal(quote_ident(partitions)), 'server', quote_ident(server), 'topic', quote_literal(topic),
        'tz', quote_literal(time_zone), 'tz_text', replace(time_zone, '''', ''''''),
        'gap', quote_literal(session_gap), 'gap_text', session_gap::text,
        'churn', churn_days::text, 'paused', paused::text, 'pipeline', quote_literal(feed),
        'segment_users', CASE WHEN exact THEN 'count(DISTINCT player_key)' ELSE 'telemetry.approx_count_distinct(player_key)' END,
        'segment_kind', CASE WHEN exact THEN 'exact' ELSE 'sketched: exact for few, within about 1 % for many' END,
        -- Longer than what it quotes, if that could end it.
        'quote', '$funnel' || CASE WHEN strpos(schema, '$funnel') > 0 THEN repeat('_', length(schema)) ELSE '' END || '$',
        'funnel_steps', quote_literal(funnel_steps) || '::text[]', 'funnel_later', quote_literal(funnel_steps[2:]) || '::text[]',
        'funnel_conditions', (SELECT string_agg(CASE WHEN s.nr = 1 THEN 'n = 0 AND ' ELSE '' END || 'f.action = ' || quote_literal(s.action), ', ' ORDER BY s.nr)
                              FROM unnest(funnel_steps) WITH ORDINALITY AS s (action, nr)),
        -- Clocks that are put forward, and dates that a zone leaves out, make it one day more, or two.
        'funnel_days', (SELECT quote_literal(array_agg(-d ORDER BY d)) || '::integer[]'
                        FROM generate_series(0, ceil(extract(epoch FROM funnel_within) / 86400)::integer + CASE WHEN funnel_within <= interval '1 day' THEN 1 ELSE 2 END) AS d),
        'funnel_within', quote_literal(funnel_within), 'funnel_within_text', funnel_within::text,
        'topic_table', quote_literal(quote_ident(internal) || '.player_events_topic'),
        'fact_table', quote_literal(quote_ident(schema) || '.fact_player_events'));
    -- Every second part of the split is a name. Within one pass, what is put in is never looked at again.
    SELECT string_agg(CASE WHEN p.n % 2 = 1 THEN p.part ELSE piece ->> p.part END, '' ORDER BY p.n) INTO script
    FROM regexp_split_to_table(telemetry._game_model_template(), '[{}]') WITH ORDINALITY AS p (part, n);
    IF script_only THEN
        RETURN script;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = server) THEN
        RAISE undefined_object USING MESSAGE = format('server "%s" does not exist', server),
            HINT = CASE WHEN server = '' THEN '' ELSE format('CREATE SERVER %I FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers ''localhost:9092'') makes one. ', server) END
                || coalesce((SELECT 'Servers of telemetry_kafka are: ' || string_agg(quote_ident(s.srvname), ', ' ORDER BY s.srvname) || '.'
                             FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
                             WHERE w.fdwname = 'telemetry_kafka'), 'There is no server of telemetry_kafka yet.');
    END IF;
    IF EXISTS (SELECT FROM telemetry.pipeline AS p WHERE p.name = feed) AND to_regclass(quote_ident(schema) || '.fact_player_events') IS NULL THEN
        RAISE duplicate_object USING MESSAGE = format('pipeline "%s" already exists', feed), DETAIL = 'A pipeline stays when its tables are dropped, as by DROP SCHEMA.',
            HINT = format('pipeline => ''...'' gives this one another name. If nobody needs the old one, SELECT telemetry.drop_pipeline(%L) removes it.', feed);
    END IF;
    BEGIN
        EXECUTE script;
    EXCEPTION WHEN others THEN
        -- Without the context, which would be the whole script.
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = message,
            DETAIL = CASE WHEN detail <> '' THEN detail ELSE format('This is from the script that makes the star schema in %I; nothing was made.', schema) END,
            HINT = CASE WHEN hint <> '' THEN hint
                WHEN SQLSTATE IN ('42P06', '42P07', '42710') THEN 'Name another schema, or drop what is there.'
                WHEN SQLSTATE = '42501' THEN 'Who makes a model needs CREATE on the database, or on the three schemas where they are there, and USAGE on the server.'
                ELSE 'script_only => true returns the script, to be read or run piece by piece.' END;
    END;
    RETURN format('The star schema is in schema %I (its helpers in %I, partitions in %I), fed by pipeline "%s".', schema, internal, partitions, feed);
END $$;
COMMENT ON FUNCTION telemetry.create_game_model(text, text, text, text, jsonb, interval, integer, boolean, text, boolean, boolean, text[], interval) IS
'Makes a star schema of a game with its KPIs, fed from a topic by a pipeline, as objects of the caller, and says where; script_only: makes nothing, and returns the script that would. '
'time_zone: whose days are meant. fields: paths of the messages'' fields, of those that differ from player_id, game_id, action, timestamp, amount, '
'currency, region, device, level. churn_days: days without an event after which a player is gone. exact: kpi_segments counts players exactly, which '
'costs more, instead of by a sketch. pipeline: its name, SCHEMA_player_events if NULL. funnel_steps, funnel_within: actions whose order kpi_funnel '
'follows, up to 64, and the time for all of them, up to 31 days of 24 hours: an event costs a row for each day of it. Helpers stand in schema '
'SCHEMA_internal, partitions in SCHEMA_partitions. '
'Example: SELECT telemetry.create_game_model(server => ''game_kafka'', topic => ''player-events'', schema => ''game'', fields => ''{"player": "uid"}'')';

CREATE FUNCTION telemetry.grant_bi(role regrole, schema regnamespace) RETURNS void
LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', schema, role);
    -- The parent's right is enough for reading through it. Foreign tables would read the topic.
    FOR relation IN SELECT c.oid::regclass AS name FROM pg_class AS c
                    WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition LOOP
        EXECUTE format('GRANT SELECT ON %s TO %s', relation.name, role);
    END LOOP;
    -- Clients that read information_schema see keys of those columns only on which there is more than SELECT.
    FOR relation IN SELECT DISTINCT c.oid::regclass AS name, a.attname FROM pg_class AS c
                    JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype IN ('p', 'f', 'u')
                    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
                    WHERE c.relnamespace = schema AND NOT c.relispartition LOOP
        EXECUTE format('GRANT REFERENCES (%I) ON %s TO %s', relation.attname, relation.name, role);
    END LOOP;
END $$;
COMMENT ON FUNCTION telemetry.grant_bi(regrole, regnamespace) IS
'Lets a role read a schema for BI: USAGE, SELECT on tables and views but no partitions and foreign tables, REFERENCES on the columns of keys. Of what '
'is there now: call it again for new relations. For the owner of the schema and what is in it. '
'Example: SELECT telemetry.grant_bi(''analysts'', ''game'')';
