-- Prints docs/reference.md: every public object of the extension with its COMMENT, and the settings; by psql -X -q -A -t in
-- a database with the extension, preloaded, so that all settings are there. What begins with _, what only PostgreSQL
-- calls (input, output, operators' functions), and what it makes by itself is left out. An object that no subject takes is an error.
SET search_path = pg_catalog;
CREATE TEMPORARY TABLE subject (nr serial, title text, names text, about text);
-- An object belongs to the first subject whose pattern its name matches.
INSERT INTO subject (title, names, about) VALUES
    ('What runs', '^stat_|^check$|^progress_build$', '[operations.md](operations.md)'),
    ('Dead letters', 'dead_letter', '[pipelines.md](pipelines.md)'),
    ('Retention', 'retention', '[operations.md](operations.md#retention)'),
    ('Topics', '^telemetry_kafka|^kafka_', '[topics.md](topics.md)'),
    ('Pipelines', 'pipeline|^skip_offset$|^partition_offset$|^activation$|^set_partition_schema$', '[pipelines.md](pipelines.md)'),
    ('Sketches of distinct values', '^hll|approx_count_distinct', '[hll.md](hll.md)'),
    ('Sums by key', '^sums|^sum_by$', '[sums.md](sums.md)'),
    ('Quantiles', '^quantile', '[quantiles.md](quantiles.md)'),
    ('Funnels', '^funnel', '[funnels.md](funnels.md), [kpis.md](kpis.md#funnels)'),
    ('Sessions and concurrency', 'session|concurren|^at$|^unnest$|^window_pieces$', '[sessions.md](sessions.md), [kpis.md](kpis.md)'),
    ('Windows', '^hop$|^cumulate$', '[windows.md](windows.md)'),
    ('Exact sums and moments', '^float8_|^exact_', '[numbers.md](numbers.md)'),
    ('Continuous views', '^(build|verify|suspend|resume|finalized_until|is_final|continuous_view|short_key|first|last|telemetry_state|telemetry_after_drop)$', '[views.md](views.md)'),
    ('A game''s model', '^create_game_model$|^grant_bi$', '[kpis.md](kpis.md), [bi.md](bi.md)');

CREATE TEMPORARY TABLE member AS
SELECT d.classid, d.objid, d.classid::regclass::text AS class, obj_description(d.objid, d.classid::regclass::text) AS said
FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'telemetry');

-- A comment's examples, behind the word, are code.
CREATE FUNCTION pg_temp.prose(said text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(part[1], '([<*|])', '\\\1', 'g'), '(\m_\w+)', '`\1`', 'g') || coalesce(E'\n\n```SQL\n' || part[2] || E'\n```', '')
    FROM regexp_split_to_array(said, '\s+Example:\s+') part $$;
CREATE FUNCTION pg_temp.cell(said text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(coalesce(said, ''), '([<*|])', '\\\1', 'g'), '\s+', ' ', 'g') $$;

-- (arguments) with names and defaults: on lines of their own when they are many.
CREATE FUNCTION pg_temp.arguments(function oid) RETURNS text LANGUAGE sql AS $$
    WITH a AS (
        SELECT x.i, concat_ws(' ', nullif(CASE p.proargmodes[x.i] WHEN 'v' THEN 'VARIADIC' END, ''), nullif(p.proargnames[x.i], ''),
                              format_type(x.t, NULL)) || coalesce(' DEFAULT ' || regexp_replace(pg_get_function_arg_default(p.oid, x.nr::int), '::[a-z ]+(\[\])?$', ''), '') AS one
        FROM pg_proc p, LATERAL (
            SELECT i, t, sum(CASE WHEN coalesce(p.proargmodes[i], 'i') IN ('i', 'b', 'v') THEN 1 ELSE 0 END) OVER (ORDER BY i) AS nr
            FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY u(t, i)) x
        WHERE p.oid = function AND coalesce(p.proargmodes[x.i], 'i') IN ('i', 'b', 'v'))
    SELECT CASE WHEN count(*) = 0 THEN '()'
                WHEN count(*) > 4 OR sum(length(one)) > 100 THEN E'(\n    ' || string_agg(one, E',\n    ' ORDER BY i) || ')'
                ELSE '(' || string_agg(one, ', ' ORDER BY i) || ')' END FROM a $$;

CREATE FUNCTION pg_temp.result(function oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN p.proretset OR NOT 'o' = ANY (p.proargmodes) OR p.proargmodes IS NULL THEN pg_get_function_result(p.oid)
                ELSE (SELECT '(' || string_agg(p.proargnames[i] || ' ' || format_type(t, NULL), ', ' ORDER BY i) || ')'
                      FROM unnest(p.proallargtypes) WITH ORDINALITY u(t, i) WHERE p.proargmodes[i] = 'o') END
    FROM pg_proc p WHERE p.oid = function $$;

-- Bytes as in postgresql.conf.
CREATE FUNCTION pg_temp.bytes(value text, unit text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN b % 1048576 = 0 THEN b / 1048576 || ' MB' WHEN b % 1024 = 0 THEN b / 1024 || ' kB' ELSE b || ' B' END
    FROM (SELECT value::bigint * CASE unit WHEN 'kB' THEN 1024 ELSE 1 END AS b) s $$;

-- Chapters in the order of what a reader looks for; sort keeps overloads beside each other.
CREATE TEMPORARY TABLE entry (name text, class text, rank int, sort text, line text);

INSERT INTO entry
SELECT p.proname, m.class, CASE p.prokind WHEN 'a' THEN 3 ELSE 2 END, p.proname || pg_get_function_identity_arguments(p.oid),
       E'```SQL\n' || CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END || 'telemetry.' || p.proname || pg_temp.arguments(p.oid)
       || coalesce(' → ' || pg_temp.result(p.oid), '') || E'\n```\n' || pg_temp.prose(m.said)
       || CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN '' ELSE E'\n\nGranted to nobody at first.' END || E'\n'
FROM member m JOIN pg_proc p ON m.class = 'pg_proc' AND p.oid = m.objid
WHERE p.proname !~ '^_'
  AND NOT EXISTS (SELECT FROM pg_operator o JOIN member mo ON mo.class = 'pg_operator' AND mo.objid = o.oid
                  WHERE o.oprcode = p.oid AND p.proname ~ '_(eq|ne|lt|le|gt|ge)$')
  AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid)
  AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
  AND NOT EXISTS (SELECT FROM pg_foreign_data_wrapper f WHERE p.oid IN (f.fdwhandler, f.fdwvalidator));

INSERT INTO entry
SELECT t.typname, m.class, 1, t.typname,
       'Type **`telemetry.' || t.typname || '`**'
       || coalesce(' (' || (SELECT string_agg(format('`%s` %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
                            FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0) || ')', '') || ': ' || pg_temp.prose(m.said) || E'\n'
FROM member m JOIN pg_type t ON m.class = 'pg_type' AND t.oid = m.objid
WHERE t.typname !~ '^_' AND (t.typrelid = 0 OR (SELECT relkind = 'c' FROM pg_class WHERE oid = t.typrelid));

INSERT INTO entry
SELECT c.relname, m.class, CASE c.relkind WHEN 'v' THEN 4 ELSE 5 END, c.relname,
       CASE c.relkind WHEN 'v' THEN 'View' ELSE 'Table' END || ' **`telemetry.' || c.relname || '`**: ' || pg_temp.prose(m.said)
       || CASE WHEN has_table_privilege('public', c.oid, 'SELECT') THEN '' ELSE E'\n\nGranted to nobody at first.' END
       || E'\n\n| column | type | |\n|---|---|---|\n'
       || (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, pg_temp.cell(format_type(a.atttypid, a.atttypmod)), pg_temp.cell(col_description(c.oid, a.attnum))),
                             E'\n' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) || E'\n'
FROM member m JOIN pg_class c ON m.class = 'pg_class' AND c.oid = m.objid
WHERE c.relname !~ '^_' AND c.relkind IN ('v', 'r');

-- Operators and casts belong to their types.
INSERT INTO entry
SELECT t.typname, m.class, 6, NULL, E'| operator | result | |\n|---|---|---|\n'
       || string_agg(format('| %s | %s | %s |',
              replace('`' || concat_ws(' ', regexp_replace(format_type(nullif(o.oprleft, 0), NULL), '^telemetry\.', ''), o.oprname,
                                            regexp_replace(format_type(o.oprright, NULL), '^telemetry\.', '')) || '`', '|', '\|'),
              regexp_replace(format_type(o.oprresult, NULL), '^telemetry\.', ''), pg_temp.cell(m.said)),
              E'\n' ORDER BY o.oprname COLLATE "C", o.oprleft = 0, format_type(o.oprright, NULL) COLLATE "C") || E'\n'
FROM member m JOIN pg_operator o ON m.class = 'pg_operator' AND o.oid = m.objid
JOIN member mt ON mt.class = 'pg_type' AND mt.objid = CASE WHEN o.oprleft <> 0 THEN o.oprleft ELSE o.oprright END JOIN pg_type t ON t.oid = mt.objid
GROUP BY t.typname, m.class;
INSERT INTO entry
SELECT t.typname, m.class, 7, o.opcname || a.amname, format('- Operator class `%s` for %s: %s', o.opcname, a.amname, pg_temp.prose(m.said))
FROM member m JOIN pg_opclass o ON m.class = 'pg_opclass' AND o.oid = m.objid JOIN pg_am a ON a.oid = o.opcmethod JOIN pg_type t ON t.oid = o.opcintype;
INSERT INTO entry
SELECT (SELECT typname FROM pg_type t JOIN member mt ON mt.class = 'pg_type' AND mt.objid = t.oid WHERE t.oid IN (c.castsource, c.casttarget) LIMIT 1), m.class, 7,
       format_type(c.castsource, NULL),
       format('- Cast of `%s` to `%s`%s: %s', regexp_replace(format_type(c.castsource, NULL), '^telemetry\.', ''), regexp_replace(format_type(c.casttarget, NULL), '^telemetry\.', ''),
              CASE c.castcontext WHEN 'a' THEN ', by assignment too' WHEN 'i' THEN ', implicit too' ELSE '' END, pg_temp.prose(m.said))
FROM member m JOIN pg_cast c ON m.class = 'pg_cast' AND c.oid = m.objid;

INSERT INTO entry
SELECT f.fdwname, m.class, 0, f.fdwname, format(E'Foreign data wrapper **`%s`**: %s\n', f.fdwname, pg_temp.prose(m.said))
FROM member m JOIN pg_foreign_data_wrapper f ON m.class = 'pg_foreign_data_wrapper' AND f.oid = m.objid
UNION ALL SELECT n.nspname, m.class, 8, n.nspname, format(E'\nSchema **`%s`**: %s\n', n.nspname, pg_temp.prose(m.said))
FROM member m JOIN pg_namespace n ON m.class = 'pg_namespace' AND n.oid = m.objid
UNION ALL SELECT e.evtname, m.class, 9, e.evtname, format(E'Event trigger **`%s`**: %s\n', e.evtname, pg_temp.prose(m.said))
FROM member m JOIN pg_event_trigger e ON m.class = 'pg_event_trigger' AND e.oid = m.objid;

DO $$
DECLARE homeless text;
BEGIN
    SELECT string_agg(DISTINCT e.name, ', ') INTO homeless FROM pg_temp.entry e
    WHERE e.line IS NULL OR NOT EXISTS (SELECT FROM pg_temp.subject s WHERE e.name ~ s.names);
    IF homeless IS NOT NULL THEN
        RAISE 'no subject, or no COMMENT: %', homeless USING HINT = 'tools/reference.sql lists the subjects.';
    END IF;
END $$;

SELECT E'# Reference\n\nEvery public object of the extension and every setting, with its `COMMENT` (`\\df+`, `\\d+`, `\\dT+` show the same). Written by\n'
    '`make reference` from a database on PostgreSQL 15, not by hand; a test compares. Guides are linked from each subject.\n';
SELECT string_agg(format('- [%s](#%s)', title, regexp_replace(regexp_replace(lower(title), '[^a-z0-9 ]', '', 'g'), ' ', '-', 'g')), E'\n' ORDER BY nr)
    || E'\n- [Settings](#settings)\n' FROM subject;
WITH placed AS (
    SELECT e.*, (SELECT min(s.nr) FROM subject s WHERE e.name ~ s.names) AS nr FROM entry e),
lines AS (
    SELECT nr, rank, name, sort, line FROM placed
    UNION ALL SELECT nr, -1, '', '', format(E'\n## %s\nGuide: %s\n', title, about) FROM subject)
SELECT regexp_replace(string_agg(line, E'\n' ORDER BY nr, CASE WHEN rank IN (6, 7) THEN 6 ELSE rank END, name COLLATE "C", rank, sort COLLATE "C"),
                      E'\n{3,}', E'\n\n', 'g') FROM lines;

SELECT E'## Settings\nGuide: [operations.md](operations.md#settings). In `postgresql.conf`, or by `ALTER SYSTEM`; what says so also for a role, a database, a session.\n\n'
    '| setting | default | range | set by | |\n|---|---|---|---|---|';
SELECT format('| `%s` | %s | %s | %s | %s |', name,
    CASE WHEN unit IN ('kB', 'B') THEN pg_temp.bytes(boot_val, unit) WHEN unit IS NULL THEN boot_val ELSE boot_val || ' ' || unit END,
    CASE WHEN enumvals IS NOT NULL THEN array_to_string(enumvals, ', ') WHEN vartype = 'bool' THEN 'on, off'
         WHEN unit IN ('kB', 'B') THEN pg_temp.bytes(min_val, unit) || ' to ' || pg_temp.bytes(max_val, unit)
         ELSE min_val || ' to ' || max_val || coalesce(' ' || unit, '') END,
    CASE context WHEN 'postmaster' THEN 'the server, at its start' WHEN 'sighup' THEN 'the server, by a reload' WHEN 'superuser' THEN 'superusers, in a session' WHEN 'user' THEN 'anybody, in a session' ELSE context END,
    pg_temp.cell(concat_ws(' ', short_desc, extra_desc)))
FROM pg_settings WHERE name ~ '^telemetry\.' ORDER BY name COLLATE "C";
