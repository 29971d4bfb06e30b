"""Computations of variational models: posteriors, noise variance, likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skae._data.weights import WeightedRows
from skae._model.model import TrainedModel
from skae._random import draw_seed
from skae._training.settings import validation_noise

_MAX_ROWS_OF_VARIANCE = 4096

# In units of the squared scale, as in the loss of training: constant data has none.
_LOWEST_VARIANCE = 1e-12


def mean_and_std(model: TrainedModel, rows: np.ndarray) -> np.ndarray:
    """Return the mean and the standard deviation of the code of each row.

    Parameters
    ----------
    model : TrainedModel
        With a variational module.
    rows : ndarray of shape (n_rows, n_features)
        The rows.

    Returns
    -------
    ndarray of shape (n_rows, 2, n_components)
    """
    module: Any = model.module

    def of_rows(x: Tensor) -> Tensor:
        mean, log_var = module.posterior(x)
        return torch.stack([mean, torch.exp(0.5 * log_var)], dim=1)

    return model.apply(of_rows, rows)


def measure_noise_variance(model: TrainedModel, data: WeightedRows) -> float:
    """Return the mean squared error of decoded posterior samples.

    Parameters
    ----------
    model : TrainedModel
        With a variational module.
    data : WeightedRows
        Training rows; an evenly spaced subset is used if there are many.
    """
    module, columns = model.module, model.loss.columns_of_variance
    known = () if model.condition is None else model.condition.columns or ()
    n_known = sum(columns is None or bool(columns[j]) for j in known)

    def squares(x: Tensor) -> Tensor:
        error = model.errors(module(x)["reconstruction"], x)
        x = module.features(x)
        if columns is not None:
            error, x = error[:, columns], x[:, columns]
        n_there = ((~x.isnan()).sum(1) - n_known).clamp_min(1)
        return (error**2).sum(1) / n_there

    data = data.every(max(1, len(data.rows) // _MAX_ROWS_OF_VARIANCE))
    rows, weight = data.rows, data.weight
    with validation_noise(model.net):
        error = model.apply(squares, rows)
    variance = float(np.average(error.astype(np.float64), weights=weight))
    return max(variance, _LOWEST_VARIANCE * model.scale**2)


def log_likelihood(
    model: TrainedModel,
    rows: np.ndarray,
    n_samples: int,
    source: np.random.RandomState,
) -> np.ndarray:
    """Estimate the log-density of each row by importance sampling.

    Parameters
    ----------
    model : TrainedModel
        With a variational module and a loss that is a likelihood.
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    n_samples : int
        Number of draws for each row.
    source : RandomState
        Seeds the draws.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    rows = model.in_domain(rows)
    module: Any = model.module
    device = model.net.device
    generator = torch.Generator(device=device).manual_seed(draw_seed(source))

    def estimate(x: Tensor) -> Tensor:
        mean, log_var = module.posterior(x)
        log_weights = []
        for _ in range(n_samples):
            noise = torch.empty_like(mean).normal_(generator=generator)
            code = mean + torch.exp(0.5 * log_var) * noise
            # log p(z) - log q(z|x): the constants cancel.
            ratio = 0.5 * (noise**2 + log_var - code**2).sum(1)
            decoded = module.decoder(module.conditioned(code, x))
            density = model.log_density(decoded, x)
            log_weights.append(density + ratio)
        total = torch.logsumexp(torch.stack(log_weights), dim=0)
        return total - math.log(n_samples)

    found = model.apply(estimate, rows)
    if model.units is None:
        return found
    # Of the change of units, where entries are observed.
    observed = ~np.isnan(model.features(rows)[:])
    return found - observed @ np.log(model.units.ratio)
