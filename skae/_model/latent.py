"""Mixtures of codes and paths between them: numpy arrays only."""

from __future__ import annotations

import numpy as np


def mix_pairs(start: np.ndarray, end: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``(1 - alpha) * start + alpha * end``, row by row.

    Parameters
    ----------
    start, end : ndarray of shape (n_pairs, ...)
        The two ends. Both are returned exactly, at alpha 0 and 1.
    alpha : ndarray of shape (n_pairs,)
        Weight of ``end``; values outside [0, 1] extrapolate.

    Returns
    -------
    ndarray of shape (n_pairs, ...)
    """
    alpha = alpha.reshape(-1, *(1,) * (start.ndim - 1)).astype(start.dtype, copy=False)
    return (1 - alpha) * start + alpha * end


def linear_path(start: np.ndarray, end: np.ndarray, n_steps: int) -> np.ndarray:
    """Return ``n_steps`` equal steps on the straight line, both ends included.

    Parameters
    ----------
    start, end : ndarray of shape (n_pairs, n_components)
        The two ends.
    n_steps : int
        Number of points, at least 2.

    Returns
    -------
    ndarray of shape (n_pairs, n_steps, n_components)
    """
    t = np.linspace(0, 1, n_steps, dtype=start.dtype)[:, np.newaxis]
    return (1 - t) * start[:, np.newaxis] + t * end[:, np.newaxis]


def spherical_path(start: np.ndarray, end: np.ndarray, n_steps: int) -> np.ndarray:
    r"""Return ``n_steps`` points on a spherical path between codes.

    The direction moves along the great circle and the length changes linearly [1]_,
    so that an interpolation between two samples of a normal prior stays as far from
    the origin as they are. Codes that are parallel, opposite or zero have no such
    circle, and are joined by a straight line.

    Parameters
    ----------
    start, end : ndarray of shape (n_pairs, n_components)
        The two ends.
    n_steps : int
        Number of points, at least 2.

    Returns
    -------
    ndarray of shape (n_pairs, n_steps, n_components)

    References
    ----------
    .. [1] White, "Sampling generative networks", 2016. :arxiv:`1609.04468`
    """
    path = linear_path(start, end, n_steps)
    lengths = np.stack([np.linalg.norm(code, axis=1) for code in (start, end)])
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (start * end).sum(axis=1) / lengths.prod(axis=0)
    curved = np.abs(cosine) < 1 - 1e-6  # False where a code is zero: NaN
    if not curved.any():
        return path
    start, end, lengths = start[curved], end[curved], lengths[:, curved]
    angle = np.arccos(cosine[curved])[:, np.newaxis, np.newaxis]
    t = np.linspace(0, 1, n_steps, dtype=path.dtype)[np.newaxis, :, np.newaxis]
    u, v = (
        (code / length[:, np.newaxis])[:, np.newaxis]
        for code, length in zip((start, end), lengths, strict=True)
    )
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    first, last = lengths[:, :, np.newaxis, np.newaxis]
    path[curved] = ((1 - t) * first + t * last) * direction
    path[:, 0][curved], path[:, -1][curved] = start, end
    return path


PATHS = {"linear": linear_path, "spherical": spherical_path}
