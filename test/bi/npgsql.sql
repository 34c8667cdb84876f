-- What Power BI and Excel see through Npgsql: only what information_schema shows the role. Materialized views are
-- not in it; keys are, of those columns only on which there is more than SELECT. Prints lines as the other clients do.
\set QUIET on
\pset format unaligned
\pset tuples_only on
-- The navigator: tables and views of a schema.
SELECT concat_ws('|', 'table', table_name) FROM information_schema.tables
WHERE table_schema = :'schema' AND table_type IN ('BASE TABLE', 'VIEW');
SELECT concat_ws('|', 'column', table_name, column_name, is_nullable) FROM information_schema.columns
WHERE table_schema = :'schema';
SELECT concat_ws('|', 'odd', table_name, column_name) FROM information_schema.columns
WHERE table_schema = :'schema' AND data_type IN ('ARRAY', 'USER-DEFINED', 'interval', 'json', 'jsonb');
SELECT concat_ws('|', 'numeric', table_name, column_name, numeric_precision, numeric_scale) FROM information_schema.columns
WHERE table_schema = :'schema' AND data_type = 'numeric';
-- Primary keys, by which it tells the one side of a relationship.
SELECT concat_ws('|', 'pk', k.table_name, k.ordinal_position, k.column_name)
FROM information_schema.table_constraints AS c
JOIN information_schema.key_column_usage AS k USING (constraint_schema, constraint_name)
WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_schema = :'schema' AND k.table_schema = :'schema';
-- Relationships: it joins by schema and name alone, so that names used twice would multiply rows.
SELECT concat_ws('|', 'fk', f.table_name, r.constraint_name, f.column_name, p.table_name, p.column_name)
FROM information_schema.referential_constraints AS r
JOIN information_schema.key_column_usage AS f
    ON f.constraint_schema = r.constraint_schema AND f.constraint_name = r.constraint_name
JOIN information_schema.key_column_usage AS p
    ON p.constraint_schema = r.unique_constraint_schema AND p.constraint_name = r.unique_constraint_name
    AND p.ordinal_position = f.position_in_unique_constraint
WHERE r.constraint_schema = :'schema';
-- A shape of a live query: DirectQuery wraps the table, quotes everything and asks for one row more than it shows.
SELECT concat_ws('|', 'read', count(*), 'cursors', 0)
FROM (SELECT "$Table".* FROM :"schema".:"fact" AS "$Table") AS "rows";
