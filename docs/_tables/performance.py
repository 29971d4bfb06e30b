"""The tables of the page on performance."""

from _tables.results import (
    number,
    plain,
    ratio,
    read,
    save_circumstances,
    save_table,
    seconds,
    unique,
    value_and_range,
)

RATIOS = (
    "bench_rivals",
    "bench_training",
    "bench_inference",
    "bench_contraction",
    "bench_precision",
)
# The columns of a table and their names on the page; the first holds words.
COLUMNS = {
    "bench_growth_share": {
        "network": "network",
        "n_rows": "rows",
        "gflops": "Gflop/s",
        "machine_gflops": "matrix product, Gflop/s",
        "share": "share",
    },
    "bench_search": {
        "contestant": "search",
        "n_rows": "rows",
        "seconds": "seconds",
        "1/speed_up": "ratio",
    },
    "bench_calls": {
        "contestant": "call",
        "median_ms": "median, ms",
        "p99_ms": "99th percentile, ms",
        "ratio": "ratio of medians",
    },
    "sparse_rows": {
        "contestant": "matrix: contestant",
        "information": "adjusted mutual information",
        "spread": "spread of three seeds",
        "seconds": "seconds",
    },
    "sparse_memory": {
        "contestant": "contestant",
        "before_mb": "before the fit, MB",
        "peak_mb": "peak, MB",
        "network_mb": "weights, MB",
    },
    "bench_stacked_memory": {
        "contestant": "search",
        "n_rows": "rows",
        "x_mb": "X, MB",
        "peak_mb": "peak, MB",
    },
    "bench_sources": {
        "x_gb": "X, GB",
        "n_rows": "rows",
        "fit_peak_mb": "fit, peak MB",
        "transform_peak_mb": "transform, peak MB",
        "codes_mb": "of these codes",
        "fit_us_per_row": "fit, µs",
        "score_us_per_row": "score, µs",
        "transform_us_per_row": "transform, µs",
    },
    "bench_distributed": {
        "case": "network",
        "mb": "weights, MB",
        "alone_ms": "one process, ms",
        "half_ms": "half of the rows, ms",
        "sum_ms": "sum, ms",
        "predicted_ms": "model, ms",
        "together_ms": "two processes, ms",
        "speed_up": "speed-up of a step",
        "speed_up_of_fit": "of a fit",
    },
    "bench_distributed_sum": {"entries": "entries", "mb": "MB", "ms": "ms"},
    "bench_search_start": {"stage": "stage", "seconds": "seconds"},
    "bench_import": {"contestant": "import", "seconds": "seconds", "ratio": "ratio"},
}


def ratios(rows):
    """Return a table of cases by contestants: the time of the reference, and ratios.

    Where cases have different references, a row holds one comparison.
    """
    found = {(row["case"], row["contestant"]): row for row in rows}
    references = {
        case: contestant
        for (case, contestant), row in found.items()
        if row["ratio"] == row["ratio_min"] == row["ratio_max"] == "1"
    }
    without = set(unique(rows, "case")) - set(references)
    if without:
        raise ValueError(f"No contestant is the reference in {sorted(without)}.")
    times = {
        case: seconds(found[case, reference]["seconds"])
        for case, reference in references.items()
    }
    if len(set(references.values())) > 1:
        head = ["case", "contestant", "ratio", "reference", "its time"]
        return head, [
            [
                plain(case),
                plain(contestant),
                value_and_range(row, "ratio", ratio),
                plain(references[case]),
                times[case],
            ]
            for (case, contestant), row in found.items()
            if contestant != references[case]
        ]
    (reference,) = set(references.values())
    others = [name for name in unique(rows, "contestant") if name != reference]
    body = [
        [
            plain(case),
            times[case],
            *[value_and_range(found.get((case, x)), "ratio", ratio) for x in others],
        ]
        for case in references
    ]
    return ["case", f"{reference}, time", *map(plain, others)], body


def slower(rows):
    """Return a table of the rows with a ratio below 1, the worst first."""
    found = sorted(
        (row for row in rows if float(row["ratio"]) < 1),
        key=lambda row: float(row["ratio"]),
    )
    return ["case", "rival", "ratio", "range includes 1"], [
        [
            plain(row["case"]),
            plain(row["contestant"]),
            value_and_range(row, "ratio", ratio),
            "no" if float(row["ratio_max"]) < 1 else "yes",
        ]
        for row in found
    ]


def quality(rows):
    """Return the table of times to an R², with a dash where it was not reached."""
    columns = {
        "seconds": "fit",
        "to_pca": "to R² of PCA",
        "to_before": "to R² of the defaults before",
    }
    body = [
        [
            plain(row["case"]),
            plain(row["contestant"]),
            f"{float(row['r2']):.3f}".replace("-", "−"),
            f"{float(row['r2_pca']):.3f}",
            *[seconds(row[name]) if row[name] else "–" for name in columns],
        ]
        for row in rows
    ]
    return ["data", "contestant", "R²", "R² of PCA", *columns.values()], body


def stacked(rows):
    """Return the table of searches, with a dash where other candidates were scored."""
    body = [
        [
            f"{plain(row['case'])}: {plain(row['contestant'])}",
            value_and_range(row, "seconds", number),
            value_and_range(row, "1/speed_up", ratio),
            number(row["difference"]) if row["difference"] else "–",
        ]
        for row in rows
    ]
    return ["search", "seconds", "ratio", "difference"], body


def four_digits(value):
    """Write R², or a difference of two."""
    return f"{float(value):.4f}".replace("-", "−")


def shuffling(rows):
    """Return the table of buffers, each a share of the rows."""
    body = [
        [
            plain(row["case"]),
            f"{float(row['buffer_share']):.0%}",
            *[value_and_range(row, x, four_digits) for x in ("r2", "minus_full")],
            four_digits(row["r2_pca"]),
        ]
        for row in rows
    ]
    return ["data", "buffer", "R²", "difference", "R² of PCA"], body


def select(rows, columns):
    """Return a table of some columns."""
    first, *others = columns
    return list(columns.values()), [
        [plain(row[first]), *[value_and_range(row, x, number) for x in others]]
        for row in rows
    ]


def pivot(rows, across, value, beside):
    """Return a table of one column by case and another column.

    Parameters
    ----------
    rows : list of dict
        Rows of a file; those without a value are left out.
    across, value : str
        The column that gives the columns of the table, and the one that fills it.
    beside : dict
        Columns that belong to a case, and their names.
    """
    rows = [row for row in rows if row[value]]
    found = {(row["case"], row[across]): row for row in rows}
    first = {row["case"]: row for row in reversed(rows)}
    columns = unique(rows, across)
    body = [
        [
            plain(case),
            *[value_and_range(first[case], x, number) for x in beside],
            *[value_and_range(found.get((case, x)), value, number) for x in columns],
        ]
        for case in unique(rows, "case")
    ]
    return ["case", *beside.values(), *columns], body


def write():
    """Write all tables of the page."""
    for name in RATIOS:
        save_table(name, *ratios(read(name)))
    save_table("bench_rivals_slower", *slower(read("bench_rivals")))
    save_table("bench_stacked", *stacked(read("bench_stacked")))
    save_table("bench_shuffling", *shuffling(read("bench_shuffling")))
    save_table("bench_quality", *quality(read("bench_quality")))
    for name, columns in COLUMNS.items():
        save_table(name, *select(read(name), columns))
    beside = {"data_mb": "X", "weights_mb": "weights"}
    save_table("bench_memory", *pivot(read("bench_memory"), "call", "peak_mb", beside))
    of_precision = pivot(read("bench_precision"), "contestant", "r2", {})
    save_table("bench_precision_quality", *of_precision)
    files = {
        *RATIOS,
        *COLUMNS,
        "bench_quality",
        "bench_shuffling",
        "bench_stacked",
        "bench_growth",
        "bench_memory",
        "bench_search_memory",
    }
    save_circumstances("circumstances_performance", sorted(files))
