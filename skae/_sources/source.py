"""A source of samples: its shape, the bounds of its blocks, and how to read one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Samples are read in blocks of about this size, or of whole chunks of a file.
_BLOCK_BYTES = 2**20


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

    @property
    def n_bytes(self) -> int:
        """Size of all samples, as far as the first block shows it."""
        n_first = int(self.bounds[1] - self.bounds[0])
        return len(self) * np.asarray(self.read(0)).nbytes // max(1, n_first)

    def read_all(self) -> np.ndarray:
        """Return all samples."""
        blocks = [np.asarray(self.read(i)) for i in range(len(self.bounds) - 1)]
        return np.concatenate(blocks)


def equal_bounds(n_rows: int, row_bytes: int, n_chunk: int = 1) -> np.ndarray:
    """Return the bounds of blocks of equal size.

    Parameters
    ----------
    n_rows : int
        Number of samples.
    row_bytes : int
        Size of a sample.
    n_chunk : int, default=1
        Number of samples in a chunk of the file, which are read together.
    """
    n_chunks = max(1, _BLOCK_BYTES // max(1, row_bytes * n_chunk))
    return np.append(np.arange(0, n_rows, n_chunks * n_chunk), n_rows)


def given_bounds(sizes: Sequence[int]) -> np.ndarray:
    """Return the bounds of blocks whose sizes are known; empty ones are left out."""
    return np.concatenate([[0], np.cumsum([size for size in sizes if size])])
