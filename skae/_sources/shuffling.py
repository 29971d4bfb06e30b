"""Rows that are not in memory, read in random blocks and shuffled in a buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch


class Buffer(NamedTuple):
    """Some rows in memory.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        The rows.
    indices : ndarray of shape (n,)
        Their indices among all rows.
    order : ndarray of shape (n_used,)
        In which order they are used, in whole batches.
    is_last : bool
        Whether these are the last rows, of which the last batch may be smaller.
    """

    rows: np.ndarray
    indices: np.ndarray
    order: np.ndarray
    is_last: bool = False


def read_buffers(
    rows: Any,
    source: Any,
    indices_in: Callable[[int, int], np.ndarray],
    n_batch: int,
    generator: torch.Generator | None,
) -> Iterator[Buffer]:
    """Read rows once, in buffers of random blocks, each in a random order.

    Parameters
    ----------
    rows : Rows
        The rows.
    source : StoredRows or SelectedRows
        What they are made from, which knows its blocks and the size of a buffer.
    indices_in : callable
        From two indices to those of the rows between them that are wanted.
    n_batch : int
        Number of rows in a batch. Buffers end where a batch does: other rows, and at
        least one, move to the next buffer, so that no batch is smaller than the last.
    generator : torch.Generator or None
        Draws the order. None is that of the rows.
    """

    def draw(n: int) -> np.ndarray:
        if generator is None:
            return np.arange(n)
        return torch.randperm(n, generator=generator).numpy()

    bounds = source.bounds
    left = Buffer(rows[:0], np.empty(0, dtype=np.intp), np.arange(0))
    groups = list(_groups(draw(len(bounds) - 1), bounds, source.n_buffer))
    for group in groups:
        found = [indices_in(int(bounds[i]), int(bounds[i + 1])) for i in np.sort(group)]
        indices = np.concatenate([left.indices, *found])
        buffer = np.empty((len(indices), rows.shape[1]), rows.dtype)
        buffer[: len(left.rows)] = left.rows
        stop = len(left.rows)
        for some in found:
            start, stop = stop, stop + len(some)
            buffer[start:stop] = rows.take(some, axis=0)
        order, is_last = draw(len(indices)), group is groups[-1]
        n_used = (
            len(order) if is_last else max(0, (len(order) - 1) // n_batch * n_batch)
        )
        yield Buffer(buffer, indices, order[:n_used], is_last)
        kept = order[n_used:]
        left = Buffer(buffer[kept], indices[kept], kept)
        del buffer


def _groups(
    numbers: np.ndarray, bounds: np.ndarray, n_buffer: int
) -> Iterator[np.ndarray]:
    """Yield blocks that fill a buffer together, at least one at a time."""
    ends = np.cumsum(np.diff(bounds)[numbers])
    start = 0
    while start < len(numbers):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + n_buffer, side="right"))
        stop = max(stop, start + 1)
        yield numbers[start:stop]
        start = stop
