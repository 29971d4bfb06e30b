"""Settings of a net that hold for a while, and those restored after an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Any

import torch
from torch import nn

from skae._distributed.agreement import together
from skae._exceptions import DivergenceError
from skae._random import RandomStream
from skae._training.schedules import steady
from skae._training.stopping import STOPPING

_RESTORED = (
    *("augmentation", "batch_size", "callbacks", "callbacks_", "corruption"),
    *("criterion", "criterion_", "final_share", "has_user_code", "lr", "lr_by_layer"),
    *("lr_schedule", "max_epochs", "precision", "train_split", "verbose"),
)


# Estimators that are being trained, by their identity.
_IN_TRAINING: set[int] = set()
_LOCK = threading.Lock()


def trains(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of an estimator one that trains it.

    It is refused while another thread trains the same estimator, and does not depend on
    global settings of torch.
    """

    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _alone(self), default_torch(), together(self, *args, **kwargs):
            return method(self, *args, **kwargs)

    return wrapper


@contextmanager
def validation_noise(net: Any) -> Iterator[None]:
    """Make validation use the same noise in each epoch.

    Parameters
    ----------
    net : AutoencoderNet
        The net that is validated.
    """
    training_stream = net.module_.stream
    net.module_.stream = RandomStream(net.seed + 1)
    try:
        yield
    finally:
        net.module_.stream = training_stream


@contextmanager
def _alone(owner: Any) -> Iterator[None]:
    """Refuse to train an estimator that is being trained."""
    key, is_entered = id(owner), False
    try:
        with _LOCK:
            if key in _IN_TRAINING:
                raise RuntimeError(
                    f"This {type(owner).__name__} is being trained, in another "
                    "thread or by a callback of the same. Wait for it, or train a "
                    "clone: sklearn.base.clone(estimator)."
                )
            is_entered = True
            _IN_TRAINING.add(key)
        yield
    finally:
        if is_entered:
            _IN_TRAINING.discard(key)


@contextmanager
def default_torch() -> Iterator[None]:
    """Use torch's own default type, device and mode of gradients inside the block."""
    with ExitStack() as stack:
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        yield


class Mode:
    """Set layers to training or evaluation: faster than torch, if they are known.

    torch looks up each layer in the one above it, and sets attributes slowly.

    Parameters
    ----------
    module : torch.nn.Module
        Contains the layers, which stay the same.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._layers = [*module.modules()]
        known = ("skae.", "torch.nn.")  # others may have a method of their own
        self._are_known = all(
            type(x).__module__.startswith(known) for x in self._layers
        )

    def set(self, training: bool) -> None:
        """Do what ``module.train(training)`` does."""
        if not self._are_known:
            self._module.train(training)
            return
        for layer in self._layers:
            vars(layer)["training"] = training


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of torch inside the block.

    The threads of torch do not survive a fork: a process that has started them must not
    be forked. One that has only loaded a model may be.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def restored_on_error(net: Any) -> Iterator[None]:
    """Restore the settings of a net if the block fails.

    Weights stay where training stopped. After divergence the settings stay as well,
    since the net is trained.
    """
    before = {name: vars(net)[name] for name in _RESTORED if name in vars(net)}
    keeps_activations = net.module_.keeps_activations
    rates = [group["lr"] for group in net.optimizer_.param_groups]
    try:
        yield
    except DivergenceError:
        raise
    except Exception:
        vars(net).update(before)
        net.module_.keeps_activations = keeps_activations
        for group, lr in zip(net.optimizer_.param_groups, rates, strict=True):
            group["lr"] = lr
        raise


@contextmanager
def without_split(net: Any) -> Iterator[None]:
    """Hold out no rows, and do not stop early."""
    before = net.train_split, net.callbacks_
    net.train_split = None
    net.callbacks_ = [item for item in net.callbacks_ if item[0] != STOPPING]
    try:
        yield
    finally:
        net.train_split, net.callbacks_ = before


def _split(dataset: Any, y: Any = None, *, held_out: Any) -> tuple[Any, Any]:
    return dataset, held_out


@contextmanager
def held_out(net: Any, dataset: Any) -> Iterator[None]:
    """Validate on a data set, and train on all others, inside the block."""
    before = net.train_split, net.final_share
    net.train_split, net.final_share = partial(_split, held_out=dataset), 0.0
    try:
        yield
    finally:
        net.train_split, net.final_share = before


@contextmanager
def as_stream(net: Any, *, is_auto: bool) -> Iterator[None]:
    """Train on a chunk of a stream: hold out no rows, keep the learning rate.

    Parameters
    ----------
    net : AutoencoderNet
        An initialised net.
    is_auto : bool
        Whether the learning rate is "auto", and lower for a stream.
    """
    before = net.lr_schedule
    net.lr_schedule = steady if is_auto else None
    try:
        with without_split(net):
            yield
    finally:
        net.lr_schedule = before
