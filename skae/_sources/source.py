"""A source of samples: its shape, the bounds of its blocks, and how to read one."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    row_bytes : int
        Size of a sample, about.
    header : table or None, default=None
        Of a table, the columns without rows, from which scikit-learn reads names.
    collect : callable or None, default=None
        Returns all samples as what scikit-learn takes. None is to read all blocks.
    """

    shape: tuple[int, ...]
    bounds: np.ndarray
    read: Callable[[int], Any]
    row_bytes: int
    header: Any = None
    collect: Callable[[], Any] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def count_within(self, n_bytes: int) -> int:
        """Return how many samples a number of bytes holds, about."""
        return max(1, n_bytes // max(1, self.row_bytes))

    def block(self, number: int) -> np.ndarray:
        """Return the samples of a block."""
        samples = self.read(number)
        if np.ma.is_masked(samples):
            raise ValueError(
                "X holds masked entries. Fill them, for instance with NaN, before they "
                "are read."
            )
        return np.asarray(samples)

    def read_all(self) -> np.ndarray:
        """Return all samples, in a type that holds those of each block."""
        if not len(self):
            return np.empty(self.shape)
        found = np.empty((0, *self.shape[1:]))
        for i in range(len(self.bounds) - 1):
            samples = self.block(i)
            dtype = np.result_type(samples, found) if i else samples.dtype
            if i == 0:
                found = np.empty(self.shape, dtype)
            found = found.astype(dtype, copy=False)
            found[self.bounds[i] : self.bounds[i + 1]] = samples
        return found


class Readable(ABC):
    """Samples that say themselves how they are read in blocks."""

    @abstractmethod
    def source(self) -> Source:
        """Return how they are read."""


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
