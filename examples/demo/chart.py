#!/usr/bin/python3
"""Draws events per minute by action, stacked, from CSV on standard input into a PNG file.

usage: chart.py FILE.png < events.csv       (columns: minute, action, events)
"""
import csv
import sys
from collections import defaultdict
from datetime import datetime

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.dates as mdates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    counts = defaultdict(dict)
    minutes = set()
    for row in csv.DictReader(sys.stdin):
        minute = datetime.fromisoformat(row["minute"])
        minutes.add(minute)
        counts[row["action"]][minute] = int(row["events"])
    if not minutes:
        sys.exit("chart.py: no events to draw")

    minutes = sorted(minutes)
    actions = sorted(counts, key=lambda action: -sum(counts[action].values()))
    series = [[counts[action].get(minute, 0) for minute in minutes] for action in actions]

    figure, axes = plt.subplots(figsize=(11, 5.5), dpi=110)
    axes.stackplot(
        minutes, series, labels=actions, colors=plt.get_cmap("tab10").colors, alpha=0.9, linewidth=0
    )
    axes.set_title("Events per minute by action, out of game.fact_player_events", loc="left")
    axes.set_ylabel("events per minute")
    axes.set_xlabel("event time (UTC)")
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
    axes.grid(axis="y", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    # The legend in the order of the stack, top first.
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.tight_layout()
    figure.savefig(sys.argv[1])


main()
