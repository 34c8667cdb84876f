# Databases of other encodings than UTF8: what arrives is converted or refused, character by character;
# nothing stops, and what is produced is UTF-8 again.
use strict;
use warnings FATAL => 'all';
use utf8;

use Encode qw(encode);
use FindBin;
use lib "$FindBin::RealBin/lib";
use TelemetryTest;
use Test::More;

my $mock = TelemetryTest::Mock->new(topics => [ map { "$_:1" } qw(events copy_of_latin1 copy_of_euc copy_of_anything) ]);
my $node = telemetry_node('main', extension => 1, conf => "fsync = off\nautovacuum = off\nlog_min_messages = warning\n");

# Encoding of each, and what it has of the characters that the messages use.
my %database = (
	latin1 => { encoding => 'LATIN1', has => qr/^[\x{00}-\x{ff}]*$/ },
	euc => { encoding => 'EUC_JP', has => qr/^[^😀]*$/ },
	anything => { encoding => 'SQL_ASCII', has => qr/./s },
);

# id => text of the event; each twice, once with all that is not ASCII escaped.
my %text = (1 => 'plain', 2 => 'naïve é', 3 => '日本 é', 4 => 'größe ÿ', 5 => 'smile 😀');

sub escaped
{
	my ($text) = @_;
	my $utf16 = sub { join('', map { sprintf('\\u%04x', $_) } unpack('n*', encode('UTF-16BE', $_[0]))) };
	return $text =~ s/([^\x00-\x7f])/$utf16->($1)/ger;
}

my (@messages, %want);
for my $id (sort keys %text)
{
	push @messages, [ 0, encode('UTF-8', "key $text{$id}"), encode('UTF-8', qq({"id": $id, "größe": "$text{$id}", "unused 日本": "😀"})) ];
	push @messages, [ 0, 'key', encode('UTF-8', sprintf('{"id": %d, "gr\u00f6\u00dfe": "%s"}', $id + 10, escaped($text{$id}))) ];
	$want{$id} = $want{ $id + 10 } = $text{$id};
}
# Not JSON, and no UTF-8 at all: the reason shows a piece of it, which has to be text here, too.
push @messages, [ 0, '', encode('UTF-8', '{"id": 20, "größe": 日本}') ], [ 0, '', qq({"id": 21, "gr\xc3\xb6\xc3\x9fe": "\xff\xfe"}) ],
  [ 0, '', encode('UTF-8', '{"id": "日本😀"}') ];
$mock->produce('events', @messages);
# From a database of UTF8, because no other has the name: a header, on a message that is bad.
create_server($node, 'kafka', $mock);
$node->safe_psql('postgres', q(CREATE FOREIGN TABLE t (v text OPTIONS (metadata 'value'), h jsonb OPTIONS (metadata 'headers'))
	SERVER kafka OPTIONS (topic 'events', format 'text');
	INSERT INTO t VALUES ('{"id": "bad"}', '[{"name": "\u65e5\u672c", "value": "\u65e5"}, {"name": "plain", "value": "\u65e5"}]')));
my $total = @messages + 1;

for my $name (sort keys %database)
{
	my $encoding = $database{$name}{encoding};
	my $query = sub { return $node->safe_psql($name, $_[0]) };

	$node->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' TEMPLATE template0 LOCALE 'C'");
	$query->(q(CREATE EXTENSION telemetry));
	$query->(qq(CREATE SERVER kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '@{[ $mock->address ]}')));
	# The name of the column's field is in the database's encoding, as the DDL is (chr: in SQL_ASCII, bytes).
	my $field = $encoding eq 'SQL_ASCII' ? q(E'gr\303\266\303\237e') : q(U&'gr\00f6\00dfe');
	$field = $encoding eq 'EUC_JP' ? q(convert_from('\x6772c3b6c39f65', 'UTF8')) : $field;
	$query->(qq(DO \$\$ BEGIN EXECUTE format('CREATE FOREIGN TABLE events_topic (id int, t text OPTIONS (path %L))
		SERVER kafka OPTIONS (topic ''events'')', $field); END \$\$));
	$query->(q(
		CREATE TABLE events (id int, t text);
		SELECT telemetry.create_pipeline('events', 'events_topic', 'events');
		CREATE MATERIALIZED VIEW texts WITH (telemetry.continuous) AS
			SELECT t, count(*) AS n, telemetry.approx_count_distinct(t) AS d FROM events GROUP BY t;
		CREATE MATERIALIZED VIEW total WITH (telemetry.continuous) AS SELECT count(DISTINCT t) AS d, max(t) AS last FROM events));
	is($query->('SHOW server_encoding'), $encoding, "$encoding: a database of it");
	poll_until(sub { $query->('SELECT coalesce(sum(stored + dead), 0) FROM telemetry.stat_pipeline') == $total }, "$encoding: all $total messages", 60)
	  or diag($query->('SELECT state, reason, error, stored, dead FROM telemetry.stat_pipeline'));

	# Compared as bytes of UTF-8, so that no client's encoding stands between; SQL_ASCII has them as they are.
	my $utf8 = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	my $hex = "encode(convert_to(t, '$utf8'), 'hex')";
	my %got = map { split /\|/ } split /\n/, $query->("SELECT id, $hex FROM events ORDER BY id");
	my %fits = map { $_ => unpack('H*', encode('UTF-8', $want{$_})) } grep { $want{$_} =~ $database{$name}{has} } keys %want;
	is_deeply(\%got, \%fits, "$encoding: what it has of the characters arrives, escaped or not; what it has not does not");

	my $lost = keys(%want) - keys(%fits);
	is($query->(q(SELECT count(*) FROM telemetry.dead_letter WHERE "offset" < 10 AND sqlstate = '22P05')), $lost, "$encoding: the others are dead letters, 22P05");
	is($query->(q(SELECT count(*) FROM telemetry.dead_letter WHERE "offset" >= 10 AND sqlstate IN ('22P02', '22021', '22P05'))), 4, "$encoding: bad messages, with their reasons in it");
	is($query->(q(SELECT count(*) FROM telemetry.dead_letter WHERE octet_length(value) > 0 AND position('\xff'::bytea IN value) > 0)), 1,
		"$encoding: dead letters have the bytes as they came");
	is($query->(q(SELECT encode((headers[1]).value, 'hex') FROM telemetry.dead_letter WHERE (headers[2]).name = 'plain')),
		'e697a5', "$encoding: so have headers, also of a name that it has not");

	is($query->(q(SELECT count(*) FROM telemetry.verify('texts'))), 0, "$encoding: a view of texts equals its query");
	is($query->(q(SELECT count(*) FROM telemetry.verify('total'))), 0, "$encoding: and one of distinct texts");
	is($query->('SELECT d FROM total'), keys(%fits) / 2, "$encoding: an escape makes no other text");

	# Back to Kafka, as UTF-8.
	$query->(qq(CREATE FOREIGN TABLE copied (id int, t text) SERVER kafka OPTIONS (topic 'copy_of_$name'); INSERT INTO copied SELECT id, t FROM events));
	$node->safe_psql('postgres', "CREATE FOREIGN TABLE copy_of_$name (id int, t text) SERVER kafka OPTIONS (topic 'copy_of_$name')");
	my %back = map { split /\|/ } split /\n/, $node->safe_psql('postgres', "SELECT id, encode(convert_to(t, 'UTF8'), 'hex') FROM copy_of_$name");
	is_deeply(\%back, \%fits, "$encoding: what is produced from it is UTF-8");

	# A SELECT raises the same error that makes a dead letter.
	my ($status, $out, $err) = $node->psql($name, 'SELECT count(t) FROM events_topic');
	isnt($status, 0, "$encoding: SELECT meets a message that it cannot read");
}

# An encoding that PostgreSQL cannot convert UTF-8 to is refused by name.
$node->safe_psql('postgres', q(CREATE DATABASE mule ENCODING 'MULE_INTERNAL' TEMPLATE template0 LOCALE 'C'));
$node->safe_psql('mule', qq(CREATE EXTENSION telemetry;
	CREATE SERVER kafka FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '@{[ $mock->address ]}');
	CREATE FOREIGN TABLE events_topic (id int) SERVER kafka OPTIONS (topic 'events')));
my ($status, $out, $err) = $node->psql('mule', 'SELECT * FROM events_topic');
like($err, qr/default conversion function for encoding "UTF8" to "MULE_INTERNAL" does not exist/, 'MULE_INTERNAL is refused');

$node->stop;
done_testing();
