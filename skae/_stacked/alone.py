"""What a net computes alone, to compare with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from skae._data.batches import Batch
from skae._random import Recorder
from skae._stacked.parts import attributes_of, hash_of, is_own
from skae._training.history import EpochTerms
from skae._training.settings import validation_noise


def objective_alone(
    net: Any, batch: Batch, training: bool, with_gradients: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the objective of a net for a batch, and its gradients by their names.

    Parameters
    ----------
    net : AutoencoderNet
        The net. It is left as it was.
    batch : Batch
        The batch.
    training : bool
        Whether the layers are in the mode of training.
    with_gradients : bool
        Whether to return gradients, and to refuse code that a call changes.

    Raises
    ------
    ValueError
        If a part of the user's has a state that the call has changed.
    """
    with _borrowed(net), validation_noise(net), torch.set_grad_enabled(with_gradients):
        net.module_.train(training)
        before = _states(net) if with_gradients else None
        with net.own_global_generator():
            loss = net.evaluate(net.receive(batch.pair()))["loss"]
        if before is None:
            return loss, {}
        if _states(net) != before:
            raise ValueError("code of your own that keeps something from each call")
        own = {k: x for k, x in net.module_.named_parameters() if x.requires_grad}
        found = torch.autograd.grad(loss, [*own.values()], allow_unused=True)
        return loss.detach(), {
            name: torch.zeros_like(x) if gradient is None else gradient
            for (name, x), gradient in zip(own.items(), found, strict=True)
        }


def recorded_draws(net: Any) -> list[Any]:
    """Return what a net draws for a batch, by running it on two rows.

    Parameters
    ----------
    net : AutoencoderNet
        The net. It is left as it was.
    """
    if any(is_own(penalty) for _, penalty in net.criterion_.penalties):
        for training in (True, False):
            with_own, without = (_record(net, training, own) for own in (True, False))
            if len(with_own) > len(without):
                raise ValueError("a penalty of your own that draws random numbers")
    return _record(net, net.module_.training, True)


def _record(net: Any, training: bool, with_own: bool) -> list[Any]:
    with _borrowed(net):
        module, criterion = net.module_, copy.copy(net.criterion_)
        criterion.penalties = [
            each for each in criterion.penalties if with_own or not is_own(each[1])
        ]
        rows = next(module.parameters()).new_zeros(2, net.module.layout.n_features)
        batch = Batch(rows)
        if module.n_condition:
            batch = Batch(rows, condition=rows.new_zeros(2, module.n_condition))
        before, recorder = (module.stream, module.training), Recorder(0)
        module.stream = recorder
        try:
            module.train(training)
            with net.own_global_generator():
                criterion(module(batch.with_condition(rows)), batch, module)
        finally:
            module.stream = before[0]
            module.train(before[1])
    return recorder.draws


@contextmanager
def _borrowed(net: Any) -> Iterator[None]:
    """Keep what a call changes from a net, and all that the user's code may change."""
    changed: dict[str, Any] = {"epoch_terms_": EpochTerms()}
    changed["finite_weights_"] = SimpleNamespace(update=lambda reconstruction: None)
    if net.has_user_code:
        names = ("module_", "criterion_", "augmentation", "corruption")
        changed |= copy.deepcopy({name: getattr(net, name) for name in names})
    before = vars(net).copy()
    vars(net).update(changed)
    try:
        yield
    finally:
        vars(net).clear()
        vars(net).update(before)


def _states(net: Any) -> str:
    """Return a hash of what code of the user's keeps."""
    attributes = [attributes_of(x) for x in net.module_.modules() if is_own(x)]
    parts = [net.criterion_.loss.function, net.augmentation, net.corruption]
    parts += [penalty for _, penalty in net.criterion_.penalties]
    own = [x for x in parts if is_own(x)]
    return hash_of(attributes, own, dict(net.module_.state_dict()))
