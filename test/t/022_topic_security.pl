# TLS and SASL on a real broker, whose rights may do what, and that no secret shows up anywhere.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TelemetryTest;

my $password = 'topsecret-5up3r';
my $wrong = 'wr0ng-secret-value';
# librdkafka before 2.6.1 cannot do SCRAM with Kafka 4.
my $kafka = TelemetryTest::Kafka->new(
	version => '3.9.1',
	listeners => [ 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL' ],
	users => { alice => $password },
	# Who has logged in so, on this listener, is logged out again.
	properties => { 'listener.name.sasl_ssl.scram-sha-256.connections.max.reauth.ms' => 2000 });
my $node = telemetry_node('main', extension => 1, conf => "log_statement = 'none'\nlog_min_messages = debug1\nlog_error_verbosity = verbose\n");
my $tls = $kafka->dir . '/tls';

$kafka->create_topic('events', 1);
$kafka->produce('events', '{"n": 1}', '{"n": 2}');

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Everything that a statement says, and its result.
sub say
{
	my ($statement) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $statement, on_error_stop => 0);
	return "$out$err";
}

# A server with one user mapping and a foreign table of the same name.
sub make
{
	my ($name, $listener, $server, $mapping) = @_;
	my %server = (bootstrap_servers => $kafka->address($listener), %$server);
	my $options = sub { my ($o) = @_; join(', ', map { my $v = $o->{$_} =~ s/'/''/gr; "\"$_\" '$v'" } sort keys %$o) };

	sql("CREATE SERVER $name FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (" . $options->(\%server) . ')');
	sql("CREATE USER MAPPING FOR public SERVER $name OPTIONS (" . $options->($mapping) . ')') if %$mapping;
	sql("CREATE FOREIGN TABLE $name (n int) SERVER $name OPTIONS (topic 'events')");
	return;
}

my $ca = slurp_file("$tls/ca.pem");
my %login = (sasl_username => 'alice', sasl_password => $password);

# ---- what works ---------------------------------------------------------------------------------

make('tls', 'SSL', { security_protocol => 'ssl', ssl_ca_pem => $ca }, {});
make('tls_file', 'SSL', { security_protocol => 'ssl', ssl_ca_location => "$tls/ca.pem" }, {});
make('tls_client', 'SSL', { security_protocol => 'ssl', ssl_ca_pem => $ca },
	{ ssl_certificate_pem => slurp_file("$tls/client.pem"), ssl_key_pem => slurp_file("$tls/client.key") });
make('plain', 'SASL_PLAINTEXT', { security_protocol => 'sasl_plaintext', sasl_mechanism => 'PLAIN' }, \%login);
make('scram256', 'SASL_PLAINTEXT', { security_protocol => 'sasl_plaintext', sasl_mechanism => 'SCRAM-SHA-256' }, \%login);
make('scram512', 'SASL_SSL', { security_protocol => 'sasl_ssl', ssl_ca_pem => $ca }, { %login, sasl_mechanism => 'SCRAM-SHA-512' });
make('plain_tls', 'SASL_SSL', { security_protocol => 'sasl_ssl', sasl_mechanism => 'PLAIN', ssl_ca_pem => $ca }, \%login);

my $expected = 2;
for my $name (qw(tls tls_file tls_client plain scram256 scram512 plain_tls))
{
	is(sql("SELECT count(*) FROM $name"), $expected, "$name: SELECT");
	sql("INSERT INTO $name VALUES (3)");
	$expected++;
	is(sql("SELECT count(*) FROM $name"), $expected, "$name: INSERT");
	sql("CREATE SCHEMA imp_$name; IMPORT FOREIGN SCHEMA x FROM SERVER $name INTO imp_$name");
	is(sql("SELECT count(*) FROM imp_$name.events"), $expected, "$name: IMPORT FOREIGN SCHEMA");
}

# ---- what does not -------------------------------------------------------------------------------

# What the broker refuses is tried again until the time is over: a short one, unless the machine needs more to come so far.
sub refused
{
	my ($statement, $expected, $what) = @_;
	my $said;
	for my $seconds (3, 10, 30)
	{
		$said = say("SET telemetry.kafka_timeout = '${seconds}s'; $statement");
		last if $said =~ $expected;
	}
	return like($said, $expected, $what);
}

make('bad_password', 'SASL_PLAINTEXT', { security_protocol => 'sasl_plaintext', sasl_mechanism => 'PLAIN' },
	{ sasl_username => 'alice', sasl_password => $wrong });
make('bad_scram', 'SASL_SSL', { security_protocol => 'sasl_ssl', sasl_mechanism => 'SCRAM-SHA-256', ssl_ca_pem => $ca },
	{ sasl_username => 'alice', sasl_password => $wrong });
make('no_password', 'SASL_PLAINTEXT', { security_protocol => 'sasl_plaintext', sasl_mechanism => 'PLAIN' }, {});
make('unknown_ca', 'SSL', { security_protocol => 'ssl' }, {});
make('wrong_protocol', 'SSL', {}, {});

refused('SELECT * FROM bad_password', qr/ERROR.*could not read topic "events": .*uthentication failed/, 'a wrong password is named as the reason');
refused('INSERT INTO bad_password VALUES (1)', qr/ERROR.*could not produce to topic "events"/, '... also for INSERT');
refused('IMPORT FOREIGN SCHEMA x FROM SERVER bad_password INTO public', qr/ERROR.*could not list the topics.*uthentication failed/, '... and IMPORT');
refused('SELECT * FROM bad_scram', qr/ERROR.*could not read topic "events": .*uthentication/, 'a wrong password by SCRAM');
refused('SELECT * FROM no_password', qr/ERROR.*sasl_username.*user mapping|ERROR.*could not set up the Kafka client/, 'no password at all');
refused('SELECT * FROM unknown_ca', qr/ERROR.*could not read topic "events": .*certificate verify failed/, 'a certificate that nobody we know has signed');
refused('SELECT * FROM wrong_protocol', qr/ERROR.*could not read topic "events"/, 'no TLS where TLS is spoken');

# Even with the client's own debugging into the log
sql(q{ALTER SERVER plain OPTIONS (ADD debug 'all'); ALTER SERVER scram512 OPTIONS (ADD debug 'all'); ALTER SERVER tls_client OPTIONS (ADD debug 'all')});
is(sql("SELECT count(*) FROM $_"), $expected, "$_: debug") for qw(plain scram512 tls_client);
like(slurp_file($node->logfile), qr/Kafka client: .*SASL/, 'debug shows in the log');

# ---- rights --------------------------------------------------------------------------------------

sql(q{CREATE ROLE reader LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE other LOGIN;
GRANT USAGE ON FOREIGN SERVER plain TO owner; GRANT CREATE ON SCHEMA public TO owner;
DROP USER MAPPING FOR public SERVER plain; CREATE USER MAPPING FOR owner SERVER plain OPTIONS (sasl_username 'alice', sasl_password '} . $password . q{')});
sql(q{SET SESSION AUTHORIZATION owner; CREATE FOREIGN TABLE owned (n int) SERVER plain OPTIONS (topic 'events');
CREATE VIEW through AS SELECT n FROM owned; GRANT SELECT ON through TO reader});
is(sql('SET SESSION AUTHORIZATION owner; SELECT count(*) FROM owned'), $expected, 'the owner reads by his own mapping');
like(say('SET SESSION AUTHORIZATION reader; SELECT * FROM owned'), qr/permission denied for foreign table owned/, 'others need SELECT');
is(sql('SET SESSION AUTHORIZATION reader; SELECT count(*) FROM through'), $expected, 'through a view its owner connects');
sql('GRANT SELECT, INSERT ON owned TO other');
like(say('SET SESSION AUTHORIZATION other; SELECT * FROM owned'), qr/ERROR/, 'a role without a mapping has no password');
like(say(q{SET SESSION AUTHORIZATION other; CREATE FOREIGN TABLE mine (n int) SERVER plain OPTIONS (topic 'events')}), qr/permission denied/, 'a table needs USAGE on the server');
like(say(q{SET SESSION AUTHORIZATION other; CREATE SERVER mine FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1')}), qr/permission denied for foreign-data wrapper/, 'a server needs USAGE on the wrapper');
is(sql(q{SET SESSION AUTHORIZATION reader; SELECT count(*) FROM pg_user_mappings WHERE array_to_string(umoptions, ',') LIKE '%secret%'}), '0', 'mappings are not shown');

# ---- a login that expires while its connection stands: the broker closes that, the worker logs in again; as long as the
# password is another one, it says so

sub wait_for
{
	my ($query, $wanted, $what) = @_;
	my $got = '';
	poll_until(sub { ($got = sql($query)) =~ $wanted }, $what, 60) or die "got: $got\n" . sql('TABLE telemetry.stat_pipeline');
	return pass($what);
}

# Connections of the worker that the broker has ended, by the client's debugging.
sub expired { my @times = slurp_file($node->logfile) =~ /Kafka client: .*Disconnected \(after \d+ms in state UP\)/g; return scalar @times }

my $status = q(SELECT state || ': ' || coalesce(error, '') FROM telemetry.stat_pipeline);
my $produced = 0;
$kafka->create_topic('logins', 1);
make('expiring', 'SASL_SSL', { security_protocol => 'sasl_ssl', ssl_ca_pem => $ca, sasl_mechanism => 'SCRAM-SHA-256', debug => 'broker,security', 'reconnect.backoff.max.ms' => 500 }, {});
sql("CREATE USER MAPPING FOR CURRENT_USER SERVER expiring OPTIONS (sasl_username 'alice', sasl_password '$password')");
sql(q{ALTER FOREIGN TABLE expiring OPTIONS (SET topic 'logins'); CREATE TABLE logins (n int); SELECT telemetry.create_pipeline('logins', 'expiring', 'logins')});
my $ended = expired();
for my $turn (1 .. 2)
{
	$kafka->produce('logins', '{"n": ' . $produced++ . '}');
	wait_for('SELECT count(*), count(DISTINCT n) FROM logins', qr/^$produced\|$produced$/, "a login that is $turn");
	ok(poll_until(sub { expired() > $ended }, 'the broker to end it', 40), 'expires, and the broker ends its connection');
	$ended = expired();
}
$kafka->produce('logins', '{"n": ' . $produced++ . '}');
wait_for('SELECT count(*), count(DISTINCT n) FROM logins', qr/^$produced\|$produced$/, 'the worker has logged in again, and goes on');
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER expiring OPTIONS (SET sasl_password '$wrong')");
$kafka->produce('logins', '{"n": ' . $produced++ . '}');
wait_for($status, qr/^connecting: .*uthentication/, 'a password that is not valid any more is told');
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER expiring OPTIONS (SET sasl_password '$password')");
wait_for('SELECT count(*), count(DISTINCT n) FROM logins', qr/^$produced\|$produced$/, 'with the right one it goes on');
wait_for($status, qr/^running: $/, 'and says so');
sql(q{SELECT telemetry.drop_pipeline('logins')});

# ---- secrets -------------------------------------------------------------------------------------

my $explain = say('EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM scram512; EXPLAIN (VERBOSE) INSERT INTO scram512 VALUES (1)');
like($explain, qr/Topic: events/, 'EXPLAIN works');
unlike($explain, qr/\Q$password\E/, '... and shows no secret');
my $log = slurp_file($node->logfile);
# PostgreSQL was told not to log statements, which contain what they set.
ok(index($log, $password) < 0, 'the password is not in the log');
ok(index($log, $wrong) < 0, 'nor a wrong one');
my ($key_line) = slurp_file("$tls/client.key") =~ /^([A-Za-z0-9+\/]{40,})$/m;
ok(length $key_line, 'the private key has a body');
ok(index($log, $key_line) < 0, 'nor the private key');
for my $view (qw(pg_stat_activity pg_foreign_server pg_foreign_table pg_seclabels))
{
	unlike(sql("SELECT v FROM $view v"), qr/\Q$password\E/, "nor is it in $view");
}
my ($dump, $dump_err) = run_command([ 'pg_dump', '--no-privileges', $node->connstr('postgres') ]);
like($dump, qr/CREATE FOREIGN TABLE public.scram512/, 'pg_dump dumps topics');
ok($log !~ /PANIC|terminated by signal/, 'nothing crashed');

$node->stop;
$kafka->stop;
done_testing();
