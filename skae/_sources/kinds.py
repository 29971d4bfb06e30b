"""The kinds of objects that samples are read from, recognised without importing any."""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from skae._sources.source import Source, equal_bounds, given_bounds


def find_source(X: Any, n_buffer: int | None = None) -> Source | None:
    """Return how to read X in blocks, or None if it is an array or a list.

    Parameters
    ----------
    X : object
        The argument of a method: any object with ``shape``, ``dtype`` and slices of
        samples, a table, or a data set.
    n_buffer : int or None, default=None
        Number of samples that are shuffled together, if it is known.
    """
    for module, name, make in _KINDS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(X, kind):
            return make(X, n_buffer)
    is_in_memory = isinstance(X, np.ndarray) or torch.is_tensor(X) or issparse(X)
    is_frame = hasattr(X, "iloc")
    has_all = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
    if is_in_memory or is_frame or not has_all or len(X.shape) < 2:
        return None
    return _of_array(X, n_buffer)


# Arrays -------------------------------------------------------------------------------


def _of_array(X: Any, n_buffer: int | None) -> Source:
    """Read slices of an array on disk, such as one of h5py or zarr, by its chunks."""
    n_rows, *sample_shape = X.shape
    row_bytes = math.prod(sample_shape) * np.dtype(X.dtype).itemsize
    chunks = getattr(X, "shards", None) or getattr(X, "chunks", None) or (1,)
    n_chunk = chunks[0] if isinstance(chunks[0], int) else 1
    bounds = equal_bounds(n_rows, row_bytes, n_chunk, n_buffer=n_buffer)
    return Source(
        shape=tuple(X.shape),
        bounds=bounds,
        read=lambda i: np.asarray(X[int(bounds[i]) : int(bounds[i + 1])]),
    )


def _of_memmap(X: np.memmap, n_buffer: int | None) -> Source:
    """Copy slices of a file that is mapped to memory, whose pages are then released."""
    source, file = _of_array(X, n_buffer), _mapped_file(X)

    def read(i: int) -> np.ndarray:
        samples = np.array(source.read(i))
        if file is not None:
            file.madvise(mmap.MADV_DONTNEED)
        return samples

    return replace(source, read=read, is_array=True)


def _mapped_file(X: np.memmap) -> Any:
    """Return the map under an array, if its pages can be released without a loss."""
    base: Any = X
    while isinstance(base, np.ndarray):
        base = base.base
    is_shared = X.mode != "c"  # changes of a private copy are in its pages alone
    can_release = is_shared and hasattr(mmap, "MADV_DONTNEED")
    return base if can_release and isinstance(base, mmap.mmap) else None


def _of_dask(X: Any, n_buffer: int | None) -> Source:
    """Compute the blocks of a dask array."""
    if any(math.isnan(size) for size in X.shape):
        raise ValueError(
            "X is a dask array of unknown length. Call X.compute_chunk_sizes() first."
        )
    bounds = given_bounds(X.chunks[0])
    return Source(
        shape=tuple(X.shape),
        bounds=bounds,
        read=lambda i: np.asarray(X[bounds[i] : bounds[i + 1]].compute()),
    )


def _of_dask_frame(X: Any, n_buffer: int | None) -> Source:
    import pandas as pd

    array = _of_dask(X.to_dask_array(lengths=True), n_buffer)
    return replace(array, header=pd.DataFrame(columns=X.columns))


# Tables -------------------------------------------------------------------------------


def _as_floats(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as a table, of floats since blocks may differ in their gaps."""
    dtypes = {column.dtype for column in columns}
    return np.column_stack(columns).astype(
        np.result_type(np.float32, *dtypes), copy=False
    )


def _of_polars(X: Any, n_buffer: int | None) -> Source:
    """Collect slices of a lazy frame of polars."""
    import polars as pl

    names = X.collect_schema().names()
    n_rows = X.select(pl.len()).collect().item()
    bounds = equal_bounds(n_rows, 8 * len(names), n_buffer=n_buffer)

    def read(i: int) -> np.ndarray:
        some = X.slice(int(bounds[i]), int(bounds[i + 1] - bounds[i])).collect()
        return _as_floats([column.to_numpy() for column in some.iter_columns()])

    return Source((n_rows, len(names)), bounds, read, X.head(0).collect())


def _of_frame(X: Any, n_buffer: int | None) -> Source:
    return replace(_of_polars(X.lazy(), n_buffer), is_array=True)


def _of_arrow(table: Any) -> np.ndarray:
    """Return a table of Arrow as an array."""
    return _as_floats([x.to_numpy(zero_copy_only=False) for x in table.columns])


def _of_table(X: Any, n_buffer: int | None) -> Source:
    """Read slices of a table of Arrow."""
    bounds = equal_bounds(X.num_rows, 8 * X.num_columns, n_buffer=n_buffer)
    return Source(
        shape=(X.num_rows, X.num_columns),
        bounds=bounds,
        read=lambda i: _of_arrow(X.slice(bounds[i], bounds[i + 1] - bounds[i])),
        header=X.slice(0, 0),
        is_array=True,
    )


def _of_parquet(X: Any, n_buffer: int | None) -> Source:
    """Read the row groups of a Parquet file."""
    counts = [X.metadata.row_group(i).num_rows for i in range(X.num_row_groups)]
    groups = [i for i, n_rows in enumerate(counts) if n_rows]
    header = X.schema_arrow.empty_table()
    return Source(
        shape=(sum(counts), header.num_columns),
        bounds=given_bounds(counts),
        read=lambda i: _of_arrow(X.read_row_group(groups[i])),
        header=header,
    )


def _of_arrow_dataset(X: Any, n_buffer: int | None) -> Source:
    """Read the fragments of a data set of Arrow, by row groups if they have any."""
    parts: list[Any] = []
    counts: list[int] = []
    for fragment in X.get_fragments():
        if hasattr(fragment, "split_by_row_group"):
            groups = fragment.split_by_row_group()
            parts += groups
            counts += [group.row_groups[0].num_rows for group in groups]
        else:
            parts.append(fragment)
            counts.append(fragment.count_rows())
    parts = [part for part, n_rows in zip(parts, counts, strict=True) if n_rows]
    return Source(
        shape=(sum(counts), len(X.schema.names)),
        bounds=given_bounds(counts),
        read=lambda i: _of_arrow(parts[i].to_table(schema=X.schema)),
        header=X.schema.empty_table(),
    )


# Data sets ----------------------------------------------------------------------------


def _sample_of(item: Any) -> Any:
    """Return the sample in an item of a data set, which may be one of several parts."""
    if isinstance(item, (tuple, list)):
        item = item[0]
    if isinstance(item, dict):
        raise TypeError(
            f"X is a data set whose items are dicts, with the keys {list(item)}. Let "
            "its items be arrays or tuples that begin with one."
        )
    return item.detach().cpu().numpy() if torch.is_tensor(item) else np.asarray(item)


def _of_dataset(X: Any, n_buffer: int | None) -> Source:
    """Read the items of a data set of torch, of which labels are left out."""
    if isinstance(X, TensorDataset):
        return _of_array(X.tensors[0].detach().cpu().numpy(), n_buffer)
    first = _sample_of(X[0])
    shape = (len(X), *(first.shape or (1,)))
    bounds = equal_bounds(len(X), first.nbytes, n_buffer=n_buffer)

    def read(i: int) -> np.ndarray:
        indices = list(range(bounds[i], bounds[i + 1]))
        has_batches = hasattr(X, "__getitems__")
        items = X.__getitems__(indices) if has_batches else map(X.__getitem__, indices)
        samples = np.stack([_sample_of(item) for item in items])
        return samples.reshape(len(indices), *shape[1:])

    return Source(shape, bounds, read)


def _of_hugging_face(X: Any, n_buffer: int | None) -> Source:
    """Read the columns of a data set of Hugging Face, or the only one if it has one."""
    names, rows = X.column_names, X.with_format("numpy")

    def read_slice(start: int, stop: int) -> np.ndarray:
        batch = rows[start:stop]
        columns = [np.asarray(batch[name]) for name in names]
        if len(columns) == 1 and columns[0].ndim > 1:
            return columns[0]
        if any(column.ndim > 1 for column in columns):
            raise ValueError(
                f"X is a data set with the columns {names}, of which some hold arrays. "
                "Choose one of these: X.select_columns(['image'])."
            )
        return _as_floats(columns)

    import pyarrow as pa

    first, header = read_slice(0, 1), None
    if first.ndim == 2 and len(names) == first.shape[1]:
        header = pa.table({name: [] for name in names})
    bounds = equal_bounds(len(X), first.nbytes, n_buffer=n_buffer)
    return Source(
        shape=(len(X), *first.shape[1:]),
        bounds=bounds,
        read=lambda i: read_slice(int(bounds[i]), int(bounds[i + 1])),
        header=header,
    )


def _refuse(X: Any, n_buffer: int | None) -> Source:
    raise TypeError(
        f"X is a {type(X).__name__}, which has no length and no order of its own. Pass "
        "its batches to partial_fit one after another, or a data set with a length."
    )


_KINDS: list[tuple[str, str, Callable[[Any, int | None], Source]]] = [
    ("numpy", "memmap", _of_memmap),
    ("dask.array", "Array", _of_dask),
    ("dask.dataframe", "DataFrame", _of_dask_frame),
    ("polars", "LazyFrame", _of_polars),
    ("polars", "DataFrame", _of_frame),
    ("pyarrow", "Table", _of_table),
    ("pyarrow.parquet", "ParquetFile", _of_parquet),
    ("pyarrow.dataset", "Dataset", _of_arrow_dataset),
    ("datasets", "IterableDataset", _refuse),
    ("datasets", "Dataset", _of_hugging_face),
    (IterableDataset.__module__, "IterableDataset", _refuse),
    (Dataset.__module__, "Dataset", _of_dataset),
]
