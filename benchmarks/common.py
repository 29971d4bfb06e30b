"""What every benchmark shares: PCA as the floor, data, and rows written as CSV."""

import csv
import gc
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

import skae

RESULTS = Path(__file__).parent / "results"


def circumstances():
    """Return versions, device and threads: what belongs into every row."""
    return {
        "skae": skae.__version__,
        "sklearn": sklearn.__version__,
        "torch": torch.__version__,
        "skorch": skorch.__version__,
        "python": platform.python_version(),
        "device": "cpu",
        "threads": torch.get_num_threads(),
    }


def write(name, rows):
    """Write rows, a list of dicts, to ``results/NAME.csv`` and print them."""
    RESULTS.mkdir(exist_ok=True)
    rows = [{**row, **circumstances()} for row in rows]
    with open(RESULTS / f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        facts = {k: v for k, v in row.items() if k not in circumstances()}
        print("  ".join(f"{k}={v}" for k, v in facts.items()), flush=True)


def timed_fit(estimator, X):
    """Fit and return the seconds of processor time that it took."""
    start = time.process_time()
    estimator.fit(X)
    return time.process_time() - start


def use_threads(n_threads):
    """Let torch, BLAS and OpenMP use some threads: one makes timings repeatable."""
    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)


def compare(contestants, *, reference, rounds=7, warm_up=True, timer=time.process_time):
    """Time contestants in turn, and return a row for each.

    Parameters
    ----------
    contestants : dict of callable
        What to time, by name. In every other round they run in reverse.
    reference : str
        The one that the others are divided by, round by round.
    rounds : int
        Measured rounds; one more, before them, is thrown away with `warm_up`.
    timer : callable
        Processor time of this process unless told otherwise, which what else runs
        on the machine disturbs least.

    Returns
    -------
    list of dict
        Median, minimum and maximum of the seconds, and of the ratio to the reference.
    """
    seconds = {name: [] for name in contestants}
    for i in range(-warm_up, rounds):
        for name in list(contestants)[:: 1 if i % 2 else -1]:
            gc.collect()
            start = timer()
            contestants[name]()
            if i >= 0:
                seconds[name].append(timer() - start)
    return [
        {
            "contestant": name,
            **_spread("seconds", values),
            **_spread(
                "ratio",
                [a / b for a, b in zip(values, seconds[reference], strict=True)],
            ),
            "rounds": rounds,
        }
        for name, values in seconds.items()
    ]


def _spread(name, values):
    return {
        name: f"{statistics.median(values):.4g}",
        f"{name}_min": f"{min(values):.4g}",
        f"{name}_max": f"{max(values):.4g}",
    }


def fit_pca(n_components, X):
    """Fit the floor that every autoencoder has to beat."""
    return PCA(n_components, random_state=0).fit(X.reshape(len(X), -1))


def by_pca(pca, X):
    """Return what PCA makes of X, in its shape."""
    return pca.inverse_transform(pca.transform(X.reshape(len(X), -1))).reshape(X.shape)


def r_squared(X, reconstructed, mean):
    """Return the share of the variance around the training mean that is kept."""
    flat, drawn = X.reshape(len(X), -1), reconstructed.reshape(len(X), -1)
    return 1 - ((flat - drawn) ** 2).sum() / ((flat - mean) ** 2).sum()


def mean_r_squared_of_columns(X, reconstructed, mean):
    """Return the mean over columns of the share of the variance that is kept."""
    return np.mean(
        1 - ((X - reconstructed) ** 2).sum(axis=0) / ((X - mean) ** 2).sum(axis=0)
    )


def mean_squared_error(X, reconstructed):
    """Return the mean squared error of an entry."""
    return float(((X - reconstructed) ** 2).mean(dtype=np.float64))


def load_mnist(path):
    """Return MNIST's pixels in [0, 1] and labels, from a file or from OpenML.

    Parameters
    ----------
    path : str or None
        An ``.npz`` with x_train, y_train, x_test, y_test; None downloads.
    """
    if path is None:
        from sklearn.datasets import fetch_openml

        X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
        X_train, X_test = X[:60000], X[60000:]
        y_train, y_test = y[:60000].astype(int), y[60000:].astype(int)
    else:
        data = np.load(path)
        X_train, X_test = data["x_train"], data["x_test"]
        y_train, y_test = data["y_train"], data["y_test"]
    X_train, X_test = (
        (X.reshape(len(X), -1) / 255).astype(np.float32) for X in (X_train, X_test)
    )
    return X_train, X_test, y_train, y_test
