"""The objectives of several nets, computed at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from types import FunctionType, MethodType
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn
from torch.func import functional_call, vmap

from skae._data.batches import Batch
from skae._networks.autoencoder import AutoencoderModule
from skae._networks.quadratic import mapped
from skae._objective.losses import can_average, stacked_average, stacked_loss
from skae._objective.objective import Objective
from skae._objective.penalties import KLDivergence, KLSparsity, L1Sparsity
from skae._random import RandomStream, Replay
from skae._stacked.alone import recorded_draws
from skae._stacked.layers import Bank, Stacked

# Penalties that need the output alone, not the weights of a module.
_OF_OUTPUT = (L1Sparsity, KLSparsity, KLDivergence)

_Numbers = dict[Any, Tensor]


class StackedStream:
    """The random streams of several nets, of which each draws for its own rows.

    Parameters
    ----------
    streams : list of RandomStream
        The streams.
    """

    def __init__(self, streams: list[RandomStream]) -> None:
        self.streams = streams

    def normal_like(self, x: Tensor) -> Tensor:
        """Draw from the standard normal distribution, in the shape of a tensor."""
        drawn = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part, stream in zip(drawn, self.streams, strict=True):
            part.normal_(generator=stream.on(x.device))
        return drawn


class StackedObjective:
    """The objectives of several nets of one structure, from their rows.

    Layers are stacked where no penalty needs the weights of a module; else torch's
    ``vmap`` maps the whole.

    Parameters
    ----------
    nets : list of AutoencoderNet
        The nets.
    template : AutoencoderModule
        A module of the same structure, whose own weights are not used.
    bank : Bank
        The weights of all.
    """

    def __init__(
        self, nets: list[Any], template: AutoencoderModule, bank: Bank
    ) -> None:
        self.template = template
        self.bank = bank
        self._criterion = copy.deepcopy(nets[0].criterion_)
        self._numbers, self._plain_scale = _differing(nets), template.scale
        penalties = [penalty for _, penalty in self._criterion.penalties]
        self._is_whole = any(type(penalty) not in _OF_OUTPUT for penalty in penalties)
        self._is_known = can_average(self._criterion.loss)
        if self._is_whole:
            self._draws = recorded_draws(nets[0])
        else:
            template.encoder = Stacked(template.encoder, bank)
            template.decoder = Stacked(template.decoder, bank)

    def __call__(
        self,
        x: Tensor,
        data: dict[str, Tensor],
        streams: list[RandomStream],
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return the objective of each net, its terms, and the reconstructions.

        Parameters
        ----------
        x : Tensor of shape (n_nets, n, n_columns)
            What is encoded.
        data : dict of Tensor of shape (n_nets, n, ...)
            The parts of a batch that there are.
        streams : list of RandomStream
            The stream of each net.
        """
        chosen = self.bank.chosen
        numbers = self._numbers
        if chosen is not None:
            numbers = {k: v[chosen] for k, v in numbers.items()}
        if self._is_whole:
            return self._by_vmap(x, data, streams, numbers)
        self.template.stream = StackedStream(streams)  # type: ignore[assignment]
        output = self.template(x)
        if self._is_known:
            shaped = {k: v.reshape(-1, 1, 1) for k, v in numbers.items()}
            with self._with(shaped):
                total, terms = self._of_known_parts(output, data)
            return total, terms, output["reconstruction"]

        def one(numbers: _Numbers, output: Any, data: Any) -> Any:
            with self._with(numbers):
                return self._criterion(output, Batch(**data), self.template)

        total, terms = vmap(one)(numbers or _placeholder(x), output, data)
        return total, terms, output["reconstruction"]

    def _of_known_parts(
        self, output: dict[str, Tensor], data: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return objectives and terms, of parts that take a leading axis."""
        weight, batch = data.get("weight"), Batch(**data)
        reconstruction, scale = output["reconstruction"], self.template.scale
        total = stacked_loss(self._criterion.loss, reconstruction, batch, scale)
        terms = {"reconstruction": total}
        bunch = {**output, "weight": weight}
        for name, penalty in self._criterion.penalties:
            values = penalty(data["x"], bunch, self.template)
            terms[name] = stacked_average(values, weight)
            total = total + terms[name]
        return total, terms

    def _by_vmap(
        self,
        x: Tensor,
        data: dict[str, Tensor],
        streams: list[RandomStream],
        numbers: _Numbers,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        own = [*self.template.named_parameters(), *self.template.named_buffers()]
        tensors = {f"module.{name}": self.bank[tensor] for name, tensor in own}
        drawn = [
            torch.stack([draw(stream, x.shape[1], x) for stream in streams])
            for draw in self._draws
        ]
        whole = _Whole(self.template, self._criterion)

        def one(
            tensors: Any, drawn: Any, numbers: _Numbers, x: Tensor, data: Any
        ) -> Any:
            self.template.stream = Replay(drawn)  # type: ignore[assignment]
            with self._with(numbers):
                return functional_call(whole, tensors, (x, Batch(**data)))

        with mapped():
            return vmap(one)(tensors, drawn, numbers or _placeholder(x), x, data)

    @contextmanager
    def _with(self, numbers: _Numbers) -> Iterator[None]:
        """Give the template and its penalties the numbers of one net."""
        penalties = self._criterion.penalties
        self.template.scale = numbers.get("scale", self._plain_scale)  # type: ignore
        self._criterion.penalties = [
            (name, _replaced(penalty, i, numbers))
            for i, (name, penalty) in enumerate(penalties)
        ]
        try:
            yield
        finally:
            self._criterion.penalties = penalties
            self.template.scale = self._plain_scale


class _Whole(nn.Module):
    """A module and its objective as one module, which torch maps over weights."""

    def __init__(self, module: AutoencoderModule, criterion: Objective) -> None:
        super().__init__()
        self.module = module
        self._criterion = [criterion]

    def forward(self, x: Tensor, batch: Batch) -> Any:
        output = self.module(x)
        total, terms = self._criterion[0](output, batch, self.module)
        return total, terms, output["reconstruction"]


def numbers_of(penalty: Any) -> dict[str, float]:
    """Return the parameters of a penalty that may differ between stacked nets.

    Of a penalty of the user's, these are its attributes that are floats, or arguments
    of a :class:`functools.partial`.
    """
    if not isinstance(penalty, BaseEstimator):
        own = _own_numbers(penalty)
        return {name: value for name, value in own.items() if type(value) is float}
    constraints = getattr(penalty, "_parameter_constraints", {})
    return {
        name: value
        for name, value in penalty.get_params(deep=False).items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and not _counts(constraints.get(name, ()))
    }


def fixed_of(penalty: Any) -> Any:
    """Return what else a penalty consists of."""
    numbers = numbers_of(penalty)
    if not numbers:
        return penalty
    if isinstance(penalty, partial):
        own = {**penalty.keywords, "": (penalty.func, penalty.args)}
    else:
        own = vars(penalty)
    return type(penalty), {k: v for k, v in own.items() if k not in numbers}


def _own_numbers(penalty: Any) -> dict[str, Any]:
    """Return what may be numbers of a penalty of the user's."""
    if isinstance(penalty, partial):
        return penalty.keywords
    is_other = isinstance(penalty, (FunctionType, MethodType))
    if is_other or any(
        hasattr(kind, "__slots__") for kind in type(penalty).__mro__[:-1]
    ):
        return {}
    return getattr(penalty, "__dict__", {})


def _counts(constraints: Any) -> bool:
    """Tell whether a parameter is an integer, on which a structure may depend."""
    return any(getattr(x, "type", None) is Integral for x in constraints)


def _differing(nets: list[Any]) -> _Numbers:
    """Return the scales, and the parameters of penalties, where they differ."""
    weight = next(nets[0].module_.parameters())
    found: dict[Any, list[float]] = {"scale": [float(x.module_.scale) for x in nets]}
    for i in range(len(nets[0].criterion_.penalties)):
        each = [numbers_of(net.criterion_.penalties[i][1]) for net in nets]
        for name in each[0]:
            found[i, name] = [numbers[name] for numbers in each]
    return {
        key: torch.tensor(values, dtype=weight.dtype, device=weight.device)
        for key, values in found.items()
        if len(set(values)) > 1
    }


def _replaced(penalty: Any, i: int, numbers: Mapping[Any, Tensor]) -> Any:
    """Return a penalty with its numbers, if some differ."""
    own = {key[1]: x for key, x in numbers.items() if key[0] == i}
    if not own:
        return penalty
    if isinstance(penalty, partial):
        return partial(penalty.func, *penalty.args, **{**penalty.keywords, **own})
    penalty = copy.copy(penalty)
    vars(penalty).update(own)
    return penalty


def _placeholder(x: Tensor) -> _Numbers:
    """Return numbers for vmap, which takes no empty dictionary, that nothing reads."""
    return {"unused": x.new_zeros(len(x))}
