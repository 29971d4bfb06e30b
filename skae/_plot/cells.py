"""A cell is one sample to draw: an image, or the curves of a row or a signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skae._blending import real_steps
from skae._data.layout import LAYOUTS, infer_layout
from skae._estimators.base import BaseAutoencoder
from skae._estimators.opening import open_model
from skae._plot.axes import merge_style

_THUMBNAIL = 26  # height of a thumbnail, in points
_MOST_MARKERS = 16  # number of points of a curve up to which each has a marker


def known_layout(
    estimator: Any,
    n_features: int,
    layout: str | None,
    image_shape: Sequence[int] | None,
) -> tuple[str | None, Sequence[int] | None]:
    """Return `layout` and `image_shape` as given, or else those of an estimator.

    Parameters
    ----------
    estimator : estimator
        Any fitted estimator. An autoencoder of skae, also within a Pipeline or a
        detector, has a layout if samples of its size are images or signals.
    n_features : int
        Size of a flattened sample.
    layout, image_shape : str, tuple of int or None
        What the user specifies.
    """
    if layout is not None or image_shape is not None:
        return layout, image_shape
    if hasattr(estimator, "p_values"):  # a detector
        estimator = estimator.estimator_
    for step in real_steps(estimator):
        if not isinstance(step, BaseAutoencoder):
            continue
        known = open_model(step).layout
        if known.image_shape and known.n_features == n_features:
            channels, *rest = known.image_shape
            if len(rest) == 1:
                return "signal", known.image_shape
            if known.channels_last:
                return "channels_last", (*rest, channels)
            return "channels_first" if channels > 1 else None, known.image_shape
    return None, None


def to_cells(
    samples: Any, layout: str | None, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Convert samples to cells.

    Parameters
    ----------
    samples : array-like of shape (n_samples, ...)
        Flat rows, images or signals.
    layout, image_shape : str, tuple of int or None
        Layout of the samples, as in the estimators.

    Returns
    -------
    ndarray of shape (n_samples, height, width, channels) or (n_samples, channels, \
            length)
        Images have four axes. A flat row is a signal of one channel.
    """
    if layout is not None and layout not in LAYOUTS:
        expected = ", ".join(map(repr, LAYOUTS))
        raise ValueError(f"layout={layout!r} is not known. Choose None, {expected}.")
    samples = np.asarray(samples)
    found = infer_layout(samples.shape[1:], layout=layout, image_shape=image_shape)
    shape = found.image_shape or (1, found.n_features)
    n_samples = len(samples)
    if len(shape) == 2:
        return samples.reshape(n_samples, *shape)
    channels, height, width = shape
    if found.channels_last:
        return samples.reshape(n_samples, height, width, channels)
    return np.moveaxis(samples.reshape(n_samples, *shape), 1, -1)


def are_images(cells: np.ndarray) -> bool:
    """Return whether cells are images; otherwise they are curves."""
    return cells.ndim == 4


def _has_colours(image):
    return image.shape[-1] in (3, 4)


def find_limits(originals: np.ndarray, *others: np.ndarray) -> tuple[float, float]:
    """Return the lowest and the highest value to draw.

    Parameters
    ----------
    originals, *others : ndarray
        Cells. For curves the range covers all of them, for images only the originals.
        Colours within [0, 1] or [0, 255] keep that range.
    """
    shown = (originals,) if are_images(originals) else (originals, *others)
    low = min(float(np.nanmin(cells)) for cells in shown)
    high = max(float(np.nanmax(cells)) for cells in shown)
    if are_images(originals) and _has_colours(originals) and low >= 0:
        for usual in (1, 255):
            if high <= usual:
                return 0, usual
    return low, high if high > low else low + 1


def describe_samples(
    estimator: Any,
    originals: np.ndarray,
    layout: str | None,
    image_shape: Sequence[int] | None,
) -> tuple[str | None, Sequence[int] | None, tuple[float, float] | None]:
    """Return layout and image shape of samples, and their range if they are images.

    Parameters
    ----------
    estimator : estimator
        Any fitted estimator.
    originals : ndarray of shape (n_samples, ...)
        The samples.
    layout, image_shape : str, tuple of int or None
        What the user specifies.
    """
    n_features = math.prod(originals.shape[1:])
    layout, image_shape = known_layout(estimator, n_features, layout, image_shape)
    cells = to_cells(originals, layout, image_shape)
    return layout, image_shape, find_limits(cells) if are_images(cells) else None


def to_pixels(image: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return the array for `imshow`: grey values unchanged, colours within [0, 1].

    Parameters
    ----------
    image : ndarray of shape (height, width, channels)
        Three or four channels are colours. Any other number is averaged to grey.
    limits : (float, float)
        Lowest and highest value to draw.
    """
    if not _has_colours(image):
        return image[..., 0] if image.shape[-1] == 1 else image.mean(axis=-1)
    low, high = limits
    return ((image.astype(float) - low) / (high - low)).clip(0, 1)


def to_mosaic(cells: np.ndarray) -> np.ndarray:
    """Return one image of a square of images.

    Parameters
    ----------
    cells : ndarray of shape (n_side**2, height, width, channels)
        Images from the upper left to the lower right.

    Returns
    -------
    ndarray of shape (n_side * height, n_side * width, channels)
    """
    n_side = round(len(cells) ** 0.5)
    _, height, width, n_channels = cells.shape
    squares = cells.reshape(n_side, n_side, height, width, n_channels).swapaxes(1, 2)
    return squares.reshape(n_side * height, n_side * width, n_channels)


def to_points(curve: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return a curve of one channel in the unit square.

    Parameters
    ----------
    curve : ndarray of shape (length,)
        Values.
    limits : (float, float)
        Values at heights 0 and 1.

    Returns
    -------
    ndarray of shape (2, length)
        Positions from left to right, and heights.
    """
    low, high = limits
    n = len(curve)
    across = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
    return np.stack([across, (curve.astype(float) - low) / (high - low)])


def sample_style(cells: np.ndarray, given: dict | None) -> dict:
    """Return the keyword arguments of `imshow` for images, or of `plot` for curves.

    Parameters
    ----------
    cells : ndarray
        What `to_cells` returns.
    given : dict or None
        Keyword arguments of the user.
    """
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

    if are_images(cells):
        return merge_style(AxesImage, {"cmap": "gray"}, given)
    defaults: dict[str, Any] = {"linewidth": 1.0}
    if cells.shape[-1] <= _MOST_MARKERS:
        defaults |= {"marker": "o", "markersize": 2.5}
    return merge_style(Line2D, defaults, given)


def to_box(cell: np.ndarray, limits: tuple[float, float], style: dict) -> Any:
    """Return a thumbnail of one sample, for an annotation.

    Parameters
    ----------
    cell : ndarray of shape (height, width, channels) or (channels, length)
        The sample.
    limits : (float, float)
        Lowest and highest value to draw.
    style : dict
        What `sample_style` returns.

    Returns
    -------
    matplotlib OffsetBox
    """
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import DrawingArea, OffsetImage

    if cell.ndim == 3:
        style = {"vmin": limits[0], "vmax": limits[1], **style}
        norm = Normalize(style.pop("vmin"), style.pop("vmax"))
        zoom = _THUMBNAIL / max(cell.shape[:2])
        return OffsetImage(to_pixels(cell, limits), zoom=zoom, norm=norm, **style)
    width, height = 1.4 * _THUMBNAIL, _THUMBNAIL
    box = DrawingArea(width, height)
    for channel, curve in enumerate(cell):
        x, y = to_points(curve, limits)
        box.add_artist(Line2D(width * x, height * y, **channel_style(channel, style)))
    return box


def channel_style(channel: int, style: dict) -> dict:
    """Return the style of one curve: each channel has a colour, unless one is given."""
    return {"color": f"C{channel}", **style}
