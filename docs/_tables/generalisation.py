"""The tables of the page on data that nobody chose."""

import statistics

from _tables.results import read, save, save_circumstances, save_table

_NAME = "generalisation"
_AFTER = {"lr": "LR", "nn": "1-NN", "kmeans": "k-means"}


def write():
    """Write the summary, and a table for each group of classes."""
    rows = read(_NAME)
    for row in rows:
        row["gain"] = float(row["r2"]) - float(row["r2_pca"])
    _write_summary(rows)
    _write_class(rows, "AutoencoderTransformer", "generalisation_dense")
    _write_class(rows, "ConvAutoencoder", "generalisation_conv")
    _write_others(rows)
    save_circumstances("circumstances_generalisation", [_NAME])


def _grouped(rows, *names):
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def _differences(rows):
    """Return what follows of the code minus that of PCA, of all rows."""
    return [
        float(row[name]) - float(row[f"{name}_pca"])
        for row in rows
        for name in _AFTER
        if row[name]
    ]


def _mean(rows, name):
    return statistics.fmean(float(row[name]) for row in rows)


def _write_summary(rows):
    head = ["class", "data sets", "worst gain", "median gain", "mean gain"]
    head += ["≥ −0.005", "code ≥ −0.02", "code", "seconds"]
    body = []
    reported = [row for row in rows if row["half"] == "report"]
    for (name,), some in _grouped(reported, "estimator").items():
        means = [_mean(x, "gain") for x in _grouped(some, "data").values()]
        after = _differences(some)
        body.append(
            [
                name,
                len(means),
                f"{min(row['gain'] for row in some):+.4f}",
                f"{statistics.median(means):+.4f}",
                f"{statistics.fmean(means):+.4f}",
                f"{sum(x >= -0.005 for x in means)} of {len(means)}",
                f"{100 * sum(x >= -0.02 for x in after) / len(after):.0f} %",
                f"{statistics.median(after):+.4f}",
                f"{_mean(some, 'seconds'):.2f}",
            ]
        )
    save_table("generalisation_summary", head, body)
    (counted,) = (x for x in body if x[0] == "AutoencoderTransformer")
    save("generalisation_count.inc", f".. |not_below_pca| replace:: {counted[5]}\n")


def _write_class(rows, estimator, table):
    head = ["data", "half", "rows", "columns", "k", "R² of PCA", "gain", "worst"]
    head += [*_AFTER.values(), "seconds"]
    own = [row for row in rows if row["estimator"] == estimator]
    groups = sorted(
        _grouped(own, "data").items(), key=lambda item: _mean(item[1], "gain")
    )
    body = []
    for (data,), some in groups:
        first = some[0]
        after = [
            f"{_mean(some, name) - _mean(some, name + '_pca'):+.3f}"
            if first[name]
            else ""
            for name in _AFTER
        ]
        body.append(
            [
                data,
                first["half"],
                first["rows"],
                first["columns"],
                first["n_components"],
                f"{_mean(some, 'r2_pca'):.3f}",
                f"{_mean(some, 'gain'):+.4f}",
                f"{min(row['gain'] for row in some):+.4f}",
                *after,
                f"{_mean(some, 'seconds'):.2f}",
            ]
        )
    save_table(table, head, body)


def _write_others(rows):
    others = [
        row
        for row in rows
        if row["estimator"] not in ("AutoencoderTransformer", "ConvAutoencoder")
    ]
    names = list(dict.fromkeys(row["estimator"] for row in sorted_by_name(others)))
    groups = _grouped(others, "data", "estimator")
    gains = {key: _mean(some, "gain") for key, some in groups.items()}
    data = sorted(
        {key[0] for key in gains}, key=lambda name: min(gains[name, x] for x in names)
    )
    halves = {row["data"]: row["half"] for row in others}
    body = [
        [name, halves[name], *(f"{gains[name, x]:+.3f}" for x in names)]
        for name in data
    ]
    save_table("generalisation_others", ["data", "half", *names], body)


def sorted_by_name(rows):
    """Return rows in the order of their classes."""
    return sorted(rows, key=lambda row: row["estimator"])
