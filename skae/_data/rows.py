"""From X as the user passes it to flat rows, checked by scikit-learn."""

from __future__ import annotations

import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skae._data.faults import as_numbers, check_masked, explained
from skae._data.sparse import SparseRows
from skae._data.statistics import Statistics
from skae._sources.kinds import find_source
from skae._sources.rows import StoredRows
from skae._sources.source import Source

# Size of the buffer in which rows of a source are shuffled, and of a source that other
# methods than fit read at once.
_BUFFER_BYTES, _READ_BYTES = 2**28, 2**24


class Rows(Protocol):
    """A source of rows: an array, or any object with these methods.

    Training and inference use nothing else: the size and the type, a row or a slice of
    rows, and the rows at some indices.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and of features."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, of any numeric kind."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, index: Any) -> np.ndarray:
        """Return one row, or the rows of a slice."""

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""


class DerivedRows(ABC):
    """Rows in float64 that are made from others as they are taken.

    Parameters
    ----------
    rows : Rows
        The others.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @abstractmethod
    def __getitem__(self, index: Any) -> np.ndarray:
        """Return one row, or the rows of a slice."""

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


class MappedRows(DerivedRows):
    """Rows that a map makes from others, one from each."""

    @abstractmethod
    def map(self, rows: np.ndarray) -> np.ndarray:
        """Return what some rows, or one, become."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and of features."""
        return self.rows.shape

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.map(self.rows[index])

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the rows at some indices, in their order."""
        return self.map(self.rows.take(indices, axis=axis))


def first_rows(
    X: Any,
    estimator: Any,
    *,
    allow_gaps: bool = False,
    allow_sparse: bool = False,
    shuffle_buffer: int | str = "auto",
) -> tuple[Any, tuple[int, ...], np.ndarray | None]:
    """Check X before a first fit.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The argument of `fit`.
    estimator : estimator
        The estimator, for error messages.
    allow_gaps : bool, default=False
        Whether entries may be NaN.
    allow_sparse : bool, default=False
        Whether X may be sparse.
    shuffle_buffer : int or "auto", default="auto"
        Number of rows of a source that fit in memory.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_features), SparseRows or StoredRows
        Of any numeric type and in C order. An array in C order is not copied. One in
        Fortran order, as a DataFrame often is, is copied once in its own type:
        batches of its scattered rows would be over ten times slower to take. Rows of
        a source that do not fit in memory are checked as they are read.
    sample_shape : tuple of int
        Shape of one sample of X.
    feature_names : ndarray of shape (n_features,) or None
        Names of the features, if X has names that are all strings.
    """
    allowed = {"allow_gaps": allow_gaps, "allow_sparse": allow_sparse}
    check = partial(check_array, estimator=estimator)
    X, source = _opened(X, shuffle_buffer)
    shape = _shape_of(X)
    rows = _flat_rows(X, check, allowed, shuffle_buffer)
    sample_shape = shape[1:] if len(shape) > 2 else rows.shape[1:]
    header = X if source is None else source.header
    names = _feature_names(header) if len(shape) == 2 else None
    return rows, sample_shape, names


def _opened(X: Any, n_most: int | str | None) -> tuple[Any, Source | None]:
    """Return X, or its source if that has too many samples, and the source.

    What is to be taken as an array has none.
    """
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(
            f"X is a path, {os.fspath(X)!r}. Open it, for instance by "
            "pyarrow.parquet.ParquetFile(path), h5py.File(path)['X'] or "
            "numpy.load(path, mmap_mode='r')."
        )
    X = _to_host(X)
    source = find_source(X, n_most if isinstance(n_most, int) else None)
    if source is None:
        return X, None
    if len(source) > _count_in_memory(source, n_most):
        return source, source
    if source.collect is not None:
        return source.collect(), None
    return source.read_all(), source


def _count_in_memory(source: Source, n_most: int | str | None) -> int:
    """Return the most samples of a source that are in memory at a time."""
    if isinstance(n_most, str):
        return source.count_within(_BUFFER_BYTES)
    if n_most is None:
        # What is taken as it is takes no memory.
        n_bytes = _READ_BYTES if source.collect is None else _BUFFER_BYTES
        return source.count_within(n_bytes)
    return n_most


def _flat_rows(
    X: Any,
    check: Callable,
    allowed: dict[str, bool],
    n_most: int | str | None = None,
) -> Any:
    """Return the flat rows of samples after a check of scikit-learn.

    Those of a source are checked as they are read.
    """
    if isinstance(X, Source):
        n_buffer = _count_in_memory(X, n_most)
        return StoredRows(X, partial(_check_block, check, allowed), n_buffer)
    shape = _shape_of(X)
    with explained(X, **allowed):
        flat = _flatten(X, shape) if len(shape) > 2 else X
        rows = check(flat, **_settings(**allowed))
    return as_numbers(_wrapped(rows), X)


def _check_block(
    check: Callable, allowed: dict[str, bool], samples: np.ndarray, start: int
) -> np.ndarray:
    """Return the rows of a block, which an error names."""
    with _counted_from(start, len(samples)):
        return _flat_rows(_to_host(samples), check, allowed)


@contextmanager
def _counted_from(start: int, n_rows: int) -> Iterator[None]:
    """Count the rows that an error names from the first of X, not of a block."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = re.sub(
            r"\brow (\d+)", lambda found: f"row {int(found[1]) + start}", str(error)
        )
        where = f"Of X, rows {start} to {start + n_rows - 1} were read."
        raise type(error)(f"{message} {where}") from error


def _settings(*, allow_gaps: bool, allow_sparse: bool) -> Any:
    """Return the arguments of scikit-learn's check."""
    return {
        "dtype": "numeric",
        "order": "C",
        "accept_sparse": "csr" if allow_sparse else False,
        "ensure_all_finite": "allow-nan" if allow_gaps else True,
    }


def _wrapped(rows: Any) -> Any:
    """Return rows as a source of rows, if they are sparse."""
    return SparseRows(rows) if issparse(rows) else rows


def as_frame(rows: np.ndarray, X: Any) -> Any:
    """Return rows as a frame of pandas, if X is one."""
    if not (hasattr(X, "columns") and hasattr(X, "index")):
        return rows
    return type(X)(rows, index=X.index, columns=X.columns)


def _feature_names(X: Any) -> np.ndarray | None:
    """Return the names of features as scikit-learn reads them."""
    if X is None:
        return None
    blank = BaseEstimator()
    validate_data(blank, X, skip_check_array=True)
    return getattr(blank, "feature_names_in_", None)


def check_rows(
    X: Any,
    estimator: Any,
    sample_shape: tuple[int, ...],
    *,
    allow_gaps: bool = False,
    allow_sparse: bool = False,
) -> Any:
    """Check X against what `fit` saw, and return its flat rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        The argument of a method of a fitted estimator.
    estimator : estimator
        The fitted estimator.
    sample_shape : tuple of int
        Shape of one sample of what `fit` saw.
    allow_gaps : bool, default=False
        Whether entries may be NaN.
    allow_sparse : bool, default=False
        Whether X may be sparse.

    Returns
    -------
    ndarray of shape (n_samples, n_features) or SparseRows
        In C order, as `first_rows` returns them.
    """
    X, source = _opened(X, None)
    shape = _shape_of(X)
    is_row = len(shape) == 2 and shape[1] == math.prod(sample_shape)
    if len(sample_shape) > 1 and shape == sample_shape and not is_row:
        raise ValueError(
            f"X is one sample of shape {shape}. Pass a batch: X[np.newaxis]."
        )
    if len(shape) > 2 and shape[1:] != sample_shape:
        raise ValueError(
            f"X has samples of shape {shape[1:]}, but fit saw samples of shape "
            f"{sample_shape}. Pass that shape, or rows of "
            f"{math.prod(sample_shape)} features."
        )
    header = X if source is None else source.header
    if hasattr(header, "columns"):  # wrong names are told before wrong values
        validate_data(estimator, header, reset=False, skip_check_array=True)
    has_names = source is not None and source.header is not None
    check = check_array if has_names else _checked
    allowed = {"allow_gaps": allow_gaps, "allow_sparse": allow_sparse}
    return _flat_rows(X, partial(check, estimator=estimator), allowed)


def _checked(X: Any, *, estimator: Any, **settings: Any) -> np.ndarray:
    if type(X) is np.ndarray and not hasattr(estimator, "feature_names_in_"):
        # There are no names: looking for them takes longer than encoding a row.
        rows = check_array(X, estimator=estimator, **settings)
        if rows.shape[1] == estimator.n_features_in_:
            return rows
    return validate_data(estimator, X, reset=False, **settings)


def check_range(rows: Any, dtype: np.dtype, names: np.ndarray | None = None) -> None:
    """Refuse values that are infinite in the type of the computation.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Finite values.
    dtype : numpy.dtype
        The type of the computation.
    names : ndarray of shape (n_features,) or None
        Names of the features, for the message.
    """
    if rows.dtype.kind != "f" or rows.dtype.itemsize <= dtype.itemsize:
        return
    if isinstance(rows, StoredRows):

        def check(block: np.ndarray, start: int) -> None:
            with _counted_from(start, len(block)):
                check_range(block, dtype, names)

        rows.check_also(check)
        return
    largest = np.finfo(dtype).max
    values = rows.matrix.data if isinstance(rows, SparseRows) else rows
    # Of gaps numpy's fmax and fmin take no notice.
    most = np.fmax.reduce(values, axis=None, initial=0.0)
    if most > largest or np.fmin.reduce(values, axis=None, initial=0.0) < -largest:
        rows = rows[:]
        row, column = np.argwhere(np.abs(rows) > largest)[0]
        name = column if names is None else repr(str(names[column]))
        raise ValueError(
            f"Input X contains a value too large for dtype({dtype.name!r}): column "
            f"{name} holds {rows[row, column]:g} in row {row}. Scale X, for instance "
            "with StandardScaler, or set dtype='float64'."
        )


def check_observed(statistics: Statistics, names: np.ndarray | None) -> None:
    """Refuse columns of which nothing is known.

    Parameters
    ----------
    statistics : Statistics
        Of the first rows.
    names : ndarray of shape (n_features,) or None
        Names of the features, for the message.
    """
    empty = np.flatnonzero(np.atleast_1d(statistics.counts) == 0)
    if empty.size:
        first = empty[0] if names is None else repr(str(names[empty[0]]))
        raise ValueError(
            f"Input X contains only NaN in column {first} ({empty.size} such columns). "
            "Drop columns without a value."
        )


def check_squares(rows: Any, statistics: Statistics, dtype: np.dtype) -> None:
    """Refuse rows whose variance leaves the range of float64, or of a computation.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Finite values.
    statistics : Statistics
        Their statistics.
    dtype : numpy.dtype
        Type of the computation.
    """
    variance = statistics.variance
    lowest = 1e4 * float(np.finfo(dtype).tiny)
    if variance.any() and statistics.scale < lowest:
        raise ValueError(
            f"Input X contains values too close for dtype {dtype.name!r}: their "
            f"deviation is {statistics.scale:.3g}. Scale X, for instance with "
            "StandardScaler, or set dtype='float64'."
        )
    vanishes = False
    if not variance.any() and not isinstance(rows, SparseRows):
        blocks = rows.blocks() if isinstance(rows, StoredRows) else [rows[:]]
        both = [(np.fmin.reduce(x), np.fmax.reduce(x)) for x in blocks]
        low, high = (np.stack(x) for x in zip(*both, strict=True))
        vanishes = bool((np.fmax.reduce(high) > np.fmin.reduce(low)).any())
    if vanishes or not np.isfinite(variance).all():
        what, then = ("close", "vanishes") if vanishes else ("far apart", "is infinite")
        raise ValueError(
            f"Input X contains values too {what}: their variance {then} in float64. "
            "Scale X, for instance with MinMaxScaler."
        )


def resolve_dtype(dtype: str, X: np.ndarray) -> np.dtype:
    """Return the numpy type to compute in for an array X."""
    if dtype == "auto":
        dtype = "float64" if X.dtype == np.float64 else "float32"
    return np.dtype(dtype)


def _to_host(X: Any) -> Any:
    check_masked(X)
    return X.detach().cpu().numpy() if torch.is_tensor(X) else X


def _shape_of(X: Any) -> tuple[int, ...]:
    if hasattr(X, "shape"):
        return tuple(X.shape)
    try:
        return np.asarray(X).shape
    except ValueError:  # ragged: left to scikit-learn's own check
        return ()


def _flatten(X: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(X).reshape(shape[0], math.prod(shape[1:]))
