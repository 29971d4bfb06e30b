"""The coordinates of a linear code: the metric of the decoder, ordered by variance."""

from __future__ import annotations

import copy
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_scalar
from torch import Tensor

from skae._data.statistics import compute_statistics
from skae._data.weights import WeightedRows, evenly_spaced
from skae._model.model import TrainedModel

_N_CODES = 256  # at which the decoder is measured, if their reconstructions are
_MAX_ENTRIES = 2**21  # no more entries than these
_STEP = 0.1  # in standard deviations of a unit
_LEAST = 1e-10  # share of the largest variance that is not rounding

_Map = tuple[np.ndarray, np.ndarray]


def set_coordinates(model: TrainedModel, data: WeightedRows, *, whiten: bool) -> None:
    r"""Give the code of a model the coordinates in which it is ordered by variance.

    Let :math:`G = E[J^\top J]` with the Jacobian J of the decoder, averaged over codes
    of training rows. The code z becomes :math:`R G^{1/2} (z - \bar z)`, where R rotates
    to its principal axes: distances between codes are those between reconstructions, to
    first order, and a linear autoencoder returns the scores of PCA. The decoder begins
    with the inverse, so that reconstructions are the same.

    Parameters
    ----------
    model : TrainedModel
        A model that has just been trained.
    data : WeightedRows
        The training rows.
    whiten : bool
        Whether to divide each component by its standard deviation.
    """
    if model.module.coordinates is None:
        return
    same = np.eye(model.n_components), np.zeros(model.n_components)
    _set(model, same, same)
    if not model.trained_with.has_free_coordinates:
        return
    codes, weight = model.encode(data.rows).astype(np.float64), data.weight
    mean = np.average(codes, axis=0, weights=weight)
    metric = _metric_of_decoder(model, codes, weight)
    root, inverse_root = _roots(metric)
    scores = (codes - mean) @ root
    weighted = scores if weight is None else scores * weight[:, np.newaxis]
    total = len(scores) if weight is None else weight.sum()
    variances, axes = np.linalg.eigh(scores.T @ weighted / total)
    variances, axes = variances[::-1], axes[:, ::-1]
    weight, inverse = axes.T @ root, inverse_root @ axes
    largest = np.abs(weight).argmax(axis=1)
    sign = np.where(np.take_along_axis(weight, largest[:, None], 1) < 0, -1.0, 1.0)
    weight, inverse = sign * weight, inverse * sign.T
    if whiten:
        varies = variances > _LEAST * max(variances[0], 0.0)
        deviations = np.sqrt(np.where(varies, variances, 1.0))[:, np.newaxis]
        weight, inverse = weight / deviations, inverse * deviations.T
    else:
        weight, inverse = weight * model.unit, inverse / model.unit
    _set(model, (weight, -weight @ mean), (inverse, mean))


def _set(model: TrainedModel, forward: _Map, inverse: _Map) -> None:
    dtype, device = getattr(torch, model.dtype.name), model.net.device

    def tensors(weights: _Map) -> tuple[Tensor, Tensor]:
        weight, bias = (torch.tensor(x, dtype=dtype, device=device) for x in weights)
        return weight, bias

    model.module.set_coordinates(tensors(forward), tensors(inverse))


def truncated(model: TrainedModel, n_components: int) -> TrainedModel:
    """Return a copy of a model with the first components of the code only.

    Parameters
    ----------
    model : TrainedModel
        A model whose code has coordinates.
    n_components : int
        How many components remain.
    """
    check_scalar(n_components, "n_components", Integral, min_val=1)
    forward, inverse = model.module.coordinates, model.module.inverse_coordinates
    if (
        forward is None
        or inverse is None
        or not model.trained_with.has_free_coordinates
    ):
        raise ValueError(
            "The code is not ordered by variance: truncate needs shipped networks, a "
            "linear code, and no penalty on single units."
        )
    if n_components > model.n_components:
        raise ValueError(
            f"n_components={n_components}, but the code has {model.n_components} "
            "components."
        )
    short = copy.deepcopy(model)
    short.module.set_coordinates(
        (forward.weight[:n_components], forward.bias[:n_components]),
        (inverse.weight[:, :n_components], inverse.bias),
    )
    return short


def _roots(metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the root of a metric and its inverse, as far as it has one."""
    values, vectors = np.linalg.eigh(metric)
    kept = values > _LEAST * max(values[-1], 0.0)
    root = np.sqrt(np.where(kept, values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=kept)
    return (vectors * root) @ vectors.T, (vectors * inverse) @ vectors.T


def _metric_of_decoder(
    model: TrainedModel, codes: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """Return the mean of the products of the Jacobian, by central differences."""
    n_units = codes.shape[1]
    n_codes = int(np.clip(_MAX_ENTRIES // (n_units * model.n_features), 8, _N_CODES))
    some = codes[evenly_spaced(len(codes), weight, n_codes)]
    steps = _STEP * np.sqrt(compute_statistics(codes, weight).variance)
    steps[steps == 0] = _STEP
    jacobian = np.empty((n_units, len(some) * model.n_features))
    for unit, step in enumerate(steps):
        ahead, behind = some.copy(), some.copy()
        ahead[:, unit] += step
        behind[:, unit] -= step
        both = model.decode(np.concatenate([ahead, behind])).astype(np.float64)
        change = (both[: len(some)] - both[len(some) :]) / (2 * step)
        jacobian[unit] = change.ravel()
    return jacobian @ jacobian.T / len(some)
