"""The tables of the page on sampling."""

from _tables.results import read, save_circumstances, save_table, small, unique

# For each metric, what makes a sampler better; that of no copies has none.
_BEST = {"recognised": max, "classes": max, "distance": min, "nearest": None}
_NO_SAMPLERS = ("held-out images", "reconstructions, AutoencoderTransformer")


def write():
    """Write a table for each set of images, and how they were measured."""
    rows = read("sampling")
    for images in unique(rows, "images"):
        own = [row for row in rows if row["images"] == images]
        save_table(f"sampling_{images.lower()}", *table_of(own))
    save_circumstances("circumstances_sampling", ["sampling"])


def table_of(rows):
    """Return contestants by metrics, with the best sampler in bold."""
    samplers = [row for row in rows if row["contestant"] not in _NO_SAMPLERS]
    best = {
        metric: choose(float(row[metric]) for row in samplers) if choose else None
        for metric, choose in _BEST.items()
    }
    body = []
    for row in rows:
        is_sampler = row["contestant"] not in _NO_SAMPLERS
        cells = [
            _cell(row, metric, is_sampler and float(row[metric]) == best[metric])
            for metric in _BEST
        ]
        body.append([row["contestant"], *cells])
    return ["contestant", *_BEST], body


def _cell(row, metric, is_best):
    value, low, high = (
        f"{float(row[f'{metric}{x}']):z.2f}" for x in ("", "_min", "_max")
    )
    return (f"**{value}**" if is_best else value) + small(f"({low}–{high})")
