"""Batches sliced from an array in memory or on disk: first sliced, then cast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from skae._random import RandomStream

# Small batches are taken from the array several at a time, up to this many bytes.
_TAKEN_BYTES = 2**18


class Rows(Dataset):
    """The rows of an array, cast and wrapped only when they are taken.

    Parameters
    ----------
    array : ndarray of shape (n, n_features)
        Rows of any numeric type, possibly memory-mapped. It is never copied.
    dtype : numpy.dtype
        Type that the network computes in.
    """

    def __init__(self, array: np.ndarray, dtype: np.dtype) -> None:
        self.array = array
        self.dtype = dtype

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = torch.from_numpy(np.array(self.array[index], dtype=self.dtype))
        return row, row

    def take(self, indices: np.ndarray) -> Tensor:
        """Return the rows at ``indices`` as one tensor."""
        taken = np.asarray(self.array.take(indices, axis=0))
        return torch.from_numpy(taken.astype(self.dtype, copy=False))


class HoldOut:
    """A skorch ``train_split``: a random part of the rows is held out.

    Parameters
    ----------
    fraction : float
        Share of the rows that is held out, at least one row.
    seed : int
        Seed of the choice.
    """

    def __init__(self, fraction: float, seed: int) -> None:
        self.fraction = fraction
        self.seed = seed

    def split(self, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the rows that are kept, and of those held out."""
        if n_rows < 2:
            raise ValueError(
                f"Cannot hold out rows for validation with n_samples={n_rows}. Set "
                "early_stopping=False and validation_fraction=None."
            )
        order = np.random.RandomState(self.seed).permutation(n_rows)
        n_held = min(max(1, round(self.fraction * n_rows)), n_rows - 1)
        held, kept = order[:n_held], order[n_held:]
        return np.sort(kept), np.sort(held)

    def __call__(self, dataset: Dataset, y: object = None) -> tuple[Subset, Subset]:
        kept, held = self.split(len(dataset))  # type: ignore[arg-type]
        return Subset(dataset, kept), Subset(dataset, held)  # type: ignore[arg-type]


class BatchIterator:
    """Iterate over a dataset in batches ``(x, x)``: the input is the target.

    No row is dropped. A last batch of one row joins the batch before it, since
    statistics of a batch need two.

    Parameters
    ----------
    dataset : Rows, Subset of Rows or Dataset
        What to iterate over; other datasets are read row by row.
    batch_size : int
        Rows in a batch.
    shuffle : bool, default=False
        Whether to draw a new order in each pass.
    stream : RandomStream or None, default=None
        Draws the order.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        stream: RandomStream | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.stream = stream

    def _sizes(self) -> list[int]:
        n_rows = len(self.dataset)  # type: ignore[arg-type]
        n_whole, rest = divmod(n_rows, self.batch_size)
        sizes = [self.batch_size] * n_whole + [rest] * bool(rest)
        if len(sizes) > 1 and sizes[-1] == 1:
            sizes[-2:] = [sizes[-2] + 1]
        return sizes

    def __len__(self) -> int:
        return len(self._sizes())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n_rows = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            generator = None if self.stream is None else self.stream.on("cpu")
            order = torch.randperm(n_rows, generator=generator).numpy()
        else:
            order = np.arange(n_rows)
        take, order = _taker(self.dataset, order)
        sizes, start, n_at_once = self._sizes(), 0, 1
        while sizes:
            some, sizes = sizes[:n_at_once], sizes[n_at_once:]
            stop = start + sum(some)
            taken = take(order[start:stop])
            for x in taken.split(some):
                yield x, x
            start, n_at_once = stop, max(1, _TAKEN_BYTES * len(some) // taken.nbytes)


def _taker(
    dataset: Dataset, order: np.ndarray
) -> tuple[Callable[[Any], Tensor], np.ndarray]:
    """Look through index views: return how to take the rows below, and which."""
    while isinstance(dataset, Subset):
        order = np.asarray(dataset.indices)[order]
        dataset = dataset.dataset
    if isinstance(dataset, Rows):
        return dataset.take, order

    def take_each(indices: Sequence[int]) -> Tensor:
        items = [dataset[int(index)] for index in indices]
        return torch.stack([x[0] if isinstance(x, tuple) else x for x in items])

    return take_each, order
