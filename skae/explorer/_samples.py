"""The samples that are shown: in the units of X, and their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skae._blending import as_floats
from skae._estimators.fitting import checked_rows
from skae._estimators.opening import open_model
from skae._model.model import TrainedModel
from skae.explorer._steps import Affine, Steps, find_way_back


@dataclass(frozen=True)
class Samples:
    """The samples on the map.

    Parameters
    ----------
    n_all : int
        Number of samples of X.
    chosen : ndarray of shape (n_samples,)
        Indices of those that are shown.
    rows : ndarray of shape (n_samples, n_inputs)
        What the network takes.
    values : ndarray of shape (n_samples, n_features)
        Flat, in the units of X, or as its first step encodes a frame; gaps are filled.
    codes : ndarray of shape (n_samples, n_components)
        In float32.
    model : TrainedModel
        Of the autoencoder.
    way_back : Affine or None
        Undoes the steps before it, if there are any.
    """

    n_all: int
    chosen: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    codes: np.ndarray
    model: TrainedModel
    way_back: Affine | None

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return decoded rows in the units of `values`."""
        decoded = _flat(self.model.to_samples(self.model.decode(codes)))
        return decoded if self.way_back is None else self.way_back(decoded)


def read_samples(
    steps: Steps, X: Any, max_samples: int, rng: np.random.RandomState
) -> Samples:
    """Return the samples of X, of many a random subset.

    Parameters
    ----------
    steps : Steps
        The autoencoder and the steps before it.
    X : array-like or DataFrame
        What they take.
    max_samples : int
        Maximum number of samples.
    rng : RandomState
        Draws the subset.
    """
    model = open_model(steps.opened.autoencoder)
    array = X if steps.encoder is None else steps.encoder.transform(X)
    rows = checked_rows(steps.opened.transform(array), steps.opened.autoencoder, model)
    n_all = len(rows)
    if n_all < 2:
        raise ValueError("X has 1 sample, but a blend takes two. Pass more samples.")
    chosen = np.arange(n_all)
    if n_all > max_samples:
        chosen = np.sort(rng.permutation(n_all)[:max_samples])
    rows = rows[chosen]
    values = _flat(model.to_samples(model.without_gaps(rows)))
    way_back = find_way_back(steps, values, model.layout.sample_shape)
    if way_back is not None:
        own = _flat(as_floats(take(array, chosen)))
        values = np.where(np.isfinite(own), own, way_back(values))
    codes = model.encode(rows).astype(np.float32)
    return Samples(n_all, chosen, rows, values, codes, model, way_back)


def take(X: Any, chosen: np.ndarray) -> Any:
    """Return some samples of an array or a frame.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame
        The samples.
    chosen : ndarray of int
        Which ones.
    """
    if hasattr(X, "iloc"):
        return X.iloc[chosen]
    if hasattr(X, "tocsr"):
        return X.tocsr()[chosen].toarray()
    return X[chosen] if hasattr(X, "columns") else np.asarray(X)[chosen]


def _flat(samples: np.ndarray) -> np.ndarray:
    return samples.reshape(len(samples), -1)
