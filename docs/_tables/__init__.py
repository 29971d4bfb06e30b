"""A Sphinx extension that writes the tables of measurements before a build.

It reads ``benchmarks/results/*.csv``. The pages show ``docs/generated/*.csv`` with
``csv-table``, and the figure of ``bench_growth`` with ``raw``.
"""

from _tables import (
    anomalies,
    conditions,
    defaults,
    generalisation,
    growth,
    imputation,
    paths,
    performance,
    published,
    sampling,
    tables,
)


def write(app):
    """Write all tables and the figure."""
    performance.write()
    growth.write()
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
