-- How continuous views keep a sketch in two columns: see src/type/aside.h.

CREATE FUNCTION telemetry._hll_base(base telemetry.hll, aside telemetry.hll, added_base telemetry.hll, added_aside telemetry.hll, room integer)
RETURNS telemetry.hll AS 'MODULE_PATHNAME', 'telemetry_hll_base' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_base(telemetry.hll, telemetry.hll, telemetry.hll, telemetry.hll, integer) IS
'The sketch in the state of a continuous view after an addition: the base as it is stored, as long as what came since fits beside it, which has room for so many bytes in the row; else all of it.';

CREATE FUNCTION telemetry._hll_aside(aside telemetry.hll, base telemetry.hll, added_aside telemetry.hll, added_base telemetry.hll, room integer)
RETURNS telemetry.hll AS 'MODULE_PATHNAME', 'telemetry_hll_aside' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._hll_aside(telemetry.hll, telemetry.hll, telemetry.hll, telemetry.hll, integer) IS
'What stands beside the sketch in the state of a continuous view after an addition: what came since that the base has not.';

CREATE FUNCTION telemetry._quantile_base(base telemetry.quantile_sketch, aside telemetry.quantile_sketch,
	added_base telemetry.quantile_sketch, added_aside telemetry.quantile_sketch, room integer)
RETURNS telemetry.quantile_sketch AS 'MODULE_PATHNAME', 'telemetry_quantile_base' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_base(telemetry.quantile_sketch, telemetry.quantile_sketch, telemetry.quantile_sketch, telemetry.quantile_sketch, integer) IS
'As _hll_base().';

CREATE FUNCTION telemetry._quantile_aside(aside telemetry.quantile_sketch, base telemetry.quantile_sketch,
	added_aside telemetry.quantile_sketch, added_base telemetry.quantile_sketch, room integer)
RETURNS telemetry.quantile_sketch AS 'MODULE_PATHNAME', 'telemetry_quantile_aside' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION telemetry._quantile_aside(telemetry.quantile_sketch, telemetry.quantile_sketch, telemetry.quantile_sketch, telemetry.quantile_sketch, integer) IS
'As _hll_aside(), of values that came since.';
