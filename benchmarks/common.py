"""What every benchmark shares: PCA as the floor, data, and rows written as CSV."""

import csv
import gc
import gzip
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

import skae

RESULTS = Path(__file__).parent / "results"


def circumstances():
    """Return versions, machine and threads: what belongs into every row."""
    return {
        "skae": skae.__version__,
        "sklearn": sklearn.__version__,
        "torch": torch.__version__,
        "skorch": skorch.__version__,
        "python": platform.python_version(),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }


def _cpu_model():
    """Return what the processor calls itself."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    return models[0].strip() if models else platform.processor() or platform.machine()


def add_results_option(parser):
    """Let the command line say where the CSV goes."""
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="for the CSV; without it a run of all cases writes to "
        "benchmarks/results, and any other only prints",
    )


def results_folder(args):
    """Return the folder that a run writes to, or None where it only prints.

    What is committed is written by a full run alone, neither quick nor of some cases.
    """
    if args.results is not None:
        return args.results
    is_part = getattr(args, "quick", False) or getattr(args, "cases", ())
    return None if is_part else RESULTS


def write(name, rows, folder=RESULTS):
    """Print rows, a list of dicts, and write ``NAME.csv`` into a folder, if any."""
    rows = [{**row, **circumstances()} for row in rows]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
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


def load_pictures(args, n_rows=10_000):
    """Return MNIST's training pixels; in a quick run few, and nothing is downloaded.

    Without a file of MNIST a quick run has scikit-learn's digits, blown up to 28x28.
    """
    if not args.quick:
        return load_mnist(args.mnist)[0]
    if args.mnist is not None:
        return load_mnist(args.mnist)[0][:n_rows]
    pictures = load_digits().images.repeat(3, axis=1).repeat(3, axis=2) / 16
    pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    return np.resize(pictures, (n_rows, 28 * 28))


def load_mnist(path):
    """Return MNIST's pixels in [0, 1] and labels.

    Parameters
    ----------
    path : str or None
        An ``.npz`` with x_train, y_train, x_test, y_test, or a folder of the IDX files
        that MNIST was published as, gzipped or not; None downloads from OpenML.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray
        60,000 and 10,000 rows of 784 float32 pixels, and their digits.
    """
    if path is None:
        from sklearn.datasets import fetch_openml

        X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
        y = y.astype(int)
        X_train, X_test, y_train, y_test = X[:60000], X[60000:], y[:60000], y[60000:]
    elif Path(path).is_dir():
        X_train, X_test = (
            _read_idx(path, f"{part}-images") for part in ("train", "t10k")
        )
        y_train, y_test = (
            _read_idx(path, f"{part}-labels") for part in ("train", "t10k")
        )
    else:
        data = np.load(path)
        X_train, X_test = data["x_train"], data["x_test"]
        y_train, y_test = data["y_train"], data["y_test"]
    X_train, X_test = (
        (X.reshape(len(X), -1) / 255).astype(np.float32) for X in (X_train, X_test)
    )
    return X_train, X_test, y_train, y_test


def _read_idx(folder, name):
    """Return the array in the one file of a folder whose name starts so."""
    (file,) = Path(folder).glob(f"{name}*")
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    # Two zeros, the type (8 is uint8), the number of axes, then their lengths.
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{file} is no IDX file of bytes.")
    n_axes = content[3]
    shape = np.frombuffer(content, ">i4", n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)
