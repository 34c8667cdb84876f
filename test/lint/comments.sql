-- Objects of the extension that have no COMMENT. What PostgreSQL makes by itself (row and array
-- types, the sequence behind an identity column) and what cannot be named alone is left out.
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend AS d
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'telemetry')
  AND d.deptype = 'e'
  AND d.classid NOT IN ('pg_cast'::regclass, 'pg_opfamily'::regclass, 'pg_amop'::regclass,
                        'pg_amproc'::regclass, 'pg_default_acl'::regclass)
  AND NOT EXISTS (SELECT FROM pg_type AS t
                  WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
                    AND (t.typrelid <> 0 OR t.typelem <> 0 AND t.typname LIKE '\_%'))
  AND NOT EXISTS (SELECT FROM pg_class AS c
                  WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
                    AND c.relkind IN ('S', 'i', 't'))
  AND NOT EXISTS (SELECT FROM pg_description AS s
                  WHERE s.classoid = d.classid AND s.objoid = d.objid AND s.objsubid = 0
                    AND length(s.description) > 10)
UNION ALL
-- Columns that docs/reference.md lists.
SELECT format('column %s.%s', d.objid::regclass, a.attname)
FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'telemetry')
  AND d.deptype = 'e' AND c.relkind IN ('v', 'r') AND c.relname !~ '^_'
  AND col_description(c.oid, a.attnum) IS NULL
ORDER BY 1;
