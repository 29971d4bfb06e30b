"""Methods of samples that take a dask array and return one, computed by chunks."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def lazy(method: Callable) -> Callable:
    """Let a method that gives a result for each sample take a dask array.

    Parameters
    ----------
    method : callable
        ``(self, X, ...)`` to an array with as many rows as X.

    Returns
    -------
    callable
        It returns a dask array for a dask array, of which each chunk of rows is
        computed when it is needed; for others, what the method returns.
    """

    @wraps(method)
    def of_chunks(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        dask: Any = sys.modules.get("dask.array")
        if dask is None or not isinstance(X, dask.Array):
            return method(self, X, *args, **kwargs)

        fitted = copy.deepcopy(self)  # as it is now, whenever a chunk is computed

        def of_rows(rows: np.ndarray, start: int) -> np.ndarray:
            own = (_part(value, start, len(rows), len(X)) for value in args)
            named = {k: _part(v, start, len(rows), len(X)) for k, v in kwargs.items()}
            return method(fitted, rows, *own, **named)

        return _map_rows(dask, of_rows, X)

    return of_chunks


def _part(value: Any, start: int, n_part: int, n_rows: float) -> Any:
    """Return the part of an argument, such as a condition, that belongs to a chunk.

    One value for all samples is returned as it is.
    """
    if np.ndim(value) == 0 or len(value) != n_rows:
        return value
    part = slice(start, start + n_part)
    return value.iloc[part] if hasattr(value, "iloc") else value[part]


def _map_rows(dask: Any, function: Callable, X: Any) -> Any:
    """Return a dask array of what a function makes of rows from an index on."""
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    two, three = (
        np.asarray(function(np.zeros((n, *X.shape[1:]), X.dtype), 0)) for n in (2, 3)
    )
    if (len(two), len(three)) != (2, 3):
        raise ValueError(
            "X is a dask array, of which each sample gets one result. For several, "
            "pass X.compute()."
        )

    def of_chunk(chunk: np.ndarray, block_info: Any = None) -> np.ndarray:
        if len(chunk) == 0:
            return two[:0]
        start = 0 if block_info is None else block_info[0]["array-location"][0][0]
        return function(chunk, start)

    return dask.map_blocks(
        of_chunk,
        X,
        dtype=two.dtype,
        drop_axis=[*range(1, X.ndim)],
        new_axis=[*range(1, two.ndim)],
        chunks=(X.chunks[0], *((width,) for width in two.shape[1:])),
        meta=two[:0],
    )
