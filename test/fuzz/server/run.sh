# Fuzzes within a server (fuzz_server.c): to be sourced by the run of a fuzzer, after `set -euo pipefail`, with root set.
# shellcheck shell=bash

root=${root:?}
. "$root/test/fuzz/lib.sh"

server_out=$root/build/fuzz/server

# telemetry.so with libFuzzer's coverage and the sanitizers of clang, libFuzzer as a library that a server can be
# started with, and the module that runs it. One fuzzer builds, others wait.
server_build()
{
	local flags module=$server_out/module
	have clang || die "clang is missing; type: apt-get install clang"
	mkdir -p "$server_out/tree" "$module"
	exec 8>"$server_out/lock"
	flock 8
	cd "$root" || exit
	[ ! -d "$server_out/tree/src" ] || find "$server_out/tree/src" "$server_out/tree/sql" -name '*.[chs]*' ! -name '*.o' -delete
	find Makefile telemetry.control src sql -type f ! -name '*.[od]' -print0 | xargs -0 cp -p --parents -t "$server_out/tree"
	flags="-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=alignment"
	flags+=" -fno-sanitize-recover=undefined -Wno-everything"
	make -s --no-print-directory -C "$server_out/tree" -j2 CC=clang COPT="$flags" stage
	clang -shared -o "$module/libfuzzer.so" -Wl,--whole-archive \
		"$(clang -print-file-name="lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a")" -Wl,--no-whole-archive -lstdc++ -lm -lpthread
	clang -std=gnu99 -g -O1 -D_GNU_SOURCE -fPIC -shared -fno-omit-frame-pointer -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
		-fsanitize=address \
		-isystem "$("${PG_CONFIG:-pg_config}" --includedir-server)" -o "$module/fuzz_server.so" test/fuzz/server/*.c
	clang -shared -fPIC -O1 -fno-builtin -o "$module/no_gettext.so" tools/no_gettext.c
	flock -u 8
}

# What servers are started with: folder, in which module/*.so are and that the servers' user can read.
server_environment()
{
	local asan
	asan=$(clang -print-file-name="lib/linux/libclang_rt.asan-$(uname -m).so")
	cp "$server_out"/module/*.so "$1/"
	chmod -R a+rX "$1"
	export TELEMETRY_STAGE=$server_out/tree/build/stage
	# libFuzzer comes first, for the other runtime has functions of the same names that do nothing. A stack that moves is
	# not what the server measures its depth by; what it forgets at its end is no leak.
	SERVER_ENV="LD_PRELOAD=$1/libfuzzer.so:$asan:$1/no_gettext.so"
	SERVER_ENV+=" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0:verify_asan_link_order=0"
	SERVER_ENV+=":handle_segv=${HANDLE_SEGV:-0}:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1"
	export SERVER_ENV
}

# Runs a target: name, seconds, arguments of libFuzzer. What the server reads and writes is in a folder that its user
# can reach.
server_fuzz()
{
	local name=$1 length place began status=0 inputs out=$root/build/fuzz/$1
	length=$(fuzz_length "$2")
	server_build
	mkdir -p "$out/corpus"
	place=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-fuzz-XXXXXX")
	# shellcheck disable=SC2064 # now, while the name is known
	trap "rm -rf '$place'" EXIT
	server_environment "$place"
	mkdir "$place/corpus" "$place/found"
	cp "$root/test/fuzz/corpus/$name"/* "$place/corpus/"
	cp "$root/test/fuzz/$name/words" "$place/words"
	# What an earlier run learnt is where this one begins.
	find "$out/corpus" -type f -exec cp -t "$place/found" {} +
	chmod -R a+rX "$place"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R "$(unprivileged_user)" "$place"
	fi
	began=$SECONDS
	# Nobody else is to be at work in that server.
	"$root/tools/cluster" run telemetry.enabled=off log_min_messages=fatal autovacuum=off deadlock_timeout=1h -- \
		bash "$root/test/fuzz/server/inner" "$place" "$name" "$length" "${@:3}" >"$out/said" 2>&1 </dev/null || true
	find "$place/found" -type f -exec cp -t "$out/corpus" {} +
	rm -f "$out"/crash-* "$out"/timeout-* "$out"/oom-* "$out"/slow-unit-*
	cp "$place"/crash-* "$place"/timeout-* "$place"/oom-* "$place"/slow-unit-* "$out/" 2>/dev/null || true
	cp "$place/log" "$out/log" 2>/dev/null || cp "$out/said" "$out/log"
	tail -n 60 "$out/log" | cut -c 1-300
	# The process of the server ends with the run, or a round of it, well or not: the log knows.
	inputs=$(awk '/^stat::number_of_executed_units:/ { inputs += $2 } END { print inputs + 0 }' "$out/log")
	if ! tail -n 5 "$out/log" | grep -q '^fuzz: came to its end$' || [ "$inputs" -eq 0 ]; then
		status=1
		tail -n 5 "$out/said"
	fi
	fuzz_end "$name" "$inputs" $((SECONDS - began)) "$status"
}
