"""Filled gaps: what is expected there, and draws of what may be there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skae._data.gaps import Factors
from skae._data.units import ConvertedRows
from skae._model.model import TrainedModel
from skae._random import draw_seed

_N_CODES = 100  # of the posterior, of which those count more that fit what is observed


def impute(model: TrainedModel, rows: np.ndarray) -> np.ndarray:
    """Return samples in the units of X, with what is expected at their gaps.

    Parameters
    ----------
    model : TrainedModel
        A model that takes gaps.
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    """
    return _filled(model, rows, model.reconstruct(rows))


def draw_fillings(
    model: TrainedModel, rows: np.ndarray, n_draws: int, source: np.random.RandomState
) -> np.ndarray:
    """Return several fillings of samples, in the units of X.

    Parameters
    ----------
    model : TrainedModel
        A model that takes gaps.
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    n_draws : int
        Number of fillings.
    source : RandomState
        Seeds the draws.

    Returns
    -------
    ndarray of shape (n_draws, n_rows, ...)
    """
    is_variational = hasattr(model.module, "posterior")
    if is_variational and model.loss.log_density is not None:
        draws = _draws_of_posterior(model, rows, n_draws, source)
    else:
        draws = _draws_of_factors(model, rows, n_draws, source)
    return np.stack([_filled(model, rows, draw) for draw in draws])


def _filled(model: TrainedModel, rows: Any, values: np.ndarray) -> np.ndarray:
    """Return samples with values at their gaps, both in the units of the network."""
    given: Any = model.features(rows)
    if isinstance(given, ConvertedRows):
        given = given.rows
    factors = _factors_of(model)
    values = np.clip(values, factors.low, factors.high)
    if model.units is not None:
        values = model.units.restore(values)
    filled = np.where(np.isnan(given), values, given).astype(given.dtype)
    return model.layout.unflatten(filled)


def _factors_of(model: TrainedModel) -> Factors:
    """Return the Gaussian model of rows that is in the network."""
    buffers = model.module.fill_layer.named_buffers()
    return Factors(**{name: x.double().cpu().numpy() for name, x in buffers})


def _draws_of_factors(
    model: TrainedModel, rows: Any, n_draws: int, source: np.random.RandomState
) -> np.ndarray:
    """Return reconstructions, with deviations from the Gaussian model of rows."""
    factors = _factors_of(model)
    values = np.asarray(model.features(rows)[:], dtype=np.float64)
    gaps = np.isnan(values)
    offset = np.where(gaps, 0.0, values - factors.mean)
    _, covariance = factors.posterior(offset, (~gaps).astype(np.float64))
    root = np.linalg.cholesky(covariance)
    expected = model.reconstruct(rows)
    draws = []
    for _ in range(n_draws):
        normal = source.standard_normal((*root.shape[:2], 1))
        deviation = (root @ normal)[:, :, 0] @ factors.loadings.T
        noise = np.sqrt(factors.noise) * source.standard_normal(values.shape)
        draws.append(expected + deviation + noise)
    return np.stack(draws)


def _draws_of_posterior(
    model: TrainedModel, rows: np.ndarray, n_draws: int, source: np.random.RandomState
) -> np.ndarray:
    """Return decoded codes of the posterior given observed entries, with noise [1]_.

    References
    ----------
    .. [1] Mattei & Frellsen, "MIWAE: deep generative modelling and imputation of
       incomplete data sets", ICML 2019. :arxiv:`1812.02633`
    """
    module: Any = model.module
    device = model.net.device
    generator = torch.Generator(device=device).manual_seed(draw_seed(source))

    def draw(x: Tensor) -> Tensor:
        mean, log_var = module.posterior(x)
        total = torch.full((n_draws, len(x)), -torch.inf, dtype=x.dtype, device=device)
        chosen = x.new_zeros((n_draws, *module.features(x).shape))
        for _ in range(_N_CODES):
            noise = torch.empty_like(mean).normal_(generator=generator)
            code = mean + torch.exp(0.5 * log_var) * noise
            decoded = module.decoder(module.conditioned(code, x))
            weight = 0.5 * (noise**2 + log_var - code**2).sum(1)
            weight = weight + model.log_density(decoded, x)
            # Each draw takes the newest code with the share that its weight has so far.
            total = torch.logaddexp(total, weight)
            chance = torch.empty_like(total).uniform_(generator=generator)
            takes = chance < torch.exp(weight - total)
            chosen = torch.where(takes.unsqueeze(2), decoded, chosen)
        return module.link(chosen).movedim(0, 1)

    means = np.moveaxis(model.apply(draw, rows), 1, 0)
    draw_noise: Any = model.loss.draw
    return draw_noise(means, model.noise_variance, source).astype(model.dtype)
