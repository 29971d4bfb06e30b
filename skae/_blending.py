"""Blends and interpolations by any transformer with an inverse transform."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._data.faults import explained
from skae._estimators.base import (
    BaseAutoencoder,
    blender_of,
)
from skae._estimators.opening import is_frozen, open_model
from skae._model.blending import Blender


def blend(
    transformer: Any,
    X1: Any,
    X2: Any,
    alpha: Any = 0.5,
    *,
    kind: str = "representation",
    return_support: bool = False,
) -> Any:
    r"""Blend samples with samples.

    Content blending overlays the inputs, :math:`(1 - \alpha) x_1 + \alpha x_2`.
    Representation blending mixes their codes and decodes the mixture, so that its
    ends are the reconstructions of the samples.

    Read more in the :ref:`user guide <guide-blending>`.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``: one of skae,
        a :class:`~sklearn.pipeline.Pipeline`, a :class:`~sklearn.decomposition.PCA`.

    X1, X2 : array-like of shape (n_samples, ...) or of the shape of one sample
        The samples to blend. A sample has the shape of a sample of `fit`, or is
        flattened, or a Series, or a frame of polars with one row. A single sample is
        blended with each of a batch.

    alpha : float or array-like of shape (n_samples,), default=0.5
        Weight of X2, one for all pairs or one for each. Values outside [0, 1]
        extrapolate.

    kind : {"representation", "content"}, default="representation"
        Whether codes or inputs are mixed. Of columns that are no numbers, the inputs
        are what the first step makes of them.

    return_support : bool, default=False
        Whether to return p-values as well, which are small for blends that have left
        the data. `transformer` is then a fitted :class:`AnomalyDetector`, whose
        estimator blends, and whose calibration rows are what codes (or, by content,
        blends) are compared with.

    Returns
    -------
    blends : ndarray of shape (n_samples, ...), of the shape of one sample, or DataFrame
        One blend for each pair; a single sample where both X1 and X2 are. Where
        ``inverse_transform`` gives a frame, as that of
        :class:`skae.tabular.TableEncoder`, blends are a frame, and a single one is a
        Series of pandas, or a frame of polars with one row.

    support : ndarray of shape (n_samples,) or float
        The p-value of each blend. Only with `return_support`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import blend
    >>> X = load_iris().data
    >>> blend(PCA(4).fit(X), X[0], X[-1], alpha=0.5).round(2)
    array([5.5 , 3.25, 3.25, 1.  ])
    """
    blender = find_blender(transformer)
    return blender.blend(X1, X2, alpha, kind=kind, return_support=return_support)


def interpolate(
    transformer: Any,
    x1: Any,
    x2: Any,
    n_steps: int = 7,
    *,
    path: str = "linear",
    through: Any = None,
    return_support: bool = False,
) -> Any:
    """Interpolate between samples in the latent space.

    Read more in the :ref:`user guide <guide-blending>`.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``.

    x1, x2 : array-like of the shape of one sample or of shape (n_pairs, ...)
        Start and end of the interpolation. A single sample is paired with each of a
        batch.

    n_steps : int, default=7
        Number of points, at least 2, including the reconstructions of both ends.

    path : {"linear", "spherical", "projected", "data"}, default="linear"
        Path between the codes. ``"linear"`` takes equal steps on the straight line.
        ``"spherical"`` rotates the direction by equal angles and changes the length
        linearly. ``"projected"`` decodes and encodes the linear steps five times, which
        draws them towards codes of samples. ``"data"`` takes equal steps on the
        shortest path through the codes of other samples [1]_: each code is joined to
        its three nearest, separate parts of them are joined where they are nearest, and
        the squares of the distances are summed up.

    through : array-like of shape (n_others, ...) or None, default=None
        The samples that path ``"data"`` passes, at least two, such as training samples.
        Nothing of them is kept.

    return_support : bool, default=False
        Whether to return a p-value of each code, as in :func:`skae.blend`.

    Returns
    -------
    steps : ndarray of shape (n_steps, ...) or (n_pairs, n_steps, ...), or DataFrame
        The decoded points, for one pair or for each. Where ``inverse_transform`` gives
        a frame, they are its rows; for a batch of pairs, the index of a frame of pandas
        has the levels ``"pair"`` and ``"step"``, and the rows of one of polars are in
        this order.

    support : ndarray of shape (n_steps,) or (n_pairs, n_steps)
        The p-values. Only with `return_support`.

    References
    ----------
    .. [1] Groisman, Jonckheere & Sapienza, "Nonhomogeneous Euclidean first-passage
       percolation and distance learning", Bernoulli 28 (1), 2022.
       :arxiv:`1810.09398`

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import interpolate
    >>> X = load_iris().data
    >>> interpolate(PCA(4).fit(X), X[0], X[-1], 3)[:, 0].round(2)
    array([5.1, 5.5, 5.9])
    """
    blender = find_blender(transformer)
    return blender.interpolate(
        x1, x2, n_steps, path=path, through=through, return_support=return_support
    )


def mix(transformer: Any, X: Any, weights: Any, *, return_support: bool = False) -> Any:
    r"""Decode weighted sums of the codes of several samples.

    Read more in the :ref:`user guide <guide-blending>`.

    Parameters
    ----------
    transformer : estimator
        A fitted estimator with ``transform`` and ``inverse_transform``.

    X : array-like of shape (n_samples, ...)
        The samples to mix.

    weights : array-like of shape (n_samples,) or (n_mixtures, n_samples)
        Weights of the codes, not normalised: ``(0.5, 0.25, 0.25)`` is a blend of three,
        ``(1, -1, 1)`` an analogy.

    return_support : bool, default=False
        Whether to return a p-value of each mixture, as in :func:`skae.blend`.

    Returns
    -------
    mixtures : ndarray of shape (n_mixtures, ...) or DataFrame
        One mixture for each row of `weights`; a single sample where it is a vector.
        Frames as in :func:`skae.blend`.

    support : ndarray of shape (n_mixtures,) or float
        The p-values. Only with `return_support`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import mix
    >>> X = load_iris().data
    >>> mix(PCA(4).fit(X), X[:3], [1, -1, 1]).round(2)
    array([4.9, 3.7, 1.3, 0.2])
    """
    return find_blender(transformer).mix(X, weights, return_support=return_support)


def real_steps(transformer: Any) -> list[Any]:
    """Return the estimators of a pipeline that transform X, in order."""
    if hasattr(transformer, "best_estimator_"):
        return real_steps(transformer.best_estimator_)
    if is_frozen(transformer):
        return real_steps(transformer.estimator)
    if not hasattr(transformer, "steps"):
        return [transformer]
    steps = [step for _, step in transformer.steps if step not in (None, "passthrough")]
    return [real for step in steps for real in real_steps(step)]


class Opened(NamedTuple):
    """The fitted steps before an autoencoder, and the autoencoder.

    Parameters
    ----------
    before : list of transformer
        What X goes through first.
    autoencoder : BaseAutoencoder
        The last step.
    are_within : bool
        Whether they were fitted by a detector or a density, to arrays without names.
    """

    before: list[Any]
    autoencoder: BaseAutoencoder
    are_within: bool

    def transform(self, X: Any) -> Any:
        """Return what the autoencoder takes."""
        first, *_ = *self.before, self.autoencoder
        if self.are_within:
            X = _without_names(first, X)
        for step in self.before:
            X = step.transform(X)
        return _without_names(self.autoencoder, X)


def _without_names(step: Any, X: Any) -> Any:
    """Return X as an array if a step was fitted to one."""
    has_names = getattr(step, "feature_names_in_", None) is not None
    return X if has_names or not hasattr(X, "columns") else as_floats(X)


def find_autoencoder(estimator: Any, caller: str) -> Opened:
    """Return the fitted steps before an autoencoder, and the autoencoder.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, a Pipeline or a search that ends with one, or what holds one of
        these as `estimator_`, as detectors and densities do.
    caller : str
        Name of the public function, for the TypeError that is raised for others.
    """
    if hasattr(estimator, "fit"):
        check_is_fitted(estimator)
    steps, are_within = real_steps(estimator), False
    while steps and (is_detector(steps[-1]) or not hasattr(steps[-1], "transform")):
        inner = getattr(steps[-1], "estimator_", None)
        if inner is None:
            break
        are_within = len(steps) == 1
        steps = [*steps[:-1], *real_steps(inner)]
    if not steps or not isinstance(steps[-1], BaseAutoencoder):
        last = type(steps[-1] if steps else estimator).__name__
        raise TypeError(
            f"{caller} takes an autoencoder of skae, or a Pipeline that ends with one, "
            f"but got {last}. If a Pipeline has steps after the autoencoder, pass "
            f"those before them: {caller}(pipe[:-1], X)."
        )
    check_is_fitted(steps[-1])
    return Opened(steps[:-1], steps[-1], are_within)


def as_floats(X: Any) -> np.ndarray:
    """Return an array or a frame of numbers in float64, with NaN at gaps."""
    if hasattr(X, "iloc"):
        return X.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(X, dtype=np.float64)


def find_blender(transformer: Any) -> Blender:
    """Return the blender of a fitted transformer.

    A sample has the shape of a sample of `fit`. If the first step has no shape of
    samples, such as a FunctionTransformer before an autoencoder of images, the shape
    that the autoencoder takes is accepted as well.
    """
    check_is_fitted(transformer)
    if isinstance(transformer, BaseAutoencoder):
        return blender_of(transformer)
    steps = real_steps(transformer)
    if steps and (is_detector(steps[-1]) or not hasattr(steps[-1], "transform")):
        return _blender_within(*steps)
    if not steps:
        raise ValueError(
            "The pipeline has no step that encodes: all are 'passthrough'. Add one "
            "with transform and inverse_transform."
        )
    first = steps[0]
    shapes: tuple[tuple[int, ...], tuple[int, ...] | None]
    check: Callable[[Any, tuple[int, ...]], np.ndarray]
    restore = None
    if isinstance(first, BaseAutoencoder):
        check, shapes = blender_of(first).check, (first.sample_shape_, None)
    elif _encodes_tables(first):
        check, restore = partial(_encoded, first), first.inverse_transform
        shapes = (first.n_features_in_,), None
    else:
        autoencoders = [step for step in steps if isinstance(step, BaseAutoencoder)]
        later = autoencoders[0].sample_shape_ if autoencoders else ()
        check = partial(_check_content, first)
        shapes = (first.n_features_in_,), later if len(later) > 1 else None
    encode, decode = coders_of(transformer)
    return Blender(
        encode=encode,
        decode=decode,
        check=check,
        shapes=shapes,
        restore=restore,
        n_condition=n_condition_of(transformer),
    )


def n_condition_of(transformer: Any) -> int:
    """Return the number of columns of the condition behind a code, mostly 0."""
    last = (real_steps(transformer) or [transformer])[-1]
    return open_model(last).n_condition if isinstance(last, BaseAutoencoder) else 0


def coders_of(transformer: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return functions that encode and decode, each the inverse of the other.

    They are ``transform`` and ``inverse_transform``, but with a condition in columns of
    X, which then follows the code.

    Parameters
    ----------
    transformer : estimator
        Any fitted estimator with these two methods.
    """
    if not n_condition_of(transformer):
        return transformer.transform, transformer.inverse_transform
    *before, last = real_steps(transformer)
    blender = blender_of(last)

    def encode(X: Any) -> np.ndarray:
        for step in before:
            X = step.transform(X)
        return blender.encode(X)

    def decode(codes: Any) -> Any:
        samples = blender.decode(np.asarray(codes))
        for step in reversed(before):
            samples = step.inverse_transform(samples)
        return samples

    return encode, decode


def _blender_within(*steps: Any) -> Blender:
    """Return the blender of steps of which the last holds an estimator.

    It is a detector, whose p-values the blender then has, or a density.
    """
    from sklearn.pipeline import Pipeline

    *before, last = steps
    inner = getattr(last, "estimator_", None)
    if inner is None:
        raise TypeError(
            f"{type(last).__name__} has no transform and inverse_transform, and holds "
            "no estimator that has them. Pass a transformer; of a pipeline that "
            "predicts, pass pipeline[:-1]."
        )
    if is_detector(last) and not before:
        return _blender_of_detector(last)
    named = [(f"step{i}", step) for i, step in enumerate([*before, inner])]
    blender = find_blender(Pipeline(named) if before else inner)

    def support(values: Any, space: str) -> np.ndarray:
        if space == "data":
            for step in before:
                values = step.transform(values)
        return last.support(_bare(values, space, blender), space=space)

    return replace(blender, support=support) if is_detector(last) else blender


def is_detector(step: Any) -> bool:
    """Tell whether an estimator returns p-values of samples and codes."""
    return hasattr(step, "support") and hasattr(step, "p_values")


def _blender_of_detector(detector: Any) -> Blender:
    """Return the blender of the estimator of a detector, with its p-values."""
    blender = find_blender(detector.estimator_)
    shape, inner = detector.sample_shape_, blender.shapes[0]

    def bare(batch: Any) -> np.ndarray:
        if hasattr(batch, "columns"):  # `estimator_` was fitted without their names
            validate_data(detector, batch, reset=False, skip_check_array=True)
        return np.asarray(batch).reshape(-1, *inner)

    def support(values: Any, space: str) -> np.ndarray:
        return detector.support(_bare(values, space, blender), space=space)

    return Blender(
        encode=lambda batch: blender.encode(bare(batch)),
        decode=lambda codes: np.asarray(blender.decode(codes)).reshape(-1, *shape),
        check=lambda batch, _: blender.check(bare(batch), inner),
        shapes=(shape, None),
        support=support,
        n_condition=blender.n_condition,
    )


def _bare(values: Any, space: str, blender: Blender) -> Any:
    """Return codes without their condition, and samples as they are."""
    if space == "data" or not blender.n_condition:
        return values
    return values[:, : -blender.n_condition]


def _encodes_tables(first: Any) -> bool:
    """Tell whether a step takes columns of text and returns arrays."""
    tags = get_tags(first).input_tags
    return tags.string and tags.two_d_array and hasattr(first, "inverse_transform")


def _encoded(first: Any, batch: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a batch as its first step encodes it."""
    return np.asarray(first.transform(batch))


def _check_content(first: Any, batch: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the flat rows of a batch, checked by the first step."""
    if hasattr(batch, "columns"):
        validate_data(first, batch, reset=False, skip_check_array=True)
    else:
        batch = batch.reshape(len(batch), math.prod(shape))
    with explained(batch):
        return check_array(batch, dtype=[np.float64, np.float32], estimator=first)
