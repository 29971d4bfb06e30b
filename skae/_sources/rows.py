"""Rows of a source, checked as they are read, and views of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skae._sources.source import Source


class StoredRows:
    """Flat rows of a source, of which one block at a time is in memory.

    Parameters
    ----------
    source : Source
        The source.
    check : callable
        ``(samples, start)`` to flat rows: checks the samples of a block, of which the
        first has the index ``start`` among all.
    n_buffer : int
        Number of rows that are shuffled together in training.
    """

    def __init__(
        self,
        source: Source,
        check: Callable[[np.ndarray, int], np.ndarray],
        n_buffer: int,
    ) -> None:
        self.bounds = source.bounds
        self.n_buffer = n_buffer
        self._source, self._check = source, check
        self._more_checks: list[Callable[[np.ndarray, int], None]] = []
        self._kept_indices: dict[int, np.ndarray] = {}
        self._kept: dict[int, np.ndarray] = {}
        self._last: tuple[int, Any] = (-1, None)
        first = check(source.block(0), 0)
        self.shape, self.dtype = (len(source), first.shape[1]), first.dtype
        self._last = (0, first)

    def __len__(self) -> int:
        return self.shape[0]

    def block(self, number: int) -> np.ndarray:
        """Return the rows of a block."""
        last, rows = self._last
        if last != number:
            start = int(self.bounds[number])
            rows = self._check(self._source.block(number), start)
            if not np.can_cast(rows.dtype, self.dtype):
                raise TypeError(
                    f"X holds {rows.dtype} from row {start} on, and {self.dtype} in "
                    "its first rows. Convert all to one type."
                )
            rows = rows.astype(self.dtype, copy=False)
            for check in self._more_checks:
                check(rows, start)
            self._last = number, rows
        if number in self._kept_indices and number not in self._kept:
            self._kept[number] = rows[self._kept_indices[number]]
        return rows

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the rows of one block after another."""
        return map(self.block, range(len(self.bounds) - 1))

    def check_also(self, check: Callable[[np.ndarray, int], None]) -> None:
        """Check blocks by one more function as they are read."""
        self._more_checks.append(check)
        self._last = (-1, None)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._slice(start, stop)
            return self.take(np.arange(start, stop, step))
        if np.ndim(index) == 0:
            return self.take(np.array([range(len(self))[int(index)]]))[0]
        return self.take(np.arange(len(self))[index])

    def _slice(self, start: int, stop: int) -> np.ndarray:
        """Return rows that follow one another."""
        first = int(np.searchsorted(self.bounds, start, side="right")) - 1
        parts = []
        while start < stop:
            block, low = self.block(first), int(self.bounds[first])
            parts.append(block[start - low : stop - low])
            start, first = low + len(block), first + 1
        if len(parts) == 1:
            return parts[0]
        empty = np.empty((0, self.shape[1]), self.dtype)
        return np.concatenate(parts) if parts else empty

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""
        indices = np.asarray(indices)
        order = np.argsort(indices, kind="stable")
        inside = indices[order]
        result = np.empty((len(indices), self.shape[1]), self.dtype)
        start = 0
        for number, local in self._by_block(inside):
            kept = self._kept.get(number)
            if kept is None or not np.array_equal(local, self._kept_indices[number]):
                kept = self.block(number)[local]
            result[order[start : start + len(local)]] = kept
            start += len(local)
        return result

    def _by_block(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks, and the places in each of rows in increasing order."""
        numbers = np.searchsorted(self.bounds, indices, side="right") - 1
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        stops = np.append(starts, len(indices))[1:]
        for start, stop in zip(starts, stops, strict=True):
            number = int(numbers[start])
            yield number, indices[start:stop] - self.bounds[number]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype)

    def select(self, index: Any) -> SelectedRows:
        """Return some of the rows, in their order, by a slice, a mask or indices."""
        return SelectedRows(self, np.arange(len(self))[index])

    def without(self, left_out: np.ndarray) -> StoredRows:
        """Return the rows but some, whose indices are in increasing order."""
        starts = np.searchsorted(left_out, self.bounds)

        def read(number: int) -> np.ndarray:
            some = left_out[starts[number] : starts[number + 1]]
            return np.delete(self.block(number), some - self.bounds[number], axis=0)

        n_rows = len(self) - len(left_out)
        row_bytes = self.shape[1] * self.dtype.itemsize
        bounds = self.bounds - starts
        source = Source((n_rows, self.shape[1]), bounds, read, row_bytes)
        return StoredRows(source, lambda rows, start: rows, self.n_buffer)

    # Values -----------------------------------------------------------------------

    def min(self) -> float:
        """Return the lowest value."""
        return float(np.min([block.min() for block in self.blocks()]))

    def max(self) -> float:
        """Return the highest value."""
        return float(np.max([block.max() for block in self.blocks()]))

    def clip(self, low: float, high: float) -> StoredRows:
        """Return the rows with values between two."""

        def check(samples: np.ndarray, start: int) -> np.ndarray:
            return self._check(samples, start).clip(low, high)

        return StoredRows(self._source, check, self.n_buffer)

    # A sample ---------------------------------------------------------------------

    def keep(self, indices: np.ndarray) -> None:
        """Keep some rows in memory when their blocks are next read.

        To take just these does then not read any block again.

        Parameters
        ----------
        indices : ndarray of shape (n_kept,)
            The indices of the rows, in increasing order.
        """
        self._kept, self._kept_indices = {}, dict(self._by_block(indices))


class SelectedRows:
    """Some rows of others, of which none is copied.

    Parameters
    ----------
    rows : Rows
        The others.
    indices : ndarray of shape (n_rows,)
        Their indices, in increasing order.
    """

    def __init__(self, rows: Any, indices: np.ndarray) -> None:
        self.rows = rows
        self.indices = indices
        self.shape, self.dtype = (len(indices), rows.shape[1]), rows.dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> np.ndarray:
        chosen = self.indices[index]
        if np.ndim(chosen) == 0:
            return self.rows[int(chosen)]
        return self.rows.take(chosen, axis=0)

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""
        return self.rows.take(self.indices[indices], axis=0)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype)

    def clip(self, low: float, high: float) -> SelectedRows:
        """Return the rows with values between two."""
        return SelectedRows(self.rows.clip(low, high), self.indices)

    def select(self, index: Any) -> SelectedRows:
        """Return some of the rows, in their order."""
        return SelectedRows(self.rows, self.indices[index])

    # If the others are not in memory ----------------------------------------------

    @property
    def bounds(self) -> np.ndarray:
        """Where the rows of each block start, and where the last ones end."""
        return np.unique(np.searchsorted(self.indices, self._stored().bounds))

    @property
    def n_buffer(self) -> int:
        """Number of rows that are shuffled together in training."""
        return self._stored().n_buffer

    def keep(self, indices: np.ndarray) -> None:
        """Keep some rows in memory when their blocks are next read."""
        self._stored().keep(self.indices[indices])

    def _stored(self) -> Any:
        stored = stored_under(self.rows)
        if stored is None:
            raise AttributeError("the rows are in memory")
        return stored


def stored_under(rows: Any) -> Any:
    """Return the stored rows that others are made from, or None."""
    while not hasattr(rows, "bounds"):
        rows = getattr(rows, "rows", None)
        if rows is None:
            return None
    return rows
