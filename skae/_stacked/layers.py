"""Layers of several networks that are applied as one, along a leading axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from skae._networks.architecture import ACTIVATIONS
from skae._networks.layers import (
    FillGaps,
    LinearPath,
    OnFeatures,
    PrincipalMap,
    ShiftByCondition,
    Standardize,
    TransposedLinear,
    Unstandardize,
)
from skae._networks.tracing import is_plain
from skae._stacked.weights import StackedWeights

Apply = Callable[[Tensor], Tensor]

_ELEMENTWISE = {type(make()) for make in ACTIVATIONS.values()}


class Bank:
    """The weights and buffers of several networks, each stacked along a first axis.

    Parameters
    ----------
    template : torch.nn.Module
        One of the networks, or a copy.
    weights : StackedWeights
        The weights of all.
    buffers : dict of str to Tensor of shape (n_networks, ...)
        The buffers of all, by their names in the template.
    """

    def __init__(
        self, template: nn.Module, weights: StackedWeights, buffers: dict[str, Tensor]
    ) -> None:
        self._weights = weights
        parameters: Any = template.named_parameters()
        self._names: dict[Tensor, str] = {x: name for name, x in parameters}
        self._buffers = {x: buffers[name] for name, x in template.named_buffers()}
        self.chosen: Tensor | None = None  # indices of networks, None for all

    def __getitem__(self, tensor: Tensor) -> Tensor:
        """Return what stands for a tensor of the template."""
        name = self._names.get(tensor)
        whole = self._buffers[tensor] if name is None else self._weights.leaves[name]
        if self.chosen is not None:
            whole = whole[self.chosen]
        return whole if name is None else self._weights.as_in_layer(name, whole)


class Stacked(nn.Module):
    """The layers of several networks as one, from (n_networks, n, n_in) rows.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer of the template.
    bank : Bank
        The weights of all networks.
    """

    def __init__(self, layer: nn.Module, bank: Bank) -> None:
        super().__init__()
        self.layer = layer  # for its mode of training or evaluation
        self._apply_stacked = stacked(layer, bank)

    def forward(self, x: Tensor) -> Tensor:
        return self._apply_stacked(x)


def stacked(layer: nn.Module, bank: Bank) -> Apply:
    """Return a function that applies a layer of several networks at once.

    Known layers are products of stacked matrices; any other one is mapped by torch's
    ``vmap``, which takes longer.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer of the template.
    bank : Bank
        The weights of all networks.
    """
    if type(layer) in _ELEMENTWISE:
        return layer
    if isinstance(layer, nn.Sequential) and is_plain(layer, nn.Sequential):
        return _in_turn([stacked(x, bank) for x in layer])
    make = _KNOWN.get(type(layer))
    return _mapped(layer, bank) if make is None else make(layer, bank)


def _in_turn(functions: Sequence[Apply]) -> Apply:
    def apply(x: Tensor) -> Tensor:
        for function in functions:
            x = function(x)
        return x

    return apply


def _mapped(layer: nn.Module, bank: Bank) -> Apply:
    parts = (layer.named_parameters, layer.named_buffers)
    names = {k: x for part in parts for k, x in part(remove_duplicate=False)}

    def one(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(layer, tensors, (x,))

    def apply(x: Tensor) -> Tensor:
        return vmap(one)({name: bank[own] for name, own in names.items()}, x)

    return apply


def _linear(layer: Any, bank: Bank) -> Apply:
    def apply(x: Tensor) -> Tensor:
        weight = bank[layer.weight].mT
        if layer.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(bank[layer.bias].unsqueeze(1), x, weight)

    return apply


def _transposed(layer: Any, bank: Bank) -> Apply:
    def apply(x: Tensor) -> Tensor:
        return torch.baddbmm(bank[layer.bias].unsqueeze(1), x, bank[layer.weight])

    return apply


def _units(layer: Any, bank: Bank) -> tuple[Tensor, Tensor]:
    """Return shift and scale, of shape (n_networks, 1, n_features or 1)."""
    shift, scale = bank[layer.shift], bank[layer.scale]
    return shift.unsqueeze(1), scale.reshape(len(scale), 1, -1)


def _standardize(layer: Any, bank: Bank) -> Apply:
    def apply(x: Tensor) -> Tensor:
        shift, scale = _units(layer, bank)
        return (x - shift) / scale

    return apply


def _unstandardize(layer: Any, bank: Bank) -> Apply:
    def apply(x: Tensor) -> Tensor:
        shift, scale = _units(layer, bank)
        return torch.addcmul(shift, x, scale)

    return apply


def _linear_path(layer: Any, bank: Bank) -> Apply:
    linear, layers = stacked(layer.linear, bank), stacked(layer.layers, bank)
    return lambda x: linear(x) + layers(x)


def _shift_by_condition(layer: Any, bank: Bank) -> Apply:
    encode, shift = stacked(layer.encoder, bank), stacked(layer.shift, bank)
    n, factor = layer.n_condition, layer.factor
    return lambda x: encode(x[..., :-n]) + shift(factor * x[..., -n:])


def _on_features(layer: Any, bank: Bank) -> Apply:
    inner, n, factor = stacked(layer.layer, bank), layer.n_condition, layer.factor
    return lambda x: torch.cat([inner(x[..., :-n]), factor * x[..., -n:]], dim=-1)


def _fill_gaps(layer: Any, bank: Bank) -> Apply:
    def apply(x: Tensor) -> Tensor:
        model = [bank[own] for own in layer.model]
        return vmap(layer.fill)(x, *model) if x.isnan().any() else x

    return apply


_KNOWN: dict[type[nn.Module], Callable[[Any, Bank], Apply]] = {
    nn.Linear: _linear,
    PrincipalMap: _linear,
    TransposedLinear: _transposed,
    Standardize: _standardize,
    Unstandardize: _unstandardize,
    LinearPath: _linear_path,
    ShiftByCondition: _shift_by_condition,
    OnFeatures: _on_features,
    FillGaps: _fill_gaps,
}
