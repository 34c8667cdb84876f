-- The same messages in a database of another encoding. Messages are UTF-8 whatever the server has.
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '
SET client_encoding = 'SQL_ASCII'; -- bytes as they are: what is shown is in hex, or plain
SHOW server_encoding;
CREATE FUNCTION hex(columns text[], message bytea, format text DEFAULT 'json', key bytea DEFAULT NULL, headers bytea[] DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(sqlstate || ': ' || message || ' [' || coalesce(field, '') || ']',
                  (SELECT string_agg(CASE WHEN v ~ '^[ -~]*$' THEN v ELSE encode(v::bytea, 'hex') END, ', ') FROM unnest("values") AS v))
  FROM decode_test(columns, message, format, key, 0, 0, 0, headers)
$$;
-- e with acute, in bytes and as an escape; the euro sign; a kanji; an emoji
SELECT hex('{v|text}', '\x7b2276223a22c3a9227d'), hex('{v|text}', '{"v":"\\u00e9"}'), hex('{v|text}', '{"v":"\\u20ac"}'), hex('{v|text}', '{"v":"\\u65e5"}'), hex('{v|text}', '{"v":"\\ud83d\\ude00"}');
SELECT hex('{v|jsonb}', '\x7b2276223a5b22c3a9225d7d'), hex('{v|json}', '\x7b2276223a5b22c3a9225d7d'), hex('{v|json}', '{"v":"\\u65e5"}'), hex('{v|jsonb}', '{"v":{"\\u65e5":1}}');
SELECT hex('{v|varchar(2)}', '{"v":"\\u65e5\\u65e5"}'), hex('{v|varchar(2)}', '{"v":"\\u65e5\\u65e5\\u65e5"}'), hex('{v|char(3)}', '{"v":"\\u65e5"}');
SELECT hex('{v|text|key,r|jsonb|rest,rj|json|rest}', '{"x":"\\u00e9"}', 'json', '\xc3a9'), hex('{v|text|value}', '\xe697a5', 'text'), hex('{v|bytea|value}', '\xe697a5', 'text'), hex('{v|text|value}', '\xff', 'text');
SELECT hex('{h|jsonb|headers}', '{}', 'json', NULL, ARRAY['\xe697a5', '\xc3a9']::bytea[]);
SELECT hex('{v|int}', '\x7b2276223a22e697a5227d');
-- What no column takes is not converted.
SELECT hex('{v|int}', '{"x":"\\ud83d\\ude00","v":1}'), hex('{v|text||x.y}', '\x7b2278223a7b2279223a2261222c22f09f9880223a317d7d');
