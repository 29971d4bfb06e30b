"""One torch thread for the whole suite, and data that the tests share."""

import gc
import os
import shutil
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Threads that wait let others work: tests run beside each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import skae

torch.set_num_threads(1)
# Plain asserts of these files, too, are to show what was compared.
pytest.register_assert_rewrite("cases", "helpers", "saving")

ESTIMATORS = [
    skae.AutoencoderTransformer,
    skae.ConvAutoencoder,
    skae.ContractiveAutoencoder,
    skae.DenoisingAutoencoder,
    skae.SparseAutoencoder,
    skae.VariationalAutoencoder,
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark all tests that drive a browser as slow."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def digits():
    """Digits in [0, 1], a quarter held out: X_train, X_test, y_train, y_test."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(
        (X / 16).astype(np.float32), y, test_size=0.25, random_state=0
    )


@pytest.fixture(scope="session")
def small(digits):
    """The first 100 training digits."""
    return digits[0][:100]


@pytest.fixture(autouse=True, scope="module")
def few_objects():
    """Let the collector of garbage pass over what was there before a file.

    It would walk through millions of objects of imported packages, time and again.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()  # hypothesis, which pytest may import at the end, looks for referrers


@pytest.fixture(autouse=True)
def close_figures():
    """Close the figures that a test has drawn: pyplot keeps them, and warns of many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Drive chromium without a window and without a network beyond this machine.

    What a page complained of is in ``browser.get_log("browser")``, and what it fetched
    in ``browser.get_log("performance")``; to read a log is to empty it.
    """
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        reason = "chromium and chromedriver are not installed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-background-networking",
        "disable-component-update",
        "no-first-run",
        "hide-scrollbars",
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(programs[1])
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()
