"""Epochs without skorch's records of each batch, where nothing needs them."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from skorch.callbacks import Callback

from skae._training.fused_adam import make_step, parameters_of

# Steps of a batch. If a subclass overrides one of these, skorch's own loop is used: it
# calls all of them.
_STEPS = ("train_step", "train_step_single", "validation_step", "infer", "get_loss")


def run_fast_epoch(net: Any, iterator: Any, training: bool, prefix: str) -> None:
    """Run an epoch without skorch's per-batch callbacks and history.

    Parameters
    ----------
    net : AutoencoderNet
        The net.
    iterator : iterable
        Its batches.
    training : bool
        Whether to train, or to validate.
    prefix : {"train", "valid"}
        Prefix of the entries of the history.
    """
    optimizer = net.optimizer_
    trained = parameters_of(optimizer)
    step = make_step(optimizer)
    advance = net.learning_rate_.advance
    receive, train_step_single = net.receive, net.train_step_single
    net.mode_.set(training)
    with torch.set_grad_enabled(training):
        for batch in iterator:
            with net.own_global_generator():
                received = receive(batch)
                if training:
                    advance()
                    train_step_single(received)
                    step()
                    for x in trained:
                        x.grad = None
                else:
                    net.evaluate(received)


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
