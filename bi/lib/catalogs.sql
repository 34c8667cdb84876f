-- Relations of :schema that a BI tool reads, with columns, keys and comments, as one JSON value. Partitions are no
-- tables of their own here, and foreign tables would read the topic.
SELECT coalesce(jsonb_agg(jsonb_build_object(
    'name', c.relname,
    'comment', obj_description(c.oid, 'pg_class'),
    'columns', (
        SELECT jsonb_agg(jsonb_build_object(
            'name', a.attname, 'type', t.typname, 'comment', col_description(c.oid, a.attnum), 'not_null', a.attnotnull,
            'scale', CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 0 THEN (a.atttypmod - 4) & 65535 END) ORDER BY a.attnum)
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    -- Columns that tell rows apart by themselves.
    'unique', (
        SELECT coalesce(jsonb_agg(DISTINCT a.attname), '[]')
        FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indkey[0] <> 0),
    'primary_key', (
        SELECT jsonb_agg(a.attname ORDER BY k.n)
        FROM pg_constraint AS p CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE p.conrelid = c.oid AND p.contype = 'p'),
    'foreign_keys', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', f.conname, 'column', a.attname, 'table', r.relname, 'target', b.attname) ORDER BY f.conname), '[]')
        FROM pg_constraint AS f JOIN pg_class AS r ON r.oid = f.confrelid
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
        JOIN pg_attribute AS b ON b.attrelid = r.oid AND b.attnum = f.confkey[1]
        WHERE f.conrelid = c.oid AND f.contype = 'f' AND cardinality(f.conkey) = 1 AND r.relnamespace = c.relnamespace)
    ) ORDER BY c.relname), '[]')
FROM pg_class AS c
WHERE c.relnamespace = :'schema'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition;
