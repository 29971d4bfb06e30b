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
from skae._plot.projection import find_classes, find_places
from skae.explorer._page import compress, fill_page, find_plotly, pack, pack_runtime

_CONSTRAINTS = {
    "path": [str, os.PathLike],
    "layout": [StrOptions(set(LAYOUTS)), None],
    "max_samples": [Interval(Integral, 2, None, closed="left")],
    "random_state": ["random_state"],
}
_MOST_LEVELS = 256  # different values in all samples up to which a byte tells them
_MOST_CHOSEN = 4  # samples that are blended


def write(
    ae,
    X,
    path,
    labels=None,
    *,
    layout=None,
    image_shape=None,
    max_samples=2000,
    random_state=0,
):
    r"""Write a page in which a browser explores the latent space of an autoencoder.

    The page is a map of the codes. Over a point it shows the sample and its
    reconstruction. Between two to four samples that are chosen by a click one drags a
    handle, whose place tells their weights :math:`w_k`, not negative and of sum 1. It
    shows the representation blend :math:`g(\sum_k w_k z_k)` beside the content blend
    :math:`\sum_k w_k x_k`, where :math:`z_k` is the code of the sample :math:`x_k` and
    :math:`g` the decoder, and the way from the first sample to the second in seven
    steps.

    The file holds all that this takes, the decoder included. It opens from a disk, in
    browsers of 2023 or later, and asks for nothing from the network. It weighs about
    7 MB, and more by what samples, codes and the decoder weigh when compressed.

    Parameters
    ----------
    ae : estimator
        A fitted autoencoder of skae.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples in the layout that `fit` saw, or flattened; at least two. The index of
        a DataFrame names them, else their number does.

    path : str or path-like
        Where to write, such as ``"explorer.html"``. A file that is there is replaced.

    labels : array-like of shape (n_samples,), default=None
        What is known of each sample, and colours the map. Strings, booleans and whole
        numbers, of up to 20 different values, are classes and get a legend. Other
        numbers get a colour bar, and NaN is grey.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        What the axes of X are, as in the estimators. If it and `image_shape` are
        None, they are those of `ae`.

    image_shape : tuple of int or None, default=None
        Shape of the picture that a flat row holds: ``(height, width)``, or with
        channels where `layout` says, first if it is None. Flat rows without a shape
        are drawn as curves, each feature between its least and largest value.

    max_samples : int, default=2000
        Most samples on the map; of more, as many are drawn at random. Beyond some
        thousands the map grows slow.

    random_state : int, RandomState instance or None, default=0
        Draws those samples. With an int, equal arguments give equal files.

    Returns
    -------
    None
        Nothing; the file is written as a whole or not at all.

    Raises
    ------
    TypeError
        If `ae` is no autoencoder of skae, such as a Pipeline that holds one.
    ValueError
        If there are fewer than two samples, or not a label for each, or if torch
        cannot translate a module of your own into ONNX.
    ImportError
        If plotly, onnx or onnxscript is missing: ``pip install skae[explorer]``.

    See Also
    --------
    skae.LatentSpaceDisplay : The map as a figure of matplotlib.

    Notes
    -----
    Of a code with more than two units the map shows the two principal components. A
    code of one unit is spread over the height of the map, which means nothing then.

    Pictures with three channels have colours, and with four, of which the last is left
    out; the mean of any other number is grey.

    Plotly draws the map, and ONNX Runtime Web runs the decoder, in float32.

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
    model = open_model(ae, "write(pipe[-1], pipe[:-1].transform(X), path)")
    given = {
        "path": path,
        "layout": layout,
        "max_samples": max_samples,
        "random_state": random_state,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="write")
    rows = checked_rows(X, ae, model)
    n_samples = len(rows)
    if n_samples < 2:
        raise ValueError("X has 1 sample, but a blend takes two. Pass more samples.")
    labels = _check_labels(labels, n_samples)
    drawn_as = model.layout
    if layout is not None or image_shape is not None:
        drawn_as = infer_layout(
            drawn_as.sample_shape, layout=layout, image_shape=image_shape
        )
    plotly = find_plotly()
    decoder = io.BytesIO()
    ae.to_onnx(decoder, part="decoder")

    chosen = _draw(n_samples, max_samples, check_random_state(random_state))
    rows = rows[chosen]
    codes = model.encode(rows).astype(np.float32)
    axes, places, _ = find_places(codes)
    colours = _describe_labels(None if labels is None else labels[chosen])
    levels, packed_rows = _pack_samples(rows)
    facts = {
        "n_components": codes.shape[1],
        "names": _names(X, chosen),
        "axes": axes,
        "levels": levels,
        "start": _start(codes, places, colours),
        **_describe_samples(rows, drawn_as),
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
    title = f"{type(ae).__name__}: {shown} by their code"
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
    """Return what each sample is called."""
    return [str(name) for name in (X.index[chosen] if hasattr(X, "iloc") else chosen)]


def _describe_samples(rows, layout):
    """Return how a sample is drawn: its kind, its axes, the range of its values."""
    shape = layout.image_shape
    if shape is None:  # features in units of their own
        kind, shape, low, high = "row", (1, layout.n_features), rows.min(0), rows.max(0)
    elif len(shape) == 2:
        kind, (low, high) = "signal", find_limits(rows[:, np.newaxis])
    else:  # only the number of channels matters for the range
        cells = rows.reshape(len(rows), -1, 1, shape[0])
        kind, (low, high) = "picture", find_limits(cells)
    return {
        "kind": kind,
        "shape": shape,
        "channels_last": layout.channels_last,
        "low": np.atleast_1d(low).tolist(),
        "high": np.atleast_1d(high).tolist(),
    }


def _describe_labels(labels):
    """Return classes and the place of each label in them, or amounts, or neither."""
    if labels is None:
        return {"classes": None, "labels": None}
    values, classes = find_classes(labels)
    if classes is None:
        amounts = [float(x) if np.isfinite(x) else None for x in values]
        return {"classes": None, "labels": amounts}
    return {"classes": classes, "labels": values.tolist()}


def _start(codes, places, colours):
    """Return which samples are chosen when the page opens: the typical of classes.

    Without classes they are those nearest to a deviation from the middle of the map.
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
    """Return the levels of the values, where they are few, and the packed rows.

    A byte for the level of each value loses nothing, and pictures have few levels.
    """
    rows = rows.astype(np.float32)
    levels = np.empty(0, np.float32)
    for row in rows:
        levels = np.union1d(levels, row)
        if len(levels) > _MOST_LEVELS:
            return None, pack(rows)
    numbers = [np.searchsorted(levels, row).astype(np.uint8) for row in rows]
    return levels.tolist(), compress(np.concatenate(numbers).tobytes())
