"""Tables, figures and numbers of the benchmarks, made of the CSV that is committed.

A page names what it shows, and building it fails where that was not measured::

    .. ratios:: bench_training
    .. losses:: bench_rivals
    .. measured-pivot:: bench_memory
    .. growth-figure:: bench_growth
    :measured:`bench_growth seconds_exponent grows=n_rows`

Only a copy of the repository without any measurement, such as the source archive, is
built without them, and says so.
"""

import csv
import io
import re
from typing import ClassVar

import matplotlib
from defaults import ROOT
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = ROOT / "benchmarks" / "results"
NOTHING = "not measured in this copy of the repository"

# What tells how something was measured, and how a reader calls it.
_FACTS = {
    "rounds": ("round", "rounds"),
    "fits": ("fit", "fits"),
    "epochs": ("epoch", "epochs"),
    "threads": ("thread", "threads"),
    "cores": ("core", "cores"),
}
_VERSIONS = {
    "skae": "skae",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "skorch": "skorch",
    "python": "Python",
}


# Reading ------------------------------------------------------------------------------


def _read(directive, name):
    """Return the rows of a file of results; none where no results are there at all."""
    path = RESULTS / f"{name}.csv"
    if not RESULTS.is_dir():
        return []
    if not path.exists():
        raise ValueError(
            f"{path.relative_to(ROOT)} is missing. Run benchmarks/{name}.py, or take "
            "it off the page."
        )
    directive.env.note_dependency(str(path))
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _by(rows, *names):
    """Return the rows by their entries in some columns."""
    return {tuple(row[name] for name in names): row for row in rows}


def _values(rows, name):
    """Return what a column holds, each value once and in the order of the file."""
    return list(dict.fromkeys(row[name] for row in rows if row.get(name)))


def _circumstances(name, rows):
    """Return a sentence of what the columns say about how it was measured."""
    counts = [
        f"{' or '.join(values)} {names[values != ['1']]}"
        for column, names in _FACTS.items()
        if (values := _values(rows, column))
    ]
    processor = _values(rows, "cpu") or _values(rows, "device")
    processor += ["with AMX" if x == "True" else "no AMX" for x in _values(rows, "amx")]
    versions = [
        f"{label} {' or '.join(_values(rows, column))}"
        for column, label in _VERSIONS.items()
    ]
    return f"{name}.csv: {', '.join([*counts, *processor, *versions])}."


# Writing ------------------------------------------------------------------------------


def _digits(value):
    """Write a positive number with three digits."""
    return f"{value:#.3g}".removesuffix(".")


def _ratio(value):
    """Write a ratio with two decimals, or three digits where those say more or less."""
    value = float(value)
    return f"{value:.2f}" if 0.1 <= value < 10 else _digits(value)


def _seconds(value):
    value = float(value)
    return f"{_digits(value)} s" if value >= 0.1 else f"{_digits(1000 * value)} ms"


def _number(value):
    """Write a number of the file, whatever it is."""
    if value.isdigit():
        return f"{int(value):,}"
    return f"{float(value):.3g}".replace("-", "−")


def _text(text):
    """Return a cell of words."""
    return nodes.entry("", nodes.paragraph("", text))


def _figure(row, column, write):
    """Return a cell: a value and, where it is known, how far it spreads below it."""
    if row is None:
        return nodes.entry("", nodes.paragraph("", "–"), classes=["number"])
    paragraph = nodes.paragraph("", write(row[column]))
    if f"{column}_min" in row:
        low, high = write(row[f"{column}_min"]), write(row[f"{column}_max"])
        paragraph += nodes.inline("", f" ({low}–{high})", classes=["spread"])
    return nodes.entry("", paragraph, classes=["number"])


def _time(row):
    paragraph = nodes.paragraph("", _seconds(row["seconds"]))
    return nodes.entry("", paragraph, classes=["number"])


def _table(head, body):
    table = nodes.table(classes=["wide", "measured"])
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    names = [_text(name) for name in head]
    for name, below in zip(names, body[0], strict=True):
        name["classes"] = below["classes"]
    group += nodes.thead("", nodes.row("", *names))
    group += nodes.tbody("", *[nodes.row("", *cells) for cells in body])
    table += group
    return table


class _OfResults(SphinxDirective):
    """What is made of the rows of a file; a sentence of the circumstances follows."""

    required_arguments = 1

    def run(self):
        (name,) = self.arguments
        try:
            rows = _read(self, name)
        except ValueError as error:
            raise self.error(str(error)) from None
        if not rows:
            return [nodes.paragraph("", f"{name}.csv: {NOTHING}.")]
        try:
            shown = self.show(rows)
        except (KeyError, ValueError) as error:
            raise self.error(f"{name}.csv cannot be shown: {error!r}.") from error
        sentence = _circumstances(name, rows)
        return [*shown, nodes.paragraph("", sentence, classes=["circumstances"])]


class Ratios(_OfResults):
    """Case by contestant: the seconds of the reference, the ratios of the others.

    Where not all cases have the same reference, a row holds one comparison.
    """

    def show(self, rows):
        found = _by(rows, "case", "contestant")
        references = {}
        for case, name in found:
            row = found[case, name]
            if {row["ratio"], row["ratio_min"], row["ratio_max"]} == {"1"}:
                references[case] = name
        without = [case for case in _values(rows, "case") if case not in references]
        if without:
            raise ValueError(f"no contestant has the ratio 1 throughout in {without}")
        if len(set(references.values())) > 1:
            return [self._one_by_one(found, references)]
        reference = next(iter(references.values()))
        others = [name for name in _values(rows, "contestant") if name != reference]
        body = [
            [
                _text(case),
                _time(found[case, reference]),
                *[_figure(found.get((case, name)), "ratio", _ratio) for name in others],
            ]
            for case in references
        ]
        return [_table(["case", f"{reference}, time", *others], body)]

    @staticmethod
    def _one_by_one(found, references):
        body = [
            [
                _text(case),
                _text(name),
                _figure(row, "ratio", _ratio),
                _text(references[case]),
                _time(found[case, references[case]]),
            ]
            for (case, name), row in found.items()
            if name != references[case]
        ]
        return _table(["case", "contestant", "ratio", "to that of", "time"], body)


class Losses(_OfResults):
    """The rows whose ratio is below 1, the worst first."""

    def show(self, rows):
        lost = sorted(
            (row for row in rows if float(row["ratio"]) < 1),
            key=lambda row: float(row["ratio"]),
        )
        if not lost:
            return [nodes.paragraph("", "There is none.")]
        body = [
            [
                _text(row["case"]),
                _text(row["contestant"]),
                _figure(row, "ratio", _ratio),
                _text("no" if float(row["ratio_max"]) < 1 else "yes"),
            ]
            for row in lost
        ]
        return [_table(["case", "rival", "ratio", "1 in its range"], body)]


class MeasuredPivot(_OfResults):
    """A table of one column by two others, of some columns of each row, or of both."""

    option_spec: ClassVar = {
        "rows": directives.unchanged_required,
        "beside": directives.unchanged,  # columns that belong to a row
        "columns": directives.unchanged,
        "value": directives.unchanged,
        "names": directives.unchanged,  # of the head, from the left, with | between
    }

    def show(self, rows):
        first, beside = self.options["rows"], self.options.get("beside", "").split()
        across, value = self.options.get("columns"), self.options.get("value")
        if across:
            rows = [row for row in rows if row[value]]
        found = _by(rows, first, *([across] if across else []))
        columns = _values(rows, across) if across else []
        head = [first, *beside, *columns]
        names = self.options.get("names", first).split("|")
        head[: len(names)] = [name.strip() for name in names]
        body = []
        for key in _values(rows, first):
            row = next(row for row in rows if row[first] == key)
            cells = [_figure(row, name, _number) for name in beside]
            cells += [_figure(found.get((key, x)), value, _number) for x in columns]
            body.append([_text(key), *cells])
        return [_table(head, body)]


# Figures ------------------------------------------------------------------------------

_INK = "#010203"  # stands for the colour of the text, dark or light
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Name in the legend, colour that can be seen on white and on black, and marker.
_CURVES = {
    "n_rows": ("rows", "#2a85d0", "o"),
    "n_features": ("features", "#d06a00", "s"),
    "n_components": ("units of the code", "#1f9e6a", "^"),
    "batch_size": ("rows of a batch", "#a85bd0", "D"),
}
_QUANTITIES = {"seconds": "seconds per epoch", "peak_mb": "peak above X, MB"}


def _draw(rows, quantity):
    """Return a log-log figure of growth as SVG that has the colours of its page."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": quantity}):
        figure = Figure(figsize=(4.9, 3.9), layout="constrained")
        axes = figure.subplots()
        slopes = []
        for name, (label, color, marker) in _CURVES.items():
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
        axes.set_xlabel("how many there are of what grows")
        axes.set_ylabel(_QUANTITIES[quantity])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
        figure.legend(
            title="exponent", loc="outside upper center", ncols=2, frameon=False
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # The names of groups would be there twice on a page with two figures.
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", svg, count=1)
    label = f"{_QUANTITIES[quantity]}, log-log; exponents: {', '.join(slopes)}"
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


class GrowthFigure(_OfResults):
    """How seconds and memory grow: one figure for each, side by side where they fit."""

    def show(self, rows):
        figures = "".join(_draw(rows, quantity) for quantity in _QUANTITIES)
        html = f'<div class="growth">{figures}</div>'
        return [nodes.raw("", html, format="html")]


# Numbers in sentences -----------------------------------------------------------------


class Measured(SphinxRole):
    """One number: a file, a column and, as ``name=value; …``, the rows to look in."""

    def run(self):
        name, column, *conditions = self.text.split(maxsplit=2)
        wanted = dict(
            part.strip().split("=", 1)
            for part in (conditions[0].split(";") if conditions else [])
        )
        try:
            rows = _read(self, name)
        except ValueError as error:
            return self._fail(str(error))
        if not rows:
            return [nodes.inline("", f"({NOTHING})")], []
        rows = [row for row in rows if wanted.items() <= row.items()]
        values = _values(rows, column)
        if len(values) != 1:
            return self._fail(f"{self.text!r} has {len(values)} values and not one.")
        write = _seconds if column == "seconds" else _number
        return [nodes.Text(write(values[0]))], []

    def _fail(self, message):
        problem = self.inliner.reporter.error(message, line=self.lineno)
        marked = self.inliner.problematic(self.rawtext, self.rawtext, problem)
        return [marked], [problem]


def setup(app):
    """Register the directives and the role."""
    app.add_directive("ratios", Ratios)
    app.add_directive("losses", Losses)
    app.add_directive("measured-pivot", MeasuredPivot)
    app.add_directive("growth-figure", GrowthFigure)
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
