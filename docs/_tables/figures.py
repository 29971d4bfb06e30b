"""The figures of results: SVG inside a page, in the colours of its theme."""

import io
import re
import statistics

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from _tables.results import read, save, unique

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
# Colours that are visible on white and on black, and markers.
MARKS = [
    ("#2a85d0", "o"),
    ("#d06a00", "s"),
    ("#1f9e6a", "^"),
    ("#a85bd0", "D"),
    ("#c94f7c", "v"),
    ("#7a7f87", "P"),
    ("#b39200", "X"),
]
# Names in the legend.
CURVES = {
    "n_rows": "rows",
    "n_features": "features",
    "n_components": "units of the code",
    "batch_size": "rows of a batch",
}
QUANTITIES = {"seconds": "seconds per epoch", "peak_mb": "peak above X, MB"}


def write():
    """Write all figures."""
    rows = read("bench_growth")
    figures = "".join(_growth(rows, quantity) for quantity in QUANTITIES)
    save("bench_growth.html", f'<div class="growth">{figures}</div>\n')
    save("bench_rivals.html", _wide(_rivals(read("bench_rivals"))))
    save("generalisation.html", _wide(_gains(read("generalisation"))))


def _wide(svg):
    return f'<div class="wide-figure">{svg}</div>\n'


def _growth(rows, quantity):
    """Return a log-log figure of growth."""
    slopes = []

    def draw(figure):
        axes = figure.subplots()
        for (name, label), (color, marker) in zip(CURVES.items(), MARKS, strict=False):
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

    svg = _to_svg(draw, (4.9, 3.9), quantity)
    label = f"{QUANTITIES[quantity]}, log-log; exponents: {', '.join(slopes)}"
    return _labelled(svg, label)


def _rivals(rows):
    """Return the times of other packages as multiples of that of skae."""
    cases = unique(rows, "case")
    rivals = [name for name in unique(rows, "contestant") if name != "skae"]

    def draw(figure):
        axes = figure.subplots()
        for i, (rival, (color, marker)) in enumerate(zip(rivals, MARKS, strict=True)):
            own = [row for row in rows if row["contestant"] == rival]
            axes.semilogx(
                [float(row["ratio"]) for row in own],
                [cases.index(row["case"]) + 0.09 * (i - 3) for row in own],
                marker,
                color=color,
                label=rival,
            )
        axes.axvline(1, color=INK, linewidth=1)
        ticks = [0.5, 1, 2, 4, 8]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlim=(0.5, 9), xlabel="time of fit, as a multiple of that of skae")
        axes.set_yticks(range(len(cases)), cases)
        axes.invert_yaxis()
        axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)

    ratios = [float(row["ratio"]) for row in rows if row["contestant"] != "skae"]
    label = (
        f"Times of fit of {len(rivals)} packages in {len(cases)} cases, from "
        f"{min(ratios):.2f} to {max(ratios):.2f} times that of skae"
    )
    return _labelled(_to_svg(draw, (7, 4.2), "rivals"), label)


def _gains(rows):
    """Return R² minus that of PCA on the data sets that only report."""
    own = [
        row
        for row in rows
        if row["half"] == "report" and row["estimator"] == "AutoencoderTransformer"
    ]
    gains = {name: [] for name in unique(own, "data")}
    for row in own:
        gains[row["data"]].append(float(row["r2"]) - float(row["r2_pca"]))
    names = sorted(gains, key=lambda name: statistics.fmean(gains[name]))

    def draw(figure):
        axes = figure.subplots()
        for i, name in enumerate(names):
            some = gains[name]
            axes.plot([min(some), max(some)], [i, i], color=MARKS[0][0], linewidth=1)
            axes.plot(statistics.fmean(some), i, "o", color=MARKS[0][0], markersize=5)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set(xlabel="R² on unseen rows minus that of PCA; mean and range of splits")
        axes.set_yticks(range(len(names)), names)
        axes.grid(color=INK, alpha=0.15, linewidth=0.6)

    means = [statistics.fmean(gains[name]) for name in names]
    label = (
        f"Gains of R² over PCA on {len(names)} data sets, from {means[0]:+.3f} to "
        f"{means[-1]:+.3f}"
    )
    return _labelled(_to_svg(draw, (8, 0.8 + 0.21 * len(names)), "gains"), label)


def _to_svg(draw, size, salt):
    """Return what a function draws on a figure of some size, in inches."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Two figures on a page must not use the same names of groups.
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    return re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", svg, count=1)


def _labelled(svg, label):
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
