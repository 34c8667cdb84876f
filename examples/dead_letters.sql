-- What could not become a row, by reason.
SELECT count(*) AS messages, sqlstate, coalesce(column_name, '') AS "column",
       min(regexp_replace(message, '^(.{70}).+$', '\1…')) AS "for example"
FROM telemetry.dead_letter
GROUP BY sqlstate, column_name ORDER BY messages DESC, 2, 3;
