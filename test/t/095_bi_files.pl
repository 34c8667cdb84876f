# bi/: what it holds is what bi/generate writes from the catalogs of a new model, so that no table, column, comment or key
# can drift; the parts that hold SQL run it; no file has a password.
use strict;
use warnings FATAL => 'all';

use File::Find ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use GameModel;
use JSON::PP;
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $mock) = game_model_node();
my $root = $TelemetryTest::root;
my $output = "$PostgreSQL::Test::Utils::tmp_check/bi";
my ($out, $err) = ('', '');

sub bi_files
{
	my ($folder) = @_;
	my @found;
	File::Find::find({ no_chdir => 1, wanted => sub { push @found, substr($_, 1 + length $folder) if -f } }, $folder);
	return sort @found;
}

# As the BI role: what it may read is what there is to write about.
$ENV{PGPASSWORD} = 'secret';
ok(IPC::Run::run([ '/usr/bin/python3', "$root/bi/generate", '--output', $output ], '>', \$out, '2>', \$err,
		init => sub { @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)} = ('127.0.0.1', $node->port, 'bi_user', 'postgres') }),
	'bi/generate') or diag($err);
my @written = bi_files($output);
cmp_ok(scalar @written, '>', 30, 'it writes files');
for my $file (@written)
{
	my $kept = -e "$root/bi/$file" ? slurp_file("$root/bi/$file") : 'nothing';
	is($kept, slurp_file("$output/$file"), "bi/$file is what bi/generate writes now");
}
is(join(' ', grep { !-e "$output/$_" } grep { m{^(powerbi|tableau|grafana)/|\.pbids$} } bi_files("$root/bi")), '',
	'and there is none of a table that is gone');
is(join(' ', grep { slurp_file("$output/$_") =~ s/password: \$BI_PASSWORD//r =~ /(password|pwd)\s*"?[:=]/i } @written), '', 'no file has a password');

my $pbids = decode_json(slurp_file("$root/bi/game.pbids"));
is(scalar @{ $pbids->{connections} }, 1, 'Power BI opens a .pbids of one source only');
is_deeply([ sort keys %{ $pbids->{connections}[0]{details}{address} } ], [ 'database', 'server' ], 'which says where, and not who');

# Grafana's SQL, with its macro as Grafana writes it out, over a range that has data and one that has none.
my $board = decode_json(slurp_file("$root/bi/grafana/game.json"));
cmp_ok(scalar @{ $board->{panels} }, '>=', 10, 'the dashboard has panels');
for my $panel (@{ $board->{panels} })
{
	for my $target (@{ $panel->{targets} })
	{
		my $sql = $target->{rawSql};
		$sql =~ s/\$__timeFilter\(((?:[^()]|\(\))*)\)/$1 BETWEEN '2026-02-01T00:00:00Z' AND '2026-04-01T00:00:00Z'/g;
		unlike($sql, qr/\$__/, "$panel->{title}: macros are known");
		my $rows = $node->safe_psql('postgres', "SET ROLE bi_user; SELECT row_to_json(x) FROM ($sql) x");
		my ($first) = map { JSON::PP->new->decode($_) } (split /\n/, $rows)[0];
		ok($first, "$panel->{title}: there are rows") or next;
		ok(exists $first->{time}, "$panel->{title}: with a time") if $target->{format} eq 'time_series';
		ok((grep { defined && /^-?[\d.]+$/ } values %$first) > 0, "$panel->{title}: and a figure");
	}
}

# A database in which a column is gone: the generator says so instead of writing a measure that Power BI cannot read.
$node->safe_psql('postgres', 'ALTER TABLE game.fact_player_events RENAME COLUMN action TO what');
($out, $err) = ('', '');
ok(!IPC::Run::run([ '/usr/bin/python3', "$root/bi/generate", '--output', $output ], '>', \$out, '2>', \$err,
		init => sub { @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)} = ($node->host, $node->port, 'postgres', 'postgres') }),
	'a measure of a column that is gone is refused');
like($err, qr/^game: measure Purchases: there is no FactPlayerEvents\[Action\]$/, 'and named');

$node->stop;
done_testing();
