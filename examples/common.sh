# What the examples' run scripts share: a cluster and a broker of their own, and the line that tells how the ingest
# goes. To be sourced after tools/common.sh, in the root folder.
# shellcheck shell=bash

dir=
broker_dir=
kept=

clean_up()
{
	[ -z "$kept" ] || return 0
	if [ -e "$broker_dir/kafka" ]; then
		test/brokers/kafka kill "$broker_dir/kafka" || true
	fi
	if [ -n "$dir" ] && [ -e "$dir/data" ]; then
		# The broker goes with the server.
		tools/cluster stop "$dir" || true
	fi
	[ -z "$dir" ] || rm -rf "$dir"
	[ -z "$broker_dir" ] || rm -rf "$broker_dir"
}

headline()
{
	if [ -t 1 ]; then
		printf '\n\033[1m%s\033[0m\n' "$*"
	else
		printf '\n%s\n' "$*"
	fi
}

# psql on the example's cluster, quiet, and stopping at an error.
sql()
{
	"$(pg_bindir)/psql" -X -q -v ON_ERROR_STOP=1 "$@"
}

value()
{
	sql -A -t -c "$1"
}

# The embedded broker ends when its standard input does, and that when the server ends.
start_mock()
{
	# 32 partitions: the mock keeps 5 MiB of each, and the whole stream shall fit.
	# shellcheck disable=SC2016 # expanded by the shell that is started
	setsid bash -c 'tail --pid="$1" -f /dev/null | exec "$2" "$3:32"' bash "$server" \
		"$PWD/build/test/mock_broker" "$1" >"$broker_dir/address" 2>"$broker_dir/log" </dev/null &
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$broker_dir/address" ] || break
		sleep 0.1
	done
	broker=$(head -n 1 "$broker_dir/address")
	[ -n "$broker" ] || die "the embedded broker did not start: $(cat "$broker_dir/log")"
}

start_kafka()
{
	test/brokers/kafka start "$broker_dir/kafka" --with-pid "$server" >/dev/null
	broker=$(test/brokers/kafka address "$broker_dir/kafka")
	build/test/kafka_tool "$broker" create "$1" 4
}

# Builds, and starts a cluster and a broker with one topic. Afterwards $broker is its address, and psql finds the cluster.
start_servers()
{
	local topic=$1 variables
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM

	tools/install_dependencies demo
	headline "Building into ./build"
	make -s stage test-tools
	[ "${KAFKA:-}" != real ] || test/brokers/kafka fetch

	# The broker lives as long as the process $server does.
	if [ "${SERVER:-}" = given ]; then
		headline "Starting a broker of our own"
		server=$$
	else
		headline "Starting a PostgreSQL cluster and a broker of our own"
		dir=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-XXXXXX")
		variables=$(tools/cluster start -d "$dir")
		eval "$variables"
		server=$(head -n 1 "$dir/data/postmaster.pid")
	fi
	broker_dir=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-broker-XXXXXX")
	if [ "${KAFKA:-}" = real ]; then
		start_kafka "$topic"
	else
		start_mock "$topic"
	fi
	echo "  $(value 'SELECT version()' | cut -d' ' -f 1-2) in ${dir:-$PGHOST}, $([ "${KAFKA:-}" = real ] && echo 'Apache Kafka' || echo 'an embedded broker') at $broker"
}

# One line, rewritten in place, until a pipeline has read all that was sent: what became of the messages, the lag that
# is left, and how fast it goes. Every look is a line of the file: milliseconds, facts, dead letters, messages left.
watch_lag()
{
	local pipeline=$1 sent=$2 looks=$3 began now moved shown=0 before=-1 stored dead twice read state error
	began=$(date +%s%N)
	moved=$began
	: >"$looks"
	while :; do
		# The worker's own lag is what the broker told it last; here it is known what was sent.
		IFS='|' read -r stored dead twice state error < <(sql -A -t -v pipeline="$pipeline" -f examples/progress.sql)
		now=$(date +%s%N)
		read=$((stored + dead + twice))
		[ "$read" -eq "$before" ] || moved=$now
		before=$read
		echo "$(((now - began) / 1000000)),$stored,$dead,$((sent - read))" >>"$looks"
		if [ -t 1 ] || [ "$read" -ge "$sent" ] || [ $((now - shown)) -gt 500000000 ]; then
			[ ! -t 1 ] || printf '\r'
			printf '  %9d facts  %6d dead letters  lag %9d  after %5.1f s ' "$stored" "$dead" $((sent - read)) \
				"$(((now - began) / 1000000))e-3"
			[ -t 1 ] || echo
			shown=$now
		fi
		[ "$read" -lt "$sent" ] || break
		[ "$state" != paused ] || die "the pipeline paused: $error"
		[ $((now - moved)) -lt 60000000000 ] || die "nothing more arrives: $state $error"
		sleep 0.05
	done
	[ ! -t 1 ] || echo
	elapsed=$(((now - began) / 1000000))
	echo "  $sent messages in $elapsed ms: $((sent * 1000 / (elapsed + 1))) events/s, the worker's start included"
}

# The last line of check.sql must say that nothing was lost or repeated.
check_exactly_once()
{
	local sent arrived repeated lost
	IFS='|' read -r sent arrived repeated lost < <(sql -A -t -f "$1" | tail -n 1)
	[ "$repeated $lost" = "0 0" ] || die "of $sent messages $arrived arrived, $lost are lost and $repeated repeated"
}

# Leaves everything up, and says how to reach and remove it.
keep()
{
	kept=1
	cat <<-END

		Left running, as you asked. Look around:
		  $(pg_bindir)/psql -h $PGHOST -p $PGPORT -U postgres postgres
		$1
		Stop and remove it, broker included:
		  $PWD/tools/cluster stop $dir; rm -rf $broker_dir
	END
}
