"""The role ``measured``: one number of the results of benchmarks, in a sentence.

``:measured:`bench_growth seconds grows=batch_size; batch_size=128``` names a file, a
column and conditions on the row. Other than one value is an error. ``1/speed_up`` is
the inverse of a column: a ratio of times, as on all pages.
"""

from _tables.results import RESULTS, number, ratio, read, seconds, unique
from docutils import nodes
from sphinx.util.docutils import SphinxRole


class Measured(SphinxRole):
    """Read one number."""

    def run(self):
        text = " ".join(self.text.split())  # it may go over several lines
        name, column, *conditions = text.split(maxsplit=2)
        is_inverse, column = column.startswith("1/"), column.removeprefix("1/")
        wanted = dict(
            condition.strip().split("=", 1)
            for condition in "".join(conditions).split(";")
            if condition
        )
        self.env.note_dependency(str(RESULTS / f"{name}.csv"))
        values = unique(
            [row for row in read(name) if wanted.items() <= row.items()], column
        )
        if len(values) != 1:
            message = f"{self.text!r} has {len(values)} values and not one."
            error = self.inliner.reporter.error(message, line=self.lineno)
            return [], [error]
        write = {"seconds": seconds, "ratio": ratio}.get(column, number)
        value = ratio(1 / float(values[0])) if is_inverse else write(values[0])
        return [nodes.Text(value)], []


def setup(app):
    """Register the role."""
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
