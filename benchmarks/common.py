"""What all benchmarks share: images, PCA as the baseline, timing, rows of CSV."""

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
    """Return versions, machine and threads, which every row of results holds."""
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
    """Return the name of the processor, as it reports it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    return models[0].strip() if models else platform.processor() or platform.machine()


def add_results_option(parser):
    """Add the option for the folder of the CSV."""
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="for the CSV; without it a run of all cases writes to "
        "benchmarks/results, and any other only prints",
    )


def results_folder(args):
    """Return the folder that a run writes to, or None where it only prints.

    Only a full run, neither quick nor of some cases, writes to the committed folder.
    """
    if args.results is not None:
        return args.results
    is_part = getattr(args, "quick", False) or getattr(args, "cases", ())
    return None if is_part else RESULTS


def write(name, rows, folder=RESULTS):
    """Print rows, a list of dicts, and write ``NAME.csv`` into a folder, if any."""
    measured_with = circumstances()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{name}.csv", "w", newline="") as file:
            names = [*rows[0], *measured_with]
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row | measured_with for row in rows)
    for row in rows:
        print("  ".join(f"{k}={v}" for k, v in row.items()), flush=True)


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
        What to time, by name. Every second round runs in reverse order.
    reference : str
        The contestant whose time the others are divided by, round by round.
    rounds : int
        Measured rounds. With `warm_up` one more round comes before them and is
        discarded.
    timer : callable
        Returns seconds. The default is the processor time of this process, which
        other programs on the machine disturb least.

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
            **spread("seconds", values),
            **spread("ratio", ratios(values, seconds[reference])),
            "rounds": rounds,
        }
        for name, values in seconds.items()
    ]


def ratios(values, references):
    """Return the ratio of each round."""
    return [a / b for a, b in zip(values, references, strict=True)]


def spread(name, values):
    """Return three entries of a row: the median, the minimum and the maximum."""
    return {
        name: f"{statistics.median(values):.4g}",
        f"{name}_min": f"{min(values):.4g}",
        f"{name}_max": f"{max(values):.4g}",
    }


def fit_pca(n_components, X):
    """Fit PCA, the baseline of every autoencoder."""
    return PCA(n_components, random_state=0).fit(X.reshape(len(X), -1))


def by_pca(pca, X):
    """Return the reconstruction of X by PCA, in the shape of X."""
    return pca.inverse_transform(pca.transform(X.reshape(len(X), -1))).reshape(X.shape)


def r_squared(X, reconstructed, mean):
    """Return R², with the variance taken around the training mean."""
    flat, found = X.reshape(len(X), -1), reconstructed.reshape(len(X), -1)
    return 1 - ((flat - found) ** 2).sum() / ((flat - mean) ** 2).sum()


def mean_r_squared_of_columns(X, reconstructed, mean):
    """Return the mean of the R² of each column."""
    return np.mean(
        1 - ((X - reconstructed) ** 2).sum(axis=0) / ((X - mean) ** 2).sum(axis=0)
    )


def mean_squared_error(X, reconstructed):
    """Return the mean squared error of an entry."""
    return float(((X - reconstructed) ** 2).mean(dtype=np.float64))


def load_images(args, n_rows=1300):
    """Return MNIST as `load_mnist` does; in a quick run few rows, and no download.

    Without a file of MNIST a quick run has scikit-learn's digits, enlarged to 28x28
    and repeated where more training rows are asked for than there are.

    Parameters
    ----------
    args : argparse.Namespace
        The command line, with `quick` and `mnist`.
    n_rows : int
        Training rows of a quick run.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray
        Rows of 784 float32 pixels in [0, 1], and their digits.
    """
    if not args.quick or args.mnist is not None:
        X_train, X_test, y_train, y_test = load_mnist(args.mnist)
    else:
        images, y = load_digits(return_X_y=True)
        images = images.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2) / 16
        images = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
        X = images.reshape(len(images), -1)
        X_train, X_test, y_train, y_test = X[:1300], X[1300:], y[:1300], y[1300:]
    if not args.quick:
        return X_train, X_test, y_train, y_test
    chosen = np.arange(n_rows) % len(X_train)
    return X_train[chosen], X_test[:500], y_train[chosen], y_test[:500]


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
