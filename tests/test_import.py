"""Importing the package loads its dependencies, and no optional package."""

import json
import subprocess
import sys

import pytest

# They start a Python that imports torch.
pytestmark = pytest.mark.slow

BASE = "import torch, sklearn.base, sklearn.decomposition, skorch, skorch.callbacks"
# What is imported in turn, each with what was imported before it.
STEPS = {
    "dependencies": "import torch, sklearn.base, sklearn.decomposition, "
    "skorch, skorch.callbacks",
    "package": "import skae",
    "fit": "ae = skae.AutoencoderTransformer(2, max_epochs=2); "
    "X = torch.eye(40).numpy(); ae.fit(X).score(X); ae.transform(X); repr(ae)",
    "table": "from skae.tabular import TableEncoder; import pandas; "
    "X = pandas.DataFrame({'x': [1, 2]}); TableEncoder().fit_transform(X)",
}
PROGRAM = """
import json, sys
loaded, seen = {}, set()
for name, step in json.loads(sys.argv[1]).items():
    exec(step)
    loaded[name] = sorted(set(sys.modules) - seen)
    seen = set(sys.modules)
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded():
    """Return the modules that each step has loaded, in a Python of their own."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(STEPS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_import_loads_no_other_package(loaded):
    packages = {name.partition(".")[0] for name in loaded["package"]}
    assert packages - set(sys.stdlib_module_names) == {"skae"}


def test_optional_packages_are_imported_later(loaded):
    before, new = loaded["dependencies"], loaded["package"]
    assert "torch" in before
    for name in ("matplotlib", "pandas", "polars", "tqdm", "rich", "onnx"):
        assert name not in new
    assert "torch._dynamo" not in new
    assert "matplotlib" not in before


def test_a_fit_loads_no_package_that_only_plots_or_prints(loaded):
    packages = {name.partition(".")[0] for name in loaded["fit"]}
    assert packages.isdisjoint({"matplotlib", "pandas", "tqdm", "rich", "onnx"})


def test_a_table_of_pandas_does_not_load_polars(loaded):
    assert all("polars" not in new for new in loaded.values())
