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


def write():
    """Write the scores, and how they were measured."""
    save_table("tables", *scores(read("tables")))
    save_circumstances("circumstances_tables", ["tables"])


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


def _cell(row, is_best):
    value, low, high = (f"{float(row[f'score{x}']):.3f}" for x in ("", "_min", "_max"))
    return (f"**{value}**" if is_best else value) + small(f"({low}–{high})")
