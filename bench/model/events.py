"""Events of a game for the benchmark, as lines that kafka_tool produces: PARTITION, KEY, VALUE.

    events.py ROWS DAYS     that many over so many days: on each, 10,000 of 100,000 players have one session in which
                            each has an event every ten seconds (33 of them with 10,000,000 rows over 30 days)
    events.py ROWS 0 RATE   the same players, written at RATE a second, with the time of writing as event time

One event in thirty is a purchase, one in a thousand comes an hour late.
"""
import datetime
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import paced  # noqa: E402

ACTIONS = (["login", "match_start", "quest_start", "chat", "match_end", "quest_complete", "chat", "level_up", "match_start", "match_end"] * 3)[:29] + ["purchase"]
DEVICES = ["ios", "android", "pc", "console"]
REGIONS = ["eu", "us", "asia", "latam"]
CURRENCIES = ["EUR", "USD", "JPY", "BRL"]
START = datetime.datetime(2026, 1, 1, 18, tzinfo=datetime.timezone.utc)
ONLINE = 10000
PLAYERS = 100000


def line(i, day, stamp):
    player = (i % ONLINE * 7919 + day * (7 + i % ONLINE % 3) * 104729) % PLAYERS
    action = ACTIONS[(i // ONLINE + i) % 30]
    money = ',"amount":%.2f,"currency":"%s"' % (0.99 + i % 20, CURRENCIES[player % 4]) if action == "purchase" else ""
    return ('-1\t%d\t{"player_id":"%d","game_id":"g%d","action":"%s","timestamp":"%s"%s,'
            '"region":"%s","level":%d,"device":"%s"}\n' % (
                player, player, player % 5, action, stamp, money,
                REGIONS[player % 4], 1 + player % 50 + day // 3, DEVICES[player // 7 % 4]))


def main():
    rows, days = int(sys.argv[1]), int(sys.argv[2])
    write = sys.stdout.write
    if days:
        a_day = (rows + days - 1) // days
        for i in range(rows):
            day, n = divmod(i, a_day)
            if n % ONLINE == 0:
                at = START + datetime.timedelta(days=day, seconds=10 * (n // ONLINE))
                stamps = [(at + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" for ms in range(0, 10000, 10)]
                late = (at - datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            write(line(n, day, late if n % 1000 == 7 else stamps[n % ONLINE // 10]))
        return
    paced.write(rows, int(sys.argv[3]), lambda i, now: line(i, 0, now))


main()
