"""Shared by all displays: the check for matplotlib, axes, and default styles."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError with instructions if matplotlib is not installed.

    Parameters
    ----------
    caller : str
        Name of the method that needs matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install skae[plot]."
        ) from error


def merge_style(artist: Any, defaults: dict, given: dict | None) -> dict:
    """Return keyword arguments for matplotlib: those given, and defaults.

    Parameters
    ----------
    artist : type
        Class of the artist. It has aliases of keywords, such as ``c`` of ``color``.
    defaults : dict
        Defaults, by their full names.
    given : dict or None
        Keyword arguments of the user.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(given or {}, artist)}


def single_axes(ax: Any, figsize: tuple[float, float] | None = None) -> Any:
    """Return the axes to draw on, those of a new figure if None.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes of the user.
    figsize : (float, float) or None
        Width and height of a new figure, in inches.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(figsize=figsize, layout="compressed")[1]
    if not isinstance(ax, plt.Axes):
        raise TypeError(
            f"ax must be one matplotlib Axes or None, but got {type(ax).__name__}. "
            "Pass one of those that plt.subplots returns."
        )
    return ax


def panel_axes(ax: Any, n_panels: int) -> tuple[Any, np.ndarray]:
    """Divide axes into panels.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Area of the panels; it is switched off. If None, a new figure is created.
    n_panels : int
        Number of panels. Up to three are in one row, and four in two rows.

    Returns
    -------
    ax : matplotlib Axes
        The divided axes.
    panels : ndarray of shape (n_panels,)
        The axes of the panels.
    """
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    n_columns = 2 if n_panels == 4 else min(n_panels, 3)
    n_lines = -(-n_panels // n_columns)
    ax = single_axes(ax, (0.6 + 3.4 * n_columns, 0.2 + 2.6 * n_lines))
    if ax.get_subplotspec() is None or not ax.axison:
        raise ValueError(
            "ax cannot be divided into panels: it is no subplot, or was divided "
            "before. Pass fresh axes of plt.subplots."
        )
    ax.set_axis_off()
    grid = GridSpecFromSubplotSpec(
        n_lines, n_columns, subplot_spec=ax.get_subplotspec()
    )
    panels = [ax.figure.add_subplot(grid[i]) for i in range(n_panels)]
    return ax, np.array(panels, dtype=object)


def few_whole_numbers(panels: Any) -> None:
    """Use few, integer ticks on the horizontal axes, for units or epochs.

    Parameters
    ----------
    panels : iterable of matplotlib Axes
        The axes.
    """
    from matplotlib.ticker import MaxNLocator

    for panel in panels:
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
