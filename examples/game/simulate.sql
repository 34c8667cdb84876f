-- What examples/game/simulate does, as variables of psql tell.
\set QUIET on
\pset format unaligned
\pset tuples_only on

SELECT format('CREATE FOREIGN TABLE %s (key text OPTIONS (metadata ''key''), value text OPTIONS (metadata ''value'')) '
              'SERVER %I OPTIONS (topic %L, format ''text'')',
              (SELECT string_agg(quote_ident(part), '.' ORDER BY n) FROM unnest(parse_ident(:'into')) WITH ORDINALITY AS p (part, n)),
              :'server', :'topic')
WHERE :'server' <> '' AND to_regclass(:'into') IS NULL
\gexec

SELECT :'into'::regclass AS target, :'events' <> '' AS has_history, :'rate' <> '' AS has_stream, clock_timestamp() AS began
\gset
\if :has_history
INSERT INTO :target (key, value)
SELECT key, value
FROM game.messages(:seed, :players, :events, date_trunc('day', :'until'::timestamptz) - :days * interval '1 day',
                   :'until'::timestamptz, :late, :duplicates, :broken, :'late_by');
\set sent :ROW_COUNT
SELECT format('%s messages sent in %s s', :sent, round(extract(epoch FROM clock_timestamp() - :'began')::numeric, 1));
\endif
\if :has_stream
SELECT clock_timestamp() AS began \gset
CALL game.stream(:'target', :seed, :players, :rate, :seconds, :late, :duplicates, :broken, :'late_by') \gset
SELECT format('%s messages sent in %s s, as they happened', :sent, round(extract(epoch FROM clock_timestamp() - :'began')::numeric, 1));
\endif
