"""How the examples' charts look: one page of panels, drawn without a display."""
import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: E402

# Told apart also by those who see colours otherwise (Okabe and Ito), in the order in which they are used.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442", "#6A3D9A", "#000000"]

plt.rcParams.update(
    {
        "font.size": 11,
        "axes.titlesize": 13,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": matplotlib.cycler(color=COLORS),
        "legend.frameon": False,
        "legend.fontsize": 10,
    }
)

thousands = FuncFormatter(lambda value, _: f"{value:,.0f}")


def page(rows, columns, title, height=4.0):
    """A figure with a title and rows x columns panels."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(7.4 * columns, height * rows + 0.6), dpi=100, constrained_layout=True
    )
    figure.set_constrained_layout_pads(w_pad=0.12, h_pad=0.14)
    figure.suptitle(title, fontsize=16, fontweight="bold")
    return figure, axes


def dress(axes, title, ylabel, xlabel=None):
    """Title, axes from zero, thousands with a comma, a quiet grid."""
    axes.set_title(title)
    axes.set_ylabel(ylabel)
    if xlabel:
        axes.set_xlabel(xlabel)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.yaxis.set_major_formatter(thousands)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def days(axes, form="%b %d", most=7):
    """The x axis is of days or hours."""
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=most))
    axes.xaxis.set_major_formatter(mdates.DateFormatter(form))


def legend_above(axes, columns, room, handles=None, labels=None):
    """A legend that covers nothing: the axis goes on above what is drawn, by a part of its height."""
    axes.set_ylim(top=axes.dataLim.y1 * (1 + room))
    if handles is None:
        handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="upper left", ncol=columns, handlelength=1.2, columnspacing=1.2, borderaxespad=0.2)


def bars(axes, names, values, color, form="{:,.0f}"):
    """Horizontal bars, the first on top, each with its number."""
    places = range(len(names))
    axes.barh(places, values, color=color, height=0.65)
    axes.set_yticks(list(places))
    axes.set_yticklabels(names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.25)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for place, value in zip(places, values):
        axes.text(value + max(values) * 0.015, place, form.format(value), va="center", fontsize=10)
