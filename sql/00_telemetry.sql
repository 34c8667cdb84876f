-- Complain if the script is sourced in psql rather than by CREATE EXTENSION.
\echo Use "CREATE EXTENSION telemetry" to load this file. \quit

-- Whoever may use the extension at all may name its objects; each object has rights of its own.
GRANT USAGE ON SCHEMA telemetry TO PUBLIC;
