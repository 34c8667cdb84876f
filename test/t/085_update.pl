# ALTER EXTENSION telemetry UPDATE: an older version with a pipeline, views of every kind, sessions and sketches in use is
# updated, and then is what a new installation is, object by object, and goes on. The older version is that of
# build/update/stage, where tools/test_update puts a release; without one (TELEMETRY_UPDATE_FROM is not set) it is made of
# the present one, by leaving a part of the install script out, which an update script adds.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = $TelemetryTest::root;
my $new_stage = $ENV{TELEMETRY_STAGE} || "$root/build/stage";
my $release = $ENV{TELEMETRY_UPDATE_FROM};
my $live = PostgreSQL::Test::Utils::tempdir() . '/stage';
my $extensions = $live . TelemetryTest::config('sharedir') . '/extension';

sub write_file
{
	my ($file, $text) = @_;
	open my $handle, '>', $file or die "$file: $!";
	print $handle $text;
	close $handle or die "$file: $!";
	return;
}

sub version { return slurp_file("$extensions/telemetry.control") =~ /^default_version = '(.*)'/m ? $1 : die 'no version' }

# What make install does.
sub install
{
	my ($stage) = @_;
	system_or_bail('mkdir', '-p', $live);
	system_or_bail('cp', '-R', '--remove-destination', "$stage/.", $live);
	return version();
}

# Where nothing is released yet: the present version without one part of its script, under an earlier number.
my $part = slurp_file("$root/sql/63_short_key.sql");

sub install_artificial
{
	my $version = install($new_stage);
	my $script = slurp_file("$extensions/telemetry--$version.sql");
	my $control = slurp_file("$extensions/telemetry.control");

	die 'the part is not in the script' unless $script =~ s/\Q$part\E//;
	write_file("$extensions/telemetry--0.0.9.sql", $script);
	unlink "$extensions/telemetry--$version.sql" or die;
	write_file("$extensions/telemetry.control", $control =~ s/'\Q$version\E'/'0.0.9'/r);
	return '0.0.9';
}

my $old = $release ? install("$root/build/update/stage") : install_artificial();
$ENV{TELEMETRY_STAGE} = $live;
my $mock = TelemetryTest::Mock->new(topics => ['events:2']);
my $node = telemetry_node('main', conf => "fsync = off\n");

sub query { my ($sql, $database) = @_; return $node->safe_psql($database || 'game', $sql) }

# What the extension is made of: definitions, owners, rights, comments. pg_dump shows members when it is told that all is to
# be made anew by OID. Numbers of this very database are left out, and columns that an update dropped.
sub objects
{
	my ($database) = @_;
	my ($dump, $error) = ('', '');

	IPC::Run::run([ 'pg_dump', '--schema-only', '--binary-upgrade', $node->connstr($database) ], '>', \$dump, '2>', \$error)
		or die "pg_dump: $error";
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	$dump =~ s/(binary_upgrade_create_empty_extension\('telemetry', 'telemetry', \w+, '[^']+'), '\{[0-9,]*\}'/$1/;
	$dump =~ s/^SELECT pg_catalog\.binary_upgrade_set_next_.*\n//mg;
	$dump =~ s/^(UPDATE|ALTER TABLE|DELETE)\b[^;]*(relfrozenxid|pg\.dropped)[^;]*;\n//mg;
	$dump =~ s/^.*"\.\.\.\.\.\.\.\.pg\.dropped\.\d+\.\.\.\.\.\.\.\.".*\n//mg;
	my %blocks = map { s/\s+\z//r => 1 } split /^--\n(?=-- Name: )/m, $dump;
	# Which tables a dump takes data of, by name; and those data, as far as the script made them.
	my $config = query(q(SELECT c.oid::regclass, coalesce(e.extcondition[n.i], '') FROM pg_extension e
		CROSS JOIN LATERAL generate_subscripts(e.extconfig, 1) n(i) JOIN pg_class c ON c.oid = e.extconfig[n.i] ORDER BY 1::text), $database);
	IPC::Run::run([ 'pg_dump', '--data-only', $node->connstr($database) ], '>', \my $data, '2>', \$error) or die "pg_dump: $error";
	return join("\n--\n", sort keys %blocks) . "\n$config\n" . $data =~ s/^\\(un)?restrict .*\n//mgr;
}

# The first line that differs, for whoever reads the log.
sub first_difference
{
	my ($one, $other) = map { { map { $_ => 1 } split /\n/ } } @_;
	return join ' / ', map { $_ // '' } (grep { !$other->{$_} } sort keys %$one)[0], (grep { !$one->{$_} } sort keys %$other)[0];
}

# ---- the older version in use

query("CREATE DATABASE $_", 'postgres') for qw(game bare);
query('CREATE EXTENSION telemetry', $_) for qw(game bare);
is(query("SELECT extversion FROM pg_extension WHERE extname = 'telemetry'"), $old, "version $old is installed");
query(slurp_file("$FindBin::RealBin/lib/views_of_every_kind.sql"));
query(sprintf <<'SQL', $mock->address);
CREATE SERVER kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '%s');
CREATE FOREIGN TABLE events_topic (id int, player text, kind int, level int, amount numeric(12,2), score float8,
    at timestamptz, day date) SERVER kafka OPTIONS (topic 'events');
SELECT telemetry.create_pipeline('events', 'events_topic', 'game.fact', workers => 2);
SELECT telemetry.set_retention('game.fact', keep => '3650 days');
CREATE TABLE game.sketches AS SELECT kind, telemetry.hll_agg(player) AS players, telemetry.quantile_agg(score) AS scores,
    telemetry.sessions_agg(at, '90 minutes') AS sessions, telemetry.funnel_agg(at, level < 9, level > 5) AS steps, telemetry.float8_sum_agg(score) AS total FROM game.fact GROUP BY kind;
CREATE VIEW game.of_ours AS SELECT view, status FROM telemetry.continuous_view;
SQL

sub produce
{
	my ($first, $last) = @_;
	return query("INSERT INTO events_topic SELECT i, 'p' || i % 61, i % 5, i % 23, i % 17, sqrt(i), '2026-11-03 UTC'::timestamptz
		+ i * interval '1 minute', '2026-11-03' FROM generate_series($first, $last) i");
}

sub arrived
{
	my ($n, $what) = @_;
	poll_until(sub { query('SELECT count(*) FROM game.fact WHERE id > 200000') == $n }, $what, 60);
	return is(query('SELECT count(*), count(DISTINCT id) FROM game.fact WHERE id > 200000'), "$n|$n", $what);
}

sub differences { return query("SELECT string_agg(view || ' ' || status || ' ' || (SELECT count(*) FROM telemetry.verify(view)), ', ' ORDER BY view::text) FROM telemetry.continuous_view") }

sub contents
{
	return join ' ', map { query("SELECT '$_', md5(string_agg(v::text, E'\\n' ORDER BY v::text COLLATE \"C\")) FROM $_ v") }
		split(/\n/, query('SELECT view FROM telemetry.continuous_view ORDER BY view::text')), 'game.sketches';
}

produce(200_001, 201_000);
arrived(1000, 'a pipeline is in use');
my $live_all = differences() =~ s/ (\w+) \d+/ $1 0/gr;
unlike($live_all, qr/stale|broken|unbuilt/, 'all views are live');
is(differences(), $live_all, 'and equal their queries');
my $before = contents();

# ---- the new version's files come, and messages while the server is down

$node->stop;
my $new = install($new_stage);
isnt($new, $old, "version $new is another") or BAIL_OUT('nothing to update: raise default_version in telemetry.control');
my $script = "$extensions/telemetry--$old--$new.sql";
write_file($script, $part) unless $release;
ok(-e $script || $release, 'there is an update script');
$node->start;
produce(201_001, 202_000);
arrived(2000, 'before the update is typed the new library goes on with the older objects');
query('DELETE FROM game.fact WHERE id > 201000');
is(contents(), $before, 'and so do views');
is(query("SELECT count(*) FROM pg_extension_update_paths('telemetry') WHERE source = '$old' AND target = '$new' AND path IS NOT NULL"), 1, 'there is a way from one to the other');
query('ALTER EXTENSION telemetry UPDATE', $_) for qw(game bare);
is(query("SELECT extversion FROM pg_extension WHERE extname = 'telemetry'"), $new, 'ALTER EXTENSION telemetry UPDATE');

# ---- what was updated is what is new

query('CREATE DATABASE fresh', 'postgres');
query('CREATE EXTENSION telemetry', 'fresh');
my $fresh = objects('fresh');
cmp_ok(length $fresh, '>', 100_000, 'a new installation has many objects');
my $updated = objects('bare');
is(first_difference($updated, $fresh), '', 'an updated one has the same, line by line');
ok($updated eq $fresh, 'and all of them');

# ---- and it goes on

is(differences(), $live_all, 'the views are live, and equal their queries');
is(contents(), $before, 'what they show, and sketches in tables, is as it was');
produce(202_001, 203_000);
arrived(2000, 'the pipeline goes on');
query(<<'SQL');
UPDATE game.fact SET at = at + interval '7 hours', score = -score WHERE id % 7 = 0;
DELETE FROM game.fact WHERE id % 13 = 0;
ALTER TABLE game.fact ATTACH PARTITION game.fact_10 FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
DELETE FROM game.fact_10 WHERE id % 3 = 0;
REFRESH MATERIALIZED VIEW game.hll;
CREATE MATERIALIZED VIEW game.later WITH (telemetry.continuous) AS SELECT kind, telemetry.short_key(player), count(*) FROM game.fact GROUP BY 1, 2;
INSERT INTO game.fact VALUES (1, 'p', 1, 1, 1, 1, '2026-11-05', '2026-11-05');
SQL
is(differences(), $live_all =~ s/game\.levels/game.later live 0, game.levels/r, 'after changes of all kinds they equal their queries, and so does a new one');
is(query("SELECT string_agg(what, '; ') FROM telemetry.check() WHERE severity = 'error'"), '', 'nothing is misconfigured');
query('SET client_min_messages = warning; DROP TABLE game.fact CASCADE; DROP VIEW game.of_ours');
is(query("SELECT count(*) FROM pg_class WHERE relnamespace = 'telemetry_state'::regnamespace"), 0, 'what is dropped leaves nothing');

# ---- this test can fail: update scripts that forget something

if (!$release)
{
	my %wrong = (
		'an object' => '-- nothing',
		'a comment' => $part =~ s/COMMENT ON.*//sr,
		'a right' => "$part REVOKE EXECUTE ON FUNCTION telemetry.short_key(text) FROM PUBLIC;",
		'a table to be dumped' => "$part SELECT pg_catalog.pg_extension_config_dump('telemetry._view', 'WHERE false');",
	);

	for my $what (sort keys %wrong)
	{
		write_file($script, $wrong{$what});
		query('CREATE DATABASE wrong', 'postgres');
		query("CREATE EXTENSION telemetry VERSION '0.0.9'; ALTER EXTENSION telemetry UPDATE", 'wrong');
		isnt(objects('wrong'), $fresh, "an update that differs by $what is found");
		query('DROP DATABASE wrong', 'postgres');
	}
}
$node->stop;
done_testing();
