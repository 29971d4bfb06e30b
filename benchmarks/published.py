"""What the reproductions of published tables share: options, seeds, rows and bars."""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import matplotlib
import numpy as np
from common import (
    RESULTS,
    add_results_option,
    load_mnist,
    results_folder,
    use_threads,
    write,
)
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from tqdm import tqdm

PICTURES = Path(__file__).parents[1] / "docs" / "images"


def options(description, *, seeds=3, epochs=None):
    """Return a parser with what every reproduction takes.

    Parameters
    ----------
    description : str
        The docstring of the script.
    seeds : int
        How many seeds a full run takes.
    epochs : int or None
        Epochs of a full run, where the command line may ask for others.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mnist",
        metavar="PATH",
        help="an .npz file or a folder of IDX files; without it OpenML is asked",
    )
    parser.add_argument("--seeds", type=int, default=seeds)
    if epochs is not None:
        parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument(
        "--quick", action="store_true", help="few rows and epochs: does it run?"
    )
    parser.add_argument("--threads", type=int, default=1)
    add_results_option(parser)
    return parser


def parse(parser, argv=None):
    """Read the command line, and set the number of threads that it asks for."""
    args = parser.parse_args(argv)
    use_threads(args.threads)
    if args.quick:
        args.seeds = min(args.seeds, 1)
    return args


def load(args, n_rows=2000):
    """Return MNIST as `load_mnist` does; in a quick run few rows, and no download.

    Without a file of MNIST a quick run has scikit-learn's digits, blown up to 28x28.
    """
    if not args.quick:
        return load_mnist(args.mnist)
    if args.mnist is not None:
        X_train, X_test, y_train, y_test = load_mnist(args.mnist)
        return X_train[:n_rows], X_test[:500], y_train[:n_rows], y_test[:500]
    images, y = load_digits(return_X_y=True)
    pictures = images.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2) / 16
    pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    X = pictures.reshape(len(pictures), -1)
    return X[:1300], X[1300:], y[:1300], y[1300:]


class EpochBar(Callback):
    """A bar of the epochs of a fit, with the loss behind it."""

    def __init__(self, label):
        self.label = label

    def on_train_begin(self, net, **kwargs):
        total = getattr(net, "n_epochs_", net.max_epochs)
        self.bar_ = tqdm(total=total, desc=self.label, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        self.bar_.set_postfix(loss=f"{net.history[-1]['train_loss']:.4g}")
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_


def bar(label):
    """Return the `callbacks` of an estimator that shows a bar while it is fitted."""
    return [("epoch_bar", EpochBar(label))]


class Stopwatch:
    """Minutes of wall clock in a ``with`` block."""

    def __enter__(self):
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.minutes = (time.perf_counter() - self.start) / 60


def figure(
    case,
    values,
    *,
    metric,
    minutes,
    target=None,
    better="lower",
    source="",
    epochs="",
    note="",
):
    """Return one row: what was measured, and what was published.

    Parameters
    ----------
    case : str
        What was trained, or what it is compared with.
    values : sequence of float
        One for each seed.
    metric : str
        What is measured, with its unit.
    minutes : float
        Wall clock of one seed, training and measuring.
    target : float or None
        The figure to beat; None for a row that is shown beside it.
    better : {"lower", "higher"}
        Which side of the target is the better one.
    source : str
        Where the target was published.
    epochs : int or str
        Epochs of training.
    note : str
        What has to be known of the row.
    """
    values = [float(value) for value in values]
    return {
        "case": case,
        "metric": metric,
        "value": f"{statistics.mean(values):.5g}",
        "value_min": f"{min(values):.5g}",
        "value_max": f"{max(values):.5g}",
        "target": "" if target is None else target,
        "better": better,
        "source": source,
        "seeds": len(values),
        "epochs": epochs,
        "minutes": f"{minutes:.2g}",
        "note": note,
    }


def write_figures(question, rows, args):
    """Write ``published_QUESTION.csv``, unless the run was a quick one."""
    write(f"published_{question}", rows, results_folder(args))


def save_picture(question, draw: Callable, args, *, size):
    """Let ``draw`` fill a matplotlib figure, and keep it for the docs.

    Parameters
    ----------
    question : str
        The picture is ``published_QUESTION.png``.
    draw : callable
        Called with an empty :class:`matplotlib.figure.Figure`.
    args : argparse.Namespace
        A quick run draws and keeps nothing, unless ``--results`` names a folder.
    size : (float, float)
        Width and height in inches.
    """
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "savefig.dpi": 130}):
        picture = Figure(figsize=size, layout="constrained")
        draw(picture)
        folder = PICTURES if results_folder(args) == RESULTS else args.results
        if folder is not None:
            picture.savefig(folder / f"published_{question}.png")


def draw_lines_of(lines, size=(28, 28)):
    """Return how to draw lines of grey pictures, each with its name in front.

    Parameters
    ----------
    lines : dict of ndarray
        Pictures, flat or not, equally many in each line, by name.
    size : (int, int)
        Height and width of a picture.
    """

    def draw(picture):
        n_pictures = len(next(iter(lines.values())))
        axes = picture.subplots(len(lines), n_pictures)
        for line, (name, pictures) in zip(axes, lines.items(), strict=True):
            for ax, x in zip(line, pictures, strict=True):
                ax.imshow(x.reshape(size), cmap="gray_r", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[])
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")

    return draw


def cross_entropy(X, p):
    """Return the binary cross-entropy of a picture, summed over its pixels."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    terms = X * np.log(p) + (1 - X) * np.log1p(-p)
    return -float(terms.sum(dtype=np.float64)) / len(X)


def from_draws(vae, mean, std, seed):
    """Return reconstructions from draws of codes instead of their means."""
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    return vae.inverse_transform((mean + std * noise).astype(np.float32))


def seeds(args):
    """Return the seeds of a run, as a bar that counts them."""
    return tqdm(range(args.seeds), desc="seeds", disable=args.seeds == 1)


# Long trainings -----------------------------------------------------------------------


def one_cycle(start, stop, t):
    """Return the factor of the learning rate in a stage of a longer training.

    Over the whole of it the rate rises for a twentieth, and falls as a cosine to zero.

    Parameters
    ----------
    start, stop : float
        Fractions of the whole training at which the stage begins and ends.
    t : float
        Fraction of the stage.
    """
    t, rise = start + t * (stop - start), 0.05
    if t < rise:
        return 0.05 + 0.95 * t / rise
    return 0.5 * (1 + math.cos(math.pi * (t - rise) / (1 - rise)))


def train_in_stages(estimator, X, *, epochs, every, file, label):
    """Fit in stages that are kept on disk, and go on from the last one that is there.

    Parameters
    ----------
    estimator : estimator
        What to train, unless the file holds it already.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    epochs : int
        Epochs of the whole training, over which the learning rate makes one cycle.
    every : int
        Epochs of a stage.
    file : Path
        Where the estimator is kept, with the minutes that it took.
    label : str
        Name of the bar.

    Yields
    ------
    estimator : estimator
        After each stage.
    minutes : float
        Wall clock of training so far.
    """
    minutes = 0.0
    if file.exists():
        estimator, minutes = joblib.load(file)
        yield estimator, minutes
    while (done := getattr(estimator, "n_iter_", 0)) < epochs:
        n_epochs = min(every, epochs - done)
        schedule = partial(one_cycle, done / epochs, (done + n_epochs) / epochs)
        estimator.set_params(
            warm_start=True,
            max_epochs=n_epochs,
            n_iter_no_change=None,
            lr_schedule=schedule,
            callbacks=bar(f"{label}, from epoch {done}"),
        )
        with Stopwatch() as watch:
            estimator.fit(X)
        minutes += watch.minutes
        file.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump((estimator, minutes), file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
        yield estimator, minutes
