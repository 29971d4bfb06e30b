"""Passes over data, without skorch's records of each batch where none is needed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from skae._random import draw_seed
from skae._training.divergence import check_finite
from skae._training.fused_adam import make_step, parameters_of
from skae._training.history import EpochTerms, record_terms
from skae._training.settings import validation_noise

# Steps of a batch. If a subclass overrides one of these, skorch's own loop is used: it
# calls all of them.
_STEPS = ("train_step", "train_step_single", "validation_step", "infer", "get_loss")


class Course:
    """Where a fit begins, and what is done between its batches: nothing.

    A checkpoint overrides all of it.
    """

    def draw_seed(self, random_state: Any) -> int:
        """Return the seed of a fit, from a parameter `random_state`."""
        return draw_seed(check_random_state(random_state))

    def epochs(self, net: Any, data: dict[str, Any], n_epochs: int) -> range:
        """Return which epochs are run: of the first ones, then of those on all rows.

        Parameters
        ----------
        net : AutoencoderNet
            The net.
        data : dict
            Its data sets, as callbacks get them: ``dataset_train`` and, None in the
            last epochs, ``dataset_valid``.
        n_epochs : int
            Number of these epochs.
        """
        return range(n_epochs)

    def batches(self, each: Pass) -> Iterable[Any]:
        """Return the batches of a pass over training rows."""
        return each.iterator


FROM_START = Course()


class Pass:
    """A pass of a net over data: an epoch of training, or of validation.

    Parameters
    ----------
    net : AutoencoderNet
        The net.
    iterator : iterable
        Its batches.
    is_final : bool
        Whether it is one of the last epochs, on all rows.
    prefix : {"train", "valid"}, default="train"
        Whether to train or to validate: the prefix of entries of the history.
    """

    def __init__(
        self, net: Any, iterator: Any, is_final: bool, prefix: str = "train"
    ) -> None:
        self.net = net
        self.iterator = iterator
        self.is_final = is_final
        self.prefix = prefix
        self.n_resumed = 0  # batches of it that an interrupted fit has run

    @property
    def training(self) -> bool:
        """Whether weights are changed."""
        return self.prefix == "train"

    def batches(self) -> Iterable[Any]:
        """Return its batches; a resumed fit leaves out those that were run."""
        return self.net.course_.batches(self) if self.training else self.iterator

    def run(self) -> None:
        """Run all batches."""
        with self.begun():
            if self.net.is_fast_:
                self._run_fast()
            else:
                self.net.run_each_batch(self)
                self.net.history[-1][f"{self.prefix}_batch_count"] += self.n_resumed
        self.record()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Collect terms, and draw the noise of validation, inside the block."""
        net = self.net
        net.epoch_terms_ = EpochTerms()
        if self.training and net.learning_rate_.n_steps is None:
            net.learning_rate_.n_steps = len(self.iterator) * net.n_epochs_
        with nullcontext() if self.training else validation_noise(net):
            yield

    def record(self) -> None:
        """Record the means of all terms, which have to be finite in training."""
        net = self.net
        terms, is_fast = net.epoch_terms_, net.is_fast_
        terms.sum_up()
        means = record_terms(net.history, self.prefix, terms, as_batch=is_fast)
        if self.training:
            check_finite(means, len(net.history), net.lr)

    def _run_fast(self) -> None:
        """Run without skorch's per-batch callbacks and history."""
        net = self.net
        optimizer = net.optimizer_
        trained = parameters_of(optimizer)
        step = make_step(optimizer)
        advance = net.learning_rate_.advance
        receive, train_step_single = net.receive, net.train_step_single
        net.mode_.set(self.training)
        with torch.set_grad_enabled(self.training):
            for batch in self.batches():
                with net.own_global_generator():
                    received = receive(batch)
                    if self.training:
                        advance()
                        train_step_single(received)
                        step()
                        for x in trained:
                            x.grad = None
                    else:
                        net.evaluate(received)


Passes = Generator[Pass, None, None]


def advance(passes: Passes, error: BaseException | None = None) -> Pass | None:
    """Return the next pass of a fit, or None after the last one.

    Parameters
    ----------
    passes : generator of Pass
        The passes.
    error : BaseException or None, default=None
        What the last pass has raised, for the fit to handle.
    """
    try:
        return next(passes) if error is None else passes.throw(error)
    except StopIteration:
        return None


def run_alone(passes: Passes) -> None:
    """Run the passes of one fit, one after another."""
    each = advance(passes)
    while each is not None:
        error = None
        try:
            each.run()
        except BaseException as raised:
            error = raised
        each = advance(passes, error)


def can_take_fast_path(net: Any) -> bool:
    """Tell whether an epoch can run on the fast path.

    It cannot with a callback for batches, an optimizer that needs a closure, or a
    subclass that overrides a step.

    Parameters
    ----------
    net : AutoencoderNet
        The net, initialised.
    """
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    is_watched = any(
        getattr(type(callback), hook, None) is not getattr(Callback, hook)
        for _, callback in net.callbacks_
        for hook in hooks
    )
    optimizer: Any = type(net.optimizer_)
    needs_closure = _needs_closure(optimizer)
    is_overridden = any(
        not getattr(type(net), name).__module__.startswith("skae.") for name in _STEPS
    )
    return not (is_watched or needs_closure or is_overridden)


@functools.cache
def _needs_closure(optimizer: Any) -> bool:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
