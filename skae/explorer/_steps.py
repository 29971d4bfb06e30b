"""The steps of a pipeline around an autoencoder, and how a browser undoes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skae._blending import Opened, find_autoencoder
from skae._estimators.opening import open_model
from skae.tabular._base import BaseTableEncoder

_MOST_ENTRIES = 4_000_000  # of a matrix in the page
_N_PROBES = 64
_TOLERANCE = 1e-5  # of the range of each feature
_ROUNDING = 1e-9  # of its values
_CALL = "write(pipe[-1], pipe[:-1].transform(X), path)"


@dataclass(frozen=True)
class Steps:
    """The encoder of a table, if there is one, and the steps after it.

    Parameters
    ----------
    encoder : BaseTableEncoder or None
        The first step, if it encodes a frame.
    opened : Opened
        The other steps, the last of which is the autoencoder.
    """

    encoder: BaseTableEncoder | None
    opened: Opened


@dataclass(frozen=True)
class Affine:
    """An affine map of rows, with a factor for each feature or with a matrix.

    Parameters
    ----------
    offset : ndarray of shape (n_out,)
        The image of zeros.
    factor : ndarray of shape (n_in,) or (n_in, n_out)
        Factors, or a matrix that is multiplied from the right.
    """

    offset: np.ndarray
    factor: np.ndarray

    @property
    def is_matrix(self) -> bool:
        """Whether features are mixed."""
        return self.factor.ndim == 2

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows, dtype=np.float64)
        moved = rows @ self.factor if self.is_matrix else rows * self.factor
        return moved + self.offset


def open_steps(estimator: Any) -> Steps:
    """Return the autoencoder of an estimator, and the steps before it.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, a Pipeline or a search that ends with one, or what holds one of
        these as `estimator_`, as detectors and densities do.
    """
    opened, encoder = find_autoencoder(estimator, "write"), None
    if open_model(opened.autoencoder).n_condition:
        raise ValueError(
            "The decoder needs a condition beside the code, for which the page has no "
            "place. Fit without one for the explorer."
        )
    if opened.before and isinstance(opened.before[0], BaseTableEncoder):
        encoder, *before = opened.before
        opened = Opened(before, opened.autoencoder, opened.are_within)
    for step in opened.before:
        if not hasattr(step, "inverse_transform"):
            raise TypeError(
                f"The step {type(step).__name__} has no inverse_transform, so that "
                "decoded codes cannot be shown in the units of X. For columns of a "
                "frame use skae.tabular.TableEncoder, or pass what the autoencoder "
                f"takes: {_CALL}."
            )
    return Steps(encoder, opened)


def find_way_back(
    steps: Steps, rows: np.ndarray, sample_shape: tuple[int, ...]
) -> Affine | None:
    """Return the map that undoes the steps before the autoencoder, None for no steps.

    It is found by a few rows, and compared with the steps on others.

    Parameters
    ----------
    steps : Steps
        The steps.
    rows : ndarray of shape (n_rows, n_features)
        What the autoencoder takes.
    sample_shape : tuple of int
        Shape of a sample of the autoencoder.
    """
    if not steps.opened.before:
        return None
    probes = find_probes(rows)

    def undo_all(flat: np.ndarray) -> Any:
        samples = flat.reshape(len(flat), *sample_shape)
        for step in reversed(steps.opened.before):
            samples = step.inverse_transform(samples)
        return samples

    found = fit_affine(undo_all, probes)
    if found is None:
        raise TypeError(_why_not(steps, probes, sample_shape))
    return found


def find_probes(rows: np.ndarray) -> np.ndarray:
    """Return some rows, and others around them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows without gaps.
    """
    rng = np.random.RandomState(0)
    some = rows[:_N_PROBES].astype(np.float64)
    noise = rng.normal(size=some.shape) * (rows.std(axis=0) + 1e-3)
    return np.concatenate([some, some + noise])


def fit_affine(function: Callable, probes: np.ndarray) -> Affine | None:
    """Return the affine map that a function of rows is, None if it is none.

    Parameters
    ----------
    function : callable
        From rows to rows.
    probes : ndarray of shape (n_probes, n_features)
        Rows on which the map is compared with the function.
    """

    def apply(rows: np.ndarray) -> np.ndarray:
        return np.asarray(function(rows), dtype=np.float64).reshape(len(rows), -1)

    n_features = probes.shape[1]
    try:
        expected = apply(probes)
        offset, ones = apply(np.stack([np.zeros(n_features), np.ones(n_features)]))
        if len(offset) == n_features:
            found = Affine(offset, ones - offset)
            if _agrees(found(probes), expected):
                return found
        if n_features * len(offset) > _MOST_ENTRIES:
            return None
        found = Affine(offset, apply(np.eye(n_features)) - offset)
    except (TypeError, ValueError):  # of what gives no numbers
        return None
    return found if _agrees(found(probes), expected) else None


def _agrees(found: np.ndarray, expected: np.ndarray) -> bool:
    span, size = np.ptp(expected, axis=0), np.abs(expected).max(axis=0)
    return bool(
        (np.abs(found - expected) <= _TOLERANCE * span + _ROUNDING * size).all()
    )


def _why_not(steps: Steps, probes: np.ndarray, sample_shape: tuple[int, ...]) -> str:
    """Return the message of an error that names the step that is no affine map."""
    samples: Any = probes.reshape(len(probes), *sample_shape)
    for step in reversed(steps.opened.before):
        shape = np.shape(samples)[1:]
        flat = np.asarray(samples).reshape(len(probes), -1)

        def undo(rows: np.ndarray, step: Any = step, shape: Any = shape) -> Any:
            return step.inverse_transform(rows.reshape(len(rows), *shape))

        if fit_affine(undo, flat) is None:
            return (
                f"The step {type(step).__name__} cannot be undone by a browser: its "
                "inverse_transform is not a factor and an offset for each column, nor "
                f"a matrix of at most {_MOST_ENTRIES:,} entries. For columns of a "
                "frame use skae.tabular.TableEncoder, or pass what the autoencoder "
                f"takes, and see that: {_CALL}."
            )
        samples = step.inverse_transform(samples)
    return (
        "The steps before the autoencoder together cannot be undone by a browser. Pass "
        f"what the autoencoder takes: {_CALL}."
    )
