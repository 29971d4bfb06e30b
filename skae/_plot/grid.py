"""A grid has a sample in each cell: drawing it, and the base of displays of grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skae._plot.axes import single_axes
from skae._plot.cells import are_images, channel_style, to_cells, to_pixels, to_points

_MARGIN = 0.03  # of a cell, on each side of its image or curves
_BETWEEN_GROUPS = 0.25  # of the height of a cell
_SMALLEST_IMAGE = 7  # pixels along a side
_NOTE = 0.17  # of an inch: the space of a line of small text below a cell


@dataclass(frozen=True)
class Line:
    """One line of a grid: samples from left to right.

    Parameters
    ----------
    name : str
        Label of the line, on its left.
    cells : ndarray
        What `to_cells` returns.
    limits : (float, float)
        Lowest and highest value to draw.
    style : dict
        Keyword arguments of `imshow` or `plot`.
    notes : list of (str, dict)
        Text below each cell, and its style; empty for none.
    """

    name: str
    cells: np.ndarray
    limits: tuple[float, float]
    style: dict
    notes: Sequence[tuple[str, dict]] = ()


def _draw_image(ax, column, top, image, line):
    low, high = line.limits
    artist = ax.imshow(
        to_pixels(image, line.limits),
        extent=(
            column + _MARGIN,
            column + 1 - _MARGIN,
            top + 1 - _MARGIN,
            top + _MARGIN,
        ),
        **{"vmin": low, "vmax": high, "aspect": "auto", **line.style},
    )
    return [artist]


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
            **channel_style(channel, line.style),
        )
    return artists


def write_notes(ax: Any, notes: Sequence[tuple[str, dict]], height: float) -> list[Any]:
    """Write small text below the cells of a line.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with a grid.
    notes : list of (str, dict)
        Text of each cell from left to right, and its style.
    height : float
        Upper end of the text.

    Returns
    -------
    list of matplotlib Text
    """
    style = {"ha": "center", "va": "top", "fontsize": "x-small"}
    return [
        ax.text(column + 0.5, height, text, **{**style, **own})
        for column, (text, own) in enumerate(notes)
    ]


def draw_lines(
    ax: Any, lines: Sequence[Line], *, group: int
) -> tuple[Any, np.ndarray, list[Any]]:
    """Draw a grid whose cells are of size one.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes to draw on. If None, a new figure is created.
    lines : list of Line
        From top to bottom.
    group : int
        Number of lines in a group; there is space between groups.

    Returns
    -------
    ax : matplotlib Axes
        The axes.
    artists : ndarray of shape (n_lines, n_columns, n_artists)
        The image of each cell, or a curve for each channel.
    texts : list of matplotlib Text
        The notes of all lines.
    """
    first = lines[0].cells
    n_lines, n_columns = len(lines), len(first)
    ratio = first.shape[1] / first.shape[2] if are_images(first) else 0.75
    width = min(max(9 / n_columns, 0.55), 1.1 if are_images(first) else 1.4)
    below = _NOTE / (width * ratio) * np.array([bool(line.notes) for line in lines])
    tops = np.arange(n_lines) + _BETWEEN_GROUPS * (np.arange(n_lines) // group)
    tops = tops + np.cumsum(below) - below
    bottom = tops[-1] + 1 + below[-1]
    ax = single_axes(ax, (1.5 + width * n_columns, 0.7 + width * ratio * bottom))
    draw = _draw_image if are_images(first) else _draw_curves
    artists = [
        [draw(ax, column, top, cell, line) for column, cell in enumerate(line.cells)]
        for top, line in zip(tops, lines, strict=True)
    ]
    texts = [
        text
        for top, line in zip(tops, lines, strict=True)
        for text in write_notes(ax, line.notes, top + 1)
    ]
    ax.set(xlim=(0, n_columns), ylim=(bottom, 0))
    ax.set_aspect(ratio if are_images(first) else "auto")
    ax.set_xticks([])
    ax.set_yticks(tops + 0.5, [line.name for line in lines])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax, np.array(artists, dtype=object), texts


def label_columns(ax: Any, labels: Sequence[str], title: str) -> None:
    """Write a label below each column.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with a grid.
    labels : list of str
        One for each column.
    title : str
        Label of the horizontal axis.
    """
    ax.set_xticks(np.arange(len(labels)) + 0.5, labels, fontsize="small")
    ax.set_xlabel(title)


class _GridDisplay:
    """Base of the displays that draw samples on a grid.

    Parameters
    ----------
    layout, image_shape : str, tuple of int or None
        Layout of the samples, as in the estimators.
    """

    def __init__(self, *, layout: str | None, image_shape: Sequence[int] | None):
        self.layout = layout
        self.image_shape = image_shape

    def _to_cells(self, samples: Any) -> np.ndarray:
        """Convert samples of shape (n_samples, ...) to cells."""
        return to_cells(samples, self.layout, self.image_shape)

    def _draw(
        self,
        ax: Any,
        lines: Sequence[Line],
        *,
        group: int,
        labels: Sequence[str],
        title: str,
    ) -> list[Any]:
        """Draw a grid and set the attributes of the display.

        Parameters
        ----------
        ax : matplotlib Axes or None
            Axes to draw on. If None, a new figure is created.
        lines : list of Line
            From top to bottom.
        group : int
            Number of lines in a group; there is space between groups.
        labels : list of str
            One for each column.
        title : str
            Label of the horizontal axis.

        Returns
        -------
        list of matplotlib Text
            The notes of all lines.
        """
        self.ax_, self.artists_, texts = draw_lines(ax, lines, group=group)
        label_columns(self.ax_, labels, title + self._hint(lines[0].cells))
        self.figure_ = self.ax_.figure
        return texts

    def _hint(self, cells: np.ndarray) -> str:
        """Return how to draw curves of flat rows as images, if they may be images."""
        side = math.isqrt(cells.shape[-1])
        is_flat = self.layout is None and self.image_shape is None
        if are_images(cells) or not is_flat or side < _SMALLEST_IMAGE:
            return ""
        if cells.shape[1:] != (1, side**2):
            return ""
        return f"\nif a row is an image: image_shape=({side}, {side})"
