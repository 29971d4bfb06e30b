"""What all displays share: matplotlib at hand, axes to draw on, style over defaults."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError that says how to install matplotlib, where it is missing.

    Parameters
    ----------
    caller : str
        Name of what needs it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install skae[plot]."
        ) from error


def merge_style(artist: Any, defaults: dict, given: dict | None) -> dict:
    """Return keywords for matplotlib: the given ones, and defaults for the rest.

    Parameters
    ----------
    artist : type
        The class of what is drawn. It knows that ``c`` is short for ``color``.
    defaults : dict
        By their full names.
    given : dict or None
        What the user asks for.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(given or {}, artist)}


def single_axes(ax: Any, figsize: tuple[float, float] | None = None) -> Any:
    """Return the axes to draw on, on a new figure if there are none.

    Parameters
    ----------
    ax : matplotlib Axes or None
        What the user gave.
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
        Bounds of the panels; it is switched off. None is a new figure.
    n_panels : int
        How many. Up to three stand beside each other.

    Returns
    -------
    ax : matplotlib Axes
        What was divided.
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
    """Let the horizontal axes of panels count units or epochs.

    Parameters
    ----------
    panels : iterable of matplotlib Axes
        The axes.
    """
    from matplotlib.ticker import MaxNLocator

    for panel in panels:
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
