"""One torch thread for the examples of these pages."""

import pytest
import torch

torch.set_num_threads(1)

collect_ignore_glob = ["_build/*", "generated/*", "conf.py", "_ext/*"]

# Searches over penalties, and much noise, go below PCA: the guide says why.
_EXPECTED = "ignore:R² is .* weaker penalties, less noise:skae.FitWarning"


def pytest_collection_modifyitems(items):
    """Let examples show penalties and noise that cost explained variance."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(_EXPECTED))
