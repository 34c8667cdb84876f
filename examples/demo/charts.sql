-- What charts.py draws, as one JSON document. All of it is read from the model's relations.
SELECT json_build_object(
    'messages', (SELECT count(*) FROM game.sent),
    'views', (SELECT count(*) FROM telemetry.continuous_view),
    'dead', (SELECT json_agg(json_build_array(reason, n) ORDER BY n DESC, reason)
             FROM (SELECT CASE WHEN column_name IS NULL THEN 'invalid JSON' WHEN sqlstate = '23502' THEN column_name || ' is missing'
                               ELSE column_name || ' cannot be read' END AS reason, count(*) AS n
                   FROM telemetry.dead_letter GROUP BY 1) AS d),
    'active', (SELECT json_agg(json_build_array(event_date, s.new_players, s.returning_players, s.resurrected_players, a.wau, a.mau)
                               ORDER BY event_date)
               FROM game.kpi_active_users AS a JOIN game.kpi_player_status AS s USING (event_date)),
    'retention', (SELECT json_agg(json_build_array(cohort_date, day_number, cohort_players, retained)
                                  ORDER BY cohort_date, day_number) FROM game.kpi_retention),
    'sessions', (SELECT json_agg(json_build_array(event_date, game_id, sessions, median_seconds) ORDER BY event_date, game_id)
                 FROM game.kpi_sessions),
    'revenue', (SELECT json_agg(json_build_array(currency, region, revenue) ORDER BY currency, region)
                FROM (SELECT currency, region, sum(revenue)::float8 AS revenue FROM game.kpi_purchases GROUP BY 1, 2) AS r),
    'concurrent', (SELECT json_agg(json_build_array(to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), most) ORDER BY hour)
                   FROM (SELECT date_trunc('hour', at, 'UTC') AS hour, max(players) AS most
                         FROM (SELECT at, sum(players) AS players FROM game.kpi_concurrent_players
                               WHERE at >= date_trunc('hour', now() - interval '7 days', 'UTC') GROUP BY at) AS p GROUP BY 1) AS h),
    'minutes', (SELECT json_agg(json_build_array(to_char(slot AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), action, events) ORDER BY slot, action)
                FROM (SELECT date_trunc('hour', minute, 'UTC') AS slot, action, sum(events) / 60.0 AS events
                      FROM game.events_per_minute WHERE minute >= date_trunc('hour', now() - interval '2 days', 'UTC')
                      AND minute < date_trunc('hour', now(), 'UTC') GROUP BY 1, 2) AS m));
