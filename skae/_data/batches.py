"""Batches of rows, taken from an array in memory or on disk and then cast."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from skae._data.rows import Rows
from skae._random import RandomStream

# Small batches are taken from the array several at a time, up to this many bytes.
_TAKEN_BYTES = 2**18

# Held-out rows that are enough to compare epochs, and rows that are too few for that.
_MOST_HELD_OUT = 1000
_FEWEST_ROWS = 10


class Batch(NamedTuple):
    """The rows of one step of training, with weights and a mask.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Rows, both input and target.
    weight : Tensor of shape (n,) or None
        How much each row counts. None is equal weights.
    mask : Tensor of shape (n, n_features) or None
        Whether each entry counts. None is all.
    condition : Tensor of shape (n, n_columns) or None
        What is known of each row and given to both networks.
    """

    x: Tensor
    weight: Tensor | None = None
    mask: Tensor | None = None
    condition: Tensor | None = None

    @classmethod
    def of(cls, pair: Any) -> Batch:
        """Return the batch in a pair of input and target, as skorch passes them."""
        if isinstance(pair, cls):
            return pair
        x, target = pair[0], pair[1]
        return target if isinstance(target, cls) else cls(x)

    @property
    def is_plain(self) -> bool:
        """Whether all rows and entries count alike."""
        return self.weight is None and self.mask is None

    def with_condition(self, x: Tensor) -> Tensor:
        """Return rows, such as corrupted ones, with the condition of the batch."""
        return x if self.condition is None else torch.cat([x, self.condition], dim=1)

    @property
    def target(self) -> Tensor:
        """The rows that reconstructions are compared with: 0 where nothing counts."""
        return self.x if self.mask is None else torch.where(self.mask, self.x, 0.0)

    @property
    def total_weight(self) -> float:
        """Weight of the batch in a mean over several."""
        return len(self.x) if self.weight is None else float(self.weight.sum())

    def pair(self) -> tuple[Tensor, Any]:
        """Return input and target: skorch and its callbacks expect both."""
        is_alone = self.is_plain and self.condition is None
        return self.x, self.x if is_alone else self


class RowDataset(Dataset):
    """The rows of a source, cast and wrapped only when they are taken.

    Parameters
    ----------
    rows : Rows
        An array, possibly memory-mapped, or another source. It is never copied.
    dtype : numpy.dtype
        Type that the network computes in.
    weight : ndarray of shape (n,) or None
        How much each row counts.
    """

    def __init__(
        self,
        rows: Rows,
        dtype: np.dtype,
        *,
        weight: np.ndarray | None = None,
    ) -> None:
        self.rows = rows
        self.dtype = dtype
        self.weight = weight

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if self.weight is not None:
            raise TypeError("Rows with weights are taken in batches only.")
        row = torch.from_numpy(np.array(self.rows[index], dtype=self.dtype))
        return row, row

    def take(self, indices: np.ndarray) -> Batch:
        """Return the rows at some indices as one batch."""

        def take(part: Any) -> Any:
            if part is None:
                return None
            taken = np.asarray(part.take(indices, axis=0))
            return torch.from_numpy(taken.astype(self.dtype, copy=False))

        return Batch(take(self.rows), take(self.weight))


class HoldOut:
    """A skorch ``train_split`` that holds out a random part of the rows.

    Parameters
    ----------
    fraction : float
        Fraction of the rows that is held out, at least one row.
    seed : int
        Seed of the choice.
    is_optional : bool, default=False
        Whether to hold out no more than are needed, and none of few rows.
    """

    def __init__(
        self, fraction: float, seed: int, *, is_optional: bool = False
    ) -> None:
        self.fraction = fraction
        self.seed = seed
        self.is_optional = is_optional

    def split(self, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the training rows, and of the held-out rows."""
        if self.is_optional and n_rows < _FEWEST_ROWS:
            return np.arange(n_rows), np.arange(0)
        if n_rows < 2:
            raise ValueError(
                f"Cannot hold out rows for validation with n_samples={n_rows}. Set "
                "early_stopping=False and validation_fraction=None."
            )
        order = np.random.RandomState(self.seed).permutation(n_rows)
        n_held = min(max(1, round(self.fraction * n_rows)), n_rows - 1)
        if self.is_optional:
            n_held = min(n_held, _MOST_HELD_OUT)
        held_out, training = order[:n_held], order[n_held:]
        return np.sort(training), np.sort(held_out)

    def __call__(self, dataset: Dataset, y: object = None) -> tuple[Any, Any]:
        training, held_out = self.split(len(dataset))  # type: ignore[arg-type]
        if len(held_out) == 0:
            return dataset, None
        return (
            Subset(dataset, training),  # type: ignore[arg-type]
            Subset(dataset, held_out),  # type: ignore[arg-type]
        )


class BatchIterator:
    """Iterate over a dataset in batches ``(x, x)``: the input is the target.

    Where rows have weights, the target is a :class:`Batch` that carries them.

    No row is dropped. A last batch of one row joins the batch before it, since
    statistics of a batch need two.

    Parameters
    ----------
    dataset : RowDataset, Subset of one, or Dataset
        The data; datasets of other types are read row by row.
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

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        return self.after(0)

    def after(self, n_batches: int) -> Iterator[tuple[Tensor, Any]]:
        """Yield the batches of a pass after its first ones, which are not read."""
        for taken, sizes in self.parts(n_batches):
            parts = split_batch(taken, sizes) if len(sizes) > 1 else [taken]
            for batch in parts:
                yield batch.pair()

    def parts(self, n_skipped: int = 0) -> Iterator[tuple[Batch, list[int]]]:
        """Yield the rows of several batches at a time, and the size of each batch.

        Parameters
        ----------
        n_skipped : int, default=0
            Number of batches that are left out. The order of the others is the same.
        """
        n_rows = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            generator = None if self.stream is None else self.stream.on("cpu")
            order = torch.randperm(n_rows, generator=generator).numpy()
        else:
            order = np.arange(n_rows)
        take, order = _taker(self.dataset, order)
        sizes, n_at_once = self._sizes(), 1
        start, sizes = sum(sizes[:n_skipped]), sizes[n_skipped:]
        while sizes:
            some, sizes = sizes[:n_at_once], sizes[n_at_once:]
            stop = start + sum(some)
            taken = take(order[start:stop])
            yield taken, some
            start = stop
            n_at_once = max(1, _TAKEN_BYTES * len(some) // taken.x.nbytes)


def split_batch(batch: Batch, sizes: Sequence[int], dim: int = 0) -> Iterator[Batch]:
    """Yield parts of a batch, of some numbers of rows, which are along an axis."""
    parts = [
        itertools.repeat(None) if x is None else x.split(list(sizes), dim)
        for x in batch
    ]
    return map(Batch, *parts)


def _taker(
    dataset: Dataset, order: np.ndarray
) -> tuple[Callable[[Any], Batch], np.ndarray]:
    """Resolve nested subsets: return how to take rows of the data set, and which."""
    while isinstance(dataset, Subset):
        order = np.asarray(dataset.indices)[order]
        dataset = dataset.dataset
    if isinstance(dataset, RowDataset):
        return dataset.take, order

    def take_each(indices: Sequence[int]) -> Batch:
        items = [dataset[int(index)] for index in indices]
        rows = [x[0] if isinstance(x, tuple) else x for x in items]
        return Batch(torch.stack([torch.as_tensor(x) for x in rows]))

    return take_each, order
