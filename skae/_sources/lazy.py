"""Methods of samples that take a dask array and return one, computed by chunks."""

from __future__ import annotations

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

        def of_chunk(chunk: np.ndarray) -> np.ndarray:
            if len(chunk):
                return method(self, chunk, *args, **kwargs)
            one = method(self, np.zeros((1, *chunk.shape[1:]), chunk.dtype))
            return one[:0]

        return _map_rows(dask, of_chunk, X)

    return of_chunks


def _map_rows(dask: Any, function: Callable, X: Any) -> Any:
    """Return a dask array of what a function makes of each chunk of rows."""
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    two = np.asarray(function(np.zeros((2, *X.shape[1:]), X.dtype)))
    if len(two) != 2:
        raise ValueError(
            "X is a dask array, of which each sample gets one result. For several, "
            "pass X.compute()."
        )
    return dask.map_blocks(
        function,
        X,
        dtype=two.dtype,
        drop_axis=[*range(1, X.ndim)],
        new_axis=[*range(1, two.ndim)],
        chunks=(X.chunks[0], *((width,) for width in two.shape[1:])),
        meta=two[:0],
    )
