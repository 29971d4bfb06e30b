"""A Sphinx extension that writes the tables of measurements before a build.

It reads ``benchmarks/results/*.csv``. The pages show ``docs/generated/*.csv`` with
``csv-table``, and figures with ``raw``.
"""

from _tables import (
    anomalies,
    conditions,
    defaults,
    figures,
    generalisation,
    imputation,
    paths,
    performance,
    published,
    sampling,
    tables,
)


def write(app):
    """Write all tables and figures."""
    performance.write()
    figures.write()
    published.write()
    defaults.write()
    generalisation.write()
    imputation.write()
    anomalies.write()
    tables.write()
    sampling.write()
    conditions.write()
    paths.write()


def setup(app):
    """Write the tables when the build starts."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
