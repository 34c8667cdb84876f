-- What bench/sessions/adhoc runs without the library and with it.
CREATE EXTENSION telemetry;
\c
\t
\pset format unaligned
CREATE FUNCTION pg_temp.plan() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	best numeric;
BEGIN
	FOR run IN 1 .. 5 LOOP
		began := clock_timestamp();
		FOR i IN 1 .. 4000 LOOP
			EXECUTE 'SELECT n.nspname, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE c.oid = 1259 AND EXISTS (SELECT FROM (SELECT attrelid FROM pg_attribute WHERE attnum = 1) a WHERE a.attrelid = c.oid)
				GROUP BY 1 HAVING count(*) > 0 ORDER BY 1';
		END LOOP;
		best := least(best, extract(epoch FROM clock_timestamp() - began) * 1000000 / 4000);
	END LOOP;
	RETURN round(best, 1) || ' us each';
END $$;
SELECT CASE :'libraries' WHEN '' THEN 'without: ' ELSE 'with:    ' END || pg_temp.plan();
