-- Random messages through our decoder and through PostgreSQL's own json functions. Every row that
-- comes out of report is a difference, and a failure. Variables: first, count.
SET client_min_messages = warning;
SET timezone = 'Europe/Berlin';

CREATE TABLE tried (type text PRIMARY KEY, record text NOT NULL);
INSERT INTO tried
SELECT t, 'r_' || n FROM unnest(ARRAY[
  'smallint', 'integer', 'bigint', 'numeric', 'numeric(10,2)', 'numeric(38,10)', 'numeric(5,-2)',
  'real', 'double precision', 'boolean', 'text', 'varchar(5)', 'char(4)', 'timestamptz', 'timestamp',
  'timestamp(2)', 'date', 'time', 'time(1)', 'uuid', 'bytea', 'json', 'jsonb', 'interval', 'inet',
  'integer[]', 'text[]']) WITH ORDINALITY AS u(t, n);
SELECT format('CREATE TYPE %I AS (a %s)', record, type) FROM tried \gexec

CREATE TABLE report (seed bigint, what text, message bytea, ours text, theirs text);

-- What our decoder says of field a: '=value', '=' for NULL is '0', or '!SQLSTATE message'.
CREATE FUNCTION ours(columns text[], message bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r decode_result;
BEGIN
  r := decode_test(columns, message);
  IF r.sqlstate IS NOT NULL THEN
    RETURN '!' || r.sqlstate || ' ' || r.message;
  END IF;
  RETURN coalesce('=' || r."values"[1], '0');
EXCEPTION WHEN data_exception OR array_subscript_error THEN
  RETURN '!' || SQLSTATE || ' ' || SQLERRM;
END $$;

CREATE FUNCTION theirs(expression text, message bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  -- format() takes the type's output function; a cast to text would cut char(n)'s blanks off.
  EXECUTE format('SELECT CASE WHEN v IS NULL THEN ''0'' ELSE format(''=%%s'', v) END FROM (SELECT %s) AS t(v)',
                 expression) INTO result
    USING convert_from(message, 'UTF8');
  RETURN result;
EXCEPTION WHEN data_exception OR array_subscript_error OR program_limit_exceeded THEN
  RETURN '!' || SQLSTATE || ' ' || SQLERRM;
END $$;

-- Whether a difference is one that docs/decoding.md states.
CREATE FUNCTION stated(type text, message bytea, ours text, theirs text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  value text;
BEGIN
  -- What cannot be text spoils only the column that takes it; PostgreSQL refuses the document.
  IF left(theirs, 1) = '!' AND encode(message, 'escape') ~ '\\u(0000|[dD][89a-fA-F])' THEN
    RETURN true;
  END IF;
  -- ISO 8601 alone, as text; json's number or other words are not times.
  IF type ~ '^(time|date)' AND ours ~ '^!2200[78]' AND left(theirs, 1) = '=' THEN
    RETURN ours ~ '^!22007' OR convert_from(message, 'UTF8') ~ '0000-01-01';
  END IF;
  -- json keeps its bytes; json_populate_record() writes a string anew.
  IF type = 'json' AND left(ours, 1) = '=' AND left(theirs, 1) = '=' THEN
    RETURN substr(ours, 2)::jsonb = substr(theirs, 2)::jsonb;
  END IF;
  -- Of equal keys only the last is looked at: 1e140000 before it is no error.
  IF type IN ('document', 'jsonb') THEN
    RETURN left(ours, 1) = '=' AND theirs LIKE '!22003 value overflows numeric format%';
  END IF;
  -- A time is taken from any ISO 8601 text that has one; PostgreSQL's input minds T, Z and 24:00.
  IF type ~ '^time(\(|$)' AND left(ours, 1) = '=' AND theirs ~ '^!2200[78]' THEN
    RETURN true;
  END IF;
  -- An integer column takes any number that is an integer.
  IF type IN ('smallint', 'integer', 'bigint') AND left(theirs, 1) = '!' THEN
    value := convert_from(message, 'UTF8')::json ->> 'a';
    RETURN left(ours, 1) = '=' AND value::numeric = substr(ours, 2)::numeric;
  END IF;
  IF type = 'integer[]' AND left(ours, 1) = '=' AND theirs ~ '^!22P02 .* integer: "[^"]*[.eE]' THEN
    RETURN true;
  END IF;
  RETURN false;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END $$;

CREATE FUNCTION compare(seed bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  message bytea := random_message(seed);
  a text;
  b text;
  t record;
BEGIN
  -- The document as a whole: accepted by both or by none, and then the same bytes.
  a := ours('{v|jsonb|value}', message);
  b := theirs('$1::jsonb', message);
  IF b LIKE '=%' AND b NOT LIKE '={%' THEN
    b := '!22P02 not an object';
  END IF;
  IF left(a, 1) <> left(b, 1) OR (left(a, 1) = '=' AND a <> b) THEN
    IF NOT stated('document', message, a, b) THEN
      INSERT INTO report VALUES (seed, 'document', message, a, b);
    END IF;
    RETURN;
  END IF;
  IF left(a, 1) = '=' THEN
    IF NOT decode_same('{v|jsonb|value}', message, convert_from(message, 'UTF8')::jsonb) THEN
      INSERT INTO report VALUES (seed, 'bytes of jsonb', message, a, b);
    END IF;
    IF NOT cjson_accepts(message) THEN
      INSERT INTO report VALUES (seed, 'cJSON', message, a, NULL);
    END IF;
    a := ours('{v|double precision||a}', message);
    b := cjson_number(message, 'a')::text;
    IF b IS NOT NULL AND a LIKE '=%' AND b <> substr(a, 2) THEN
      INSERT INTO report VALUES (seed, 'cJSON number', message, a, b);
    END IF;

    a := ours('{a.b|jsonb||a.b}', message);
    b := theirs($q$nullif($1::jsonb #> '{a,b}', 'null')$q$, message);
    IF a <> b THEN
      INSERT INTO report VALUES (seed, 'a.b', message, a, b);
    END IF;
    a := ours('{v|jsonb||a[1].b}', message);
    b := theirs($q$nullif(CASE WHEN jsonb_typeof($1::jsonb -> 'a') = 'array'
                               THEN $1::jsonb #> '{a,1,b}' END, 'null')$q$, message);
    IF a <> b THEN
      INSERT INTO report VALUES (seed, 'a[1].b', message, a, b);
    END IF;
    a := (decode_test('{r|jsonb|rest,a|jsonb,b|jsonb||b.c}', message))."values"[1];
    b := (convert_from(message, 'UTF8')::jsonb - 'a' - 'b')::text;
    IF a IS DISTINCT FROM b THEN
      INSERT INTO report VALUES (seed, 'rest', message, a, b);
    END IF;
  END IF;

  FOR t IN SELECT * FROM tried LOOP
    a := ours(ARRAY['a|' || t.type], message);
    b := theirs(format('(json_populate_record(NULL::%I, $1::json)).a', t.record), message);
    IF (left(a, 1) <> left(b, 1) OR (left(a, 1) = '=' AND a <> b))
       AND NOT stated(t.type, message, a, b) THEN
      INSERT INTO report VALUES (seed, t.type, message, a, b);
    END IF;
  END LOOP;
END $$;

SELECT count(compare(seed)) AS compared
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1) AS seed;

SELECT what, count(*) FROM report GROUP BY 1 ORDER BY 2 DESC;
SELECT seed, what, encode(message, 'escape') AS message, ours, theirs FROM report ORDER BY seed, what LIMIT 20;
