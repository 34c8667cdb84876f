"""Stacks of `perf script -F ip,sym` by what the ingest worker was doing.

    classify.py EVENTS SECONDS [leaves] < stacks

A stack belongs to the part of the innermost of its functions that PARTS knows; leaves: with the functions of each part.
"""
import collections
import re
import sys

PARTS = {
    "telemetry_ingest_main": "reading from librdkafka, and the worker itself",
    "batch_commit": "offsets, counters, all else of a batch",
    "source_rows": "decoding",
    "dimensions_resolve": "keys of dimensions: found, or members made",
    "dimensions_update": "attributes of members that follow the newest event",
    "follow": "attributes of members that follow the newest event",
    "partitions_ensure": "rows: routing, constraints, buffers, partitions",
    "fast_insert": "rows: routing, constraints, buffers, partitions",
    "heap_multi_insert": "rows: into the heap, with WAL",
    "ExecARInsertTriggers": "rows kept for the views (transition table)",
    "AfterTriggerSaveEvent": "rows kept for the views (transition table)",
    "RI_FKey_check_ins": "foreign keys that PostgreSQL checks",
    "collect_for": "queries of the views over the facts",
    "collect_rows": "queries of the views over the facts",
    "fold_now": "folds: all else",
    "fold_all": "folds: all else",
    "with_view": "folds: rows merged into states",
    "session_fold": "folds: rows merged into states",
    "upsert_groups": "folds: rows merged into states",
    "upsert_changing_groups": "folds: rows merged into states",
    "collect_public": "folds: changed rows as views over them read them",
    "unchanged_leave_out": "folds: which rows changed for a view over views",
    "process_commit": "commit",
    "CommitTransaction": "commit",
}
# The same function stands in both.
INSIDE_FOLDS = {"collect_run": "folds: queries of views over views"}


def stacks(lines):
    stack = []
    for line in lines:
        parts = line.split(None, 1)
        if parts:
            name = parts[1].strip() if len(parts) > 1 else "?"
            stack.append(re.sub(r"(\.(isra|part|constprop|cold)(\.\d+)?)+$", "", name))
        elif stack:
            yield stack
            stack = []
    if stack:
        yield stack


def part_of(stack):
    part = "elsewhere"
    for name in reversed(stack):
        part = PARTS.get(name, part)
        if part.startswith("folds"):
            part = INSIDE_FOLDS.get(name, part)
    return part


def main():
    events, seconds = int(sys.argv[1]), float(sys.argv[2])
    parts = collections.Counter()
    inside = collections.defaultdict(collections.Counter)
    for stack in stacks(sys.stdin):
        part = part_of(stack)
        parts[part] += 1
        for name in set(stack):
            inside[part][name] += 1
    total = sum(parts.values())
    each = seconds / events * 1e6 / total
    print("| %-52s | %s |  share |" % ("%d samples" % total, "µs an event"))
    print("| --- | ---: | ---: |")
    for part, n in parts.most_common():
        print("| %-52s | %11.2f | %4.1f %% |" % (part, each * n, 100 * n / total))
        if len(sys.argv) > 3:
            for name, m in inside[part].most_common(40):
                print("      %6.2f %s" % (each * m, name))
    print("| %-52s | %11.2f | %4.0f %% |" % ("the worker's processor time", seconds / events * 1e6, 100))


main()
