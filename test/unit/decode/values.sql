-- What arrives for which JSON value in which type, and what is an error: docs/decoding.md by example.
-- Each line: type, JSON, result or SQLSTATE and message.
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '
\pset null '(null)'
SET timezone = 'America/New_York';
SET datestyle = 'ISO, MDY';
CREATE FUNCTION show(type text, VARIADIC documents text[])
RETURNS TABLE (t text, document text, result text) LANGUAGE sql AS $$
  SELECT split_part(type, '/', 1), d, field(split_part(type, '/', 1), d, split_part(type, '/', 2))
  FROM unnest(documents) WITH ORDINALITY AS u(d, n) ORDER BY n
$$;

\echo == integers
SELECT * FROM show('smallint', '32767', '32768', '-32768', '-32769', 'true', '"7"', '" +7 "', '""', 'null');
SELECT * FROM show('integer', '0', '-0', '1.0', '1e3', '120e-1', '1.5', '1e-1', '2147483648', '[1]', '{"a":1}', '"1.50"', '"0x10"');
SELECT * FROM show('bigint', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '9007199254740993',
  '1e18', '1e19', '922337203685477580700e-2', '1.00000000000000000000', '1.00000000000000000001', '12345678901234567890.5', '0e99999999999999999999');

\echo == numeric
SELECT * FROM show('numeric', '12.50', '-0', '-0.00', '1e3', '1.50e1', '1e-7', '123456789012345678901234567890.123456789012345678901234567890',
  '0.00000000000000000000000000000000000000000000000000000000000000001', '"NaN"', '"-Infinity"', '" 1.5 "', '"1.5x"', '".5"', '"5."', 'true');
SELECT * FROM show('numeric(38,10)', '1234567890123456789012345678.0123456789', '12345678901234567890123456789.5', '0.00000000005', '-1', '"NaN"', '"inf"');
SELECT * FROM show('numeric(5,2)', '999.994', '999.995', '-0.005', '0.004', '1000', '1e2');
SELECT * FROM show('numeric(3,-3)', '123456', '999499', '999500', '499', '-500');
SELECT length(field('numeric', '1e131071')), field('numeric', '1e131072'), length(field('numeric', '1e-16383')), field('numeric', '1e-16384');

-- Where numeric's short form ends: 63 digits behind the point, base-10000 weights from -64 to 63.
SELECT n, decode_same('{v|numeric}', convert_to('{"v":' || d || '}', 'UTF8'), d::numeric), field('numeric', d) = d::numeric::text
FROM unnest(ARRAY[1, 4, 62, 63, 64, 65, 252, 253, 255, 256, 257, 258, 260, 261]) AS n,
  LATERAL unnest(ARRAY['0.' || repeat('0', n - 1) || '1', '1.' || repeat('3', n), '-1' || repeat('0', n - 1), repeat('9', n), repeat('9', n) || '.5e-' || n, '1e-' || n]) AS d
WHERE NOT decode_same('{v|numeric}', convert_to('{"v":' || d || '}', 'UTF8'), d::numeric) OR n IN (63, 64);

\echo == floats
SELECT * FROM show('double precision', '0.1', '-0', '-0.0', '1e22', '1e23', '9007199254740993', '1.7976931348623157e308', '1.8e308', '4.9e-324', '1e-400', '"NaN"', '"inf"', '0.1000000000000000055511151231257827021181583404541015625');
SELECT * FROM show('real', '0.1', '16777217', '3.4028235e38', '3.5e38', '1e-45', '1e-50', '"-infinity"');

\echo == boolean
SELECT * FROM show('boolean', 'true', 'false', 'null', '1', '0', '2', '1.0', '"yes"', '" Off "', '"maybe"', '[]');

\echo == text
SELECT * FROM show('text', '"abc"', '""', '"a\u00e9\ud83d\ude00"', '"\u0000"', '"\ud83d"', '"\ud83dx"', '"\ude00\ud83d"', '"\ud83d\uffff"', '"\ud83d\ud83d\ude00"', '"\udbff\udfff"', '"\ud800\udc00"', '1.50', 'true', '[1, 2]', '{"b" : 1}', 'null');
SELECT encode(convert_to(field('text', '"\"\\\/\b\f\n\r\t"'), 'UTF8'), 'hex');
SELECT * FROM show('varchar(3)', '"abc"', '"abcd"', '"abc  "', '"ééé"', '"éééé"', '1234', '"\u00e9\u00e9\u00e9"');
SELECT * FROM show('char(3)', '"a"', '"abc"', '"abcd"', '"abc  "', '"é"', '""');
SELECT * FROM show('name', '"abc"', '12');

\echo == composite types
CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE <= 100);
CREATE TYPE "Größe" AS (w integer, "Hö\he" text);
CREATE TYPE place AS (id bigint, gone text, at timestamptz, part percent, size "Größe", tags text[], more jsonb);
ALTER TYPE place DROP ATTRIBUTE gone;
SELECT * FROM show('place', '{}', '{"id":9007199254740993}', ' { "id" : 1 , "x" : [{"id":2}] , "at" : "2024-02-29T12:34:56.789Z" , "part" : 12.345 } ',
  '{"id":1,"id":2}', '{"id":1,"\u0069d":3}', '{"size":{"w":1,"H\u00f6\\he":"\u00e9,\"("},"tags":["a",null,"b c"],"more":{"b":[1.50],"a":null}}',
  '{"size":"(7,x)"}', '"(5,,,,,)"', '{"id":null,"size":null}', 'null');
SELECT * FROM show('place', '{"id":1.5}', '{"at":1700000000}', '{"size":{"w":"x"}}', '{"tags":{}}', '{"id":"\u0000"}');
SELECT * FROM show('place', '{"size":7}');
SELECT * FROM show('place', '[1]');
SELECT * FROM show('place', '"(5)"');
SELECT * FROM show('place', '{"part":101}');
SELECT * FROM show('"Größe"[]', '[{"w":1},null,{"w":2,"Hö\\he":"y"}]', '[]', '[[{"w":1}],[{"w":2}]]');
ALTER TYPE place ADD ATTRIBUTE late boolean;
SELECT * FROM show('place', '{"id":1,"late":true}');

\echo == timestamp with time zone (session: New York)
SELECT * FROM show('timestamptz', '"2024-02-29T12:34:56Z"', '"2024-02-29t12:34:56.789z"', '"2024-02-29 12:34:56+02"', '"2024-02-29 12:34:56 +02:30"', '"2024-02-29T12:34:56-0330"', '"2024-02-29T12:34:56+01:02:03"',
  '"2024-07-01T12:00"', '"2024-07-01"', '"20240701T120000Z"', '"20240701"', '"2024-03-10T02:30:00"', '"2024-11-03T01:30:00"');
SELECT * FROM show('timestamptz', '"2024-01-01T00:00:00.1234564Z"', '"2024-01-01T00:00:00.1234565Z"', '"2024-01-01T00:00:00.1234575Z"', '"2024-01-01T00:00:00.9999995Z"', '"2024-01-01T00:00:00.00000000000000000000000001Z"',
  '"2016-12-31T23:59:60Z"', '"2016-12-31T23:59:61Z"', '"2016-12-31T23:59:60.5Z"', '"2024-01-01T24:00:00Z"', '"2024-01-01T24:00:01Z"');
SELECT * FROM show('timestamptz', '"infinity"', '"-Infinity"', '"0044-03-15 12:00:00+00 BC"', '"0000-01-01"', '"10000-01-01T00:00:00Z"', '"294276-12-31T23:59:59.999999Z"', '"294277-01-01T00:00:00Z"', '"4714-11-24 00:00:00+00 BC"', '"4714-11-23 00:00:00+00 BC"', '"9999999-01-01T00:00:00Z"');
SELECT * FROM show('timestamptz', '"2023-02-29"', '"2024-13-01"', '"2024-00-10"', '"2024-01-01T25:00Z"', '"2024-01-01T10:60Z"', '"2024-01-01T10:00+16:00"', '"now"', '"01/02/2024"', '"2024-01-01 10:00 Europe/Berlin"', '"2024-1-1"', '"2024-01-01T10"', '"2024-01-01T10:00:00."', '""', '1700000000', 'true');
SELECT * FROM show('timestamptz(3)', '"2024-01-01T00:00:00.0005Z"', '"2024-01-01T00:00:00.0004999Z"', '"1999-12-31T23:59:59.9995Z"');
SELECT * FROM show('timestamptz/epoch_s', '1700000000', '"1700000000.5"', '1700000000.1234567', '-1.5', '1.7e9', '0', '1e30', '"2024-01-01"', 'true');
SELECT * FROM show('timestamptz/epoch_ms', '1700000000123', '1700000000123.4565', '-1');
SELECT * FROM show('timestamptz/epoch_us', '1700000000123456', '-1', '0.5', '-0.5');
SELECT * FROM show('timestamptz/epoch_ns', '1700000000123456789', '1700000000123456499', '-500', '-499', '12345678901234567890123');

\echo == timestamp, date, time
SELECT * FROM show('timestamp', '"2024-02-29T12:34:56+05"', '"2024-02-29"', '"infinity"', '"12:00"');
SELECT * FROM show('timestamp(0)', '"2024-02-29T12:34:56.5"', '"1999-12-31T12:34:56.5"');
SELECT * FROM show('timestamp/epoch_ms', '1700000000123');
SELECT * FROM show('date', '"2024-02-29"', '"2024-02-29T23:00:00-05"', '"5874897-12-31"', '"5874898-01-01"', '"4714-11-24 BC"', '"4714-11-23 BC"', '"-infinity"', '20240229');
SELECT * FROM show('date/epoch_s', '1700000000', '-1');
SELECT * FROM show('time', '"12:34"', '"12:34:56.5"', '"24:00"', '"24:01"', '"23:59:60"', '"T12:34:56"', '"2024-02-29T12:34:56Z"', '"1234"', '"2024-02-29"', '"infinity"');
SELECT * FROM show('time(0)', '"12:34:56.5"');
SELECT * FROM show('time/epoch_ms', '1700000000123');
SELECT * FROM show('interval', '"1 day 02:00"', '"PT1H"', '90');

\echo == uuid, bytea, inet
SELECT * FROM show('uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"{A0EEBC999C0B4EF8BB6D6BB9BD380A11}"', '"a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11"', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"', '"a0e-ebc999c0b4ef8bb6d6bb9bd380a11"', '""', '1');
SELECT * FROM show('bytea', '"\\x4142"', '"\\x41 42"', '"\\x4"', '"\\xzz"', '"AB\\\\\\101"', '"\\400"', '"QUI="', '"é"', '1');
SELECT * FROM show('inet', '"10.0.0.1/8"', '"::1"');

\echo == json, jsonb
SELECT * FROM show('json', '{"a" : 1, "a":2 }', '"\u0000"', '12.50', 'null', '[ ]');
SELECT * FROM show('jsonb', '{"bb":1,"a":[1,2.50,-0,1e2,null,true,false,{"x":"\u00e9"},[],{}],"bb":{"c":3}}', '"s"', '12.50', 'null', '"\u0000"', '{"\ud800":1}', '1e200000', '{}', '[]');

\echo == arrays
SELECT * FROM show('integer[]', '[]', '[1,null,3]', '[[1,2],[3,4]]', '[[1],[2,3]]', '[1,[2]]', '[[],[]]', '"{1,2}"', '[1.5]', '{"a":1}', '5', '[[[[[[[1]]]]]]]');
SELECT * FROM show('text[]', '["a","b,\"c",null,"NULL",1.50,{"x":1}]', '["x",["y"]]');
SELECT * FROM show('jsonb[]', '[[1,2],{"a":[]},null,"x"]');
SELECT * FROM show('timestamptz[]', '["2024-01-01T00:00:00Z"]');
SELECT * FROM show('numeric(5,2)[]', '[1.005, 2]', '[1000]');

\echo == domains, enums, composites, ranges
CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0);
CREATE DOMAIN required AS text NOT NULL;
CREATE DOMAIN stamp AS timestamptz;
CREATE DOMAIN pair AS integer[] CHECK (cardinality(VALUE) = 2);
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TYPE point2 AS (x int, y int);
SELECT * FROM show('positive', '1.005', 'null');
SELECT * FROM show('stamp/epoch_ms', '1700000000123');
SELECT * FROM show('pair', '[1,2]');
SELECT * FROM show('mood', '"sad"');
SELECT * FROM show('point2', '"(1,2)"');
SELECT * FROM show('int4range', '"[1,5)"');
\set VERBOSITY terse
SELECT * FROM show('positive', '-1');
SELECT * FROM show('required', 'null');
SELECT * FROM show('pair', '[1,2,3]');
SELECT * FROM show('mood', '"angry"');
SELECT * FROM show('inet', '"nowhere"');
SELECT * FROM show('interval', '"soon"');
SELECT * FROM show('integer[]', '"{1,"');
SELECT * FROM show('anyelement', '1');

\echo == documents: structure, bytes, depth
CREATE FUNCTION document(message bytea, columns text[] DEFAULT '{a|jsonb}') RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(sqlstate || ': ' || message || coalesce(' [' || field || ']', ''), "values"::text)
  FROM decode_test(columns, message)
$$;
SELECT document(d::bytea) FROM unnest(ARRAY['{}', ' { "a" : 1 } ', '', '   ', '[]', 'null', '"x"', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{"a" 1}', '{a:1}', '{''a'':1}',
  '{"a":1}}', '{"a":1} {"a":2}', '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":-}', '{"a":1e}', '{"a":0x1}', '{"a":NaN}', '{"a":tru}', '{"a":TRUE}', '{"a":nul', '{"x":[1,]}', '{"x":[1 2]}', '{"x":"\\x"}', '{"x":"\\u12g4"}', '{"x":"\\u12', '{"a":1}//']) AS d;
SELECT document('\xEFBBBF7B7D'), document('\xEFBB7B7D'), document('\x7B2261223A31007D'), document('\x7B7D00');
SELECT document('\x7B2278223A2261FF227D'), document('\x7B2278223A22C080227D'), document('\x7B2278223A22EDA080227D'), document('\x7B2278223A22F4908080227D'), document('\x7B2278223A22C3'), document('\x7B2278223A220A227D'), document('\x7B22FF223A317D');
-- UTF-8: every first byte, the edges of the second, and whatever PostgreSQL says of it.
CREATE FUNCTION is_utf8(bytes bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM convert_from(bytes, 'UTF8');
  RETURN true;
EXCEPTION WHEN character_not_in_repertoire THEN
  RETURN false;
END $$;
SELECT count(*) AS tried, count(*) FILTER (WHERE is_utf8(b)) AS valid,
       count(*) FILTER (WHERE is_utf8(b) <> (document('\x7b2278223a22' || b || '\x227d') = '{NULL}')) AS wrong
FROM generate_series(128, 255) AS first, unnest(ARRAY['', '7f', '80', '8f', '90', '9f', 'a0', 'bf', 'c0']) AS second,
  unnest(ARRAY['', '7f', '80', 'bf', 'c0', '8080', 'bfbf', '807f', '80c0', '808080']) AS more,
  LATERAL (SELECT decode(to_hex(first) || second || more, 'hex')) AS t(b);
SELECT document(convert_to('{"x":' || repeat('[', n) || repeat(']', n) || '}', 'UTF8')) FROM unnest(ARRAY[511, 512]) AS n;
SELECT document(convert_to('{"a":' || repeat('{"b":', n) || '1' || repeat('}', n) || '}', 'UTF8'), '{v|text||a.b.b.b.c}') FROM unnest(ARRAY[511, 512]) AS n;
-- What no column takes need not be text: \u0000 and lone surrogates pass by.
SELECT document('{"x":"\\u0000\\ud800","\\u0000":1,"a":1}'), document('{"x":"\\u0000"}', '{r|jsonb|rest}'), document('{"x":"\\u0000"}', '{r|json|rest}');

\echo == keys twice: the last counts, with all that is in it
SELECT document('{"a":"x","a":2}', '{a|int}'), document('{"a":1,"a":null}', '{a|int}'), document('{"a":{"b":1},"a":{"c":2}}', '{b|int||a.b,c|int||a.c}'),
  document('{"a":{"b":1},"a":5}', '{b|int||a.b,a|jsonb}'), document('{"\\u0061":1,"a":2,"\\u0061":3}', '{a|int}'), document('{"a":[1,2],"a":[3]}', '{x|int||a[0],y|int||a[1]}');

\echo == paths
SELECT document(convert_to('{"items":[{"p":1},{"p":2,"q":[[7,8]]}],"a.b":{"c d":"dots"},"o":{"x":1,"y":{"z":[]}},"\"":9,"\\":8}', 'UTF8'),
  string_to_array('p0|int||items[0].p;p1|int||items[1].p;p2|int||items[2].p;deep|int||items[1].q[0][1];dots|text||"a.b".c d;whole|jsonb||o;x|int||o.x;same|text||o.x;z|jsonb||o.y.z;quote|int||"\"";back|int||"\\";none|int||o.x.y;mixed|int||o[0]', ';'));
SELECT document('{"a.b":1,"a":{"b":2}}', '{a.b|int}'), document('{"a.b":1,"a":{"b":2}}', '{v|int||a.b}'), document('{"":1}', ARRAY['v|int||""']);
DO $$
DECLARE p text;
BEGIN
  FOREACH p IN ARRAY ARRAY['a.', '.a', 'a..b', '[0]', 'a[', 'a[x]', 'a[-1]', 'a[2147483648]', 'a]', '"a', 'a"b', '"a"b', '"a\x"'] LOOP
    BEGIN
      PERFORM document('{}', ARRAY['v|int||' || p]);
      RAISE WARNING 'accepted: %', p;
    EXCEPTION WHEN fdw_invalid_attribute_value THEN
      RAISE NOTICE '%', SQLERRM;
    END;
  END LOOP;
END $$;

\echo == rest
SELECT document('{"x":1,"a":{"b":2,"c":3},"y":{"z":[null]},"x":2,"d.e":4}', '{r|jsonb|rest,b|int||a.b}'), document('{"x":1, "x" : 2}', '{r|json|rest}'), document('{"a":1}', '{a|int,r|jsonb|rest}');

\echo == errors name the column and show a part of the value
SELECT document(convert_to('{"ok":1,"n":"' || repeat('é', 100) || '"}', 'UTF8'), '{ok|int,n|int}');
SELECT document('{"n":"a\\u0001\\tb"}', '{n|int}');

\echo == key, value, partition, offset, timestamp, headers
SELECT (decode_test('{k|text|key,kb|bytea|key,ki|int|key,v|json|value,vj|jsonb|value,vt|text|value,vb|bytea|value,p|int|partition,p8|bigint|partition,pt|text|partition,o|bigint|offset,on|numeric|offset,t|timestamptz|timestamp,t8|bigint|timestamp}',
  ' {"a" : 1} ', 'json', '42', 3, 1234567890123, 1700000000123))."values";
SELECT (decode_test('{k|text|key,kj|jsonb|key,t|timestamptz|timestamp,h|jsonb|headers,a|int,r|jsonb|rest,v|jsonb|value}', NULL, 'json', NULL, 0, 0, -1)).*;
SELECT (decode_test('{k|jsonb|key}', '{}', 'json', '{"id": 1}')).*;
SELECT (decode_test('{k|jsonb|key}', '{}', 'json', 'null')).*;
SELECT (decode_test('{k|jsonb|key}', '{}', 'json', '{"id": 1}x')).*;
SELECT (decode_test('{k|text|key}', '{}', 'json', '\x61ff')).*;
SELECT (decode_test('{k|text|key}', '{}', 'json', '\x6100')).*;
SELECT (decode_test('{k|uuid|key}', '{}', 'json', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')).*;
SELECT (decode_test('{k|bigint|key}', '{}', 'json', 'x')).*;
SELECT (decode_test('{h|jsonb|headers,hj|json|headers}', '{}', headers => ARRAY['trace', 'a"b', 'trace', NULL, 'bin', '\x00ff10', 'empty', '', '\xff', 'ü']::bytea[])).*;
SELECT (decode_test('{v|text|value,k|text|key}', 'grüß dich', 'text', 'k')).*;
SELECT (decode_test('{v|int|value}', ' 42 ', 'text')).*;
SELECT (decode_test('{v|text|value}', '\x61ff62', 'text')).*;
SELECT (decode_test('{k|text|key}', '\x61ff62', 'text', 'k')).*;
SELECT (decode_test('{v|jsonb|value}', '[1,2]', 'text')).*;
SELECT (decode_test('{v|bytea|value}', '\x61ff62', 'bytes')).*;
SELECT (decode_test('{v|bytea|value}', NULL, 'bytes')).*;
SELECT (decode_test('{v|bytea|value}', '', 'bytes')).*;

\echo == refused columns
SELECT decode_test('{v|text|value}', 'x', 'bytes');
SELECT decode_test('{v|int|value}', '{}', 'json');
SELECT decode_test('{v|text}', 'x', 'text');
SELECT decode_test('{v|jsonb|rest}', 'x', 'text');
SELECT decode_test('{v|text|rest}', '{}');
SELECT decode_test('{v|text|headers}', '{}');
SELECT decode_test('{v|date|timestamp}', '{}');
SELECT decode_test('{v|int|offset}', '{}');
SELECT decode_test('{v|date|partition}', '{}');

\echo == date of an instant in a time zone (session: New York)
CREATE FUNCTION days(zone text, format text, VARIADIC documents text[])
RETURNS TABLE (z text, document text, day text) LANGUAGE sql AS $$
  SELECT zone, d, CASE WHEN r.sqlstate IS NOT NULL THEN r.sqlstate || ': ' || r.message ELSE coalesce(r."values"[1], 'NULL') END
  FROM unnest(documents) WITH ORDINALITY AS u(d, n),
       decode_test(ARRAY['v|date|||' || format || '|' || zone], convert_to('{"v":' || d || '}', 'UTF8')) AS r ORDER BY n
$$;
SELECT * FROM days('Europe/Berlin', '', '"2024-03-30T22:59:59.999999Z"', '"2024-03-30T23:00:00Z"', '"2024-03-31T21:59:59Z"', '"2024-03-31T22:00:00Z"', '"2024-10-27T22:59:59+00"', '"2024-10-27T23:00Z"',
  '"2024-07-01T00:30:00+05:30"', '"2024-07-01 23:59:60Z"', '"2024-07-01"', '"2024-07-01 18:00"', '"infinity"', '"-infinity"', 'null', '20240701', '"now"', '"2024-01-01T10:00+16:00"');
-- of a string without an offset, as of a timestamptz: the session's TimeZone; a day that there never was (Samoa), the range's ends
SELECT * FROM days('Pacific/Apia', '', '"2011-12-30T09:59:59Z"', '"2011-12-30T10:00:00Z"', '"2011-12-31T09:59:59Z"');
SELECT * FROM days('Asia/Tokyo', '', '"294276-12-31T23:59:59.999999Z"', '"294277-01-01T00:00:00Z"', '"4714-11-24 00:00:00+00 BC"', '"0001-12-31 20:00:00Z BC"');
SELECT * FROM days('America/New_York', '', '"4714-11-24 00:00:00+00 BC"', '"294276-12-31T23:59:59.999999Z"');
SELECT * FROM days('Europe/Berlin', 'epoch_s', '1711839599', '1711839600', '1711839599.9999996', '"1711839600"', '-7200', '-3600.000001', '1e30', '"2024-01-01"');
SELECT * FROM days('Europe/Berlin', 'epoch_ms', '1711839599999', '1711839600000');
SELECT * FROM days('Europe/Berlin', 'epoch_us', '1711839599999999', '1711839600000000');
SELECT * FROM days('Europe/Berlin', 'epoch_ns', '1711839599999999400', '1711839599999999500');
-- the message's own timestamp
SELECT (decode_test('{d|date|timestamp|||Europe/Berlin}', '{}', message_timestamp => t)).* FROM unnest('{1711839599999,1711839600000,-1,9223372036854775807}'::bigint[]) t;
CREATE DOMAIN late_day AS date CHECK (VALUE > '2024-03-30');
SELECT (decode_test('{v|late_day||||Europe/Berlin}', '{"v":"2024-03-30T23:00:00Z"}')).*;
SELECT (decode_test('{v|late_day||||Europe/Berlin}', '{"v":"2024-03-30T22:00:00Z"}')).*;
SELECT decode_test('{v|timestamptz||||Europe/Berlin}', '{}');
SELECT decode_test('{v|date[]||||Europe/Berlin}', '{}');
SELECT decode_test('{v|date||||Europa/Berlin}', '{}');
SELECT decode_test('{v|date||||CEST}', '{}');
-- As AT TIME ZONE has it, in every zone, by 40 instants from 1850 to 2100 each.
SELECT count(*) > 10000 AS enough, count(*) FILTER (WHERE (r."values"[1])::date IS DISTINCT FROM (i.instant AT TIME ZONE z.name)::date) AS differ
FROM (SELECT name FROM pg_timezone_names WHERE name !~ '^posix' AND name <> 'localtime') z,
  LATERAL (SELECT '1850-01-01'::timestamptz + n * 2281.73 * interval '1 day' + length(z.name) * interval '53 hours' AS instant FROM generate_series(0, 39) n) i,
  LATERAL decode_test(ARRAY['d|date|||epoch_us|' || z.name], convert_to('{"d":' || (extract(epoch FROM i.instant) * 1000000)::bigint || '}', 'UTF8')) r;
