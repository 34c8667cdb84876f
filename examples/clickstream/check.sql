\echo 'Every click is a fact once, though some were sent twice, or it is a dead letter:'
SELECT (SELECT count(*) FROM shop.sent) AS sent, s.stored AS facts, s.duplicates AS "sent twice", s.dead AS dead_letters,
       (SELECT count(*) - count(DISTINCT click_id) FROM shop.click) AS repeated,
       (SELECT count(*) FROM shop.sent) - s.stored - s.duplicates - s.dead AS lost
FROM telemetry.stat_pipeline AS s WHERE s.pipeline = 'clicks';
