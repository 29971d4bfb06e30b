"""The tables of the page on conditions."""

from _tables.results import read, save_circumstances, save_table, small, unique

# For each metric, what makes a contestant better; that of no copies has none.
_DIGITS = {"recognised": max, "slant": max, "ink": max, "nearest": None}
_BATCH = {"batch": min, "forest": min, "type": max}


def write():
    """Write the tables of images and of cells, and how they were measured."""
    rows = read("conditions_digits")
    for images in unique(rows, "images"):
        own = [row for row in rows if row["images"] == images]
        save_table(f"conditions_{images.lower()}", *table_of(own, _DIGITS))
    save_table("conditions_batch", *table_of(read("conditions_batch"), _BATCH))
    names = ["conditions_digits", "conditions_batch"]
    save_circumstances("circumstances_conditions", names)


def table_of(rows, metrics):
    """Return contestants by metrics, with the best in bold."""
    best = {
        metric: choose(float(row[metric]) for row in rows)
        for metric, choose in metrics.items()
        if choose
    }
    body = [
        [row["contestant"], *(_cell(row, name, best.get(name)) for name in metrics)]
        for row in rows
    ]
    return ["contestant", *metrics], body


def _cell(row, metric, best):
    value, low, high = (
        f"{float(row[f'{metric}{x}']):z.2f}" for x in ("", "_min", "_max")
    )
    is_best = best is not None and float(row[metric]) == best
    return (f"**{value}**" if is_best else value) + small(f"({low}–{high})")
