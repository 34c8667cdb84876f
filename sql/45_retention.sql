-- Retention: old partitions are dropped, new ones are made ahead.

CREATE TABLE telemetry._retention (
    target            regclass PRIMARY KEY,
    keep              interval CONSTRAINT retention_keep_range CHECK (keep > '0'),
    create_partitions text     NOT NULL CONSTRAINT retention_create_partitions_choice CHECK (create_partitions IN ('none', 'hour', 'day', 'month')),
    ahead             integer  NOT NULL CONSTRAINT retention_ahead_range CHECK (ahead BETWEEN 0 AND 1000)
);
COMMENT ON TABLE telemetry._retention IS 'Storage of telemetry.retention: what set_retention() was told.';
SELECT pg_catalog.pg_extension_config_dump('telemetry._retention', '');

CREATE TABLE telemetry.retention_state (
    target             regclass    PRIMARY KEY REFERENCES telemetry._retention ON DELETE CASCADE,
    database_oid       oid         NOT NULL,
    next_run_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_run_at        timestamptz,
    partitions_dropped bigint      NOT NULL DEFAULT 0,
    partitions_made    bigint      NOT NULL DEFAULT 0,
    partitions_ahead   integer,
    error              text,
    error_at           timestamptz
);
COMMENT ON TABLE telemetry.retention_state IS
'Retentions that were switched on, in which database, and what their runs came to. Neither dumped nor replicated: in a restored database none runs before set_retention() is called again.';
COMMENT ON COLUMN telemetry.retention_state.target IS 'partitioned table';
COMMENT ON COLUMN telemetry.retention_state.database_oid IS 'OID of the database in which it was switched on';
COMMENT ON COLUMN telemetry.retention_state.next_run_at IS 'when it will be looked after next';
COMMENT ON COLUMN telemetry.retention_state.last_run_at IS 'when it was last; NULL: not yet';
COMMENT ON COLUMN telemetry.retention_state.partitions_dropped IS 'since it was set first';
COMMENT ON COLUMN telemetry.retention_state.partitions_made IS 'since it was set first';
COMMENT ON COLUMN telemetry.retention_state.partitions_ahead IS 'beyond the present one after the last run, without a gap';
COMMENT ON COLUMN telemetry.retention_state.error IS 'first error of the last run';
COMMENT ON COLUMN telemetry.retention_state.error_at IS 'when it happened';

CREATE TRIGGER stays_here BEFORE INSERT OR UPDATE OR DELETE ON telemetry.retention_state
FOR EACH ROW EXECUTE FUNCTION telemetry._stays_here();
ALTER TABLE telemetry.retention_state ENABLE REPLICA TRIGGER stays_here;

CREATE VIEW telemetry.retention WITH (security_barrier) AS
SELECT r.target, c.relowner::regrole AS owner, r.keep, r.create_partitions, r.ahead,
       coalesce(s.database_oid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), false) AS active,
       s.last_run_at, s.next_run_at, coalesce(s.partitions_dropped, 0) AS partitions_dropped,
       coalesce(s.partitions_made, 0) AS partitions_made, s.partitions_ahead, s.error, s.error_at
FROM telemetry._retention r
JOIN pg_catalog.pg_class c ON c.oid = r.target
LEFT JOIN telemetry.retention_state s USING (target)
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
GRANT SELECT ON telemetry.retention TO PUBLIC;
COMMENT ON VIEW telemetry.retention IS
'One row per table with a retention whose owner''s privileges you have, or of all for pg_monitor: what telemetry.set_retention() was told, and what its runs came to. '
'Example: SELECT target, keep, partitions_dropped, partitions_ahead, error FROM telemetry.retention';
COMMENT ON COLUMN telemetry.retention.target IS 'partitioned table';
COMMENT ON COLUMN telemetry.retention.owner IS 'its owner, as whom partitions are dropped and made';
COMMENT ON COLUMN telemetry.retention.keep IS 'a partition goes when all of it is older than this; NULL: none goes';
COMMENT ON COLUMN telemetry.retention.create_partitions IS 'width of the partitions that are made: none, hour, day or month';
COMMENT ON COLUMN telemetry.retention.ahead IS 'how many partitions beyond the present one shall be ready';
COMMENT ON COLUMN telemetry.retention.active IS 'false in a restored or copied database, until set_retention() is called there';
COMMENT ON COLUMN telemetry.retention.last_run_at IS 'when it was looked after last; NULL: not yet';
COMMENT ON COLUMN telemetry.retention.next_run_at IS 'when it will be next: every minute, after an error in ten seconds';
COMMENT ON COLUMN telemetry.retention.partitions_dropped IS 'partitions dropped since it was set first';
COMMENT ON COLUMN telemetry.retention.partitions_made IS 'partitions made since it was set first';
COMMENT ON COLUMN telemetry.retention.partitions_ahead IS
'partitions beyond the present one that were ready after the last run, without a gap; NULL with create_partitions none, or where the table was locked';
COMMENT ON COLUMN telemetry.retention.error IS 'first error of the last run; NULL: it went well';
COMMENT ON COLUMN telemetry.retention.error_at IS 'when it happened';

CREATE FUNCTION telemetry.set_retention(
    target            regclass,
    keep              interval,
    create_partitions text    DEFAULT 'none',
    ahead             integer DEFAULT 3)
RETURNS void LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'telemetry_set_retention';
COMMENT ON FUNCTION telemetry.set_retention(regclass, interval, text, integer) IS
'From now on drops partitions of a table that are older than keep (NULL: none), and makes partitions of an hour, day or month ahead (UTC). Continuous '
'views keep what dropped partitions contributed. For the owner of the table, as whom it runs. Calling it again changes it, and switches it on in a '
'restored database. '
'Example: SELECT telemetry.set_retention(''game.fact_player_events'', keep => ''90 days'', create_partitions => ''day'', ahead => 7)';

CREATE FUNCTION telemetry.drop_retention(target regclass)
RETURNS void LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_drop_retention';
COMMENT ON FUNCTION telemetry.drop_retention(regclass) IS
'Ends what set_retention() began; partitions stay as they are. Example: SELECT telemetry.drop_retention(''game.fact_player_events'')';

CREATE FUNCTION telemetry.apply_retention(target regclass, OUT dropped integer, OUT made integer, OUT ahead integer)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'telemetry_apply_retention';
COMMENT ON FUNCTION telemetry.apply_retention(regclass) IS
'Does at once, in this transaction, what the maintenance worker does every minute: drops and makes partitions of a table with a retention, and says '
'how many; ahead: how many are ready beyond the present one. '
'Example: SELECT * FROM telemetry.apply_retention(''game.fact_player_events'')';
