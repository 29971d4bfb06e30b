"""The scripts that reproduce published tables run, and write what the docs read."""

import csv
import math
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
# What imports the module that reproductions share, except that module.
SCRIPTS = sorted(
    script
    for script in FOLDER.glob("*.py")
    if "from published import" in script.read_text()
)

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not part of the archive")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Run a script in a hurry and return the rows that it writes."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)  # where long runs keep their weights

    def run(script):
        arguments = [str(script), "--quick", "--results", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(str(script), run_name="__main__")
        file = tmp_path / f"published_{script.stem}.csv"
        return list(csv.DictReader(file.read_text().splitlines()))

    return run


@pytest.mark.filterwarnings("ignore")  # few rows and epochs do not converge
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_reproduction_runs(script, quick):
    rows = quick(script)
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


def test_every_reproduction_is_shown_in_the_docs():
    page = (FOLDER.parent / "docs" / "published.rst").read_text()
    for script in SCRIPTS:
        assert f".. published-table:: {script.stem}" in page
        assert f"python benchmarks/{script.stem}.py" in page
