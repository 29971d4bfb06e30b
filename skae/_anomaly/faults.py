"""Errors of an estimator about values of a part of X, as errors about X itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from skae._data.faults import explained
from skae._data.rows import check_range

# How errors about values begin, those of scikit-learn and those of skae.
_ABOUT_VALUES = "Input X contains"


@contextmanager
def about_X(X: Any, rows: np.ndarray, names: np.ndarray | None) -> Iterator[None]:
    """Make an error about values name the rows of X, and the columns by their names.

    Estimators see arrays, and in `fit` a part of the rows in another order.

    Parameters
    ----------
    X : object
        What the user has passed.
    rows : ndarray of shape (n_samples, n_features)
        The rows of X.
    names : ndarray of shape (n_features,) or None
        Names of the features.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(_ABOUT_VALUES):
            raise
        if "only NaN" in str(error):
            raise ValueError(_of_empty_column(rows, names)) from error
        if "NaN" not in str(error):
            check_range(rows, np.dtype(np.float32), names)
            raise
        with explained(X):
            raise


def _of_empty_column(rows: np.ndarray, names: np.ndarray | None) -> str:
    """Return what is wrong where a column has no value in a part of the rows."""
    n_observed = (~np.isnan(rows)).sum(axis=0)
    column = int(n_observed.argmin())
    name = column if names is None else repr(str(names[column]))
    if n_observed[column] == 0:
        n_empty = int((n_observed == 0).sum())
        return (
            f"Input X contains only NaN in column {name} ({n_empty} such columns). "
            "Drop columns without a value."
        )
    return (
        f"Input X contains values in column {name} in only {n_observed[column]} of "
        f"{len(rows)} rows, and in none of those that train. Drop the column."
    )
