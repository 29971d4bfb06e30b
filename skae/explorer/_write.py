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

from skae._blending import as_floats
from skae._data.layout import LAYOUTS, Layout, infer_layout
from skae._persistence.atomic import write_whole
from skae._plot.columns import column_units
from skae._plot.projection import find_places
from skae.explorer._columns import encoded_columns, number_columns
from skae.explorer._facts import (
    Facts,
    find_spacing,
    find_start,
    finite_or_none,
    label_facts,
    plane_facts,
    sample_facts,
    unit_facts,
    way_back_facts,
)
from skae.explorer._page import compress, fill_page, pack, pack_runtime
from skae.explorer._samples import read_samples, take
from skae.explorer._steps import open_steps

_CONSTRAINTS = {
    "path": [str, os.PathLike],
    "title": [str, None],
    "layout": [StrOptions(set(LAYOUTS)), None],
    "max_samples": [Interval(Integral, 2, None, closed="left")],
    "random_state": ["random_state"],
}
_MOST_LEVELS = 256  # different values in all samples that one byte can encode


def write(
    estimator,
    X,
    path,
    labels=None,
    *,
    title=None,
    layout=None,
    image_shape=None,
    max_samples=20_000,
    random_state=0,
):
    r"""Write an HTML page to explore the latent space of an autoencoder in a browser.

    The page shows a map of the codes. Hover over a point to see the sample, its
    reconstruction and its five nearest neighbours; colours are the labels, the
    reconstruction error or a column of a table. Click an empty place, or drag the
    cross, to decode it; sliders move the cross along the units of the code that change
    most. Click two to four samples to blend them: a handle sets the weights
    :math:`w_k \ge 0`, :math:`\sum_k w_k = 1`, and the page shows the representation
    blend :math:`g(\sum_k w_k z_k)` beside the content blend :math:`\sum_k w_k x_k`,
    where :math:`z_k` is the code of the sample :math:`x_k` and :math:`g` the decoder,
    and the interpolation from the first sample to the second in seven steps.

    The file contains all it needs, including the decoder. It opens from disk, in
    browsers of 2023 or later, and loads nothing from the network. Its size is about
    5 MB, plus the compressed samples, codes and decoder.

    Read more in the :ref:`user guide <guide-explorer>`.

    Parameters
    ----------
    estimator : estimator
        A fitted autoencoder of skae, or a :class:`~sklearn.pipeline.Pipeline` that ends
        with one. Its first step may be a :class:`skae.tabular.TableEncoder`, or a
        :class:`skae.tabular.InvertibleColumnTransformer` of scalers, one-hot and
        ordinal encoders; the `inverse_transform` of all other steps has to be a factor
        and an offset for each column, as that of a scaler, or a matrix, as that of a
        PCA. An :class:`~skae.AnomalyDetector` or a :class:`~skae.LatentDensity` is
        shown as its estimator.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples that `estimator` takes, at least two. The page shows them, and all that
        is decoded, in their units; see the Notes on the reconstruction error. They are
        named by the index of a DataFrame, otherwise by their number.

    path : str or path-like
        Where to write, such as ``"explorer.html"``. An existing file is replaced.

    labels : array-like of shape (n_samples,), default=None
        Label of each sample, shown as its colour. Strings, booleans, whole numbers of
        up to 20 different values, and a Series of categories are classes and get a
        legend, in natural order or that of the categories. Other numbers get a colour
        bar. Gaps are grey, and are called missing.

    title : str or None, default=None
        Title of the page. None names the class of the autoencoder and the number of
        samples.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Meaning of the axes of X, as in the estimators. If it and `image_shape` are
        None, those of `estimator` are used.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with channels on the
        axis that `layout` names, first if it is None. Flat rows of a signal need
        ``layout="signal", image_shape=(channels, length)``. Flat rows without a shape
        are drawn as curves that stretch each feature to its own range, from its lowest
        to its highest value, so that a sine need not look like one. If `estimator` was
        fitted to a frame, tables have the values by column.

    max_samples : int, default=20000
        Maximum number of samples on the map; of more, a random subset is shown. The
        file contains all their values: 20,000 images of 28 x 28 grey pixels take about
        10 MB, those of 32 x 32 coloured pixels up to 80 MB.

    random_state : int, RandomState instance or None, default=0
        Draws that subset. With an int, equal arguments give equal files.

    Returns
    -------
    None
        The file is written completely or not at all.

    Raises
    ------
    TypeError
        If `estimator` is neither an autoencoder of skae nor a Pipeline that ends with
        one, or if a browser cannot undo a step of the Pipeline.
    ValueError
        If `estimator` has a condition, if there are fewer than two samples, if there is
        not one label for each, or if torch cannot translate a custom module into ONNX.
    ImportError
        If onnx or onnxscript is missing: ``pip install skae[explorer]``.

    See Also
    --------
    skae.LatentSpaceDisplay : The map as a figure of matplotlib.
    skae.TraversalDisplay : What each unit changes, and how the strongest are found.

    Notes
    -----
    The map shows the first two principal components of a code of more than two units; a
    place of it is then decoded from the plane through the mean code. A code of one unit
    is spread over the height of the map, which has no meaning then.

    The distance of the cross to the nearest code is compared with those of the samples
    to their nearest neighbours. If less than 5 % of these are as large, the page calls
    the place a gap.

    The reconstruction error of a sample is the negative of `score_samples`: the loss
    summed over its features, which with the default loss is half the summed squared
    error. It is in the units that the autoencoder sees, i.e. after the first steps of a
    Pipeline.

    Images with three channels are shown in colour, and so are images with four, whose
    last channel is ignored. Otherwise the mean of the channels is shown in grey.
    Signals that are compared share a range.

    ONNX Runtime Web runs the decoder in float32. It starts after the map is drawn.

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
    5 MB
    """
    steps = open_steps(estimator)
    given = {
        "path": path,
        "title": title,
        "layout": layout,
        "max_samples": max_samples,
        "random_state": random_state,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="write")
    rng = check_random_state(random_state)
    samples = read_samples(steps, X, max_samples, rng)
    labels = _check_labels(labels, samples.n_all)
    drawn_as = _find_layout(samples, layout, image_shape)
    decoder = io.BytesIO()
    steps.opened.autoencoder.to_onnx(decoder, part="decoder")

    codes, way_back = samples.codes, samples.way_back
    axes, places, _ = find_places(codes)
    columns, cells, scale = _find_columns(estimator, steps, X, samples, drawn_as)
    colours = None if labels is None else label_facts(labels[samples.chosen])
    levels, packed_samples = _pack_samples(samples.values)
    facts: Facts = {
        "n_components": codes.shape[1],
        "names": _names(X, samples.chosen),
        "axes": axes,
        **plane_facts(codes),
        "units": unit_facts(samples.decode, codes, samples.values, scale),
        "spacing": find_spacing(codes, rng),
        "labels": colours,
        "errors": finite_or_none(samples.model.losses(samples.rows)),
        "columns": columns,
        "has_cells": cells is not None,
        "back": None if way_back is None else way_back_facts(way_back),
        "levels": levels,
        "start": find_start(codes, colours),
        **sample_facts(samples.values, drawn_as),
    }
    packed = {
        "codes": pack(codes),
        "samples": packed_samples,
        "decoder": compress(decoder.getvalue()),
        **pack_runtime(),
    }
    if cells is not None:
        packed["cells"] = compress(cells.astype("<f8").tobytes())
    if way_back is not None and way_back.is_matrix:
        packed["matrix"] = pack(way_back.factor)
    title = _default_title(steps, samples) if title is None else title
    write_whole(path, fill_page(title, facts, places, packed))


def _check_labels(labels, n_samples):
    """Return labels as a vector or a Series of categories, or None."""
    if labels is None:
        return None
    if hasattr(labels, "cat") and len(labels) == n_samples:
        return labels.reset_index(drop=True)
    labels = np.asarray(labels)
    if labels.shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"labels has shape {labels.shape}, but X has {n_samples} samples. Pass one "
            f"label for each: shape ({n_samples},)."
        )
    return labels.ravel()


def _find_layout(samples, layout, image_shape):
    """Return the layout of the samples that are shown."""
    known, n_features = samples.model.layout, samples.values.shape[1]
    is_mixed = samples.way_back is not None and samples.way_back.is_matrix
    if is_mixed or known.n_features != n_features:
        known = Layout((n_features,))
    if layout is None and image_shape is None:
        return known
    return infer_layout(known.sample_shape, layout=layout, image_shape=image_shape)


def _find_columns(estimator, steps, X, samples, layout):
    """Return the columns of a frame, their values and their units, if there are any."""
    if steps.encoder is not None:
        return *encoded_columns(steps.encoder, take(X, samples.chosen)), 1.0
    names = getattr(estimator, "feature_names_in_", None)
    n_features = samples.values.shape[1]
    if names is None or layout.image_shape is not None or len(names) != n_features:
        return None, None, 1.0
    columns = number_columns([str(name) for name in names], samples.values)
    cells = as_floats(take(X, samples.chosen)) if samples.model.takes_gaps else None
    return columns, cells, column_units(samples.values)[1]


def _default_title(steps, samples):
    name, n_shown = type(steps.opened.autoencoder).__name__, len(samples.chosen)
    article = "an" if name[0] in "AEIOU" else "a"
    of_all = "" if n_shown == samples.n_all else f" of {samples.n_all:,}"
    return f"Latent space of {article} {name}: {n_shown:,}{of_all} samples"


def _names(X, chosen):
    """Return the name of each sample."""
    return [str(name) for name in (X.index[chosen] if hasattr(X, "iloc") else chosen)]


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
