"""One torch thread for the examples of these pages, and how far numbers may differ."""

import pytest
import torch
from _pytest import doctest

torch.set_num_threads(1)

# Another processor rounds differently, and training amplifies it: a number may differ
# by three units of the last digit that is printed. pytest's option NUMBER allows one.
_UNITS = 3
doctest.approx = lambda number, abs: pytest.approx(number, abs=1.01 * _UNITS * abs)

collect_ignore_glob = ["_build/*", "generated/*", "conf.py", "_ext/*"]

# Searches over penalties, and much noise, go below PCA: the guide says why.
_EXPECTED = "ignore:R² is .* weaker penalties, less noise:skae.FitWarning"


def pytest_collection_modifyitems(items):
    """Let examples show penalties and noise that cost explained variance."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(_EXPECTED))
