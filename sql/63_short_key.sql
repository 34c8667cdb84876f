-- Keys that an index holds. C side: src/type/short_key.c.

CREATE FUNCTION telemetry.short_key(value text) RETURNS text
	AS 'MODULE_PATHNAME', 'telemetry_short_key' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION telemetry.short_key(text) IS
	'A text to group by in the place of one that may be too long for an index: up to 200 bytes the value itself, of a longer '
	'one the first 160 bytes and its SHA-256 (at most 232 bytes). Equal for values of equal bytes, and for no others that anybody '
	'could find. Values that a nondeterministic collation calls equal differ if their bytes do. '
	'Example: SELECT telemetry.short_key(url) AS page, min(url) AS url, count(*) FROM fact GROUP BY 1;';
