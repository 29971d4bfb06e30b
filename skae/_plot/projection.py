"""Positions of codes on a plane, and whether labels are classes or numbers."""

from __future__ import annotations

import re

import numpy as np

_MOST_CLASSES = 20  # most different whole numbers that are taken as classes
_MARGIN = 0.03  # of the range of codes, on each side
_GOLDEN = 0.618034  # its multiples modulo 1 cover [0, 1) evenly for any number


def find_places(codes: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """Return the positions of codes on a plane.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Two units are the two coordinates. More units are projected onto their first two
        principal components. One unit is the first coordinate, and the second one
        has no meaning.

    Returns
    -------
    axes : list of str
        Names of the two axes.
    places : ndarray of shape (n_samples, 2)
        Position of each code.
    shares : ndarray of shape (2,) or None
        Explained variance ratio of each principal component; None without them.
    """
    n_samples, n_components = codes.shape
    if n_components == 1:
        return ["unit 0", ""], np.column_stack([codes, spread(n_samples)]), None
    if n_components == 2:
        return ["unit 0", "unit 1"], codes, None
    centre, directions, shares = principal_plane(codes)
    axes = [
        f"principal component {i + 1} of the code ({share:.0%})"
        for i, share in enumerate(shares)
    ]
    return axes, (codes - centre) @ directions, shares


def find_extent(places: np.ndarray) -> tuple[float, float, float, float]:
    """Return the left, right, lower and upper end of places, with a margin.

    Parameters
    ----------
    places : ndarray of shape (n_samples, 2)
        Positions on a plane.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    margin = np.where(high > low, _MARGIN * (high - low), 0.5)
    (left, lower), (right, upper) = low - margin, high + margin
    return float(left), float(right), float(lower), float(upper)


def codes_of_grid(codes: np.ndarray, n_cells: int) -> np.ndarray:
    """Return the codes at the centres of cells that tile the plane of `find_places`.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        The codes, of at least two units.
    n_cells : int
        Number of cells along each side.

    Returns
    -------
    ndarray of shape (n_cells**2, n_components)
        From the upper left to the lower right. Off the plane of principal components,
        they are as the mean of the codes.
    """
    left, right, lower, upper = find_extent(find_places(codes)[1])
    centres = (np.arange(n_cells) + 0.5) / n_cells
    across = np.tile(left + centres * (right - left), n_cells)
    height = np.repeat(upper - centres * (upper - lower), n_cells)
    places = np.column_stack([across, height])
    if codes.shape[1] > 2:
        centre, directions, _ = principal_plane(codes)
        places = centre + places @ directions.T
    return places.astype(np.result_type(codes.dtype, np.float32))


def principal_plane(
    codes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the plane of the first two principal components of codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        The codes, of more than two units.

    Returns
    -------
    centre : ndarray of shape (n_components,)
        Their mean.
    directions : ndarray of shape (n_components, 2)
        The principal directions.
    shares : ndarray of shape (2,)
        Their explained variance ratios.
    """
    centre = codes.mean(axis=0, dtype=np.float64)
    centred = codes - centre
    variances, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, :-3:-1]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    shares = variances[:-3:-1] / (variances.sum() or 1)
    return centre, directions * signs, shares


def spread(n_samples: int) -> np.ndarray:
    """Return numbers that are spread evenly over [0, 1)."""
    return np.arange(n_samples) * _GOLDEN % 1


def find_classes(labels: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
    """Return whether labels are classes or numbers, and their values.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Strings and booleans are classes, and so are whole numbers of at most 20
        different values.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Index of the class of each sample, or its number.
    classes : list of str or None
        Names of the classes, in natural order; None for numbers.
    """
    if labels.dtype == object:  # of any types, which need not be comparable
        labels = labels.astype(str)
    found, numbers = np.unique(labels, return_inverse=True)
    if labels.dtype.kind not in "iuf":
        names = [str(name) for name in found]
        order = natural_order(names)
        return np.argsort(order)[numbers], [names[k] for k in order]
    if len(found) > _MOST_CLASSES or (labels != np.round(labels)).any():
        return labels, None
    return numbers, [f"{value:.0f}" for value in found]


def merge_rare(
    values: np.ndarray, names: list[str], n_most: int
) -> tuple[np.ndarray, list[str]]:
    """Merge the rarest classes into one, the last, so that there are at most `n_most`.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Index of the class of each sample.
    names : list of str
        Names of the classes.
    n_most : int
        The largest number of classes.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Index of the class of each sample.
    names : list of str
        Names of the classes. Those that remain are in the given order.
    """
    if len(names) <= n_most:
        return values, names
    counts = np.bincount(values, minlength=len(names))
    kept = np.sort(np.argsort(-counts, kind="stable")[: n_most - 1])
    index = np.full(len(names), len(kept))
    index[kept] = np.arange(len(kept))
    n_others = len(names) - len(kept)
    return index[values], [*(names[k] for k in kept), f"{n_others} others"]


def natural_order(names: list[str]) -> np.ndarray:
    """Return the indices that sort names as people do: "a 2" before "a 10".

    Parameters
    ----------
    names : list of str
        The names. If all are numbers, they are sorted as numbers.
    """

    def parts(name: str) -> list[str | int]:
        found = re.split(r"(\d+)", name)
        return [int(x) if k % 2 else x for k, x in enumerate(found)]

    keys: list = [parts(name) for name in names]
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        numbers = [np.nan]
    if not np.isnan(numbers).any():
        keys = numbers
    return np.array(sorted(range(len(names)), key=keys.__getitem__), dtype=int)


def far_apart(points: np.ndarray, n_chosen: int) -> list[int]:
    """Return the indices of points, each the farthest from those already chosen.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        Of these, the first is the farthest from their mean.
    n_chosen : int
        Number of indices, or fewer if there are fewer distinct points.
    """
    distances = np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    while len(chosen) < n_chosen and (not chosen or distances.max() > 0):
        chosen.append(int(distances.argmax()))
        to_last = np.linalg.norm(points - points[chosen[-1]], axis=1)
        distances = np.minimum(distances if len(chosen) > 1 else np.inf, to_last)
    return chosen
