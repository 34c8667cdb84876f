# Shared by the runs of fuzzers; to be sourced after `set -euo pipefail`, with root set.
# shellcheck shell=bash
#
# A fuzzer is run for the seconds that its run is told, or, with INPUTS=n in the environment, for so many inputs
# (`make fuzz INPUTS=10000000`). Its last line is "fuzz NAME: N inputs in N s, N findings".

root=${root:?}
. "$root/tools/common.sh"

# Says how it went, and ends: name, inputs, seconds, findings.
fuzz_end()
{
	echo "fuzz $1: $2 inputs in $3 s, $4 findings"
	[ "$4" -eq 0 ]
}

# For how long, as libFuzzer wants to hear it.
fuzz_length()
{
	if [ -n "${INPUTS:-}" ]; then
		echo "-runs=$INPUTS"
	else
		echo "-max_total_time=$1"
	fi
}

# Runs a libFuzzer program: name, seconds, program, its arguments. It begins with the corpus that is kept; what it
# finds on the way goes to build/fuzz/NAME/corpus, and an input that fails to build/fuzz/NAME. An input hangs after two minutes,
# by the wall clock: on a busy machine a process may get nothing for tens of seconds.
fuzz_run()
{
	local name=$1 out=$root/build/fuzz/$1 began=$SECONDS status=0 inputs length
	length=$(fuzz_length "$2")
	mkdir -p "$out/corpus"
	"${@:3}" "$length" -timeout=120 -print_final_stats=1 -verbosity=0 -artifact_prefix="$out/" "$out/corpus" \
		"$root/test/fuzz/corpus/$name" >"$out/log" 2>&1 || status=$?
	tail -n 60 "$out/log" | cut -c 1-300
	inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/log")
	fuzz_end "$name" "${inputs:-0}" $((SECONDS - began)) $((status != 0))
}
