#!/usr/bin/env python3
"""Plots what bench/views/cost measured: plot.py COST.csv OUT.png"""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

KINDS = [
    ("few", "few groups, with a sketch", "tab:blue"),
    ("middling", "some hundred groups", "tab:green"),
    ("known", "a group for nearly each row, which is there", "tab:orange"),
    ("new", "a new group for each row", "tab:red"),
]


def main():
    source, out = sys.argv[1:]
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axis = plt.subplots(figsize=(7, 4.2))
    for kind, label, color in KINDS:
        points = [(int(row["rows"]), float(row["more"])) for row in rows if row["kind"] == kind]
        axis.plot(*zip(*points), marker="o", color=color, label=label)
        by_hand = [(int(row["rows"]), float(row["more"])) for row in rows if row["kind"] == "hand_" + kind]
        if by_hand:
            axis.plot(*zip(*by_hand), marker="x", linestyle=":", color=color, label="the same by hand")
    plain = [(int(row["rows"]), float(row["us"])) for row in rows if row["kind"] == "none"]
    axis.plot(*zip(*plain), marker=".", color="black", linestyle="--", label="the INSERT itself")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("rows a statement, each committed")
    axis.set_ylabel("processor time, µs a row")
    axis.set_title("What one continuous view adds")
    axis.grid(True, which="both", alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


main()
