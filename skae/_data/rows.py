"""From what a user passes as X to flat rows, checked by scikit-learn."""

import math

import numpy as np
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data


def first_rows(X, estimator):
    """Check X before a first fit.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        What `fit` was given.
    estimator : estimator
        For the messages.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_features)
        Of any numeric type and in C order. An array in C order is not copied. One in
        Fortran order, as a DataFrame often is, is copied once in its own type:
        batches of its scattered rows would be over ten times slower to take.
    sample_shape : tuple of int
        Shape of one sample of X.
    named : array-like
        What carries the names of features, if there are any.
    """
    X = _to_host(X)
    shape = _shape_of(X)
    if len(shape) > 2:
        X = _flatten(X, shape)
    rows = check_array(X, dtype="numeric", order="C", estimator=estimator)
    return rows, shape[1:] if len(shape) > 2 else rows.shape[1:], X


def check_rows(X, estimator, sample_shape):
    """Check X against what `fit` saw, and return its flat rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
        What a method of a fitted estimator was given.
    estimator : estimator
        The fitted estimator.
    sample_shape : tuple of int
        Shape of one sample of what `fit` saw.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        In C order, as what `first_rows` returns.
    """
    X = _to_host(X)
    shape = _shape_of(X)
    is_row = len(shape) == 2 and shape[1] == math.prod(sample_shape)
    if len(sample_shape) > 1 and shape == sample_shape and not is_row:
        raise ValueError(
            f"X is one sample of shape {shape}. Pass a batch: X[np.newaxis]."
        )
    if len(shape) > 2:
        if shape[1:] != sample_shape:
            raise ValueError(
                f"X has samples of shape {shape[1:]}, but fit saw samples of shape "
                f"{sample_shape}. Pass that shape, or rows of "
                f"{math.prod(sample_shape)} features."
            )
        X = _flatten(X, shape)
    if type(X) is np.ndarray and not hasattr(estimator, "feature_names_in_"):
        # Nothing here has names: to look for them takes longer than to encode a row.
        rows = check_array(X, dtype="numeric", order="C", estimator=estimator)
        if rows.shape[1] == estimator.n_features_in_:
            return rows
    return validate_data(estimator, X, reset=False, dtype="numeric", order="C")


def check_range(rows, dtype):
    """Refuse values that would turn infinite in the type of the computation."""
    if rows.dtype.kind != "f" or rows.dtype.itemsize <= dtype.itemsize:
        return
    largest = np.finfo(dtype).max
    if rows.max() > largest or rows.min() < -largest:
        raise ValueError(
            f"Input X contains a value too large for dtype({dtype.name!r}). Scale X, "
            "for instance with StandardScaler, or set dtype='float64'."
        )


def _to_host(X):
    return X.detach().cpu().numpy() if torch.is_tensor(X) else X


def _shape_of(X):
    if hasattr(X, "shape"):
        return tuple(X.shape)
    try:
        return np.asarray(X).shape
    except ValueError:  # ragged: left to scikit-learn's own check
        return ()


def _flatten(X, shape):
    return np.asarray(X).reshape(shape[0], math.prod(shape[1:]))


def resolve_dtype(dtype, X):
    """Return the numpy type to compute in for an array X."""
    if dtype == "auto":
        dtype = "float64" if X.dtype == np.float64 else "float32"
    return np.dtype(dtype)
