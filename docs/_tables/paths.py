"""The tables of the page on paths between samples."""

import math

from _tables.results import read, save_circumstances, save_table, small, unique

# For each metric, whether more is better.
_BETTER = {"recognised": max, "distance": min, "largest": min}


def write():
    """Write a table for each metric, one of the penalty, and how they were measured."""
    rows = read("paths")
    for metric, choose in _BETTER.items():
        save_table(f"paths_{metric}", *table_of(rows, metric, choose))
    save_table("paths_penalty", *_penalty(read("paths_penalty")))
    save_circumstances("circumstances_paths", ["paths", "paths_penalty"])


def table_of(rows, metric, choose):
    """Return data sets by paths, first where the path through data gains least."""
    paths, lines = unique(rows, "path"), []
    for data in unique(rows, "data"):
        own = {row["path"]: row for row in rows if row["data"] == data}
        values = {path: float(own[path][metric]) for path in paths}
        if math.isnan(values["data"]):
            continue  # no classes
        best = choose(values.values())
        others = choose(value for path, value in values.items() if path != "data")
        gain = values["data"] - others if choose is max else others - values["data"]
        cells = [_cell(own[path], metric, values[path] == best) for path in paths]
        lines.append((gain, [data, *cells]))
    lines.sort(key=lambda line: line[0])
    return ["data", *paths], [cells for _, cells in lines]


def _penalty(rows):
    metrics = ["recognised", "distance", "largest", "R2"]
    body = [
        [f"{float(row['weight']):g}, {row['path']}"]
        + [_cell(row, metric, False) for metric in metrics]
        for row in rows
    ]
    return ["weight, path", *metrics], body


def _cell(row, metric, is_best):
    value, low, high = (
        f"{float(row[f'{metric}{x}']):.2f}" for x in ("", "_min", "_max")
    )
    return (f"**{value}**" if is_best else value) + small(f"({low}–{high})")
