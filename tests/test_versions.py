"""What a bug report needs to know is printed, and the version is written down once."""

import platform
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import sklearn
import torch

import skae
from skae._versions import show_versions

ROOT = Path(skae.__file__).parents[1]


def _sections(text):
    """Return the printed tables, as a dict of dicts of text."""
    tables = {}
    for block in text.strip().split("\n\n"):
        title, *lines = block.splitlines()
        pairs = (line.split(": ", 1) for line in lines)
        tables[title.rstrip(":")] = {key.strip(): value for key, value in pairs}
    return tables


@pytest.fixture
def shown(capsys):
    assert show_versions() is None
    return _sections(capsys.readouterr().out)


def test_system_and_python_are_shown(shown):
    assert shown["System"]["python"].startswith(platform.python_version())
    assert shown["System"]["executable"] == sys.executable
    assert platform.system() in shown["System"]["machine"]


def test_versions_of_packages_are_shown(shown):
    packages = shown["Python packages"]
    assert packages["scikit-learn"] == sklearn.__version__
    assert packages["torch"] == version("torch")


def test_every_dependency_of_users_is_shown(shown):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = {
        re.split(r"[<>=\[; ]", requirement)[0]
        for requirement in [*project["dependencies"], *(x for e in extras for x in e)]
    }
    assert declared <= set(shown["Python packages"])


def test_what_torch_computes_with_is_shown(shown):
    facts = shown["torch"]
    assert facts["threads"] == str(torch.get_num_threads())
    assert facts["CPU capability"] == torch.backends.cpu.get_cpu_capability()
    assert (facts["CUDA device"] == "none") is not torch.cuda.is_available()
    assert facts["MPS device"] == str(torch.backends.mps.is_available())


def test_thread_pools_are_shown(shown):
    pools = [table for name, table in shown.items() if name.startswith("Thread pool")]
    assert pools
    assert all({"user_api", "num_threads"} <= set(pool) for pool in pools)


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    def without_onnx(name):
        if name == "onnx":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("skae._versions.version", without_onnx)
    show_versions()
    packages = _sections(capsys.readouterr().out)["Python packages"]
    assert packages["onnx"] == "not installed"
    assert packages["numpy"] == version("numpy")


def test_the_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [skae.__version__]
