"""Units of training: what is subtracted from X, and what its channels are divided by.

A network computes in float32. Values far from zero, such as times in seconds, would
lose their digits there, the squares of extremely large or small ones are out of its
range, and channels in different units would not count alike. Such
rows are converted as they are taken, in float64, and results are converted back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skae._data.layout import Layout
from skae._data.rows import MappedRows, Rows
from skae._data.statistics import Statistics

# Rounding that is lost in float32, as a share of the training scale.
_LOST_DIGITS = 1e-4
# Ratio of the scales of channels from which they are taken for different units.
_OTHER_UNITS = 10.0


@dataclass(frozen=True)
class Units:
    """An affine map of each feature, from the units of X to those of training.

    Parameters
    ----------
    origin : ndarray of shape (n_features,)
        What is subtracted, in float64.
    ratio : ndarray of shape (n_features,)
        What the difference is divided by.
    """

    origin: np.ndarray
    ratio: np.ndarray

    @property
    def common(self) -> float:
        """A factor of all ratios, 1 unless X is extremely large or small."""
        largest = float(self.ratio.max())
        return 1.0 if _is_moderate(largest) else largest

    def convert(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the units of training, in float64."""
        return np.subtract(rows, self.origin, dtype=np.float64) / self.ratio

    def describe_x(self, statistics: Statistics) -> Statistics:
        """Return statistics of rows in the units of training, in those of X."""
        return replace(
            statistics,
            mean=self.restore(statistics.mean),
            variance=statistics.variance * self.ratio**2,
        )

    def restore(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the units of X, in float64."""
        return rows * self.ratio + self.origin


class InUnitsOfX:
    """A transformation of batches in the units of X, for batches in those of training.

    Parameters
    ----------
    transformation : callable
        ``(x, generator)`` to other rows.
    units : Units
        The units of training.
    """

    def __init__(self, transformation: Any, units: Units) -> None:
        self.transformation = transformation
        self.units = units

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        origin = torch.from_numpy(self.units.origin).to(x.device)
        ratio = torch.from_numpy(self.units.ratio).to(x.device)
        changed = self.transformation(x * ratio + origin, generator)
        return ((changed - origin) / ratio).to(x.dtype)


class ConvertedRows(MappedRows):
    """Rows that are converted as they are taken.

    Parameters
    ----------
    rows : Rows
        The rows in the units of X.
    units : Units
        The units of training.
    """

    def __init__(self, rows: Rows, units: Units) -> None:
        super().__init__(rows)
        self.units = units

    def map(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in the units of training."""
        return self.units.convert(rows)


def converted(rows: np.ndarray, units: Units | None) -> Any:
    """Return rows in the units of training, without a copy."""
    return rows if units is None else ConvertedRows(rows, units)


def choose_units(
    statistics: Statistics, layout: Layout, dtype: np.dtype, *, takes_gaps: bool = False
) -> Units | None:
    """Return the units of training, None for those of X.

    Parameters
    ----------
    statistics : Statistics
        Of the training rows, in the units of X.
    layout : Layout
        The shape of a sample.
    dtype : numpy.dtype
        Type of the computation.
    takes_gaps : bool, default=False
        Whether rows may have gaps, which are to be filled in every column of a table:
        each then has a scale of its own.
    """
    ratio = _ratio_of_channels(statistics, layout)
    if takes_gaps and layout.image_shape is None:
        deviation = np.sqrt(statistics.variance)
        ratio = np.where(deviation > 0, deviation, statistics.scale) / statistics.scale
    lost = np.finfo(dtype).eps * np.abs(statistics.mean).max()
    is_far = lost > _LOST_DIGITS * statistics.scale
    if not _is_moderate(statistics.scale):
        ratio = ratio * statistics.scale
    if not is_far and (ratio == 1).all():
        return None
    return Units(statistics.mean, ratio)


def _is_moderate(scale: float) -> bool:
    """Tell whether squares of values of a scale are in the range of float32."""
    return 1e-12 < scale < 1e12


def _ratio_of_channels(statistics: Statistics, layout: Layout) -> np.ndarray:
    """Return the scale of the channel of each feature, divided by that of X."""
    ratio = np.ones(layout.n_features)
    if layout.image_shape is None or layout.image_shape[0] == 1:
        return ratio
    n_channels = layout.image_shape[0]
    shape = (-1, n_channels) if layout.channels_last else (n_channels, -1)
    axis = 0 if layout.channels_last else 1
    scales = np.sqrt(statistics.variance.reshape(shape).mean(axis=axis))
    varies = scales > 0
    if not varies.any() or scales[varies].max() < _OTHER_UNITS * scales[varies].min():
        return ratio
    scales = np.where(varies, scales, statistics.scale) / statistics.scale
    per_feature = np.expand_dims(scales, axis)
    return np.broadcast_to(per_feature, ratio.reshape(shape).shape).reshape(-1).copy()
