"""The weights of several networks, stacked along a first axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skae._networks.layers import PrincipalMap


class StackedWeights:
    """Stacked weights of modules of one structure, of which their own become views.

    Parameters
    ----------
    modules : sequence of torch.nn.Module
        The modules.
    turned : bool
        Whether matrices of linear layers are kept as (n_networks, n_in, n_out): then
        autograd computes their gradients in this order, and has nothing to copy.
    """

    def __init__(self, modules: Sequence[nn.Module], turned: bool) -> None:
        self._turned = _linear_matrices(modules[0]) if turned else set()
        each = [dict(x.named_parameters()) for x in modules]
        self.leaves = {
            name: self._joined(name, [w[name] for w in each]) for name in each[0]
        }

    @torch.no_grad()
    def _joined(self, name: str, own: list[Any]) -> Tensor:
        whole = torch.stack([self.as_in_layer(name, x) for x in own])
        for mine, part in zip(own, whole, strict=True):
            mine.data = self.as_in_layer(name, part)
        return whole.requires_grad_(own[0].requires_grad)

    def as_in_layer(self, name: str, x: Tensor) -> Tensor:
        """Return a leaf, or what has its shape, in the order of axes of the layer.

        It is its own inverse.
        """
        return x.mT if name in self._turned else x


def _linear_matrices(module: nn.Module) -> set[str]:
    """Return the names of the matrices of the linear layers of a module."""
    own = dict(module.named_parameters())
    names = {
        f"{name}.weight"
        for name, layer in module.named_modules()
        if type(layer) in (nn.Linear, PrincipalMap)
    }
    return names & own.keys()
