# Invariants 1 and 4 while a DBA alters whatever a batch uses: target, partitions, dimension, tables that are referred to, types,
# functions, rights, server. Nothing crashes, nothing pauses for a reason that is none, each message arrives once, views are exact.
# SECONDS, LANES and SEED make it longer and other; an assertion-enabled server hears of what is used beyond its life.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use POSIX ();
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{SECONDS} // 15;
my $lanes = $ENV{LANES} // 2;
my $seed = $ENV{SEED} // 59;
my $mock = TelemetryTest::Mock->new(topics => [ 'events:4', 'swapped:1' ]);
my $node = telemetry_node('main', extension => 1, conf => <<'CONF');
fsync = off
deadlock_timeout = '200ms'
log_statement = 'none'
telemetry.max_workers = 16
CONF

sub query
{
	my ($sql) = @_;
	my ($status, $out) = $node->psql('postgres', $sql);
	return $out // '';
}

create_server($node, 'kafka', $mock);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE ingest; CREATE ROLE other; CREATE ROLE team; GRANT team TO ingest;
GRANT USAGE ON FOREIGN SERVER kafka TO ingest; CREATE USER MAPPING FOR ingest SERVER kafka;
CREATE SCHEMA s AUTHORIZATION ingest; GRANT ALL ON SCHEMA s TO other;
SET ROLE ingest;
CREATE FUNCTION s.value() RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$;
CREATE FUNCTION s.is_good(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 > -100; END $$;
CREATE DOMAIN s.small AS int CHECK (value < 1000000);
CREATE TYPE s.mood AS ENUM ('bad', 'good');
CREATE TYPE s.pair AS (a s.small, b text);
CREATE FOREIGN TABLE s.topic (id bigint NOT NULL, k int, v text, d s.small, m s.mood, p s.pair, ts timestamptz,
	part int OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset')) SERVER kafka OPTIONS (topic 'events');
CREATE TABLE s.known (k int PRIMARY KEY);
INSERT INTO s.known SELECT generate_series(0, 990);
CREATE TABLE s.member (key int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text UNIQUE, note text);
CREATE TABLE s.fact (id bigint NOT NULL, k int CHECK (s.is_good(k)) REFERENCES s.known, v text, d s.small, m s.mood, p s.pair, ts timestamptz,
	part int, off bigint, w text DEFAULT s.value(), g int GENERATED ALWAYS AS (k + 1) STORED) PARTITION BY LIST (part);
CREATE TABLE s.f0 PARTITION OF s.fact FOR VALUES IN (0);
CREATE TABLE s.f1 PARTITION OF s.fact FOR VALUES IN (1);
CREATE TABLE s.f23 PARTITION OF s.fact FOR VALUES IN (2, 3) PARTITION BY RANGE (off);
CREATE TABLE s.f23a PARTITION OF s.f23 FOR VALUES FROM (MINVALUE) TO (500);
CREATE TABLE s.f23b PARTITION OF s.f23 FOR VALUES FROM (500) TO (MAXVALUE);
CREATE INDEX ON s.fact (id);
CREATE TABLE s.flat (id bigint NOT NULL, k int REFERENCES s.known, member_key int REFERENCES s.member, d s.small, m s.mood, p s.pair, ts timestamptz,
	part int, off bigint, w text DEFAULT s.value());
CREATE FUNCTION s.after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION s.before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE MATERIALIZED VIEW s.kept WITH (telemetry.continuous) AS
	SELECT k % 10 AS k, count(*) AS n, sum(d) AS d, min(ts) AS t FROM s.fact GROUP BY 1;
SELECT telemetry.create_pipeline('fact', 's.topic', 's.fact', workers => 2, event_time_column => 'ts', batch_rows => 500);
SELECT telemetry.create_pipeline('flat', 's.topic', 's.flat', batch_rows => 300);
SQL

my $produced = 0;

# Some are bad for one reason or another.
sub produce
{
	my ($n) = @_;
	srand($seed + $produced);
	$mock->produce('events', map {
		my $bad = rand() < 0.02 ? int rand 5 : -1;
		my $id = $produced + $_;
		[ int rand 4, '', sprintf '{"id": %d, "k": %d, "v": "m%d", "d": %d, "m": "%s", "p": {"a": %d, "b": "b"}, "ts": "2026-01-0%dT00:00:00Z"}',
			$id, $bad == 0 ? -500 : $bad == 1 ? 995 : rand 990, rand 200, $bad == 2 ? 2000000 : rand 1000, $bad == 3 ? 'none' : 'good', $bad == 4 ? 2000000 : 3, 1 + int rand 9 ]
	} 1 .. $n);
	$produced += $n;
	return;
}

sub is_exact
{
	my ($what) = @_;
	for my $pipeline (qw(fact flat))
	{
		poll_until(sub { (query("SELECT stored + dead FROM telemetry.stat_pipeline WHERE pipeline = '$pipeline'") || 0) >= $produced }, "$what: $pipeline", 60)
		  or diag(query('TABLE telemetry.stat_pipeline'));
		is(query("SELECT count(*), count(DISTINCT (part, off)) FROM (SELECT part, off FROM s.$pipeline UNION ALL "
			  . "SELECT partition, \"offset\" FROM telemetry.dead_letter WHERE pipeline = '$pipeline') a"),
			"$produced|$produced", "$what: $pipeline has each message once");
	}
	is(query(q(SELECT count(*) FROM telemetry.verify('s.kept'))), 0, "$what: the view equals its query");
	return;
}

produce(400);
is_exact('at first');

# ---- tables that the target refers to are altered, of which the target knows nothing
for my $change (
	[ 'ALTER TABLE s.known RENAME k TO number', 'a column that is referred to gets another name' ],
	[ 'ALTER TABLE s.known RENAME TO numbers', 'a table that is referred to gets another name' ],
	[ 'ALTER TABLE s.numbers SET SCHEMA public', 'another schema' ],
	[ 'ALTER TABLE public.numbers OWNER TO other; GRANT REFERENCES ON public.numbers TO ingest', 'another owner, and may not be read' ],
	[ 'ALTER TABLE public.numbers SET SCHEMA s; ALTER TABLE s.numbers RENAME TO known; ALTER TABLE s.known RENAME number TO k; ALTER TABLE s.known OWNER TO ingest', 'all as it was' ])
{
	my ($sql, $what) = @$change;
	$node->safe_psql('postgres', $sql);
	produce(200);
	is_exact($what);
	is(query(q(SELECT count(*) FROM telemetry.stat_pipeline WHERE state = 'paused')), 0, "$what: nothing pauses");
}

# ---- a partition that a crash would empty is no place for rows whose offsets stay
$node->safe_psql('postgres', q(CREATE FOREIGN TABLE s.few (id bigint, part int OPTIONS (metadata 'partition')) SERVER kafka OPTIONS (topic 'events')));
for my $path ([ 'fast', 'error' ], [ 'executor', 'ignore' ])
{
	my ($name, $conflict) = @$path;
	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE s.bare (id bigint, part int) PARTITION BY RANGE (part);
CREATE TABLE s.bare_all PARTITION OF s.bare DEFAULT;
SELECT telemetry.create_pipeline('bare', 's.few', 's.bare', on_conflict => '$conflict');
SQL
	wait_for_result($node, 'SELECT count(*) FROM s.bare', $produced, "$name: a pipeline into partitions without views");
	is(query(q(SELECT path FROM telemetry.stat_worker WHERE pipeline = 'bare')), $name, "$name it is");
	$node->safe_psql('postgres', 'ALTER TABLE s.bare_all SET UNLOGGED');
	produce(200);
	wait_for_result($node, q(SELECT state || ': ' || reason FROM telemetry.stat_pipeline WHERE pipeline = 'bare'), qr/^paused: s\.bare_all cannot be a pipeline's target: it is unlogged/,
		"$name: a partition that is made unlogged pauses it");
	$node->safe_psql('postgres', q(ALTER TABLE s.bare_all SET LOGGED; SELECT telemetry.resume_pipeline('bare')));
	wait_for_result($node, 'SELECT count(*), count(DISTINCT id) FROM s.bare', "$produced|$produced", "$name: and nothing is lost by that");
	$node->safe_psql('postgres', q(SELECT telemetry.drop_pipeline('bare'); DROP TABLE s.bare));
}
$node->safe_psql('postgres', 'DROP FOREIGN TABLE s.few');

# ---- another schema takes the name of the target's while a batch is on its way, which statements would name then
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA green; CREATE SCHEMA blue;
CREATE FUNCTION public.wait_for(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(59); RETURN true; END $$;
CREATE DOMAIN public.waiting AS int CHECK (public.wait_for(value));
CREATE FOREIGN TABLE public.slow (id public.waiting) SERVER kafka OPTIONS (topic 'swapped');
CREATE TABLE green.swapped (id int);
CREATE TABLE blue.swapped (id int);
SELECT telemetry.create_pipeline('swapped', 'public.slow', 'green.swapped', on_conflict => 'ignore');
SQL
$mock->produce('swapped', '{"id": 1}');
wait_for_result($node, 'SELECT count(*) FROM green.swapped', 1, 'a pipeline by the executor');
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('SELECT pg_advisory_lock(59)');
$mock->produce('swapped', '{"id": 2}');
wait_for_result($node, q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted), 1, 'a batch has its target and waits');
$holder->query_safe('BEGIN; ALTER SCHEMA green RENAME TO old; ALTER SCHEMA blue RENAME TO green; COMMIT; SELECT pg_advisory_unlock(59)');
$holder->quit;
wait_for_result($node, q(SELECT stored FROM telemetry.stat_pipeline WHERE pipeline = 'swapped'), 2, 'it goes on');
is(query('SELECT (SELECT count(*) FROM old.swapped), (SELECT count(*) FROM green.swapped)'), '2|0', 'into its own target');
$node->safe_psql('postgres', q(SELECT telemetry.drop_pipeline('swapped')));

# ---- what else may be altered: what is done, and how it is undone
my $number = 0;

sub pick
{
	return $_[ int rand @_ ];
}

sub change
{
	my $n = ++$number;
	my $leaf = pick(qw(s.f0 s.f1 s.f23a s.f23b));
	my $root = pick(qw(s.fact s.flat));
	my $plain = pick('s.flat', $leaf);
	my $any = pick($root, $leaf, 's.f23');
	my $worker = "FROM pg_stat_activity WHERE backend_type LIKE 'telemetry @{[ pick('%', 'ingest%') ]}' ORDER BY random() LIMIT 1";

	return @{ pick(
			[ "GRANT SELECT, INSERT ON $any TO other", "REVOKE ALL ON $any FROM other" ],
			[ "GRANT INSERT (id) ON $any TO team", "REVOKE INSERT (id) ON $any FROM team" ],
			[ 'GRANT SELECT ON s.member, s.known TO other', 'REVOKE SELECT ON s.member, s.known FROM other' ],
			[ 'GRANT USAGE ON SCHEMA s TO PUBLIC', 'REVOKE USAGE ON SCHEMA s FROM PUBLIC' ],
			[ "ALTER TABLE $root ADD x$n text DEFAULT s.value() || random()", "ALTER TABLE $root DROP x$n" ],
			[ "ALTER TABLE s.flat ALTER k TYPE bigint", "ALTER TABLE s.flat ALTER k TYPE int" ],
			[ "ALTER TABLE $plain ADD CONSTRAINT c$n CHECK (id > -$n) NOT VALID", "ALTER TABLE $plain VALIDATE CONSTRAINT c$n", "ALTER TABLE $plain DROP CONSTRAINT c$n" ],
			[ "CREATE INDEX CONCURRENTLY i$n ON $plain ((k + 1)) WHERE s.is_good(k)", "REINDEX INDEX CONCURRENTLY s.i$n", "DROP INDEX CONCURRENTLY s.i$n" ],
			[ "CREATE INDEX i$n ON $root (d, k)", "DROP INDEX s.i$n" ], ["REINDEX TABLE CONCURRENTLY $plain"],
			['BEGIN; ALTER TABLE s.fact DETACH PARTITION s.f1; ALTER TABLE s.fact ATTACH PARTITION s.f1 FOR VALUES IN (1); COMMIT'],
			[ "CREATE TRIGGER t$n AFTER INSERT ON $any FOR EACH ROW EXECUTE FUNCTION s.after()", "ALTER TABLE $any DISABLE TRIGGER t$n", "DROP TRIGGER t$n ON $any" ],
			[ "CREATE TRIGGER t$n AFTER INSERT ON $root REFERENCING NEW TABLE AS rows EXECUTE FUNCTION s.after()", "DROP TRIGGER t$n ON $root" ],
			[ "CREATE TRIGGER t$n BEFORE INSERT ON $plain FOR EACH ROW EXECUTE FUNCTION s.before()", "DROP TRIGGER t$n ON $plain" ],
			[ "CREATE CONSTRAINT TRIGGER t$n AFTER INSERT ON $plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION s.after()", "DROP TRIGGER t$n ON $plain" ],
			[ "BEGIN; CREATE POLICY p$n ON s.flat WITH CHECK (true); ALTER TABLE s.flat ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; COMMIT",
				"BEGIN; ALTER TABLE s.flat DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; DROP POLICY p$n ON s.flat; COMMIT" ],
			[ "CREATE RULE r$n AS ON INSERT TO s.flat DO ALSO NOTIFY nobody", "DROP RULE r$n ON s.flat" ],
			["VACUUM FULL $plain"], ["ANALYZE $any"], ['CLUSTER s.f0 USING f0_id_idx'], ['VACUUM FULL s.member'],
			["ALTER TYPE s.mood ADD VALUE 'v$n'"], [ 'ALTER TYPE s.pair RENAME ATTRIBUTE b TO c', 'ALTER TYPE s.pair RENAME ATTRIBUTE c TO b' ],
			[ "ALTER DOMAIN s.small ADD CONSTRAINT c$n CHECK (value <> -$n)", "ALTER DOMAIN s.small DROP CONSTRAINT c$n" ],
			["CREATE OR REPLACE FUNCTION s.value() RETURNS text LANGUAGE sql AS \$\$ SELECT 'b$n' \$\$"],
			["CREATE OR REPLACE FUNCTION s.value() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN RETURN 'c$n'; END \$\$"],
			["CREATE OR REPLACE FUNCTION s.is_good(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN \$1 > -100; -- $n\nEND \$\$"],
			[ "ALTER TABLE $root RENAME TO renamed$n", "ALTER TABLE s.renamed$n RENAME TO @{[ substr $root, 2 ]}" ],
			[ 'ALTER TABLE s.f1 RENAME TO f1x', 'ALTER TABLE s.f1x RENAME TO f1' ], [ 'ALTER TABLE s.member RENAME TO memberx', 'ALTER TABLE s.memberx RENAME TO member' ],
			[ 'ALTER TABLE s.known RENAME k TO kk', 'ALTER TABLE s.known RENAME kk TO k' ], [ 'ALTER TABLE s.known RENAME TO knownx', 'ALTER TABLE s.knownx RENAME TO known' ],
			[ "ALTER TABLE s.member ADD y$n int DEFAULT 1", "ALTER TABLE s.member DROP y$n" ], ["UPDATE s.member SET note = 'n$n'"],
			["BEGIN; ALTER TABLE s.flat DROP CONSTRAINT flat_member_key_fkey; ALTER TABLE s.flat ADD CONSTRAINT flat_member_key_fkey FOREIGN KEY (member_key) REFERENCES s.member; COMMIT"],
			['BEGIN; ALTER TABLE s.fact DROP CONSTRAINT fact_k_fkey; ALTER TABLE s.fact ADD CONSTRAINT fact_k_fkey FOREIGN KEY (k) REFERENCES s.known; COMMIT'],
			['BEGIN; DELETE FROM s.known WHERE k = 990; INSERT INTO s.known VALUES (990); COMMIT'],
			[ "ALTER ROLE ingest SET work_mem = '1MB'", 'ALTER ROLE ingest RESET work_mem' ], [ 'REVOKE team FROM ingest', 'GRANT team TO ingest' ],
			[ 'ALTER FOREIGN TABLE s.topic ALTER k SET NOT NULL', 'ALTER FOREIGN TABLE s.topic ALTER k DROP NOT NULL' ],
			[ 'ALTER FOREIGN TABLE s.topic ADD CONSTRAINT more CHECK (k > -1000)', 'ALTER FOREIGN TABLE s.topic DROP CONSTRAINT more' ],
			[ "ALTER TABLE $plain SET (fillfactor = 90)", "ALTER TABLE $plain RESET (fillfactor)" ], [ "ALTER TABLE $root ALTER d SET DEFAULT 3", "ALTER TABLE $root ALTER d DROP DEFAULT" ],
			[ "CREATE PUBLICATION p$n FOR TABLE $any", "DROP PUBLICATION p$n" ], [ "CREATE STATISTICS s.s$n ON k, d FROM $plain", "DROP STATISTICS s.s$n" ],
			[ "SET ROLE ingest; CREATE MATERIALIZED VIEW s.v$n WITH (telemetry.continuous) AS SELECT part, count(*) AS n FROM $root GROUP BY 1", "DROP VIEW IF EXISTS s.v$n" ],
			[ "SELECT pg_cancel_backend(pid) $worker" ], [ "SELECT pg_terminate_backend(pid) $worker" ],
			[ "SELECT telemetry.alter_pipeline('fact', workers => @{[ 1 + int rand 3 ]})" ], [ q(SELECT telemetry.pause_pipeline('flat')), q(SELECT telemetry.resume_pipeline('flat')) ],
			["BEGIN; LOCK TABLE $root IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(0.1); COMMIT"], ["BEGIN; INSERT INTO s.flat (id, off) VALUES (-1, -$n); SELECT pg_sleep(0.05); ROLLBACK"],
		) };
}

# Until it is done: a lock or a deadlock may be in the way, but what is begun shall be undone.
sub run_until_done
{
	my ($sql) = @_;
	my $end = time + 60;

	for (;;)
	{
		my ($status, $out, $err) = $node->psql('postgres', "SET lock_timeout = '5s'; $sql");
		return 1 if $status == 0;
		return 0 if $err !~ /deadlock|lock timeout|canceling|could not serialize|concurrently|being used|terminating/ || time > $end;
	}
}

sub run_lane
{
	my ($lane, $end) = @_;
	srand($seed * 100 + $lane);
	$number = $lane * 1_000_000;
	while (time < $end)
	{
		my ($do, @undo) = change();
		next if !run_until_done($do);
		run_until_done($_) for @undo;
	}
	return;
}

my $end = time + $seconds;
my @children;
for my $lane (1 .. $lanes)
{
	my $child = fork // die 'fork';
	if ($child == 0)
	{
		eval { run_lane($lane, $end) };
		POSIX::_exit(0);
	}
	push @children, $child;
}
my %reasons;
while (time < $end)
{
	produce(100);
	# Where a view names the target's column, or two lanes undo each other's work, it is right to pause.
	for (split /\n/, query(q(SELECT reason FROM telemetry.stat_pipeline WHERE state = 'paused')))
	{
		$reasons{$_}++;
	}
	query(q(SELECT telemetry.resume_pipeline(pipeline) FROM telemetry.stat_pipeline WHERE state = 'paused'));
}
waitpid $_, 0 for @children;
note("paused: $_ ($reasons{$_})") for sort keys %reasons;
query(q(SELECT telemetry.resume_pipeline(pipeline) FROM telemetry.stat_pipeline WHERE state = 'paused'));
produce(200);
is_exact('altered under load');
$node->stop('fast');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
unlike($log, qr/ERROR:  (cache lookup failed|could not open relation|unexpected|XX000)/, 'nor was anything met that cannot be');
done_testing();
