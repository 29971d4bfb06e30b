"""Blends and interpolations of samples, by functions that encode and decode."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skae._model.data_path import data_path
from skae._model.latent import PATHS, linear_path, mix_pairs

_N_PROJECTIONS = 5
KINDS = ("representation", "content")


@dataclass(frozen=True)
class Blender:
    """Blends samples, by their codes or as they are.

    Parameters
    ----------
    encode, decode : callable
        From a batch of samples to codes, and back.
    check : callable
        ``(batch, sample_shape)`` to flat rows, checked by the first step.
    shapes : (tuple of int, tuple of int or None)
        Shape of a sample, and another one that is accepted as well.
    restore : callable or None, default=None
        From flat rows that `check` returns to samples, if that takes more than a shape.
    support : callable or None, default=None
        ``(values, space)`` to p-values, of codes or of samples.
    project : callable or None, default=None
        From codes to those of their samples, if that is not to decode and encode.
    n_condition : int, default=0
        Number of columns that follow a code and change linearly along any path.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[np.ndarray], Any]
    check: Callable[[Any, tuple[int, ...]], np.ndarray]
    shapes: tuple[tuple[int, ...], tuple[int, ...] | None]
    restore: Callable[[np.ndarray], Any] | None = None
    support: Callable[[Any, str], np.ndarray] | None = None
    project: Callable[[np.ndarray], np.ndarray] | None = None
    n_condition: int = 0

    def blend(
        self, X1: Any, X2: Any, alpha: Any, *, kind: str, return_support: bool = False
    ) -> Any:
        """Blend samples with samples: see :func:`skae.blend`."""
        _check_choice("kind", kind, KINDS)
        batch1, one1 = as_batch(X1, self.shapes, "X1")
        batch2, one2 = as_batch(X2, self.shapes, "X2")
        n_pairs = _count_pairs(batch1, one1, batch2, one2, "X1", "X2")
        alphas = _check_alpha(alpha, n_pairs)
        if kind == "content":
            shape = _content_shape(batch1, batch2, self.shapes[0])
            mixed = mix_pairs(
                _broadcast(self.check(batch1, shape), n_pairs),
                _broadcast(self.check(batch2, shape), n_pairs),
                alphas,
            )
            if self.restore is None:
                mixed = mixed.reshape(n_pairs, *shape)
            else:
                mixed = self.restore(mixed)
        else:
            codes = mix_pairs(
                _broadcast(self._codes(batch1), n_pairs),
                _broadcast(self._codes(batch2), n_pairs),
                alphas,
            )
            mixed = self._samples(codes)
        blends = _first(mixed) if one1 and one2 else mixed
        if not return_support:
            return blends
        if kind == "content":
            support = self._support(mixed, "data")
        else:
            support = self._support(codes, "latent")
        return blends, support[0] if one1 and one2 else support

    def interpolate(
        self,
        x1: Any,
        x2: Any,
        n_steps: int,
        *,
        path: str,
        through: Any = None,
        return_support: bool = False,
    ) -> Any:
        """Decode the codes between two samples: see :func:`skae.interpolate`."""
        _check_choice("path", path, (*PATHS, "projected", "data"))
        if (through is None) == (path == "data"):
            raise ValueError(
                f"path={path!r} and through="
                f"{'None' if through is None else 'X'} do not go together: path='data' "
                "needs the samples to pass, such as through=X_train, and others take "
                "none."
            )
        if not isinstance(n_steps, (int, np.integer)) or n_steps < 2:
            raise ValueError(f"n_steps={n_steps!r} must be an integer of at least 2.")
        n_steps = int(n_steps)  # times the number of pairs, it may be no int8
        batch1, one1 = as_batch(x1, self.shapes, "x1")
        batch2, one2 = as_batch(x2, self.shapes, "x2")
        n_pairs = _count_pairs(batch1, one1, batch2, one2, "x1", "x2")
        start = _broadcast(self._codes(batch1), n_pairs)
        end = _broadcast(self._codes(batch2), n_pairs)
        codes = self._path(start, end, n_steps, path, through)
        codes = codes.reshape(n_pairs * n_steps, -1)
        between, is_one = self._samples(codes), one1 and one2
        if not is_one and _is_frame(between):
            between = _by_pair(between, n_pairs, n_steps)
        elif not is_one:
            between = between.reshape(n_pairs, n_steps, *between.shape[1:])
        if not return_support:
            return between
        support = self._support(codes, "latent")
        return between, support if is_one else support.reshape(n_pairs, n_steps)

    def _path(
        self, start: np.ndarray, end: np.ndarray, n_steps: int, path: str, through: Any
    ) -> np.ndarray:
        """Return the codes of a path of each pair."""
        if path == "data":
            known, one = as_batch(through, self.shapes, "through")
            if one or len(known) < 2:
                raise ValueError(
                    "through needs at least two samples to pass, such as X_train."
                )
            passed = self._bare(self._codes(known))
            found = data_path(self._bare(start), self._bare(end), n_steps, passed)
            return self._with_condition(found, start, end)
        if path != "projected":
            found = PATHS[path](self._bare(start), self._bare(end), n_steps)
            return self._with_condition(found, start, end)
        codes = linear_path(start, end, n_steps)
        inner = codes[:, 1:-1]
        for _ in range(_N_PROJECTIONS if inner.size else 0):
            flat = inner.reshape(-1, inner.shape[-1])
            project = self.project or (lambda x: self._codes(self._samples(x)))
            inner = project(flat).reshape(inner.shape)
        return np.concatenate([codes[:, :1], inner, codes[:, -1:]], axis=1)

    def _bare(self, codes: np.ndarray) -> np.ndarray:
        """Return codes without their condition."""
        return codes[:, : codes.shape[1] - self.n_condition]

    def _with_condition(
        self, path: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Return a path of codes, each followed by its condition."""
        if not self.n_condition:
            return path
        n_steps, n_code = path.shape[1:]
        condition = linear_path(start[:, n_code:], end[:, n_code:], n_steps)
        return np.concatenate([path, condition], axis=2)

    def mix(self, X: Any, weights: Any, *, return_support: bool = False) -> Any:
        """Decode weighted sums of codes: see :func:`skae.mix`."""
        batch, is_sample = as_batch(X, self.shapes, "X")
        weights = np.asarray(weights, dtype=np.float64)
        n_samples = len(batch)
        if is_sample or weights.ndim not in (1, 2) or weights.shape[-1] != n_samples:
            raise ValueError(
                f"weights of shape {weights.shape} do not fit {n_samples} sample(s). "
                f"Pass a batch of samples, and one weight for each: shape "
                f"({n_samples},) or (n_mixtures, {n_samples})."
            )
        codes = self._codes(batch)
        codes = np.atleast_2d(weights).astype(codes.dtype) @ codes
        mixed, is_one = self._samples(codes), weights.ndim == 1
        mixtures = _first(mixed) if is_one else mixed
        if not return_support:
            return mixtures
        support = self._support(codes, "latent")
        return mixtures, support[0] if is_one else support

    def _support(self, values: Any, space: str) -> np.ndarray:
        """Return p-values of codes or samples."""
        if self.support is None:
            raise TypeError(
                "return_support=True needs p-values from held-out rows: pass a fitted "
                "AnomalyDetector(estimator) instead of the estimator."
            )
        return self.support(values, space)

    def _codes(self, batch: Any) -> np.ndarray:
        return np.asarray(self.encode(batch))

    def _samples(self, codes: np.ndarray) -> Any:
        decoded = self.decode(codes)
        return decoded if _is_frame(decoded) else np.asarray(decoded)


def conditioned(
    blender: Blender, model: Any, rows: Callable[[Any], np.ndarray]
) -> Blender:
    """Return the blender of a model with a condition, which it mixes as well.

    Parameters
    ----------
    blender : Blender
        The blender of an autoencoder.
    model : TrainedModel
        Its model.
    rows : callable
        From samples to rows with their condition.
    """
    return replace(
        blender,
        encode=lambda X: model.encode_conditioned(rows(X)),
        decode=model.decode_to_samples,
        project=model.project,
        n_condition=model.n_condition,
    )


def _is_frame(samples: Any) -> bool:
    """Tell whether samples are a frame, whose columns have types."""
    return hasattr(samples, "columns")


def _first(samples: Any) -> Any:
    """Return the first sample, of a frame of pandas as a Series."""
    return samples.iloc[0] if hasattr(samples, "iloc") else samples[0]


def _by_pair(frame: Any, n_pairs: int, n_steps: int) -> Any:
    """Return a frame of pandas with the numbers of pair and step as its index."""
    if not hasattr(frame, "set_axis"):
        return frame  # polars has no index
    import pandas as pd

    pairs = [range(n_pairs), range(n_steps)]
    return frame.set_axis(pd.MultiIndex.from_product(pairs, names=["pair", "step"]))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r} is not known. Choose {expected}.")


def as_batch(
    X: Any, shapes: tuple[tuple[int, ...], tuple[int, ...] | None], name: str
) -> tuple[Any, bool]:
    """Return X with an axis of samples in front, and whether it was a single one."""
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    if hasattr(X, "toarray"):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense samples are needed. Pass "
            f"{name}.toarray()."
        )
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


def _is_row(batch: Any) -> bool:
    """Tell whether a batch is a row of a frame of polars, which is a frame, too."""
    return len(batch) == 1 and hasattr(batch, "columns") and not hasattr(batch, "iloc")


def _count_pairs(
    batch1: Any, one1: bool, batch2: Any, one2: bool, name1: str, name2: str
) -> int:
    n1, n2 = len(batch1), len(batch2)
    one1, one2 = one1 or _is_row(batch1), one2 or _is_row(batch2)
    if n1 != n2 and not (one1 or one2):
        raise ValueError(
            f"{name1} has {n1} samples and {name2} has {n2}. Pass as many in both, or "
            "a single sample in one of them."
        )
    return n2 if one1 else n1


def _check_alpha(alpha: Any, n_pairs: int) -> np.ndarray:
    alphas = np.asarray(alpha, dtype=np.float64)
    if alphas.ndim and alphas.shape != (n_pairs,):
        raise ValueError(
            f"alpha of shape {alphas.shape} does not fit {n_pairs} pair(s). Pass a "
            "number or one for each pair; for several points between two samples, use "
            "interpolate."
        )
    if not np.isfinite(alphas).all():
        raise ValueError(f"alpha={alpha!r} must be finite.")
    return np.broadcast_to(alphas, (n_pairs,))


def _content_shape(batch1: Any, batch2: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a blend: that of `fit`, or that of images in later steps."""
    shape1, shape2 = batch1.shape[1:], batch2.shape[1:]
    size1, size2 = math.prod(shape1), math.prod(shape2)
    if size1 != size2:
        raise ValueError(f"Samples of shapes {shape1} and {shape2} cannot be blended.")
    return shape if size1 == math.prod(shape) else shape1


def _broadcast(rows: np.ndarray, n_pairs: int) -> np.ndarray:
    return np.broadcast_to(rows, (n_pairs, *rows.shape[1:]))
