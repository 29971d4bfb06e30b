"""The kinds of objects that samples are read from, recognised without importing any."""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from skae._sources.source import Readable, Source, equal_bounds, given_bounds


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
    if isinstance(X, Readable):
        return X.source()
    for module, name, make in _KINDS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(X, kind):
            return make(X, n_buffer)
    is_in_memory = isinstance(X, np.ndarray) or torch.is_tensor(X) or issparse(X)
    has_all = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
    if is_in_memory or hasattr(X, "iloc") or not has_all or len(X.shape) < 2:
        return None
    try:
        np.dtype(X.dtype)
    except TypeError:  # of another library, whose objects numpy may convert
        return None
    return _of_array(X, n_buffer)


# Arrays -------------------------------------------------------------------------------


def _of_array(X: Any, n_buffer: int | None) -> Source:
    """Read slices of an array on disk, such as one of h5py or zarr, by its chunks."""
    n_rows, *sample_shape = X.shape
    row_bytes = math.prod(sample_shape) * np.dtype(X.dtype).itemsize
    chunks = getattr(X, "shards", None) or getattr(X, "chunks", None)
    n_chunk = chunks[0] if isinstance(chunks, Sequence) and chunks else 1
    n_chunk = n_chunk if isinstance(n_chunk, int) else 1
    bounds = equal_bounds(n_rows, row_bytes, n_chunk, n_buffer=n_buffer)
    return Source(
        shape=tuple(X.shape),
        bounds=bounds,
        read=lambda i: X[int(bounds[i]) : int(bounds[i + 1])],
        row_bytes=row_bytes,
    )


def _of_memmap(X: np.memmap, n_buffer: int | None) -> Source | None:
    """Copy slices of a file that is mapped to memory, whose pages are then released."""
    if X.ndim < 2:
        return None
    source, file = _of_array(X, n_buffer), _mapped_file(X)

    def read(i: int) -> np.ndarray:
        samples = np.array(source.read(i))
        if file is not None:
            file.madvise(mmap.MADV_DONTNEED)
        return samples

    return replace(source, read=read, collect=lambda: X)


def _mapped_file(X: np.memmap) -> Any:
    """Return the map under an array, if its pages can be released without a loss."""
    base: Any = X
    while isinstance(base, np.ndarray):
        base = base.base
    # Changes of a private copy, of mode "c", are in its pages alone.
    can_release = X.mode in ("r", "r+", "w+") and hasattr(mmap, "MADV_DONTNEED")
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
        read=lambda i: X[bounds[i] : bounds[i + 1]].compute(),
        row_bytes=math.prod(X.shape[1:]) * X.dtype.itemsize,
    )


def _of_dask_frame(X: Any, n_buffer: int | None) -> Source:
    import pandas as pd

    array = _of_dask(X.to_dask_array(lengths=True), n_buffer)
    return replace(array, header=pd.DataFrame(columns=X.columns))


# Tables -------------------------------------------------------------------------------


def _as_table(columns: Sequence[Any]) -> np.ndarray:
    """Return columns as a table of floats.

    Those of other numbers are doubles, which they are where there are gaps, so that all
    blocks have one type. Columns that are no numbers make it one of objects, which is
    refused later.
    """
    found = [_as_numbers(np.asarray(column)) for column in columns]
    dtype = np.result_type(np.float32, *(column.dtype for column in found))
    return np.column_stack(found).astype(dtype, copy=False)


def _as_numbers(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "biuf":
        return column if column.dtype.kind == "f" else column.astype(np.float64)
    values = column.astype(object)
    if all(value is None or isinstance(value, (Number, Decimal)) for value in values):
        return values.astype(np.float64)  # None is NaN
    return values


def _objects(values: Sequence[Any]) -> np.ndarray:
    """Return values as an array of one dimension, whatever they are."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _of_polars(X: Any, n_buffer: int | None) -> Source:
    """Collect slices of a lazy frame of polars."""
    import polars as pl

    header = X.head(0).collect()
    n_rows = X.select(pl.len()).collect().item()
    bounds = equal_bounds(n_rows, 8 * header.width, n_buffer=n_buffer)

    def collect(i: int) -> Any:
        return X.slice(int(bounds[i]), int(bounds[i + 1] - bounds[i])).collect()

    def read(i: int) -> np.ndarray:
        columns = collect(i).iter_columns()
        return _as_table(
            [
                x.to_numpy() if x.dtype.is_numeric() else _objects(x.to_list())
                for x in columns
            ]
        )

    if len(bounds) > 2 and not collect(0).equals(collect(0)):
        raise ValueError(
            "X is a lazy frame whose rows have another order each time it is "
            "collected. Sort it, set maintain_order=True in group_by and join, or pass "
            "X.collect()."
        )
    shape = n_rows, header.width
    return Source(shape, bounds, read, 8 * header.width, header, X.collect)


def _of_frame(X: Any, n_buffer: int | None) -> Source:
    return replace(_of_polars(X.lazy(), n_buffer), collect=lambda: X)


def _of_arrow(table: Any) -> np.ndarray:
    """Return a table of Arrow as an array."""
    return _as_table([x.to_numpy(zero_copy_only=False) for x in table.columns])


def _of_table(X: Any, n_buffer: int | None) -> Source:
    """Read slices of a table of Arrow."""
    bounds = equal_bounds(X.num_rows, 8 * X.num_columns, n_buffer=n_buffer)
    return Source(
        shape=(X.num_rows, X.num_columns),
        bounds=bounds,
        read=lambda i: _of_arrow(X.slice(bounds[i], bounds[i + 1] - bounds[i])),
        row_bytes=8 * X.num_columns,
        header=X.slice(0, 0),
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
        row_bytes=8 * header.num_columns,
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
        row_bytes=8 * len(X.schema.names),
        header=X.schema.empty_table(),
    )


# Data sets ----------------------------------------------------------------------------


def _sample_of(item: Any) -> np.ndarray:
    """Return the sample in an item of a data set, which may be one of several parts."""
    is_sample = isinstance(item, list) and item and isinstance(item[0], Number)
    if isinstance(item, (tuple, list)) and not is_sample:
        item = item[0]
    if isinstance(item, dict):
        raise TypeError(
            f"X is a data set whose items are dicts, with the keys {list(item)}. Let "
            "its items be arrays or tuples that begin with one."
        )
    if torch.is_tensor(item):
        item = item.detach().cpu()
        item = item.float() if item.dtype == torch.bfloat16 else item
    return np.asarray(item)


def _of_dataset(X: Any, n_buffer: int | None) -> Source:
    """Read the items of a data set of torch, of which labels are left out."""
    if isinstance(X, TensorDataset):
        return _of_array(X.tensors[0].detach().cpu().numpy(), n_buffer)
    first = _sample_of(X[0]) if len(X) else np.empty(1)
    shape = (len(X), *(first.shape or (1,)))
    bounds = equal_bounds(len(X), first.nbytes, n_buffer=n_buffer)

    def read(i: int) -> np.ndarray:
        indices = list(range(bounds[i], bounds[i + 1]))
        has_batches = hasattr(X, "__getitems__")
        items = X.__getitems__(indices) if has_batches else map(X.__getitem__, indices)
        samples = [_sample_of(item) for item in items]
        for index, sample in zip(indices, samples, strict=True):
            if sample.shape != first.shape:
                raise ValueError(
                    f"X is a data set whose item {index} has shape {sample.shape}, but "
                    f"the first has {first.shape}."
                )
        return np.stack(samples).reshape(len(indices), *shape[1:])

    return Source(shape, bounds, read, first.nbytes)


def _of_hugging_face(X: Any, n_buffer: int | None) -> Source:
    """Read the columns of a data set of Hugging Face, or the only one if it has one."""
    import pyarrow as pa

    is_transformed = X.format["type"] == "custom"
    names = list(X[:1]) if is_transformed else X.format["columns"] or X.column_names

    def read_column(name: str, start: int, stop: int) -> np.ndarray:
        if is_transformed:
            return np.asarray(X[start:stop][name])
        feature = X.features[name]
        if type(feature).__name__ in ("Value", "ClassLabel"):
            table = X.with_format("arrow", columns=[name])[start:stop]
            return table.column(name).to_numpy(zero_copy_only=False)
        # Arrays, whose numbers numpy's format would make float32.
        dtype = _leaf_dtype(feature)
        settings = {} if dtype is None else {"dtype": dtype}
        arrays = X.with_format("numpy", columns=[name], **settings)
        return np.asarray(arrays[start:stop][name])

    def read_slice(start: int, stop: int) -> np.ndarray:
        columns = [read_column(name, start, stop) for name in names]
        if len(columns) == 1 and columns[0].ndim > 1:
            return columns[0]
        if any(column.ndim > 1 for column in columns):
            raise ValueError(
                f"X is a data set with the columns {names}, of which some hold arrays. "
                f"Choose one of these: X.select_columns([{names[0]!r}])."
            )
        return _as_table(columns)

    if len(X) == 0:
        return Source((0, len(names)), np.zeros(1, dtype=int), lambda i: np.empty(0), 1)
    first, header = read_slice(0, 1), None
    if first.ndim == 2 and len(names) == first.shape[1]:
        header = pa.table({name: [] for name in names})
    bounds = equal_bounds(len(X), first.nbytes, n_buffer=n_buffer)
    return Source(
        shape=(len(X), *first.shape[1:]),
        bounds=bounds,
        read=lambda i: read_slice(int(bounds[i]), int(bounds[i + 1])),
        row_bytes=first.nbytes,
        header=header,
    )


def _leaf_dtype(feature: Any) -> np.dtype | None:
    """Return the type of the numbers in a column of arrays, None for images."""
    while hasattr(feature, "feature"):
        feature = feature.feature
    try:
        return np.dtype(feature.dtype)
    except TypeError:
        return None


def _refuse(X: Any, n_buffer: int | None) -> Source:
    raise TypeError(
        f"X is a {type(X).__name__}, which has no length and no order of its own. Pass "
        "its batches to partial_fit one after another, or a data set with a length."
    )


def _refuse_group(X: Any, n_buffer: int | None) -> Source:
    raise TypeError(f"X is a group of arrays, {list(X)}. Pass one of them: X['name'].")


def _refuse_splits(X: Any, n_buffer: int | None) -> Source:
    raise TypeError(f"X holds several data sets, {list(X)}. Pass one: X['train'].")


_KINDS: list[tuple[str, str, Callable[[Any, int | None], Source | None]]] = [
    ("numpy", "memmap", _of_memmap),
    ("h5py", "Group", _refuse_group),
    ("zarr", "Group", _refuse_group),
    ("dask.array", "Array", _of_dask),
    ("dask.dataframe", "DataFrame", _of_dask_frame),
    ("polars", "LazyFrame", _of_polars),
    ("polars", "DataFrame", _of_frame),
    ("pyarrow", "Table", _of_table),
    ("pyarrow.parquet", "ParquetFile", _of_parquet),
    ("pyarrow.dataset", "Dataset", _of_arrow_dataset),
    ("datasets", "DatasetDict", _refuse_splits),
    ("datasets", "IterableDataset", _refuse),
    ("datasets", "Dataset", _of_hugging_face),
    (IterableDataset.__module__, "IterableDataset", _refuse),
    (Dataset.__module__, "Dataset", _of_dataset),
]
