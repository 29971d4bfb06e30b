"""Searches on a Dask cluster of two processes, of which one is killed."""

import os
import threading
import time

import joblib
import numpy as np
import pytest
from helpers import process_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, SparseAutoencoder, StackedGridSearchCV

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    # X is noise. Workers get the filters of warnings from scikit-learn.
    pytest.mark.filterwarnings("ignore::skae.FitWarning"),
    pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning"),
]

SEARCHES = [GridSearchCV, StackedGridSearchCV]
# Few rows: joblib sends longer arrays than those in `scatter`, here the folds, to one
# process, and the search of any estimator fails if this is killed.
X = np.random.RandomState(0).normal(size=(120, 12))


@pytest.fixture(scope="module")
def client():
    method = process_context().get_start_method()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": method}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield client


def search(cls, *, max_epochs=3, **options):
    """Return the mean scores of a search over a Pipeline."""
    ae = SparseAutoencoder(
        3, hidden_layer_sizes=8, max_epochs=max_epochs, dtype="float64", random_state=0
    )
    grid = {"sparseautoencoder__sparsity": [0.0, 0.1, 0.3, 1.0]}
    pipe = make_pipeline(StandardScaler(), ae)
    found = cls(pipe, grid, cv=3, **options).fit(X)
    return found.cv_results_["mean_test_score"]


@pytest.mark.parametrize("cls", SEARCHES)
def test_a_search_gives_the_scores_of_one_process(cls, client):
    with joblib.parallel_config("dask", scatter=[X]):
        found = search(cls, n_jobs=-1)
    np.testing.assert_allclose(found, search(cls), rtol=1e-7)


def test_fits_run_on_the_workers(client):
    seen = client.run(os.getpid).values()
    with joblib.parallel_config("dask"):
        found = joblib.Parallel()(joblib.delayed(_fit_there)(i) for i in range(8))
    assert {pid for pid, _ in found} == set(seen)
    assert len({score for _, score in found}) == 1


def _fit_there(i):
    ae = AutoencoderTransformer(2, max_epochs=2, random_state=0).fit(X)
    return os.getpid(), round(ae.score(X), 6)


@pytest.mark.parametrize("cls", SEARCHES)
def test_a_search_survives_the_end_of_a_worker(cls, client):
    before = set(client.run(os.getpid).values())
    killed = threading.Event()

    def kill_one():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            at_work = {x: calls for x, calls in client.processing().items() if calls}
            if at_work:
                pids = client.run(os.getpid, workers=[min(at_work)])
                time.sleep(0.2)
                os.kill(next(iter(pids.values())), 9)
                killed.set()
                return
            time.sleep(0.01)

    thread = threading.Thread(target=kill_one)
    with joblib.parallel_config("dask", scatter=[X]):
        thread.start()
        found = search(cls, max_epochs=100, n_jobs=-1)
        thread.join()
    assert killed.is_set()
    client.wait_for_workers(2)
    assert set(client.run(os.getpid).values()) != before
    np.testing.assert_allclose(found, search(cls, max_epochs=100), rtol=1e-7)
