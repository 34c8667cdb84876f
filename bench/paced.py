"""Writes lines to the standard output at a rate, for the benchmarks' generators."""
import datetime
import sys
import time

TOGETHER = 50  # lines between two looks at the clock
CONNECTING = 1.5  # seconds


def write(rows, rate, line):
    """line(i, now) for each i below rows, rate of them a second.

    The first one comes a while before the others: a producer connects when it has something to send, and lines would
    grow old meanwhile.
    """
    def put(i):
        now = datetime.datetime.now(datetime.timezone.utc)
        sys.stdout.write(line(i, now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))

    put(0)
    sys.stdout.flush()
    begin = time.time() + CONNECTING
    for i in range(1, rows):
        if i == 1 or i % TOGETHER == 0:
            ahead = begin + i / rate - time.time()
            if ahead > 0:
                sys.stdout.flush()
                time.sleep(ahead)
        put(i)
