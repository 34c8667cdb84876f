-- Topics as foreign tables.

CREATE FUNCTION telemetry.telemetry_kafka_handler() RETURNS fdw_handler
LANGUAGE C STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION telemetry.telemetry_kafka_handler() IS
'Handler of the foreign data wrapper telemetry_kafka; called by PostgreSQL only.';

CREATE FUNCTION telemetry.telemetry_kafka_validator(options text[], catalog oid) RETURNS void
LANGUAGE C STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION telemetry.telemetry_kafka_validator(text[], oid) IS
'Checks the options of servers, user mappings, foreign tables and their columns; called by PostgreSQL.
Errors: unknown options (with the nearest valid name), values that the Kafka client does not take,
secrets outside a user mapping, options that read files from anybody but a superuser.
Example: SELECT telemetry.telemetry_kafka_validator(''{bootstrap_servers=localhost:9092}'', ''pg_foreign_server''::regclass);';

CREATE FOREIGN DATA WRAPPER telemetry_kafka
	HANDLER telemetry.telemetry_kafka_handler
	VALIDATOR telemetry.telemetry_kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER telemetry_kafka IS
'Kafka topics as foreign tables: SELECT reads a topic, INSERT and COPY produce to it. Example:
CREATE SERVER game_kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers ''localhost:9092'');';
