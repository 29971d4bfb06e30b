"""The score of a fitted detector as one ONNX model, from rows to p-values."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from torch import Tensor, nn

from skae._anomaly.conformal import n_allowed
from skae._anomaly.scores import TINY, Scorer
from skae._blending import real_steps
from skae._estimators.base import BaseAutoencoder
from skae._estimators.opening import open_model
from skae._networks.layers import Affine, Standardize, Unstandardize
from skae._persistence.onnx import translate

_OUTPUTS = ("score", "p_value", "label")

# A row and a calibration row whose scores differ by less than this are tied: runtimes
# round differently, and what is tied in Python has to be tied there.
_TIED = 1e-5
_LARGEST = float(np.finfo(np.float32).max)

_Pair = tuple[nn.Module, nn.Module]


# Steps of a pipeline: each as a layer and its reverse ---------------------------------


class InFloat32(nn.Module):
    """A network in float32 between values in float64.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.float()).double()


def _vector(values: Any, width: int, default: float) -> Tensor:
    """Return an attribute of a scaler, which None leaves out, as a vector."""
    filled = np.full(width, default) if values is None else values
    return torch.as_tensor(np.array(filled, dtype=np.float64))


def _of_autoencoder(step: Any) -> _Pair:
    model = open_model(step)
    if model.n_condition:
        raise TypeError(
            "estimator has a condition in columns of X, which to_onnx cannot take from "
            "there. Store the detector with skops or joblib."
        )
    return InFloat32(model.encoder), InFloat32(model.decoder)


def _of_standard_scaler(step: Any) -> _Pair:
    width = step.n_features_in_
    mean = step.mean_ if step.with_mean else None  # fit sets it in either case
    shift, scale = _vector(mean, width, 0.0), _vector(step.scale_, width, 1.0)
    return Standardize(shift, scale), Unstandardize(shift, scale)


def _of_robust_scaler(step: Any) -> _Pair:
    width = step.n_features_in_
    center = step.center_ if step.with_centering else None
    scale = step.scale_ if step.with_scaling else None
    shift, scale = _vector(center, width, 0.0), _vector(scale, width, 1.0)
    return Standardize(shift, scale), Unstandardize(shift, scale)


def _of_min_max_scaler(step: Any) -> _Pair:
    width = step.n_features_in_
    shift, scale = _vector(step.min_, width, 0.0), _vector(step.scale_, width, 1.0)
    forward: nn.Module = Unstandardize(shift, scale)
    if step.clip:
        forward = nn.Sequential(forward, nn.Hardtanh(*step.feature_range))
    return forward, Standardize(shift, scale)


def _of_max_abs_scaler(step: Any) -> _Pair:
    width = step.n_features_in_
    shift, scale = _vector(None, width, 0.0), _vector(step.scale_, width, 1.0)
    forward: nn.Module = Standardize(shift, scale)
    if getattr(step, "clip", False):  # of scikit-learn 1.8
        forward = nn.Sequential(forward, nn.Hardtanh(-1.0, 1.0))
    return forward, Unstandardize(shift, scale)


def _of_pca(step: Any) -> _Pair:
    matrix = np.asarray(step.components_, dtype=np.float64)
    mean = _vector(step.mean_, step.n_features_in_, 0.0)
    lengths = np.ones(len(matrix))
    if step.whiten:  # as PCA does, whose least variance is not 0
        least = np.finfo(step.explained_variance_.dtype).eps
        lengths = np.sqrt(np.maximum(step.explained_variance_, least))
    forward = torch.as_tensor(matrix / lengths[:, np.newaxis])
    inverse = torch.as_tensor(matrix * lengths[:, np.newaxis])
    return Affine(forward, -forward @ mean), Affine(inverse.T.contiguous(), mean)


def _converters() -> dict[type, Callable[[Any], _Pair]]:
    from sklearn.decomposition import PCA

    return {
        StandardScaler: _of_standard_scaler,
        RobustScaler: _of_robust_scaler,
        MinMaxScaler: _of_min_max_scaler,
        MaxAbsScaler: _of_max_abs_scaler,
        PCA: _of_pca,
    }


def _layers_of(step: Any) -> _Pair:
    """Return ``transform`` and ``inverse_transform`` of a fitted step as layers."""
    if isinstance(step, BaseAutoencoder):
        return _of_autoencoder(step)
    converters = _converters()
    if type(step) not in converters:
        known = ", ".join(cls.__name__ for cls in converters)
        raise TypeError(
            f"estimator has a step {type(step).__name__}, which to_onnx cannot "
            f"translate. It takes estimators of skae, {known}, and pipelines of these. "
            "Fit with one of these, or store the detector with skops or joblib."
        )
    return converters[type(step)](step)


# The score ----------------------------------------------------------------------------


class ScoreModule(nn.Module):
    """From rows in float32 to their scores, p-values and labels.

    All but the networks is computed in float64.

    Parameters
    ----------
    scorer : Scorer
        The fitted scorer.
    calibration : ndarray of shape (n_calibration,)
        What ``score_samples`` gives the calibration rows.
    rate : float
        The false positive rate.
    """

    def __init__(self, scorer: Scorer, calibration: np.ndarray, rate: float) -> None:
        super().__init__()
        steps = real_steps(scorer.transformer)
        pairs = [_layers_of(step) for step in steps]
        self.encoder = nn.Sequential(*(forward for forward, _ in pairs))
        self.decoder = nn.Sequential(*(inverse for _, inverse in reversed(pairs)))
        self.takes_gaps = any(
            isinstance(step, BaseAutoencoder) and open_model(step).takes_gaps
            for step in steps
        )
        self.score_by, self.spreads = scorer.score_by, scorer.spreads
        self.least_distance = scorer.least_distance
        self.n_neighbors = scorer.n_neighbors
        self.n_allowed = n_allowed(len(calibration), rate)
        center = scorer.codes.mean(axis=0)
        self.register_buffer("units", torch.as_tensor(scorer.units))
        self.register_buffer("center", torch.as_tensor(center))
        self.register_buffer("codes", torch.as_tensor(scorer.codes - center).float())
        self.register_buffer("calibration", torch.as_tensor(calibration.copy()))
        # A number in the graph would be float32, in which it is 0.
        self.register_buffer("tiny", torch.tensor(TINY, dtype=torch.float64))

    units: Tensor
    center: Tensor
    codes: Tensor
    calibration: Tensor
    tiny: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = x.double()
        codes = self.encoder(rows)
        compute = {
            "both": self.by_both,
            "reconstruction": self.by_reconstruction,
            "code": self.by_code,
        }[self.score_by]
        unusual, slack = compute(rows, codes)
        bound = (slack - unusual).unsqueeze(1)
        n_as_unusual = (self.calibration <= bound).sum(dim=1)
        p_value = (1 + n_as_unusual).double() / (len(self.calibration) + 1)
        label = torch.where(n_as_unusual <= self.n_allowed, -1, 1)
        score = -unusual.clamp(max=_LARGEST)
        return score.float(), p_value.float(), label

    def by_reconstruction(self, rows: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of scaled squared errors, and by how much it is rounded."""
        errors = ((self.decoder(codes) - rows) / self.units) ** 2
        if self.takes_gaps:
            gaps = rows.isnan()
            n_seen = (~gaps).sum(dim=1).clamp(min=1).double()
            errors = torch.where(gaps, 0.0, errors)
            unusual = errors.sum(dim=1) * rows.shape[1] / n_seen
        else:
            unusual = errors.sum(dim=1)
        return unusual, _TIED * unusual

    def by_code(self, rows: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean distance to training codes, and by how much it is rounded."""
        codes = codes - self.center
        known = self.codes.double()
        # Products find the nearest codes; their cancellation must not enter distances.
        apart = (known**2).sum(dim=1) - 2 * codes @ known.T
        nearest = apart.topk(self.n_neighbors, dim=1, largest=False).indices
        squares = ((known[nearest] - codes.unsqueeze(1)) ** 2).sum(dim=2)
        unusual = squares.sqrt().mean(dim=1).clamp(min=self.least_distance)
        return unusual, _TIED * unusual

    def by_both(self, rows: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of both logarithms, and by how much it is rounded."""
        first, second = self.spreads
        error, distance = self.by_reconstruction(rows, codes), self.by_code(rows, codes)
        unusual = (
            torch.maximum(error[0], self.tiny).log() / first
            + torch.maximum(distance[0], self.tiny).log() / second
        )
        return unusual, torch.full_like(unusual, _TIED * (1 / first + 1 / second))


def build_score(scorer: Scorer, calibration: np.ndarray, rate: float) -> Any:
    """Return the score of a detector as an ONNX model.

    Parameters
    ----------
    scorer : Scorer
        The fitted scorer.
    calibration : ndarray of shape (n_calibration,)
        What ``score_samples`` gives the calibration rows.
    rate : float
        The false positive rate.

    Returns
    -------
    onnx_ir.Model
    """
    module = ScoreModule(scorer, calibration, rate).eval()
    width = math.prod(scorer.sample_shape)
    exported = translate(module, width, _OUTPUTS, "the estimator")
    exported.metadata_props.update(
        estimator="AnomalyDetector",
        score_by=scorer.score_by,
        false_positive_rate=repr(rate),
        n_calibration=str(len(calibration)),
        sample_shape=json.dumps(scorer.sample_shape),
    )
    return exported
