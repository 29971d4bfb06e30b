"""Gaps in rows: what a linear Gaussian model of the other columns says of them.

Factor analysis has a closed form for what is expected at the gaps of a row, given its
other entries. Its parameters are found by expectation-maximisation over the observed
entries [1]_. It is to a table with gaps what PCA is to a whole one: the start of
training, and what a network has to improve.

References
----------
.. [1] Ghahramani & Hinton, "The EM algorithm for mixtures of factor analyzers",
   University of Toronto, CRG-TR-96-1, 1996. With gaps: Little & Rubin, "Statistical
   analysis with missing data", Wiley, 2002, chapter 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils.extmath import randomized_svd

from skae._data.rows import MappedRows, Rows
from skae._data.statistics import Statistics
from skae._data.weights import as_counts

_MOST_FACTORS = 16
_N_STEPS = 20  # more follow the noise of few rows
_MAX_PRODUCTS = 1e10
_FEWEST_ROWS = 256
_MAX_WIDTH = 512  # of a covariance; axes of wider rows are found without
_CHUNK_ENTRIES = 2**20
_RIDGE = 1.0  # a prior of the loadings, in units of the deviation of a column
_LEAST_NOISE = 1e-3  # of a column, as a share of its variance


def count_factors(n_features: int) -> int:
    """Return the number of factors for a number of features."""
    return min(_MOST_FACTORS, n_features)


@dataclass(frozen=True)
class Factors:
    r"""A Gaussian model of rows, :math:`x \sim N(\mu, W W^\top + \Psi)`.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        The mean :math:`\mu`.
    loadings : ndarray of shape (n_features, n_factors)
        The matrix W.
    noise : ndarray of shape (n_features,)
        The diagonal of :math:`\Psi`.
    low, high : ndarray of shape (n_features,)
        Extremes of each feature, between which expected values are.
    """

    mean: np.ndarray
    loadings: np.ndarray
    noise: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def outline(cls, n_features: int) -> Factors:
        """Return a model of the right shape, whose values are still to be set."""
        zeros, ones = np.zeros(n_features), np.ones(n_features)
        loadings = np.zeros((n_features, count_factors(n_features)))
        return cls(zeros, loadings, ones, zeros, ones)

    def posterior(
        self, offset: np.ndarray, observed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the factors of each row.

        Parameters
        ----------
        offset : ndarray of shape (n_rows, n_features)
            Rows minus the mean, 0 at gaps.
        observed : ndarray of shape (n_rows, n_features)
            1 where an entry is there, 0 at gaps.
        """
        n_factors = self.loadings.shape[1]
        scaled = self.loadings / self.noise[:, np.newaxis]
        products = (scaled[:, :, np.newaxis] * self.loadings[:, np.newaxis, :]).reshape(
            len(self.mean), -1
        )
        precision = (observed @ products).reshape(-1, n_factors, n_factors)
        covariance = np.linalg.inv(precision + np.eye(n_factors))
        mean = covariance @ (offset @ scaled)[:, :, np.newaxis]
        return mean[:, :, 0], covariance

    def fill(self, rows: np.ndarray) -> np.ndarray:
        """Return rows with the expected values at gaps, in float64."""
        rows = np.asarray(rows, dtype=np.float64)
        gaps = np.isnan(rows)
        if not gaps.any():
            return rows
        offset = np.where(gaps, 0.0, rows - self.mean)
        factors, _ = self.posterior(offset, (~gaps).astype(np.float64))
        expected = self.mean + factors @ self.loadings.T
        return np.where(gaps, np.clip(expected, self.low, self.high), rows)


class FilledRows(MappedRows):
    """Rows whose gaps are filled as they are taken.

    Parameters
    ----------
    rows : Rows
        Rows with gaps.
    factors : Factors
        The model that fills them.
    """

    def __init__(self, rows: Rows, factors: Factors) -> None:
        super().__init__(rows)
        self.factors = factors

    def map(self, rows: np.ndarray) -> np.ndarray:
        """Return rows without gaps, as a matrix."""
        return self.factors.fill(np.atleast_2d(rows))


def fit_factors(
    rows: Rows,
    indices: np.ndarray,
    statistics: Statistics,
    weight: np.ndarray | None = None,
) -> Factors:
    """Fit a Gaussian model to the observed entries of rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows with NaN at gaps.
    indices : ndarray of shape (n_indices,)
        Indices of the rows to fit; an evenly spaced part of them if there are many.
    statistics : Statistics
        Of the rows.
    weight : ndarray of shape (n_rows,) or None
        How much each row counts, of all rows.
    """
    n_features = rows.shape[1]
    n_factors = count_factors(n_features)
    n_products = 2 * _N_STEPS * n_features * n_factors**2
    n_used = max(_MAX_PRODUCTS // n_products, _FEWEST_ROWS)
    chosen = indices[:: max(1, round(len(indices) / n_used))]
    share = np.ones(len(chosen)) if weight is None else as_counts(weight)[chosen]
    # Each column in units of its own: what one scale for all hides is found as well.
    deviation = np.sqrt(statistics.variance)
    deviation[deviation == 0] = 1.0
    source = _Standardized(rows, chosen, share, statistics.mean, deviation)
    factors = _start(source, n_features, n_factors)
    for _ in range(_N_STEPS):
        factors = _step(source, factors)
    return Factors(
        statistics.mean + deviation * factors.mean,
        deviation[:, np.newaxis] * factors.loadings,
        deviation**2 * factors.noise,
        *extremes(rows),
    )


def has_values(rows: Rows) -> bool:
    """Tell whether any entry of rows is observed."""
    step = max(1, _CHUNK_ENTRIES // rows.shape[1])
    chunks = (rows[i : i + step] for i in range(0, len(rows), step))
    return not all(np.isnan(chunk).all() for chunk in chunks)


def extremes(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest observed value of each feature."""
    low = np.full(rows.shape[1], np.inf)
    high = -low
    step = max(1, _CHUNK_ENTRIES // rows.shape[1])
    for start in range(0, len(rows), step):
        chunk = np.asarray(rows[start : start + step])
        low = np.fmin(low, np.fmin.reduce(chunk))
        high = np.fmax(high, np.fmax.reduce(chunk))
    return low, high


@dataclass(frozen=True)
class _Standardized:
    """Rows in units of the deviation of each column: observed entries, and weights."""

    rows: Rows
    indices: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def chunks(
        self, n_factors: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield rows with 0 at gaps, where entries are observed, and weights."""
        width = self.rows.shape[1]
        step = max(1, _CHUNK_ENTRIES // (width + n_factors**2))
        for i in range(0, len(self.indices), step):
            taken = self.rows.take(self.indices[i : i + step], axis=0)
            chunk = (taken - self.mean) / self.deviation
            gaps = np.isnan(chunk)
            share = self.weight[i : i + step, np.newaxis]
            yield np.where(gaps, 0.0, chunk), (~gaps).astype(np.float64), share


def _start(source: _Standardized, n_features: int, n_factors: int) -> Factors:
    """Return the largest axes of a covariance, from pairs that are both observed.

    Those of wide rows are the axes of rows with the mean at gaps.
    """
    if n_features > _MAX_WIDTH:
        parts = [
            (np.sqrt(share) * chunk, observed)
            for chunk, observed, share in source.chunks(n_factors)
        ]
        whole = np.concatenate([chunk for chunk, _ in parts])
        _, deviations, axes = randomized_svd(whole, n_factors, random_state=0)
        there = float(np.mean([observed.mean() for _, observed in parts]))
        n_observed = source.weight.sum() * max(there, 1e-12)
        variance = np.square(whole).sum(axis=0) / n_observed
        return _factors_of(axes.T, deviations**2 / n_observed, variance)
    products, counts = np.zeros((2, n_features, n_features))
    for chunk, observed, share in source.chunks(n_factors):
        products += chunk.T @ (share * chunk)
        counts += observed.T @ (share * observed)
    covariance = products / np.maximum(counts, 1e-12)
    variances, axes = np.linalg.eigh(covariance)
    variances, axes = variances[::-1][:n_factors], axes[:, ::-1][:, :n_factors]
    return _factors_of(axes, variances, covariance.diagonal())


def _factors_of(
    axes: np.ndarray, variances: np.ndarray, variance: np.ndarray
) -> Factors:
    """Return factors along axes, with the variances along them and of all columns."""
    n_features = len(axes)
    loadings = axes * np.sqrt(np.maximum(0.9 * variances, _LEAST_NOISE))
    noise = np.maximum(variance - (loadings**2).sum(axis=1), 0.1 * variance)
    noise, ends = np.maximum(noise, _LEAST_NOISE), np.full(n_features, np.inf)
    return Factors(np.zeros(n_features), loadings, noise, -ends, ends)


def _step(source: _Standardized, factors: Factors) -> Factors:
    """Return the factors after one step of expectation-maximisation."""
    n_features, n_factors = factors.loadings.shape
    moments = np.zeros((n_features, n_factors**2))
    products = np.zeros((n_features, n_factors))
    squares, totals, counts = np.zeros((3, n_features))
    for chunk, observed, share in source.chunks(n_factors):
        offset = observed * (chunk - factors.mean)
        mean, covariance = factors.posterior(offset, observed)
        second = covariance + mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
        weighted = share * observed
        moments += weighted.T @ second.reshape(len(second), -1)
        products += (share * offset).T @ mean
        squares += (share * offset**2).sum(axis=0)
        totals += (weighted * (chunk - mean @ factors.loadings.T)).sum(axis=0)
        counts += weighted.sum(axis=0)
    counts = np.maximum(counts, 1e-12)
    moments = moments.reshape(-1, n_factors, n_factors) + _RIDGE * np.eye(n_factors)
    loadings = np.linalg.solve(moments, products[:, :, np.newaxis])[:, :, 0]
    noise = (squares - (loadings * products).sum(axis=1)) / counts
    noise = np.maximum(noise, _LEAST_NOISE)
    return replace(factors, mean=totals / counts, loadings=loadings, noise=noise)
