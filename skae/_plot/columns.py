"""Rows of named columns, drawn as dots on a line for each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skae._plot.axes import merge_style, single_axes

_MOST_COLUMNS = 30
_SHOWN = 15  # of more columns
_MARKS = {
    "original": {"marker": "o", "markerfacecolor": "white", "color": "C0"},
    "corrupted": {"marker": "x", "color": "0.5"},
    "reconstruction": {"marker": "o", "color": "C0"},
}


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


def draw_columns(
    ax: Any,
    samples: dict[str, np.ndarray],
    names: Sequence[str],
    sample_kw: dict | None,
    error_kw: dict | None,
) -> tuple[Any, np.ndarray]:
    """Draw rows beside each other, with a line for each column.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes to draw on. If None, a new figure is created.
    samples : dict of str to ndarray of shape (n_samples, n_features)
        The samples by what they are, such as ``"original"`` and ``"reconstruction"``,
        in standard deviations from the mean.
    names : list of str
        Names of the columns.
    sample_kw, error_kw : dict or None
        Keyword arguments of matplotlib's `plot`, for the dots and for the lines between
        originals and reconstructions.

    Returns
    -------
    ax : matplotlib Axes
        The axes.
    artists : ndarray of shape (n_lines, n_samples, 1)
        The dots of each kind of sample, and the lines of the errors last.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    error = np.abs(samples["reconstruction"] - samples["original"])
    n_samples, n_features = error.shape
    order = np.argsort(-np.nan_to_num(error).sum(axis=0), kind="stable")
    shown = order if n_features <= _MOST_COLUMNS else order[:_SHOWN]
    # Noise may be far from all rows: its dots are then at the edge.
    inner = [samples[name][:, shown] for name in ("original", "reconstruction")]
    far = float(np.nanmax(np.abs(inner))) or 1.0
    ax = single_axes(
        ax, (2.2 + np.clip(1.3 * n_samples, 4, 10), 1.4 + 0.26 * len(shown))
    )
    heights = np.arange(len(shown))
    error_style = merge_style(Line2D, {"color": "C3", "linewidth": 1.5}, error_kw)
    styles = {
        name: merge_style(
            Line2D, {**_MARKS[name], "linestyle": "", "markersize": 4.5}, sample_kw
        )
        for name in samples
    }
    artists: list[list[list[Any]]] = [[] for _ in range(len(samples) + 1)]
    for i in range(n_samples):
        left, width, height = i + 0.03, 0.94, len(shown)
        ax.add_patch(Rectangle((left, -0.5), width, height, color="0.95", zorder=0))
        ax.plot([i + 0.5, i + 0.5], [-0.5, height - 0.5], color="0.8", linewidth=0.8)
        across = {
            name: i + 0.5 + 0.44 * np.clip(x[i, shown] / far, -1, 1)
            for name, x in samples.items()
        }
        ends = [across["original"], across["reconstruction"], np.full(height, np.nan)]
        artists[-1].append(
            ax.plot(np.stack(ends, 1).ravel(), np.repeat(heights, 3), **error_style)
        )
        for k, (name, x) in enumerate(across.items()):
            artists[k].append(ax.plot(x, heights, **styles[name]))
    ax.set(xlim=(0, n_samples), ylim=(len(shown) - 0.5, -0.5))
    ax.set_yticks(heights, [names[j] for j in shown])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.legend(
        [line[0][0] for line in artists],
        [*samples, "error"],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(artists) if n_samples > 3 else 2,
        frameon=False,
    )
    if len(shown) < n_features:
        ax.set_ylabel(f"the {_SHOWN} of {n_features} columns with the largest errors")
    else:
        ax.set_ylabel("columns, largest error first")
    return ax, np.array(artists, dtype=object)
