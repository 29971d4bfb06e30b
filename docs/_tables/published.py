"""The tables of the page on published results: figures of others, and of skae.

A row with epochs was trained and is ours; a row without epochs is a baseline.
"""

import math
import re
from collections import Counter

from _tables.results import (
    RESULTS,
    plain,
    read,
    save,
    save_circumstances,
    save_table,
    small,
    unique,
)

# The questions in the order of the page. The summary shows all of ours that have a
# published figure or, where many variants were tried, the cases that are named here.
HEADLINES = {
    "linear": (),
    "deep_autoencoder": (),
    "convolutional": (),
    "dense_suite": (),
    "quick_vae": (),
    "vae_likelihood": (),
    "contractive": (),
    "active_units": (),
    "sparse_features": ("SparseAutoencoder, lifetime",),
    "interpolation": (
        "VariationalAutoencoder, spherical path",
        "VariationalAutoencoder, neighbours stay near, spherical path",
        "AutoencoderTransformer, path through data",
    ),
    "one_class": (),
    "portrait": (
        "conv of photographs, 32 numbers: the portrait's tiles",
        "conv of photographs, 128 numbers: the portrait's tiles",
    ),
    "gaps": ("walk: variational", "draws: variational"),
}
WITH_A_COLUMN_FOR_EACH_METRIC = {"active_units", "interpolation"}


# Comparing ----------------------------------------------------------------------------


def is_ours(row):
    """Tell a trained model from a baseline."""
    return bool(row["epochs"])


def places(value, n_digits=3):
    """Return the decimals that show three digits of a number, or all that it has."""
    text = str(value)
    size = abs(float(text))
    needed = n_digits - 1 - math.floor(math.log10(size)) if size else 0
    return max(needed, 0 if "e" in text else len(text.partition(".")[2]))


def compare(row, other):
    """Return whether ours is better or worse than a number, or tied with it.

    A tie is a number that lies between the least and the greatest of the seeds, or is
    the same in the digits that were published.
    """
    n = places(other)
    other = round(float(other), n)
    value, low, high = (
        round(float(row[name]), n) for name in ("value", "value_min", "value_max")
    )
    if low <= other <= high:
        return "tie"
    return "better" if (value < other) == (row["better"] == "lower") else "worse"


def is_behind(row, other):
    """Return whether ours is on the worse side of a number, however close."""
    value, other = float(row["value"]), float(other)
    return value > other if row["better"] == "lower" else value < other


def are_comparable(case, other):
    """Return whether cases agree on one side of a colon; without one they do."""
    sides = zip(case.partition(": ")[::2], other.partition(": ")[::2], strict=True)
    return any(one == another for one, another in sides)


def find_baseline(row, rows):
    """Return the baseline that is better than ours, or None.

    It has the same metric and a comparable case. Of several it is the one whose case
    is most similar, then the best. A baseline with a target stands for that target,
    and one that is the published figure itself is compared already.
    """

    def rank(other):
        pieces, others = (set(re.split(r", | of |: ", x["case"])) for x in (row, other))
        sign = -1 if row["better"] == "lower" else 1
        return len(pieces & others), sign * float(other["value"])

    better = [
        other
        for other in rows
        if not (is_ours(other) or other["target"])
        and other["metric"] == row["metric"]
        and are_comparable(row["case"], other["case"])
        and is_behind(row, other["value"])
        and not (row["target"] and float(row["target"]) == float(other["value"]))
    ]
    return max(better, key=rank, default=None)


# Cells --------------------------------------------------------------------------------


def fixed(value, n_places):
    """Write a number with some decimals, a very small one with an exponent."""
    value = float(value)
    if value and abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-").replace("-", "−")
    return f"{value:,.{n_places}f}".replace("-", "−")


def ours(row):
    """Return a cell: the mean over the seeds, and their range."""
    n = places(f"{float(row['value']):.3g}")
    if row["target"]:
        n = max(n, places(row["target"]))
    low, high = row["value_min"], row["value_max"]
    if low == high:
        return fixed(row["value"], n)
    if fixed(low, n) == fixed(high, n):
        n += 1
    between = "–" if float(low) >= 0 else " to "
    return fixed(row["value"], n) + small(f"({fixed(low, n)}{between}{fixed(high, n)})")


def published(row, with_source):
    """Return a cell: the published figure and its source."""
    target = row["target"]
    if not target:
        return "–"
    source = small(row["source"], "source") if with_source else ""
    return fixed(target, places(target)) + source


def verdict(row, other):
    """Return a cell: whether ours is better than a number, a dash without one."""
    if not other:
        return "–"
    is_single = is_ours(row) and row["seeds"] == "1"
    return compare(row, other) + small("one seed" if is_single else "")


def minutes(row):
    """Return a cell: the minutes of a seed, a dash where nothing was trained."""
    value = float(row["minutes"])
    if not value:
        return "–"
    return "<0.01" if value < 0.01 else f"{value:,.4g}"


def case(row, text):
    """Return a cell: the case, and text below it."""
    return plain(row["case"]) + small(text.replace("`", ""))


# Tables -------------------------------------------------------------------------------


def list_rows(rows):
    """Return a table of all rows of a question, by metric."""
    head = ["metric", "case", "ours", "published", "ours is"]
    body = []
    for metric in unique(rows, "metric"):
        group = [row for row in rows if row["metric"] == metric]
        sources = {row["source"] for row in group if row["target"]}
        title = f"{metric}: {group[0]['better']} is better"
        if len(sources) == 1:
            title += f"; to beat: {min(sources)}"
        for row in group:
            cells = [
                case(row, row["note"]),
                ours(row),
                published(row, with_source=len(sources) > 1),
                verdict(row, row["target"]),
            ]
            counts = [row["seeds"], row["epochs"] or "–", minutes(row)]
            body.append([plain(title), *cells, *counts])
            title = ""
    return [*head, "seeds", "epochs", "minutes"], body


def cross_metrics(rows):
    """Return a table of all rows of a question with a column for each metric."""
    found = {(row["case"], row["metric"]): row for row in rows}
    # For each metric a row that has a published figure, or else any row.
    first = {row["metric"]: row for row in reversed(rows)}
    first |= {row["metric"]: row for row in rows if row["target"]}
    metrics = unique(rows, "metric")
    head, body = ["case"], []
    for metric in metrics:
        better = first[metric]["better"]
        target = first[metric]["target"]
        head.append(plain(f"{metric}: {better} is better" if target else metric))
    if any(first[metric]["target"] for metric in metrics):
        sources = dict.fromkeys(row["source"] for row in rows if row["target"])
        targets = [published(first[metric], with_source=False) for metric in metrics]
        body.append(["published" + small(" / ".join(sources)), *targets, "–"])
    for name in unique(rows, "case"):
        its = [found.get((name, metric)) for metric in metrics]
        cells = [_cell_of(row) for row in its]
        row = next(filter(None, its))
        last = (row["epochs"] or "–") + small(f"{minutes(row)} min")
        body.append([case(row, row["note"]), *cells, last])
    return [*head, "epochs, minutes"], body


def _cell_of(row):
    """Return a measured figure, compared with the published one if there is one."""
    if row is None:
        return "–"
    return ours(row) + small(compare(row, row["target"]) if row["target"] else "")


def with_question(question, lines):
    """Put a cell before some lines: a link to the section, in the first of them."""
    title = f":ref:`published-{question}`"
    return [["" if i else title, *line] for i, line in enumerate(lines)]


def with_target(rows):
    """Return cells for each row: case, ours, published, verdict, minutes."""
    above = [None, *[row["source"] for row in rows]]  # a source is not repeated
    return [
        [
            case(row, row["metric"]),
            ours(row),
            published(row, with_source=row["source"] != source),
            verdict(row, row["target"]),
            minutes(row),
        ]
        for row, source in zip(rows, above, strict=False)
    ]


def summarise(results):
    """Return a table of ours that have a published figure, of all questions."""
    body = []
    for question, rows in results.items():
        shown = [row for row in rows if row["target"] and is_ours(row)]
        if names := HEADLINES[question]:
            missing = set(names) - {row["case"] for row in shown}
            if missing:
                raise ValueError(f"published_{question}.csv lacks {sorted(missing)}.")
            shown = [row for row in shown if row["case"] in names]
        body += with_question(question, with_target(shown))
    return ["question", "case", "ours", "published", "ours is", "minutes"], body


def behind_published(results):
    """Return a table of ours that are on the worse side of the published figure."""
    body = []
    for question, rows in results.items():
        behind = [
            row
            for row in rows
            if is_ours(row) and row["target"] and is_behind(row, row["target"])
        ]
        body += with_question(question, [line[:-1] for line in with_target(behind)])
    return ["question", "case", "ours", "published", "ours is"], body


def behind_baselines(results):
    """Return a table of ours that a baseline of the same question is better than."""
    body = []
    for question, rows in results.items():
        lines = []
        for row in filter(is_ours, rows):
            baseline = find_baseline(row, rows)
            if baseline is not None:
                lines.append(
                    [
                        case(row, row["metric"]),
                        ours(row),
                        ours(baseline) + small(baseline["case"], "source"),
                        verdict(row, baseline["value"]),
                    ]
                )
        body += with_question(question, lines)
    return ["question", "case", "ours", "baseline", "ours is"], body


def write():
    """Write all tables of the page."""
    measured = {
        path.stem.removeprefix("published_") for path in RESULTS.glob("published_*")
    }
    if measured != set(HEADLINES):
        raise ValueError(
            f"{sorted(measured ^ set(HEADLINES))}: HEADLINES of docs/_tables/"
            "published.py has to name each question of benchmarks/results."
        )
    results = {question: read(f"published_{question}") for question in HEADLINES}
    for question, rows in results.items():
        crossed = question in WITH_A_COLUMN_FOR_EACH_METRIC
        table = cross_metrics(rows) if crossed else list_rows(rows)
        save_table(f"published_{question}", *table)
    head, body = summarise(results)
    save_table("published_summary", head, body)
    verdicts = Counter(line[head.index("ours is")].split()[0] for line in body)
    counts = {
        "count": len(body),
        **{x: verdicts[x] for x in ("better", "tie", "worse")},
    }
    save(
        "published_counts.inc",
        "".join(f".. |n_{name}| replace:: {n}\n" for name, n in counts.items()),
    )
    save_table("published_behind", *behind_published(results))
    save_table("published_behind_baselines", *behind_baselines(results))
    files = [f"published_{question}" for question in HEADLINES]
    save_circumstances("circumstances_published", files)
