"""Writes lines to the standard output at a rate, for the benchmarks' generators."""
import datetime
import sys
import time

TOGETHER = 50  # lines between two looks at the clock


def write(rows, rate, line):
    """line(i, now) for each i below rows, rate of them a second."""
    begin = time.time()
    for i in range(rows):
        if i % TOGETHER == 0:
            ahead = begin + i / rate - time.time()
            if ahead > 0:
                sys.stdout.flush()
                time.sleep(ahead)
        now = datetime.datetime.now(datetime.timezone.utc)
        sys.stdout.write(line(i, now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
