-- What BI clients ask live of the star schema, in the forms that they give it. A comment is the name of the query below it;
-- before the colon: kpi, or facts and how many days (partitions) it may read. {day} and {next} are days, {week} is the
-- seventh after {day}. bench/model/reading measures them, test/t/095 looks at their plans.

-- facts 1: Power BI: revenue by region of a day
SELECT "rows"."region" AS "region", sum("rows"."amount") AS "a0"
FROM (SELECT "_"."region", "_"."amount" FROM (SELECT * FROM "{schema}"."fact_player_events") "_"
      WHERE "_"."event_date" >= timestamp '{day} 00:00:00' AND "_"."event_date" < timestamp '{next} 00:00:00') "rows"
GROUP BY "region" ORDER BY "region" LIMIT 1000001;

-- facts 1: Power BI: players and events by action and device of a day
SELECT "basetable0"."c1", "basetable0"."c2", "basetable0"."a0", "basetable0"."a1"
FROM (SELECT "$Table"."action" AS "c1", "$Table"."device" AS "c2", count(distinct "$Table"."player_key") AS "a0", count(*) AS "a1"
      FROM (SELECT "$Inner".* FROM "{schema}"."fact_player_events" "$Inner") "$Table"
      WHERE "$Table"."event_date" = date '{day}' GROUP BY 1, 2) "basetable0" WHERE NOT "basetable0"."a0" IS NULL LIMIT 1000001;

-- facts 1: Power BI: the first rows of a day, as its preview has them
SELECT "$Ordered"."event_time", "$Ordered"."player_key", "$Ordered"."action"
FROM (SELECT "_"."event_time", "_"."player_key", "_"."action" FROM "{schema}"."fact_player_events" "_"
      WHERE "_"."event_date" = date '{day}') "$Ordered" ORDER BY "$Ordered"."event_time" LIMIT 501;

-- facts 2: two days of a list, actions of a list
SELECT "_"."event_date", "_"."action", count(*) AS n FROM "{schema}"."fact_player_events" "_"
WHERE "_"."event_date" IN (date '{day}', date '{next}') AND "_"."action" IN ('login', 'purchase') AND NOT "_"."device" IS NULL
GROUP BY 1, 2 ORDER BY 1 LIMIT 1001;

-- facts 7: Tableau: events by month of a week, days as text
SELECT CAST(date_trunc('MONTH', CAST("fact_player_events"."event_date" AS timestamp)) AS date) AS "tmn:event_date:ok",
       CAST("fact_player_events"."event_date" AS text) AS "day", count(1) AS "sum:Number of Records:ok"
FROM "{schema}"."fact_player_events" "fact_player_events"
WHERE "fact_player_events"."event_date" >= (timestamp '{day} 00:00:00.000') AND "fact_player_events"."event_date" < (timestamp '{week} 00:00:00.000')
GROUP BY 1, 2;

-- facts 7: Tableau: players of a week by their region, with the dimension
SELECT "dim_player"."region" AS "region", count(distinct "fact_player_events"."player_key") AS "ctd:player_key:ok"
FROM "{schema}"."fact_player_events" "fact_player_events"
INNER JOIN "{schema}"."dim_player" "dim_player" ON ("fact_player_events"."player_key" = "dim_player"."player_key")
WHERE "fact_player_events"."event_date" BETWEEN (date '{day}') AND (date '{week}' - 1) GROUP BY 1;

-- facts 1: Grafana: events a minute of a day
SELECT floor(extract(epoch FROM event_time) / 60) * 60 AS time, count(*) AS events FROM "{schema}".fact_player_events
WHERE event_time BETWEEN '{day}T00:00:00Z' AND '{day}T23:59:59Z' AND event_date = '{day}' GROUP BY 1 ORDER BY 1;

-- facts 1: psqlODBC: a cursor over a day
DECLARE "SQL_CUR0x1" CURSOR WITH HOLD FOR SELECT "event_time", "action", "amount" FROM "{schema}"."fact_player_events" WHERE "event_date" = '{day}'::date;

-- kpi: Power BI: active users of the last weeks
SELECT "_"."event_date", "_"."dau", "_"."mau" FROM (SELECT * FROM "{schema}"."kpi_active_users") "_"
WHERE "_"."event_date" >= timestamp '{day} 00:00:00' ORDER BY "_"."event_date" LIMIT 1000001;

-- kpi: Power BI: active users by game of a day
SELECT "rows"."game_id", sum("rows"."active_users") AS "a0" FROM (SELECT "game_id", "active_users", "event_date" FROM "{schema}"."kpi_daily_active_users" "$Table") "rows"
WHERE "rows"."event_date" = date '{day}' GROUP BY "game_id" LIMIT 1000001;

-- kpi: Power BI: revenue by region and currency of a week
SELECT "rows"."region", "rows"."currency", sum("rows"."revenue") AS "a0" FROM (SELECT * FROM "{schema}"."kpi_purchases" "$Table") "rows"
WHERE "rows"."event_date" >= timestamp '{day} 00:00:00' AND "rows"."event_date" < timestamp '{week} 00:00:00' GROUP BY 1, 2 LIMIT 1000001;

-- kpi: Power BI: the leaderboard's first rows
SELECT "_"."game_id", "_"."place", "_"."player_id", "_"."highest_level" FROM "{schema}"."kpi_leaderboard" "_" ORDER BY "_"."game_id", "_"."place" LIMIT 501;

-- kpi: Tableau: revenue by month and currency
SELECT CAST(date_trunc('MONTH', CAST("kpi_monetization"."event_date" AS timestamp)) AS date) AS "tmn:event_date:ok", "kpi_monetization"."currency",
       sum("kpi_monetization"."revenue") AS "sum:revenue:ok" FROM "{schema}"."kpi_monetization" "kpi_monetization" GROUP BY 1, 2;

-- kpi: Superset: the retention of cohorts, a heatmap
SELECT cohort_date::text AS cohort_date, day_number, max(retention) AS retention FROM "{schema}".kpi_retention GROUP BY 1, 2 LIMIT 50000;

-- kpi: Superset: session lengths by day
SELECT event_date, sum(sessions) AS sessions, max(median_seconds) AS median_seconds FROM "{schema}".kpi_sessions GROUP BY 1 ORDER BY 1 LIMIT 1000;

-- kpi: Grafana: concurrent players of a day
SELECT at AS time, game_id AS metric, players FROM "{schema}".kpi_concurrent_players WHERE at BETWEEN '{day}T00:00:00Z' AND '{day}T23:59:59Z' ORDER BY 1;

-- kpi: Metabase: a player's value, looked up
SELECT "source"."currency", "source"."revenue" FROM (SELECT * FROM "{schema}"."kpi_player_value") "source" WHERE "source"."player_id" = '4711' LIMIT 2000;

-- kpi: Metabase: the first players of the churn list
SELECT "source"."player_id", "source"."is_churned" FROM (SELECT * FROM "{schema}"."kpi_churn") "source" LIMIT 2000;
