-- One row on the pipeline :pipeline: facts, dead letters, duplicates left out, whether it runs, and why not.
SELECT coalesce(stored, 0), coalesce(dead, 0), coalesce(duplicates, 0), state, replace(coalesce(reason, error, ''), E'\n', ' ')
FROM telemetry.stat_pipeline WHERE pipeline = :'pipeline';
