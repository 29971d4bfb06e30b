"""A source of samples: its shape, the bounds of its blocks, and how to read one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Samples are read in blocks of about this size, or of whole chunks of a file.
_BLOCK_BYTES = 2**20
_FEWEST_BLOCKS = 32  # of a buffer, unless chunks are larger


@dataclass(frozen=True)
class Source:
    """Samples that are kept outside memory, and read a block at a time.

    Parameters
    ----------
    shape : tuple of int
        Number of samples, and the shape of one.
    bounds : ndarray of shape (n_blocks + 1,)
        Where each block starts, and where the last one ends.
    read : callable
        From the number of a block to its samples, an array of numbers.
    header : table or None, default=None
        Of a table, the columns without rows, from which scikit-learn reads names.
    is_array : bool, default=False
        Whether scikit-learn takes the samples as they are, if they fit in memory.
    """

    shape: tuple[int, ...]
    bounds: np.ndarray
    read: Callable[[int], Any]
    header: Any = None
    is_array: bool = False

    def __len__(self) -> int:
        return self.shape[0]

    def count_within(self, n_bytes: int) -> int:
        """Return how many samples a number of bytes holds, by the first block."""
        n_first = int(self.bounds[1])
        return max(1, n_bytes * n_first // max(1, np.asarray(self.read(0)).nbytes))

    def read_all(self) -> np.ndarray:
        """Return all samples."""
        first = np.asarray(self.read(0))
        found = np.empty(self.shape, first.dtype)
        found[: len(first)] = first
        for i in range(1, len(self.bounds) - 1):
            some = found[self.bounds[i] : self.bounds[i + 1]]
            np.copyto(some, self.read(i), casting="same_kind")
        return found


def equal_bounds(
    n_rows: int, row_bytes: int, n_chunk: int = 1, *, n_buffer: int | None = None
) -> np.ndarray:
    """Return the bounds of blocks of equal size.

    Parameters
    ----------
    n_rows : int
        Number of samples.
    row_bytes : int
        Size of a sample.
    n_chunk : int, default=1
        Number of samples in a chunk of the file, which are read together.
    n_buffer : int or None, default=None
        Number of samples that are shuffled together. They come from many blocks.
    """
    n_most = _BLOCK_BYTES // max(1, row_bytes)
    if n_buffer is not None:
        n_most = min(n_most, n_buffer // _FEWEST_BLOCKS)
    n_chunks = max(1, n_most // n_chunk)
    return np.append(np.arange(0, n_rows, n_chunks * n_chunk), n_rows)


def given_bounds(sizes: Sequence[int]) -> np.ndarray:
    """Return the bounds of blocks whose sizes are known; empty ones are left out."""
    return np.concatenate([[0], np.cumsum([size for size in sizes if size])])
