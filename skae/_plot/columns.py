"""Rows of named columns, drawn as dots on a line for each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skae._plot.axes import merge_style, single_axes

MOST_COLUMNS = 30
SHOWN = 15  # of more columns
_HOLLOW = {"marker": "o", "markerfacecolor": "white", "color": "C0"}
_FULL = {"marker": "o", "color": "C0"}
_CROSS = {"marker": "x", "color": "0.5"}


def column_names(estimator: Any, n_features: int) -> list[str]:
    """Return the names that an estimator has seen, or else numbers.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator.
    n_features : int
        Number of columns.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or len(names) != n_features:
        return [f"column {j}" for j in range(n_features)]
    return [str(name) for name in names]


def column_units(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and the standard deviations of columns, 1 for constant ones.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples, with NaN for gaps.
    """
    known = np.isfinite(X)
    n_known = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, X, 0).sum(axis=0) / n_known
    scale = np.sqrt((np.where(known, X - center, 0) ** 2).sum(axis=0) / n_known)
    return center, np.where(scale > 0, scale, 1)


def describe_columns(estimator: Any, X: Any) -> dict[str, Any]:
    """Return the names of columns, their means and deviations, if they have names.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator.
    X : array-like of shape (n_samples, n_features)
        Samples.
    """
    if getattr(estimator, "feature_names_in_", None) is None:
        return {}
    center, scale = column_units(np.asarray(X, dtype=np.float64))
    names = column_names(estimator, len(center))
    return {"feature_names": names, "center": center, "scale": scale}


def largest(sizes: np.ndarray, what: str = "error") -> tuple[np.ndarray, str]:
    """Return which columns are drawn, largest first, and what says so.

    Parameters
    ----------
    sizes : ndarray of shape (n_features,)
        By which columns are ordered, such as errors.
    what : str, default="error"
        What they are.
    """
    order = np.argsort(-np.nan_to_num(sizes), kind="stable")
    if len(sizes) <= MOST_COLUMNS:
        return order, f"columns, largest {what} first"
    return order[
        :SHOWN
    ], f"the {SHOWN} of {len(sizes)} columns with the largest {what}s"


def draw_columns(
    ax: Any,
    samples: dict[str, np.ndarray],
    names: Sequence[str],
    joined: tuple[str, str] | None,
    sample_kw: dict | None,
    error_kw: dict | None = None,
    *,
    hollow: Sequence[str] = ("original", "content"),
    between: str = "error",
) -> tuple[Any, np.ndarray]:
    """Draw rows beside each other, with a line for each column.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes to draw on. If None, a new figure is created.
    samples : dict of str to ndarray of shape (n_samples, n_columns)
        The samples by what they are, such as ``"original"`` and ``"reconstruction"``,
        with -1 at the left edge of a cell and 1 at the right one.
    names : list of str
        Names of the columns, from top to bottom.
    joined : (str, str) or None
        Which of the samples are joined by lines, the errors.
    sample_kw, error_kw : dict or None
        Keyword arguments of matplotlib's `plot`, for the dots and for these lines.
    hollow : list of str, default=("original", "content")
        Which of the samples have hollow dots.
    between : str, default="error"
        What the lines that join samples are.

    Returns
    -------
    ax : matplotlib Axes
        The axes.
    artists : ndarray of shape (n_lines, n_samples, 1)
        The dots of each kind of sample, and the lines of the errors last.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    n_samples, n_shown = next(iter(samples.values())).shape
    ax = single_axes(ax, (2.2 + np.clip(1.3 * n_samples, 4, 10), 1.4 + 0.26 * n_shown))
    heights = np.arange(n_shown)
    error_style = merge_style(Line2D, {"color": "C3", "linewidth": 1.5}, error_kw)
    points = {"linestyle": "", "markersize": 4.5}
    marks = {"corrupted": _CROSS, **dict.fromkeys(hollow, _HOLLOW)}
    styles = {
        name: merge_style(Line2D, {**marks.get(name, _FULL), **points}, sample_kw)
        for name in samples
    }
    artists: dict[str, list[Any]] = {name: [] for name in samples}
    if joined is not None:
        artists[between] = []
    for i in range(n_samples):
        left, width = i + 0.03, 0.94
        ax.add_patch(Rectangle((left, -0.5), width, n_shown, color="0.95", zorder=0))
        ax.plot([i + 0.5, i + 0.5], [-0.5, n_shown - 0.5], color="0.8", linewidth=0.8)
        across = {
            name: i + 0.5 + 0.44 * np.clip(x[i], -1, 1) for name, x in samples.items()
        }
        if joined is not None:
            ends = [*(across[name] for name in joined), np.full(n_shown, np.nan)]
            lines = np.stack(ends, axis=1).ravel(), np.repeat(heights, 3)
            artists[between].append(ax.plot(*lines, **error_style))
        for name, x in across.items():
            artists[name].append(ax.plot(x, heights, **styles[name]))
    ax.set(xlim=(0, n_samples), ylim=(n_shown - 0.5, -0.5))
    ax.set_yticks(heights, names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.legend(
        [line[0][0] for line in artists.values()],
        list(artists),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(artists) if n_samples > 3 else 2,
        frameon=False,
    )
    return ax, np.array(list(artists.values()), dtype=object)
