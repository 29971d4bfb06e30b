"""Mean and variance of rows in one pass, without copying the array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_CHUNK_BYTES = 2**18  # stays in the cache of a core
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Statistics:
    """Mean, variance and extremes of the rows seen so far.

    Parameters
    ----------
    n_rows : float
        Number of rows, or the sum of their weights.
    mean, variance : ndarray of shape (n_features,)
        Of each feature, in float64.
    low, high : float
        Extremes over all entries.
    observed : ndarray of shape (n_features,) or None
        The share of the rows in which each feature is observed. None is all.
    """

    n_rows: float
    mean: np.ndarray
    variance: np.ndarray
    low: float
    high: float
    observed: np.ndarray | None = None

    @property
    def counts(self) -> Any:
        """In how many rows each feature is observed; one number where it is in all."""
        return self.n_rows if self.observed is None else self.n_rows * self.observed

    @property
    def scale(self) -> float:
        """Root mean squared deviation from the mean of each feature; 1 if it is 0."""
        scale = float(np.sqrt(self.variance.mean()))
        return scale if scale > 0 and np.isfinite(scale) else 1.0

    def merge(self, other: Statistics) -> Statistics:
        """Return the statistics of both sets of rows together [1]_.

        References
        ----------
        .. [1] Chan, Golub & LeVeque, "Algorithms for computing the sample variance",
           The American Statistician 37 (3), 1983. :doi:`10.1080/00031305.1983.10483115`
        """
        n_rows = self.n_rows + other.n_rows
        counts, observed = self.counts + other.counts, None
        share = other.counts / np.maximum(counts, _TINY)
        if np.ndim(counts):
            observed = counts / n_rows
        step = other.mean - self.mean
        within = (1 - share) * self.variance + share * other.variance
        return Statistics(
            n_rows=n_rows,
            mean=self.mean + share * step,
            variance=within + share * (1 - share) * step**2,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            observed=observed,
        )


def _chunk_size(rows: np.ndarray) -> int:
    return max(1, _CHUNK_BYTES // max(1, 8 * rows.shape[1]))


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    size = _chunk_size(rows)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@np.errstate(
    over="ignore", invalid="ignore"
)  # an infinite variance is told by `check_squares`
def compute_statistics(rows: Any, weight: np.ndarray | None = None) -> Statistics:
    """Return the statistics of rows of any numeric type.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    weight : ndarray of shape (n_rows,) or None
        How much each counts.
    """
    if hasattr(rows, "describe"):  # sparse
        return rows.describe(weight)
    if len(rows) == 1 and weight is None:  # as in a stream, for each row
        (row,) = rows
        low, high = float(row.min()), float(row.max())
        if low == low:  # there is no gap
            mean = row.astype(np.float64)
            return Statistics(1, mean, np.zeros(len(mean)), low, high)
    buffer = np.empty((min(_chunk_size(rows), len(rows)), rows.shape[1]))
    result: Statistics | None = None
    start = 0
    for chunk in _chunks(rows):
        stop = start + len(chunk)
        part = _describe(chunk, None if weight is None else weight[start:stop], buffer)
        result = part if result is None else result.merge(part)
        start = stop
    if result is None:
        raise ValueError("there are no rows to describe")
    return result


def _describe(
    chunk: np.ndarray, weight: np.ndarray | None, buffer: np.ndarray
) -> Statistics:
    """Return the statistics of few rows."""
    # Differences from a row of the chunk: constant features have none, and the square
    # of their mean is at most as many variances as there are rows.
    origin = chunk[0].astype(np.float64)
    offset = np.subtract(chunk, origin, out=buffer[: len(chunk)])
    if weight is None:
        n_rows: float = len(chunk)
        mean = offset.mean(axis=0)
        square = np.einsum("ij,ij->j", offset, offset) / n_rows
    else:
        n_rows = float(weight.sum())
        mean = weight @ offset / n_rows
        square = np.einsum("i,ij,ij->j", weight, offset, offset) / n_rows
    low, high = float(chunk.min()), float(chunk.max())
    if low != low:
        return _describe_gaps(chunk, weight)
    variance = np.maximum(square - mean**2, 0.0)
    return Statistics(n_rows, origin + mean, variance, low, high)


def _describe_gaps(chunk: np.ndarray, weight: np.ndarray | None) -> Statistics:
    """Return the statistics of the entries that are observed, of few rows."""
    observed = ~np.isnan(chunk)
    share = np.ones(len(chunk)) if weight is None else weight
    first = chunk[observed.argmax(axis=0), np.arange(chunk.shape[1])]
    origin = np.where(observed.any(axis=0), first, 0.0).astype(np.float64)
    offset = np.where(observed, chunk - origin, 0.0)
    counts = share @ observed
    divisor = np.maximum(counts, _TINY)
    mean = share @ offset / divisor
    square = np.einsum("i,ij,ij->j", share, offset, offset) / divisor
    n_rows = float(share.sum())
    return Statistics(
        n_rows=n_rows,
        mean=origin + mean,
        variance=np.maximum(square - mean**2, 0.0),
        low=float(np.min(chunk, where=observed, initial=np.inf)),
        high=float(np.max(chunk, where=observed, initial=-np.inf)),
        observed=counts / n_rows,
    )


def _distances(rows: Any, statistics: Statistics) -> np.ndarray:
    """Return the squared distance of each row from the mean, without its gaps."""
    if hasattr(rows, "distances"):  # sparse
        return rows.distances(statistics.mean)
    found = []
    for chunk in _chunks(rows):
        offset = (chunk - statistics.mean) / statistics.scale
        offset[np.isnan(offset)] = 0.0
        found.append(np.einsum("ij,ij->i", offset, offset) * statistics.scale**2)
    return np.concatenate(found)


def effective_share(rows: Any, weight: np.ndarray | None = None) -> float:
    """Return Kish's effective number of rows in the variance, as a share of all [1]_.

    It is 1 if all rows are equally far from their mean, and near 0 if few distant ones
    make up most of the variance.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        An array of any numeric type, or another source of rows.
    weight : ndarray of shape (n_rows,) or None
        How much each counts.

    References
    ----------
    .. [1] Kish, "Survey sampling", Wiley, 1965.
    """
    statistics = compute_statistics(rows, weight)
    distance = _distances(rows, statistics) / statistics.scale**2
    share = np.ones(len(rows)) if weight is None else weight
    total, squares = float(share @ distance), float(share @ distance**2)
    return total**2 / (statistics.n_rows * squares) if squares else 1.0
