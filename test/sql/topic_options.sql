-- Options of telemetry_kafka: what is taken, and every error. No broker is needed.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE ROLE topic_user;
CREATE SCHEMA topic_options;
GRANT ALL ON SCHEMA topic_options TO topic_user;
SET search_path = topic_options;

-- Servers
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka;
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_server 'a:1');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "bootstrap.servers" 'b:1');
-- what is no list of brokers
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers ' , ');
DO $$
DECLARE servers text; taken text := '';
BEGIN
	FOREACH servers IN ARRAY ARRAY['kafka', 'kafka:9092', 'a.b-c:1,d_e:65535', ' a:1 , b:2,', '::1', 'fe80::1', '[::1]', '[::1]:9092', 'PLAINTEXT://a:1',
		'a:b', 'a:0', 'a:65536', 'a:9092:1', 'a:', ':9092', 'a b:1', 'a;b:1', 'a:1;b:1', 'http://a:1/', 'user@a:1', '[::1', '[::1]9092', 'a:1 b:1'] LOOP
		BEGIN
			EXECUTE format('CREATE SERVER brokers FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers %L)', servers);
			DROP SERVER brokers;
			taken := taken || format(' "%s"', servers);
		EXCEPTION WHEN fdw_invalid_attribute_value THEN
			NULL;
		END;
	END LOOP;
	RAISE WARNING 'taken:%', taken;
END $$;
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1,kafka:9O92');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', nothing_like_it 'b');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', topic 'x');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', sasl_password 'topsecret');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', security_protocol 'tls');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', sasl_mechanism 'OAUTHBEARER');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "fetch.min.bytes" 'many');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "fetch.min.bytes" '0');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', isolation_level 'dirty');
-- ours
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "group.id" 'g');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "enable.auto.commit" 'true');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "auto.offset.reset" 'latest');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', acks '0');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "queued.max.messages.kbytes" '1');
CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "sasl.mechanisms" 'PLAIN');
-- every setting that we own is refused with a hint
DO $$
DECLARE
	name text;
	hint text;
BEGIN
	FOREACH name IN ARRAY '{group.id,group.instance.id,partition.assignment.strategy,enable.auto.commit,
		auto.commit.interval.ms,enable.auto.offset.store,auto.offset.reset,enable.partition.eof,
		queued.max.messages.kbytes,acks,request.required.acks,enable.idempotence,transactional.id,
		allow.auto.create.topics,log.queue,statistics.interval.ms,metadata.broker.list,sasl.mechanisms,
		compression.codec}'::text[]
	LOOP
		BEGIN
			EXECUTE format('CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers ''a:1'', %I ''1'')', name);
			RAISE EXCEPTION '% was taken', name;
		EXCEPTION WHEN fdw_invalid_option_name THEN
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
			IF SQLERRM <> format('option "%s" is set by telemetry itself', name) OR hint = '' THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;

CREATE SERVER t FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1',
	client_id 'me', isolation_level 'read_uncommitted', security_protocol 'sasl_ssl', sasl_mechanism 'SCRAM-SHA-512',
	ssl_ca_location '/etc/ssl/ca.pem', "fetch.min.bytes" '1', compression_type 'zstd', "linger.ms" '20');
ALTER SERVER t OPTIONS (DROP bootstrap_servers);
ALTER SERVER t OPTIONS (SET client_id 'you', DROP ssl_ca_location);

-- What reads files or runs commands is for superusers; so is Kerberos
GRANT USAGE ON FOREIGN DATA WRAPPER telemetry_kafka TO topic_user;
SET ROLE topic_user;
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', ssl_ca_location '/etc/passwd');
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "plugin.library.paths" '/tmp/x.so');
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', "sasl.kerberos.kinit.cmd" 'id');
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', debug 'all');
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', sasl_mechanism 'GSSAPI');
CREATE SERVER u FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers 'a:1', sasl_mechanism 'PLAIN');
CREATE USER MAPPING FOR topic_user SERVER u OPTIONS (ssl_key_location '/etc/shadow');
CREATE USER MAPPING FOR topic_user SERVER u OPTIONS (sasl_username 'me', sasl_password 'topsecret');
CREATE FOREIGN TABLE forbidden (a int) SERVER t OPTIONS (topic 'x');
RESET ROLE;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{ssl.ca.location,ssl.certificate.location,ssl.key.location,ssl.keystore.location,
		ssl.crl.location,ssl.engine.location,ssl.engine.id,ssl.providers,plugin.library.paths,debug,
		sasl.kerberos.service.name,sasl.kerberos.principal,sasl.kerberos.keytab,sasl.kerberos.kinit.cmd,
		sasl.kerberos.min.time.before.relogin}'::text[]
	LOOP
		BEGIN
			SET LOCAL ROLE topic_user;
			EXECUTE format('ALTER SERVER u OPTIONS (ADD %I ''1'')', name);
			RAISE EXCEPTION '% was taken from topic_user', name;
		EXCEPTION WHEN insufficient_privilege THEN
			IF SQLERRM <> format('permission denied to set option "%s"', name) THEN
				RAISE;
			END IF;
		END;
	END LOOP;
END $$;

-- Secrets
CREATE USER MAPPING FOR topic_user SERVER t OPTIONS (sasl_usernam 'me');
CREATE USER MAPPING FOR topic_user SERVER t OPTIONS (bootstrap_servers 'a:1');
CREATE USER MAPPING FOR public SERVER t OPTIONS (ssl_key_pem 'topsecret');
CREATE USER MAPPING FOR topic_user SERVER t OPTIONS (sasl_username 'me', sasl_password 'topsecret');
ALTER USER MAPPING FOR topic_user SERVER t OPTIONS (SET sasl_password '');

-- Tables
CREATE FOREIGN TABLE f (a int) SERVER t;
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic '');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'a/b');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic '..');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', formt 'json');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', format 'jsn');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', format 'protobuf');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', on_error 'ignore');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', compact 'perhaps');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', sasl_password 'topsecret');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', bootstrap_servers 'elsewhere:1');
CREATE FOREIGN TABLE f (a text OPTIONS (metadata 'value')) SERVER t OPTIONS (topic 'x', format 'text', key_column 'a');
CREATE FOREIGN TABLE f (a int) SERVER t OPTIONS (topic 'x', "check.crcs" 'false', "linger.ms" '1', compact 'on', on_error 'skip', key_column 'a');

-- Columns
CREATE FOREIGN TABLE g (a int OPTIONS (pth 'x')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a int OPTIONS (path 'a..b')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a int OPTIONS (path '$.a')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a int OPTIONS (metadata 'ofset')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a int OPTIONS (metadata 'all')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a int OPTIONS (metadata 'partition', path 'x')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a timestamptz OPTIONS (metadata 'timestamp', timestamp_format 'epoch_ms')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a timestamptz OPTIONS (timestamp_format 'epoch')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a timestamptz OPTIONS (topic 'epoch')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (time_zone 'Europa/Berlin')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (time_zone 'CEST')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (time_zone 'UTC+2')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (time_zone '')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (time_zone 'UTC', metadata 'offset')) SERVER t OPTIONS (topic 'x');
CREATE FOREIGN TABLE g (a date OPTIONS (timezone 'UTC')) SERVER t OPTIONS (topic 'x');

-- What only shows when the table is used
CREATE FOREIGN TABLE h1 (a int) SERVER t OPTIONS (topic 'x', format 'text');
SELECT * FROM h1;
CREATE FOREIGN TABLE h2 (a text OPTIONS (metadata 'headers')) SERVER t OPTIONS (topic 'x');
SELECT * FROM h2;
CREATE FOREIGN TABLE h3 (a int, k text OPTIONS (metadata 'key')) SERVER t OPTIONS (topic 'x', key_column 'a');
INSERT INTO h3 VALUES (1);
CREATE FOREIGN TABLE h4 (a int) SERVER t OPTIONS (topic 'x', key_column 'b');
INSERT INTO h4 VALUES (1);
CREATE FOREIGN TABLE h5 (k text OPTIONS (metadata 'key'), l text OPTIONS (metadata 'key')) SERVER t OPTIONS (topic 'x');
INSERT INTO h5 VALUES ('1');
CREATE FOREIGN TABLE h6 (a int OPTIONS (path 'x[0]'), b int OPTIONS (path 'x.y')) SERVER t OPTIONS (topic 'x');
INSERT INTO h6 VALUES (1, 2);
CREATE FOREIGN TABLE h7 (a timestamptz[] OPTIONS (timestamp_format 'epoch_s')) SERVER t OPTIONS (topic 'x');
INSERT INTO h7 VALUES ('{}');
CREATE FOREIGN TABLE h9 (a timestamptz OPTIONS (time_zone 'Europe/Berlin')) SERVER t OPTIONS (topic 'x');
SELECT * FROM h9;
CREATE FOREIGN TABLE h10 (a timestamptz OPTIONS (timestamp_format 'epoch_s'), b int[] OPTIONS (timestamp_format 'iso8601')) SERVER t OPTIONS (topic 'x');
SELECT * FROM h10;
CREATE SERVER half FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1', security_protocol 'sasl_plaintext');
CREATE FOREIGN TABLE h8 (a int) SERVER half OPTIONS (topic 'x');
SELECT * FROM h8;
UPDATE h8 SET a = 1;
DELETE FROM h8;
TRUNCATE h8;
ANALYZE h8;
SELECT telemetry.telemetry_kafka_validator('{a=1}', 'pg_class'::regclass);

-- Any names and values at all: taken, or refused as an option is
DO $$
DECLARE
	catalogs regclass[] := '{pg_foreign_data_wrapper,pg_foreign_server,pg_user_mapping,pg_foreign_table,pg_attribute}';
	names text[] := '{topic,format,path,metadata,compact,bootstrap_servers,sasl_mechanism,fetch.min.bytes,ssl_key_pem,linger.ms,x}';
	pieces text[] := ARRAY['json', 'a', '.', '[', ']', '"', '0', '99999999999999999999', '-1', 'é', E'\n', '\', '%s%n', '=', ',', 'true', repeat('z', 300), ' '];
	option text;
	state text;
	states text[] := '{}';
BEGIN
	PERFORM setseed(0.42);
	FOR i IN 1 .. 4000 LOOP
		option := names[1 + floor(random() * 11)::int];
		IF random() < 0.3 THEN
			option := option || pieces[1 + floor(random() * 9)::int];
		END IF;
		option := option || '=' || (SELECT coalesce(string_agg(pieces[1 + floor(random() * 18)::int], ''), '') FROM generate_series(1, (i % 5)));
		BEGIN
			PERFORM telemetry.telemetry_kafka_validator(ARRAY['topic=t', option], catalogs[1 + floor(random() * 5)::int]);
			state := '00000';
		EXCEPTION WHEN OTHERS THEN
			state := SQLSTATE;
		END;
		IF state <> ALL (states) THEN
			states := states || state;
		END IF;
	END LOOP;
	FOR i IN 1 .. array_length(states, 1) LOOP
		IF states[i] NOT IN ('00000', 'HV00D', 'HV024', 'HV00J') THEN
			RAISE EXCEPTION 'unexpected SQLSTATE %', states[i];
		END IF;
	END LOOP;
	IF array_length(states, 1) < 3 THEN
		RAISE EXCEPTION 'too few outcomes: %', states;
	END IF;
END $$;

-- The wrapper itself takes none
ALTER FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (ADD topic 'x');

-- A broker that is not there: within the time set, with what went wrong. The system's words differ.
CREATE SERVER nobody FOREIGN DATA WRAPPER telemetry_kafka OPTIONS (bootstrap_servers '127.0.0.1:1');
CREATE FOREIGN TABLE n (a int) SERVER nobody OPTIONS (topic 'x');
SET telemetry.kafka_timeout = 200;
\set VERBOSITY sqlstate
SELECT * FROM n;
INSERT INTO n VALUES (1);
IMPORT FOREIGN SCHEMA x FROM SERVER nobody INTO topic_options;
\set VERBOSITY default
EXPLAIN (COSTS OFF) SELECT * FROM n;

-- Secrets stand where PostgreSQL keeps them from others, and nowhere else
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname IN ('t', 'u') ORDER BY 1, 2;
SET ROLE topic_user;
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname = 't' ORDER BY 1, 2;
RESET ROLE;

DROP SCHEMA topic_options CASCADE;
DROP SERVER t, u, half, nobody CASCADE;
DROP OWNED BY topic_user;
DROP ROLE topic_user;
