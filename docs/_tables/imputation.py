"""The tables of the page on imputation."""

from _tables.results import (
    digits,
    plain,
    read,
    save_circumstances,
    save_table,
    small,
    unique,
)

_OURS = "AutoencoderTransformer"
# Heads that are narrow enough for the page, which says what they stand for.
_SHORT = {
    _OURS: "skae",
    "SimpleImputer": "means",
    "KNNImputer": "KNN",
    "IterativeImputer": "linear",
    "IterativeImputer, forest": "forest",
}


def write():
    """Write the published protocol, and a table for each figure of unseen rows."""
    save_table("imputation_published", *published(read("imputation_published")))
    rows = read("imputation")
    for row in rows:
        row["case"] = f"{row['table']}, {row['mechanism']}"
    save_table("imputation_rmse", *pivot(rows, "rmse", _error, "skae / best other"))
    save_table("imputation_distance", *pivot(rows, "wasserstein", _distance))
    save_table("imputation_accuracy", *accuracies(rows))
    save_table("imputation_seconds", *seconds_of_tables(rows))
    files = ["imputation_published", "imputation"]
    save_circumstances("circumstances_imputation", files)


def published(rows):
    """Return the contestants of the published protocol, the best first."""
    head = ["contestant", "mean squared error", "seeds", "seconds"]
    return head, [
        [plain(row["contestant"]), _with_range(row), row["seeds"], row["seconds"]]
        for row in rows
    ]


def _with_range(row):
    if row["mse_min"] == row["mse_max"]:
        return row["mse"]
    return row["mse"] + small(f"({row['mse_min']}–{row['mse_max']})")


def _short(names):
    return [_SHORT[name] for name in names]


def _error(row):
    return row["rmse"] + small(f"({row['rmse_spread']})")


def _distance(row):
    return row["wasserstein"]


def pivot(rows, column, write_cell, ratio=None):
    """Return cases by contestants, sorted by our figure over the best of the others.

    Lower figures are better, so that what we lose comes first. The best figure of a
    case is bold.
    """
    names, lines = unique(rows, "contestant"), []
    for case in unique(rows, "case"):
        found = {row["contestant"]: row for row in rows if row["case"] == case}
        values = {name: float(row[column]) for name, row in found.items()}
        behind = values[_OURS] / min(x for name, x in values.items() if name != _OURS)
        cells = [_mark(write_cell(found[x]), values[x], values) for x in names]
        lines.append((behind, [case, *cells, *([f"{behind:.2f}"] if ratio else [])]))
    lines.sort(key=lambda line: -line[0])
    head = ["table, entries removed", *_short(names), *([ratio] if ratio else [])]
    return head, [line for _, line in lines]


def _mark(cell, value, values):
    """Return a cell, with its number in bold if no contestant has a lower one."""
    number, *rest = cell.split(" ", 1)
    number = f"**{number}**" if value == min(values.values()) else number
    return " ".join([number, *rest])


def accuracies(rows):
    """Return accuracies, and those with the indicator in a second line.

    First the cases in which the indicator changes the mean of the contestants most.
    """
    names, lines = unique(rows, "contestant"), []
    for case in unique(rows, "case"):
        found = {row["contestant"]: row for row in rows if row["case"] == case}
        gain = sum(_gain(row) for row in found.values()) / len(found)
        cells = [
            _percent(found[name]["accuracy"])
            + small(f"({_percent(found[name]['accuracy_indicator'])})")
            for name in names
        ]
        complete = _percent(next(iter(found.values()))["accuracy_complete"])
        lines.append((gain, [case, complete, *cells, f"{100 * gain:+.1f}"]))
    lines.sort(key=lambda line: -line[0])
    head = ["table, entries removed", "no gaps", *_short(names), "gain"]
    return head, [line for _, line in lines]


def _gain(row):
    return float(row["accuracy_indicator"]) - float(row["accuracy"])


def _percent(value):
    return f"{100 * float(value):.1f}"


def seconds_of_tables(rows):
    """Return the mean seconds over mechanisms of each table."""
    names, body = unique(rows, "contestant"), []
    for table in unique(rows, "table"):
        cells = []
        for name in names:
            found = [
                float(row["seconds"])
                for row in rows
                if (row["table"], row["contestant"]) == (table, name)
            ]
            cells.append(digits(sum(found) / len(found)))
        body.append([table, *cells])
    return ["table", *_short(names)], body
