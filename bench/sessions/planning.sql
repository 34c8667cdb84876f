-- What bench/sessions/adhoc runs without the library and with it.
CREATE EXTENSION telemetry;
\c
\t
\pset format unaligned
CREATE FUNCTION pg_temp.processor() RETURNS numeric LANGUAGE sql VOLATILE AS $$
SELECT (f[14]::numeric + f[15]::numeric) * 10000 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') AS f
$$;
CREATE FUNCTION pg_temp.plan() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	began numeric;
	best numeric;
BEGIN
	FOR run IN 1 .. 5 LOOP
		began := pg_temp.processor();
		FOR i IN 1 .. 4000 LOOP
			EXECUTE 'SELECT n.nspname, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE c.oid = 1259 AND EXISTS (SELECT FROM (SELECT attrelid FROM pg_attribute WHERE attnum = 1) a WHERE a.attrelid = c.oid)
				GROUP BY 1 HAVING count(*) > 0 ORDER BY 1';
		END LOOP;
		best := least(best, (pg_temp.processor() - began) / 4000);
	END LOOP;
	RETURN round(best, 1) || ' us of processor time each';
END $$;
SELECT CASE :'libraries' WHEN '' THEN 'without: ' ELSE 'with:    ' END || pg_temp.plan();
