# What the TAP tests share: nodes that run the extension from the staged build, a real Kafka, the
# mock broker, and waiting for a condition.
#
#   use FindBin;
#   use lib "$FindBin::RealBin/lib";
#   use TelemetryTest;
#
#   my $node  = telemetry_node('main', conf => "work_mem = '8MB'");       # initialised and started
#   my $kafka = TelemetryTest::Kafka->new(properties => { 'log.roll.ms' => 1000 });
#   my $mock  = TelemetryTest::Mock->new(topics => ['events:3']);
#
# Both brokers have: address, create_topic, produce, produce_transaction, watermarks, committed
# (the mock creates by its own command and knows no deletion). See each method.
package TelemetryTest;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(telemetry_node telemetry_conf create_server poll_until pg_version random_kill crash json_event settled no_transaction_waits takes_less
  wait_for_result);
our $root = abs_path(dirname(__FILE__) . '/../../..');

# Nodes are UTF-8, whatever the caller's locale (initdb goes by it).
delete @ENV{qw(LC_ALL LC_CTYPE LC_COLLATE)};
$ENV{LANG} = 'C.UTF-8';

# A test that is told to end still stops its servers and brokers, by the END blocks.
$SIG{TERM} = $SIG{INT} = sub { die "interrupted\n" };

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';

sub config
{
	my ($what) = @_;
	my $value = `$pg_config --$what`;
	die "$pg_config --$what failed" if $? != 0;
	chomp $value;
	return $value;
}

# The major version that the tests run on, as a number.
sub pg_version
{
	return config('version') =~ /(\d+)/ ? $1 : die 'no version';
}

# The lines of postgresql.conf that make a node run the staged build.
sub telemetry_conf
{
	my (%option) = @_;
	my $stage = $ENV{TELEMETRY_STAGE} || "$root/build/stage";
	my $libdir = $stage . config('pkglibdir');
	die "nothing is staged in $stage; run make stage" unless -d $libdir;

	my $conf = "dynamic_library_path = '$libdir:\$libdir'\n";
	if (pg_version() >= 18)
	{
		my $share = $stage . config('sharedir');
		$conf .= "extension_control_path = '$share:\$system'\n";
	}
	else
	{
		$conf .= "extension_destdir = '$stage'\n";
	}
	$conf .= "shared_preload_libraries = 'telemetry'\n" unless exists $option{preload} && !$option{preload};
	$conf .= "max_worker_processes = 32\ntimezone = 'UTC'\n";
	return $conf;
}

# A node that is initialised and started. Options: preload => 0 leaves the library out of
# shared_preload_libraries; conf => more lines of postgresql.conf; init => [arguments of init];
# start => 0 does not start it; extension => 1 creates the extension in database postgres.
sub telemetry_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(@{ $option{init} || [] });
	$node->append_conf('postgresql.conf', telemetry_conf(%option));
	$node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
	return $node if exists $option{start} && !$option{start};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION telemetry') if $option{extension};
	return $node;
}

# CREATE SERVER for a broker, with further options as a hash.
sub create_server
{
	my ($node, $name, $broker, %option) = @_;
	my $options = "bootstrap_servers '" . $broker->address . "'";

	$options .= sprintf(', "%s" \'%s\'', $_, $option{$_} =~ s/'/''/gr) for sort keys %option;
	$node->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER telemetry_kafka OPTIONS ($options)");
	return;
}

# An event as JSON: whole numbers as such, undef as null, all else as strings that need no escapes.
sub json_event
{
	my (%event) = @_;
	return '{' . join(',', map { "\"$_\":" . (!defined $event{$_} ? 'null' : $event{$_} =~ /^-?\d+$/ ? $event{$_} : "\"$event{$_}\"") } sort keys %event) . '}';
}

# Waits until so many messages of a pipeline are dealt with.
sub settled
{
	my ($node, $pipeline, $n) = @_;
	return poll_until(sub {
		$node->safe_psql('postgres', "SELECT coalesce(stored + dead + duplicates, 0) FROM telemetry.stat_pipeline WHERE pipeline = '$pipeline'") >= $n;
	}, "$n messages of $pipeline", 90);
}

# Calls a function until it gives true; fails the test when it does not within a time (seconds,
# default 180).
sub poll_until
{
	my ($condition, $what, $timeout) = @_;
	my $end = time + ($timeout || 180);
	my $result;

	while (!($result = $condition->()))
	{
		if (time > $end)
		{
			fail("timed out waiting for: $what");
			return 0;
		}
		sleep 0.05;
	}
	return $result;
}

# Passes when a query gives what is expected, a text or a pattern, within a time (timeout => seconds, default 40). Else dies, with
# what it gave at last and how the pipelines are: what follows would build on it. database => another than postgres.
sub wait_for_result
{
	my ($node, $sql, $expected, $what, %options) = @_;
	my $ask = sub { return ($node->psql($options{database} // 'postgres', $_[0]))[1] // '' };
	my $got = '';

	poll_until(sub { $got = $ask->($sql); return ref $expected ? $got =~ $expected : $got eq $expected }, $what, $options{timeout} // 40)
	  or die "got: $got\n" . $ask->('TABLE telemetry.stat_pipeline');
	return pass($what);
}

# True once half a second has passed in which none of ten looks met a transaction of the processes that a condition over
# pg_stat_activity names: work is short, and one look may meet it, but one that waits in a transaction is met by every look.
sub no_transaction_waits
{
	my ($node, $where, $what) = @_;
	return poll_until(sub { $node->safe_psql('postgres', <<"SQL") eq 'none' }, $what, 60);
CREATE FUNCTION pg_temp.look() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	FOR turn IN 1 .. 10 LOOP
		PERFORM pg_stat_clear_snapshot();
		IF EXISTS (SELECT FROM pg_stat_activity WHERE (xact_start IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid() AND $where) THEN
			RETURN 'some';
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN 'none';
END \$\$;
SELECT pg_temp.look();
SQL
}

# Passes when something takes less than so many seconds at least once in three times: a machine that stands still makes one
# take longer, but whoever waits for what he should not wait for does so each time.
sub takes_less
{
	my ($seconds, $what, $work) = @_;
	my $least;
	for (1 .. 3)
	{
		my $began = time;
		$work->();
		my $took = time - $began;
		$least = $took if !defined $least || $took < $least;
		last if $least < $seconds;
	}
	return cmp_ok($least, '<', $seconds, $what);
}

# kill -9 of a process, named by the pid; true when it was there.
sub random_kill
{
	my ($pid) = @_;
	return kill('KILL', $pid) == 1;
}

# kill -9 of a server process, and the wait until the server is up again after it: a connection
# that succeeds right after the kill may still be one to the server that is about to go down.
sub crash
{
	my ($node, $pid) = @_;
	my $offset = -s $node->logfile;

	return 0 if !random_kill($pid);
	poll_until(
		sub {
			PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) =~ /database system is ready to accept connections/;
		}, "the server to start again after kill -9 of $pid");
	return 1;
}

# ------------------------------------------------------------------------------------------------
# What both brokers can do, through build/test/kafka_tool.
package TelemetryTest::Broker;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();

# Runs kafka_tool; gives its output, or dies with what it said. Options of the connection
# (security.protocol => ...) come from set_client().
sub tool
{
	my ($self, $input, @arguments) = @_;
	my @options = map { ('-X', "$_=$self->{client}{$_}") } sort keys %{ $self->{client} || {} };
	my ($out, $err) = ('', '');

	IPC::Run::run(["$TelemetryTest::root/build/test/kafka_tool", @options, $self->address, @arguments],
		'<', \$input, '>', \$out, '2>', \$err)
	  or die "kafka_tool @arguments: $err";
	return $out;
}

# Settings of librdkafka for what this object does from now on.
sub set_client
{
	my ($self, %client) = @_;
	$self->{client} = \%client;
	return;
}

sub encode
{
	my ($text) = @_;
	$text =~ s/([\\\t\n\r\0])/$1 eq '\\' ? '\\\\' : $1 eq "\t" ? '\\t' : $1 eq "\n" ? '\\n' : $1 eq "\r" ? '\\r' : '\\x00'/ge;
	return $text;
}

sub lines
{
	my ($messages) = @_;
	my @lines;

	for my $message (@$messages)
	{
		my ($partition, $key, $value) = ref $message ? @$message : (-1, undef, $message);
		push @lines,
		  join("\t", $partition, encode($key // ''), defined $value ? encode($value) : '\\N') . "\n";
	}
	return join('', @lines);
}

# Produces messages: each a value, or [partition, key, value] (partition -1: by key; an undefined
# value is a tombstone). Returns when all are acknowledged.
sub produce
{
	my ($self, $topic, @messages) = @_;
	$self->tool(lines(\@messages), 'produce', $topic);
	return;
}

# The same in a transaction with this id; ending: commit, abort, or leave (open).
sub produce_transaction
{
	my ($self, $topic, $id, $ending, @messages) = @_;
	$self->tool(lines(\@messages), 'produce', $topic, $id, $ending);
	return;
}

# Per partition [low, high].
sub watermarks
{
	my ($self, $topic) = @_;
	return map { [ (split)[ 1, 2 ] ] } split /\n/, $self->tool('', 'watermarks', $topic);
}

# Per partition the group's committed offset, -1001 where there is none.
sub committed
{
	my ($self, $group, $topic) = @_;
	return map { (split)[1] } split /\n/, $self->tool('', 'committed', $group, $topic);
}

# ------------------------------------------------------------------------------------------------
# A real Apache Kafka.
package TelemetryTest::Kafka;

use strict;
use warnings FATAL => 'all';

our @ISA = ('TelemetryTest::Broker');

use IPC::Run ();
use PostgreSQL::Test::Utils ();

my $script = "$TelemetryTest::root/test/brokers/kafka";
my %running;

# Options: listeners => ['SASL_SSL', ...], users => { alice => 'secret' }, version => '3.9.1',
# heap => '512m', properties => { 'log.retention.ms' => 1000 }. See test/brokers/kafka.
# nodes => 3: a cluster of so many, all with the same options. The object is its first node, which is
# the controller and knows all addresses; node(2), node(3) are the others, to be stopped, killed...
sub new
{
	my ($class, %option) = @_;
	my $nodes = delete $option{nodes} // 1;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $self = bless { dir => "$dir/kafka", option => \%option, id => 1 }, $class;

	$self->start;
	$self->{others} = [ map { bless { dir => "$dir/kafka$_", option => \%option, id => $_, join => $self->{dir} }, $class } 2 .. $nodes ];
	# All at once: a start takes seconds.
	my @starts = map { IPC::Run::start([ $script, $_->start_arguments ], '<', \undef, '>', \my $out, '2>', \my $err) } @{ $self->{others} };
	$running{ $_->{dir} } = $_ for @{ $self->{others} };
	for my $start (@starts)
	{
		$start->finish or die "a node of the cluster did not start; see its log in $dir";
	}
	return $self;
}

# A node of the cluster by its number.
sub node
{
	my ($self, $id) = @_;
	return $id == 1 ? $self : ($self->{others}[ $id - 2 ] // die "no node $id");
}

sub script
{
	my ($self, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, @arguments ], '<', \undef, '>', \$out, '2>', \$err)
	  or die "kafka @arguments: $err";
	return $out;
}

# Starts it, or starts it again on the same ports and data after stop or kill9.
sub start
{
	my ($self, %properties) = @_;

	$self->script($self->start_arguments(%properties));
	$running{ $self->{dir} } = $self;
	return;
}

# What test/brokers/kafka is to be told.
sub start_arguments
{
	my ($self, %properties) = @_;
	my $option = $self->{option};
	my @arguments = ('--with-pid', $$);

	push @arguments, map { ('--listener', $_) } @{ $option->{listeners} || [] };
	push @arguments, map { ('--user', "$_:$option->{users}{$_}") } sort keys %{ $option->{users} || {} };
	push @arguments, '--version', $option->{version} if $option->{version};
	push @arguments, '--heap', $option->{heap} if $option->{heap};
	push @arguments, '--join', $self->{join}, '--node', $self->{id} if $self->{join};
	%properties = (%{ $option->{properties} || {} }, %properties);
	push @arguments, map { "$_=$properties{$_}" } sort keys %properties;
	return ('start', $self->{dir}, @arguments);
}

sub stop
{
	my ($self) = @_;
	$self->script('stop', $self->{dir});
	delete $running{ $self->{dir} };
	return;
}

sub kill9
{
	my ($self) = @_;
	$self->script('kill', $self->{dir});
	delete $running{ $self->{dir} };
	return;
}

sub restart
{
	my ($self, %properties) = @_;
	$self->stop;
	$self->start(%properties);
	return;
}

# Freezes the broker (SIGSTOP), or lets it go on: a broker that hangs without closing anything.
sub freeze
{
	my ($self) = @_;
	return kill 'STOP', $self->pid;
}

sub thaw
{
	my ($self) = @_;
	return kill 'CONT', $self->pid;
}

sub pid
{
	my ($self) = @_;
	my $pid = PostgreSQL::Test::Utils::slurp_file("$self->{dir}/pid");
	chomp $pid;
	return $pid;
}

# host:port of a listener, PLAINTEXT when none is named; of a cluster all of them, by commas.
sub address
{
	my ($self, $listener) = @_;
	$listener //= 'PLAINTEXT';
	my $listeners = PostgreSQL::Test::Utils::slurp_file("$self->{dir}/listeners");
	my $own = $listeners =~ /^\Q$listener\E (\S+)$/m ? $1 : die "no listener $listener";
	return join(',', $own, map { $_->address($listener) } @{ $self->{others} || [] });
}

# Certificates: ca.pem, client.pem, client.key; and the broker's data, log.
sub dir
{
	my ($self) = @_;
	return $self->{dir};
}

# Asks for a change of a topic. A broker that has hung, or was started anew, may lose a question on its way to the controller,
# or take itself for fenced for a while; then it is asked again, and may have done by then what it was asked at first.
sub administer
{
	my ($self, $command, $topic, @arguments) = @_;
	my $try = 1;

	until (eval { $self->tool('', $command, $topic, @arguments); 1 })
	{
		return if $try > 1 && $@ =~ /already exists|Unknown topic|already has/i;
		die $@ if $try++ == 4 || $@ !~ /no answer within|Timed out|Local: Transport failure|fenced|Replication factor/i;
		Time::HiRes::sleep(0.5);
	}
	return;
}

# Partitions: a number; or '3x2': 3 partitions of 2 replicas; or '3@2,1': all on nodes 2 and 1.
sub create_topic
{
	my ($self, $topic, $partitions, %config) = @_;
	return $self->administer('create', $topic, $partitions // 1, map { "$_=$config{$_}" } sort keys %config);
}

# Per partition { leader => node or -1, isr => [nodes in sync] }.
sub leaders
{
	my ($self, $topic) = @_;
	my @lines = map { [split] } split /\n/, $self->tool('', 'leaders', $topic);
	return map { { leader => $_->[1], isr => [ split /,/, $_->[2] // '' ] } } @lines;
}

sub delete_topic
{
	my ($self, $topic) = @_;
	return $self->administer('delete', $topic);
}

sub add_partitions
{
	my ($self, $topic, $count) = @_;
	return $self->administer('partitions', $topic, $count);
}

# Replaces the topic's settings.
sub configure_topic
{
	my ($self, $topic, %config) = @_;
	return $self->administer('configure', $topic, map { "$_=$config{$_}" } sort keys %config);
}

# Deletes what is before an offset, as retention would.
sub truncate_partition
{
	my ($self, $topic, $partition, $offset) = @_;
	return $self->administer('truncate', $topic, $partition, $offset);
}

END
{
	# Keep the exit status of the test.
	my $status = $?;
	for my $kafka (values %running)
	{
		eval { $kafka->script('kill', $kafka->{dir}) };
	}
	$? = $status;
}

# ------------------------------------------------------------------------------------------------
# The embedded broker of librdkafka, in a process of its own; it ends with the test.
package TelemetryTest::Mock;

use strict;
use warnings FATAL => 'all';

our @ISA = ('TelemetryTest::Broker');

use IPC::Run ();

# Options: brokers => 1, partitions => 4, topics => ['name:3', ...].
sub new
{
	my ($class, %option) = @_;
	my $self = bless { in => '', out => '' }, $class;
	my @command = ("$TelemetryTest::root/build/test/mock_broker");

	push @command, '-b', $option{brokers} if $option{brokers};
	push @command, '-p', $option{partitions} if $option{partitions};
	$self->{timer} = IPC::Run::timeout(30);
	$self->{process} =
	  IPC::Run::start([ @command, @{ $option{topics} || [] } ], '<', \$self->{in}, '>', \$self->{out}, $self->{timer});
	$self->{address} = $self->answer;
	return $self;
}

sub answer
{
	my ($self) = @_;
	$self->{timer}->start(30);
	$self->{process}->pump until $self->{out} =~ s/^(.*)\n//;
	my $line = $1;
	$self->{timer}->reset;
	return $line;
}

sub address
{
	my ($self) = @_;
	return $self->{address};
}

# One command as mock_broker.c describes them; dies unless it answers "ok".
sub command
{
	my ($self, @words) = @_;
	$self->{in} .= "@words\n";
	my $answer = $self->answer;
	die "mock_broker: @words: $answer" if $answer ne 'ok';
	return;
}

sub create_topic
{
	my ($self, $topic, $partitions) = @_;
	$self->command('topic', $topic, $partitions // 1);
	return;
}

sub stop
{
	my ($self) = @_;
	return unless $self->{process};
	$self->{process}->kill_kill;
	delete $self->{process};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	my $status = $?;
	eval { $self->stop };
	$? = $status;
	return;
}

1;
