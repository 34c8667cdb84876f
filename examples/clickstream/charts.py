#!/usr/bin/python3
"""Draws the clickstream's charts into one PNG file.

usage: charts.py FILE.png < charts.json     (the document of charts.sql)
"""
import json
import os
import sys
from collections import defaultdict
from datetime import datetime, timedelta

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from charting import COLORS, days, dress, legend_above, page  # noqa: E402


def draw_trending(axes, trending):
    names = [row[0] for row in trending]
    places = range(len(names))
    axes.barh([p - 0.2 for p in places], [row[1] for row in trending], height=0.38, color=COLORS[5], label="newest three hours")
    axes.barh([p + 0.2 for p in places], [row[2] for row in trending], height=0.38, color=COLORS[6], label="usual, of as many views in all")
    axes.set_yticks(list(places))
    axes.set_yticklabels(names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel("views")
    axes.set_title("Trending products")
    axes.legend(loc="lower right")


def draw_funnel(axes, funnel):
    steps = ["visits", "looked\naround", "cart", "order"]
    for place, row in enumerate(funnel):
        axes.bar(
            [s + (place - (len(funnel) - 1) / 2) * 0.2 for s in range(4)], [100 * n / row[1] for n in row[1:]], width=0.19,
            color=COLORS[place], label=f"{row[0]} ({row[1]:,})",
        )
    axes.set_xticks(range(4))
    axes.set_xticklabels(steps)
    dress(axes, "How far visits come, by source", "percent of the visits")
    axes.margins(x=0.03)
    axes.legend(loc="upper right")


def draw_hours(axes, hours):
    counts = defaultdict(lambda: defaultdict(int))
    for at, category, views in hours:
        counts[category][datetime.fromisoformat(at)] = views
    seen = sorted({at for by_time in counts.values() for at in by_time})
    at = [seen[0] + timedelta(hours=i) for i in range(int((seen[-1] - seen[0]) / timedelta(hours=1)) + 1)]
    axes.stackplot(at, [[counts[c][t] for t in at] for c in sorted(counts)], labels=sorted(counts), colors=COLORS, alpha=0.85, linewidth=0)
    dress(axes, "Product views by category", "views per hour", "time (UTC)")
    days(axes)
    legend_above(axes, 4, 0.15)


def draw_revenue(axes, revenue):
    totals = defaultdict(float)
    for region, _, amount in revenue:
        totals[region] += amount
    regions = sorted(totals, key=lambda region: -totals[region])
    under = [0] * len(regions)
    for place, device in enumerate(sorted({row[1] for row in revenue})):
        values = [sum(row[2] for row in revenue if row[0] == region and row[1] == device) for region in regions]
        axes.bar(regions, values, bottom=under, width=0.65, color=COLORS[place], label=device)
        under = [a + b for a, b in zip(under, values)]
    dress(axes, "Revenue by region and device", "EUR")
    axes.margins(x=0.03)
    axes.legend(loc="upper right")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = json.load(sys.stdin)
    figure, axes = page(2, 2, "A web shop's clicks of a week")
    draw_trending(axes[0][0], data["trending"])
    draw_funnel(axes[0][1], data["funnel"])
    draw_hours(axes[1][0], data["hours"])
    draw_revenue(axes[1][1], data["revenue"])
    figure.savefig(sys.argv[1])


main()
