"""Two directives: the defaults of all classes, and what was measured of them.

``.. defaults-table:: Dense Conv`` reads signatures, so that the page cannot fall
behind the code. ``.. measured-tables:: benchmarks/results/defaults_*.csv`` takes the
files that are there, and says so where there are none.
"""

import csv
import inspect
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import skae

ROOT = Path(__file__).resolve().parents[2]


def _defaults(name):
    """Return the default of each parameter of a class, as it is written in code."""
    cls = getattr(skae, name)
    found = {}
    for key, parameter in inspect.signature(cls).parameters.items():
        default = parameter.default
        if key in ("hidden_layer_sizes", "activation") and default is None:
            default = getattr(cls._dense, key)  # what None stands for
        found[key] = _code(default)
    return found


def _code(value):
    # Two backticks keep reST from reading what stands between them.
    return "``" + repr(value).replace("'", '"') + "``"


def _short_name(name):
    """Return a class name that is narrow enough for the head of a column."""
    if not name.endswith(("Autoencoder", "Transformer")):
        return name
    return name.removesuffix("Transformer").removesuffix("Autoencoder") or "Autoencoder"


class DefaultsTable(SphinxDirective):
    """One row for each parameter, one column for each class that is named."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        names = self.arguments[0].split()
        columns = [_defaults(name) for name in names]
        parameters = dict.fromkeys(key for column in columns for key in column)
        # First what tells the classes apart, then what all of them have.
        ordered = sorted(parameters, key=lambda key: self._is_shared(key, columns))
        head = [f":class:`{_short_name(name)} <skae.{name}>`" for name in names]
        table = nodes.table(classes=["wide"])
        group = nodes.tgroup(cols=1 + len(names))
        group += [nodes.colspec(colwidth=1) for _ in range(1 + len(names))]
        group += nodes.thead("", self._row(["parameter", *head]))
        body = nodes.tbody()
        for key in ordered:
            cells = [column.get(key, "–") for column in columns]
            if self._is_shared(key, columns) and len(set(cells)) == 1:
                cells = cells[:1]
            body += self._row([f"``{key}``", *cells], width=1 + len(names))
        group += body
        table += group
        return [table]

    @staticmethod
    def _is_shared(key, columns):
        return all(key in column for column in columns)

    def _row(self, cells, width=None):
        """Return a row; the last of too few cells stretches to the width."""
        row = nodes.row()
        for cell in cells:
            row += nodes.entry("", *self.parse_text_to_nodes(cell))
        missing = (width or len(cells)) - len(cells)
        if missing:
            row[-1]["morecols"] = missing
        return row


def _list_table(header, rows):
    lines = [".. list-table::", "   :header-rows: 1", "   :class: wide", ""]
    for row in (header, *rows):
        lines += [
            f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)
        ]
    return "\n".join(lines)


class MeasuredTables(SphinxDirective):
    """One table for each file that matches a pattern, relative to the repository."""

    required_arguments = 1
    option_spec: ClassVar = {"empty": directives.unchanged}

    def run(self):
        files = sorted(ROOT.glob(self.arguments[0]))
        found = []
        for path in files:
            self.env.note_dependency(str(path))
            found += self._table(path)
        if not found:
            found = self.parse_text_to_nodes(self.options.get("empty", ""))
        return found

    def _table(self, path):
        lines = path.read_text(encoding="utf-8").splitlines()
        notes = [line.lstrip("# ") for line in lines if line.startswith("#")]
        rows = list(csv.reader(line for line in lines if line and line[0] != "#"))
        if len(rows) < 2:
            return []
        width = len(rows[0])
        cells = [[*row, *[""] * width][:width] for row in rows]
        cells, everywhere = _split_constant_columns(cells)
        text = [f".. rubric:: ``{path.name}``", "", *notes, "", everywhere, ""]
        text.append(_list_table(*_literal(cells)))
        return self.parse_text_to_nodes("\n".join(text))


def _split_constant_columns(rows):
    """Return the columns whose values differ, and a sentence of the others."""
    columns = list(zip(*rows, strict=True))
    differ = [column for column in columns if len(set(column[1:])) > 1]
    same = [
        f"{name} {_escape(values[0])}"
        for name, *values in columns
        if len(set(values)) == 1
    ]
    sentence = f"In every row: {', '.join(same)}." if same else ""
    return [list(row) for row in zip(*differ, strict=True)], sentence


def _literal(rows):
    """Return the header and the body, with every cell safe to be parsed as reST."""
    header, *body = [[_escape(_short(cell)) for cell in row] for row in rows]
    return header, body


def _short(cell):
    """Round what a program wrote in full."""
    try:
        return cell if len(cell) < 8 else f"{float(cell):.4g}"
    except ValueError:
        return cell


def _escape(cell):
    escaped = "".join("\\" + c if c in "\\`*_|" else c for c in cell.strip())
    return escaped or "\\ "


def setup(app):
    """Register the directives."""
    app.add_directive("defaults-table", DefaultsTable)
    app.add_directive("measured-tables", MeasuredTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
