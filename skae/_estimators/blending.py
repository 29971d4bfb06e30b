"""Blends and walks between samples, for anything with a code that can be inverted."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._model.latent import PATHS, mix_pairs


def blend(transformer, X1, X2, alpha=0.5, *, kind="representation"):
    r"""Blend samples with samples.

    Content blending overlays the inputs, :math:`(1 - \alpha) x_1 + \alpha x_2`.
    Representation blending mixes their codes and decodes the mixture, so that its
    ends are the reconstructions of the samples.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``: one of skae's,
        a :class:`~sklearn.pipeline.Pipeline`, a :class:`~sklearn.decomposition.PCA`.

    X1, X2 : array-like of shape (n_samples, ...) or of the shape of one sample
        What to blend. A sample has the shape of a row of what `fit` saw, or is its
        flattening, or a Series. A sample and a batch are blended with each other.

    alpha : float or array-like of shape (n_samples,), default=0.5
        Share of X2, one for all pairs or one for each. Outside [0, 1] it
        extrapolates.

    kind : {"representation", "content"}, default="representation"
        Whether codes or inputs are mixed.

    Returns
    -------
    ndarray of shape (n_samples, ...) or of the shape of one sample
        One blend for each pair; a single sample where both X1 and X2 are.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import blend
    >>> X = load_iris().data
    >>> blend(PCA(4).fit(X), X[0], X[-1], alpha=0.5).round(2)
    array([5.5 , 3.25, 3.25, 1.  ])
    """
    _check_choice("kind", kind, ("representation", "content"))
    check_is_fitted(transformer)
    first, shapes = find_input(transformer)
    batch1, one1 = as_batch(X1, shapes, "X1")
    batch2, one2 = as_batch(X2, shapes, "X2")
    n_pairs = _count_pairs(batch1, one1, batch2, one2, "X1", "X2")
    alphas = _check_alpha(alpha, n_pairs)
    if kind == "content":
        shape = _content_shape(batch1, batch2, shapes[0])
        mixed = mix_pairs(
            _broadcast(_check_content(first, batch1, shape), n_pairs),
            _broadcast(_check_content(first, batch2, shape), n_pairs),
            alphas,
        ).reshape(n_pairs, *shape)
    else:
        codes = mix_pairs(
            _broadcast(_encode(transformer, batch1), n_pairs),
            _broadcast(_encode(transformer, batch2), n_pairs),
            alphas,
        )
        mixed = _decode(transformer, codes)
    return mixed[0] if one1 and one2 else mixed


def interpolate(transformer, x1, x2, n_steps=7, *, path="linear"):
    """Walk from one sample to another through the codes between theirs.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``.

    x1, x2 : array-like of the shape of one sample or of shape (n_pairs, ...)
        Where the walk begins and ends. A sample and a batch are paired with each
        other.

    n_steps : int, default=7
        Number of points of the walk, at least 2: the reconstructions of both ends
        are included.

    path : {"linear", "spherical"}, default="linear"
        ``"linear"`` takes equal steps of the code. ``"spherical"`` turns its direction
        by equal angles and changes its length evenly.

    Returns
    -------
    ndarray of shape (n_steps, ...) or (n_pairs, n_steps, ...)
        The decoded walk, or one for each pair.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import interpolate
    >>> X = load_iris().data
    >>> interpolate(PCA(4).fit(X), X[0], X[-1], 3)[:, 0].round(2)
    array([5.1, 5.5, 5.9])
    """
    _check_choice("path", path, tuple(PATHS))
    if not isinstance(n_steps, (int, np.integer)) or n_steps < 2:
        raise ValueError(f"n_steps={n_steps!r} must be an integer of at least 2.")
    check_is_fitted(transformer)
    _, shapes = find_input(transformer)
    batch1, one1 = as_batch(x1, shapes, "x1")
    batch2, one2 = as_batch(x2, shapes, "x2")
    n_pairs = _count_pairs(batch1, one1, batch2, one2, "x1", "x2")
    codes = PATHS[path](
        _broadcast(_encode(transformer, batch1), n_pairs),
        _broadcast(_encode(transformer, batch2), n_pairs),
        int(n_steps),
    )
    walk = _decode(transformer, codes.reshape(n_pairs * n_steps, -1))
    walk = walk.reshape(n_pairs, n_steps, *walk.shape[1:])
    return walk[0] if one1 and one2 else walk


def mix(transformer, X, weights):
    r"""Decode weighted sums of the codes of several samples.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``.

    X : array-like of shape (n_samples, ...)
        The samples to mix.

    weights : array-like of shape (n_samples,) or (n_mixtures, n_samples)
        Weights of the codes, used as given: ``(0.5, 0.25, 0.25)`` is a blend of three,
        ``(1, -1, 1)`` an analogy.

    Returns
    -------
    ndarray of shape (n_mixtures, ...)
        One mixture for each row of `weights`; a single sample where it is a vector.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import mix
    >>> X = load_iris().data
    >>> mix(PCA(4).fit(X), X[:3], [1, -1, 1]).round(2)
    array([4.9, 3.7, 1.3, 0.2])
    """
    check_is_fitted(transformer)
    batch, is_sample = as_batch(X, find_input(transformer)[1], "X")
    weights = np.asarray(weights, dtype=np.float64)
    n_samples = len(batch)
    if is_sample or weights.ndim not in (1, 2) or weights.shape[-1] != n_samples:
        raise ValueError(
            f"weights of shape {weights.shape} do not fit {n_samples} sample(s). Pass "
            f"a batch of samples, and one weight for each: shape ({n_samples},) or "
            f"(n_mixtures, {n_samples})."
        )
    codes = _encode(transformer, batch)
    mixtures = np.atleast_2d(weights).astype(codes.dtype) @ codes
    mixed = _decode(transformer, mixtures)
    return mixed[0] if weights.ndim == 1 else mixed


def _check_choice(name, value, choices):
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r} is not known. Choose {expected}.")


def real_steps(transformer):
    """Return the estimators that X goes through, in their order."""
    if hasattr(transformer, "best_estimator_"):
        return real_steps(transformer.best_estimator_)
    if not hasattr(transformer, "steps"):
        return [transformer]
    steps = [step for _, step in transformer.steps if step not in (None, "passthrough")]
    return [real for step in steps for real in real_steps(step)]


def find_input(transformer):
    """Return what sees X first, and two shapes of a sample: here and further on.

    The second one is that of a picture or signal which reaches an autoencoder behind a
    step that does not tell its own, such as a FunctionTransformer; else it is None.
    """
    steps = real_steps(transformer)
    if not steps:
        raise ValueError(
            "The pipeline has no step that encodes: all are 'passthrough'. Add one "
            "with transform and inverse_transform."
        )
    first = steps[0]
    if hasattr(first, "_layout"):
        return first, (first._layout.sample_shape, None)
    layouts = [step._layout for step in steps if hasattr(step, "_layout")]
    later = layouts[0].sample_shape if layouts else ()
    return first, ((first.n_features_in_,), later if len(later) > 1 else None)


def as_batch(X, shapes, name):
    """Return X with an axis of samples in front, and whether it was a single one."""
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    if hasattr(X, "to_frame") and hasattr(X, "index"):  # a pandas Series: a row
        return X.to_frame().T, True
    if hasattr(X, "columns"):
        return X, False
    array = np.asarray(X)
    shape, later_shape = shapes
    flat = (math.prod(shape),)
    if array.shape in (shape, flat, later_shape):
        return array[np.newaxis], True
    if array.ndim and array.shape[1:] in (shape, flat):
        return array, False
    if later_shape is not None and array.ndim == len(later_shape) + 1:
        return array, False
    of_one = " or ".join(map(str, dict.fromkeys((shape, flat, later_shape or shape))))
    raise ValueError(
        f"{name} has shape {array.shape}, but a sample has shape {of_one}. Pass one "
        "sample, or a batch with one more axis in front."
    )


def _count_pairs(batch1, one1, batch2, one2, name1, name2):
    n1, n2 = len(batch1), len(batch2)
    if n1 != n2 and not (one1 or one2):
        raise ValueError(
            f"{name1} has {n1} samples and {name2} has {n2}. Pass as many in both, or "
            "a single sample in one of them."
        )
    return n2 if one1 else n1


def _check_alpha(alpha, n_pairs):
    alphas = np.asarray(alpha, dtype=np.float64)
    if alphas.ndim and alphas.shape != (n_pairs,):
        raise ValueError(
            f"alpha of shape {alphas.shape} does not fit {n_pairs} pair(s). Pass a "
            "number or one for each pair; interpolate walks between two samples."
        )
    if not np.isfinite(alphas).all():
        raise ValueError(f"alpha={alpha!r} must be finite.")
    return np.broadcast_to(alphas, (n_pairs,))


def _content_shape(batch1, batch2, shape):
    """Return the shape of a blend: as fit saw it, or as pictures come further on."""
    shape1, shape2 = batch1.shape[1:], batch2.shape[1:]
    size1, size2 = math.prod(shape1), math.prod(shape2)
    if size1 != size2:
        raise ValueError(f"Samples of shapes {shape1} and {shape2} cannot be blended.")
    return shape if size1 == math.prod(shape) else shape1


def _check_content(first, batch, shape):
    """Return the flat rows of a batch, checked by the step that would see it."""
    if hasattr(first, "_check_X"):  # one of skae's
        return first._check_X(batch).astype(first._dtype, copy=False)
    if hasattr(batch, "columns"):
        validate_data(first, batch, reset=False, skip_check_array=True)
    else:
        batch = batch.reshape(len(batch), math.prod(shape))
    return check_array(batch, dtype=[np.float64, np.float32], estimator=first)


def _broadcast(rows, n_pairs):
    return np.broadcast_to(rows, (n_pairs, *rows.shape[1:]))


def _encode(transformer, batch):
    return np.asarray(transformer.transform(batch))


def _decode(transformer, codes):
    return np.asarray(transformer.inverse_transform(codes))
