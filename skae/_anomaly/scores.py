"""How unusual a row is to a fitted transformer: by its reconstruction, and by its code.

Larger is more unusual here. A scorer is made from training rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skae._anomaly.stored import Samples, fit_in_blocks
from skae._blending import coders_of, n_condition_of

# A column counts in units of its usual error, but of no less than this part of its
# size: what is below is rounding.
_LEAST_ERROR = 1e-6
# Codes at less than this part of their length count as this far apart: what is below
# is rounding, by which a row that equals a training row is not always at 0.
_LEAST_DISTANCE = 1e-5
_LEAST_SPREAD = 1e-9
_MAX_ROWS = 4096
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Scorer:
    """A fitted transformer, with what its scores are measured in.

    Parameters
    ----------
    transformer : estimator
        It has ``transform`` and ``inverse_transform``.
    sample_shape : tuple of int
        Shape of the samples that the transformer takes.
    score_by : {"both", "reconstruction", "code"}
        Which score is computed.
    units : ndarray of shape (n_features,)
        The usual error of each column.
    codes : ndarray of shape (n_rows, n_components)
        The training codes.
    n_neighbors : int
        Number of nearest training codes whose distance counts.
    least_distance : float
        The least distance that counts.
    spreads : tuple of float
        Standard deviations of the logarithms of both scores on training rows.
    """

    transformer: Any
    sample_shape: tuple[int, ...]
    score_by: str
    units: np.ndarray
    codes: np.ndarray
    n_neighbors: int
    least_distance: float
    spreads: tuple[float, float]

    @cached_property
    def neighbors(self) -> Any:
        """The search among the training codes."""
        return _neighbors(self.codes, self.n_neighbors)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the search: files are smaller, and skops needs no trust in it."""
        return {k: v for k, v in vars(self).items() if k != "neighbors"}

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return the scaled squared error of each entry of rows."""
        _, errors = encode(self.transformer, rows, self.sample_shape)
        return errors / self.units**2

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row."""
        return self.codes_and_scores(rows)[1]

    def codes_and_scores(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the code and the score of each row."""
        codes, errors = encode(self.transformer, rows, self.sample_shape)
        return codes, SCORES[self.score_by](self, codes, errors)

    def distances(self, codes: np.ndarray) -> np.ndarray:
        """Return the mean distance of each code to the nearest training codes."""
        distances = self.neighbors.kneighbors(codes)[0].mean(axis=1)
        return np.maximum(distances, self.least_distance)

    def scores_and_distances(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row, and the distance of its code, as columns."""
        codes, scores = self.codes_and_scores(rows)
        return np.stack([scores, self.distances(codes)], axis=1)


def _by_reconstruction(
    scorer: Scorer, codes: np.ndarray, errors: np.ndarray
) -> np.ndarray:
    """Return the sum of the scaled squared errors of each row."""
    return (errors / scorer.units**2).sum(axis=1)


def _by_code(scorer: Scorer, codes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the mean distance of each code to the nearest training codes."""
    return scorer.distances(codes)


def _by_both(scorer: Scorer, codes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the sum of the logarithms of both, each in units of its spread."""
    first, second = scorer.spreads
    return (
        logarithm(_by_reconstruction(scorer, codes, errors)) / first
        + logarithm(_by_code(scorer, codes, errors)) / second
    )


SCORES: dict[str, Callable[[Scorer, np.ndarray, np.ndarray], np.ndarray]] = {
    "reconstruction": _by_reconstruction,
    "code": _by_code,
    "both": _by_both,
}


def _neighbors(codes: np.ndarray, n_neighbors: int) -> Any:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=n_neighbors).fit(codes)


def fit_scorer(
    transformer: Any,
    rows: np.ndarray,
    sample_shape: tuple[int, ...],
    *,
    score_by: str,
    n_neighbors: int,
    samples: Samples | None = None,
) -> Scorer:
    """Fit a transformer to rows, and measure its usual errors and codes on them.

    Parameters
    ----------
    transformer : estimator
        It is fitted in place.
    rows : ndarray of shape (n_rows, n_features)
        Training rows.
    sample_shape : tuple of int
        Shape of the samples that the transformer takes.
    score_by : {"reconstruction", "code", "both"}
        Which score is computed.
    n_neighbors : int
        Number of nearest training codes; fewer where there are not as many.
    samples : Samples or None, default=None
        What it is fitted to instead, if that is not in memory.
    """
    if samples is None:
        transformer.fit(rows.reshape(-1, *sample_shape), None)  # a frozen one needs y
    else:
        fit_in_blocks(transformer, samples)
    codes, errors = encode(transformer, rows, sample_shape)
    units = usual_errors(rows, errors)
    n_neighbors = min(n_neighbors, len(rows) - 1)
    least = _LEAST_DISTANCE * float(np.sqrt((codes**2).sum(axis=1).mean()))
    spreads = 1.0, 1.0
    if score_by == "both":
        some = codes[:: math.ceil(len(codes) / _MAX_ROWS)]
        # The nearest is the row itself, or one with the same code.
        neighbors = _neighbors(codes, n_neighbors + 1)
        distances = neighbors.kneighbors(some)[0][:, 1:]
        spreads = (
            _spread((errors / units**2).sum(axis=1)),
            _spread(np.maximum(distances.mean(axis=1), least)),
        )
    return Scorer(
        transformer=transformer,
        sample_shape=sample_shape,
        score_by=score_by,
        units=units,
        codes=codes,
        n_neighbors=n_neighbors,
        least_distance=least,
        spreads=spreads,
    )


def encode(
    transformer: Any, rows: np.ndarray, sample_shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of rows and the squared error of each entry.

    A gap has no error; the other errors of its row count more, in proportion.
    """
    to_code, to_samples = coders_of(transformer)
    codes = to_code(rows.reshape(-1, *sample_shape))
    decoded = np.asarray(to_samples(codes), dtype=np.float64)
    n_condition = n_condition_of(transformer)
    if n_condition:
        codes = codes[:, :-n_condition]
    errors = (decoded.reshape(rows.shape) - rows) ** 2
    gaps = np.isnan(errors)
    if gaps.any():
        n_seen = np.maximum((~gaps).sum(axis=1, keepdims=True), 1)
        errors = np.where(gaps, 0.0, errors) * (rows.shape[1] / n_seen)
    return np.asarray(codes, dtype=np.float64).reshape(len(rows), -1), errors


def usual_errors(rows: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the root mean squared error of each column, never 0.

    A column of zeros has no size, and its error says nothing, as it is often rounding:
    the unit of such a column is 1, unless its error is larger.
    """
    size = np.sqrt(np.nanmean(np.square(rows, dtype=np.float64), axis=0))
    least = np.where(size > 0, _LEAST_ERROR * size, 1.0)
    return np.maximum(np.sqrt(errors.mean(axis=0)), least)


def _spread(scores: np.ndarray) -> float:
    """Return the standard deviation of the logarithm, or 1 if it vanishes."""
    spread = float(logarithm(scores).std())
    return spread if spread > _LEAST_SPREAD else 1.0


def logarithm(score: np.ndarray) -> np.ndarray:
    """Return the natural logarithm, with the least number in place of 0."""
    return np.log(np.maximum(score, TINY))
