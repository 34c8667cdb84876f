-- Where partitions stand that are made on the fly or ahead.

CREATE TABLE telemetry._partition_schema (
    target regclass PRIMARY KEY,
    -- Not regnamespace: pg_upgrade refuses a database that has a column of it.
    schema name     NOT NULL
);
COMMENT ON TABLE telemetry._partition_schema IS 'What set_partition_schema() was told.';
SELECT pg_catalog.pg_extension_config_dump('telemetry._partition_schema', '');

CREATE FUNCTION telemetry.set_partition_schema(target regclass, schema regnamespace)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_set_partition_schema';
COMMENT ON FUNCTION telemetry.set_partition_schema(regclass, regnamespace) IS
'Partitions of a table that telemetry makes, for a pipeline (create_partitions) or ahead (set_retention()), stand in that schema from now on; NULL: '
'in the table''s own. Partitions that are there stay where they are. For the owner of the table, who needs CREATE on the schema when one is made. '
'Example: SELECT telemetry.set_partition_schema(''game.fact_player_events'', ''game_partitions'')';
