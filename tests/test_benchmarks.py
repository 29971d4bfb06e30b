"""Reproductions of published tables run and write rows that the docs can read."""

import csv
import importlib
import math
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


def _scripts(folder):
    return sorted(path.stem for path in (BENCHMARKS / folder).glob("[!_]*.py"))


PUBLISHED, SPEED = _scripts("published"), _scripts("speed")

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists(), reason="not part of the archive"
)


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(tmp_path)  # where long runs save their weights


@pytest.mark.filterwarnings("ignore")  # few rows and epochs do not converge
@pytest.mark.parametrize("script", PUBLISHED)
def test_reproduction_runs(script, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", [script, "--quick", "--results", str(tmp_path)])
    runpy.run_module(f"benchmarks.published.{script}", run_name="__main__")
    written = (tmp_path / f"published_{script}.csv").read_text()
    rows = list(csv.DictReader(written.splitlines()))
    assert any(row["epochs"] for row in rows)  # something was trained
    for row in rows:
        assert row["case"]
        assert row["metric"]
        assert row["better"] in ("lower", "higher")
        low, value, high = (
            float(row[name]) for name in ("value_min", "value", "value_max")
        )
        assert math.isfinite(value)
        assert low <= value <= high


@pytest.mark.filterwarnings("ignore")  # the script sets its own filters
def test_anomalies_runs(monkeypatch, tmp_path):
    options = ["--quick", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["anomalies", *options])
    runpy.run_module("benchmarks.anomalies", run_name="__main__")
    written = (tmp_path / "anomalies.csv").read_text()
    rows = list(csv.DictReader(written.splitlines()))
    assert {row["data"] for row in rows} == {"wine, other than 0"}
    for row in rows:
        assert all(0 <= float(row[x]) <= 1 for x in ("auroc", "flagged", "found"))
    rates = (tmp_path / "anomalies_guarantee.csv").read_text()
    assert len(rates.splitlines()) == 1 + 2


@pytest.mark.parametrize("script", SPEED)
def test_speed_benchmark_finds_what_it_imports(script):
    module = importlib.import_module(f"benchmarks.speed.{script}")
    assert callable(module.main)


@pytest.mark.parametrize(
    ("folder", "script"),
    [("published", x) for x in PUBLISHED] + [("speed", x) for x in SPEED],
)
def test_every_benchmark_is_shown_in_the_docs(folder, script):
    page = {"published": "published.rst", "speed": "performance.rst"}[folder]
    text = (ROOT / "docs" / page).read_text()
    assert f"python -m benchmarks.{folder}.{script}" in text
    prefix = "published_" if folder == "published" else ""
    assert f"generated/{prefix}{script}." in text
