"""What a user should know of a fit: below PCA, columns that hardly count, units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from skae._data.statistics import Statistics, compute_statistics
from skae._data.units import ConvertedRows
from skae._data.weights import WeightedRows
from skae._exceptions import CollapsedCodeWarning, DivergenceError, FitWarning, warn
from skae._model.collapse import detect_collapse
from skae._model.model import TrainedModel
from skae._networks.linear_path import compute_principal_axes
from skae._training.history import R2

_N_CHECKED = 32  # rows whose output has to be finite after training
_FEWEST_EPOCHS = 10  # fewer do not show how well a network can be trained
_MAX_ROWS = 4096
_MAX_ENTRIES = 2**20
_MAX_PRODUCTS = 2e9  # for the PCA of a network that did not start there

_MARGIN = 0.005  # of R² below PCA
_MARGIN_OF_OTHERS = 0.05  # where the objective is not the squared error alone

_DOMINANT = 0.99  # share of the variance
_HIGH_R2 = 0.999
_LOW_R2 = 0.5
_TINY = 1e-12


def warn_of_fit(model: TrainedModel, data: WeightedRows, remedies: list[str]) -> None:
    """Warn of a collapsed code, or else of what a user should know of a fit.

    R² of training rows is recorded in the last epoch of the history.

    Parameters
    ----------
    model : TrainedModel
        The fitted model.
    data : WeightedRows
        The training rows.
    remedies : list of str
        Suggestions against a collapsed code.
    """
    data = data.in_memory
    _check_evaluation(model, data.rows)
    if model.net.history:
        some = _some(model, data)
        model.net.history.record(R2, model.r2(some.rows, some.weight))
    collapse = detect_collapse(model, data)
    if collapse is not None:
        warn(collapse.message(remedies), CollapsedCodeWarning)
        return
    for finding in review(model, data):
        warn(finding, FitWarning)


def _check_evaluation(model: TrainedModel, rows: np.ndarray) -> None:
    """Refuse a network whose output is finite in training alone."""
    some = np.asarray(rows[:_N_CHECKED])
    if not np.isfinite(model.reconstruct(some)).all():
        raise DivergenceError(
            "The reconstructions of training rows are not finite, though the training "
            "loss was: a module or a batch normalisation computes something else in "
            "evaluation."
        )


def review(model: TrainedModel, data: WeightedRows) -> list[str]:
    """Return what a user should know of a fit, one sentence or two for each finding.

    Parameters
    ----------
    model : TrainedModel
        The fitted model.
    data : WeightedRows
        The training rows; at most 4096, or 2**20 entries, evenly spaced, are used.
    """
    if model.built_with.task.loss.is_custom:
        return []
    chosen = _some(model, data)
    some, weight = chosen.rows, chosen.weight
    variance = compute_statistics(model.features(some), weight).variance
    if not variance.any():
        return []
    error = _error_of_columns(model, some, weight)
    r2 = 1 - error.sum() / variance.sum()
    findings = [
        _below_pca(model, data, r2),
        _channels_in_other_units(model, data),
        _unscaled_columns(model, variance, error, r2),
        _spare_units(model),
    ]
    return [text for text in findings if text]


def _some(model: TrainedModel, data: WeightedRows) -> WeightedRows:
    """Return evenly spaced rows."""
    n_rows = int(np.clip(_MAX_ENTRIES // model.n_features, 64, _MAX_ROWS))
    return data.every(math.ceil(len(data.rows) / n_rows))


def _error_of_columns(
    model: TrainedModel, rows: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """Return the mean squared error of each column, in units of the scale."""
    module, scale = model.module, model.scale

    def errors(x: Tensor) -> Tensor:
        return model.errors(module.reconstruct(x), x, scale)

    squares = np.square(model.apply(errors, rows), dtype=np.float64)
    observed = compute_statistics(model.features(rows), weight).observed
    mean = np.average(squares, axis=0, weights=weight) * scale**2
    return mean if observed is None else mean / np.maximum(observed, _TINY)


# PCA ----------------------------------------------------------------------------------


def _below_pca(model: TrainedModel, data: WeightedRows, r2: float) -> str | None:
    plan, net, task = model.trained_with, model.net, model.trained_with.task
    if not _is_compared(model) or model.takes_gaps:
        return None
    is_alone = task.loss.degree == 2 and not task.penalties and task.corruption is None
    is_alone = is_alone and plan.networks.code_activation is None
    if not is_alone and model.n_components >= model.n_features:
        return None  # PCA is exact then
    start = net.pca_r2_ if is_alone else None
    if start is None and task.augmentation is not None:
        return None  # of augmented rows PCA explains less
    if start is not None and plan.training.early_stopping:
        return None  # PCA was a candidate
    pca = start
    if pca is None:
        pca = _r2_of_pca(data, model.statistics, model.n_components)
    if r2 >= pca - (_MARGIN if is_alone else _MARGIN_OF_OTHERS):
        return None
    remedies = "early_stopping='auto', which keeps the better of both, or more epochs"
    if not is_alone:
        remedies = "a larger n_components, weaker penalties, less noise, or more epochs"
    elif start is None:
        remedies = "more epochs, another lr, or a shipped network, which starts as PCA"
    return (
        f"R² is {r2:.3f} on training rows, and that of PCA with as many components "
        f"{pca:.3f}. Try {remedies}."
    )


def _is_compared(model: TrainedModel) -> bool:
    is_variational = model.trained_with.networks.module_class.n_columns_per_unit > 1
    return not is_variational and len(model.net.history) >= _FEWEST_EPOCHS


def _channels_in_other_units(model: TrainedModel, data: WeightedRows) -> str | None:
    """Tell where a scale for each channel costs R² in the units of X."""
    rows: Any = data.rows
    is_converted = isinstance(rows, ConvertedRows) and not model.takes_gaps
    if not (is_converted and _is_compared(model)):
        return None
    ratio = rows.units.ratio
    if np.ptp(ratio) == 0:
        return None
    some = data.every(math.ceil(len(rows) / _MAX_ROWS))
    r2 = model.r2(some.rows, some.weight)
    source = WeightedRows(rows.rows, data.weight)  # in the units of X
    statistics = compute_statistics(source.rows, source.weight)
    pca = _r2_of_pca(source, statistics, model.n_components)
    if r2 >= pca - _MARGIN:
        return None
    factor = ratio.max() / ratio.min()
    return (
        f"The channels of X have scales that differ by a factor of {factor:.3g}, and "
        "each is divided by its own, so that small ones count as well. R² in the "
        f"units of X is {r2:.3f} on training rows, and that of PCA, which follows the "
        f"largest channel, {pca:.3f}. If that is what matters, pass flat rows to "
        "AutoencoderTransformer."
    )


def _r2_of_pca(data: WeightedRows, statistics: Statistics, n_components: int) -> float:
    """Return R² of PCA of rows.

    If PCA is computed from some of the rows, it is measured on others.
    """
    rows, weight = data.rows, data.weight
    n_rows, n_features = rows.shape
    n_fit = int(max(_MAX_PRODUCTS // n_features**2, 4 * n_components, 256))
    step = max(1, math.ceil(n_rows / n_fit))
    fitted = np.arange(0, n_rows, step)
    axes = compute_principal_axes(
        rows, fitted, n_components, statistics=statistics, seed=0, weight=weight
    )
    if step == 1:
        return axes.share
    others = np.arange(1, n_rows, step)[:_MAX_ROWS]
    centred = (rows.take(others, axis=0) - statistics.mean) / statistics.scale
    share = np.ones(len(others)) if weight is None else weight[others]
    kept = share @ np.square(centred @ axes.directions.T).sum(axis=1)
    return float(kept / (share @ np.square(centred).sum(axis=1)))


# Columns and units --------------------------------------------------------------------


def _unscaled_columns(
    model: TrainedModel, variance: np.ndarray, error: np.ndarray, r2: float
) -> str | None:
    """Tell of columns that hardly count, in a table with one scale."""
    is_table = model.layout.image_shape is None and len(variance) > 1
    if not is_table or model.loss.degree != 2:
        return None
    varies = variance > 0
    low = varies & (error > (1 - _LOW_R2) * variance)
    remedy = "Scale the columns, for instance with StandardScaler."
    largest = int(variance.argmax())
    share = variance[largest] / variance.sum()
    if share > _DOMINANT and varies.sum() > 1:
        return (
            f"{_name(model, largest)} holds {100 * share:.1f} % of the variance of X, "
            f"so that R² says little of the other columns: for {low.sum()} of "
            f"{len(variance)} it is below {_LOW_R2}. {remedy}"
        )
    if r2 < _HIGH_R2 or not low.any():
        return None
    return (
        f"R² is {r2:.3f}, but below {_LOW_R2} for {low.sum()} of {len(variance)} "
        f"columns, such as {_name(model, int(np.flatnonzero(low)[0]))}: their variance "
        f"is small beside that of others. {remedy}"
    )


def _name(model: TrainedModel, column: int) -> str:
    names: Any = model.feature_names
    return f"column {column}" if names is None else f"column {names[column]!r}"


def _spare_units(model: TrainedModel) -> str | None:
    n_units, n_features = model.n_components, model.n_features
    if n_units <= n_features or not model.built_with.has_free_coordinates:
        return None
    return (
        f"n_components={n_units} for {n_features} features: a code of {n_features} "
        "holds all of X. Set a smaller n_components."
    )
