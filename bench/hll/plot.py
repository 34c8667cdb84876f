#!/usr/bin/env python3
"""Plots what bench/hll/accuracy measured: plot.py OUT.png PRECISION=FILE.csv ..."""

import csv
import math
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def main():
    out, *inputs = sys.argv[1:]
    across = min(3, len(inputs))
    down = math.ceil(len(inputs) / across)
    figure, axes = plt.subplots(down, across, figsize=(4.6 * across, 3.6 * down), squeeze=False)
    for axis, item in zip(axes.flat, inputs):
        precision, path = item.split("=", 1)
        root = math.sqrt(2 ** int(precision))
        data = read(path)
        percent = {name: [100 * value / root for value in data[name]]
                   for name in ("rmse", "registers", "classic")}
        axis.plot(data["n"], percent["classic"], color="tab:red", label="postgresql-hll's formula")
        axis.plot(data["n"], percent["registers"], color="tab:gray", linestyle=":",
                  label="telemetry.hll, registers alone")
        axis.plot(data["n"], percent["rmse"], color="tab:blue", label="telemetry.hll")
        axis.axhline(105 / root, color="black", linewidth=0.8, linestyle="--", label="1.05 / √m")
        axis.set_xscale("log")
        axis.set_ylim(0, 180 / root)
        axis.set_title(f"precision {precision}")
        axis.set_xlabel("distinct values")
        axis.set_ylabel("relative RMSE, %")
        axis.grid(True, alpha=0.3)
    axes[0][0].legend(loc="lower right", fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


main()
