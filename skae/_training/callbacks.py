"""Callbacks of one fit: early stopping, progress, and reports to scikit-learn."""

from __future__ import annotations

import dis
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from skorch.callbacks import Callback, PassthroughScoring
from skorch.callbacks import PrintLog as _PrintLog

from skae._distributed.group import is_first
from skae._training.history import terms_of

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's mixin: there is nothing to support."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_BAR_FORMAT = "{desc}: {n_fmt}/{total_fmt} |{bar}| {remaining} left{postfix}"
_WIDTH_OF_BAR, _WIDE = 40, 200  # of the bar, and what stands beside it; of a notebook
_PRINT = print  # as skorch has it: Ray Train replaces the builtin function


class StopTraining(Exception):
    """Raised to end training, on request of a callback."""


def is_stop_of_callback(error: KeyboardInterrupt) -> bool:
    """Tell whether a callback raised this itself, as callbacks of skorch do to stop.

    Python raises a user's Ctrl-C between two instructions of whatever code runs; a
    callback raises it by a statement.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    trace = error.__traceback__
    if trace is None or any(f.f_code is _handler_code() for f, _ in frames):
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return instruction == dis.opmap["RAISE_VARARGS"]


def _handler_code() -> Any:
    """Return the code of the program's own handler of Ctrl-C, None if it has none."""
    handler = signal.getsignal(signal.SIGINT)
    for part in (handler, getattr(handler, "__call__", None)):  # noqa: B004
        code = getattr(part, "__code__", None)
        if code is not None:
            return code
    return None


class PrintLog(_PrintLog):
    """PrintLog that skips formatting when nothing is printed."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if net.verbose or self.sink is not _PRINT:
            super().on_epoch_end(net, **kwargs)

    def format_row(self, row: Any, key: str, color: str) -> Any:
        text = super().format_row(row, key, color)
        return text if sys.stdout.isatty() else _COLORS.sub("", str(text))


class EpochLoss(PassthroughScoring):
    """The mark of the best loss, whose mean the net has recorded already."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        loss = net.history[-1].get(self.name)
        if loss is None:
            return  # nothing is held out
        is_best = bool(self._is_best_score(loss))
        if is_best:
            self.best_score_ = loss
        net.history.record(f"{self.name}_best", is_best)


def with_own(callbacks: list[tuple[str, Callback]]) -> list[tuple[str, Callback]]:
    """Return skorch's own callbacks, some replaced by faster ones."""
    faster = {
        "train_loss": EpochLoss("train_loss", on_train=True),
        "valid_loss": EpochLoss("valid_loss"),
        "print_log": PrintLog(),
    }
    return [(name, faster.get(name, callback)) for name, callback in callbacks]


class PassingCallback(Callback):
    """A callback of one fit, which is not part of copies of the net.

    A user's callback may pickle the net while it is trained. Data and open files of
    this callback are left out of the pickle.
    """

    def __reduce__(self) -> Any:
        return Callback, ()


# Reports to scikit-learn --------------------------------------------------------------


class _EpochReporter(PassingCallback):
    """A skorch callback that reports each epoch to scikit-learn's callbacks."""

    def __init__(self, estimator: Any, context: Any, X: np.ndarray) -> None:
        self.estimator = estimator
        self.context = context
        self.X = X

    def _facts(self) -> dict[str, Any]:
        # A monitor needs y to compute a score: for an autoencoder that is X.
        return {"estimator": self.estimator, "X": self.X, "y": self.X}

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self._facts())

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        stop = self.epoch_.call_on_fit_task_end(
            **self._facts(), reconstruction_attributes={}
        )
        if stop:
            raise StopTraining


@contextmanager
def reported_epochs(
    estimator: Any, net: Any, X: np.ndarray, n_epochs: int
) -> Iterator[None]:
    """Report the epochs that run inside the block to the estimator's callbacks.

    Parameters
    ----------
    estimator : estimator
        The estimator whose callbacks get the reports, from scikit-learn 1.9 on.
    net : AutoencoderNet
        The initialised net that runs the epochs.
    X : ndarray
        The training data, as `transform` takes them.
    n_epochs : int
        Maximum number of epochs.
    """
    if not (hasattr(estimator, "_init_callback_context") and is_first()):
        yield
        return
    context = estimator._init_callback_context(max_subtasks=n_epochs)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=X)
    reporter = ("scikit-learn", _EpochReporter(estimator, context, X))
    net.callbacks_.append(reporter)
    try:
        yield
    finally:
        net.callbacks_.remove(reporter)
    context.call_on_fit_task_end(
        estimator=estimator, X=X, y=X, reconstruction_attributes={}
    )


# Progress -----------------------------------------------------------------------------


class _Progress(PassingCallback):
    """A skorch callback that shows the terms of each epoch."""

    def __init__(self, name: str, n_epochs: int, net: Any) -> None:
        self.name = name
        self.n_epochs = n_epochs
        self.n_before = len(net.history)  # epochs of earlier fits
        self.n_shown = 0
        self.began = time.monotonic()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        terms = terms_of(net.history[-1])
        del terms["epoch"]
        losses = {"train_loss": "loss", "valid_loss": "val"}  # these come first
        first = {losses[k]: terms.pop(k) for k in losses if k in terms}
        if sum(name.startswith("train_") for name in terms) < 2:
            terms = {}  # a single term is the loss
        # A resumed fit has run some of its epochs before.
        self.show(len(net.history) - self.n_before, first, terms)

    def show(self, n: int, losses: dict[str, float], terms: dict[str, float]) -> None:
        """Show a line for about every tenth of the epochs."""
        self.last = n, losses
        if n < self.n_epochs and 10 * (n - self.n_shown) < self.n_epochs:
            return
        self.n_shown = n
        left = (time.monotonic() - self.began) / n * (self.n_epochs - n)
        parts = [f"{self.name}: {n}/{self.n_epochs}", *_written(losses)]
        parts.append(f"{left:.0f} s left")
        print(", ".join(parts), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Show where training has ended."""
        n, losses = getattr(self, "last", (0, {}))
        if n > self.n_shown:
            self.n_epochs = n
            self.show(n, losses, {})


class _Bar(_Progress):
    """One that updates a progress bar of tqdm."""

    def __init__(self, bar: Any, name: str, n_epochs: int, net: Any) -> None:
        super().__init__(name, n_epochs, net)
        self.bar = bar

    def show(self, n: int, losses: dict[str, float], terms: dict[str, float]) -> None:
        room = shutil.get_terminal_size().columns - len(self.name) - _WIDTH_OF_BAR
        if hasattr(self.bar, "container"):
            room = _WIDE
        text = ", ".join(_written(losses))
        for part in _written(terms):
            if len(text) + len(part) + 2 > room:
                break
            text += f", {part}"
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(n - self.bar.n)

    def close(self) -> None:
        bar = self.bar
        bar.total = bar.n  # so that the bar is full after early stopping
        if hasattr(bar, "container"):  # the widgets of a notebook
            bar.container.children[1].max = bar.n
        bar.refresh()


def is_at_terminal() -> bool:
    """Tell whether progress is shown on a terminal."""
    return sys.stderr.isatty()


def _written(terms: dict[str, float]) -> list[str]:
    return [f"{name.removeprefix('train_')} {x:.4g}" for name, x in terms.items()]


@contextmanager
def shown_epochs(name: str, verbose: int, net: Any, n_epochs: int) -> Iterator[None]:
    """Show the epochs inside the block: as a progress bar, as lines or not at all.

    Parameters
    ----------
    name : str
        Label of the progress bar.
    verbose : int
        1 for a progress bar, or a few lines where nobody is at a terminal; more for a
        line for each epoch.
    net : AutoencoderNet
        The initialised net that runs the epochs.
    n_epochs : int
        Maximum number of epochs.
    """
    verbose = verbose if is_first() else 0
    net.verbose = max(verbose - 1, 0)  # above 1, skorch prints lines
    if verbose != 1:
        yield
        return
    # Imported here, as it takes time to detect a notebook.
    from tqdm.auto import tqdm

    is_notebook = any(kind.__module__ == "tqdm.notebook" for kind in tqdm.__mro__)
    with ExitStack() as stack:
        shown = _Progress(name, n_epochs, net)
        if is_notebook or is_at_terminal():
            bar = tqdm(
                total=n_epochs, desc=name, dynamic_ncols=True, bar_format=_BAR_FORMAT
            )
            shown = _Bar(stack.enter_context(bar), name, n_epochs, net)
        callback = ("progress", shown)
        net.callbacks_.insert(0, callback)  # before one that ends training
        try:
            yield
        finally:
            net.callbacks_.remove(callback)
        shown.close()


# Settings -----------------------------------------------------------------------------


def check_callback_names(
    settings: Mapping[str, Any], callbacks: list[tuple[str, Any]]
) -> None:
    """Refuse settings of callbacks that do not exist.

    Parameters
    ----------
    settings : dict
        Settings of the net, such as ``callbacks__early_stopping__patience``.
    callbacks : list of (str, Callback)
        The callbacks of the net.
    """
    names = [name for name, _ in callbacks]
    for key, value in settings.items():
        prefix, _, rest = key.partition("__")
        name = rest.partition("__")[0]
        # None removes a callback.
        if prefix == "callbacks" and rest and value is not None and name not in names:
            raise ValueError(
                f"{key} sets a callback named {name!r}, but the callbacks are "
                f"{', '.join(map(repr, names))}."
            )
