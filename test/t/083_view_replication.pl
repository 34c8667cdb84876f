# Continuous views over a table that a subscription fills: its initial copy, and what it applies;
# serializable writers; and what a role that reads the views may see.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = telemetry_node('publisher', conf => "wal_level = logical\nmax_wal_senders = 5\nmax_replication_slots = 5\n");
my $node = telemetry_node('subscriber', extension => 1);

my $table = 'CREATE TABLE t (id int PRIMARY KEY, g int, x int)';
$publisher->safe_psql('postgres', "$table; INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 1000) i; CREATE PUBLICATION p FOR TABLE t");
$node->safe_psql('postgres', <<"SQL");
$table;
CREATE MATERIALIZED VIEW agg WITH (telemetry.continuous) AS
    SELECT g, count(*), sum(x), max(x), count(DISTINCT x % 3) AS d FROM t GROUP BY g;
CREATE MATERIALIZED VIEW kept WITH (telemetry.continuous) AS SELECT g, x FROM t WHERE x % 2 = 0;
SQL

sub differences
{
	return join ' ', map { $node->safe_psql('postgres', "SELECT count(*) FROM telemetry.verify('$_')") } qw(agg kept);
}

sub same
{
	my ($what) = @_;
	my $there = $publisher->safe_psql('postgres', 'SELECT count(*), sum(x), sum(id) FROM t');

	poll_until(sub { $node->safe_psql('postgres', 'SELECT count(*), sum(x), sum(id) FROM t') eq $there }, "$what has arrived");
	is(differences(), '0 0', "the views equal their queries after $what");
	is($node->safe_psql('postgres', 'SELECT sum(count), sum(sum) FROM agg'),
		$publisher->safe_psql('postgres', 'SELECT count(*), sum(x) FROM t'), 'and have it all');
	return;
}

$node->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $publisher->connstr =~ s/'/''/gr . " dbname=postgres' PUBLICATION p");
same('the initial copy');
$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO t SELECT i, i % 7, i FROM generate_series(2001, 2100) i;
UPDATE t SET x = x + 1, g = 9 WHERE id % 10 = 0;
DELETE FROM t WHERE id % 13 = 0;
BEGIN; INSERT INTO t VALUES (5000, 1, 1); SAVEPOINT a; DELETE FROM t WHERE id = 1; ROLLBACK TO a; COMMIT;
SQL
same('INSERT, UPDATE, DELETE');
$node->safe_psql('postgres', 'REFRESH MATERIALIZED VIEW CONCURRENTLY agg');
$publisher->safe_psql('postgres', 'DELETE FROM t WHERE id = (SELECT max(id) FROM t)');
same('an online refresh');
$publisher->safe_psql('postgres', 'TRUNCATE t; INSERT INTO t VALUES (1, 1, 2)');
same('TRUNCATE');
$node->safe_psql('postgres', 'DROP SUBSCRIPTION s');

# A role that reads reports: the views, and nothing of what they are made of.
$node->safe_psql('postgres', 'CREATE ROLE bi LOGIN; GRANT SELECT ON agg TO bi');
my $as_bi = sub { return $node->psql('postgres', $_[0], extra_params => [ '-U', 'bi' ]) };
is(($as_bi->('SELECT g, count FROM agg'))[1], '1|1', 'a role with SELECT reads the view');
my $state = $node->safe_psql('postgres', "SELECT state FROM telemetry.continuous_view WHERE view = 'agg'::regclass");
like(($as_bi->("SELECT * FROM $state"))[2], qr/permission denied for table/, 'not its state');
like(($as_bi->('SELECT * FROM kept'))[2], qr/permission denied for view kept/, 'nor another view');
like(($as_bi->('SELECT * FROM t'))[2], qr/permission denied for table t/, 'nor the table');
is(($as_bi->("SELECT string_agg(view::text, ',') FROM telemetry.continuous_view"))[1], 'agg', 'and finds it in the catalog');
like(($as_bi->("CALL telemetry.build('agg')"))[2], qr/must be owner/, 'it cannot build');

# Serializable writers on the same group: one of them may fail with 40001, and nothing is wrong.
my @writers = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 2;
my $failed = 0;
for my $round (1 .. 5)
{
	$_->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(count) FROM agg') for @writers;
	$writers[$_]->query("INSERT INTO t VALUES ($round * 100 + $_, 1, $_); DELETE FROM t WHERE id = ($round - 1) * 100 + $_") for 0 .. 1;
	for my $writer (@writers)
	{
		$writer->query('COMMIT');
		$failed++ if $writer->{stderr} =~ /could not serialize/;
		$writer->{stderr} = '';
	}
	is(differences(), '0 0', "round $round of serializable writers");
}
cmp_ok($failed, '>', 0, 'some failed with 40001');
is($node->safe_psql('postgres', 'SELECT sum(count) FROM agg'), $node->safe_psql('postgres', 'SELECT count(*) FROM t'), 'all others are in');
$_->quit for @writers;

done_testing();
