"""Fitting a detector to rows that are not in memory."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from sklearn.utils.random import sample_without_replacement

from skae._anomaly.conformal import n_rows_to_hold
from skae._blending import real_steps
from skae._estimators.base import BaseAutoencoder
from skae._estimators.opening import is_frozen
from skae._sources.rows import StoredRows, stored_under
from skae._sources.source import Readable, Source

_BATCH = 4096
_MOST_DRAWN = 8192  # rows that calibrate, and rows whose codes and errors are measured


class Samples(Readable):
    """Samples made from rows as they are read, in the shape that an estimator takes.

    Parameters
    ----------
    rows : Rows
        The rows.
    sample_shape : tuple of int
        The shape of a sample.
    steps : tuple of estimator
        Fitted transformers that the samples have gone through.
    """

    def __init__(
        self, rows: Any, sample_shape: tuple[int, ...], steps: tuple[Any, ...] = ()
    ) -> None:
        self.rows = rows
        self.sample_shape = sample_shape
        self.steps = steps
        first = self[:1]
        self.shape, self.dtype = (len(rows), *first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice) -> np.ndarray:
        samples = self.rows[index].reshape(-1, *self.sample_shape)
        for step in self.steps:
            samples = step.transform(samples)
        return np.asarray(samples)

    def source(self) -> Source:
        """Return how to read the samples in the blocks of the rows."""
        bounds = stored_under(self.rows).bounds
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        return Source(
            shape=self.shape,
            bounds=bounds,
            read=lambda i: self[int(bounds[i]) : int(bounds[i + 1])],
            row_bytes=row_bytes,
        )

    def after(self, step: Any) -> Samples:
        """Return the samples after one more transformer."""
        return Samples(self.rows, self.sample_shape, (*self.steps, step))


def fit_in_blocks(transformer: Any, samples: Samples) -> None:
    """Fit an estimator, or the steps of a Pipeline, without all samples in memory.

    Parameters
    ----------
    transformer : estimator
        An autoencoder, or a Pipeline that ends with one. It is fitted in place, steps
        before the last by their ``partial_fit``.
    samples : Samples
        The samples.
    """
    from sklearn.pipeline import Pipeline

    if isinstance(transformer, Pipeline):
        for step in real_steps(transformer):
            fit_in_blocks(step, samples)
            samples = samples.after(step)
    elif isinstance(transformer, BaseAutoencoder) or is_frozen(transformer):
        transformer.fit(samples, None)
    elif hasattr(transformer, "partial_fit"):
        for start in range(0, len(samples), _BATCH):
            transformer.partial_fit(samples[start : start + _BATCH])
    else:
        raise TypeError(
            f"X does not fit in memory, and {type(transformer).__name__} has no "
            "partial_fit. Leave it out, or pass a part of X as an array."
        )


class Part(NamedTuple):
    """Rows of a source: those to fit to, some of them in memory, and some others.

    Parameters
    ----------
    training : StoredRows
        The rows to fit to.
    sample : ndarray of shape (n_sampled, n_features)
        Some of these.
    calibration : ndarray of shape (n_calibration, n_features)
        Other rows.
    """

    training: StoredRows
    sample: np.ndarray
    calibration: np.ndarray

    @classmethod
    def draw(
        cls, rows: StoredRows, rate: float, n_wanted: int, random_state: RandomState
    ) -> Part:
        """Draw the rows of each part.

        Parameters
        ----------
        rows : StoredRows
            All rows.
        rate : float
            The false positive rate.
        n_wanted : int
            How many rows should calibrate, if so many fit in memory.
        random_state : RandomState
            Draws them.
        """
        n_most = min(_MOST_DRAWN, len(rows) // 2)
        n_calibration = n_wanted
        if n_wanted > n_most:
            n_calibration = n_rows_to_hold(rate, n_most, n_most)
        if n_calibration > n_most:
            raise ValueError(
                f"false_positive_rate={rate:g} needs {n_calibration} rows that "
                f"calibrate. Of X, which is not in memory, at most {n_most} do. Pass a "
                "higher rate, or X as an array."
            )
        n_sample = min(_MOST_DRAWN, len(rows) - n_calibration)
        n_drawn = n_calibration + n_sample
        chosen = np.sort(
            sample_without_replacement(len(rows), n_drawn, random_state=random_state)
        )
        drawn = rows.take(chosen)
        calibrates = np.zeros(n_drawn, dtype=bool)
        calibrates[random_state.permutation(n_drawn)[:n_calibration]] = True
        training = rows.without(chosen[calibrates])
        return cls(training, drawn[~calibrates], drawn[calibrates])
