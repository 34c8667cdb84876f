-- A star schema of a game with its KPIs, made of the public parts alone: nothing here is known to the C code.

-- The model as a script. What stands in braces is put in by create_game_model(), in one pass.
CREATE FUNCTION telemetry._game_model_template() RETURNS text LANGUAGE sql IMMUTABLE
RETURN $script$-- A game's star schema, written by telemetry.create_game_model(): read it, change it, it is yours.
-- Days are those of time zone {tz}.
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE SCHEMA IF NOT EXISTS {internal};

CREATE FOREIGN TABLE {internal}.player_events_topic (
    player_id       text        OPTIONS (path {player}) NOT NULL,
    game_id         text        OPTIONS (path {game}) NOT NULL,
    action          text        OPTIONS (path {action}) NOT NULL,
    event_time      timestamptz OPTIONS (path {time}) NOT NULL,
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

CREATE TABLE {schema}.fact_player_events (
    event_date      date        GENERATED ALWAYS AS ((event_time AT TIME ZONE {tz})::date) STORED,
    event_time      timestamptz NOT NULL,
    player_id       text        NOT NULL,
    game_id         text        NOT NULL,
    action          text        NOT NULL,
    amount          numeric(28,6),
    currency        text,
    region          text,
    device          text,
    level           integer,
    attributes      jsonb,
    kafka_partition integer,
    kafka_offset    bigint
) PARTITION BY RANGE (event_time);
-- A late or deleted event has its session read again: this finds it.
CREATE INDEX ON {schema}.fact_player_events (player_id, game_id, event_time);
COMMENT ON TABLE {schema}.fact_player_events IS 'One row per message of the topic that is an event. Partitions are days of event_time in UTC: filter on event_time to have few of them read.';
COMMENT ON COLUMN {schema}.fact_player_events.event_date IS 'Day of event_time in the time zone of the model.';
COMMENT ON COLUMN {schema}.fact_player_events.event_time IS 'When it happened, as the message says.';
COMMENT ON COLUMN {schema}.fact_player_events.player_id IS 'Player, a key of dim_player.';
COMMENT ON COLUMN {schema}.fact_player_events.game_id IS 'Game, a key of dim_game.';
COMMENT ON COLUMN {schema}.fact_player_events.action IS 'What the player did: login, purchase, level_up, ...';
COMMENT ON COLUMN {schema}.fact_player_events.amount IS 'Money of a purchase in its currency, rounded to 6 decimals; never to be summed over several currencies.';
COMMENT ON COLUMN {schema}.fact_player_events.currency IS 'Currency of amount; NULL: the message does not say.';
COMMENT ON COLUMN {schema}.fact_player_events.region IS 'Region at the time of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.device IS 'Device of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.level IS 'Level of the player in the game at the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.fact_player_events.attributes IS 'Fields of the message that no column takes.';
COMMENT ON COLUMN {schema}.fact_player_events.kafka_partition IS 'Partition of the message; NULL: it did not come from Kafka.';
COMMENT ON COLUMN {schema}.fact_player_events.kafka_offset IS 'Its offset in the partition.';

-- What KPIs are made of, kept up to date with every event.
CREATE MATERIALIZED VIEW {internal}.player_day WITH (telemetry.continuous) AS
SELECT player_id, event_date, count(*) AS events FROM {schema}.fact_player_events GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_day IS 'One row per player and day with an event.';
CREATE MATERIALIZED VIEW {internal}.player_spending WITH (telemetry.continuous) AS
SELECT player_id, event_date, currency, count(*) AS purchases, sum(amount) AS revenue
FROM {schema}.fact_player_events WHERE action = 'purchase' GROUP BY 1, 2, 3;
COMMENT ON MATERIALIZED VIEW {internal}.player_spending IS 'One row per player, day and currency with a purchase.';
CREATE MATERIALIZED VIEW {internal}.player_game WITH (telemetry.continuous) AS
SELECT player_id, game_id, count(*) AS events, max(level) AS highest_level, telemetry.last(level, event_time) AS level
FROM {schema}.fact_player_events GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.player_game IS 'One row per player and game.';
CREATE MATERIALIZED VIEW {internal}.player WITH (telemetry.continuous) AS
SELECT player_id, min(event_time) AS first_seen_at, max(event_time) AS last_seen_at, count(*) AS events,
       telemetry.last(region, event_time) AS region, telemetry.last(device, event_time) AS device,
       min(event_time) FILTER (WHERE action = 'purchase') AS first_purchase_at
FROM {schema}.fact_player_events GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {internal}.player IS 'One row per player.';
CREATE MATERIALIZED VIEW {internal}.daily_sketch WITH (telemetry.continuous) AS
SELECT event_date, game_id, telemetry.hll_agg(player_id) AS players, {dau} AS active_users, count(*) AS events
FROM {schema}.fact_player_events GROUP BY 1, 2;
COMMENT ON MATERIALIZED VIEW {internal}.daily_sketch IS 'Players of a day and game as a sketch that merges: hll_union_agg() makes weeks, months and all games of it.';

CREATE MATERIALIZED VIEW {schema}.fact_player_sessions WITH (telemetry.continuous) AS
SELECT player_id, game_id, min(event_time) AS started_at, max(event_time) AS ended_at, count(*) AS events
FROM {schema}.fact_player_events GROUP BY player_id, game_id, telemetry.session_window(event_time, interval {gap});
COMMENT ON MATERIALIZED VIEW {schema}.fact_player_sessions IS 'One row per session: events of a player in a game without a pause longer than {gap_text}. A late event may join two.';
COMMENT ON COLUMN {schema}.fact_player_sessions.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.fact_player_sessions.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.fact_player_sessions.started_at IS 'First event.';
COMMENT ON COLUMN {schema}.fact_player_sessions.ended_at IS 'Last event, without the gap: a session of one event has length 0.';
COMMENT ON COLUMN {schema}.fact_player_sessions.events IS 'Events of it.';

CREATE VIEW {schema}.dim_player AS
SELECT player_id, first_seen_at, (first_seen_at AT TIME ZONE {tz})::date AS cohort_date, last_seen_at, events,
       region, device, first_purchase_at, first_purchase_at IS NOT NULL AS is_payer
FROM {internal}.player;
COMMENT ON VIEW {schema}.dim_player IS 'One row per player with an event.';
COMMENT ON COLUMN {schema}.dim_player.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.dim_player.first_seen_at IS 'Time of the first event; a late one moves it.';
COMMENT ON COLUMN {schema}.dim_player.cohort_date IS 'Day of first_seen_at in the time zone of the model.';
COMMENT ON COLUMN {schema}.dim_player.last_seen_at IS 'Time of the last event.';
COMMENT ON COLUMN {schema}.dim_player.events IS 'Events so far.';
COMMENT ON COLUMN {schema}.dim_player.region IS 'Newest known region, by event time.';
COMMENT ON COLUMN {schema}.dim_player.device IS 'Newest known device, by event time.';
COMMENT ON COLUMN {schema}.dim_player.first_purchase_at IS 'Time of the first purchase; NULL: none.';
COMMENT ON COLUMN {schema}.dim_player.is_payer IS 'Whether there was a purchase, of whatever amount.';

CREATE MATERIALIZED VIEW {schema}.dim_game WITH (telemetry.continuous) AS
SELECT game_id, min(event_time) AS first_seen_at, max(event_time) AS last_seen_at, count(*) AS events
FROM {schema}.fact_player_events GROUP BY 1;
COMMENT ON MATERIALIZED VIEW {schema}.dim_game IS 'One row per game with an event.';
COMMENT ON COLUMN {schema}.dim_game.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.dim_game.first_seen_at IS 'Time of its first event.';
COMMENT ON COLUMN {schema}.dim_game.last_seen_at IS 'Time of its last event.';
COMMENT ON COLUMN {schema}.dim_game.events IS 'Events so far.';

CREATE VIEW {schema}.dim_date AS
SELECT to_char(d, 'YYYYMMDD')::integer AS date_key, d::date AS full_date, extract(year FROM d)::integer AS year,
       extract(quarter FROM d)::integer AS quarter, extract(month FROM d)::integer AS month,
       extract(isoyear FROM d)::integer AS iso_year, extract(week FROM d)::integer AS iso_week,
       extract(isodow FROM d)::integer AS iso_weekday, d::date - (now() AT TIME ZONE {tz})::date AS relative_day
FROM generate_series(timestamp '2000-01-01', timestamp '2049-12-31', interval '1 day') AS d;
COMMENT ON VIEW {schema}.dim_date IS 'One row per day from 2000 to 2049.';
COMMENT ON COLUMN {schema}.dim_date.date_key IS 'Year, month and day as a number: 20261120.';
COMMENT ON COLUMN {schema}.dim_date.full_date IS 'The day.';
COMMENT ON COLUMN {schema}.dim_date.year IS 'Year.';
COMMENT ON COLUMN {schema}.dim_date.quarter IS 'Quarter, 1 to 4.';
COMMENT ON COLUMN {schema}.dim_date.month IS 'Month, 1 to 12.';
COMMENT ON COLUMN {schema}.dim_date.iso_year IS 'Year of the ISO week.';
COMMENT ON COLUMN {schema}.dim_date.iso_week IS 'ISO week, 1 to 53: weeks begin on Monday, the first has the year''s first Thursday.';
COMMENT ON COLUMN {schema}.dim_date.iso_weekday IS '1 Monday to 7 Sunday.';
COMMENT ON COLUMN {schema}.dim_date.relative_day IS 'Days from today in the time zone of the model: 0 today, -1 yesterday. Computed when it is read.';

CREATE VIEW {schema}.kpi_daily_active_users AS
SELECT event_date, game_id, active_users, events
FROM {internal}.daily_sketch;
COMMENT ON VIEW {schema}.kpi_daily_active_users IS 'Daily active users by game, {dau_kind}. Users of several games count in each. Exact for all games together: kpi_active_users.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.active_users IS 'Players with an event in the game on the day, {dau_kind}.';
COMMENT ON COLUMN {schema}.kpi_daily_active_users.events IS 'Events, exact.';

-- A player's day counts until it is too old or his next one takes its place: so many are on at a day as differences sum up to.
CREATE VIEW {schema}.kpi_active_users AS
SELECT day AS event_date, dau::bigint, wau::bigint, mau::bigint, (dau / nullif(mau, 0))::numeric(9,6) AS stickiness
FROM (SELECT day, sum(d) AS dau, sum(sum(w)) OVER (ORDER BY day) AS wau, sum(sum(m)) OVER (ORDER BY day) AS mau
      FROM (SELECT event_date, lead(event_date) OVER (PARTITION BY player_id ORDER BY event_date) AS next
            FROM {internal}.player_day) AS p
      CROSS JOIN LATERAL (VALUES (event_date, 1, 1, 1), (least(event_date + 7, next), 0, -1, 0),
                                 (least(event_date + 30, next), 0, 0, -1)) AS v (day, d, w, m)
      GROUP BY day) AS s
WHERE day <= (SELECT max(event_date) FROM {internal}.player_day);
COMMENT ON VIEW {schema}.kpi_active_users IS 'Active users of all games together, exactly: one row per day on which any number may change (each day with an event among them), until the newest day with an event.';
COMMENT ON COLUMN {schema}.kpi_active_users.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_active_users.dau IS 'Players with an event on the day.';
COMMENT ON COLUMN {schema}.kpi_active_users.wau IS 'Players with an event on the day or the 6 before.';
COMMENT ON COLUMN {schema}.kpi_active_users.mau IS 'Players with an event on the day or the 29 before.';
COMMENT ON COLUMN {schema}.kpi_active_users.stickiness IS 'dau / mau, 0 to 1; NULL: mau is 0.';

CREATE VIEW {schema}.kpi_player_status AS
SELECT event_date, count(*) AS dau, count(*) FILTER (WHERE before IS NULL) AS new_players,
       count(*) FILTER (WHERE event_date - before <= {churn}) AS returning_players,
       count(*) FILTER (WHERE event_date - before > {churn}) AS resurrected_players
FROM (SELECT event_date, lag(event_date) OVER (PARTITION BY player_id ORDER BY event_date) AS before
      FROM {internal}.player_day) AS p GROUP BY 1;
COMMENT ON VIEW {schema}.kpi_player_status IS 'Active users of a day by what they were before; the three kinds sum up to dau.';
COMMENT ON COLUMN {schema}.kpi_player_status.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_player_status.dau IS 'Players with an event on the day.';
COMMENT ON COLUMN {schema}.kpi_player_status.new_players IS 'Whose first day it is.';
COMMENT ON COLUMN {schema}.kpi_player_status.returning_players IS 'Whose last day before lies at most {churn} days back.';
COMMENT ON COLUMN {schema}.kpi_player_status.resurrected_players IS 'Who had been away for {churn} whole days or more.';

CREATE VIEW {schema}.kpi_churn AS
SELECT p.player_id, p.last_seen_at, n.today - (p.last_seen_at AT TIME ZONE {tz})::date AS days_inactive,
       n.today - (p.last_seen_at AT TIME ZONE {tz})::date >= {churn} AS is_churned
FROM {internal}.player AS p CROSS JOIN (SELECT max(event_date) AS today FROM {internal}.player_day) AS n;
COMMENT ON VIEW {schema}.kpi_churn IS 'One row per player: whether he is gone, as of the newest day with an event of anybody.';
COMMENT ON COLUMN {schema}.kpi_churn.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_churn.last_seen_at IS 'Time of the last event.';
COMMENT ON COLUMN {schema}.kpi_churn.days_inactive IS 'Days from the last day with an event to the newest day.';
COMMENT ON COLUMN {schema}.kpi_churn.is_churned IS 'days_inactive >= {churn}.';

CREATE VIEW {schema}.kpi_retention AS
SELECT c.cohort_date, n AS day_number, c.players AS cohort_players, coalesce(a.players, 0)::bigint AS retained,
       coalesce(r.players, 0)::bigint AS retained_rolling,
       (coalesce(a.players, 0)::numeric / c.players)::numeric(9,6) AS retention,
       (coalesce(r.players, 0)::numeric / c.players)::numeric(9,6) AS retention_rolling
FROM (SELECT cohort_date, count(*) AS players FROM {schema}.dim_player GROUP BY 1) AS c
CROSS JOIN generate_series(0, 30) AS n
LEFT JOIN (SELECT p.cohort_date, d.event_date - p.cohort_date AS n, count(*) AS players
           FROM {schema}.dim_player AS p JOIN {internal}.player_day AS d USING (player_id) GROUP BY 1, 2) AS a USING (cohort_date, n)
LEFT JOIN (SELECT cohort_date, n, count(*) AS players
           FROM {schema}.dim_player JOIN generate_series(0, 30) AS n ON (last_seen_at AT TIME ZONE {tz})::date - cohort_date >= n
           GROUP BY 1, 2) AS r USING (cohort_date, n)
WHERE c.cohort_date + n <= (SELECT max(event_date) FROM {internal}.player_day);
COMMENT ON VIEW {schema}.kpi_retention IS 'Retention by cohort and day since, 0 to 30: D1, D7 and D30 are day_number 1, 7 and 30. Days that no event has reached yet are left out; the newest day is still filling.';
COMMENT ON COLUMN {schema}.kpi_retention.cohort_date IS 'Day of the first event in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_retention.day_number IS 'Days since: 0 is the first day.';
COMMENT ON COLUMN {schema}.kpi_retention.cohort_players IS 'Players whose first day it is.';
COMMENT ON COLUMN {schema}.kpi_retention.retained IS 'Of them, with an event on exactly that day: classic retention.';
COMMENT ON COLUMN {schema}.kpi_retention.retained_rolling IS 'Of them, with an event on that day or later: rolling retention, which still grows.';
COMMENT ON COLUMN {schema}.kpi_retention.retention IS 'retained / cohort_players, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_retention.retention_rolling IS 'retained_rolling / cohort_players, 0 to 1.';

CREATE VIEW {schema}.kpi_sessions AS
SELECT (started_at AT TIME ZONE {tz})::date AS event_date, game_id, count(*) AS sessions, count(DISTINCT player_id) AS players,
       (count(*)::numeric / count(DISTINCT player_id))::numeric(18,6) AS sessions_per_player,
       sum(extract(epoch FROM ended_at - started_at))::numeric(28,6) AS total_seconds,
       avg(extract(epoch FROM ended_at - started_at))::numeric(18,6) AS average_seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)) AS median_seconds
FROM {schema}.fact_player_sessions GROUP BY 1, 2;
COMMENT ON VIEW {schema}.kpi_sessions IS 'Sessions by game and the day they began on; one over midnight counts with all its length on its first day.';
COMMENT ON COLUMN {schema}.kpi_sessions.event_date IS 'Day of the first event in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_sessions.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_sessions.sessions IS 'Sessions.';
COMMENT ON COLUMN {schema}.kpi_sessions.players IS 'Players who began one.';
COMMENT ON COLUMN {schema}.kpi_sessions.sessions_per_player IS 'sessions / players.';
COMMENT ON COLUMN {schema}.kpi_sessions.total_seconds IS 'From first to last event, summed, in seconds.';
COMMENT ON COLUMN {schema}.kpi_sessions.average_seconds IS 'total_seconds / sessions.';
COMMENT ON COLUMN {schema}.kpi_sessions.median_seconds IS 'Median length in seconds; of an even number, the middle between two.';

CREATE VIEW {schema}.kpi_concurrent AS
SELECT (w.window_start AT TIME ZONE {tz})::date AS event_date, s.game_id, max(w.peak) AS peak_players
FROM (SELECT game_id, telemetry.concurrent(started_at, ended_at, interval '15 minutes') AS windows
      FROM {schema}.fact_player_sessions GROUP BY 1) AS s CROSS JOIN LATERAL unnest(s.windows) AS w
GROUP BY 1, 2;
COMMENT ON VIEW {schema}.kpi_concurrent IS 'Most players in a session of a game at one moment of a day, exactly, first and last event included. Read from all sessions: restrict event_date after it is computed.';
COMMENT ON COLUMN {schema}.kpi_concurrent.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_concurrent.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_concurrent.peak_players IS 'The peak; 0: a day between sessions.';

CREATE MATERIALIZED VIEW {schema}.kpi_purchases WITH (telemetry.continuous) AS
SELECT event_date, game_id, region, device, currency, count(*) AS purchases, sum(amount)::numeric(28,6) AS revenue
FROM {schema}.fact_player_events WHERE action = 'purchase' GROUP BY 1, 2, 3, 4, 5;
COMMENT ON MATERIALIZED VIEW {schema}.kpi_purchases IS 'Purchases by day, game, region, device and currency, as the events say. Sum revenue within a currency only.';
COMMENT ON COLUMN {schema}.kpi_purchases.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_purchases.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_purchases.region IS 'Region of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_purchases.device IS 'Device of the event; NULL: unknown.';
COMMENT ON COLUMN {schema}.kpi_purchases.currency IS 'Currency; NULL: the event does not say.';
COMMENT ON COLUMN {schema}.kpi_purchases.purchases IS 'Purchases, also without an amount.';
COMMENT ON COLUMN {schema}.kpi_purchases.revenue IS 'Sum of amount in the currency; NULL: none has an amount.';

CREATE VIEW {schema}.kpi_monetization AS
SELECT s.event_date, s.currency, a.dau, s.payers, s.purchases, s.revenue::numeric(28,6),
       (s.payers::numeric / a.dau)::numeric(9,6) AS conversion, (s.revenue / a.dau)::numeric(28,6) AS arpdau,
       (s.revenue / s.payers)::numeric(28,6) AS arppu
FROM (SELECT event_date, currency, count(*) AS payers, sum(purchases)::bigint AS purchases, sum(revenue) AS revenue
      FROM {internal}.player_spending GROUP BY 1, 2) AS s
JOIN (SELECT event_date, count(*) AS dau FROM {internal}.player_day GROUP BY 1) AS a USING (event_date);
COMMENT ON VIEW {schema}.kpi_monetization IS 'Money of a day, by currency; days without a purchase have no row. Who pays in two currencies is a payer of both.';
COMMENT ON COLUMN {schema}.kpi_monetization.event_date IS 'Day in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_monetization.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_monetization.dau IS 'Players with an event on the day, payers or not, of all currencies.';
COMMENT ON COLUMN {schema}.kpi_monetization.payers IS 'Players with a purchase in the currency on the day.';
COMMENT ON COLUMN {schema}.kpi_monetization.purchases IS 'Their purchases.';
COMMENT ON COLUMN {schema}.kpi_monetization.revenue IS 'Sum of amount in the currency.';
COMMENT ON COLUMN {schema}.kpi_monetization.conversion IS 'payers / dau, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_monetization.arpdau IS 'revenue / dau, in the currency.';
COMMENT ON COLUMN {schema}.kpi_monetization.arppu IS 'revenue / payers of the day, in the currency.';

CREATE VIEW {schema}.kpi_player_value AS
SELECT player_id, currency, sum(purchases)::bigint AS purchases, sum(revenue)::numeric(28,6) AS revenue,
       min(event_date) AS first_purchase_date
FROM {internal}.player_spending GROUP BY 1, 2;
COMMENT ON VIEW {schema}.kpi_player_value IS 'Lifetime value to date: one row per player and currency with a purchase.';
COMMENT ON COLUMN {schema}.kpi_player_value.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_player_value.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_player_value.purchases IS 'Purchases so far.';
COMMENT ON COLUMN {schema}.kpi_player_value.revenue IS 'Sum of amount so far, in the currency.';
COMMENT ON COLUMN {schema}.kpi_player_value.first_purchase_date IS 'Day of the first of them in the time zone of the model.';

CREATE VIEW {schema}.kpi_totals AS
SELECT v.currency, n.players, count(*) AS payers, sum(v.revenue)::numeric(28,6) AS revenue,
       (count(*)::numeric / n.players)::numeric(9,6) AS conversion, (sum(v.revenue) / n.players)::numeric(28,6) AS arpu,
       (sum(v.revenue) / count(*))::numeric(28,6) AS arppu
FROM {schema}.kpi_player_value AS v CROSS JOIN (SELECT count(*) AS players FROM {internal}.player) AS n GROUP BY 1, 2;
COMMENT ON VIEW {schema}.kpi_totals IS 'Money of all time, by currency.';
COMMENT ON COLUMN {schema}.kpi_totals.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_totals.players IS 'All players with an event.';
COMMENT ON COLUMN {schema}.kpi_totals.payers IS 'Of them, with a purchase in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.revenue IS 'Sum of amount in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.conversion IS 'payers / players, 0 to 1.';
COMMENT ON COLUMN {schema}.kpi_totals.arpu IS 'revenue / players, in the currency.';
COMMENT ON COLUMN {schema}.kpi_totals.arppu IS 'revenue / payers, in the currency.';

CREATE VIEW {schema}.kpi_cohort_value AS
SELECT c.cohort_date, n AS day_number, v.currency, c.players AS cohort_players, sum(v.revenue)::numeric(28,6) AS revenue,
       (sum(v.revenue) / c.players)::numeric(28,6) AS value_per_player
FROM (SELECT cohort_date, count(*) AS players FROM {schema}.dim_player GROUP BY 1) AS c
JOIN (SELECT p.cohort_date, s.event_date - p.cohort_date AS age, s.currency, sum(s.revenue) AS revenue
      FROM {internal}.player_spending AS s JOIN {schema}.dim_player AS p USING (player_id) GROUP BY 1, 2, 3) AS v USING (cohort_date)
JOIN generate_series(0, 30) AS n ON n >= v.age
WHERE c.cohort_date + n <= (SELECT max(event_date) FROM {internal}.player_day)
GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW {schema}.kpi_cohort_value IS 'Lifetime value by cohort, days since and currency, 0 to 30: what the cohort spent until then. No row before its first purchase in the currency.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.cohort_date IS 'Day of the first event in the time zone of the model.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.day_number IS 'Days since: 0 is the first day.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.currency IS 'Currency; NULL: the events do not say.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.cohort_players IS 'Players of the cohort, payers or not.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.revenue IS 'Sum of amount from day 0 to that day, in the currency.';
COMMENT ON COLUMN {schema}.kpi_cohort_value.value_per_player IS 'revenue / cohort_players.';

CREATE VIEW {schema}.kpi_leaderboard AS
SELECT game_id, rank() OVER w AS place, player_id, highest_level, count(*) OVER (PARTITION BY game_id, highest_level) AS tied
FROM {internal}.player_game WHERE highest_level IS NOT NULL
WINDOW w AS (PARTITION BY game_id ORDER BY highest_level DESC);
COMMENT ON VIEW {schema}.kpi_leaderboard IS 'Players of a game by the highest level they reached. Equal levels share a place, and the places behind are left out: 1, 2, 2, 4.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.place IS 'Place, 1 is the best.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.player_id IS 'Player.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.highest_level IS 'Highest level of an event in the game.';
COMMENT ON COLUMN {schema}.kpi_leaderboard.tied IS 'Players who share the place, this one included.';

CREATE VIEW {schema}.kpi_levels AS SELECT game_id, level, count(*) AS players FROM {internal}.player_game GROUP BY 1, 2;
COMMENT ON VIEW {schema}.kpi_levels IS 'How many players of a game are at a level.';
COMMENT ON COLUMN {schema}.kpi_levels.game_id IS 'Game.';
COMMENT ON COLUMN {schema}.kpi_levels.level IS 'Newest known level by event time; NULL: none known.';
COMMENT ON COLUMN {schema}.kpi_levels.players IS 'Players.';

SELECT telemetry.create_pipeline({pipeline}, source => {topic_table}, target => {fact_table},
    event_time_column => 'event_time', create_partitions => 'day', paused => {paused});
$script$;
COMMENT ON FUNCTION telemetry._game_model_template() IS 'The script of telemetry.create_game_model(), with names in braces for what it is told.';

CREATE FUNCTION telemetry.create_game_model(
    server text, topic text, schema text,
    time_zone text DEFAULT 'UTC', fields jsonb DEFAULT '{}', session_gap interval DEFAULT '30 minutes',
    churn_days integer DEFAULT 14, exact boolean DEFAULT false, pipeline text DEFAULT NULL, paused boolean DEFAULT false, script_only boolean DEFAULT false)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known CONSTANT jsonb := '{"player": "player_id", "game": "game_id", "action": "action", "time": "timestamp", "amount": "amount",
        "currency": "currency", "region": "region", "device": "device", "level": "level"}';
    internal CONSTANT text := schema || '_internal';
    piece jsonb;
    unknown text;
    script text;
    message text;
    detail text;
    hint text;
BEGIN
    IF server IS NULL OR topic IS NULL OR schema IS NULL OR time_zone IS NULL OR fields IS NULL OR session_gap IS NULL
        OR churn_days IS NULL OR exact IS NULL OR paused IS NULL OR script_only IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'only the pipeline''s name may be NULL';
    END IF;
    IF octet_length(internal) > 63 THEN
        RAISE name_too_long USING MESSAGE = format('schema name "%s" is too long', schema), HINT = 'With "_internal" behind it, it must fit into 63 bytes.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = time_zone) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('time zone "%s" is not known', time_zone), HINT = 'pg_timezone_names has all names.';
    END IF;
    IF churn_days < 1 THEN
        RAISE invalid_parameter_value USING MESSAGE = format('churn_days is %s, which must be 1 or more', churn_days);
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
        'schema', quote_ident(schema), 'internal', quote_ident(internal), 'server', quote_ident(server),
        'topic', quote_literal(topic), 'tz', quote_literal(time_zone), 'gap', quote_literal(session_gap), 'gap_text', session_gap::text,
        'churn', churn_days::text, 'paused', paused::text, 'pipeline', quote_literal(coalesce(pipeline, schema || '_player_events')),
        'dau', CASE WHEN exact THEN 'count(DISTINCT player_id)' ELSE 'telemetry.approx_count_distinct(player_id)' END,
        'dau_kind', CASE WHEN exact THEN 'exact' ELSE 'sketched: exact for few, within about 1 % for many' END,
        'topic_table', quote_literal(quote_ident(internal) || '.player_events_topic'),
        'fact_table', quote_literal(quote_ident(schema) || '.fact_player_events'));
    -- Every second part of the split is a name. Within one pass, what is put in is never looked at again.
    SELECT string_agg(CASE WHEN p.n % 2 = 1 THEN p.part ELSE piece ->> p.part END, '' ORDER BY p.n) INTO script
    FROM regexp_split_to_table(telemetry._game_model_template(), '[{}]') WITH ORDINALITY AS p (part, n);
    IF script_only THEN
        RETURN script;
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
                ELSE 'script_only => true returns the script, to be read or run piece by piece.' END;
    END;
    RETURN format('The star schema is in schema %I (its helpers in %I), fed by pipeline "%s".', schema, internal, coalesce(pipeline, schema || '_player_events'));
END $$;
COMMENT ON FUNCTION telemetry.create_game_model(text, text, text, text, jsonb, interval, integer, boolean, text, boolean, boolean) IS
'Makes a star schema of a game with its KPIs, fed from a topic by a pipeline, as objects of the caller, and says where; script_only: makes nothing, and returns the script that would. '
'time_zone: whose days are meant. fields: paths of the messages'' fields, of those that differ from player_id, game_id, action, timestamp, amount, currency, region, device, level. churn_days: days without an event after which a player is gone. exact: kpi_daily_active_users counts players exactly, which costs more, instead of by a sketch. pipeline: its name, SCHEMA_player_events if NULL. Helpers stand in schema SCHEMA_internal. '
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
'Lets a role read a schema for BI: USAGE, SELECT on tables and views but no partitions and foreign tables, REFERENCES on the columns of keys. Of what is there now: call it again for new relations. For the owner of the schema and what is in it. '
'Example: SELECT telemetry.grant_bi(''analysts'', ''game'')';
