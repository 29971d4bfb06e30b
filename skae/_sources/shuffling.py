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
    groups = list(_groups(draw(len(bounds) - 1), bounds, source.n_buffer))
    n_most = max(int(np.diff(bounds)[group].sum()) for group in groups)
    # All buffers are in the same memory; batches are copies.
    memory = np.empty((n_most + n_batch, rows.shape[1]), rows.dtype)
    left = np.empty(0, dtype=np.intp)
    for group in groups:
        found = [indices_in(int(bounds[i]), int(bounds[i + 1])) for i in np.sort(group)]
        stop = len(left)
        for some in found:
            start, stop = stop, stop + len(some)
            memory[start:stop] = rows.take(some, axis=0)
        indices, order = np.concatenate([left, *found]), draw(stop)
        is_last, n_used = group is groups[-1], stop
        if not is_last:
            n_used = max(0, (stop - 1) // n_batch * n_batch)
        yield Buffer(memory[:stop], indices, order[:n_used], is_last)
        kept = order[n_used:]
        memory[: len(kept)], left = memory[kept], indices[kept]


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
