-- The test module's functions. Load with dynamic_library_path pointing at decode_test.so.
CREATE TYPE decode_result AS ("values" text[], sqlstate text, message text, field text);
CREATE FUNCTION decode_test(columns text[], value bytea, format text DEFAULT 'json',
                            key bytea DEFAULT NULL, message_partition int DEFAULT 0,
                            message_offset bigint DEFAULT 0, message_timestamp bigint DEFAULT 0,
                            headers bytea[] DEFAULT NULL)
RETURNS decode_result LANGUAGE c AS 'decode_test', 'decode_test';
CREATE FUNCTION decode_same(columns text[], value bytea, expected anyelement)
RETURNS boolean LANGUAGE c AS 'decode_test', 'decode_same';
CREATE FUNCTION decode_bench(columns text[], messages bytea[], loops int)
RETURNS double precision STRICT LANGUAGE c AS 'decode_test', 'decode_bench';
CREATE FUNCTION jsonb_bench(messages text[], loops int)
RETURNS double precision STRICT LANGUAGE c AS 'decode_test', 'jsonb_bench';
CREATE FUNCTION cjson_accepts(value bytea)
RETURNS boolean STRICT LANGUAGE c AS 'decode_test', 'cjson_accepts';
CREATE FUNCTION cjson_number(value bytea, name text)
RETURNS double precision STRICT LANGUAGE c AS 'decode_test', 'cjson_number';
CREATE FUNCTION random_message(seed bigint)
RETURNS bytea STRICT LANGUAGE c AS 'decode_test', 'random_message';
-- One field of one document, for short tests.
CREATE FUNCTION field(type text, value text, timestamp_format text DEFAULT '')
RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN r.sqlstate IS NOT NULL THEN r.sqlstate || ': ' || r.message
              ELSE coalesce(r."values"[1], 'NULL') END
  FROM decode_test(ARRAY['v|' || type || '|||' || timestamp_format],
                   convert_to('{"v":' || value || '}', 'UTF8')) AS r
$$;
