"""One HTML file in which a browser explores a latent space, offline."""

from __future__ import annotations

import io
import os
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from skae._data.layout import LAYOUTS, infer_layout
from skae._estimators.base import open_model
from skae._estimators.fitting import checked_rows
from skae._persistence.atomic import write_whole
from skae._plot.cells import find_limits
from skae._plot.columns import column_names
from skae._plot.projection import find_classes, find_places
from skae.explorer._page import compress, fill_page, load_plotly, pack, pack_runtime

_CONSTRAINTS = {
    "path": [str, os.PathLike],
    "layout": [StrOptions(set(LAYOUTS)), None],
    "max_samples": [Interval(Integral, 2, None, closed="left")],
    "random_state": ["random_state"],
}
_MOST_LEVELS = 256  # different values in all samples that one byte can encode
_MOST_CHOSEN = 4  # samples that are blended


def write(
    estimator,
    X,
    path,
    labels=None,
    *,
    layout=None,
    image_shape=None,
    max_samples=2000,
    random_state=0,
):
    r"""Write an HTML page to explore the latent space of an autoencoder in a browser.

    The page shows a map of the codes. Point at a code to see the sample and its
    reconstruction. Click two to four samples to select them, then drag the handle
    between them: its position sets the blending weights :math:`w_k \ge 0`,
    :math:`\sum_k w_k = 1`. The page shows the representation blend
    :math:`g(\sum_k w_k z_k)` beside the content blend :math:`\sum_k w_k x_k`, where
    :math:`z_k` is the code of the sample :math:`x_k` and :math:`g` the decoder, and
    the interpolation from the first sample to the second in seven steps.

    The file contains all it needs, including the decoder. It opens from disk, in
    browsers of 2023 or later, and loads nothing from the network. Its size is about
    7 MB, plus the compressed samples, codes and decoder.

    Parameters
    ----------
    estimator : estimator
        A fitted autoencoder of skae.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples in the layout that `fit` saw, or flattened; at least two. They are named
        by the index of a DataFrame, otherwise by their number.

    path : str or path-like
        Where to write, such as ``"explorer.html"``. An existing file is replaced.

    labels : array-like of shape (n_samples,), default=None
        Label of each sample, shown as its colour. Strings, booleans and whole numbers,
        of up to 20 different values, are classes and get a legend. Other numbers get a
        colour bar, and NaN is grey.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Meaning of the axes of X, as in the estimators. If it and `image_shape` are
        None, those of `estimator` are used.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with channels on the
        axis that `layout` names, first if it is None. Flat rows without a shape are
        drawn as curves, each feature between its lowest and highest value. If
        `estimator` was fitted to a frame, tables have the values by column.

    max_samples : int, default=2000
        Maximum number of samples on the map; of more, a random subset is shown. With
        more than a few thousand the map becomes slow.

    random_state : int, RandomState instance or None, default=0
        Draws that subset. With an int, equal arguments give equal files.

    Returns
    -------
    None
        The file is written completely or not at all.

    Raises
    ------
    TypeError
        If `estimator` is not an autoencoder of skae, such as a Pipeline that contains
        one.
    ValueError
        If there are fewer than two samples, if there is not one label for each, or if
        torch cannot translate a custom module into ONNX.
    ImportError
        If plotly, onnx or onnxscript is missing: ``pip install skae[explorer]``.

    See Also
    --------
    skae.LatentSpaceDisplay : The map as a figure of matplotlib.

    Notes
    -----
    The map shows the first two principal components of a code of more than two units. A
    code of one unit is spread over the height of the map, which has no meaning then.

    Images with three channels are shown in colour, and so are images with four, whose
    last channel is ignored. Otherwise the mean of the channels is shown in grey.

    Plotly draws the map, and ONNX Runtime Web runs the decoder in float32.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder, explorer
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:200] / 16, y[:200]
    >>> vae = VariationalAutoencoder(2, max_epochs=1, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "digits.html")
    ...     explorer.write(vae, X, path, labels=y, image_shape=(8, 8))
    ...     print(f"{path.stat().st_size / 1e6:.0f} MB")
    7 MB
    """
    model = open_model(estimator, "write(pipe[-1], pipe[:-1].transform(X), path)")
    given = {
        "path": path,
        "layout": layout,
        "max_samples": max_samples,
        "random_state": random_state,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="write")
    rows = checked_rows(X, estimator, model)
    n_samples = len(rows)
    if n_samples < 2:
        raise ValueError("X has 1 sample, but a blend takes two. Pass more samples.")
    labels = _check_labels(labels, n_samples)
    drawn_as = model.layout
    if layout is not None or image_shape is not None:
        drawn_as = infer_layout(
            drawn_as.sample_shape, layout=layout, image_shape=image_shape
        )
    plotly = load_plotly()
    decoder = io.BytesIO()
    estimator.to_onnx(decoder, part="decoder")

    chosen = _draw(n_samples, max_samples, check_random_state(random_state))
    rows = rows[chosen]
    codes = model.encode(rows).astype(np.float32)
    rows = model.without_gaps(rows)
    axes, places, _ = find_places(codes)
    colours = _label_facts(None if labels is None else labels[chosen])
    levels, packed_rows = _pack_samples(rows)
    facts = {
        "n_components": codes.shape[1],
        "names": _names(X, chosen),
        "columns": _columns(estimator, drawn_as),
        "axes": axes,
        "levels": levels,
        "start": _start(codes, places, colours),
        **_sample_facts(rows, drawn_as),
        **colours,
    }
    packed = {
        "samples": packed_rows,
        "codes": pack(codes),
        "places": pack(places),
        "decoder": compress(decoder.getvalue()),
        "plotly": compress(plotly),
        **pack_runtime(),
    }
    shown = f"{len(chosen)} samples"
    if len(chosen) < n_samples:
        shown = f"{len(chosen)} of {n_samples} samples"
    title = f"{type(estimator).__name__}: {shown} by their code"
    write_whole(path, fill_page(title, facts, packed))


def _check_labels(labels, n_samples):
    """Return labels as a vector, or None."""
    if labels is None:
        return None
    labels = np.asarray(labels)
    if labels.shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"labels has shape {labels.shape}, but X has {n_samples} samples. Pass one "
            f"label for each: shape ({n_samples},)."
        )
    return labels.ravel()


def _draw(n_samples, max_samples, rng):
    if n_samples <= max_samples:
        return np.arange(n_samples)
    return np.sort(rng.permutation(n_samples)[:max_samples])


def _names(X, chosen):
    """Return the name of each sample."""
    return [str(name) for name in (X.index[chosen] if hasattr(X, "iloc") else chosen)]


def _columns(estimator, layout):
    """Return the names of the columns of rows, None if they have none."""
    is_named = getattr(estimator, "feature_names_in_", None) is not None
    if layout.image_shape is not None or not is_named:
        return None
    return column_names(estimator, layout.n_features)


def _sample_facts(rows, layout):
    """Return how samples are drawn: their kind, their axes, the range of values."""
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
        "shape": shape,
        "channels_last": layout.channels_last,
        "low": np.atleast_1d(low).tolist(),
        "high": np.atleast_1d(high).tolist(),
    }


def _label_facts(labels):
    """Return classes and the index of each label, or numbers, or neither."""
    if labels is None:
        return {"classes": None, "labels": None}
    values, classes = find_classes(labels)
    if classes is None:
        amounts = [float(x) if np.isfinite(x) else None for x in values]
        return {"classes": None, "labels": amounts}
    return {"classes": classes, "labels": values.tolist()}


def _start(codes, places, colours):
    """Return the samples that are selected when the page opens: typical of classes.

    Without classes they are those nearest to one deviation from the centre of the map.
    """
    n_classes = len(colours["classes"] or ())
    if n_classes > 1:
        labels = np.asarray(colours["labels"])
        of_class = [np.flatnonzero(labels == k) for k in range(n_classes)]
        near = [_nearest(codes, codes[i].mean(0), i) for i in of_class[:_MOST_CHOSEN]]
    else:
        corners = np.array([(-1, 1), (1, 1), (-1, -1), (1, -1)])
        targets = places.mean(0) + corners * places.std(0)
        near = [_nearest(places, target, np.arange(len(places))) for target in targets]
    distinct = list(dict.fromkeys(near))
    return distinct if len(distinct) > 1 else [0, 1]


def _nearest(points, target, among):
    return int(among[((points[among] - target) ** 2).sum(1).argmin()])


def _pack_samples(rows):
    """Return the distinct values, where they are few, and the packed rows.

    One byte for each value then loses nothing; most images have few distinct values.
    """
    rows = rows.astype(np.float32)
    levels = np.empty(0, np.float32)
    for row in rows:
        levels = np.union1d(levels, row)
        if len(levels) > _MOST_LEVELS:
            return None, pack(rows)
    numbers = [np.searchsorted(levels, row).astype(np.uint8) for row in rows]
    return levels.tolist(), compress(np.concatenate(numbers).tobytes())
