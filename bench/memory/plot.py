"""What bench/memory/run printed (events, MB), as a picture: plot.py INPUT OUTPUT."""
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

rows = [line.split() for line in open(sys.argv[1])]
events = [int(row[0]) / 1e6 for row in rows]
held = [float(row[1]) for row in rows]
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(events, held, linewidth=1.5)
axes.set_ylim(0, max(held) * 1.3)
axes.set_xlim(0, max(events))
axes.set_xlabel("million events read by one worker")
axes.set_ylabel("MB held by the worker")
axes.grid(alpha=0.3)
figure.savefig(sys.argv[2], dpi=110)
