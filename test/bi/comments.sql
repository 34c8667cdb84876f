-- What the catalogs say of schema game, for comparison: one line of JSON per relation.
SELECT jsonb_build_object('name', c.relname, 'comment', obj_description(c.oid, 'pg_class'), 'columns', (
    SELECT jsonb_object_agg(a.attname, coalesce(col_description(c.oid, a.attnum), '')) FROM pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid <> 'jsonb'::regtype))
FROM pg_class AS c
WHERE c.relnamespace = 'game'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition ORDER BY c.relname;
