-- What keeps foreign keys true that a pipeline resolves.

CREATE FUNCTION telemetry._guard_dimension() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_guard_dimension';
COMMENT ON FUNCTION telemetry._guard_dimension() IS
'Trigger that telemetry puts on the dimensions of pipelines: who deletes members or changes their keys waits for the batches that refer to them, and workers look them up anew (docs/dimensions.md).';
