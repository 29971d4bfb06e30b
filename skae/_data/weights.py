"""Weights of rows: checked, and the moments of a sample that has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array
from torch import Tensor

from skae._data.sparse import SparseRows
from skae._distributed.share import current_share, mean_over_batch, n_rows_of_batch
from skae._sources.rows import stored_under

_LEAST = 1e-100
# Of rows that are not in memory, as many stand for all.
_MOST_SAMPLED, _MOST_SAMPLED_BYTES = 2**16, 2**25
_MOST_MERGED = 32  # the smallest batch that is chosen where none is set


@dataclass(frozen=True)
class WeightedRows:
    """Rows, and how much each counts.

    Parameters
    ----------
    rows : Rows
        The rows.
    weight : ndarray of shape (n_rows,) or None
        Their weights. None is equal ones.
    sample : WeightedRows or None, default=None
        Some rows that stand for all, where these are not in memory.
    places : ndarray of shape (n_sampled,) or None, default=None
        Their indices among all.
    """

    rows: Any
    weight: np.ndarray | None = None
    sample: WeightedRows | None = None
    places: np.ndarray | None = None

    @property
    def in_memory(self) -> WeightedRows:
        """The rows, or those that stand for them."""
        return self if self.sample is None else self.sample

    def sampled(self, places: np.ndarray | None) -> WeightedRows:
        """Return the rows with some that stand for all, at given places."""
        if places is None:
            return self
        some = self.rows.take(places, axis=0)
        weight = None if self.weight is None else self.weight[places]
        return replace(self, sample=WeightedRows(some, weight), places=places)

    def copy(self) -> WeightedRows:
        """Return a copy, which does not change with X."""
        if isinstance(self.rows, SparseRows):
            return WeightedRows(self.rows.select(slice(None)), self.weight)
        return WeightedRows(np.array(self.rows), self.weight)

    def every(self, step: int) -> WeightedRows:
        """Return the first of every so many rows."""
        chosen = slice(None, None, step)
        if isinstance(self.rows, SparseRows):
            some: Any = self.rows.select(chosen)
        else:
            some = np.asarray(self.rows[chosen])
        return WeightedRows(some, None if self.weight is None else self.weight[::step])


def choose_sample(rows: Any) -> np.ndarray | None:
    """Return the indices of rows that stand for all, None if all are in memory.

    They are evenly spaced, each at a random place between its neighbours, and kept in
    memory when the rows are next read.
    """
    source = stored_under(rows)
    if source is None:
        return None
    row_bytes = rows.shape[1] * rows.dtype.itemsize
    n_chosen = min(len(rows), _MOST_SAMPLED, max(1, _MOST_SAMPLED_BYTES // row_bytes))
    places = np.arange(n_chosen) + np.random.RandomState(0).uniform(size=n_chosen)
    indices = (places * (len(rows) / n_chosen)).astype(np.intp)
    source.keep(indices)
    return indices


def check_weight(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Return the weights of rows, None if all count once.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), float or None
        The argument of a method.
    n_rows : int
        Number of rows of X.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        In float64.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has shape {weight.shape}, but X has {n_rows} rows: one "
            "number for each row is expected."
        )
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        raise ValueError(
            f"Negative values in data passed to sample_weight: {weight[row]:g} in row "
            f"{row}. A weight of 0 leaves a row out."
        )
    if not weight.any():
        raise ValueError("All values of sample_weight are zero: no row is left.")
    if not _LEAST < weight.sum() < 1 / _LEAST:
        raise ValueError(
            f"The values of sample_weight sum to {weight.sum():g}: products of them "
            "leave the range of float64. Divide them by their mean."
        )
    return None if (weight == 1).all() else weight


def counted(rows: Any, weight: np.ndarray | None) -> tuple[Any, np.ndarray | None]:
    """Return the rows that count, and their weights.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    weight : ndarray of shape (n_rows,) or None
        Their weights.
    """
    if weight is None or weight.all():
        return rows, weight
    counts = weight > 0
    some = rows.select(counts) if hasattr(rows, "select") else rows[counts]
    return some, check_weight(weight[counts], int(counts.sum()))


def merged(
    rows: Any, weight: np.ndarray | None, n_batch: int
) -> tuple[Any, np.ndarray | None]:
    """Return the distinct rows of a single batch, in an order of their own.

    So a row with a weight of 2 gives to the last bit what two equal rows do: in a batch
    neither copies nor their order mean anything. Several batches would get fewer rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    weight : ndarray of shape (n_rows,) or None
        Their weights.
    n_batch : int
        Number of rows in a batch.
    """
    n_rows = max(len(rows), 0 if weight is None else weight.sum())
    if n_rows > min(n_batch, _MOST_MERGED):
        return rows, weight
    rows = np.asarray(rows[:])
    distinct, copies = np.unique(rows, axis=0, return_inverse=True)
    if weight is None and len(distinct) == len(rows):
        return rows, weight
    counts = np.bincount(copies.ravel(), weights=weight).astype(np.float64)
    return distinct, check_weight(counts, len(distinct))


def are_frequencies(weight: Any) -> bool:
    """Tell whether weights, an array or a tensor, are numbers of equal rows."""
    return bool((weight == weight.round()).all())


def as_counts(weight: Any) -> Any:
    """Return weights as numbers of rows: others than whole ones have a mean of 1."""
    return weight if are_frequencies(weight) else weight / weight.mean()


def evenly_spaced(
    n_rows: int, weight: np.ndarray | None, n_chosen: int
) -> np.ndarray | slice:
    """Choose rows that represent all, evenly spaced in their order.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    weight : ndarray of shape (n_rows,) or None
        Their weights: one that counts twice is chosen as often as two equal rows.
    n_chosen : int
        Most rows to choose.

    Returns
    -------
    slice or ndarray of int
        Indices of the rows, some more than once.
    """
    if weight is None:
        step = max(1, n_rows // n_chosen)
        return slice(0, n_chosen * step, step)
    ends = np.cumsum(as_counts(weight))
    step = max(1, int(ends[-1]) // n_chosen)
    places = np.arange(0, ends[-1], step)[:n_chosen]
    return np.searchsorted(ends[:-1], places, side="right")


def total(values: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the sum of a value for each row, each as often as it counts."""
    if weight is None:
        return float(values.sum(dtype=np.float64))
    return float(weight @ values)


def mean_over_rows(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of values of shape (..., n, m) over rows, (..., 1, m).

    A leading axis is one of networks, each with rows of its own. Where other processes
    have the other rows of a batch, it is the mean over the whole batch.
    """
    if weight is None:
        mean = values.mean(-2, keepdim=True)
    else:
        mean = _weighted_mean(values, weight)
    return mean_over_batch(mean)


def variance_over_rows(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the unbiased variance of values of shape (n, m) over rows.

    Weights that are whole numbers are numbers of equal rows, as in statistics of
    frequencies; others are relative.
    """
    share = current_share()
    if weight is None and share is None:
        return values.var(0)
    deviations = values - mean_over_rows(values, weight)
    biased = mean_over_rows(deviations**2, weight).squeeze(0)
    if share is not None:
        weight = share.weight_of_batch
    n = n_rows_of_batch(values) if weight is None else float(as_counts(weight).sum())
    return biased * (n / (n - 1)) if n > 1 else biased


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    total = (values * weight.unsqueeze(-1)).sum(-2, keepdim=True)
    return total / weight.sum(-1, keepdim=True).unsqueeze(-1)
