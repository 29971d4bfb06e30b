"""Initialisation of weights: as PCA, by their variance, or shared by networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from skae._data.rows import Rows
from skae._data.statistics import Statistics
from skae._networks.layers import TransposedLinear

_MAX_ROWS = 2048
_MAX_ENTRIES = 2**22
_MAX_ENTRIES_EXACT = 2**20
_CHUNK_ROWS = 128

# act(a) - act(-a) = gain * a: a pair of such units represents a linear map exactly.
GAINS: dict[str, float] = {
    "gelu": 1.0,
    "identity": 2.0,
    "leaky_relu": 1.01,
    "relu": 1.0,
    "silu": 1.0,
    "softplus": 1.0,
}


# One over the slope at 0, for the activations that would weaken a signal otherwise.
_GLOROT_GAINS = {"hardsigmoid": 6.0, "sigmoid": 4.0}


# PCA ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrincipalAxes:
    """Directions of largest variance, in the units of X.

    Parameters
    ----------
    directions : ndarray of shape (n_axes, n_features)
        Orthonormal rows.
    deviations : ndarray of shape (n_axes,)
        Standard deviation of the data along each.
    """

    directions: np.ndarray
    deviations: np.ndarray


def compute_principal_axes(
    rows: Rows,
    indices: np.ndarray,
    n_axes: int,
    *,
    statistics: Statistics,
    seed: int,
) -> PrincipalAxes:
    """Compute the principal axes of rows, of an evenly spaced subset if there are many.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows of any numeric type.
    indices : ndarray of shape (n_indices,)
        Indices of the training rows.
    n_axes : int
        Maximum number of axes; axes without variance are left out.
    statistics : Statistics
        Of the rows.
    seed : int
        Seed of the randomised solver for large data.

    Returns
    -------
    PrincipalAxes
    """
    n_rows = np.clip(_MAX_ENTRIES // rows.shape[1], 4 * n_axes, _MAX_ROWS)
    chosen = indices[:: max(1, len(indices) // int(n_rows))]
    n_axes = min(n_axes, len(chosen), rows.shape[1])
    dtype, solver = "float64", "auto"
    if len(chosen) * rows.shape[1] > _MAX_ENTRIES_EXACT:
        # Random projections are coarser than the rounding of float32.
        dtype, solver = "float32", "randomized"
    some = np.empty((len(chosen), rows.shape[1]), dtype)
    for start in range(0, len(chosen), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        some[part] = (
            rows.take(chosen[part], axis=0) - statistics.mean
        ) / statistics.scale
    with np.errstate(invalid="ignore", divide="ignore"):  # a single row has no variance
        pca = PCA(n_axes, copy=False, svd_solver=solver, random_state=seed)
        pca.fit(some)
    variance = np.nan_to_num(pca.singular_values_**2 / len(some))
    varies = variance > 1e-10 * variance[0] if variance[0] > 0 else variance > 0
    deviations = np.sqrt(variance[varies]) * statistics.scale
    return PrincipalAxes(pca.components_[varies], deviations)


def start_at_pca(
    encoder: nn.Module,
    decoder: nn.Module,
    axes: PrincipalAxes,
    *,
    activation: str,
    input_scale: float,
    output_scale: np.ndarray,
) -> None:
    """Set weights so that code and reconstruction are those of PCA, whitened.

    Unused hidden units keep their random incoming weights, and their outgoing weights
    are zero: training can use them.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        Dense networks between standardised rows and codes.
    axes : PrincipalAxes
        The axes that the code measures.
    activation : str
        Activation of the hidden layers, one of `GAINS`.
    input_scale : float
        Divisor of the rows before the encoder.
    output_scale : ndarray of shape (n_features,)
        Factor of the output of the decoder.
    """
    gain = GAINS[activation]
    deviations = axes.deviations[:, np.newaxis]
    identity = np.eye(len(deviations))
    into_code = axes.directions * input_scale / deviations
    out_of_code = (axes.directions * deviations / output_scale).T
    with torch.no_grad():
        _propagate_linear_map(_plain_layers(encoder), into_code, identity, gain)
        _propagate_linear_map(_plain_layers(decoder), identity, out_of_code, gain)


def _propagate_linear_map(
    layers: list[nn.Linear], enter: np.ndarray, leave: np.ndarray, gain: float
) -> None:
    """Set weights so that the first outputs of a network are ``leave @ enter @ x``.

    ``enter`` multiplies the first inputs and ``leave`` gives the first outputs; between
    them a pair of units represents each value, one for each sign.
    """
    k = len(enter)
    signs = np.vstack([np.eye(k), -np.eye(k)])
    for position, layer in enumerate(layers):
        is_first, is_last = position == 0, position == len(layers) - 1
        read = enter if is_first else signs.T / gain
        write = leave if is_last else signs
        weight = torch.as_tensor(write @ read, dtype=layer.weight.dtype)
        n_out, n_in = weight.shape
        layer.weight[:n_out] = 0.0
        layer.weight[:n_out, :n_in] = weight
        layer.bias[:n_out] = 0.0


# Other initialisations ----------------------------------------------------------------


def tie_weights(encoder: nn.Module, decoder: Any) -> None:
    """Give the linear layers of a dense decoder the weights of its encoder."""
    weights = [layer.weight for layer in _linear_layers(encoder)]
    for position, layer in enumerate(decoder):
        if isinstance(layer, nn.Linear):
            decoder[position] = TransposedLinear(weights.pop(), layer.bias)


def draw_glorot_weights(
    network: nn.Module, make_activation: Callable[[], nn.Module], activation: str
) -> None:
    """Draw weights that preserve signals, and biases that centre the input."""
    center = float(make_activation()(torch.zeros(1)))
    with torch.no_grad():
        for position, layer in enumerate(_linear_layers(network)):
            gain = _GLOROT_GAINS.get(activation, 1.0) if position else 1.0
            if not isinstance(layer, TransposedLinear):
                nn.init.xavier_uniform_(layer.weight, gain)
            offset = center if position else 0.0
            layer.bias.copy_(-offset * _matrix(layer).sum(1))


def zero_constant_features(decoder: nn.Module, features: np.ndarray) -> None:
    """Make a dense decoder start at the mean of features that are constant so far."""
    last = _linear_layers(decoder)[-1]
    constant = torch.from_numpy(features)
    with torch.no_grad():
        _matrix(last)[constant] = 0.0
        last.bias[constant] = 0.0


def _plain_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def _linear_layers(network: nn.Module) -> list[Any]:
    kinds = (nn.Linear, TransposedLinear)
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def _matrix(layer: Any) -> torch.Tensor:
    """Return the matrix of a linear layer, with a row for each output."""
    return layer.weight.T if isinstance(layer, TransposedLinear) else layer.weight
