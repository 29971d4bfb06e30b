"""What all reproductions share: options, training, rows and figures."""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import matplotlib
import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from tqdm import tqdm

from benchmarks.common import (
    RESULTS,
    add_results_option,
    fit_pca,
    results_folder,
    use_threads,
    write,
)
from skae._networks.layers import Standardize, Unstandardize

# Published networks are trained as their protocols say, whatever the defaults of the
# package: by Adam, for all epochs, on all rows. Each script gives rate and network.
BY_ADAM = {"optimizer": "adam", "early_stopping": False}

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def options(description, *, seeds=3, epochs=None):
    """Return a parser with the options of every reproduction.

    Parameters
    ----------
    description : str
        The docstring of the script.
    seeds : int
        Number of seeds of a full run.
    epochs : int or None
        Epochs of a full run; None for a script without the option.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mnist",
        metavar="PATH",
        help="an .npz file or a folder of IDX files; without it MNIST is downloaded",
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
    """Read the command line and set the number of threads."""
    args = parser.parse_args(argv)
    use_threads(args.threads)
    if args.quick:
        args.seeds = min(args.seeds, 1)
    return args


class EpochBar(Callback):
    """A progress bar of the epochs of a fit, with the loss."""

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
    """Return `callbacks` for an estimator, which show a progress bar."""
    return [("epoch_bar", EpochBar(label))]


class Stopwatch:
    """Measure the minutes of wall-clock time of a ``with`` block."""

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
    """Return one row: the measured and the published figure.

    Parameters
    ----------
    case : str
        The trained model or the baseline.
    values : sequence of float
        One for each seed.
    metric : str
        What is measured, with its unit.
    minutes : float
        Wall-clock time of one seed, training and measuring.
    target : float or None
        The figure to beat; None for a row without a published figure.
    better : {"lower", "higher"}
        Which side of the target is better.
    source : str
        Where the target was published.
    epochs : int or str
        Epochs of training; empty for a baseline.
    note : str
        A remark on the row.
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
    """Write ``published_QUESTION.csv``, unless the run is a quick one."""
    write(f"published_{question}", rows, results_folder(args))


def save_plot(question, plot: Callable, args, *, size):
    """Fill a matplotlib figure with ``plot``, and save it for the documentation.

    Parameters
    ----------
    question : str
        The file is ``published_QUESTION.png``.
    plot : callable
        Called with an empty :class:`matplotlib.figure.Figure`.
    args : argparse.Namespace
        A quick run saves nothing, unless ``--results`` names a folder.
    size : (float, float)
        Width and height in inches.
    """
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "savefig.dpi": 130}):
        canvas = Figure(figsize=size, layout="constrained")
        plot(canvas)
        folder = IMAGES if results_folder(args) == RESULTS else args.results
        if folder is not None:
            canvas.savefig(folder / f"published_{question}.png")


def rows_of_images(images, size=(28, 28)):
    """Return a function that plots rows of grey images, each with its name.

    Parameters
    ----------
    images : dict of ndarray
        Images, flat or not, equally many in each row, by name.
    size : (int, int)
        Height and width of an image.
    """

    def plot(canvas):
        n_columns = len(next(iter(images.values())))
        grid = canvas.subplots(len(images), n_columns)
        for axes, (name, row) in zip(grid, images.items(), strict=True):
            for ax, x in zip(axes, row, strict=True):
                ax.imshow(x.reshape(size), cmap="gray_r", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[])
            axes[0].set_ylabel(name, rotation=0, ha="right", va="center")

    return plot


def cross_entropy(X, p):
    """Return the mean binary cross-entropy of an image, summed over its pixels."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    terms = X * np.log(p) + (1 - X) * np.log1p(-p)
    return -float(terms.sum(dtype=np.float64)) / len(X)


def from_samples(vae, mean, std, seed):
    """Return reconstructions from samples of the codes instead of their means."""
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    return vae.inverse_transform((mean + std * noise).astype(np.float32))


def seeds(args):
    """Return the seeds of a run, with a progress bar."""
    return tqdm(range(args.seeds), desc="seeds", disable=args.seeds == 1)


# Networks that start as PCA -----------------------------------------------------------


def dense_from_pca(X, hidden, n_components, *, seed):
    """Return an encoder and its mirror, GELU networks that start as whitened PCA.

    Unlike in `skae.Dense` no linear map is beside the layers: each principal component
    passes them by a pair of units, as gelu(a) - gelu(-a) = a. All hidden layers have to
    be twice as wide as the code.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Training rows.
    hidden : tuple of int
        Widths of the hidden layers of the encoder.
    n_components : int
        Size of the code.
    seed : int
        Draws the weights of the units that PCA does not use.

    Returns
    -------
    dict
        With the entries ``encoder`` and ``decoder``, modules in the units of X.
    """
    flat = X.reshape(len(X), -1)
    mean, deviation = (
        f(axis=0, dtype=np.float64).astype(np.float32) for f in (flat.mean, flat.std)
    )
    scale = np.sqrt((deviation**2).mean())
    deviation = np.where(deviation > 0, deviation, scale)
    pca = fit_pca(n_components, X)
    sizes = pca.singular_values_[:, np.newaxis] / np.sqrt(len(X))
    identity = np.eye(n_components)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        encoder, decoder = (
            _gelu_layers(*widths)
            for widths in (
                (flat.shape[1], *hidden, n_components),
                (n_components, *hidden[::-1], flat.shape[1]),
            )
        )
    _set_linear_map(encoder, pca.components_ * scale / sizes, identity)
    _set_linear_map(decoder, identity, (pca.components_ * sizes / deviation).T)
    mean, scale, deviation = map(torch.as_tensor, (mean, scale, deviation))
    return {
        "encoder": nn.Sequential(nn.Flatten(), Standardize(mean, scale), *encoder),
        "decoder": nn.Sequential(*decoder, Unstandardize(mean, deviation)),
    }


def _gelu_layers(*widths):
    """Return linear layers with GELU between them."""
    layers = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.GELU()]
    return layers[:-1]


@torch.no_grad()
def _set_linear_map(layers, enter, leave):
    """Set weights so that the first outputs of a network are ``leave @ enter @ x``."""
    layers = [layer for layer in layers if isinstance(layer, nn.Linear)]
    signs = np.vstack([np.eye(len(enter)), -np.eye(len(enter))])
    for position, layer in enumerate(layers):
        read = signs.T if position else enter
        write = leave if layer is layers[-1] else signs
        weight = torch.as_tensor(write @ read, dtype=layer.weight.dtype)
        n_out, n_in = weight.shape
        layer.weight[:n_out] = 0.0
        layer.weight[:n_out, :n_in] = weight
        layer.bias[:n_out] = 0.0


# Long trainings -----------------------------------------------------------------------


def one_cycle(start, stop, t):
    """Return the factor of the learning rate in a stage of a longer training.

    Over the whole training the rate rises for a twentieth of the epochs, and then
    falls to zero as a cosine.

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
    """Fit in stages that are saved, and resume from the last saved stage.

    Parameters
    ----------
    estimator : estimator
        What to train, unless the file exists.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    epochs : int
        Epochs of the whole training, over which the learning rate makes one cycle.
    every : int
        Epochs of a stage.
    file : Path
        Where the estimator is saved, with the minutes of its training.
    label : str
        Label of the progress bar.

    Yields
    ------
    estimator : estimator
        After each stage.
    minutes : float
        Wall-clock time of the training so far.
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
