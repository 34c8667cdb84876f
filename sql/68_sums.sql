-- telemetry.sums: sums by key. C side: src/type/sums*.c.

CREATE TYPE telemetry.sums;

CREATE FUNCTION telemetry.sums_in(cstring) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_in(cstring) IS
	'Input of telemetry.sums: [{"day": "2026-01-01", "key": "EUR", "rows": 3, "nulls": 1, "total": 9.98}, ...]; what is 0 or missing is left out, keys that come twice are added up. '
	'Errors: 22P02; a number of rows beyond bigint (22003).';
CREATE FUNCTION telemetry.sums_out(telemetry.sums) RETURNS cstring
	AS 'MODULE_PATHNAME', 'telemetry_sums_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_out(telemetry.sums) IS
	'Output of telemetry.sums: JSON, an entry for each key, by day and key, whatever the settings.';
CREATE FUNCTION telemetry.sums_recv(internal) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_recv(internal) IS
	'Binary input of telemetry.sums, as sums_send writes it. Errors: 22P03; 08P01 where it ends too early.';
CREATE FUNCTION telemetry.sums_send(telemetry.sums) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_sums_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_send(telemetry.sums) IS
	'Binary output of telemetry.sums: version, entries, keys in the client''s encoding.';
CREATE TYPE telemetry.sums (
	INPUT = telemetry.sums_in,
	OUTPUT = telemetry.sums_out,
	RECEIVE = telemetry.sums_recv,
	SEND = telemetry.sums_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE telemetry.sums IS
	'Exact sums by key: of each key, which is a day, a text, or both, its rows and the sum of their amounts. Values add and subtract; equal ones are equal byte for byte. '
	'About 10 bytes and the text a key, all of them written with each change: for up to some thousands of keys a value, at most 1 GB. See docs/sums.md.';

-- ---- operators (order and hashing: 69_order.sql)

CREATE FUNCTION telemetry.sums_plus(telemetry.sums, telemetry.sums) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_plus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_plus(telemetry.sums, telemetry.sums) IS
	'The sums of the rows of both; a row that is in both counts twice. Behind the operator +. Example: SELECT monday + tuesday FROM t;';
CREATE FUNCTION telemetry.sums_minus(telemetry.sums, telemetry.sums) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_minus' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_minus(telemetry.sums, telemetry.sums) IS
	'The sums of the rows of the first without those of the second: (a + b) - b is a, to the byte. Behind the operator -. Example: SELECT week - monday FROM t;';
CREATE FUNCTION telemetry.sums_negate(telemetry.sums) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_negate(telemetry.sums) IS
	'What, added, takes the rows away. Behind the operator -.';
CREATE OPERATOR telemetry.+ (LEFTARG = telemetry.sums, RIGHTARG = telemetry.sums, FUNCTION = telemetry.sums_plus,
	COMMUTATOR = OPERATOR(telemetry.+));
COMMENT ON OPERATOR telemetry.+ (telemetry.sums, telemetry.sums) IS 'The sums of the rows of both: sums_plus().';
CREATE OPERATOR telemetry.- (LEFTARG = telemetry.sums, RIGHTARG = telemetry.sums, FUNCTION = telemetry.sums_minus);
COMMENT ON OPERATOR telemetry.- (telemetry.sums, telemetry.sums) IS 'The sums of the first''s rows without the second''s: sums_minus().';
CREATE OPERATOR telemetry.- (RIGHTARG = telemetry.sums, FUNCTION = telemetry.sums_negate);
COMMENT ON OPERATOR telemetry.- (NONE, telemetry.sums) IS 'What, added, takes the rows away: sums_negate().';

-- ---- functions

CREATE FUNCTION telemetry.unnest(telemetry.sums, OUT day date, OUT key text, OUT rows bigint, OUT count bigint, OUT total numeric) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'telemetry_sums_unnest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION telemetry.unnest(telemetry.sums) IS
	'The sums, by day and key: count(*) of the key''s rows, count and sum of their amounts (NULL if none has one; without zeros behind). '
	'Example: SELECT u.* FROM t, telemetry.unnest(t.spent) AS u;';
CREATE FUNCTION telemetry.sums_between(telemetry.sums, from_day date, to_day date) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_between' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_between(telemetry.sums, date, date) IS
	'The sums of keys whose day is one of these, the first and last included. Example: SELECT telemetry.sums_between(spent, first_day, first_day + 6) FROM t;';
CREATE FUNCTION telemetry.sums_total(telemetry.sums) RETURNS numeric
	AS 'MODULE_PATHNAME', 'telemetry_sums_total' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_total(telemetry.sums) IS
	'The sum over all keys; NULL if no row has an amount. Example: SELECT telemetry.sums_total(telemetry.sums_between(spent, first_day, first_day)) FROM t;';
CREATE FUNCTION telemetry.sums_total(telemetry.sums, key text) RETURNS numeric
	AS 'MODULE_PATHNAME', 'telemetry_sums_total' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.sums_total(telemetry.sums, text) IS
	'The sum of a key over all its days; NULL is the key of rows that have none. NULL if no such row has an amount. Example: SELECT telemetry.sums_total(spent, ''EUR'') FROM t;';

-- ---- aggregates

CREATE FUNCTION telemetry._sums_agg_key(internal, text, numeric) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_key' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_key(internal, text, numeric) IS
	'Transition of sum_by(): a row.';
CREATE FUNCTION telemetry._sums_agg_day(internal, date, numeric) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_day' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_day(internal, date, numeric) IS
	'Transition of sum_by(): a row.';
CREATE FUNCTION telemetry._sums_agg_day_key(internal, date, text, numeric) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_day_key' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_day_key(internal, date, text, numeric) IS
	'Transition of sum_by(): a row.';
CREATE FUNCTION telemetry._sums_agg_union(internal, telemetry.sums) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_union' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_union(internal, telemetry.sums) IS
	'Transition of sums_union_agg(): a value.';
CREATE FUNCTION telemetry._sums_agg_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_combine(internal, internal) IS
	'Merges the states of two workers.';
CREATE FUNCTION telemetry._sums_agg_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_serialize(internal) IS
	'State of a worker as bytes.';
CREATE FUNCTION telemetry._sums_agg_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_deserialize(bytea, internal) IS
	'State of a worker from bytes.';
CREATE FUNCTION telemetry._sums_agg_final(internal) RETURNS telemetry.sums
	AS 'MODULE_PATHNAME', 'telemetry_sums_agg_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._sums_agg_final(internal) IS
	'The sums that an aggregate has gathered.';
CREATE AGGREGATE telemetry.sum_by(key text, amount numeric) (
	SFUNC = telemetry._sums_agg_key, STYPE = internal, FINALFUNC = telemetry._sums_agg_final,
	COMBINEFUNC = telemetry._sums_agg_combine, SERIALFUNC = telemetry._sums_agg_serialize,
	DESERIALFUNC = telemetry._sums_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sum_by(text, numeric) IS
	'The sum of amount for each key, with the numbers of rows. A NULL key is a key like any other; a NULL amount counts as a row, and to no sum. Exact '
	'in any order; NaN and infinities are counted apart. Without rows, empty and not NULL. '
	'Example: SELECT player_id, telemetry.sum_by(currency, amount) FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.sum_by(day date, amount numeric) (
	SFUNC = telemetry._sums_agg_day, STYPE = internal, FINALFUNC = telemetry._sums_agg_final,
	COMBINEFUNC = telemetry._sums_agg_combine, SERIALFUNC = telemetry._sums_agg_serialize,
	DESERIALFUNC = telemetry._sums_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sum_by(date, numeric) IS
	'The sum of amount for each day, with the numbers of rows. A NULL key is a key like any other; a NULL amount counts as a row, and to no sum. Exact '
	'in any order; NaN and infinities are counted apart. Without rows, empty and not NULL. '
	'Example: SELECT player_id, telemetry.sum_by(event_date, amount) FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.sum_by(day date, key text, amount numeric) (
	SFUNC = telemetry._sums_agg_day_key, STYPE = internal, FINALFUNC = telemetry._sums_agg_final,
	COMBINEFUNC = telemetry._sums_agg_combine, SERIALFUNC = telemetry._sums_agg_serialize,
	DESERIALFUNC = telemetry._sums_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sum_by(date, text, numeric) IS
	'The sum of amount for each day and key, with the numbers of rows. A NULL key is a key like any other; a NULL amount counts as a row, and to no sum. '
	'Exact in any order; NaN and infinities are counted apart. Without rows, empty and not NULL. '
	'Example: SELECT player_id, telemetry.sum_by(event_date, currency, amount) FROM fact GROUP BY player_id;';
CREATE AGGREGATE telemetry.sums_union_agg(telemetry.sums) (
	SFUNC = telemetry._sums_agg_union, STYPE = internal, FINALFUNC = telemetry._sums_agg_final,
	COMBINEFUNC = telemetry._sums_agg_combine, SERIALFUNC = telemetry._sums_agg_serialize,
	DESERIALFUNC = telemetry._sums_agg_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.sums_union_agg(telemetry.sums) IS
	'The sums of all rows of all values, as if they had been gathered at once. Without values, empty and not NULL. Example: SELECT telemetry.sums_union_agg(spent) FROM daily;';
