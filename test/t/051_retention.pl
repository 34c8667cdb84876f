# Retention by the maintenance worker: it drops and makes partitions as the table's owner, waits briefly for
# locks and tries again, says what is in its way, and leaves a copied or restored database alone.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\n");

sub query { my ($sql, $db) = @_; return $node->safe_psql($db // 'postgres', $sql) }

sub wait_for
{
	my ($sql, $expected, $what, $database) = @_;
	return wait_for_result($node, $sql, $expected, $what, database => $database);
}

query(<<'SQL');
CREATE ROLE studio;
CREATE SCHEMA game AUTHORIZATION studio;
SET ROLE studio;
CREATE TABLE game.facts (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE game.old_1 PARTITION OF game.facts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE game.old_2 PARTITION OF game.facts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO game.facts VALUES ('2020-05-05', 1), ('2021-05-05', 2);
CREATE MATERIALIZED VIEW game.total WITH (telemetry.continuous) AS SELECT count(*), sum(n) FROM game.facts;
SQL

# Somebody reads the table for long: the worker gives way, says so, and comes again.
my $reader = $node->background_psql('postgres', on_error_die => 1);
$reader->query_safe('BEGIN');
$reader->query_safe('SELECT * FROM game.facts');
query("SET ROLE studio; SELECT telemetry.set_retention('game.facts', '30 days', 'day', 5)");
wait_for('SELECT error FROM telemetry.retention', qr/canceling statement due to lock timeout/, 'a lock is waited for briefly, and reported');
is(query('SELECT count(*) FROM game.facts'), 2, 'and nobody waits behind it for long');
$reader->query_safe('COMMIT');
$reader->quit;
cmp_ok(query('SELECT extract(epoch FROM next_run_at - last_run_at)::int FROM telemetry.retention'), '<=', 10, 'it will be tried again soon');
query('UPDATE telemetry.retention_state SET next_run_at = now()');
wait_for('SELECT partitions_dropped, partitions_made, partitions_ahead, error IS NULL FROM telemetry.retention', qr/^2\|6\|5\|t$/,
	'it is tried again: the old partitions go, new ones come');
is(query('SELECT count(*), sum FROM game.total GROUP BY sum'), '1|3', 'the view keeps what they contributed');
is(query("SELECT telemetry.verify('game.total')"), '', 'and equals its query');
is(query("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'game'::regnamespace AND relname ~ '^facts_'"), 'studio',
	'partitions are made as the owner of the table');
ok(no_transaction_waits($node, "backend_type = 'telemetry maintenance'", 'no transaction of maintenance'), 'no transaction stays open');

# A table that somebody keeps locked for himself holds up neither other tables, nor the log.
my $log = -s $node->logfile;
query(q(SET ROLE studio; CREATE TABLE game.others (day date) PARTITION BY RANGE (day)));
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE game.facts');
query('UPDATE telemetry.retention_state SET next_run_at = now()');
query(q(SELECT telemetry.set_retention('game.others', NULL, 'day', 2)));
wait_for(q(SELECT partitions_ahead, error FROM telemetry.retention WHERE target::oid = 'game.others'::regclass), qr/^2\|$/, 'a locked table does not hold up another');
wait_for(q(SELECT error FROM telemetry.retention WHERE target::oid = 'game.facts'::regclass), qr/canceling statement due to lock timeout/, 'and is reported');
unlike(slurp_file($node->logfile, $log), qr/"telemetry maintenance".*exited with exit code 1/, 'the worker does not fail for it');
$holder->query_safe('COMMIT');
$holder->quit;
query(q(SELECT telemetry.drop_retention('game.others'); DROP TABLE game.others; UPDATE telemetry.retention_state SET next_run_at = now()));
wait_for('SELECT partitions_ahead, error IS NULL FROM telemetry.retention', qr/^5\|t$/, 'and comes about afterwards');

# What is in its way is told, and one partition that cannot go does not keep another.
query(<<'SQL');
SET ROLE studio;
CREATE TABLE game.old_3 PARTITION OF game.facts FOR VALUES FROM ('2018-01-01') TO ('2019-01-01');
CREATE TABLE game.old_4 PARTITION OF game.facts FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE VIEW game.uses_it AS SELECT * FROM game.old_3;
RESET ROLE;
UPDATE telemetry.retention_state SET next_run_at = now();
SELECT telemetry.set_retention('game.facts', '30 days', 'day', 5);
SQL
wait_for('SELECT partitions_dropped, error FROM telemetry.retention', qr/^3\|cannot drop table game.old_3 because other objects depend on it/, 'a partition that cannot go is named; another goes');
query('DROP VIEW game.uses_it; UPDATE telemetry.retention_state SET next_run_at = now()');
wait_for('SELECT partitions_dropped, error IS NULL FROM telemetry.retention', qr/^4\|t$/, 'and goes later');

# A copy, and a restored dump, know of it and do nothing; DROP DATABASE is not held up.
query("SET ROLE studio; CREATE TABLE game.old_5 PARTITION OF game.facts FOR VALUES FROM ('2010-01-01') TO ('2011-01-01'); RESET ROLE; SELECT telemetry.drop_retention('game.facts')");
query("BEGIN; SELECT telemetry.set_retention('game.facts', '30 days'); UPDATE telemetry.retention_state SET next_run_at = 'infinity'");
query('UPDATE telemetry.retention_state SET next_run_at = now()');
is(query('SELECT count(*) FROM telemetry.retention'), 0, 'a rolled back call does nothing');
query("SELECT telemetry.set_retention('game.facts', '100 years')");
query('CREATE DATABASE copied TEMPLATE postgres', 'template1');
is(query('SELECT active FROM telemetry.retention', 'copied'), 'f', 'a copy is not active');
query('UPDATE telemetry._retention SET keep = \'1 day\'; UPDATE telemetry.retention_state SET next_run_at = now()', 'copied');
# Maintenance runs there, for what was set there.
query("CREATE TABLE days (day date) PARTITION BY RANGE (day); SELECT telemetry.set_retention('days', NULL, 'day', 1)", 'copied');
wait_for("SELECT partitions_made FROM telemetry.retention WHERE target = 'days'::regclass", qr/^2$/, 'the copy maintains what is set in it', 'copied');
is(query("SELECT to_regclass('game.old_5') IS NOT NULL", 'copied'), 't', 'and nothing else');
query("SELECT telemetry.drop_retention('days')", 'copied');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('copied') ], 'dumped');
query('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restored');
is(query('SELECT target, keep, active FROM telemetry.retention', 'restored'), 'game.facts|1 day|f', 'a restored database knows it, and does nothing');
query("SELECT telemetry.set_retention('game.facts', '1 day')", 'restored');
wait_for('SELECT partitions_dropped FROM telemetry.retention', qr/^1$/, 'until it is switched on there', 'restored');
is(query("SELECT to_regclass('game.old_5') IS NOT NULL", 'copied'), 't', 'the copy kept its partition');
query('DROP DATABASE restored');
query('DROP DATABASE copied');
is(query("SELECT count(*) FROM pg_database WHERE datname IN ('copied', 'restored')"), 0, 'databases can be dropped');

# A dropped table takes it along.
query("DROP TABLE game.facts CASCADE; UPDATE telemetry.retention_state SET next_run_at = now(); SELECT 1");
is(query('SELECT count(*) FROM telemetry.retention'), 0, 'gone from the view at once');
wait_for('SELECT count(*) FROM telemetry._retention', qr/^0$/, 'and then from the table');

$node->stop;
done_testing();
