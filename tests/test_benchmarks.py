"""Reproductions of published tables run and write rows that the docs can read."""

import csv
import importlib
import math
import runpy
import sys
from pathlib import Path

import numpy as np
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
    pages = {
        "published": ["published.rst"],
        "speed": ["performance.rst", "scaling.rst"],
    }[folder]
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    assert f"python -m benchmarks.{folder}.{script}" in text
    prefix = "published_" if folder == "published" else ""
    assert f"generated/{prefix}{script}." in text


# Imputation ---------------------------------------------------------------------------

RATES = {"MCAR 20 %": 0.2, "MCAR 50 %": 0.5, "MAR 30 %": 0.3, "blocks 30 %": 0.3}


def _mask(mechanism, seed=0):
    """Return rows and a mask of them by one of the mechanisms."""
    mechanisms = importlib.import_module("benchmarks.imputation").MECHANISMS
    assert mechanisms.keys() == RATES.keys()
    X = np.random.default_rng(7).lognormal(size=(3000, 13))
    return X, mechanisms[mechanism](X, np.random.default_rng(seed))


@pytest.mark.parametrize("mechanism", RATES)
def test_mechanism_removes_the_promised_share(mechanism):
    X, mask = _mask(mechanism)
    assert mask.shape == X.shape
    assert mask.dtype == bool
    shares = mask.mean(axis=0)
    if mechanism.startswith("MAR"):
        assert shares.min() == 0  # the observed column, which is not counted
        shares = np.delete(shares, shares.argmin())
    # Four standard errors of the share of a column: 4 * sqrt(0.25 / 3000).
    np.testing.assert_allclose(shares, RATES[mechanism], atol=0.037)


@pytest.mark.parametrize("seed", range(3))
def test_observed_column_stays_complete_and_decides_what_is_missing(seed):
    X, mask = _mask("MAR 30 %", seed)
    (observed,) = np.flatnonzero(~mask.any(axis=0))
    is_high = X[:, observed] > np.quantile(X[:, observed], 0.9)
    others = np.delete(mask, observed, axis=1)
    difference = others[is_high].mean(axis=0) - others[~is_high].mean(axis=0)
    # Columns rise or fall, by far more than four standard errors, 4 * sqrt(0.25 / 300).
    assert (np.abs(difference) > 0.12).all()


def test_adjacent_columns_are_missing_together():
    _, mask = _mask("blocks 30 %")
    same = (mask[:, 1:] == mask[:, :-1]).all(axis=0)
    assert same.sum() == 13 - 3  # 13 columns in three groups of adjacent ones


@pytest.mark.filterwarnings("ignore")  # iterative imputers that do not converge
def test_imputation_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["it", "--quick", "--results", str(tmp_path)])
    runpy.run_module("benchmarks.imputation", run_name="__main__")
    for name, column in (("imputation_published", "mse"), ("imputation", "rmse")):
        written = (tmp_path / f"{name}.csv").read_text()
        rows = list(csv.DictReader(written.splitlines()))
        assert any(row["contestant"] == "AutoencoderTransformer" for row in rows)
        assert all(math.isfinite(float(row[column])) for row in rows)


@pytest.mark.slow
def test_tables_run(monkeypatch, tmp_path):
    pytest.importorskip("ISLP", reason="needs the files of ISLP")
    monkeypatch.setattr(sys, "argv", ["it", "--quick", "--results", str(tmp_path)])
    runpy.run_module("benchmarks.tables", run_name="__main__")
    rows = list(csv.DictReader((tmp_path / "tables.csv").read_text().splitlines()))
    assert {row["table"] for row in rows} == {"Credit", "OJ"}
    for row in rows:
        low, score, high = (float(row[f"score{x}"]) for x in ("_min", "", "_max"))
        assert low <= score <= high <= 1
    text = (tmp_path / "tables_losses.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {(row["loss"], row["size"]) for row in rows} == {
        (loss, size)
        for loss in ("squared_error", "BlockLoss")
        for size in ("1/2", "1/4")
    }
    for row in rows:
        assert 0 <= float(row["categories"]) <= 1


def test_tables_are_shown_in_the_docs():
    text = (ROOT / "docs" / "tables.rst").read_text()
    assert "python -m benchmarks.tables" in text
    for name in ("tables", "tables_losses"):
        assert f"generated/{name}.csv" in text


def test_imputation_is_shown_in_the_docs():
    text = (ROOT / "docs" / "imputation.rst").read_text()
    assert "python -m benchmarks.imputation" in text
    for table in ("published", "rmse", "distance", "accuracy", "seconds"):
        assert f"generated/imputation_{table}.csv" in text
