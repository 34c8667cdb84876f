#!/usr/bin/python3
"""Draws the demo's charts into one PNG file: how the ingest went, and the KPIs.

usage: charts.py INGEST.csv FILE.png < charts.json     (the document of charts.sql; looks of the ingest)
"""
import csv
import json
import os
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from charting import COLORS, bars, days, dress, legend_above, page  # noqa: E402


def draw_ingest(axes, looks, messages, views):
    seconds = [0] + [int(look[0]) / 1000 for look in looks]
    left = [messages] + [int(look[3]) for look in looks]
    stored = [0] + [int(look[1]) for look in looks]
    axes.fill_between(seconds, left, color=COLORS[1], alpha=0.5, linewidth=0, label="lag: messages left in the topic")
    axes.plot(seconds, stored, color=COLORS[0], linewidth=2.2, label="facts stored")
    dress(axes, f"Ingest, with {views} views kept up to date by it", "messages", "seconds since create_game_model()")
    legend_above(axes, 2, 0.2)


def draw_dead(axes, dead):
    axes.set_title("Dead letters by reason")
    if not dead:
        axes.axis("off")
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    bars(axes, [reason.replace(" ", "\n", 1) for reason, _ in dead], [n for _, n in dead], COLORS[5])
    axes.set_xlabel("messages")


def draw_active(axes, active):
    at = [date.fromisoformat(row[0]) for row in active]
    under = [0] * len(at)
    for place, name in ((2, "returning"), (1, "new"), (3, "resurrected")):
        values = [row[place] for row in active]
        axes.bar(at, values, bottom=under, width=0.85, label=f"DAU: {name}", color=COLORS[{1: 2, 2: 0, 3: 3}[place]])
        under = [a + b for a, b in zip(under, values)]
    axes.plot(at, [row[4] for row in active], color="#333333", linewidth=1.8, label="WAU")
    axes.plot(at, [row[5] for row in active], color="#333333", linewidth=1.8, linestyle=":", label="MAU")
    dress(axes, "Active players of the day (DAU), the week, the month", "players")
    days(axes)
    legend_above(axes, 3, 0.3)


def draw_retention(axes, figure, retention):
    last = 30
    cohorts = sorted({row[0] for row in retention})
    share = [[float("nan")] * last for _ in cohorts]
    for cohort, number, players, retained in retention:
        if 1 <= number <= last:
            share[cohorts.index(cohort)][number - 1] = 100 * retained / players
    top = max((value for row in share for value in row if value == value), default=100)
    picture = axes.imshow(share, aspect="auto", cmap="YlGnBu", vmin=0, vmax=max(1, min(100, top)), interpolation="nearest")
    axes.set_title("Retention by first day")
    axes.set_xlabel("days since the first: N")
    axes.set_ylabel("first day")
    axes.set_xticks([n - 1 for n in (1, 3, 7, 14, 21, 30)])
    axes.set_xticklabels(["1", "3", "7", "14", "21", "30"])
    step = max(1, len(cohorts) // 7)
    axes.set_yticks(range(0, len(cohorts), step))
    axes.set_yticklabels([date.fromisoformat(c).strftime("%b %d") for c in cohorts[::step]])
    figure.colorbar(picture, cax=axes.inset_axes([1.02, 0, 0.025, 1]), label="percent who play on day N")


def draw_sessions(axes, sessions):
    at = sorted({row[0] for row in sessions})
    x = [date.fromisoformat(day) for day in at]
    by_game = defaultdict(dict)
    for day, game, number, _ in sessions:
        by_game[game][day] = number
    series = [[by_game[game].get(day, 0) for day in at] for game in sorted(by_game)]
    axes.stackplot(x, series, labels=sorted(by_game), colors=[COLORS[0], COLORS[4], COLORS[2]], alpha=0.85, linewidth=0)
    dress(axes, "Sessions, by the day they began on", "sessions")
    days(axes)
    weighted = defaultdict(lambda: [0, 0])
    for day, _, number, median in sessions:
        weighted[day][0] += number * median / 60
        weighted[day][1] += number
    right = axes.twinx()
    right.plot(x, [weighted[day][0] / weighted[day][1] for day in at], color="#333333", linewidth=1.8, label="median length (right), mean of the games")
    right.set_ylim(bottom=0)
    right.set_ylabel("median length in minutes")
    right.spines["right"].set_visible(True)
    right.set_ylim(top=right.dataLim.y1 * 1.5)
    handles, labels = axes.get_legend_handles_labels()
    more_handles, more_labels = right.get_legend_handles_labels()
    legend_above(axes, 2, 0.5, handles + more_handles, labels + more_labels)


def draw_revenue(axes, revenue):
    """A small panel for each currency: they are never summed, nor drawn on one scale."""
    axes.axis("off")
    axes.set_title("Revenue by region, each currency apart")
    by_currency = defaultdict(list)
    for currency, region, amount in revenue:
        by_currency[currency].append((amount, region))
    # A bar is a unit high, and between two currencies one is left free.
    unit = 0.98 / max(1, len(revenue) + len(by_currency) - 1)
    top = 0.98
    for currency in sorted(by_currency, key=lambda c: (-len(by_currency[c]), c)):
        rows = sorted(by_currency[currency], reverse=True)
        panel = axes.inset_axes([0.16, top - unit * len(rows), 0.84, unit * len(rows)])
        top -= unit * (len(rows) + 1)
        bars(panel, [region for _, region in rows], [amount for amount, _ in rows], COLORS[2], "{:,.0f} " + currency)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.text(-0.19, 0.5, currency, transform=panel.transAxes, va="center", fontweight="bold")


def draw_concurrent(axes, concurrent):
    at = [datetime.fromisoformat(row[0]) for row in concurrent]
    axes.fill_between(at, [row[1] for row in concurrent], step="post", color=COLORS[0], alpha=0.6, linewidth=0)
    dress(axes, "Concurrent players: the peak of each hour", "players", "time (UTC), the last week")
    days(axes)


def draw_minutes(axes, minutes):
    counts = defaultdict(lambda: defaultdict(float))
    for at, action, events in minutes:
        counts[action][datetime.fromisoformat(at)] = events
    slots = sorted({at for by_time in counts.values() for at in by_time})
    slots = [slots[0] + timedelta(hours=i) for i in range(int((slots[-1] - slots[0]) / timedelta(hours=1)) + 1)]
    actions = sorted(counts, key=lambda action: -sum(counts[action].values()))
    axes.stackplot(slots, [[counts[action][at] for at in slots] for action in actions], labels=actions, colors=COLORS, alpha=0.85, linewidth=0)
    dress(axes, "Events per minute by action", "events per minute", "time (UTC), the last two days; means of an hour")
    days(axes, "%b %d %H:%M", 5)
    legend_above(axes, 4, 0.4)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        looks = list(csv.reader(file))
    data = json.load(sys.stdin)
    figure, axes = page(4, 2, "A game's topic in PostgreSQL: telemetry.create_game_model()")
    draw_ingest(axes[0][0], looks, data["messages"], data["views"])
    draw_dead(axes[0][1], data["dead"])
    draw_active(axes[1][0], data["active"])
    draw_retention(axes[1][1], figure, data["retention"])
    draw_sessions(axes[2][0], data["sessions"])
    draw_revenue(axes[2][1], data["revenue"])
    draw_concurrent(axes[3][0], data["concurrent"])
    draw_minutes(axes[3][1], data["minutes"])
    figure.savefig(sys.argv[2])


main()
