# A database with a game's model and some data in it, as those see it who look at it with BI tools: role bi_user logs in
# over TCP with a password, and is a member of analysts, to whom telemetry.grant_bi() granted the schema.
package GameModel;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use TelemetryTest;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(game_model_node bi_address);

# Whoever comes by TCP is asked for a password.
sub ask_for_passwords
{
	my ($node) = @_;
	my $rules = $node->data_dir . '/pg_hba.conf';
	my $old = slurp_file($rules);

	open my $file, '>', $rules or die "$rules: $!";
	print $file "host all all 127.0.0.1/32 scram-sha-256\n$old";
	close $file;
	$node->reload;
	return;
}

# Makes four days of 50 players, and waits until the last message is a fact or a dead letter.
sub fill
{
	my ($node) = @_;
	my $sent;

	system_or_bail('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f',
		"$TelemetryTest::root/examples/game/simulator.sql");
	$sent = $node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE public.raw_topic (key text OPTIONS (metadata 'key'), value text OPTIONS (metadata 'value'))
    SERVER game_kafka OPTIONS (topic 'player-events', format 'text');
CREATE TABLE public.sent AS
SELECT * FROM game.messages(7, 50, 3000, '2026-03-01 00:00+00', '2026-03-05 00:00+00');
INSERT INTO public.raw_topic (key, value) SELECT key, value FROM public.sent ORDER BY message_number;
SELECT count(*) FROM public.sent;
SQL
	poll_until(
		sub {
			$node->safe_psql('postgres', 'SELECT coalesce(sum(stored + dead), 0) FROM telemetry.stat_pipeline') == $sent;
		},
		'everything is read') or die 'the pipeline does not come to its end';
	return;
}

# Gives the node (database postgres, schema game) and the broker, which has to be kept.
sub game_model_node
{
	my $mock = TelemetryTest::Mock->new;
	my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nlisten_addresses = '127.0.0.1'\n");

	$mock->create_topic('player-events', 2);
	create_server($node, 'game_kafka', $mock);
	$node->safe_psql('postgres', <<'SQL');
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'game', fields => '{"device": "context.device"}');
CREATE ROLE analysts NOLOGIN;
CREATE ROLE bi_user LOGIN PASSWORD 'secret' IN ROLE analysts;
ALTER ROLE bi_user SET default_transaction_read_only = on;
SELECT telemetry.grant_bi('analysts', 'game');
SQL
	ask_for_passwords($node);
	fill($node);
	return ($node, $mock);
}

1;
