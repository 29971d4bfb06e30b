"""Figures in the README are those of the committed results."""

import csv
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def _read(name):
    path = ROOT / "benchmarks" / "results" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_data_sets_that_are_not_below_pca():
    gains = {}
    for row in _read("generalisation"):
        if row["half"] == "report" and row["estimator"] == "AutoencoderTransformer":
            gain = float(row["r2"]) - float(row["r2_pca"])
            gains.setdefault(row["data"], []).append(gain)
    means = [statistics.fmean(x) for x in gains.values()]
    counts = re.search(r"on (\d+) of (\d+) \[data sets", README).groups()
    assert [int(x) for x in counts] == [sum(x >= -0.005 for x in means), len(means)]


def test_time_beside_a_loop_written_by_hand():
    rows = [row for row in _read("bench_training") if row["contestant"] == "skae"]
    ratios = [float(row["ratio"]) for row in rows]
    low, high = re.search(r"takes ([\d.]+) to ([\d.]+) times as long", README).groups()
    assert [f"{min(ratios):.2f}", f"{max(ratios):.2f}"] == [low, high]


def test_time_of_a_search():
    (speed_up,) = (
        float(row["speed_up"])
        for row in _read("bench_stacked")
        if row["case"].startswith("table")
        and row["contestant"] == "StackedGridSearchCV"
    )
    assert "a fifth of the time of `GridSearchCV`" in README
    assert 4.5 < speed_up < 6


def test_the_table_of_other_packages():
    rows = _read("alternatives")
    packages = list(dict.fromkeys(row["package"] for row in rows))
    found = {
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    }
    assert ("", *packages) in found
    for question in dict.fromkeys(row["question"] for row in rows):
        answers = [row["answer"] for row in rows if row["question"] == question]
        assert (question, *answers) in found
    times = {
        row["contestant"]
        .removesuffix(" on torch")
        .lower(): f"{float(row['ratio']):.2f}"
        for row in _read("bench_rivals")
        if row["case"] == "dense, batch 128"
    }
    of_all = [times[package.lower()] for package in packages]
    assert ("time of `fit`, dense network on images", *of_all) in found
