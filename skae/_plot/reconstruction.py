"""Display of samples, their reconstructions and the errors."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length, check_scalar
from sklearn.utils.validation import check_is_fitted

from skae._blending import find_blender
from skae._estimators.base import BaseAutoencoder
from skae._estimators.fitting import checked_rows
from skae._estimators.opening import open_model
from skae._estimators.planning import random_source
from skae._model.blending import as_batch
from skae._plot.axes import check_matplotlib
from skae._plot.cells import are_images, find_limits, known_layout, sample_style
from skae._plot.columns import column_units, describe_columns, draw_columns, largest
from skae._plot.grid import Line, _GridDisplay, label_columns


class ReconstructionDisplay(_GridDisplay):
    """Samples, their reconstructions and the errors, below each other.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Images are drawn in the range of values of the originals. Rows and signals are drawn
    as curves, with a colour for each channel of a signal. The errors are absolute
    values, averaged over the channels of an image. They have a separate range, which
    their label gives. The label below each sample is its mean squared error.

    Rows whose columns have names are drawn as dots, with a line for each column, the
    one with the largest error first: hollow dots are originals, filled ones
    reconstructions. Each column is in units of its standard deviation, around its mean,
    and so is the mean squared error. Of more than 30 columns, 15 are drawn.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The original samples.

    reconstructed : array-like of the shape of X
        Their reconstructions.

    corrupted : array-like of the shape of X, default=None
        The input of the reconstruction, if it differs from the originals.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Layout of a sample, as in the estimators.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with a channel axis
        in the position given by `layout`, which is the first if `layout` is None. Flat
        rows without an image shape are drawn as curves.

    feature_names : list of str or None, default=None
        Names of the columns of flat rows. None draws rows as curves.

    center, scale : array-like of shape (n_features,) or None, default=None
        Mean and standard deviation of each named column. None is those of X.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    artists_ : ndarray of shape (n_lines, n_samples, n_artists)
        The image of each cell, or a curve for each channel. The lines are the
        originals, the corrupted samples, if any, the reconstructions and the errors. Of
        named columns they are the dots, and the lines between dots.

    See Also
    --------
    InterpolationDisplay : Interpolations between two samples.
    ColumnScoresDisplay : How well each column is reconstructed, over all samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder, ReconstructionDisplay
    >>> X = load_digits().images / 16
    >>> ae = DenoisingAutoencoder(32, max_epochs=5, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(ae, X, n_samples=6)
    >>> display.artists_.shape  # four lines, as the corrupted samples are shown
    (4, 6, 1)
    """

    def __init__(
        self,
        X,
        reconstructed,
        *,
        corrupted=None,
        layout=None,
        image_shape=None,
        feature_names=None,
        center=None,
        scale=None,
    ):
        super().__init__(layout=layout, image_shape=image_shape)
        self.X = X
        self.reconstructed = reconstructed
        self.corrupted = corrupted
        self.feature_names = feature_names
        self.center = center
        self.scale = scale

    def plot(self, ax=None, *, sample_kw=None, error_kw=None):
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        error_kw : dict, default=None
            Keyword arguments for the errors, likewise.

        Returns
        -------
        ReconstructionDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        samples = {"original": self.X}
        if self.corrupted is not None:
            samples["corrupted"] = self.corrupted
        samples["reconstruction"] = self.reconstructed
        for name, x in samples.items():
            if np.shape(x) != np.shape(self.X):
                raise ValueError(
                    f"The {name} has shape {np.shape(x)}, but X has shape "
                    f"{np.shape(self.X)}. Pass as many samples of the same shape."
                )
        if self.feature_names is not None:
            return self._plot_columns(ax, samples, sample_kw, error_kw)
        cells = {name: self._to_cells(x) for name, x in samples.items()}
        original, reconstruction = cells["original"], cells["reconstruction"]
        limits, style = find_limits(*cells.values()), sample_style(original, sample_kw)
        lines = [Line(name, x, limits, style) for name, x in cells.items()]
        difference = reconstruction.astype(float) - original
        error = np.abs(difference)
        if are_images(error):
            error = error.mean(axis=-1, keepdims=True)
            error_kw = {"cmap": "magma", **(error_kw or {})}
        largest = error.max()
        name = f"absolute error\n0 to {_short(largest)}"
        style = sample_style(error, error_kw)
        lines.append(Line(name, error, (0, largest or 1), style))
        mean_squared = (difference.reshape(len(difference), -1) ** 2).mean(axis=1)
        labels = [_short(value) for value in mean_squared]
        self._draw(
            ax, lines, group=len(lines), labels=labels, title="mean squared error"
        )
        return self

    def _plot_columns(self, ax, samples, sample_kw, error_kw):
        """Draw a line for each column."""
        rows = {name: np.asarray(x, dtype=np.float64) for name, x in samples.items()}
        given = {
            "feature_names": self.feature_names,
            "center": self.center,
            "scale": self.scale,
        }
        n_features = rows["original"].shape[-1]
        for name, values in given.items():
            if values is not None and len(values) != n_features:
                raise ValueError(
                    f"{name} has {len(values)} entries, but X has {n_features} columns."
                )
        center, scale = column_units(rows["original"])
        center = center if self.center is None else np.asarray(self.center)
        scale = scale if self.scale is None else np.asarray(self.scale)
        scaled = {name: (x - center) / scale for name, x in rows.items()}
        squares = (scaled["reconstruction"] - scaled["original"]) ** 2
        shown, title = largest(np.sqrt(np.nan_to_num(squares)).sum(axis=0))
        # Noise may be far from all rows: its dots are then at the edge.
        ends = ("original", "reconstruction")
        far = np.nanmax(np.abs([scaled[name][:, shown] for name in ends])) or 1.0
        self.ax_, self.artists_ = draw_columns(
            ax,
            {name: x[:, shown] / far for name, x in scaled.items()},
            [self.feature_names[j] for j in shown],
            ends,
            sample_kw,
            error_kw,
        )
        self.ax_.set_ylabel(title)
        self.figure_ = self.ax_.figure
        labels = [_short(np.nanmean(row)) for row in squares]
        label_columns(self.ax_, labels, "mean squared error, in standard deviations")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_samples=8,
        corrupted="auto",
        layout=None,
        image_shape=None,
        random_state=None,
        ax=None,
        sample_kw=None,
        error_kw=None,
    ):
        """Reconstruct samples and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform` and `inverse_transform`: an autoencoder
            of skae, a Pipeline, a PCA.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout of the training samples, or flattened. If `estimator`
            was fitted to a frame, each column is drawn in units of its standard
            deviation in X.

        n_samples : int, default=8
            Maximum number of samples to draw. These are the first ones of X.

        corrupted : "auto", array-like of the shape of X or None, default="auto"
            Input of the reconstruction. ``"auto"`` corrupts X as in training if
            `estimator` is an autoencoder of skae with a corruption; None is X itself.

        layout : {"channels_first", "channels_last", "signal"} or None, default=None
            Layout of a sample, as in the estimators. If both `layout` and
            `image_shape` are None, those of `estimator` are used.

        image_shape : tuple of int or None, default=None
            Shape of the image in a flat row: ``(height, width)``, or with a channel
            axis in the position given by `layout`, which is the first if `layout` is
            None. Flat rows without an image shape are drawn as curves.

        random_state : int, RandomState instance or None, default=None
            Seed of the corruption. None is the `random_state` of the estimator.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        error_kw : dict, default=None
            Keyword arguments for the errors, likewise.

        Returns
        -------
        ReconstructionDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        blender = find_blender(estimator)
        if blender.restore is not None:
            raise TypeError(
                "The samples are rows of a data frame with columns that may be no "
                "numbers, which cannot be drawn. Use skae.ColumnScoresDisplay, or "
                "skae.tabular.column_errors."
            )
        shapes = blender.shapes
        whole = as_batch(X, shapes, "X")[0]
        X = whole[:n_samples]
        if isinstance(corrupted, str):
            corrupted = _add_noise(estimator, X, random_state, corrupted)
        elif corrupted is not None:
            corrupted = as_batch(corrupted, shapes, "corrupted")[0][:n_samples]
            check_consistent_length(X, corrupted)
        seen = X if corrupted is None else corrupted
        if hasattr(X, "iloc") and not hasattr(seen, "iloc"):  # the names that fit saw
            seen = type(X)(seen, index=X.index, columns=X.columns)
        reconstructed = np.asarray(blender.decode(blender.encode(seen)))
        # Flat or with an image shape: the one with more axes.
        shape = max(X.shape, reconstructed.shape, key=len)
        layout, image_shape = known_layout(
            estimator, math.prod(shape[1:]), layout, image_shape
        )
        units = {}
        if len(shape) == 2 and layout is None and image_shape is None:
            units = describe_columns(estimator, whole)
        display = cls(
            np.asarray(X).reshape(shape),
            reconstructed.reshape(shape),
            corrupted=None if corrupted is None else np.reshape(corrupted, shape),
            layout=layout,
            image_shape=image_shape,
            **units,
        )
        return display.plot(ax, sample_kw=sample_kw, error_kw=error_kw)


def _add_noise(estimator, X, random_state, corrupted):
    if corrupted != "auto":
        raise ValueError(
            f"corrupted={corrupted!r} is not known. Pass 'auto', None, or the "
            "corrupted samples themselves."
        )
    if not isinstance(estimator, BaseAutoencoder):
        return None
    model = open_model(estimator)
    if model.net.corruption is None:
        return None
    rows = checked_rows(X, estimator, model)
    noisy = model.corrupt(rows, random_source(estimator, random_state))
    return model.to_samples(noisy)


def _short(value):
    """Return two digits of a number: 4100 rather than 4.1e+03."""
    return f"{float(f'{value:.2g}'):g}"
