"""Where codes stand on a plane, and what tells their samples apart."""

from __future__ import annotations

import numpy as np

_MOST_CLASSES = 20  # different whole numbers up to which they are names of classes
_GOLDEN = 0.618034  # multiples of it spread evenly over [0, 1), any number of them


def find_places(codes: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """Return where to draw codes on a plane.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Two units are drawn as they are, and of more the two principal components. One
        unit is spread over heights that mean nothing.

    Returns
    -------
    axes : list of str
        Names of the two axes.
    places : ndarray of shape (n_samples, 2)
        Where each code stands.
    shares : ndarray of shape (2,) or None
        Of the variance of the code, what each principal component holds.
    """
    n_samples, n_components = codes.shape
    if n_components == 1:
        return ["unit 0", ""], np.column_stack([codes, spread(n_samples)]), None
    if n_components == 2:
        return ["unit 0", "unit 1"], codes, None
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, :-3:-1]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    shares = variances[:-3:-1] / (variances.sum() or 1)
    axes = [
        f"principal component {i + 1} of the code ({share:.0%})"
        for i, share in enumerate(shares)
    ]
    return axes, centred @ (directions * signs), shares


def spread(n_samples: int) -> np.ndarray:
    """Return numbers between 0 and 1 that gather nowhere."""
    return np.arange(n_samples) * _GOLDEN % 1


def find_classes(labels: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
    """Tell classes from amounts.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Strings, booleans and whole numbers, of up to 20 different values, are classes.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The number of the class of each sample, or its amount.
    classes : list of str or None
        Names of the classes; None for amounts.
    """
    if labels.dtype == object:  # of any types, which need not be comparable
        labels = labels.astype(str)
    found, numbers = np.unique(labels, return_inverse=True)
    if labels.dtype.kind not in "iuf":
        return numbers, [str(name) for name in found]
    if len(found) > _MOST_CLASSES or (labels != np.round(labels)).any():
        return labels, None
    return numbers, [f"{value:.0f}" for value in found]
