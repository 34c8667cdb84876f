-- cumulate(): begins every size, ends a step later each time.
SET search_path = telemetry, public;
SET timezone = 'Europe/Berlin';
SET intervalstyle = 'postgres';
SELECT * FROM cumulate(timestamp '2026-01-01 21:00', '1 hour', '1 day');
SELECT * FROM cumulate(timestamp '2026-01-01 20:59:59.999999', '10 hours', '1 day');
SELECT * FROM cumulate(timestamptz '2026-02-20 12:00', '10 days', '1 month', zone => 'Europe/Berlin');
SELECT count(*) FROM cumulate(NULL::timestamptz, '1 hour', '1 day');
-- By the hour through days of 23 and 25 hours: one window an hour.
SELECT d, count(*), max(window_end - window_start) FROM unnest('{2026-03-29,2026-10-25,2026-07-01}'::timestamptz[]) d,
	cumulate(d, '1 hour', '1 day', zone => 'Europe/Berlin') w
	WHERE window_start = d AND window_end > d GROUP BY d ORDER BY d;
SELECT * FROM cumulate(now(), '2 days', '1 day');
SELECT * FROM cumulate(now(), '1 month', '60 days');
SELECT * FROM cumulate(now(), '1 day', '300000 years');
