"""How samples are drawn: pictures, and rows and signals as curves, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skae._data.layout import LAYOUTS, infer_layout
from skae._estimators.base import BaseAutoencoder, open_model
from skae._estimators.blending import real_steps
from skae._plot.axes import merge_style, single_axes

_MARGIN = 0.03  # of a cell, on each side of what is drawn in it
_BETWEEN_GROUPS = 0.25
_THUMBNAIL = 26  # points, height of a small picture
_MOST_MARKERS = 16  # points of a curve up to which each is marked


# What a sample is ---------------------------------------------------------------------


def known_layout(
    estimator: Any,
    n_features: int,
    layout: str | None,
    image_shape: Sequence[int] | None,
) -> tuple[str | None, Sequence[int] | None]:
    """Return `layout` and `image_shape` as given, or as a fitted estimator knows them.

    Parameters
    ----------
    estimator : estimator
        Anything fitted. One of skae's, also within a Pipeline, may tell.
    n_features : int
        Size of a flattened sample.
    layout, image_shape : str, tuple of int or None
        What the user says.
    """
    if layout is not None or image_shape is not None:
        return layout, image_shape
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
            return "channels_first", known.image_shape
    return None, None


def to_cells(
    samples: Any, layout: str | None, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Bring samples into the one form that is drawn.

    Parameters
    ----------
    samples : array-like of shape (n_samples, ...)
        Flat rows, pictures or signals.
    layout, image_shape : str, tuple of int or None
        What they are, as in the estimators.

    Returns
    -------
    ndarray of shape (n_samples, height, width, channels) or (n_samples, channels, \
            length)
        Pictures have four axes. A flat row is a signal of one channel.
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


def are_pictures(cells: np.ndarray) -> bool:
    """Tell pictures from curves."""
    return cells.ndim == 4


def _has_colours(picture):
    return picture.shape[-1] in (3, 4)


def find_limits(originals: np.ndarray, *others: np.ndarray) -> tuple[float, float]:
    """Return the lowest and the highest value to draw.

    Parameters
    ----------
    originals, *others : ndarray
        Cells. Curves are drawn whole, pictures in the range of the originals. Colours
        within [0, 1] or [0, 255] keep that range.
    """
    shown = (originals,) if are_pictures(originals) else (originals, *others)
    low = min(float(np.nanmin(cells)) for cells in shown)
    high = max(float(np.nanmax(cells)) for cells in shown)
    if are_pictures(originals) and _has_colours(originals) and low >= 0:
        for usual in (1, 255):
            if high <= usual:
                return 0, usual
    return low, high if high > low else low + 1


def to_pixels(picture: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return what `imshow` takes: values of grey as they are, colours in [0, 1].

    Parameters
    ----------
    picture : ndarray of shape (height, width, channels)
        With 3 or 4 channels it has colours. The mean of any other number is grey.
    limits : (float, float)
        Lowest and highest value to draw.
    """
    if not _has_colours(picture):
        return picture[..., 0] if picture.shape[-1] == 1 else picture.mean(axis=-1)
    low, high = limits
    return ((picture.astype(float) - low) / (high - low)).clip(0, 1)


def to_points(curve: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return a curve of one channel in the unit square.

    Parameters
    ----------
    curve : ndarray of shape (length,)
        Values.
    limits : (float, float)
        What is drawn at heights 0 and 1.

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
    """Return the keywords for samples, of `imshow` or of `plot`.

    Parameters
    ----------
    cells : ndarray
        What is drawn.
    given : dict or None
        What the user asks for.
    """
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

    if are_pictures(cells):
        return merge_style(AxesImage, {"cmap": "gray"}, given)
    defaults: dict[str, Any] = {"linewidth": 1.0}
    if cells.shape[-1] <= _MOST_MARKERS:
        defaults |= {"marker": "o", "markersize": 2.5}
    return merge_style(Line2D, defaults, given)


def to_box(cell: np.ndarray, limits: tuple[float, float], style: dict) -> Any:
    """Return a small picture of one sample, for an annotation.

    Parameters
    ----------
    cell : ndarray of shape (height, width, channels) or (channels, length)
        The sample.
    limits : (float, float)
        Lowest and highest value to draw.
    style : dict
        What `sample_style` gives.

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
        box.add_artist(Line2D(width * x, height * y, **_channel_style(channel, style)))
    return box


# Lines of samples ---------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Samples that stand beside each other.

    Parameters
    ----------
    name : str
        What stands before the line.
    cells : ndarray
        What `to_cells` gives.
    limits : (float, float)
        Lowest and highest value to draw.
    style : dict
        Keywords of `imshow` or `plot`.
    """

    name: str
    cells: np.ndarray
    limits: tuple[float, float]
    style: dict


def draw_lines(ax: Any, lines: Sequence[Line], *, group: int) -> tuple[Any, np.ndarray]:
    """Draw lines of samples below each other, each sample in a cell of size one.

    Parameters
    ----------
    ax : matplotlib Axes or None
        What to draw on; a new figure if None.
    lines : list of Line
        From top to bottom.
    group : int
        Number of lines that belong together; there is space between groups.

    Returns
    -------
    ax : matplotlib Axes
        What was drawn on.
    artists : ndarray of shape (n_lines, n_columns, n_artists)
        The image of each cell, or a curve for each channel.
    """
    first = lines[0].cells
    n_lines, n_columns = len(lines), len(first)
    ratio = first.shape[1] / first.shape[2] if are_pictures(first) else 0.75
    width = min(max(9 / n_columns, 0.55), 1.1 if are_pictures(first) else 1.4)
    tops = np.arange(n_lines) + _BETWEEN_GROUPS * (np.arange(n_lines) // group)
    bottom = tops[-1] + 1
    ax = single_axes(ax, (1.5 + width * n_columns, 0.7 + width * ratio * bottom))
    draw = _draw_picture if are_pictures(first) else _draw_curves
    artists = [
        [draw(ax, column, top, cell, line) for column, cell in enumerate(line.cells)]
        for top, line in zip(tops, lines, strict=True)
    ]
    ax.set(xlim=(0, n_columns), ylim=(bottom, 0))
    ax.set_aspect(ratio if are_pictures(first) else "auto")
    ax.set_xticks([])
    ax.set_yticks(tops + 0.5, [line.name for line in lines])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax, np.array(artists, dtype=object)


def label_columns(ax: Any, labels: Sequence[str], title: str) -> None:
    """Write a label below each column.

    Parameters
    ----------
    ax : matplotlib Axes
        With lines of samples on it.
    labels : list of str
        One for each column.
    title : str
        What the labels are.
    """
    ax.set_xticks(np.arange(len(labels)) + 0.5, labels, fontsize="small")
    ax.set_xlabel(title)


def _draw_picture(ax, column, top, picture, line):
    low, high = line.limits
    image = ax.imshow(
        to_pixels(picture, line.limits),
        extent=(
            column + _MARGIN,
            column + 1 - _MARGIN,
            top + 1 - _MARGIN,
            top + _MARGIN,
        ),
        **{"vmin": low, "vmax": high, "aspect": "auto", **line.style},
    )
    return [image]


def _draw_curves(ax, column, top, curves, line):
    from matplotlib.patches import Rectangle

    left, top, size = column + _MARGIN, top + _MARGIN, 1 - 2 * _MARGIN
    ax.add_patch(Rectangle((left, top), size, size, color="0.95", zorder=0))
    inner, margin = 0.86 * size, 0.07 * size
    artists = []
    for channel, curve in enumerate(curves):
        across, height = to_points(curve, line.limits)
        artists += ax.plot(
            left + margin + inner * across,
            top + margin + inner * (1 - height),
            **_channel_style(channel, line.style),
        )
    return artists


def _channel_style(channel, style):
    return {"color": f"C{channel}", **style}
