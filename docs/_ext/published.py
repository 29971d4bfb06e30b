"""Published figures beside ours, made of the CSV that the reproductions wrote.

One page names the questions, and a question is a script under ``benchmarks``::

    .. published-summary::
    .. published-table:: interpolation
       :pivot:
    .. published-picture:: interpolation
       :alt: what can be seen
    .. published-losses::
    .. published-losses::
       :baselines:

A row with epochs was trained and is ours; one without is a baseline. What was not
measured yet says so, and a picture that is not there is left out.
"""

import math
import re
from typing import ClassVar

from defaults import ROOT
from docutils import nodes
from docutils.parsers.rst import directives
from performance import (
    NOTHING,
    RESULTS,
    _circumstances,
    _read,
    _table,
    _values,
)
from sphinx.util.docutils import SphinxDirective

# The questions in the order of the page. The summary shows all of ours that have a
# published figure or, where much was tried, the cases that are named here.
HEADLINES = {
    "linear": (),
    "deep_autoencoder": (),
    "convolutional": (),
    "dense_suite": (),
    "quick_vae": (),
    "vae_likelihood": (),
    "contractive": (),
    "active_units": (),
    "sparse_features": ("SparseAutoencoder, lifetime",),
    "interpolation": (
        "VariationalAutoencoder, spherical path",
        "VariationalAutoencoder, neighbours stay near, spherical path",
    ),
    "one_class": (),
    "portrait": (
        "conv of photographs, 32 numbers: the portrait's tiles",
        "conv of photographs, 128 numbers: the portrait's tiles",
    ),
    "gaps": ("walk: variational", "draws: variational"),
}


# Reading ------------------------------------------------------------------------------


def _rows_of(directive, question):
    """Return the rows of a question, none where it was not measured."""
    name = f"published_{question}"
    path = RESULTS / f"{name}.csv"
    directive.env.note_dependency(str(path))
    return _read(directive, name) if path.exists() else []


def _questions(directive):
    """Return the rows of all questions that were measured, in the order of the page."""
    found = {path.stem for path in RESULTS.glob("published_*.csv")}
    unknown = found - {f"published_{question}" for question in HEADLINES}
    if unknown:
        raise directive.error(
            f"{', '.join(sorted(unknown))}: name it in HEADLINES of docs/_ext/"
            "published.py, and write a section of docs/published.rst."
        )
    all_rows = {question: _rows_of(directive, question) for question in HEADLINES}
    return {question: rows for question, rows in all_rows.items() if rows}


def _is_ours(row):
    return bool(row["epochs"])


def _has_no_target(row):
    return not row["target"]


# Comparing ----------------------------------------------------------------------------


def _places(number, digits=3):
    """Return after how many decimals a number has three digits, or all that it has."""
    number = str(number)
    value = abs(float(number))
    needed = digits - 1 - math.floor(math.log10(value)) if value else 0
    return max(needed, 0 if "e" in number else len(number.partition(".")[2]))


def _compare(row, other):
    """Return whether ours is better or worse than a number, or tied with it.

    A tie is a number that lies between the least and the greatest of the seeds, or is
    the same in the digits that were published.
    """
    places = _places(other)
    other = round(float(other), places)
    value, low, high = (
        round(float(row[name]), places) for name in ("value", "value_min", "value_max")
    )
    if low <= other <= high:
        return "tie"
    return "better" if (value < other) == (row["better"] == "lower") else "worse"


def _is_behind(row, other):
    """Return whether ours is on the worse side of a number, be it by a hair."""
    value, other = float(row["value"]), float(other)
    return value > other if row["better"] == "lower" else value < other


def _are_comparable(case, other):
    """Return whether cases agree on one side of a colon; without one they do."""
    (before, _, after), (its_before, _, its_after) = (
        text.partition(": ") for text in (case, other)
    )
    return before == its_before or after == its_after


def _rival(row, rows):
    """Return the baseline that is ahead of ours, or None.

    It has the same metric and a comparable case. Of several it is the one whose case
    is most alike, then the best. A baseline with a figure to beat stands for that
    figure, and one that is the published figure itself is compared already.
    """

    def pieces(case):
        return set(re.split(r", | of |: ", case))

    def rank(other):
        alike = len(pieces(row["case"]) & pieces(other["case"]))
        sign = -1 if row["better"] == "lower" else 1
        return alike, sign * float(other["value"])

    ahead = [
        other
        for other in rows
        if not (_is_ours(other) or other["target"])
        and other["metric"] == row["metric"]
        and _are_comparable(row["case"], other["case"])
        and _is_behind(row, other["value"])
        and not (row["target"] and float(row["target"]) == float(other["value"]))
    ]
    return max(ahead, key=rank, default=None)


# Writing ------------------------------------------------------------------------------


def _fixed(number, places):
    number = float(number)
    if number and abs(number) < 1e-3:
        return f"{number:.1e}".replace("e-0", "e-").replace("-", "−")
    return f"{number:,.{places}f}".replace("-", "−")


def _ours(row):
    """Return a cell: the mean over the seeds, and from where to where they reach."""
    places = _places(f"{float(row['value']):.3g}")
    if row["target"]:
        places = max(places, _places(row["target"]))
    low, high = row["value_min"], row["value_max"]
    if low == high:
        return _count(_fixed(row["value"], places))
    if _fixed(low, places) == _fixed(high, places):
        places += 1
    cell = _count(_fixed(row["value"], places))
    between = "–" if float(low) >= 0 else " to "
    cell[0] += _small(f"({_fixed(low, places)}{between}{_fixed(high, places)})")
    return cell


def _published(row, with_source):
    """Return a cell: the published figure and, below it, who published it."""
    target = row["target"]
    paragraph = nodes.paragraph("", _fixed(target, _places(target)) if target else "–")
    if target and with_source:
        paragraph += _small(row["source"], "source")
    return nodes.entry("", paragraph, classes=["number"])


def _small(text, *classes):
    """Return what stands below a cell; what is in backticks is code."""
    line = nodes.inline("", "", classes=["spread", *classes])
    for i, part in enumerate(text.split("`")):
        line += nodes.literal("", part) if i % 2 else nodes.Text(part)
    return line


def _words(text, below=""):
    """Return a cell of words, and a small line below them."""
    paragraph = nodes.paragraph("", text)
    if below:
        paragraph += _small(below)
    return nodes.entry("", paragraph, classes=["words"])


def _verdict(row, other):
    """Return a cell: how ours is, against a number that may not be there."""
    paragraph = nodes.paragraph("", _compare(row, other) if other else "beside")
    if other and _is_ours(row) and row["seeds"] == "1":
        paragraph += _small("one seed")
    return nodes.entry("", paragraph)


def _count(text):
    """Return a cell of a number of the file, or of a dash where there is none."""
    return nodes.entry("", nodes.paragraph("", text or "–"), classes=["number"])


def _minutes(row):
    minutes = float(row["minutes"])
    if not minutes:
        return _count("")
    return _count("<0.01" if minutes < 0.01 else f"{minutes:,.4g}")


def _sources(rows):
    return list(dict.fromkeys(row["source"] for row in rows if row["target"]))


def _heading(metric, rows):
    """Return what holds for all rows of a metric."""
    heading = f"{metric}: {rows[0]['better']} is better"
    sources = _sources(rows)
    return f"{heading}; to beat: {sources[0]}" if len(sources) == 1 else heading


def _across(text, width):
    """Return a row of one cell."""
    cell = nodes.entry("", nodes.paragraph("", text), morecols=width - 1)
    cell["classes"] = ["across"]
    return nodes.row("", cell)


def _with_target(rows):
    """Return cells for each row: the case, ours, what was published, the verdict."""
    lines, above = [], None
    for row in rows:
        lines.append(
            [
                _words(row["case"], row["metric"]),
                _ours(row),
                _published(row, with_source=row["source"] != above),
                _verdict(row, row["target"]),
            ]
        )
        above = row["source"]
    return lines


def _under_title(directive, question, lines, below=""):
    """Put a cell before some lines: the title of a section, which leads there."""
    if lines:
        title = directive.parse_text_to_nodes(f":ref:`published-{question}`")
        first = nodes.entry("", *title, classes=["words", "title"])
        if below:
            first += nodes.paragraph("", "", _small(below))
        first["morerows"] = len(lines) - 1
        lines[0].insert(0, first)
    return lines


# Directives ---------------------------------------------------------------------------


class PublishedTable(SphinxDirective):
    """All rows of a question by metric; pivoted, each metric is a column."""

    required_arguments = 1
    option_spec: ClassVar = {"pivot": directives.flag}

    def run(self):
        (question,) = self.arguments
        if question not in HEADLINES:
            raise self.error(f"{question} is not in HEADLINES of published.py.")
        name = f"published_{question}"
        rows = _rows_of(self, question)
        if not rows:
            why = "not measured yet" if RESULTS.is_dir() else NOTHING
            return [nodes.paragraph("", f"{name}.csv: {why}.")]
        try:
            table = self._pivot(rows) if "pivot" in self.options else self._list(rows)
        except (KeyError, ValueError) as error:
            raise self.error(f"{name}.csv cannot be shown: {error!r}.") from error
        without_epochs = [{**row, "epochs": ""} for row in rows]  # stand in the table
        sentence = _circumstances(name, without_epochs)
        return [table, nodes.paragraph("", sentence, classes=["circumstances"])]

    @staticmethod
    def _list(rows):
        head = ["case", "ours", "published", "ours is", "seeds", "epochs", "minutes"]
        groups = {
            metric: [row for row in rows if row["metric"] == metric]
            for metric in _values(rows, "metric")
        }
        body, starts = [], {}
        for metric, group in groups.items():
            starts[metric] = len(body) + len(starts)
            body += [
                [
                    _words(row["case"], row["note"]),
                    _ours(row),
                    _published(row, with_source=len(_sources(group)) > 1),
                    _verdict(row, row["target"]),
                    _count(row["seeds"]),
                    _count(row["epochs"]),
                    _minutes(row),
                ]
                for row in group
            ]
        table = _table(head, body)
        lines = table[0][-1]
        for metric, start in starts.items():
            lines.insert(start, _across(_heading(metric, groups[metric]), len(head)))
        return table

    @staticmethod
    def _pivot(rows):
        metrics = _values(rows, "metric")
        by_place = {(row["case"], row["metric"]): row for row in rows}
        # For each metric a row that has a published figure, or else any row.
        first = [
            min((row for row in rows if row["metric"] == metric), key=_has_no_target)
            for metric in metrics
        ]
        body = []
        if any(row["target"] for row in first):
            source = " / ".join(_sources(rows))
            published = [_published(row, with_source=False) for row in first]
            body.append([_words("published", source), *published, _count("")])
        for case in _values(rows, "case"):
            cells = []
            for metric in metrics:
                row = by_place[case, metric]
                cells.append(_ours(row))
                if row["target"]:
                    cells[-1][0] += _small(_compare(row, row["target"]))
            last = _count(row["epochs"])
            last[0] += _small(f"{_minutes(row).astext()} min")
            body.append([_words(case, row["note"]), *cells, last])
        head = [
            f"{row['metric']}: {row['better']} is better"
            if row["target"]
            else row["metric"]
            for row in first
        ]
        return _table(["case", *head, "epochs, minutes"], body)


class PublishedSummary(SphinxDirective):
    """What was published and what is ours, over all questions that were measured."""

    def run(self):
        body = []
        for question, rows in _questions(self).items():
            cases = HEADLINES[question]
            shown = [row for row in rows if row["target"] and _is_ours(row)]
            missing = set(cases) - {row["case"] for row in shown}
            if missing:
                raise self.error(f"published_{question}.csv lacks {sorted(missing)}.")
            if cases:
                shown = [row for row in shown if row["case"] in cases]
            lines = _with_target(shown)
            for line, row in zip(lines, shown, strict=True):
                line.append(_minutes(row))
            command = f"`python benchmarks/{question}.py`"
            body += _under_title(self, question, lines, command)
        if not body:
            return [nodes.paragraph("", f"published_*.csv: {NOTHING}.")]
        head = ["question", "case", "ours", "published", "ours is", "minutes"]
        return [_table(head, body)]


class PublishedLosses(SphinxDirective):
    """Ours that are behind the published figure, or behind a baseline beside them."""

    option_spec: ClassVar = {"baselines": directives.flag}

    def run(self):
        all_rows = _questions(self)
        if not all_rows:
            return [nodes.paragraph("", f"published_*.csv: {NOTHING}.")]
        find = self._baselines if "baselines" in self.options else self._published
        found = []
        for question, rows in all_rows.items():
            found += _under_title(self, question, find(rows))
        if not found:
            return [nodes.paragraph("", "There is none.")]
        other = "baseline" if "baselines" in self.options else "published"
        return [_table(["question", "case", "ours", other, "ours is"], found)]

    @staticmethod
    def _published(rows):
        return _with_target(
            row
            for row in rows
            if _is_ours(row) and row["target"] and _is_behind(row, row["target"])
        )

    @staticmethod
    def _baselines(rows):
        found = []
        for row in filter(_is_ours, rows):
            rival = _rival(row, rows)
            if rival is not None:
                cell = _ours(rival)
                cell[0] += _small(rival["case"], "source")
                words = _words(row["case"], row["metric"])
                found.append([words, _ours(row), cell, _verdict(row, rival["value"])])
        return found


class PublishedPicture(SphinxDirective):
    """The picture of a question, where there is one."""

    required_arguments = 1
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self):
        uri = f"images/published_{self.arguments[0]}.png"
        path = ROOT / "docs" / uri
        self.env.note_dependency(str(path))
        if not path.exists():
            return []
        return [nodes.image(uri=uri, alt=self.options["alt"])]


def setup(app):
    """Register the directives."""
    app.add_directive("published-table", PublishedTable)
    app.add_directive("published-summary", PublishedSummary)
    app.add_directive("published-losses", PublishedLosses)
    app.add_directive("published-picture", PublishedPicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
