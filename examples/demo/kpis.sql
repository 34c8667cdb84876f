-- KPIs of the model, as a BI tool would read them: relations of plain columns.
\pset footer off
\pset linestyle unicode
\pset border 1
\pset null ''

\echo
\echo 'Active users (kpi_active_users, kpi_player_status), the last ten days; today is still filling:'
SELECT a.event_date, a.dau, repeat('█', round(30.0 * a.dau / max(a.dau) OVER ())::int) AS "dau, drawn", a.wau, a.mau,
       round(a.stickiness, 3) AS stickiness, s.new_players AS new, s.returning_players AS returning, s.resurrected_players AS resurrected
FROM game.kpi_active_users AS a JOIN game.kpi_player_status AS s USING (event_date)
ORDER BY 1 DESC LIMIT 10;

\echo 'Retention in percent (kpi_retention) of those who came in a week, by days since their first:'
SELECT to_char(date_trunc('week', cohort_date), 'YYYY-MM-DD') AS "week from", sum(cohort_players) FILTER (WHERE day_number = 0) AS players,
       round(100 * sum(retained) FILTER (WHERE day_number = 1)  / sum(cohort_players) FILTER (WHERE day_number = 1), 1)  AS d1,
       round(100 * sum(retained) FILTER (WHERE day_number = 3)  / sum(cohort_players) FILTER (WHERE day_number = 3), 1)  AS d3,
       round(100 * sum(retained) FILTER (WHERE day_number = 7)  / sum(cohort_players) FILTER (WHERE day_number = 7), 1)  AS d7,
       round(100 * sum(retained) FILTER (WHERE day_number = 14) / sum(cohort_players) FILTER (WHERE day_number = 14), 1) AS d14,
       round(100 * sum(retained) FILTER (WHERE day_number = 30) / sum(cohort_players) FILTER (WHERE day_number = 30), 1) AS d30
FROM game.kpi_retention GROUP BY 1 ORDER BY 1;

\echo 'Sessions (kpi_sessions), and the most players at one moment (kpi_concurrent), the last week:'
SELECT event_date, game_id, sessions, round(sessions_per_player, 2) AS per_player, round(average_seconds / 60, 1) AS average_minutes,
       round(median_seconds::numeric / 60, 1) AS median_minutes, peak_players
FROM game.kpi_sessions JOIN game.kpi_concurrent USING (event_date, game_id)
WHERE event_date > (SELECT max(event_date) FROM game.kpi_sessions) - 4 ORDER BY 1 DESC, 2;

\echo 'How many of the last week''s players went on to buy, within an hour (funnel()):'
SELECT step, action, players, round(100 * conversion, 1) AS "% of all", round(100 * from_previous, 1) AS "% of the step before"
FROM game.funnel('{login,match_start,match_end,purchase}', '1 hour', from_date => current_date - 6, to_date => current_date);

\echo 'Revenue by region (kpi_purchases), each currency apart:'
SELECT region, currency, sum(purchases) AS purchases, sum(revenue)::numeric(28,2) AS revenue,
       round(100 * sum(revenue) / sum(sum(revenue)) OVER (PARTITION BY currency), 1) AS "percent of the currency"
FROM game.kpi_purchases GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2;

\echo 'Money of all time (kpi_totals):'
SELECT currency, players, payers, round(100 * conversion, 2) AS "conversion %", revenue::numeric(28,2) AS revenue,
       arpu::numeric(28,3) AS arpu, arppu::numeric(28,2) AS arppu
FROM game.kpi_totals ORDER BY payers DESC, currency;
