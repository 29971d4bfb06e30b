"""What the reproductions of published tables share: options, seeds, rows and bars."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
from common import RESULTS, add_results_option, results_folder, use_threads, write
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


class EpochBar(Callback):
    """A bar of the epochs of a fit, with the loss behind it."""

    def __init__(self, label):
        self.label = label

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=net.n_epochs_, desc=self.label, unit="epoch")

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


def seeds(args):
    """Return the seeds of a run, as a bar that counts them."""
    return tqdm(range(args.seeds), desc="seeds", disable=args.seeds == 1)
