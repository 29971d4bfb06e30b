"""Losses: how a reconstruction is compared with its row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skae._data.batches import Batch
from skae._data.sparse import count_outside
from skae._distributed.share import mean_over_batch
from skae._exceptions import warn

_ROUNDING = 1e-6  # of values at the end of a domain
_TINY = 1e-12


class Exp(nn.Module):
    """The exponential: from log-rates to rates."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


# Values of each entry -----------------------------------------------------------------


def squared_error(reconstruction: Tensor, x: Tensor, scale: float = 1.0) -> Tensor:
    r"""Half the squared error, :math:`\tfrac12 (x - \hat x)^2`, in squared units."""
    return 0.5 * (reconstruction - x) ** 2


def huber(reconstruction: Tensor, x: Tensor, scale: float = 1.0) -> Tensor:
    r"""Half the squared error up to the scale s, then linear [1]_, in squared units.

    :math:`\tfrac12 r^2` for :math:`|r| \le s`, else :math:`s (|r| - \tfrac12 s)`, with
    :math:`r = x - \hat x`.

    References
    ----------
    .. [1] Huber, "Robust estimation of a location parameter", The Annals of
       Mathematical Statistics 35 (1), 1964. :doi:`10.1214/aoms/1177703732`
    """
    return F.huber_loss(reconstruction / scale, x / scale, reduction="none") * scale**2


def binary_cross_entropy(logits: Tensor, x: Tensor, scale: float = 1.0) -> Tensor:
    r"""Cross-entropy :math:`-x \log p - (1 - x) \log(1 - p)`, from logits."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def poisson(log_rate: Tensor, x: Tensor, scale: float = 1.0) -> Tensor:
    r"""Poisson negative log-likelihood :math:`\mu - x \log\mu`, from log-rates.

    The constant :math:`\log x!` is left out.
    """
    return F.poisson_nll_loss(log_rate, x, log_input=True, reduction="none")


def _without_scale(
    function: Callable[[Tensor, Tensor], Tensor],
    reconstruction: Tensor,
    x: Tensor,
    scale: float,
) -> Tensor:
    return function(reconstruction, x)


def sum_entries(values: Tensor) -> Tensor:
    """Return one value for each row, of values for each row or each entry."""
    return values.flatten(1).sum(1) if values.ndim > 1 else values


def average(values: Tensor, batch: Batch) -> Tensor:
    """Return the mean over the rows of a batch, of the sums over their entries.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
        A value for each row or each entry.
    batch : Batch
        The batch, with its weights if it has any.
    """
    if batch.weight is None:
        return values.mean() if values.ndim == 1 else values.sum() / len(values)
    return (sum_entries(values) * batch.weight).sum() / batch.weight.sum()


# Means over a batch, in one operation of torch ----------------------------------------


def mean_squared_error(reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
    r"""Half the squared error of a row, :math:`\tfrac12 \|x - \hat x\|^2`, on average.

    x is taken in units of the scale.
    """
    return F.mse_loss(reconstruction, x, reduction="sum") * (0.5 / (scale**2 * len(x)))


def mean_gaussian(reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
    """Gaussian negative log-likelihood of a row, on average: see `gaussian_profile`."""
    error = F.mse_loss(reconstruction, x) / scale**2
    return gaussian_at_optimum(error, x[0].numel())


def _mean_huber(reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
    return F.huber_loss(reconstruction / scale, x / scale, reduction="sum") / len(x)


def _mean_binary_cross_entropy(logits: Tensor, x: Tensor, scale: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def _mean_poisson(log_rate: Tensor, x: Tensor, scale: float) -> Tensor:
    return F.poisson_nll_loss(log_rate, x, log_input=True, reduction="sum") / len(x)


# Densities and draws ------------------------------------------------------------------


def gaussian_profile(
    values: Tensor, batch: Batch, columns: list[int] | None = None
) -> Tensor:
    r"""Gaussian negative log-likelihood with one variance, at its optimum.

    :math:`\tfrac12 \sum_i [(x_i - \hat x_i)^2 / \sigma^2 + \log 2\pi\sigma^2]` of a
    row, on average, with :math:`\sigma^2` the mean squared error of the batch [1]_. As
    it is the optimum, its own gradient is zero and it can be held fixed.

    Parameters
    ----------
    values : Tensor of shape (n, n_features)
        Half the squared error of each entry, 0 where it does not count.
    batch : Batch
        The batch.
    columns : list of int or None, default=None
        The features that have the variance. None is all.

    References
    ----------
    .. [1] Rybkin, Daniilidis & Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. :arxiv:`2006.13202`
    """
    mask = batch.mask
    if columns is not None:
        values, mask = values[:, columns], None if mask is None else mask[:, columns]
    mean = average(values, batch)
    n_entries: Tensor | float = values[0].numel()
    if mask is not None:
        n_entries = mean_over_batch(average(mask.to(mean.dtype), batch))
        n_entries = n_entries.clamp_min(_TINY)
    return gaussian_at_optimum(2 * mean / n_entries, n_entries)


def gaussian_at_optimum(error: Tensor, n_entries: Tensor | float) -> Tensor:
    """Return the Gaussian negative log-likelihood, of a mean squared error."""
    variance = mean_over_batch(error.detach()).clamp_min(_TINY)
    return 0.5 * n_entries * (error / variance + torch.log(2 * math.pi * variance))


def _gaussian_log_density(decoded: Tensor, x: Tensor, variance: float) -> Tensor:
    # Divided before squaring: the variance itself may vanish in float32.
    distances = ((decoded - x) / math.sqrt(variance)) ** 2
    return -0.5 * (distances + math.log(2 * math.pi * variance))


def _bernoulli_log_density(decoded: Tensor, x: Tensor, variance: None) -> Tensor:
    return -binary_cross_entropy(decoded, x)


def _poisson_log_density(decoded: Tensor, x: Tensor, variance: None) -> Tensor:
    return -(poisson(decoded, x) + torch.lgamma(x + 1))


def _draw_gaussian(
    means: np.ndarray, variance: float, rng: np.random.RandomState
) -> np.ndarray:
    return means + np.sqrt(variance) * rng.standard_normal(means.shape)


def _draw_bernoulli(
    means: np.ndarray, variance: None, rng: np.random.RandomState
) -> np.ndarray:
    return rng.uniform(size=means.shape) < means


def _draw_poisson(
    means: np.ndarray, variance: None, rng: np.random.RandomState
) -> np.ndarray:
    return rng.poisson(means)


# Initial output of a decoder ----------------------------------------------------------


def logit(mean: np.ndarray) -> np.ndarray:
    """Return the logits of probabilities, away from 0 and 1."""
    mean = np.clip(mean, 0.01, 0.99)
    return np.log(mean / (1 - mean))


def _log(mean: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(mean, 1e-2))


def _identity(mean: np.ndarray) -> np.ndarray:
    return mean


# How much the output of a decoder changes with a reconstruction, near the mean --------


def slope_of_logit(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the slope of the logit at probabilities, away from 0 and 1."""
    mean = np.clip(mean, 0.1, 0.9)
    return 1 / (mean * (1 - mean))


def _slope_of_log(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    # Not above one over the deviation: the exponential would carry it far.
    return 1 / np.maximum(np.maximum(mean, np.sqrt(variance)), 1e-2)


def _one(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return np.ones_like(mean)


@dataclass(frozen=True)
class Loss:
    """A loss that a name in `loss` stands for; a new one is declared in this way.

    Parameters
    ----------
    function : callable
        ``(reconstruction, x, scale)`` to a value for each entry, or each row, in the
        units of X, with the training scale of X.
    degree : int
        Power of the units of X in its values. Training divides by that power of the
        scale.
    fused : callable or None
        ``(reconstruction, x, scale)`` to the loss of a row, averaged over a batch, in
        one operation.
    profile : callable or None
        ``(values, batch)`` to the objective, from the values of entries. None is their
        sum over a row, averaged.
    link : callable
        Factory of the module from the output of a decoder to the units of X.
    start : callable
        Initial output of a decoder, from the mean of each feature.
    slope : callable
        By how much the output of a decoder changes with a reconstruction in the units
        of X, from the mean and the variance of each feature.
    domain : (float, float)
        Lowest and highest value of X that the loss can take.
    refusal : str
        Error message for other values, with ``{low}`` and ``{high}``, those of X.
    log_density : callable or None
        ``(decoded, x, variance)`` to the log-density of each entry. None where the loss
        is not a likelihood: then no noise can be drawn.
    draw : callable or None
        ``(means, variance, rng)`` to draws from that density, numpy arrays.
    has_variance : bool
        Whether the density has a variance, to be measured after training.
    columns_of_variance : list of int or None
        The features whose variance that is. None is all.
    is_custom : bool
        Whether the function is user-defined.
    """

    function: Callable[[Tensor, Tensor, float], Tensor]
    degree: int = 0
    fused: Callable[[Tensor, Tensor, float], Tensor] | None = None
    profile: Callable[[Tensor, Batch], Tensor] | None = None
    link: Callable[[], nn.Module] = nn.Identity
    start: Callable[[np.ndarray], np.ndarray] = _identity
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray] = _one
    domain: tuple[float, float] = (-math.inf, math.inf)
    refusal: str = ""
    log_density: Callable[[Tensor, Tensor, Any], Tensor] | None = None
    draw: Callable[[np.ndarray, Any, np.random.RandomState], np.ndarray] | None = None
    has_variance: bool = False
    columns_of_variance: list[int] | None = None
    is_custom: bool = False

    @classmethod
    def of(cls, function: Any, *, as_likelihood: bool = False) -> Loss:
        """Return the loss of an object that declares one, or of a function.

        Parameters
        ----------
        function : callable
            An object with a method ``declare``, or a user-defined function
            ``(reconstruction, x)``.
        as_likelihood : bool, default=False
            Whether it is for a variational autoencoder.
        """
        if hasattr(function, "declare") and not isinstance(function, type):
            return function.declare(as_likelihood=as_likelihood)
        return cls(partial(_without_scale, function), is_custom=True)

    def for_training(self, reconstruction: Tensor, x: Tensor, scale: float) -> Tensor:
        """Return the values of entries or rows, with x in units of the scale."""
        values = self.function(reconstruction, x, scale)
        return values / scale**self.degree if self.degree else values

    def can_take(self, value: float) -> bool:
        """Tell whether a value of X is in the domain."""
        low, high = self.domain
        return low <= value <= high

    def checked(self, rows: np.ndarray, low: float, high: float) -> np.ndarray:
        """Return rows in the domain: rounding is clipped, other values are refused.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            The rows.
        low, high : float
            Their extremes.
        """
        least, most = self.domain
        if least <= low and high <= most:
            return rows
        if low < least - _ROUNDING or high > most + _ROUNDING:
            raise ValueError(self.refusal.format(low=low, high=high))
        return rows.clip(least, most)

    def clipped(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the domain, with a warning if more than rounding is clipped.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Rows that the network was not trained on.
        """
        least, most = self.domain
        if np.isinf(least) and np.isinf(most):
            return rows
        low, high = rows.min(), rows.max()
        if least <= low and high <= most:
            return rows
        bounds = least - _ROUNDING, most + _ROUNDING
        if n_outside := count_outside(rows, *bounds):
            warn(
                f"{n_outside} of {len(rows)} rows of X have values outside the range "
                f"of the loss, {least:g} to {most:g}: X runs from {low:.6g} to "
                f"{high:.6g}. They are scored as the nearest value of that range. "
                "Clip X, for instance with MinMaxScaler(clip=True), or use "
                "loss='squared_error'.",
                UserWarning,
            )
        return rows.clip(least, most)


LOSSES = {
    "squared_error": Loss(
        squared_error,
        degree=2,
        fused=mean_squared_error,
        log_density=_gaussian_log_density,
        draw=_draw_gaussian,
        has_variance=True,
    ),
    "huber": Loss(huber, degree=2, fused=_mean_huber),
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        fused=_mean_binary_cross_entropy,
        link=nn.Sigmoid,
        start=logit,
        slope=slope_of_logit,
        domain=(0, 1),
        refusal=(
            "loss='binary_cross_entropy' needs X between 0 and 1, but X runs from "
            "{low:.8g} to {high:.8g}. Rescale X, for instance with "
            "MinMaxScaler(clip=True), or use loss='squared_error'."
        ),
        log_density=_bernoulli_log_density,
        draw=_draw_bernoulli,
    ),
    "poisson": Loss(
        poisson,
        fused=_mean_poisson,
        link=Exp,
        start=_log,
        slope=_slope_of_log,
        domain=(0, math.inf),
        refusal=(
            "Negative values in data: loss='poisson' needs counts of at least 0, but "
            "X holds {low:g}. Use loss='squared_error' for values that can be "
            "negative."
        ),
        log_density=_poisson_log_density,
        draw=_draw_poisson,
    ),
}

# Losses of a variational autoencoder: the negative log-likelihood, if there is one.
# That of a Gaussian depends on its variance.
LIKELIHOODS = {
    **LOSSES,
    "squared_error": replace(
        LOSSES["squared_error"], fused=mean_gaussian, profile=gaussian_profile
    ),
}


# Several networks at once -------------------------------------------------------------

_OF_ENTRIES = (squared_error, huber, binary_cross_entropy, poisson)


def can_average(loss: Loss) -> bool:
    """Tell whether `stacked_loss` knows a loss."""
    return loss.function in _OF_ENTRIES and loss.profile in (None, gaussian_profile)


def stacked_loss(
    loss: Loss, reconstruction: Tensor, batch: Batch, scale: Any
) -> Tensor:
    """Return the loss of a row, averaged over the batch of each of several networks.

    Parameters
    ----------
    loss : Loss
        A loss for which `can_average` is true.
    reconstruction : Tensor of shape (n_networks, n, n_features)
        The reconstructions.
    batch : Batch
        The rows of all networks, with a leading axis.
    scale : float or Tensor of shape (n_networks, 1, 1)
        Training scale of each.
    """
    x, mask, weight = batch.target, batch.mask, batch.weight
    if loss.function is squared_error:  # in one operation
        values, factor = F.mse_loss(reconstruction, x, reduction="none"), 0.5 / scale**2
    else:
        values = loss.function(reconstruction, x, scale)
        factor = 1 / scale**loss.degree
    if mask is not None:
        values = values * mask
    mean = stacked_average(values.sum(-1), weight)
    mean = mean * (factor.flatten() if torch.is_tensor(factor) else factor)
    if loss.profile is None:
        return mean
    n_entries: Tensor | float = x.shape[-1]
    if mask is not None:
        n_observed = stacked_average(mask.sum(-1).to(mean.dtype), weight)
        n_entries = n_observed.clamp_min(_TINY)
    return gaussian_at_optimum(2 * mean / n_entries, n_entries)


def stacked_average(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return means over the last axis, weighted if there are weights."""
    if weight is None:
        return values.mean(-1)
    return (values * weight).sum(-1) / weight.sum(-1)
