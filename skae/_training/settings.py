"""Settings of a net that hold for a while, and those restored after an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skae._exceptions import DivergenceError
from skae._training.schedules import steady
from skae._training.stopping import STOPPING

_RESTORED = (
    *("augmentation", "batch_size", "callbacks", "callbacks_", "corruption"),
    *("criterion", "criterion_", "final_share", "has_user_code", "lr", "lr_by_layer"),
    *("lr_schedule", "max_epochs", "precision", "train_split", "verbose"),
)


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
