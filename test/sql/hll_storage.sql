-- Storage specification v1 (postgresql-hll, java-hll): there and back. The bytes here were written by
-- postgresql-hll 2.17; test/t/060_hll_interop.pl compares with the installed one on random sets.
SET search_path = telemetry, public;

CREATE TEMP TABLE old (name text, v1 bytea);
INSERT INTO old VALUES
	('empty', '\x118b7f'),
	('explicit', '\x128b7f8895a3f5af28cafeda0ce907e4355b604848de7f7bd2a13b'),
	('sparse', '\x138b4027635fc16c01'),
	('full', '\x1464405432454774446245'),
	('full without sparse', '\x14a500040000000000000000000000000000000000000001000040');
SELECT name, i."precision", i.register_bits, i.parameters, i.form, i.stored, round(i.cardinality) AS cardinality, i.relative_error::numeric(6,4)
FROM old, hll_info(v1::hll) i ORDER BY name;
SELECT name, v1::hll::bytea = v1 AS same FROM old ORDER BY name;
SELECT name, v1::hll::text::hll::bytea = v1 AS through_text FROM old ORDER BY name;

-- Both sides hash alike: values added here to a set from there, and merged with one from here.
SELECT (hll_add(hll_add(hll_add('\x118b7f'::bytea::hll, 1), 2), 3))::bytea = v1 AS same FROM old WHERE name = 'explicit';
SELECT hll_add(v1::hll, 2) = v1::hll AS there_already FROM old WHERE name LIKE '%p%s%' ORDER BY name;
SELECT hll_to_storage(hll_agg(i, 11), expthresh => 0) = (SELECT v1 FROM old WHERE name = 'sparse') AS same FROM generate_series(1, 3) i;
SELECT round(# (hll_agg(i, 11) || (SELECT v1::hll FROM old WHERE name = 'explicit'))) AS five FROM generate_series(2, 5) i;
-- Explicit sets turn to registers where postgresql-hll's do: after 160 values at its defaults.
SELECT n, substr(hll_union_agg(hll_add('\x118b7f'::bytea::hll, i))::bytea, 1, 3) AS head
FROM unnest('{160,161,900,1400}'::int[]) n, generate_series(1, n) i GROUP BY n ORDER BY n;

-- What is written for a sketch of our own, and with parameters of one's choice.
SELECT substr(hll_agg(i)::bytea, 1, 3) AS head FROM generate_series(1, 3) i;
SELECT substr(hll_to_storage(hll_agg(i, 11), 6, 64, 0), 1, 3) AS head, length(hll_to_storage(hll_agg(i, 11), 6, 64, 0))
FROM generate_series(1, 3) i;
SELECT hll_to_storage(hll_empty(11)), hll_to_storage(hll_empty(11), sparseon => 0), hll_empty(11)::bytea;

-- Errors.
SELECT '\x'::bytea::hll;
SELECT '\x108b7f'::bytea::hll;
SELECT '\x218b7f'::bytea::hll;
SELECT '\x148b7f00'::bytea::hll;
SELECT '\x11937f'::bytea::hll;
SELECT '\x138b400000'::bytea::hll;
SELECT '\x128b7f0000000000000002'::bytea || '\x0000000000000001'::bytea AS bad \gset
SELECT :'bad'::bytea::hll;
SELECT hll_to_storage(hll_empty(), 0);
SELECT hll_to_storage(hll_empty(), 9);
SELECT hll_to_storage(hll_empty(), expthresh => 3);
SELECT hll_to_storage(hll_empty(), expthresh => -2);
SELECT hll_to_storage(hll_empty(), sparseon => 2);
SELECT hll_to_storage(v1::hll, 5) FROM old WHERE name = 'full';
