"""Events for the benchmark, as lines that kafka_tool produces: PARTITION, KEY, VALUE.

    events.py ROWS          that many, over two days of event time
    events.py ROWS RATE     the same, written at RATE a second, with the time of writing as event time
"""
import datetime
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import paced  # noqa: E402

ACTIONS = ["login", "logout", "level_up", "purchase", "quest_start", "quest_complete", "chat",
           "match_start", "match_end"]
DEVICES = ["ios", "android", "pc", "console"]
REGIONS = ["eu", "us", "asia", "latam"]
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
SECONDS = 2 * 86400


def line(i, stamp):
    player = i * 7919 % 200000
    return ('-1\t%d\t{"player_id":"%d","game_id":"g%d","action":"%s","timestamp":"%s",'
            '"amount":%.2f,"region":"%s","level":%d,"context":{"device":"%s"}}\n' % (
                player, player, player % 5, ACTIONS[i % 9], stamp, i % 1000 / 10,
                REGIONS[player % 4], player % 60, DEVICES[i % 4]))


def main():
    rows = int(sys.argv[1])
    write = sys.stdout.write
    if len(sys.argv) == 2:
        stamps = [(START + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%S")
                  for s in range(SECONDS)]
        for i in range(rows):
            write(line(i, "%s.%03dZ" % (stamps[i * SECONDS // rows], i % 1000)))
        return
    paced.write(rows, int(sys.argv[2]), line)


main()
