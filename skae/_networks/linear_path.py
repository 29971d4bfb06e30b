"""Linear maps beside the layers of an encoder and its decoder: they start as PCA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from skae._data.rows import Rows
from skae._data.sparse import SparseRows
from skae._data.statistics import Statistics
from skae._networks.layers import LinearPath, PrincipalMap, ShiftByCondition
from skae._networks.tracing import is_plain, leaves, run
from skae._random import RandomStream

# Up to this width PCA is computed from the covariance, else by iteration: of all rows,
# unless that takes more products than these.
_MAX_WIDTH = 2048
_MAX_PRODUCTS = 2e10
_MAX_PRODUCTS_EXACT = 1e9  # beyond, products of two rows are rounded to float32
_N_ITERATIONS = 8
_MORE_AXES = 10
_CHUNK_ENTRIES = 2**18
_N_DRAWS = 512
_LEAST_NOISE = 1e-4


# Networks -----------------------------------------------------------------------------


def add_linear_path(network: nn.Module, n_in: int, n_out: int) -> nn.Module:
    """Return a network with a linear map beside its layers, the last of which is zero.

    Parameters
    ----------
    network : torch.nn.Module
        An encoder or a decoder between standardised rows and codes. If it is a single
        linear layer, only the linear map is returned.
    n_in, n_out : int
        Width of its input and of its output.
    """
    linear = PrincipalMap(n_in, n_out)
    layers = [x for x in network.modules() if next(x.children(), None) is None]
    if len(layers) == 1 and is_plain(layers[0], nn.Linear):
        return linear
    last = [x for x in layers if isinstance(x, (nn.Linear, _ConvNd))][-1]
    with torch.no_grad():
        for weight in last.parameters():
            weight.zero_()
    return LinearPath(linear, network)


def hidden_layers(encoder: nn.Module, x: Tensor, *, copy: bool = False) -> list[Tensor]:
    """Return what each layer with weights takes, but the first.

    Parameters
    ----------
    encoder : torch.nn.Module
        An encoder, of which linear paths are left out.
    x : Tensor of shape (n_rows, n_features)
        Rows.
    copy : bool, default=False
        Whether layers may work in place.
    """
    if isinstance(encoder, ShiftByCondition):
        x, encoder = x[:, : -encoder.n_condition], encoder.encoder
    layers: list[Any] = [
        layer.layers if isinstance(layer, LinearPath) else layer
        for layer in leaves(encoder)
    ]
    _, steps = run(nn.Sequential(*layers), x, copy=copy)
    return [x for layer, x, _ in steps if any(True for _ in layer.parameters())][1:]


def _path_of(network: nn.Module) -> PrincipalMap:
    """Return the linear map that `add_linear_path` has added to a network."""
    return next(x for x in network.modules() if isinstance(x, PrincipalMap))


# PCA ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrincipalAxes:
    """Directions of largest variance, in units of the training scale.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the rows.
    directions : ndarray of shape (n_axes, n_features)
        Orthonormal rows.
    deviations : ndarray of shape (n_axes,)
        Standard deviation of the data along each.
    share : float
        The share of the variance of the rows along all of them: R² of PCA.
    """

    mean: np.ndarray
    directions: np.ndarray
    deviations: np.ndarray
    share: float


def compute_principal_axes(
    rows: Any,
    indices: np.ndarray,
    n_axes: int,
    *,
    statistics: Statistics,
    seed: int,
    weight: np.ndarray | None = None,
) -> PrincipalAxes:
    """Compute the principal axes of rows, of an evenly spaced subset if there are many.

    Parameters
    ----------
    rows : Rows or AugmentedRows
        Rows of any numeric type.
    indices : ndarray of shape (n_indices,)
        Indices of the training rows.
    n_axes : int
        Maximum number of axes; axes without variance are left out.
    statistics : Statistics
        Of the rows.
    seed : int
        Seed of the randomised solver for wide data.
    weight : ndarray of shape (n_rows,) or None
        How much each row counts, of all rows.

    Returns
    -------
    PrincipalAxes
    """
    width = rows.shape[1]
    if isinstance(rows, SparseRows):
        share = None if weight is None else weight[indices]
        return _axes_of_sparse(rows.select(indices), n_axes, statistics, seed, share)
    if width <= min(_MAX_WIDTH, len(indices)):
        find, n_products = _axes_of_covariance, width**2
    else:
        find = _axes_by_iteration
        n_products = 2 * _N_ITERATIONS * width * (n_axes + _MORE_AXES)
    n_rows = max(_MAX_PRODUCTS // n_products, 4 * n_axes)
    chosen = indices[:: max(1, round(len(indices) / n_rows))]
    n_axes = min(n_axes, len(chosen), width)
    share = None if weight is None else weight[chosen]
    return find(_Standardized(rows, chosen, statistics, share), n_axes, seed)


Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
_N_VIEWS = 8  # of each row, if an augmentation does not say what its views are


class AugmentedRows:
    """Views of each row, the same in each pass; view v of row i is row i * n_views + v.

    Parameters
    ----------
    rows : Rows
        The rows.
    augment : callable
        ``(x, generator)`` to augmented rows. If it has the attributes ``n_views`` and
        ``view``, its results are ``view(x, v)`` for v below ``n_views``; else some are
        drawn.
    seed : int
        Seeds the generator.
    """

    def __init__(self, rows: Rows, augment: Any, seed: int) -> None:
        self.rows = rows
        self.augment = augment
        self.seed = seed
        self.has_views = hasattr(augment, "view") and hasattr(augment, "n_views")
        self.n_views = augment.n_views if self.has_views else _N_VIEWS
        self.shape = (len(rows) * self.n_views, rows.shape[1])

    def views_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the indices of all views of some rows, one view after another."""
        return (indices * self.n_views + np.arange(self.n_views)[:, np.newaxis]).ravel()

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the views at some indices, in their order."""
        taken = self.rows.take(indices // self.n_views, axis=0)
        x = torch.from_numpy(np.asarray(taken, dtype=np.float32))
        if not self.has_views:
            stream = RandomStream(self.seed + int(indices[0]))
            with stream.as_global():  # the user's code may draw from it
                return self.augment(x, stream.on()).numpy()
        views = torch.from_numpy(indices % self.n_views)
        for view in views.unique().tolist():
            x[views == view] = self.augment.view(x[views == view], view)
        return x.numpy()


@dataclass(frozen=True)
class _Standardized:
    """Some rows, in units of the training scale around their training mean."""

    rows: Any
    indices: np.ndarray
    statistics: Statistics
    weight: np.ndarray | None

    @property
    def n_rows(self) -> float:
        """How many rows there are, or the sum of their weights."""
        return len(self.indices) if self.weight is None else float(self.weight.sum())

    def chunks(self) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield rows, and their weights as a column, None if all count alike."""
        step = max(1, _CHUNK_ENTRIES // self.rows.shape[1])
        for i in range(0, len(self.indices), step):
            taken = self.rows.take(self.indices[i : i + step], axis=0)
            share = None
            if self.weight is not None:
                share = self.weight[i : i + step, np.newaxis]
            yield (taken - self.statistics.mean) / self.statistics.scale, share


def _axes_of_covariance(source: _Standardized, n_axes: int, seed: int) -> PrincipalAxes:
    width = source.rows.shape[1]
    total, products = np.zeros(width), np.zeros((width, width))
    is_large = len(source.indices) * width**2 > _MAX_PRODUCTS_EXACT
    for chunk, share in source.chunks():
        total += _times(chunk, share).sum(axis=0)
        factor = chunk.astype(np.float32) if is_large else chunk
        products += factor.T @ _times(factor, share)
    n_rows = source.n_rows
    mean = total / n_rows
    covariance = products / n_rows - np.outer(mean, mean)
    variances, directions = np.linalg.eigh(covariance)
    directions, variances = directions.T[::-1][:n_axes], variances[::-1][:n_axes]
    return _axes(mean, directions, variances, np.trace(covariance))


def _axes_by_iteration(source: _Standardized, n_axes: int, seed: int) -> PrincipalAxes:
    """Compute axes of wide rows by subspace iteration [1]_, chunk by chunk.

    References
    ----------
    .. [1] Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review
       53 (2), 2011. :doi:`10.1137/090771806`
    """
    n_rows, width = source.n_rows, source.rows.shape[1]
    n_found = min(n_axes + _MORE_AXES, len(source.indices), width)
    mean = np.zeros(width)
    for chunk, share in source.chunks():
        mean += _times(chunk, share).sum(axis=0) / n_rows
    basis = np.random.RandomState(seed).standard_normal((width, n_found))
    products, total = np.empty((n_found, n_found)), 0.0
    for _ in range(_N_ITERATIONS):
        basis = np.linalg.qr(basis)[0]
        image, total = np.zeros_like(basis), 0.0
        products = np.zeros((n_found, n_found))
        for chunk, share in source.chunks():
            chunk -= mean
            scores = chunk @ basis
            weighted = _times(scores, share)
            image += chunk.T @ weighted
            products += scores.T @ weighted
            total += _times(np.square(chunk), share).sum()
        last, basis = basis, image
    variances, axes = np.linalg.eigh(products / n_rows)
    directions = (last @ axes).T[::-1]
    return _axes(mean, directions[:n_axes], variances[::-1][:n_axes], total / n_rows)


def _axes_of_sparse(
    rows: SparseRows,
    n_axes: int,
    statistics: Statistics,
    seed: int,
    weight: np.ndarray | None,
) -> PrincipalAxes:
    """Compute axes by subspace iteration as well, of rows that are never dense."""
    n_rows, width = rows.shape
    matrix, scale = rows.matrix.astype(np.float64), statistics.scale
    share = np.ones((n_rows, 1)) if weight is None else weight[:, np.newaxis]
    n_axes = min(n_axes, n_rows, width)
    n_found = min(n_axes + _MORE_AXES, n_rows, width)
    found = rows.describe(weight)
    mean = (found.mean - statistics.mean) / scale
    total = found.variance.sum() / scale**2
    if width <= min(_MAX_WIDTH, n_rows):
        weighted = matrix.multiply(share) if weight is not None else matrix
        products = (matrix.T @ weighted).toarray() / found.n_rows
        covariance = (products - np.outer(found.mean, found.mean)) / scale**2
        variances, vectors = np.linalg.eigh(covariance)
        directions, variances = vectors.T[::-1][:n_axes], variances[::-1][:n_axes]
        return _axes(mean, directions, variances, total)
    basis = np.random.RandomState(seed).standard_normal((width, n_found))
    for _ in range(_N_ITERATIONS):
        basis = np.linalg.qr(basis)[0]
        scores = matrix @ basis - found.mean @ basis
        weighted = share * scores
        products = scores.T @ weighted
        last = basis
        basis = matrix.T @ weighted - np.outer(found.mean, weighted.sum(axis=0))
    variances, axes = np.linalg.eigh(products / (found.n_rows * scale**2))
    directions = (last @ axes).T[::-1]
    return _axes(mean, directions[:n_axes], variances[::-1][:n_axes], total)


def _times(values: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    """Return values times weights; the same array if there are none."""
    return values if share is None else (share * values).astype(values.dtype)


def _axes(
    mean: np.ndarray, directions: np.ndarray, variances: np.ndarray, total: float
) -> PrincipalAxes:
    varies = variances > max(1e-10 * variances[0], 0.0)
    variances = variances[varies]
    share = float(variances.sum() / total) if total > 0 else 1.0
    return PrincipalAxes(mean, directions[varies], np.sqrt(variances), share)


# From PCA to weights ------------------------------------------------------------------


def start_at_pca(
    encoder: nn.Module,
    decoder: nn.Module,
    axes: PrincipalAxes,
    *,
    n_components: int,
    code_activation: Callable[[], nn.Module] | None,
    whiten: bool,
    output_scale: np.ndarray,
) -> None:
    """Set the linear paths of two networks to PCA, as far as the code can hold it.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        Networks with linear paths, between standardised rows and codes.
    axes : PrincipalAxes
        The axes that the code measures.
    n_components : int
        Size of the code.
    code_activation : callable or None
        Factory of the layer after the encoder. A code that is zero for negative values
        measures each axis by two units, one for each sign.
    whiten : bool
        Whether all units start with a variance of 1. If not, this is their mean.
    output_scale : ndarray of shape (n_features,)
        Divisor of standardised rows that gives the target of the decoder.
    """
    into, out_of = _path_of(encoder), _path_of(decoder)
    n_used = min(len(axes.deviations), n_components)
    deviations = axes.deviations[:n_used]
    with torch.no_grad():
        for weight in (*into.parameters(), *out_of.parameters()):
            weight.zero_()
        if n_used == 0:
            return
        layer = None if code_activation is None else code_activation().eval()
        units = np.eye(n_components, n_used)
        if layer is not None and _is_one_sided(layer, n_components):
            n_used = min(n_used, (n_components + 1) // 2)
            deviations = deviations[:n_used]
            units = _pairs_of_units(n_components, n_used)
            whiten = whiten or not _is_homogeneous(layer, n_components)
        elif layer is not None:
            whiten = True
        unit = deviations if whiten else np.sqrt((deviations**2).mean())
        read = units / unit
        write, offset = (units * unit).T, np.zeros(n_used)
        if layer is not None:
            write, offset = _least_squares(read, deviations, layer)
        directions = axes.directions[:n_used]
        _copy_(into.weight[:n_components], read @ directions)
        _copy_(into.bias[:n_components], -read @ directions @ axes.mean)
        if into.out_features > n_components:
            # Log-variances follow, those of probabilistic PCA.
            noise = max(1 - axes.share, _LEAST_NOISE)
            log_var = np.log(np.minimum(noise / deviations**2, 1.0))
            _copy_(into.bias[n_components : n_components + n_used], log_var)
        _copy_(out_of.weight, (directions.T @ write) / output_scale[:, np.newaxis])
        _copy_(out_of.bias, (axes.mean + directions.T @ offset) / output_scale)


def _copy_(weight: torch.Tensor, values: np.ndarray) -> None:
    weight.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _apply(layer: nn.Module, units: np.ndarray) -> np.ndarray:
    return layer(torch.from_numpy(units)).numpy()


def _is_one_sided(layer: nn.Module, n_units: int) -> bool:
    """Tell whether an activation is zero for negative values, as ReLU is."""
    return not _apply(layer, np.full((1, n_units), -1.0)).any()


def _is_homogeneous(layer: nn.Module, n_units: int) -> bool:
    """Tell whether an activation scales with its input, as ReLU does."""
    one = np.ones((1, n_units))
    return bool(np.allclose(_apply(layer, 2 * one), 2 * _apply(layer, one)))


def _pairs_of_units(n_units: int, n_axes: int) -> np.ndarray:
    """Return units along axes, (n_units, n_axes): each sign of an axis has one.

    Units that are left over have random directions.
    """
    signs = np.repeat(np.eye(n_axes), 2, axis=0) * np.tile([[1.0], [-1.0]], (n_axes, 1))
    rng = np.random.RandomState(0)
    n_left = max(n_units - len(signs), 0)
    left = rng.standard_normal((n_left, n_axes)) / np.sqrt(n_axes)
    return np.vstack([signs[:n_units], left])


def _least_squares(
    read: np.ndarray, deviations: np.ndarray, layer: nn.Module
) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear map from codes to scores along axes, for normal scores.

    Parameters
    ----------
    read : ndarray of shape (n_units, n_axes)
        From scores to the input of the activation.
    deviations : ndarray of shape (n_axes,)
        Of the scores.
    layer : torch.nn.Module
        The activation.

    Returns
    -------
    weight : ndarray of shape (n_axes, n_units)
    bias : ndarray of shape (n_axes,)
    """
    n_draws = max(_N_DRAWS, 8 * len(read))
    scores = np.random.RandomState(0).standard_normal((n_draws, len(deviations)))
    scores *= deviations
    codes = _apply(layer, scores @ read.T)
    mean = codes.mean(axis=0)
    weight = np.linalg.lstsq(codes - mean, scores - scores.mean(axis=0), rcond=1e-6)[0]
    return weight.T, scores.mean(axis=0) - mean @ weight
