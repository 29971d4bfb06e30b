"""Rows of a sparse matrix, made dense a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from skae._data.statistics import Statistics
from skae._sources.rows import StoredRows


class SparseRows:
    """Rows of a matrix in compressed sparse rows, dense when they are taken.

    Parameters
    ----------
    matrix : csr_matrix or csr_array of shape (n_rows, n_features)
        The matrix.
    """

    def __init__(self, matrix: csr_matrix | csr_array) -> None:
        self.matrix = matrix

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and of features."""
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.matrix.dtype

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.matrix[index].toarray()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.matrix.toarray().astype(dtype or self.dtype, copy=False)

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""
        return self.matrix[indices].toarray()

    def select(self, index: Any) -> SparseRows:
        """Return some of the rows, not dense."""
        return SparseRows(self.matrix[index])

    def min(self) -> float:
        """Return the lowest value."""
        return float(self.matrix.min())

    def max(self) -> float:
        """Return the highest value."""
        return float(self.matrix.max())

    def clip(self, low: float, high: float) -> SparseRows:
        """Return the rows with values between two that include 0."""
        clipped = self.matrix.copy()
        clipped.data = clipped.data.clip(low, high)
        return SparseRows(clipped)

    def describe(self, weight: np.ndarray | None) -> Statistics:
        """Return the statistics of the rows: see `compute_statistics`."""
        share = np.ones(len(self)) if weight is None else weight
        n_rows = float(share.sum())
        entries = self.matrix.astype(np.float64)
        entries.eliminate_zeros()
        mean = share @ entries / n_rows
        # Squared deviations of the entries that are stored; the others are 0.
        counts = share @ (entries != 0).astype(np.float64)
        entries.data = (entries.data - mean[entries.indices]) ** 2
        square = share @ entries + (n_rows - counts) * mean**2
        return Statistics(
            n_rows=n_rows,
            mean=mean,
            variance=np.maximum(square / n_rows, 0.0),
            low=self.min(),
            high=self.max(),
        )

    def distances(self, mean: np.ndarray) -> np.ndarray:
        """Return the squared distance of each row from a mean."""
        squares = self.matrix.astype(np.float64)
        product = squares @ mean
        squares.data **= 2
        return np.asarray(squares.sum(axis=1)).ravel() - 2 * product + mean @ mean


def count_outside(rows: Any, low: float, high: float) -> int:
    """Count rows, of any kind, with values outside of a range."""
    if isinstance(rows, StoredRows):
        return sum(count_outside(block, low, high) for block in rows.blocks())
    if not isinstance(rows, SparseRows):
        return int(((rows < low) | (rows > high)).any(axis=1).sum())
    entries = rows.matrix.tocoo()
    outside = (entries.data < low) | (entries.data > high)
    return len(np.unique(entries.row[outside]))
