# The image at work, for tools/image, which sources this: the container is a folder that buildah chroots into,
# on the machine's own network. Every case says what it is; the first that fails ends the test.
# shellcheck shell=bash disable=SC2154

# An image's user is postgres, 999.
image_user=999

# Starts the image in the background: run_image LABEL [OPTION of buildah run ...] -- [ARGUMENT ...]
run_image()
{
	local label=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	buildah run "${options[@]}" "$container" -- entrypoint "$@" >"$trial/$label.log" 2>&1 </dev/null &
	runner=$!
	log=$trial/$label.log
}

# The same where it is to end by itself; its status.
run_to_end()
{
	local status=0
	run_image "$@"
	wait "$runner" || status=$?
	runner=
	return $status
}

passed()
{
	cases=$((cases + 1))
	say "  ok $cases - $1"
}

failed()
{
	die "failed: $1; the end of $log: $(tail -n 20 "$log")"
}

expect()
{
	local what=$1
	shift
	"$@" >"$trial/expect.log" 2>&1 || failed "$what ($*): $(tail -n 5 "$trial/expect.log")"
	passed "$what"
}

refuse()
{
	local what=$1
	shift
	! "$@" >"$trial/expect.log" 2>&1 || failed "$what ($*)"
	passed "$what"
}

# What the image itself says is healthy, asked where the server runs, as an engine would.
healthy()
{
	local pid folder user
	pid=$(server_pid 2>/dev/null) || return 1
	[ -e "/proc/$pid" ] || return 1
	user=$(stat -c %u "/proc/$pid")
	folder=$(buildah inspect --format '{{index .OCIv1.Config.Env 0}}' "$container")
	nsenter --target "$pid" --mount --root --setuid "$user" --setgid "$user" -- \
		env -i --chdir=/ "$folder" PGDATA=/var/lib/postgresql/data healthcheck
}

wait_healthy()
{
	local end=$((SECONDS + 240))
	until healthy >/dev/null 2>&1; do
		[ -e "/proc/$runner" ] || failed "$1: it ended"
		[ $SECONDS -lt $end ] || failed "$1: not healthy"
		sleep 0.5
	done
	passed "$1"
}

server_pid()
{
	head -n 1 "$data/postmaster.pid"
}

# As an engine does: STOPSIGNAL, to the first process.
stop_image()
{
	local status=0 signal
	signal=$(buildah inspect --type image --format '{{.Docker.Config.StopSignal}}' "$image")
	kill -s "${signal#SIG}" "$(server_pid)"
	wait "$runner" || status=$?
	runner=
	[ $status -eq 0 ] || failed "$1: status $status"
	grep -q 'fast shutdown request' "$log" || failed "$1: no fast shutdown"
	passed "$1"
}

# Where a file was mounted an empty one stays behind in the container.
fresh_container()
{
	[ -z "${container:-}" ] || buildah rm "$container" >/dev/null
	container=$(buildah from "$image")
	# Of a volume that the image declares buildah makes one itself, over what is mounted there.
	buildah config --volume /var/lib/postgresql/data- "$container"
}

fresh_data()
{
	data=$trial/$1
	volumes=(-v "$data:/var/lib/postgresql/data")
	install -d -o "${2:-$image_user}" -g "${2:-$image_user}" -m 700 "$data"
}

query()
{
	PGPASSWORD=$secret "$(pg_bindir)/psql" -X -A -t -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" \
		-U "${2:-game}" -d "${3:-facts}" -c "$1"
}

answers()
{
	[ "$(query "$1")" = "$2" ]
}

wrong_password()
{
	local secret=wrong
	query 'SELECT 1'
}

write_scripts()
{
	scripts=$trial/scripts
	mkdir "$scripts"
	echo 'CREATE TABLE told (line text); INSERT INTO told VALUES (current_user || current_database());' >"$scripts/10.sql"
	echo "INSERT INTO told VALUES ('gz');" | gzip >"$scripts/20.sql.gz"
	# The server must not count as healthy while scripts still run.
	# shellcheck disable=SC2016 # expanded by the script
	printf '%s\n' '#!/bin/bash' 'set -e' 'if healthcheck; then exit 1; fi' \
		'[ -n "$POSTGRES_PASSWORD" ]' \
		"psql -X -v ON_ERROR_STOP=1 --username \"\$POSTGRES_USER\" --dbname \"\$POSTGRES_DB\" -c \"INSERT INTO told VALUES ('sh \$(id -u)')\"" >"$scripts/30.sh"
	chmod +x "$scripts/30.sh"
	echo "process_sql -c \"INSERT INTO told VALUES ('sourced')\"" >"$scripts/40.sh"
	echo 'not a script' >"$scripts/50.txt"
	chmod -R a+rX "$trial"
}

test_refusals()
{
	fresh_data refused
	refuse "without a password it does not start" run_to_end refused "${volumes[@]}" -- postgres
	expect "and says what to set" grep -q 'hint: set POSTGRES_PASSWORD' "$log"
	expect "and leaves the folder alone" [ -z "$(ls -A "$data")" ]
	refuse "nor with two of them" run_to_end two "${volumes[@]}" -e POSTGRES_PASSWORD=a -e POSTGRES_PASSWORD_FILE=/etc/hostname -- postgres
	expect "and says so" grep -q 'both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set' "$log"
	refuse "nor with a file that is not there" run_to_end gone "${volumes[@]}" -e POSTGRES_PASSWORD_FILE=/run/none -- postgres
	expect "other programs run as they are" run_to_end version -- postgres --version
	expect "and others than the server" run_to_end psql -- psql --version
}

test_first_start()
{
	local file mounts=()
	fresh_data main
	for file in "$scripts"/*; do
		mounts+=(-v "$file:/docker-entrypoint-initdb.d/${file##*/}:ro")
	done
	# shellcheck disable=SC2016 # as it is: nobody is to expand it
	secret='it is a "secret" $HOME'
	printf '%s\n' "$secret" >"$trial/secret"
	chmod 644 "$trial/secret"
	run_image first "${volumes[@]}" "${mounts[@]}" -v "$trial/secret:/run/secrets/password:ro" \
		-e POSTGRES_PASSWORD_FILE=/run/secrets/password -e POSTGRES_USER=game -e POSTGRES_DB=facts \
		-e POSTGRES_INITDB_ARGS='--data-checksums --wal-segsize=1' -- -c port="$port" -c wal_level=logical
	wait_healthy "the first start becomes healthy"
	expect "the password out of a file lets in" answers 'SELECT 1' 1
	refuse "another one does not" wrong_password
	expect "scripts ran, in order, *.sql, *.sql.gz, executable *.sh and *.sh to source" \
		answers "SELECT string_agg(line, ',') FROM told" "gamefacts,gz,sh $image_user,sourced"
	expect "what is no script is named" grep -q 'ignoring /docker-entrypoint-initdb.d/50.txt' "$log"
	expect "the extension is there" answers "SELECT extversion FROM pg_extension WHERE extname = 'telemetry'" \
		"$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$root/telemetry.control")"
	expect "preloaded" answers 'SHOW shared_preload_libraries' telemetry
	expect "arguments of initdb arrive" answers "SELECT current_setting('data_checksums') || current_setting('wal_segment_size')" on1MB
	expect "arguments of the server arrive" answers 'SHOW wal_level' logical
	expect "the server is not root" [ "$(stat -c %u "/proc/$(server_pid)")" = "$image_user" ]
	refuse "the password is not in its environment" grep -q secret "/proc/$(server_pid)/environ"
	stop_image "the stop signal is a fast shutdown, status 0"
	refuse "stopped, it is not healthy" healthy
}

test_restart()
{
	run_image again "${volumes[@]}" -e POSTGRES_USER=somebody -- postgres -c port="$port"
	wait_healthy "it starts again on its folder, without a password"
	expect "and runs no script again" answers 'SELECT count(*) FROM told' 4
	refuse "none is named" grep -q 'running /docker-entrypoint' "$log"
	say "  the demo on it: its log is $trial/demo.log"
	(cd "$root" && PGHOST=127.0.0.1 PGPORT=$port PGUSER=game PGDATABASE=facts PGPASSWORD=$secret SERVER=given EVENTS=20000 \
		examples/demo/run >"$trial/demo.log" 2>&1 </dev/null) || failed "the demo: $(tail -n 20 "$trial/demo.log")"
	passed "the demo passes on it"
	stop_image "it stops with pipelines running"
}

test_failing_script()
{
	fresh_container
	fresh_data broken
	echo 'SELECT 1/0;' >"$trial/broken.sql"
	chmod 644 "$trial/broken.sql"
	refuse "a script that fails ends the first start" run_to_end broken "${volumes[@]}" -e POSTGRES_PASSWORD=x \
		-v "$trial/broken.sql:/docker-entrypoint-initdb.d/broken.sql:ro" -- postgres -c port="$port"
	kill "$(server_pid)" 2>/dev/null || true
	refuse "and what it left is not taken for a database" run_to_end unfinished "${volumes[@]}" -- postgres -c port="$port"
	expect "with a hint" grep -q 'hint: empty it' "$log"
}

test_users()
{
	fresh_container
	fresh_data somebody 4321
	run_image somebody "${volumes[@]}" --user 4321:0 -e POSTGRES_HOST_AUTH_METHOD=trust -- postgres -c port="$port"
	wait_healthy "it runs as a user that has no name"
	expect "which owns the server" [ "$(stat -c %u "/proc/$(server_pid)")" = 4321 ]
	expect "trust is warned of" grep -q 'warning: POSTGRES_HOST_AUTH_METHOD=trust' "$log"
	stop_image "and stops"
	fresh_data rooted 0
	run_image rooted "${volumes[@]}" --user root -e POSTGRES_PASSWORD=x -- postgres -c port="$port"
	wait_healthy "started as root it takes the folder"
	expect "and leaves root" [ "$(stat -c %u "/proc/$(server_pid)")" = "$image_user" ]
	stop_image "and stops"
}

# What docker/compose.yaml mounts and runs, as far as one container can: model, roles, simulator.
test_compose()
{
	fresh_container
	fresh_data compose
	run_image compose "${volumes[@]}" -e POSTGRES_PASSWORD="$secret" -e POSTGRES_DB=game \
		-v "$root/docker/compose/model.sh:/docker-entrypoint-initdb.d/100_model.sh:ro" -- postgres -c port="$port"
	wait_healthy "with the compose file's script it starts"
	expect "the BI role reads KPIs" query 'SELECT * FROM game.kpi_active_users' bi game
	expect "the watcher sees the pipeline" query 'SELECT 1 / count(*) FROM telemetry.stat_pipeline' watcher game
	query 'CREATE TABLE sent (key text, value text)' postgres game || failed "a table for the simulator"
	expect "the simulator runs in the image" buildah run -v "$tree:/telemetry:ro" -e PGHOST=127.0.0.1 -e PGPORT="$port" \
		-e PGUSER=postgres -e PGDATABASE=game -e PGPASSWORD="$secret" "$container" -- \
		entrypoint /telemetry/examples/game/simulate --into sent --rate 100 --seconds 2
	expect "and sends" query 'SELECT 1 / count(*) FROM sent' postgres game
	stop_image "and stops"
}

end_image()
{
	local pid
	if [ -n "${runner:-}" ] && [ -e "/proc/$runner" ]; then
		pid=$(server_pid 2>/dev/null || true)
		[ -z "$pid" ] || kill -QUIT "$pid" 2>/dev/null || true
		kill "$runner" 2>/dev/null || true
	fi
	[ -z "${container:-}" ] || buildah rm "$container" >/dev/null || true
	rm -rf "${trial:?}"/*/ "${tree:?}"
}

test_image()
{
	local user
	cases=0
	runner=
	port=$(free_port)
	trial=$work/test
	rm -rf "$trial"
	mkdir -p "$trial"
	say "trying the image; logs are in $trial"
	container=
	fresh_container
	tree=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-tree-XXXXXX")
	trap end_image EXIT
	chroot_tree "$tree"
	chmod a+rx "$tree"
	trap 'exit 130' INT
	trap 'exit 143' TERM
	user=$(buildah inspect --type image --format '{{.Docker.Config.User}}' "$image")
	log=$work/log
	expect "the image's user is not root" [ "$user" = postgres ]
	expect "it has a health check" [ "$(buildah inspect --type image --format '{{index .Docker.Config.Healthcheck.Test 1}}' "$image")" = healthcheck ]
	write_scripts
	test_refusals
	test_first_start
	test_restart
	test_failing_script
	test_users
	test_compose
	say "$cases passed, 0 failed"
}
