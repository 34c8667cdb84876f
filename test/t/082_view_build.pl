# telemetry.build() and REFRESH MATERIALIZED VIEW CONCURRENTLY while the table is written: the
# hand-over loses and repeats nothing, whoever writes with whatever snapshot; cancel, kill -9.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;

my $node = telemetry_node('main', extension => 1,
	conf => "fsync = off\nrestart_after_crash = on\nautovacuum = off\ndeadlock_timeout = 200ms\nmax_prepared_transactions = 2\n");
my @psql = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'));

# The build stops at the row of t with x = -1 for as long as somebody holds the gate: between its
# snapshot and its end, that is.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION gated(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF x = -1 THEN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); END IF;
    RETURN x;
END $$;
CREATE TABLE t (id int, g int, x int, at timestamptz DEFAULT '2026-11-20 10:00+00', PRIMARY KEY (id, g)) PARTITION BY RANGE (g);
CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE t_old PARTITION OF t FOR VALUES FROM (-10) TO (0);
CREATE TABLE dim (g int PRIMARY KEY, name text);
INSERT INTO dim SELECT i, 'name ' || i FROM generate_series(-10, 40) i;
INSERT INTO t (id, g, x) SELECT i, i % 10, i FROM generate_series(1, 5000) i;
INSERT INTO t (id, g, x) SELECT i, -1 - i % 3, i FROM generate_series(1, 50) i;
INSERT INTO t (id, g, x) VALUES (0, 0, -1);
CREATE MATERIALIZED VIEW agg WITH (telemetry.continuous) AS
    SELECT g, count(*), sum(gated(x)), max(x), min(x), telemetry.hll_agg(x) AS h, count(DISTINCT x % 5) AS d FROM t GROUP BY g WITH NO DATA;
CREATE MATERIALIZED VIEW kept WITH (telemetry.continuous) AS SELECT g, gated(x) AS x FROM t WHERE x % 3 <> 0 OR x = -1 WITH NO DATA;
CREATE MATERIALIZED VIEW joined WITH (telemetry.continuous) AS
    SELECT name, count(*), sum(gated(x)) FROM t JOIN dim USING (g) GROUP BY name WITH NO DATA;
CREATE MATERIALIZED VIEW sessions WITH (telemetry.continuous) AS
    SELECT g, min(at) AS started, max(at) AS ended, count(*), sum(gated(x)) FROM t
    GROUP BY g, telemetry.session_window(at, interval '30 minutes') WITH NO DATA;
SQL
my @views = qw(agg kept joined sessions);
my $gate;

sub session { return $node->background_psql('postgres', on_error_stop => 0) }

sub query { return $node->safe_psql('postgres', $_[0]) }
sub is_true { return query("SELECT ($_[0])") eq 't' }
sub phase_is { return is_true("SELECT coalesce((SELECT phase = '$_[0]' FROM telemetry.progress_build), false)") }
sub status { return query("SELECT status FROM telemetry.continuous_view WHERE view = '$_[0]'::regclass") }

# Rows in which view and query differ: by verify(), and as this test asks itself.
sub differences
{
	my ($view) = @_;
	my $definition = query("SELECT rtrim(definition, ';') FROM telemetry.continuous_view WHERE view = '$view'::regclass");
	my $own = query("SELECT count(*) FROM ((SELECT * FROM $view EXCEPT ALL ($definition)) UNION ALL (($definition) EXCEPT ALL SELECT * FROM $view)) AS d");

	return "$own " . query("SELECT count(*) FROM telemetry.verify('$view')");
}

# A statement that runs beside the test; finish() waits for it and gives what it said.
sub beside
{
	my ($sql) = @_;
	my $run = { in => '', out => '', err => '' };

	$run->{process} = IPC::Run::start([ @psql, '-c', $sql ], '<', \$run->{in}, '>', \$run->{out}, '2>', \$run->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $run;
}

sub finish
{
	my ($run) = @_;

	$run->{process}->finish;
	return $run->{err};
}

# Starts a build that stands between its snapshot and its end, until the gate opens.
sub stopped_build
{
	my ($sql) = @_;

	$gate = session();
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	my $build = beside($sql);
	poll_until(sub { is_true("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory')") }, 'the build has its snapshot');
	return $build;
}

sub open_gate { $gate->quit; return }

# ---- writers of all kinds during a build --------------------------------------------------------

my $number = 10_000;
for my $view (@views)
{
	my ($old, $late, $committed) = map { session() } 1 .. 3;

	# An older snapshot than anything of the build, which the writer keeps.
	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
	my $build = stopped_build("CALL telemetry.build('$view')");
	ok(phase_is('reading the table'), "$view: progress says that it reads the table");
	is(query("SELECT rows_total BETWEEN 1000 AND 100000 FROM telemetry.progress_build"), 't', 'and about how many rows');
	is(status($view), 'building', 'status');

	$number += 100;
	# Prepared transactions, savepoints, changes of rows that the build reads, in groups old and new.
	$old->query_safe("INSERT INTO t (id, g, x) VALUES ($number, 1, $number); DELETE FROM t WHERE id = 11; UPDATE t SET x = x + 1 WHERE id = 12");
	$late->query_safe("BEGIN; INSERT INTO t (id, g, x) VALUES ($number + 1, 2, 100000); SAVEPOINT a; DELETE FROM t WHERE id = 22; "
		  . "ROLLBACK TO a; UPDATE t SET x = -5 WHERE id = 32");
	$committed->query_safe("DELETE FROM t WHERE g = 3 AND x > 2000 + $number / 10; UPDATE t SET g = 4 WHERE g = 3 AND id = (SELECT min(id) FROM t WHERE g = 3); INSERT INTO t (id, g, x) SELECT $number + i, 5, 7 FROM generate_series(2, 30) i");
	$committed->query_safe("CREATE TABLE a_$view (LIKE t INCLUDING ALL); INSERT INTO a_$view VALUES (3, $number + 10, 8); "
		  . "ALTER TABLE t ATTACH PARTITION a_$view FOR VALUES FROM ($number + 10) TO ($number + 20)");
	$committed->query_safe("INSERT INTO t_low (id, g, x) VALUES ($number + 90, 9, 1)");
	$committed->query_safe("BEGIN; INSERT INTO t (id, g, x) VALUES ($number + 91, 6, 1); PREPARE TRANSACTION '$view'");
	$old->query_safe('COMMIT');
	open_gate();

	# It waits for those that are open, and others write meanwhile.
	poll_until(sub { phase_is('waiting for writers') }, 'the build waits for open transactions');
	$committed->query_safe("INSERT INTO t (id, g, x) VALUES ($number + 92, 8, -7); DELETE FROM t WHERE id = $number + 90");
	$late->query_safe('COMMIT');
	query("COMMIT PREPARED '$view'");
	is(finish($build), '', "$view is built");
	is(status($view), 'live', 'and live');
	is(differences($view), '0 0', 'and equals its query');
	query("DELETE FROM t WHERE g = 5 AND x = 7; INSERT INTO t (id, g, x) VALUES ($number + 93, 5, 9)");
	is(differences($view), '0 0', 'and goes on');
	$_->quit for $old, $late, $committed;
}
is(query("SELECT count(*) FROM pg_class WHERE relname LIKE 'v%journal'"), 0, 'no journal is left');

# ---- a writer with a snapshot from before the build, that writes after it ------------------------

{
	my @old = map { session() } 1 .. 2;

	$_->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t') for @old;
	query("REFRESH MATERIALIZED VIEW CONCURRENTLY kept");
	query("REFRESH MATERIALIZED VIEW CONCURRENTLY agg");
	$old[0]->query_safe('DELETE FROM t WHERE id IN (100, 101)');
	$old[0]->query('COMMIT');
	is(join(' ', map { differences($_) } @views), '0 0 0 0 0 0 0 0', 'an old snapshot: 40001 or right, never wrong');
	$old[1]->query('ROLLBACK');
	$_->quit for @old;
}

# ---- a transaction that was open before ----------------------------------------------------------

{
	my $open = session();

	query('CREATE MATERIALIZED VIEW later WITH (telemetry.continuous) AS SELECT g % 2 AS half, count(*), max(x) FROM t GROUP BY 1 WITH NO DATA');
	$open->query_safe('BEGIN; INSERT INTO t (id, g, x) VALUES (50000, 1, 500000); DELETE FROM t WHERE id = 200');
	my $build = beside("CALL telemetry.build('later')");
	poll_until(sub { phase_is('waiting for writers') }, 'the build waits for the transaction that was open before');
	query('INSERT INTO t (id, g, x) VALUES (50001, 1, 3)');
	is(status('later'), 'unbuilt', 'others write while it does');
	$open->query_safe('INSERT INTO t (id, g, x) VALUES (50002, 2, 600000); COMMIT');
	is(finish($build), '', 'it is built');
	is(differences('later'), '0 0', 'and has the transaction once');
	$open->quit;
}

# ---- cancel, terminate, kill -9, and again -------------------------------------------------------

sub builder { return query("SELECT pid FROM telemetry.progress_build") }

for my $way (qw(cancel terminate kill))
{
	query('CREATE MATERIALIZED VIEW again WITH (telemetry.continuous) AS SELECT g, count(*), sum(gated(x)), max(x) FROM t GROUP BY g WITH NO DATA');
	my $build = stopped_build("CALL telemetry.build('again')");
	query('INSERT INTO t (id, g, x) VALUES (60001, 1, 3)');
	if ($way eq 'kill')
	{
		crash($node, builder());
		$gate->{run}->kill_kill;
	}
	else
	{
		query("SELECT pg_${way}_backend(pid) FROM telemetry.progress_build");
	}
	isnt(finish($build), '', "$way ends the build");
	open_gate() if $way ne 'kill';
	is(query("SELECT status || ': ' || status_reason FROM telemetry.continuous_view WHERE view = 'again'::regclass"),
		'unbuilt: its build was interrupted', 'which is said');
	is(query('SELECT count(*) FROM again'), 0, 'nothing half is there');
	is(query('SELECT count(*) FROM telemetry.progress_build'), 0, 'and no progress');
	query('DELETE FROM t WHERE id = 60001; INSERT INTO t (id, g, x) VALUES (60002, 2, 3)');
	my $journal = "telemetry_state.v" . query("SELECT view_id FROM telemetry._view WHERE view = 'again'::regclass") . "_journal";
	is(query("SELECT count(*) <= 1 FROM $journal"), 't', 'writers put nothing down any more');
	query("CALL telemetry.build('again')");
	is(differences('again'), '0 0', 'built again it equals its query');
	is(differences('agg'), '0 0', 'the others always did');
	query('DROP MATERIALIZED VIEW again; DELETE FROM t WHERE id = 60002');
}
is(query("SELECT count(*) FROM pg_class WHERE relname LIKE 'v%journal'"), 0, 'no journal is left');

# A view that is dropped after an interrupted build takes its journal along.
query('CREATE MATERIALIZED VIEW again WITH (telemetry.continuous) AS SELECT g, sum(gated(x)) FROM t GROUP BY g WITH NO DATA');
{
	my $build = stopped_build("CALL telemetry.build('again')");

	query('SELECT pg_cancel_backend(pid) FROM telemetry.progress_build');
	finish($build);
	open_gate();
	query('DROP MATERIALIZED VIEW again');
	is(query("SELECT count(*) FROM pg_class WHERE relname LIKE 'v%journal'"), 0, 'DROP takes the journal along');
}

# ---- REFRESH CONCURRENTLY: readers go on, and writers --------------------------------------------

query('CREATE MATERIALIZED VIEW over WITH (telemetry.continuous) AS SELECT count % 2 AS odd, count(*), max(max) FROM agg GROUP BY 1');
query("UPDATE dim SET name = 'other ' || g WHERE g < 3");
{
	my $before = query('SELECT count(*), sum(count) FROM joined');
	my $build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY joined');

	query('INSERT INTO t (id, g, x) VALUES (70000, 1, 3)');
	is(query('SELECT count(*), sum(count) FROM joined'), $before, 'readers see the view as it was');
	open_gate();
	is(finish($build), '', 'REFRESH CONCURRENTLY');
	is(differences('joined'), '0 0', 'looks tables up anew');
	$build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY agg');
	query('INSERT INTO t (id, g, x) VALUES (70001, 1, 3); DELETE FROM t WHERE id IN (502, 503)');
	is(status('over'), 'building', 'a view over it waits');
	is(query("SELECT status_reason FROM telemetry.stat_view WHERE view = 'over'::regclass"), 'view agg, which it follows, is being built', 'and says for what');
	is(query("SELECT count(*) FROM telemetry.verify('over')"), 0, 'showing what the view below shows');
	open_gate();
	is(finish($build), '', 'REFRESH CONCURRENTLY');
	is(join(' ', map { differences($_) } qw(agg over)), '0 0 0 0', 'brings the views over it along');
	is(status('over'), 'live', 'and live');
}

# Cancelled, it leaves the view, and those over it, as they would be without it.
query('CREATE MATERIALIZED VIEW top WITH (telemetry.continuous) AS SELECT odd, count(DISTINCT max) AS most FROM over GROUP BY 1');
for my $view (qw(joined agg))
{
	my $build = stopped_build("REFRESH MATERIALIZED VIEW CONCURRENTLY $view");

	query('INSERT INTO t (id, g, x) VALUES (71000, 1, 3), (71001, 7, 3); DELETE FROM t WHERE id IN (504, 505)');
	query('SELECT pg_cancel_backend(pid) FROM telemetry.progress_build');
	like(finish($build), qr/canceling statement due to user request/, "REFRESH CONCURRENTLY of $view is cancelled");
	open_gate();
	is(status($view), 'live', 'and the view is live');
	is(differences($view), '0 0', 'with what was written meanwhile');
	is(query('SELECT count(*) FROM telemetry.progress_build'), 0, 'nobody builds it any more');
	is(query("SELECT count(*) FROM pg_class WHERE relname LIKE 'v%journal'"), 0, 'and no journal is left');
	query('DELETE FROM t WHERE id IN (71000, 71001)');
	is(differences($view), '0 0', 'it follows');
}
is(join(' ', map { status($_) } qw(over top)), 'live live', 'views over it are live, too');
is(join(' ', map { differences($_) } qw(over top)), '0 0 0 0', 'and equal their queries');
{
	# The rows are there already, and what came meanwhile is merged: at the lock for the last of it.
	my $held = session();
	my $build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY agg');

	query('INSERT INTO t (id, g, x) VALUES (72000, 1, 4)');
	$held->query_safe('BEGIN; INSERT INTO t (id, g, x) VALUES (72001, 8, 3)');
	open_gate();
	poll_until(sub { phase_is('waiting for writers') }, 'the build waits for a transaction');
	query('SELECT pg_cancel_backend(pid) FROM telemetry.progress_build');
	$held->query_safe('COMMIT');
	like(finish($build), qr/canceling statement due to user request/, 'cancelled behind the reading');
	is(join(' ', map { status($_) } qw(agg over top)), 'live live live', 'all are live');
	is(join(' ', map { differences($_) } qw(agg over top)), '0 0 0 0 0 0', 'and equal their queries');
	$held->quit;
}
{
	# TRUNCATE between two steps shows at once, here and there.
	my $held = session();
	my $build;

	query('CREATE TABLE u (g int, x int)');
	query('INSERT INTO u SELECT abs(i % 7), i FROM generate_series(-1, 100) i');
	query('CREATE MATERIALIZED VIEW lower WITH (telemetry.continuous) AS SELECT g, sum(gated(x)), max(x), count(DISTINCT x) AS xs FROM u GROUP BY g');
	query('CREATE MATERIALIZED VIEW upper WITH (telemetry.continuous) AS SELECT count(*) AS groups, sum(xs) AS xs FROM lower');
	$build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY lower');
	$held->query_safe('BEGIN; INSERT INTO u VALUES (8, 1)');
	open_gate();
	poll_until(sub { phase_is('waiting for writers') }, 'the build waits for a transaction');
	$held->query_safe('TRUNCATE u; INSERT INTO u VALUES (9, 1); COMMIT');
	is(finish($build), '', 'it goes on');
	is(join(' ', map { differences($_) } qw(lower upper)), '0 0 0 0', 'after a TRUNCATE in the midst of it');
	is(query('SELECT * FROM upper'), '1|1', 'which left one row');
	query('DROP TABLE u CASCADE');
	$held->quit;
}

# ---- expired partitions ----------------------------------------------------------------------------

my $old_rows = query('SELECT sum(count) FROM agg WHERE g < 0');
query('ALTER TABLE t DETACH PARTITION t_old');
query('REFRESH MATERIALIZED VIEW CONCURRENTLY agg');
is(query("SELECT count(*) FROM telemetry.verify('agg')"), 0, 'what expired is kept');
is(query('SELECT sum(count) FROM agg WHERE g < 0'), $old_rows, 'as it was');
cmp_ok($old_rows, '>', 10, 'and is something');
{
	my $build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY agg');
	my $attach = beside("ALTER TABLE t ATTACH PARTITION t_old FOR VALUES FROM (-10) TO (0)");

	is(finish($attach), '', 'a partition comes back while the view is built');
	open_gate();
	is(finish($build), '', 'which is built');
	is(differences('agg'), '0 0', 'and counts it once');
}

# ---- TRUNCATE waits for the reading, and is right -----------------------------------------------------

{
	my $build = stopped_build('REFRESH MATERIALIZED VIEW CONCURRENTLY agg');
	my $truncate = beside("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM dim; TRUNCATE t; INSERT INTO t (id, g, x) VALUES (1, 1, 1); COMMIT");

	query("INSERT INTO dim VALUES (1000, 'x')");
	poll_until(sub { is_true("EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 't'::regclass)") }, 'TRUNCATE waits');
	open_gate();
	is(finish($build), '', 'the view is built');
	is(finish($truncate), '', 'the table is truncated');
	is(join(' ', map { differences($_) } @views), '0 0 0 0 0 0 0 0', 'and they fit');
}

# ---- pgbench -------------------------------------------------------------------------------------------

query('INSERT INTO t (id, g, x) SELECT i, i % 10, i % 97 FROM generate_series(2, 3000) i');
my $script = "$TelemetryTest::root/build/test/view_build.pgbench";
PostgreSQL::Test::Utils::append_to_file($script, <<'SQL');
\set g random(0, 9)
\set i random(1, 3000)
\set x random(0, 1000)
\set kind random(0, 4)
BEGIN;
INSERT INTO t (id, g, x) VALUES (:i, :g, :x) ON CONFLICT (id, g) DO UPDATE SET x = excluded.x;
\if :kind = 0
DELETE FROM t WHERE id = :i AND g <> :g;
\elif :kind = 1
SAVEPOINT a;
UPDATE t SET x = :x + 1 WHERE id = :i;
ROLLBACK TO a;
\endif
COMMIT;
SQL
my $bench = { out => '', err => '' };
$bench->{process} = IPC::Run::start([ 'pgbench', '-n', '-f', $script, '-c', 4, '-T', 6, '--max-tries=100', '-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', \$bench->{out}, '2>', \$bench->{err});
my $rounds = 0;
while ($bench->{process}->pumpable && $rounds < 40)
{
	for my $view (@views)
	{
		$node->command_ok([ @psql, '-c', "REFRESH MATERIALIZED VIEW CONCURRENTLY $view" ], "$view is built beside pgbench, $rounds");
		is(query("SELECT count(*) FROM telemetry.verify('$view')"), 0, 'and equals its query while that runs');
	}
	$rounds++;
	$bench->{process}->pump_nb;
}
$bench->{process}->finish;
unlink $script;
unlike($bench->{out} . $bench->{err}, qr/ERROR|aborted/, 'no writer failed');
cmp_ok($rounds, '>', 0, "$rounds rounds beside pgbench");
is(join(' ', map { differences($_) } @views, 'later', 'over'), '0 0 ' x 5 . '0 0', 'all equal their queries at the end');

done_testing();
