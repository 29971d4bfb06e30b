"""Divergence: return to the last finite weights when the loss is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from skae._distributed.share import finite_in_all
from skae._exceptions import DivergenceError
from skae._training.fused_adam import parameters_of


class FiniteWeights:
    """A copy of the last weights of a module with a finite output.

    Weights that are finite themselves may overflow in the next product, so they are
    copied only after the output for the first batch of an epoch.

    Parameters
    ----------
    module : torch.nn.Module
        The module that is trained.
    optimizer : torch.optim.Optimizer
        Of all its parameters.
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._weights = [*parameters_of(optimizer), *module.buffers()]
        self._floating = [x for x in self._weights if x.is_floating_point()]
        self.copies: list[Tensor] | None = None  # None while they are as they were

    @torch.no_grad()
    def update(self, reconstruction: Tensor) -> None:
        """Copy the weights before the first step, and if their output is finite."""
        if self.copies is None:
            self.copies = [x.clone() for x in self._weights]
        elif torch.isfinite(finite_in_all(reconstruction)).all():
            for copy, x in zip(self.copies, self._weights, strict=True):
                copy.copy_(x)

    def take(self, copies: list[Tensor] | None) -> None:
        """Take on the copies of an interrupted fit."""
        if copies is not None:
            both = zip(copies, self._weights, strict=True)
            copies = [copy.to(x.device) for copy, x in both]
        self.copies = copies

    @torch.no_grad()
    def are_now(self) -> bool:
        """Tell whether all weights and buffers are finite."""
        norms = torch._foreach_norm(self._floating, 2)  # in one call; may overflow
        if math.isfinite(sum(x.item() for x in norms)):
            return True
        return all(bool(torch.isfinite(x).all()) for x in self._floating)

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the copy, and discard averages of gradients that are not finite."""
        self._optimizer.state.clear()
        for copy, x in zip(self.copies or self._weights, self._weights, strict=True):
            x.copy_(copy)


def check_start(loss: Tensor, terms: Mapping[str, Tensor]) -> None:
    """Raise a DivergenceError if the loss is not finite before any step.

    Parameters
    ----------
    loss : Tensor
        The objective of the first batch.
    terms : dict of str to Tensor
        The mean of each of its terms.
    """
    finite = {name: finite_in_all(value) for name, value in terms.items()}
    if torch.isfinite(finite_in_all(loss)):
        return
    bad = [name for name, value in finite.items() if not torch.isfinite(value).all()]
    raise DivergenceError(
        f"The loss of the first batch is not finite (terms: {', '.join(bad)}), before "
        "any step of the optimizer. The learning rate is not the reason, but the "
        "loss, a penalty, or the weights that a module was given with."
    )


def check_finite(means: Mapping[str, float], epoch: int, lr: float) -> None:
    """Raise a DivergenceError if the mean loss of an epoch is not finite.

    Parameters
    ----------
    means : dict of str to float
        The mean of the loss and of its terms.
    epoch : int
        Number of the epoch.
    lr : float
        The learning rate.
    """
    if math.isfinite(means["loss"]):
        return
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    raise DivergenceError(
        f"The training loss stopped being finite in epoch {epoch} (terms: "
        f"{', '.join(bad)}). Most likely the steps are too long for the scale of "
        f"X: lower lr (now {lr:g}) or weight_decay, or scale X, for instance with "
        "StandardScaler. The estimator keeps the last finite weights."
    )
