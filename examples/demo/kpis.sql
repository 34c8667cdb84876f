-- KPIs of the model, as a BI tool would read them. An hour of events fills a day or two.
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null ''

\echo
\echo 'KPIs of telemetry.create_game_model(): active users'
SELECT event_date, dau, wau, mau, stickiness FROM model.kpi_active_users WHERE dau > 0 ORDER BY 1;
\echo 'Sessions, and the most players at one moment:'
SELECT event_date, game_id, sessions, sessions_per_player::numeric(9,2) AS per_player, round(average_seconds) AS average_seconds, peak_players
FROM model.kpi_sessions JOIN model.kpi_concurrent USING (event_date, game_id) ORDER BY 1, 2;
\echo 'Retention by cohort:'
SELECT cohort_date, day_number, cohort_players, retained, retention FROM model.kpi_retention ORDER BY 1, 2;
\echo 'Revenue by region, each currency apart:'
SELECT region, currency, sum(purchases) AS purchases, sum(revenue)::numeric(28,2) AS revenue FROM model.kpi_purchases GROUP BY 1, 2 ORDER BY 1, 2;
