"""Importing the package loads its dependencies, and no optional package."""

import json
import subprocess
import sys

import pytest

# Each test starts a Python that imports torch.
pytestmark = pytest.mark.slow

BASE = "import torch, sklearn.base, sklearn.decomposition, skorch, skorch.callbacks"
PROGRAM = """
import json, sys
{base}
before = set(sys.modules)
{then}
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""


def _modules(then):
    """Return the modules of the dependencies, and those that are loaded after."""
    program = PROGRAM.format(base=BASE, then=then)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def imported():
    return _modules("import skae")


def test_the_import_loads_no_other_package(imported):
    _, new = imported
    packages = {name.partition(".")[0] for name in new}
    assert packages - set(sys.stdlib_module_names) == {"skae"}


def test_optional_packages_are_imported_later(imported):
    before, new = imported
    assert "torch" in before
    for name in ("matplotlib", "pandas", "polars", "tqdm", "rich", "onnx"):
        assert name not in new
    assert "torch._dynamo" not in new
    assert "matplotlib" not in before


def test_a_table_of_pandas_does_not_load_polars():
    _, new = _modules(
        "from skae.tabular import TableEncoder; import pandas; "
        "X = pandas.DataFrame({'x': [1, 2]}); TableEncoder().fit_transform(X)"
    )
    assert "polars" not in new


def test_a_fit_loads_no_package_that_only_plots_or_prints():
    _, new = _modules(
        "import skae; ae = skae.AutoencoderTransformer(2, max_epochs=2); "
        "X = torch.eye(40).numpy(); ae.fit(X).score(X); ae.transform(X); repr(ae)"
    )
    packages = {name.partition(".")[0] for name in new}
    assert packages.isdisjoint({"matplotlib", "pandas", "tqdm", "rich", "onnx"})
