"""The defaults of all classes in one table: ``.. defaults-table:: Dense Conv``.

It reads signatures, so that the page cannot fall behind the code. A default that all
classes share spans their columns, which ``csv-table`` cannot do.
"""

import inspect

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import skae


def _defaults(name):
    """Return the default of each parameter of a class, as it is written in code."""
    cls = getattr(skae, name)
    found = {}
    parameters = inspect.signature(cls).parameters
    dense = getattr(cls, "_dense", None) if "hidden_layer_sizes" in parameters else None
    for key, parameter in parameters.items():
        default = parameter.default
        if key in ("hidden_layer_sizes", "activation") and default is None and dense:
            default = getattr(dense, key)  # what None stands for
        found[key] = _code(default)
    return found


def _code(value):
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


def setup(app):
    """Register the directive."""
    app.add_directive("defaults-table", DefaultsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
