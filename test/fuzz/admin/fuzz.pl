# Makes up statements, seeded, and runs them on the server that the environment names: fuzz.pl SECONDS
# FOLDER. SEED chooses them; STATEMENTS=n ends after so many instead of by time. What must hold:
#   - the server lives, and no sanitizer says anything in its log;
#   - no error is an internal one (class XX): what a user says wrongly has an errcode of its own;
#   - no statement hangs;
#   - a game's model is made of what it was told, and nothing else is made with it;
#   - a value of telemetry.sums that is taken, as text or bytes, comes back, and goes away again;
#   - afterwards the pipelines still can be read, and stand within their topic.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time);

my ($seconds, $out) = @ARGV;
my $seed = $ENV{SEED} // 20260101;
my $broker = $ENV{TELEMETRY_BROKER};
my $log = "$ENV{CLUSTER_DIR}/log";
my $statements = $ENV{STATEMENTS};
my $end = time + $seconds;
my $total = 0;
my %seen;

sub pick { return $_[ rand @_ ] }
sub maybe { return rand() < $_[0] }

sub quote
{
	my ($text) = @_;
	return 'NULL' unless defined $text;
	$text =~ s/'/''/g;
	$text =~ s/\\/\\\\/g;
	return "E'$text'";
}

# ---- values ---------------------------------------------------------------------------------------

my @integers = (0, 1, -1, 2, 3, 4, 5, 7, 10, 99, 127, 1000, 1024, 1025, 1_000_000, 1_000_001, 2147483647, -2147483648, 4294967296,
	4294967295, '9223372036854775807', '-9223372036854775808', '9223372036854775808', '1e400', '0.5', '1.5', '-0', 'NULL');
my @words = ('', ' ', '0', '00', '+0', '-1', ' 1', '1 ', '0x1', '1e0', 'a', 'p', 'q', 'error', 'ignore', 'none', 'day', 'hour', 'month',
	'earliest', 'latest', 'json', 'text', 'bytes', 'skip', 'true', 'on', 'partition', 'offset', 'value', 'key', 'rest', 'headers',
	'iso8601', 'epoch_ms', 'a.b.c', '$.a[0]', 'a[0].b', 'a[', 'a]', '..', '.', 'a..b', 'a[-1]', 'a[99999999999]', '"', "'", '\\', '%s%n',
	"\x{e4}\x{f6}", "\x{1f600}", "\t\n", 'x' x 63, 'x' x 64, "\x{e4}" x 40, 'y' x 300, 'z' x 5000, 'localhost:1', '127.0.0.1:1,127.0.0.1:2',
	':', ',', ',,', 'host:99999', '[::1]:1', 'PLAIN', 'SCRAM-SHA-256', 'gssapi', 'sasl_ssl', 'ssl', 'plaintext', 'all', 'gzip', 'zstd',
	'NaN', 'infinity', '1 2', 'id', 'kind', 'event_time', 'nothing', 'NULL', 'pg_catalog', '{}', '[]', 'null');
my @times = ('earliest', 'latest', 'now', 'epoch', 'infinity', '-infinity', 'allballs', 'today', '1969-12-31 23:59:59.999Z',
	'1969-12-31 23:59:59.998Z', '1970-01-01Z', '4714-11-24 BC', '0001-01-01', '294276-12-31 23:59:59.999999Z', '294247-01-10 04:00:54.775807Z',
	'294247-01-10 04:00:54.775808Z', '2026-01-01', '2026-01-01 00:00:00.0005Z', '2026-02-30', '9999999-01-01', 'sometime', '12:00', '', ' latest', 'LATEST');
my @intervals = ('0', '1 us', '-1 us', '1 ms', '20 ms', '1 s', '1 hour', '61 min', '1 day', '-1 day', '1 mon', '1 mon -30 days', '1 mon -31 days',
	'178000000 years', '-178000000 years', '2147483647 days', '-2147483648 days', '106751991 days', '106751992 days', '2147483647 mons',
	'9223372036854775807 us', '2562047788 hours', '100 years', '1001 years', 'x');

sub mutated
{
	my ($word) = @_;
	for (1 .. int rand 3)
	{
		my $at = int rand(1 + length $word);
		my $way = int rand 4;
		if    ($way == 0) { substr($word, $at, 0) = pick('.', '_', '-', '0', '9', ' ', '"', "'", '\\', "\x{e9}", '{', '[', ',', ':', 'e') }
		elsif ($way == 1 && length $word) { substr($word, int rand length $word, 1) = '' }
		elsif ($way == 2) { $word .= pick(@words) if length $word < 2000 }
		else { $word = substr($word, 0, $at) }
	}
	return $word;
}

sub word { my $word = pick(@words, @integers, @times); return maybe(0.3) ? mutated($word) : $word }

sub json
{
	my ($depth) = @_;
	my $kind = int rand($depth > 3 ? 4 : 7);
	return pick(grep { $_ ne 'NULL' } @integers) if $kind == 0;
	return pick('null', 'true', 'false', '""', '"1"', '1e3', '-1.5e-3', '123456789012345678901234567890', '1E131070') if $kind == 1;
	return '"' . pick('x', '1', '\\\\u00e4', '\\\\n', 'y' x 300) . '"' if $kind == 2;
	return int rand 30 if $kind == 3;
	return '[' . join(',', map { json($depth + 1) } 1 .. int rand 4) . ']' if $kind == 4;
	return '{' . join(',', map { '"' . pick(0 .. 5, '00', '000', '+1', '-0', ' 2', '0x1', '1e0', '3 ', '', 'a', '4294967296', '99999999999999999999', "\x{e4}") . '":'
		  . (maybe(0.7) ? int rand 30 : json($depth + 1)) } 1 .. int rand 9) . '}';
}

sub text { return maybe(0.05) ? 'NULL' : quote(word()) }
sub integer { return maybe(0.5) ? int rand 8 : pick(@integers) }
sub interval { return maybe(0.05) ? 'NULL' : quote(pick(@intervals)) . '::interval' }
sub boolean { return pick('true', 'false', 'NULL') }
sub array
{
	my ($type) = @_;
	my $element = sub { $type eq 'text' ? '"' . (pick('max_ahead', 'partitions', 'event_time_column', 'dead_letter_limit', 'x', '') . (maybe(0.2) ? 'y' : '')) . '"' : pick(0 .. 4, -1, 'NULL', 2147483647, 2147483648) };
	my $flat = sub { '{' . join(',', map { $element->() } 1 .. int rand 4) . '}' };
	return 'NULL' if maybe(0.1);
	return quote(maybe(0.2) ? '{' . $flat->() . ',' . $flat->() . '}' : maybe(0.1) ? '[5:6]={1,2}' : $flat->()) . "::${type}[]";
}
sub pipeline { return maybe(0.1) ? text() : quote(pick(qw(running paused other fresh))) }
sub relation { return quote(pick(qw(topic raw fact parts misfit topic_view no_such pg_class weird fact_key))) . '::text::regclass' }

my %options = (
	allowed_lateness => \&interval, idle_timeout => \&interval, max_ahead => \&interval, batch_interval => \&interval,
	batch_rows => \&integer, workers => sub { pick(1, 2, 0, 1024, integer()) }, partitions => sub { array('integer') }, dead_letter_limit => \&integer,
	on_conflict => sub { quote(pick('error', 'ignore', word())) }, create_partitions => sub { quote(pick('none', 'day', 'hour', 'month', word())) },
	consumer_group => \&text, event_time_column => sub { quote(pick('event_time', 'kind', 'at', word())) });

sub named
{
	my ($share, %more) = @_;
	my %all = (%options, %more);
	return join ', ', map { "$_ => " . $all{$_}->() } grep { maybe($share) } sort keys %all;
}

# ---- statements -----------------------------------------------------------------------------------

my @settings = qw(bootstrap_servers bootstrap.servers client_id client.rack isolation_level security_protocol sasl_mechanism sasl_username
  sasl_password ssl_ca_pem ssl_certificate_pem ssl_key_pem ssl.cipher.suites ssl.curves.list ssl_ca_location debug broker.address.family
  broker.address.ttl connections.max.idle.ms reconnect.backoff.ms reconnect.backoff.max.ms socket.timeout.ms
  socket.connection.setup.timeout.ms socket.keepalive.enable socket.send.buffer.bytes receive.message.max.bytes metadata.max.age.ms
  topic.metadata.refresh.interval.ms check.crcs fetch.wait.max.ms fetch.min.bytes fetch.max.bytes fetch.message.max.bytes
  max.partition.fetch.bytes fetch.error.backoff.ms queued.min.messages compression_type compression.level linger.ms batch.size
  batch.num.messages message.max.bytes message.timeout.ms request.timeout.ms retry.backoff.ms partitioner sticky.partitioning.linger.ms
  group.id enable.auto.commit acks transactional.id auto.offset.reset);
my @table_options = qw(topic format on_error compact key_column);
my @column_options = qw(path metadata timestamp_format time_zone);

sub option
{
	my ($name) = @_;
	$name = mutated($name) if maybe(0.05);
	$name =~ s/"/""/g;
	return 'x' if $name eq '';
	return "\"$name\" " . quote(word());
}

sub list { return join ', ', map { option(pick(@_)) } 1 .. 1 + int rand 3 }

sub servers
{
	return "CREATE SERVER made FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '$broker', " . list(@settings) . ')'
	  . ";\nCREATE FOREIGN TABLE made_topic (id bigint, kind text) SERVER made OPTIONS (topic 'fuzz')"
	  . ";\nSELECT count(*) FROM made_topic;\nINSERT INTO made_topic VALUES (1, 'x');\nDROP SERVER IF EXISTS made CASCADE";
}

sub tables
{
	my @types = ('bigint', 'text', 'jsonb', 'bytea', 'timestamptz', 'date', 'integer[]', 'numeric(5,2)', 'boolean', 'telemetry.kafka_header[]', 'box', 'uuid', 'smallint');
	my @columns = map { "c$_ " . pick(@types) . (maybe(0.6) ? ' OPTIONS (' . list(@column_options) . ')' : '') } 1 .. int rand 4;
	my $columns = join ', ', @columns;
	$columns =~ s/NOT NULL//g;
	return "CREATE FOREIGN TABLE made_table ($columns) SERVER here OPTIONS (topic 'fuzz'" . (maybe(0.7) ? ', ' . list(@table_options, @settings) : '') . ')'
	  . ";\nSELECT * FROM made_table LIMIT 3;\nINSERT INTO made_table DEFAULT VALUES;\nDROP FOREIGN TABLE IF EXISTS made_table";
}

sub validator
{
	my @items = map { my $text = maybe(0.8) ? pick(@settings, @table_options, @column_options) . '=' . word() : word();
		$text =~ s/([\\"])/\\$1/g; maybe(0.05) ? 'NULL' : "\"$text\"" } 0 .. int rand 4;
	my $array = '{' . join(',', @items) . '}';
	$array = "{$array,$array}" if maybe(0.1);
	return 'SELECT telemetry.telemetry_kafka_validator(' . quote($array) . '::text[], '
	  . pick(1417, 1418, 3118, 1249, 2328, 0, 1259, 4294967295) . '::oid)';
}

sub scans
{
	my $operator = pick('<', '<=', '=', '>=', '>');
	my @conditions = map { my $o = pick('<', '<=', '=', '>=', '>');
		pick("part $o " . pick(grep { $_ ne 'NULL' } @integers), "off $o " . pick(grep { $_ ne 'NULL' } @integers), "at $o " . quote(pick(grep { !/est/i } @times)) . '::timestamptz',
			"part = ANY (" . array('integer') . ')', "off IN (1, 2, 9223372036854775807)", "off $o part", "off $o NULL::bigint") } 1 .. 1 + int rand 3;
	return 'SELECT count(*), sum(id) FROM topic WHERE ' . join(pick(' AND ', ' AND ', ' OR '), @conditions);
}

# telemetry.sums as text and as bytes, right or nearly so: what is taken comes back, and goes away again.
my $sums_hold = "CASE WHEN s::text::telemetry.sums OPERATOR(telemetry.<>) s OR (s OPERATOR(telemetry.+) s) OPERATOR(telemetry.-) s OPERATOR(telemetry.<>) s"
  . " OR s OPERATOR(telemetry.-) s OPERATOR(telemetry.<>) '[]' OR telemetry.sums_union_agg(s) OVER () IS NULL THEN 'SUMS DIFFER' END,"
  . ' telemetry.sums_total(s), (SELECT sum(u.rows) FROM telemetry.unnest(s) AS u), telemetry.sums_between(s, CURRENT_DATE - 9999, CURRENT_DATE)';

sub sums_text
{
	my $entry = sub {
		return '{' . join(', ', map { my ($name, $value) = @$_; "\"$name\": $value" } grep { maybe(0.6) }
			[ day => '"' . pick('2026-01-01', '2026-01-01', 'infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '2026-1-1', '2026-02-30', 'today', '') . '"' ],
			[ key => '"' . pick('EUR', 'EUR', '', "\x{e4}", '\\u00e4', '\\n', 'y' x 300) . '"' ], [ rows => pick(1, 2, -1, @integers) ], [ nulls => pick(1, 0, @integers) ],
			[ nan => pick(1, -1, 0) ], [ '-infinity' => pick(1, -1) ], [ total => pick('0', '1.50', '-9.99', '1e-16383', '1e131071', '-1e131071', '10000', '0.0001', '1e-30', @integers) ]) . '}';
	};
	my $text = '[' . join(', ', map { $entry->() } 1 .. int rand 5) . ']';
	return maybe(0.2) ? mutated($text) : maybe(0.1) ? json(0) : $text;
}

sub sums_bytes
{
	my $number = sub { my @digits = map { pick(1, 9999, 1 + int rand 9999) } 1 .. int rand 4; pack 'n*', scalar @digits, pick(0, 1, 65535, 32767, 32768), pick(0, 0x4000, 0xC000), pick(0, 4, 8, 20), @digits };
	my $entry = sub { my ($day, $key) = (maybe(0.5), maybe(0.5)); pack('C', $day + 2 * $key) . ($day ? pack('N', pick(0, 9496, 0x7FFFFFFF, 0x80000000, 0x80000001)) : '')
		  . ($key ? pack('N/a*', pick('EUR', '', "\xC3\xA4", 'y' x 300)) : '') . pack('q>5', map { pick(0, 0, 1, -1, 2, 9223372036854775807, -9223372036854775808) } 1 .. 5) . $number->() };
	my $count = int rand 4;
	my $bytes = pack('CN', 1, $count) . join '', map { $entry->() } 1 .. $count;
	for (1 .. int rand 3) { substr($bytes, rand length $bytes, 1) = chr int rand 256 if maybe(0.5) && length $bytes }
	$bytes = substr $bytes, 0, rand length $bytes if maybe(0.1);
	return $bytes;
}

my $sent = 0;
sub sums_received
{
	my $path = "$out/sums." . $sent++ % 100;
	my $bytes = sums_bytes();

	open my $file, '>:raw', $path or die "$path: $!";
	print $file "PGCOPY\n\xFF\r\n\0", pack('NNnN', 0, 0, 1, length $bytes), $bytes, pack('n', 0xFFFF);
	close $file;
	return "\\copy received FROM '$path' (FORMAT binary)\nSELECT $sums_hold FROM received;\nDELETE FROM received";
}

# A game's model, of names that would like to be statements: its script alone, or made and thrown away. Nothing but the model may
# come of it, and a field has the path that it was given.
my @breakouts = map { my $start = $_; map { $start . $_ } '', '; CREATE TABLE public.canary (); --' } '$funnel$', '$funnel_$', '$script$', '$$', "'", '"', "\\'", "\\\\'", '{schema}',
  "*/", "\n", ')', "');", '");';
sub breakout { return maybe(0.4) ? pick('game', 'g', 'a.b', 'x') . pick(@breakouts) : word() }
sub model
{
	my $made = maybe(0.1);
	my ($server, $topic, $schema) = ($made ? ('here', 'fuzz') : maybe(0.7) ? ('here', 'fuzz') : (breakout(), breakout()), maybe(0.3) ? 'game' : breakout());
	my $path = maybe(0.5) ? 'player_id' : maybe(0.7) ? '"' . breakout() =~ s/(["\\])/\\$1/gr . '"' : breakout();
	my $string = sub { my ($text) = @_; $text =~ s/(["\\])/\\$1/g; $text =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge; return "\"$text\"" };
	my $fields = $made || maybe(0.7) ? '{"player": ' . $string->($path) . (maybe(0.3) ? ', "amount": ' . $string->(pick('price', 'a.b', '"c d"', breakout())) : '') . '}' : json(0);
	my $call = 'telemetry.create_game_model(' . join(', ', map { "$_->[0] => $_->[1]" } [ server => quote($server) ], [ topic => quote($topic) ], [ schema => quote($schema) ],
		[ fields => quote($fields) . '::jsonb' ], [ paused => 'true' ],
		grep { maybe($made ? 0.1 : 0.3) } [ time_zone => quote(pick('UTC', 'Europe/Berlin', 'America/St_Johns', breakout())) ], [ session_gap => interval() ],
		[ churn_days => integer() ], [ exact => boolean() ], [ pipeline => quote(breakout()) ], [ funnel_within => interval() ],
		[ funnel_steps => 'ARRAY[' . join(', ', map { quote(breakout()) } 1 .. int rand 4) . ']::text[]' ]);
	return "SELECT length($call, script_only => true))" unless $made;
	return 'BEGIN;' . (maybe(0.2) ? "\nSET LOCAL standard_conforming_strings = off;" : '') . "\nSELECT $call);\nSELECT 'MODEL DIFFERS' WHERE to_regclass('public.canary') IS NOT NULL"
	  . ' OR 1 <> (SELECT count(*) FROM pg_attribute WHERE attname = ' . "'player_id' AND attrelid = format('%I.player_events_topic', " . quote("${schema}_internal") . ')::regclass'
	  . ' AND attfdwoptions = ARRAY[' . quote("path=$path") . "]::text[]);\nROLLBACK";
}

my @statements = (
	[ 1, \&model ],
	[ 5, sub { "SELECT $sums_hold FROM (SELECT " . quote(sums_text()) . '::telemetry.sums) v(s)' } ], [ 5, \&sums_received ],
	[ 6, sub { 'SELECT * FROM telemetry.seek_pipeline(' . pipeline() . ', offsets => ' . quote(json(maybe(0.8) ? -9 : 0)) . '::jsonb, allow_duplicates => ' . boolean() . ')' } ],
	[ 4, sub { 'SELECT * FROM telemetry.seek_pipeline(' . pipeline() . ', ' . quote(pick(@times, word())) . ', allow_duplicates => ' . boolean() . ')' } ],
	[ 1, sub { 'SELECT * FROM telemetry.seek_pipeline(' . pipeline() . ', ' . text() . ', ' . quote(json(0)) . '::jsonb)' } ],
	[ 5, sub { 'SELECT telemetry.create_pipeline(' . (maybe(0.7) ? "'fresh'" : text()) . ', ' . relation() . ', ' . relation()
		  . ', ' . named(0.15, start_position => sub { quote(pick(@times)) }) =~ s/(.)$/$1, /r . 'paused => ' . boolean() . ')' } ],
	[ 6, sub { 'SELECT telemetry.alter_pipeline(' . join(', ', pipeline(), named(0.1, rename_to => sub { quote(pick('fresh', word())) }, reset => sub { array('text') }, owner => sub { pick("'fuzz_owner'", "'nobody_at_all'", 10, 0) . '::text::regrole' }) || 'workers => 1') . ')' } ],
	[ 1, sub { 'SELECT telemetry.drop_pipeline(' . quote(pick('fresh', 'other', word())) . ', ' . boolean() . ')' } ],
	[ 1, sub { 'SELECT telemetry.pause_pipeline(' . pipeline() . ', ' . text() . ')' } ],
	[ 2, sub { 'SELECT telemetry.resume_pipeline(' . pipeline() . ')' } ],
	[ 3, sub { 'SELECT telemetry.skip_offset(' . pipeline() . ', ' . integer() . ', ' . (maybe(0.6) ? int rand 30 : integer()) . ')' } ],
	[ 2, sub { 'SELECT * FROM telemetry.retry_dead_letters(' . pipeline() . ', up_to => ' . integer() . ', ids => ' . array('bigint') . ')' } ],
	[ 2, sub { 'SELECT telemetry.purge_dead_letters(' . pipeline() . ', before => ' . quote(pick(grep { !/est/i } @times)) . '::timestamptz, ids => ' . array('bigint') . ')' } ],
	[ 3, \&servers ], [ 5, \&tables ], [ 5, \&validator ], [ 5, \&scans ],
	[ 2, sub { 'CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (' . list(@settings) . ");\nDROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER nowhere" } ],
	[ 1, sub { 'ALTER SERVER nowhere OPTIONS (' . pick('ADD ', 'SET ', 'DROP ') . (split / E'/, option(pick(@settings)))[0] . ' ' . quote(word()) . ')' } ],
	[ 1, sub { 'IMPORT FOREIGN SCHEMA ' . pick('"fuzz"', '"%"', '"x"', 'public') . pick('', ' LIMIT TO (fuzz)', ' EXCEPT (fuzz)') . ' FROM SERVER here INTO imported'
		  . (maybe(0.5) ? ' OPTIONS (' . list(@table_options) . ')' : '') } ],
	[ 1, sub { 'INSERT INTO topic (kind, id) VALUES (' . text() . ', ' . int(rand 1000) . ')' } ],
	[ 2, sub { 'SELECT count(*) FROM telemetry.' . pick(qw(stat_pipeline stat_partition stat_worker dead_letter pipeline)) } ],
	[ 1, sub { pick('SET ROLE fuzz_owner', 'RESET ROLE', 'RESET ROLE') } ]);
my @deck = map { my ($weight, $make) = @$_; ($make) x $weight } @statements;

# ---- running --------------------------------------------------------------------------------------

sub fail
{
	my ($why) = @_;
	print "FAILED (SEED=$seed): $why\n";
	system("cp '$log' '$out/server.log'");
	exit 1;
}

# Runs a script; gives what psql said.
sub psql
{
	my ($script) = @_;
	open my $file, '>:utf8', "$out/statements.sql" or die "$out: $!";
	print $file $script;
	close $file;
	open my $pipe, '-|', "timeout -k 5 100 psql -X -q -A -t -e -f '$out/statements.sql' 2>&1" or die $!;
	my $said = do { local $/; <$pipe> };
	close $pipe;
	open $file, '>', "$out/said" or die $!;
	print $file $said // '';
	close $file;
	fail("psql ended with $? (124: it hung); see $out/said, whose last statement is the one") if $? != 0;
	return $said;
}

sub check_log
{
	open my $file, '<', $log or die "$log: $!";
	while (<$file>)
	{
		fail("the server's log, line $.: $_") if /runtime error:|terminated by signal|TRAP:|PANIC/;
	}
	close $file;
	return;
}

srand($seed);
psql(<<"SQL");
\\set ON_ERROR_STOP on
CREATE EXTENSION telemetry;
CREATE ROLE fuzz_owner;
GRANT CREATE, USAGE ON SCHEMA public TO fuzz_owner;
CREATE SCHEMA imported;
CREATE TABLE received (s telemetry.sums);
GRANT ALL ON received TO fuzz_owner;
CREATE SERVER here FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '$broker');
CREATE SERVER nowhere FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
GRANT USAGE ON FOREIGN SERVER here TO fuzz_owner;
CREATE FOREIGN TABLE topic (id bigint, kind text, at timestamptz OPTIONS (metadata 'timestamp'), part integer OPTIONS (metadata 'partition'),
	off bigint OPTIONS (metadata 'offset'), event_time timestamptz) SERVER here OPTIONS (topic 'fuzz', on_error 'skip');
CREATE FOREIGN TABLE ends (part integer OPTIONS (metadata 'partition'), off bigint OPTIONS (metadata 'offset')) SERVER here OPTIONS (topic 'fuzz', format 'text');
CREATE FOREIGN TABLE raw (value text OPTIONS (metadata 'value')) SERVER here OPTIONS (topic 'fuzz', format 'text');
CREATE FOREIGN TABLE weird (id bigint) SERVER nowhere OPTIONS (topic 'fuzz');
CREATE TABLE fact (id bigint, kind text, at timestamptz, part integer, off bigint, event_time timestamptz);
CREATE TABLE fact_key (LIKE fact, PRIMARY KEY (part, off));
CREATE TABLE parts (LIKE fact) PARTITION BY RANGE (event_time);
CREATE TABLE misfit (id boolean, needed integer NOT NULL);
CREATE VIEW topic_view AS SELECT * FROM topic;
GRANT ALL ON topic, raw, fact, fact_key, parts, misfit TO fuzz_owner;
INSERT INTO topic (id, kind, event_time, part) SELECT n, 'k', '2026-01-01Z', n % 4 FROM generate_series(0, 79) n;
INSERT INTO raw SELECT 'bad' FROM generate_series(1, 8);
SELECT telemetry.create_pipeline('running', 'topic', 'fact_key', on_conflict => 'ignore', event_time_column => 'event_time');
SELECT telemetry.create_pipeline('paused', 'topic', 'fact', paused => true);
SQL

while ($statements ? $total < $statements : time < $end)
{
	my $script = "\\set VERBOSITY verbose\nSET client_min_messages = error;\nSET telemetry.kafka_timeout = '300ms';\nSET statement_timeout = '60s';\n";
	for (1 .. 100)
	{
		$script .= pick(@deck)->() . ";\n";
		$total++;
	}
	# What was dropped or given away on the way is made again, so that there is something to meet.
	$script .= "RESET ROLE;\nSELECT telemetry.create_pipeline(name, 'topic', 'fact', paused => true) FROM unnest('{other,paused}'::text[]) name"
	  . " WHERE NOT EXISTS (SELECT FROM telemetry.pipeline p WHERE p.name = unnest.name);\n" =~ s/unnest\.name/name.name/r;
	$script .= "SELECT telemetry.drop_pipeline(name) FROM telemetry.pipeline WHERE name NOT IN ('running', 'paused', 'other') AND random() < 0.3;\n";
	my $said = psql($script);
	fail("the script of a game's model is none; see $out/said") if $said =~ /ERROR:  42601: .*\n(?:.*\n){0,3}?DETAIL:  This is from the script/;
	fail("a game's model is not what was asked for; see $out/said") if $said =~ /^MODEL DIFFERS/m;
	fail("a value of telemetry.sums is not what it was; see $out/said") if $said =~ /^SUMS DIFFER/m;
	while ($said =~ /ERROR:  ([0-9A-Z]{5}): (.*)/g)
	{
		$seen{$1}++;
		fail("an internal error: $1 $2; see $out/said") if $1 =~ /^XX/;
	}
	check_log();
	my $wrong = psql(<<'SQL');
\set ECHO none
SELECT 'offset out of its topic: ' || s::text FROM telemetry.stat_partition s WHERE committed_offset < 0
	OR committed_offset > (SELECT coalesce(max(off), -1) + 1 FROM ends WHERE part = s.partition);
SELECT 'partition that is none: ' || s::text FROM telemetry.stat_partition s WHERE partition NOT BETWEEN 0 AND 3;
SELECT 'no ' || relname FROM unnest('{pipeline,stat_pipeline,stat_worker}'::text[]) r (relname) WHERE NOT EXISTS (SELECT FROM telemetry.stat_pipeline);
SQL
	$wrong =~ s/^(?:SELECT|\\set).*\n//mg;
	fail("afterwards: $wrong") if $wrong =~ /\S/;
}
check_log();
printf "%d statements, errors by code: %s\n", $total, join ', ', map { "$_ $seen{$_}" } sort keys %seen;
