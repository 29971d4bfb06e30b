"""The table of the page on features of tables."""

from _tables.results import read, save_circumstances, save_table, small, unique

# Heads that are narrow enough for the page, which says what they stand for.
_SHORT = {
    "columns": "columns",
    "PCA": "PCA",
    "code": "code",
    "code and hidden layer": "hidden",
    "code and hidden layer, untrained": "random",
    "boosting": "boosting",
}

_LOSSES = {"squared error": "squared_error", "BlockLoss": "BlockLoss"}


def write():
    """Write the scores, and how they were measured."""
    save_table("tables", *scores(read("tables")))
    save_table("tables_losses", *losses(read("tables_losses")))
    save_circumstances("circumstances_tables", ["tables", "tables_losses"])


def scores(rows):
    """Return tables by contestants, first those that the code is furthest behind in."""
    names, lines = unique(rows, "contestant"), []
    for table in unique(rows, "table"):
        found = {row["contestant"]: row for row in rows if row["table"] == table}
        values = {name: float(row["score"]) for name, row in found.items()}
        best = max(values.values())
        cells = [_cell(found[name], values[name] == best) for name in names]
        row = found["code"]
        head = f"{table}, {row['target']} ({row['metric']})"
        lines.append((values["code"] - best, [head, *cells]))
    lines.sort(key=lambda line: line[0])
    return ["table, target", *(_SHORT[x] for x in names)], [x for _, x in lines]


def losses(rows):
    """Return what comes back with each loss, first where categories gain least."""
    head = ["table, size of the code"]
    head += [f"{x}, {loss}" for x in ("categories", "numbers") for loss in _LOSSES]
    lines = []
    for table, size in dict.fromkeys((row["table"], row["size"]) for row in rows):
        pair = {
            row["loss"]: row
            for row in rows
            if (row["table"], row["size"]) == (table, size)
        }
        cells, gains = [f"{table}, {size}"], []
        for name in ("categories", "numbers"):
            values = {loss: float(pair[loss][name]) for loss in pair}
            best = max(values.values())
            cells += [_cell(pair[x], values[x] == best, name) for x in _LOSSES.values()]
            gains.append(values["BlockLoss"] - values["squared_error"])
        lines.append((gains[0], cells))
    lines.sort(key=lambda line: line[0])
    return head, [cells for _, cells in lines]


def _cell(row, is_best, name="score"):
    value, low, high = (f"{float(row[f'{name}{x}']):.3f}" for x in ("", "_min", "_max"))
    return (f"**{value}**" if is_best else value) + small(f"({low}–{high})")
