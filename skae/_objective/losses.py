"""How a reconstruction is compared with its row: for each entry, and for a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Exp(nn.Module):
    """The exponential: from log-rates to rates."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    r"""Half the squared error, :math:`\tfrac12 (x - \hat x)^2`."""
    return 0.5 * (reconstruction - x) ** 2


def mean_squared_error(reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
    r"""Half the squared error of a row, :math:`\tfrac12 \|x - \hat x\|^2`, on average.

    x is taken in units of the scale.
    """
    reconstruction, x, scale = _in_range(reconstruction, x, scale)
    return F.mse_loss(reconstruction, x, reduction="sum") * (0.5 / (scale**2 * len(x)))


def mean_gaussian(reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
    r"""Gaussian negative log-likelihood with one variance, at its optimum.

    :math:`\tfrac12 \sum_i [(x_i - \hat x_i)^2 / \sigma^2 + \log 2\pi\sigma^2]` of a
    row, on average, with :math:`\sigma^2` the mean squared error of the batch [1]_
    and x in units of the scale. As it is the optimum, its own gradient is zero and it
    can be held fixed.

    References
    ----------
    .. [1] Rybkin, Daniilidis & Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. :arxiv:`2006.13202`
    """
    reconstruction, x, scale = _in_range(reconstruction, x, scale)
    error = F.mse_loss(reconstruction, x) / scale**2
    variance = error.detach().clamp_min(1e-12)
    return 0.5 * x[0].numel() * (error / variance + torch.log(2 * math.pi * variance))


def _in_range(
    reconstruction: Tensor, x: Tensor, scale: float
) -> tuple[Tensor, Tensor, float]:
    """Divide by the scale first where squares would leave the range of float32."""
    if 1e-12 < scale < 1e12:
        return reconstruction, x, scale
    return reconstruction / scale, x / scale, 1.0


def binary_cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    r"""Cross-entropy :math:`-x \log p - (1 - x) \log(1 - p)`, from logits."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def poisson(log_rate: Tensor, x: Tensor) -> Tensor:
    r"""Poisson negative log-likelihood :math:`\mu - x \log\mu`, from log-rates.

    The constant :math:`\log x!` is left out.
    """
    return F.poisson_nll_loss(log_rate, x, log_input=True, reduction="none")


def _mean_binary_cross_entropy(logits: Tensor, x: Tensor, scale: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def _mean_poisson(log_rate: Tensor, x: Tensor, scale: float) -> Tensor:
    return F.poisson_nll_loss(log_rate, x, log_input=True, reduction="sum") / len(x)


def _check_nothing(low: float, high: float) -> None:
    pass


def _check_probabilities(low: float, high: float) -> None:
    if low < 0 or high > 1:
        raise ValueError(
            "loss='binary_cross_entropy' needs X between 0 and 1, but X runs from "
            f"{low:g} to {high:g}. Rescale X, for instance with MinMaxScaler, or use "
            "loss='squared_error'."
        )


def _check_counts(low: float, high: float) -> None:
    if low < 0:
        raise ValueError(
            f"Negative values in data: loss='poisson' needs counts of at least 0, but "
            f"X holds {low:g}. Use loss='squared_error' for values that can be "
            "negative."
        )


def _logit(mean: np.ndarray) -> np.ndarray:
    mean = np.clip(mean, 0.01, 0.99)
    return np.log(mean / (1 - mean))


def _log(mean: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(mean, 1e-2))


def _identity(mean: np.ndarray) -> np.ndarray:
    return mean


@dataclass(frozen=True)
class Loss:
    """What a name in `loss` stands for.

    Parameters
    ----------
    function : callable
        ``(reconstruction, x)`` to a value for each entry or each row.
    mean : callable or None
        ``(reconstruction, x, scale)`` to what training minimises: the loss of a row,
        averaged over a batch, with x in units of the training scale where that makes
        sense. None takes the mean of what ``function`` gives.
    link : callable
        Makes the module from what a decoder gives to the units of X.
    start : callable
        What a decoder should give at first, for the mean of each feature.
    check : callable
        Refuses data whose ``(minimum, maximum)`` the loss cannot take.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor, Tensor, float], Tensor] | None = None
    link: Callable[[], nn.Module] = nn.Identity
    start: Callable[[np.ndarray], np.ndarray] = _identity
    check: Callable[[float, float], None] = _check_nothing


LOSSES = {
    "squared_error": Loss(squared_error, mean_squared_error),
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        _mean_binary_cross_entropy,
        link=nn.Sigmoid,
        start=_logit,
        check=_check_probabilities,
    ),
    "poisson": Loss(poisson, _mean_poisson, link=Exp, start=_log, check=_check_counts),
}
LIKELIHOODS = {
    **LOSSES,
    "squared_error": replace(LOSSES["squared_error"], mean=mean_gaussian),
}
