# Shared by the scripts of this repository; to be sourced after `set -euo pipefail`.
# shellcheck shell=bash

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "${0##*/}: $*"
	exit 1
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# A TCP port of 127.0.0.1 where nobody listens, outside the range of outgoing connections, so that
# no client takes it between now and its use.
free_port()
{
	local port tries given
	# One that was given away lately may not be in use yet.
	given=${TMPDIR:-/tmp}/telemetry-ports-$(id -u)
	mkdir -p "$given"
	find "$given" -mindepth 1 -type d -empty -mmin +2 -delete 2>/dev/null || true
	for ((tries = 0; tries < 200; tries++)); do
		port=$((15000 + RANDOM % 15000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && mkdir "$given/$port" 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	die "no free port found"
}

# The folder with initdb and postgres of the installation we build against; in a container, which builds
# nothing, that of psql.
pg_bindir()
{
	if have "${PG_CONFIG:-pg_config}" || ! have psql; then
		"${PG_CONFIG:-pg_config}" --bindir
	else
		dirname "$(command -v psql)"
	fi
}

pg_major()
{
	"${PG_CONFIG:-pg_config}" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'
}

# Who runs servers and tests when we are root: PostgreSQL refuses root.
unprivileged_user()
{
	if id -u postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}
