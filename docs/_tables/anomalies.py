"""The tables of the page on anomaly detection."""

import statistics

from _tables.results import read, save_circumstances, save_table, unique

_NAME = "anomalies"

# The contestant that others are compared with, set by set, and what counts as a tie.
_OURS = "AnomalyDetector"
_TIE = 0.01


def write():
    """Write the summary of each half, a table of all sets, and one of the rates."""
    rows = read(_NAME)
    for half in ("report", "choose"):
        _write_summary([row for row in rows if row["half"] == half], half)
    _write_sets(rows)
    _write_rates()
    save_circumstances("circumstances_anomalies", [_NAME, f"{_NAME}_guarantee"])


def _mean(rows, name):
    return statistics.fmean(float(row[name]) for row in rows)


def _percent(value):
    return f"{100 * float(value):.1f} %"


def _aurocs(rows, contestant):
    """Return the mean AUROC of a contestant on each set."""
    own = [row for row in rows if row["contestant"] == contestant]
    return {
        data: _mean([row for row in own if row["data"] == data], "auroc")
        for data in unique(own, "data")
    }


def _sets_won(rows, contestant):
    """Return on how many sets a contestant is better than ours, and worse."""
    ours, own = _aurocs(rows, _OURS), _aurocs(rows, contestant)
    gains = [own[data] - ours[data] for data in own]
    better, worse = (sum(sign * x > _TIE for x in gains) for sign in (1, -1))
    return "–" if contestant == _OURS else f"{better} / {worse}"


def _write_summary(rows, half):
    head = ["contestant", "AUROC", "worst", "better / worse"]
    head += ["flagged", "at most", "found", "seconds"]
    body = []
    for contestant in unique(rows, "contestant"):
        own = [row for row in rows if row["contestant"] == contestant]
        sets = [
            [row for row in own if row["data"] == data] for data in unique(own, "data")
        ]
        body.append(
            [
                contestant,
                f"{_mean(own, 'auroc'):.3f}",
                f"{min(_mean(some, 'auroc') for some in sets):.3f}",
                _sets_won(rows, contestant),
                _percent(_mean(own, "flagged")),
                _percent(max(_mean(some, "flagged") for some in sets)),
                _percent(_mean(own, "found")),
                f"{_mean(own, 'seconds'):.2f}",
            ]
        )
    body.sort(key=lambda line: line[1], reverse=True)
    save_table(f"anomalies_{half}", head, body)


def _write_sets(rows):
    contestants = unique(rows, "contestant")
    body = []
    for data in unique(rows, "data"):
        own = [row for row in rows if row["data"] == data]
        aurocs = [
            _mean([row for row in own if row["contestant"] == name], "auroc")
            for name in contestants
        ]
        first = own[0]
        facts = [data, first["half"], first["rows"], first["columns"]]
        body.append([*facts, *(f"{auroc:.3f}" for auroc in aurocs)])
    head = ["data", "half", "rows", "columns", *contestants]
    save_table("anomalies_sets", head, body)


def _write_rates():
    body = [
        [
            row["case"],
            _percent(row["asked"]),
            _percent(row["flagged"]),
            f"{_percent(row['flagged_min'])} to {_percent(row['flagged_max'])}",
        ]
        for row in read(f"{_NAME}_guarantee")
    ]
    save_table("anomalies_rates", ["rows", "asked", "flagged", "from – to"], body)
