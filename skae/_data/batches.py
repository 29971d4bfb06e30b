"""Batches of rows, taken from an array in memory or on disk and then cast."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.random import sample_without_replacement
from torch import Tensor
from torch.utils.data import Dataset, Subset

from skae._data.rows import Rows
from skae._data.weights import WeightedRows
from skae._random import RandomStream
from skae._sources.rows import SelectedRows, stored_under
from skae._sources.shuffling import read_buffers

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
    sample : WeightedRows or None
        Some rows that stand for all, where these are not in memory.
    """

    def __init__(
        self,
        rows: Rows,
        dtype: np.dtype,
        *,
        weight: np.ndarray | None = None,
        sample: Any = None,
    ) -> None:
        self.rows = rows
        self.dtype = dtype
        self.weight = weight
        self.sample = sample

    @property
    def in_memory(self) -> WeightedRows:
        """The rows, or those that stand for them, with their weights."""
        return WeightedRows(self.rows, self.weight, self.sample).in_memory

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


class Remaining(Dataset):
    """All rows of a data set but some.

    Parameters
    ----------
    dataset : RowDataset
        The data set, whose rows are not in memory.
    left_out : ndarray of shape (n_left_out,)
        Indices of the others, in increasing order.
    """

    def __init__(self, dataset: RowDataset, left_out: np.ndarray) -> None:
        self.dataset = dataset
        self.left_out = left_out

    def __len__(self) -> int:
        return len(self.dataset) - len(self.left_out)

    def indices_in(self, start: int, stop: int) -> np.ndarray:
        """Return the indices of the rows of the data set between two."""
        first, last = np.searchsorted(self.left_out, [start, stop])
        return np.delete(np.arange(start, stop), self.left_out[first:last] - start)

    def in_buffers(
        self, n_batch: int, generator: torch.Generator | None
    ) -> Iterator[tuple[Callable[[Any], Batch], np.ndarray, bool]]:
        """Yield how to take rows of a buffer, which, and whether these are the last."""
        rows, weight = self.dataset.rows, self.dataset.weight
        source = stored_under(rows)
        for buffer in read_buffers(rows, source, self.indices_in, n_batch, generator):
            share = None if weight is None else weight[buffer.indices]
            part = RowDataset(buffer.rows, self.dataset.dtype, weight=share)
            yield part.take, buffer.order, buffer.is_last


class HeldOutRows(Subset):
    """Rows of a data set that is not in memory, which are when they are first taken."""

    loaded: RowDataset | None = None

    def take(self, indices: np.ndarray) -> Batch:
        """Return the rows at some indices, of those held out, as one batch."""
        if self.loaded is None:
            source: Any = self.dataset
            weight = None if source.weight is None else source.weight[self.indices]
            rows = source.rows.take(np.asarray(self.indices), axis=0)
            self.loaded = RowDataset(rows, source.dtype, weight=weight)
        return self.loaded.take(indices)


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
        n_held = self._count(n_rows)
        held_out, training = order[:n_held], order[n_held:]
        return np.sort(training), np.sort(held_out)

    def _count(self, n_rows: int) -> int:
        n_held = min(max(1, round(self.fraction * n_rows)), n_rows - 1)
        return min(n_held, _MOST_HELD_OUT) if self.is_optional else n_held

    def choose(self, n_rows: int) -> np.ndarray:
        """Return the indices of the held-out rows, of rows that are not in memory."""
        if n_rows < _FEWEST_ROWS:
            return self.split(n_rows)[1]
        n_held = self._count(n_rows)
        return np.sort(
            sample_without_replacement(n_rows, n_held, random_state=self.seed)
        )

    def __call__(self, dataset: Dataset, y: object = None) -> tuple[Any, Any]:
        if isinstance(dataset, RowDataset) and stored_under(dataset.rows) is not None:
            chosen = self.choose(len(dataset))
            if len(chosen) == 0:
                return dataset, None
            held: Any = chosen
            return Remaining(dataset, chosen), HeldOutRows(dataset, held)
        training, held_out = self.split(len(dataset))  # type: ignore[arg-type]
        if len(held_out) == 0:
            return dataset, None
        return (
            Subset(dataset, _smallest(training)),  # type: ignore[arg-type]
            Subset(dataset, _smallest(held_out)),  # type: ignore[arg-type]
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

    def __len__(self) -> int:
        n_rows = len(self.dataset)  # type: ignore[arg-type]
        n_batches = -(-n_rows // self.batch_size)
        is_single = n_rows - (n_batches - 1) * self.batch_size == 1
        return n_batches - (is_single and n_batches > 1)

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
        n_left = len(self)
        for take, order, is_last in self._ordered():
            n_batches = n_left if is_last else len(order) // self.batch_size
            n_left -= n_batches
            n_here = min(n_skipped, n_batches)
            n_skipped, n_batches = n_skipped - n_here, n_batches - n_here
            start, n_at_once = n_here * self.batch_size, 1
            while n_batches:
                sizes = [self.batch_size] * min(n_at_once, n_batches)
                n_batches -= len(sizes)
                if not n_batches:
                    sizes[-1] = len(order) - start - sum(sizes[:-1])
                stop = start + sum(sizes)
                taken = take(order[start:stop])
                yield taken, sizes
                start = stop
                n_at_once = max(1, _TAKEN_BYTES * len(sizes) // taken.x.nbytes)

    def _ordered(self) -> Iterator[tuple[Callable[[Any], Batch], np.ndarray, bool]]:
        """Yield how to take rows, which, and whether these are the last.

        Of rows in memory these are all, of others those of a buffer.
        """
        generator = None
        if self.shuffle and self.stream is not None:
            generator = self.stream.on("cpu")
        n_rows = len(self.dataset)  # type: ignore[arg-type]
        stored = _as_stored(self.dataset)
        if stored is None:
            yield *_taker(self.dataset, _order(n_rows, self.shuffle, generator)), True
            return
        own = None
        if self.shuffle:  # all orders of an epoch follow from one number of the stream
            own = torch.Generator()
            own.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield from stored.in_buffers(self.batch_size, own)


def _order(n_rows: int, shuffle: bool, generator: torch.Generator | None) -> np.ndarray:
    """Return the indices of rows, shuffled or not."""
    if not shuffle:
        return _smallest(np.arange(n_rows))
    return _smallest(torch.randperm(n_rows, generator=generator).numpy())


def _smallest(indices: np.ndarray) -> np.ndarray:
    """Return indices in four bytes each where these suffice."""
    is_small = len(indices) == 0 or indices.max() <= np.iinfo(np.int32).max
    return indices.astype(np.int32) if is_small else indices


def split_batch(batch: Batch, sizes: Sequence[int], dim: int = 0) -> Iterator[Batch]:
    """Yield parts of a batch, of some numbers of rows, which are along an axis."""
    parts = [
        itertools.repeat(None) if x is None else x.split(list(sizes), dim)
        for x in batch
    ]
    return map(Batch, *parts)


def _as_stored(dataset: Dataset) -> Remaining | None:
    """Return a data set of rows that are not in memory, or None if they are."""
    if isinstance(dataset, Remaining):
        return dataset
    indices: np.ndarray | None = None
    while isinstance(dataset, Subset) and not isinstance(dataset, HeldOutRows):
        own = np.asarray(dataset.indices)
        indices = own if indices is None else own[indices]
        dataset = dataset.dataset
    if not isinstance(dataset, RowDataset) or stored_under(dataset.rows) is None:
        return None
    if indices is not None:
        indices, weight = np.sort(indices), dataset.weight
        dataset = RowDataset(
            SelectedRows(dataset.rows, indices),
            dataset.dtype,
            weight=None if weight is None else weight[indices],
        )
    return Remaining(dataset, np.empty(0, dtype=np.intp))


def _taker(
    dataset: Dataset, order: np.ndarray
) -> tuple[Callable[[Any], Batch], np.ndarray]:
    """Resolve nested subsets: return how to take rows of the data set, and which."""
    while isinstance(dataset, Subset) and not isinstance(dataset, HeldOutRows):
        order = np.asarray(dataset.indices)[order]
        dataset = dataset.dataset
    if isinstance(dataset, (RowDataset, HeldOutRows)):
        return dataset.take, order

    def take_each(indices: Sequence[int]) -> Batch:
        items = [dataset[int(index)] for index in indices]
        rows = [x[0] if isinstance(x, tuple) else x for x in items]
        return Batch(torch.stack([torch.as_tensor(x) for x in rows]))

    return take_each, order
