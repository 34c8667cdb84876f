#!/usr/bin/env python3
"""Prints and plots what bench/views/size measured: size_plot.py SIZE.csv OUT.png"""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

VIEWS = [
    ("games", "20 groups with two sketches, all in each batch", "tab:blue"),
    ("segments", "1,000 groups with a sketch, a tenth in each batch", "tab:orange"),
    ("players", "20,000 groups of counts, 100 in each batch", "tab:green"),
]
PARTS = ["heap", "index", "toast"]


def main():
    source, out = sys.argv[1:]
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axis = plt.subplots(figsize=(7, 4.2))
    print("| state of  | kB at 1/4: table, index, toast | at 1/2                  | at the end              | largest, against 1/4 | vacuums |")
    print("|-----------|--------------------------------|-------------------------|-------------------------|----------------------|---------|")
    for view, label, color in VIEWS:
        points = [row for row in rows if row["view"] == view]
        total = [sum(int(row[part]) for part in PARTS) for row in points]
        axis.plot([int(row["batch"]) / 1000 for row in points], [bytes / 1048576 for bytes in total], color=color, label=label)
        quarter = len(points) // 4
        cells = [" / ".join(f"{int(points[at][part]) // 1024:6d}" for part in PARTS) for at in (quarter, len(points) // 2, -1)]
        worst = max(total[quarter:]) / total[quarter]
        vacuums = int(points[-1]["vacuums"]) + int(points[-1]["toast_vacuums"])
        print(f"| {view:9} | {cells[0]:30} | {cells[1]:23} | {cells[2]:23} | {worst:20.2f} | {vacuums:7d} |")
    axis.set_xlabel("thousand batches, each committed")
    axis.set_ylabel("state with its index and TOAST, MB")
    axis.set_ylim(bottom=0)
    axis.set_title("Small batches into the same groups, ten a second, in quick motion")
    axis.grid(True, alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


main()
