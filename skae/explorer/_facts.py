"""What the scripts of the page know: the protocol between Python and JavaScript."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypedDict

import numpy as np

from skae._data.layout import Layout
from skae._plot.cells import find_limits
from skae._plot.projection import far_apart, find_classes, principal_plane
from skae._plot.traversal import decode_along, effects_of_units
from skae.explorer._steps import Affine

_MOST_CHOSEN = 4  # samples that are blended
_INNER = 0.95  # share of the samples, around the mean code, that start may be among
_MOST_SLIDERS = 8
_REACH = 3  # standard deviations on both sides that a slider has at least
_MOST_DISTANCES = 2000  # samples whose nearest neighbour is looked for


class Unit(TypedDict):
    """A unit of the code with a slider."""

    unit: int  # its index
    effect: float  # change by one standard deviation, as a share of the variance
    low: float  # range of the slider
    high: float


class Colours(TypedDict):
    """Classes or numbers of samples."""

    classes: list[str] | None  # names of the classes; None for numbers
    values: list[
        Any
    ]  # index of the class, or the number, of each sample; None: unknown


class Column(TypedDict):
    """A column of a table, and how it is decoded from its part of a row."""

    name: str
    kind: str  # "float", "integer", "boolean", "category" or "date"
    start: int  # its part of a row
    stop: int
    mean: float  # of numbers, and of dates in days after the first
    deviation: float
    limits: list[float] | None  # to which numbers are clipped, and days after the first
    span: float  # range of the values, which decides how numbers are rounded
    categories: list[str] | None  # names, which cells refer to by their index
    decoded: list[int] | None  # category of each entry of the part; -1: a gap
    is_ordinal: bool  # whether the part is the number of an entry of `decoded` instead
    first: float | None  # the first date and the step of dates, in milliseconds
    step: float | None
    steps_in_day: float | None
    precision: str | None  # "day", "minute", "second" or "millisecond"
    is_utc: bool  # whether dates are in UTC, and not those of the clock


class WayBack(TypedDict):
    """How the steps of a pipeline before the autoencoder are undone: an affine map."""

    offset: list[float]
    scale: list[float] | None  # a factor for each feature
    is_matrix: bool  # or a matrix, which is packed as "matrix", one row per input


class Plane(TypedDict):
    """Which code belongs to a place of the map, and the mean code."""

    centre: list[float]  # code at the origin of the map
    directions: list[list[float]]  # code = centre + x * first + y * second
    mean: list[float]


class Drawing(TypedDict):
    """How samples are drawn."""

    kind: str  # "image", "signal" or "row"
    shape: list[int]  # channels, height and width of an image, or channels and length
    channels_last: bool
    low: list[float]  # range of values to draw: one, or one for each feature
    high: list[float]


class Facts(Plane, Drawing):
    """All that the scripts know, beside the packed arrays."""

    n_components: int
    names: list[str]  # of samples
    axes: list[str]  # of the map
    units: list[Unit]  # with sliders, the strongest first
    spacing: list[float]  # quantiles of the distances of nearest neighbours
    labels: Colours | None
    errors: list[float | None]  # loss of the reconstruction of each sample
    columns: list[Column] | None  # of a table; None: drawn, and not listed
    has_cells: bool  # whether "cells" holds the values of columns of samples
    back: WayBack | None
    levels: list[float] | None  # values of "samples", which then holds their indices
    start: list[int]  # samples that are selected when the page opens


def plane_facts(codes: np.ndarray) -> Plane:
    """Return which code belongs to a place of the map, and the mean code.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        The codes of the samples on the map.
    """
    n_components = codes.shape[1]
    mean = codes.mean(axis=0, dtype=np.float64)
    centre, directions = np.zeros(n_components), np.eye(n_components, 2)
    if n_components > 2:
        centre, directions, _ = principal_plane(codes)
    return {
        "mean": mean.tolist(),
        "centre": centre.tolist(),
        "directions": directions.T.tolist(),
    }


def unit_facts(
    decode: Any, codes: np.ndarray, samples: np.ndarray, scale: Any
) -> list[Unit]:
    """Return the strongest units, as a TraversalDisplay finds them.

    Parameters
    ----------
    decode : callable
        From codes to rows.
    codes : ndarray of shape (n_samples, n_components)
        The codes.
    samples : ndarray of shape (n_samples, n_features)
        The rows that they are codes of.
    scale : float or ndarray of shape (n_features,)
        Units in which their columns are compared.
    """
    moved = decode_along(decode, codes, (-1, 0, 1))
    effects = effects_of_units(moved, samples, scale)
    order = np.argsort(-effects, kind="stable")[:_MOST_SLIDERS]
    mean, reach = codes.mean(axis=0), _REACH * codes.std(axis=0)
    low = np.minimum(codes.min(axis=0), mean - reach)
    high = np.maximum(codes.max(axis=0), mean + reach)
    return [
        {
            "unit": int(j),
            "effect": float(effects[j]),
            "low": float(low[j]),
            "high": float(high[j] if high[j] > low[j] else low[j] + 1),
        }
        for j in order
    ]


def find_spacing(codes: np.ndarray, rng: np.random.RandomState) -> list[float]:
    """Return the percentiles of the distance of a code to its nearest neighbour.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        The codes. Of many, the neighbours of some are looked for, among all.
    rng : RandomState
        Draws these.
    """
    from sklearn.neighbors import NearestNeighbors

    some = codes
    if len(codes) > _MOST_DISTANCES:
        some = codes[rng.choice(len(codes), _MOST_DISTANCES, replace=False)]
    search = NearestNeighbors(n_neighbors=2).fit(codes)
    distances = search.kneighbors(some)[0][:, 1]
    return np.percentile(distances, np.arange(101)).tolist()


def label_facts(labels: Any) -> Colours:
    """Return classes and the index of each label, or numbers.

    Parameters
    ----------
    labels : ndarray or Series of shape (n_samples,)
        The labels. Those of a categorical Series are classes in its order. Gaps are
        in no class.
    """
    if hasattr(labels, "cat"):
        codes = [int(k) if k >= 0 else None for k in labels.cat.codes]
        return {"classes": [str(x) for x in labels.cat.categories], "values": codes}
    labels = np.asarray(labels)
    gaps = np.array([_is_gap(x) for x in labels] if labels.dtype == object else [])
    if gaps.any():
        known = label_facts(labels[~gaps])
        found = np.full(len(labels), None)
        found[~gaps] = known["values"]
        return {"classes": known["classes"], "values": found.tolist()}
    values, classes = find_classes(labels)
    if classes is None:
        return {"classes": None, "values": finite_or_none(values)}
    return {"classes": classes, "values": values.tolist()}


def _is_gap(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and bool(value != value)


def finite_or_none(values: np.ndarray) -> list[float | None]:
    """Return numbers as JSON has them, None where they are not finite."""
    return [float(x) if np.isfinite(x) else None for x in values]


def way_back_facts(way_back: Affine) -> WayBack:
    """Return how the steps before the autoencoder are undone."""
    is_matrix = way_back.is_matrix
    return {
        "offset": way_back.offset.tolist(),
        "scale": None if is_matrix else way_back.factor.tolist(),
        "is_matrix": is_matrix,
    }


def sample_facts(rows: np.ndarray, layout: Layout) -> Drawing:
    """Return how samples are drawn: their kind, their axes, the range of values.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        The samples.
    layout : Layout
        Their layout.
    """
    shape = layout.image_shape
    if shape is None:  # features may have different units
        kind, shape, low, high = "row", (1, layout.n_features), rows.min(0), rows.max(0)
    elif len(shape) == 2:
        kind, (low, high) = "signal", find_limits(rows[:, np.newaxis])
    else:  # only the number of channels matters for the range
        cells = rows.reshape(len(rows), -1, 1, shape[0])
        kind, (low, high) = "image", find_limits(cells)
    return {
        "kind": kind,
        "shape": list(shape),
        "channels_last": layout.channels_last,
        "low": np.atleast_1d(low).tolist(),
        "high": np.atleast_1d(high).tolist(),
    }


def find_start(codes: np.ndarray, labels: Colours | None) -> list[int]:
    """Return the samples that are selected when the page opens: far apart in the code.

    They are typical of classes, that is, nearest to the mean code of one. Without
    classes, they are among the 95 % of the samples that are nearest to the mean code.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        The codes.
    labels : Colours or None
        The labels of the samples.
    """
    typical = _typical_of_classes(codes, labels)
    if len(typical) < 2:
        distances = np.linalg.norm(codes - codes.mean(axis=0), axis=1)
        typical = np.flatnonzero(distances <= np.quantile(distances, _INNER))
    chosen = typical[far_apart(codes[typical], _MOST_CHOSEN)].tolist()
    return chosen if len(chosen) > 1 else [0, 1]


def _typical_of_classes(codes: np.ndarray, labels: Colours | None) -> np.ndarray:
    """Return a sample of each class, without repetition; none without classes."""
    if labels is None or labels["classes"] is None:
        return np.empty(0, dtype=int)
    values = np.array([-1 if k is None else k for k in labels["values"]])
    members = [np.flatnonzero(values == k) for k in np.unique(values[values >= 0])]
    near = [_nearest(codes, codes[i].mean(axis=0), i) for i in members]
    return np.array(near, dtype=int)


def _nearest(points: np.ndarray, target: np.ndarray, among: np.ndarray) -> int:
    return int(among[((points[among] - target) ** 2).sum(1).argmin()])
