"""The tables of the page on defaults: what was measured, without the machine."""

from _tables.results import (
    MACHINE,
    RESULTS,
    plain,
    read,
    save_circumstances,
    save_table,
)


def write():
    """Write a table for each question."""
    names = sorted(path.stem for path in RESULTS.glob("defaults_*.csv"))
    for name in names:
        rows = read(name)
        head = [column for column in rows[0] if column not in MACHINE]
        body = [[plain(row[column]) for column in head] for row in rows]
        save_table(name, map(plain, head), body)
    save_circumstances("circumstances_defaults", names)
