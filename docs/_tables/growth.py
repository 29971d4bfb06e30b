"""The figure of ``bench_growth``: SVG inside the page, in the colours of its theme."""

import io
import re

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from _tables.results import read, save

INK = "#010203"  # stands for the colour of the text, dark or light
STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Name in the legend, colour that is visible on white and on black, and marker.
CURVES = {
    "n_rows": ("rows", "#2a85d0", "o"),
    "n_features": ("features", "#d06a00", "s"),
    "n_components": ("units of the code", "#1f9e6a", "^"),
    "batch_size": ("rows of a batch", "#a85bd0", "D"),
}
QUANTITIES = {"seconds": "seconds per epoch", "peak_mb": "peak above X, MB"}


def write():
    """Write a figure for seconds and one for memory, side by side where they fit."""
    rows = read("bench_growth")
    figures = "".join(plot(rows, quantity) for quantity in QUANTITIES)
    save("bench_growth.html", f'<div class="growth">{figures}</div>\n')


def plot(rows, quantity):
    """Return a log-log figure of growth as SVG."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": quantity}):
        figure = Figure(figsize=(4.9, 3.9), layout="constrained")
        axes = figure.subplots()
        slopes = []
        for name, (label, color, marker) in CURVES.items():
            points = [row for row in rows if row["grows"] == name]
            slope = points[0][f"{quantity}_exponent"].replace("-", "−")
            slopes.append(f"{label} {slope}")
            axes.loglog(
                [float(row[name]) for row in points],
                [float(row[quantity]) for row in points],
                color=color,
                marker=marker,
                markersize=5,
                label=f"{label}: {slope}",
            )
        axes.set_xlabel(
            "value of the varied quantity\n(rows, features, code units or batch size)"
        )
        axes.set_ylabel(QUANTITIES[quantity])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(color=INK, alpha=0.15, linewidth=0.6)
        figure.legend(
            title="exponent", loc="outside upper center", ncols=2, frameon=False
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Two figures on a page must not use the same names of groups.
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", svg, count=1)
    label = f"{QUANTITIES[quantity]}, log-log; exponents: {', '.join(slopes)}"
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
