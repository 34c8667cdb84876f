# Continuous views beside a pipeline: fed by the worker through kill -9, a row at fault in a view is a
# dead letter, a state that does not take a change breaks its view alone; dump and restore.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new;
my $node = telemetry_node('main', extension => 1, conf => "restart_after_crash = on\nmax_prepared_transactions = 2\n");

$mock->create_topic('events', 4);
create_server($node, 'kafka', $mock);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events_topic (id bigint, player text, level int, amount numeric(12,2), at timestamptz,
    part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset'))
    SERVER kafka OPTIONS (topic 'events');
CREATE TABLE events (id bigint, player text, level int, amount numeric(12,2), at timestamptz, part int, off bigint,
    day date GENERATED ALWAYS AS ((at AT TIME ZONE 'UTC')::date) STORED);
CREATE MATERIALIZED VIEW by_day WITH (telemetry.continuous) AS
    SELECT day, count(*) AS events, sum(amount), max(level), telemetry.hll_agg(player) AS players,
        count(DISTINCT player) AS exact_players
    FROM events GROUP BY day;
CREATE MATERIALIZED VIEW by_player WITH (telemetry.continuous) AS
    SELECT player, day, count(*), avg(level) FROM events GROUP BY player, day;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS
    SELECT player, min(at) AS started, max(at) AS ended, count(*), max(level) AS level
    FROM events GROUP BY player, telemetry.session_window(at, interval '97 minutes');
CREATE MATERIALIZED VIEW sessions_by_level WITH (telemetry.continuous) AS
    SELECT level, count(*) AS sessions, sum(ended - started) AS played FROM sessions GROUP BY level;
CREATE MATERIALIZED VIEW by_quotient WITH (telemetry.continuous) AS
    SELECT 100 / level AS quotient, count(*) FROM events GROUP BY 1;
SQL

# Until a query says true; the server may be starting again in between.
sub wait_for
{
	my ($query, $what) = @_;
	return poll_until(sub { (($node->psql('postgres', "SELECT ($query)"))[1] // '') eq 't' }, $what);
}

# kill -9 of a worker at work.
sub kill_worker
{
	my $pid;

	poll_until(
		sub {
			$pid = ($node->psql('postgres', 'SELECT pid FROM telemetry.stat_worker WHERE pid IS NOT NULL LIMIT 1'))[1];
			return $pid;
		}, 'a worker to kill');
	crash($node, $pid);
}

sub differences
{
	my ($database, @views) = @_;
	return join ',', map { $node->safe_psql($database, "SELECT count(*) FROM telemetry.verify('$_')") } @views;
}

sub produce_rows
{
	my ($from, $to) = @_;
	$node->safe_psql('postgres', <<"SQL");
INSERT INTO events_topic (id, player, level, amount, at)
SELECT i, 'p' || i % 97, i % 50, i % 13, '2026-11-01'::timestamptz + i * interval '1 minute' FROM generate_series($from, $to) i
SQL
}

# Every fiftieth row divides by zero in one of the views.
produce_rows(1, 5000);
$node->safe_psql('postgres', "SELECT telemetry.create_pipeline('events', 'events_topic', 'events', batch_rows => 300)");
wait_for("SELECT stored + dead = 5000 FROM telemetry.stat_pipeline", 'all messages are dealt with');
is($node->safe_psql('postgres', "SELECT count(*) FROM telemetry.dead_letter WHERE message LIKE 'continuous view public.by_quotient: division by zero'"),
	100, 'rows at fault in a view are dead letters, which name it');
is(differences('postgres', 'by_day', 'by_player', 'by_quotient', 'sessions', 'sessions_by_level'), '0,0,0,0,0', 'the views equal their queries');
is($node->safe_psql('postgres', "SELECT sum(events) FROM by_day"), 4900, 'and hold all rows');

$node->safe_psql('postgres', "DROP MATERIALIZED VIEW by_quotient");
for my $round (1 .. 8)
{
	produce_rows(5000 + ($round - 1) * 500 + 1, 5000 + $round * 500);
	kill_worker() for 1 .. 2;
}
wait_for("SELECT coalesce(sum(stored) + sum(dead), 0) = 9000 FROM telemetry.stat_partition", 'all is dealt with after kill -9');
is(differences('postgres', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'the views equal their queries after kill -9 of workers');
is($node->safe_psql('postgres', "SELECT sum(events) FROM by_day"),
	$node->safe_psql('postgres', "SELECT count(*) FROM events"), 'and hold all rows once');

# A sum beyond bigint is the state's fault, not that of the row which comes last.
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE events ADD big bigint;
CREATE FUNCTION as_int(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 > 9000 THEN 9223372036854775807 ELSE 0 END';
CREATE AGGREGATE wide_sum(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0', COMBINEFUNC = int8pl, PARALLEL = SAFE);
CREATE MATERIALIZED VIEW overflowing WITH (telemetry.continuous) AS SELECT wide_sum(as_int(id)) AS sum, count(*) FROM events;
SQL
produce_rows(9001, 9001);
wait_for("SELECT count(*) = 1 FROM events WHERE id = 9001", 'the first is taken');
produce_rows(9002, 9010);
wait_for("SELECT count(*) = 9 FROM events WHERE id > 9001", 'rows go on after a view is broken');
is($node->safe_psql('postgres', "SELECT status || ': ' || status_reason FROM telemetry.continuous_view WHERE view = 'overflowing'::regclass"),
	'broken: bigint out of range', 'the view says that it is broken, and why');
is(differences('postgres', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'the others equal their queries');
$node->safe_psql('postgres', "DELETE FROM events WHERE id > 9001; REFRESH MATERIALIZED VIEW overflowing");
is(differences('postgres', 'overflowing'), '0', 'and after mending and REFRESH it does, too');

# Transactions that do not end where statements do.
$node->safe_psql('postgres', <<'SQL');
BEGIN; INSERT INTO events (player, level) VALUES (NULL, 3); PREPARE TRANSACTION 'prepared';
SQL
is(differences('postgres', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'a prepared transaction is not seen');
$node->safe_psql('postgres', "COMMIT PREPARED 'prepared'");
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE in_pieces() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 5 LOOP
        INSERT INTO events (player, level) VALUES ('procedure', i);
        COMMIT;
        BEGIN
            INSERT INTO events (player, level) VALUES ('exception', i);
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
CALL in_pieces();
SQL
is(differences('postgres', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'procedures that commit, and exceptions that are caught');
is($node->safe_psql('postgres', "SELECT string_agg(player || count, ',') FROM by_player WHERE player IN ('procedure', 'exception')"),
	'procedure5', 'are counted as they happened');

# Dump and restore.
$node->safe_psql('postgres', "SELECT telemetry.drop_pipeline('events')");
my $dump = "$TelemetryTest::root/build/test/views.dump";
$node->command_ok(['pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres')], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump], 'pg_restore');
unlink $dump;
is(differences('restored', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'restored views equal their queries');
$node->safe_psql('restored', "INSERT INTO events (player, level, at) VALUES ('p1', 99, '2026-11-02'); DELETE FROM events WHERE level = 7");
is(differences('restored', 'by_day', 'by_player', 'sessions', 'sessions_by_level'), '0,0,0,0', 'and go on');
is($node->safe_psql('restored', "SELECT string_agg(status, ',') FROM telemetry.continuous_view"), 'live,live,live,live,live', 'all live');
isnt($node->psql('restored', "DROP TABLE events"), 0, 'DROP TABLE of the target is refused in a restored database');
$node->safe_psql('restored', "DROP TABLE events CASCADE");
is($node->safe_psql('restored', "SELECT count(*) FROM pg_class WHERE relnamespace = 'telemetry_state'::regnamespace"),
	0, 'with CASCADE nothing of the views is left');

done_testing();
