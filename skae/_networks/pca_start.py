"""Let a dense autoencoder start as PCA: principal axes, carried through its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from skae._data.statistics import Statistics

_MAX_ROWS = 2048
_MAX_ENTRIES = 2**22
_MAX_ENTRIES_EXACT = 2**20
_CHUNK_ROWS = 128

# act(a) - act(-a) = gain * a: a pair of such units carries a linear map exactly.
GAINS: dict[str, float] = {
    "gelu": 1.0,
    "identity": 2.0,
    "leaky_relu": 1.01,
    "relu": 1.0,
    "silu": 1.0,
    "softplus": 1.0,
}


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


def find_principal_axes(
    rows: np.ndarray,
    indices: np.ndarray,
    n_axes: int,
    *,
    statistics: Statistics,
    seed: int,
) -> PrincipalAxes:
    """Find the principal axes of some rows, evenly spaced where there are many.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows of any numeric type.
    indices : ndarray of shape (n_indices,)
        Which of them are trained on.
    n_axes : int
        Most axes to return; axes without variance are left out.
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
        some[part] = (rows[chosen[part]] - statistics.mean) / statistics.scale
    with np.errstate(invalid="ignore", divide="ignore"):  # a single row has no variance
        pca = PCA(n_axes, copy=False, svd_solver=solver, random_state=seed)
        pca.fit(some)
    variance = np.nan_to_num(pca.singular_values_**2 / len(some))
    kept = variance > 1e-10 * variance[0] if variance[0] > 0 else variance > 0
    deviations = np.sqrt(variance[kept]) * statistics.scale
    return PrincipalAxes(pca.components_[kept], deviations)


def can_carry(widths: Sequence[int], activation: str, n_components: int) -> bool:
    """Tell whether hidden layers can carry a linear map of some components."""
    return activation in GAINS and all(2 * n_components <= width for width in widths)


def start_at_pca(
    encoder: nn.Module,
    decoder: nn.Module,
    axes: PrincipalAxes,
    *,
    activation: str,
    input_scale: float,
    output_scale: np.ndarray,
) -> None:
    """Set weights so that the code is PCA's, whitened, and so is the reconstruction.

    Hidden units that carry nothing keep their random weights on the way in and get
    none on the way out: training recruits them.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        Dense networks between standardised rows and codes.
    axes : PrincipalAxes
        What the code shall measure.
    activation : str
        Activation of the hidden layers, one of `GAINS`.
    input_scale : float
        What the rows are divided by before the encoder.
    output_scale : ndarray of shape (n_features,)
        What the output of the decoder is multiplied by.
    """
    gain = GAINS[activation]
    deviations = axes.deviations[:, np.newaxis]
    identity = np.eye(len(deviations))
    into_code = axes.directions * input_scale / deviations
    out_of_code = (axes.directions * deviations / output_scale).T
    with torch.no_grad():
        _carry(_linear_layers(encoder), into_code, identity, gain)
        _carry(_linear_layers(decoder), identity, out_of_code, gain)


def _linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def _carry(
    layers: list[nn.Linear], enter: np.ndarray, leave: np.ndarray, gain: float
) -> None:
    """Let the first outputs of a network be ``leave @ enter @ x``.

    ``enter`` reads the first inputs and ``leave`` writes the first outputs; between
    them each value travels as a pair of units, one for each sign.
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
