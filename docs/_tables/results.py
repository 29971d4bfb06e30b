"""Results of benchmarks: how they are read, formatted and written for ``csv-table``."""

import csv
import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
GENERATED = ROOT / "docs" / "generated"

VERSIONS = {
    "skae": "skae",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "skorch": "skorch",
    "pyod": "PyOD",
    "python": "Python",
}
# Columns that say how something was measured, not what.
MACHINE = {"device", "cpu", "amx", "cores", "threads", *VERSIONS}


def read(name):
    """Return the rows of a file of results."""
    with open(RESULTS / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def save(name, text):
    """Write a file for the pages; one that is the same keeps its time."""
    path = GENERATED / name
    GENERATED.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def save_table(name, head, body):
    """Write a table whose cells are reST."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *body])
    save(f"{name}.csv", file.getvalue())


def unique(rows, column):
    """Return the values of a column, each once and in the order of the file."""
    return list(dict.fromkeys(row[column] for row in rows if row.get(column)))


# Cells --------------------------------------------------------------------------------


def plain(text):
    """Return text in which nothing is markup."""
    return re.sub(r"([\\*_|`])", r"\\\1", text)


def small(text, role="spread"):
    """Return a small line below a cell."""
    return f" :{role}:`{plain(text)}`" if text else ""


def digits(value):
    """Write a positive number with three digits."""
    return f"{value:#.3g}".removesuffix(".")


def ratio(value):
    """Write a ratio with two decimals, or three digits where those say more or less."""
    value = float(value)
    return f"{value:.2f}" if 0.1 <= value < 10 else digits(value)


def seconds(value):
    """Write seconds, or milliseconds where they are few."""
    value = float(value)
    return f"{digits(value)} s" if value >= 0.1 else f"{digits(1000 * value)} ms"


def number(value):
    """Write any number of the file."""
    if value.isdigit():
        return f"{int(value):,}"
    return f"{float(value):.3g}".replace("-", "−")


def _inverse(row, column):
    ends = {"": "", "_min": "_max", "_max": "_min"}
    return row | {
        f"{column}{end}": f"{1 / float(row[f'{column}{other}']):.4g}"
        for end, other in ends.items()
    }


def value_and_range(row, column, write):
    """Return a cell: a value and its range where there is one, a dash for no row.

    ``1/column`` is the inverse of a column.
    """
    if row is None:
        return "–"
    if column.startswith("1/"):
        column = column.removeprefix("1/")
        row = _inverse(row, column)
    if f"{column}_min" not in row:
        return write(row[column])
    low, high = write(row[f"{column}_min"]), write(row[f"{column}_max"])
    return write(row[column]) + small(f"({low}–{high})")


# How it was measured ------------------------------------------------------------------


def save_circumstances(name, files):
    """Write a table of how often and with what each file was measured."""
    body = []
    for file in files:
        rows = read(file)
        processor = unique(rows, "cpu") or unique(rows, "device")
        processor += [
            "with AMX" if x == "True" else "no AMX" for x in unique(rows, "amx")
        ]
        repeats = [
            f"{' or '.join(values)} {column}"
            for column in ("rounds", "fits")
            if (values := unique(rows, column))
        ]
        facts = [
            ", ".join(repeats),
            ", ".join(processor),
            *[" or ".join(unique(rows, x)) for x in ("cores", "threads", *VERSIONS)],
        ]
        body.append([f"``{file}.csv``", *map(plain, facts)])
    head = ["results", "repeated", "processor", "cores", "threads", *VERSIONS.values()]
    known = [column for column in zip(head, *body, strict=True) if any(column[1:])]
    head, *body = zip(*known, strict=True)
    save_table(name, head, body)
