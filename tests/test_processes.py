"""Estimators in forks, pools, backends of joblib; signals by the clock."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from processes import WAYS
from sklearn.model_selection import GridSearchCV, cross_val_score

from skae import AutoencoderTransformer

pytestmark = pytest.mark.slow

needs_posix = pytest.mark.skipif(os.name != "posix", reason="forks and signals")


def run(way, folder):
    """Run a way in a process of its own, with two threads."""
    command = [sys.executable, Path(__file__).parent / "processes.py", way, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("passed\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    run("train", folder)
    return folder


@needs_posix
@pytest.mark.parametrize("way", [way for way in WAYS if way != "train"])
def test_processes_and_signals(way, folder):
    run(way, folder)


X = np.random.RandomState(0).normal(size=(200, 12)).astype(np.float32)
GRID = {"n_components": [2, 3], "activation": ["tanh", "relu"]}


def search(X=X):
    ae = AutoencoderTransformer(max_epochs=3, hidden_layer_sizes=(8,), random_state=0)
    return GridSearchCV(ae, GRID, cv=3).fit(X)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_backends_of_joblib(backend):
    expected = search()
    with joblib.parallel_config(backend=backend, n_jobs=2):
        found = search()
        scores = cross_val_score(expected.best_estimator_, X, cv=4)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(
            found.cv_results_[name], expected.cv_results_[name], atol=1e-5
        )
    np.testing.assert_allclose(
        scores, cross_val_score(expected.best_estimator_, X, cv=4), atol=1e-5
    )
