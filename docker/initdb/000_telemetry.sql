-- Runs once, in POSTGRES_DB, when the data folder is made; before scripts that are mounted beside it.
CREATE EXTENSION IF NOT EXISTS telemetry;
