# The examples of README and docs: every block marked sql is run, in the order of its file, in a
# database of its own beside the embedded broker. What an example takes for granted stands in a
# comment that readers do not see (a block marked SQL is for reading only): <!-- setup ... -->, or <!-- setup: README.md --> for its examples.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $mock = TelemetryTest::Mock->new;
my $node = telemetry_node('main', conf => "fsync = off\ntelemetry.kafka_timeout = '5s'\nwal_level = replica\n");
my @files = ("$TelemetryTest::root/README.md", sort glob "$TelemetryTest::root/docs/*.md");
my $n = 0;

sub blocks
{
	my ($text) = @_;
	my @blocks;

	while ($text =~ /^```sql\n(.*?)^```$|^<!-- setup\n(.*?)^-->$|^<!-- setup: (\S+) -->$/msg)
	{
		push @blocks, defined $3 ? blocks(slurp_file("$TelemetryTest::root/$3")) : $1 // $2;
	}
	return @blocks;
}

sub has_extension
{
	my ($name) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_available_extensions WHERE name = '$name'") > 0;
}

for my $file (@files)
{
	my $text = slurp_file($file);
	my @blocks = blocks($text);
	my ($name) = $file =~ m{([^/]+)$};

	next unless @blocks;
	if (grep { /CREATE EXTENSION hll/ } @blocks and !has_extension('hll'))
	{
		note "$name: postgresql-hll is not installed";
		next;
	}
	my $database = 'docs' . $n++;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION telemetry');
	# Examples name brokers as their readers would.
	my $script = join "\n", @blocks;
	my $address = $mock->address;
	$script =~ s/(?:[a-z][a-z0-9.-]*:909[0-9],?)+/$address/g;
	my ($status, $out, $err) = $node->psql($database, $script, on_error_stop => 1);
	is($status, 0, "$name: its " . scalar(@blocks) . ' examples run') or diag $err;
	$node->safe_psql('postgres', "DROP DATABASE $database");
}
cmp_ok($n, '>=', 2, 'there were examples');

done_testing();
