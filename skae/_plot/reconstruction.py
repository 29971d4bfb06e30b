"""Originals above what is left of them after the code."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length, check_scalar
from sklearn.utils.validation import check_is_fitted

from skae._estimators.base import BaseAutoencoder, open_model
from skae._estimators.blending import find_blender
from skae._estimators.fitting import checked_rows
from skae._estimators.planning import random_source
from skae._model.blending import as_batch
from skae._plot.axes import check_matplotlib
from skae._plot.cells import (
    Line,
    are_pictures,
    draw_lines,
    find_limits,
    known_layout,
    label_columns,
    sample_style,
    to_cells,
)


class ReconstructionDisplay:
    """Samples, their reconstructions and the errors, below each other.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Pictures share the range of values of the originals. Rows and signals are drawn as
    curves, the channels of a signal in colours. The errors have a range of their own,
    which stands before them. They are absolute values, averaged over the channels of a
    picture. Below each sample stands its mean squared error.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The originals.

    reconstructed : array-like of the shape of X
        What stands for each of them.

    corrupted : array-like of the shape of X, default=None
        What was reconstructed, where it is not the originals.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        What the axes of a sample are, as in the estimators.

    image_shape : tuple of int or None, default=None
        Shape of the picture that a flat row holds: ``(height, width)``, or with
        channels where `layout` says, first if it is None. Flat rows without a shape
        are drawn as curves.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.

    figure_ : matplotlib Figure
        The figure around it.

    artists_ : ndarray of shape (n_lines, n_samples, n_artists)
        The image of each cell, or a curve for each channel. The lines are the
        originals, what is corrupted, if anything, the reconstructions and the errors.

    See Also
    --------
    InterpolationDisplay : Walks from one sample to another.

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
        self, X, reconstructed, *, corrupted=None, layout=None, image_shape=None
    ):
        self.X = X
        self.reconstructed = reconstructed
        self.corrupted = corrupted
        self.layout = layout
        self.image_shape = image_shape

    def plot(self, ax=None, *, sample_kw=None, error_kw=None):
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on. None is a new figure.

        sample_kw : dict, default=None
            Keywords of matplotlib's `imshow` for pictures, of its `plot` for rows and
            signals.

        error_kw : dict, default=None
            The same for the errors.

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
        cells = {
            name: to_cells(x, self.layout, self.image_shape)
            for name, x in samples.items()
        }
        original, reconstruction = cells["original"], cells["reconstruction"]
        for name, x in cells.items():
            if x.shape != original.shape:
                raise ValueError(
                    f"The {name} has shape {np.shape(samples[name])}, but X has shape "
                    f"{np.shape(self.X)}. Pass as many samples of the same shape."
                )
        limits, style = find_limits(*cells.values()), sample_style(original, sample_kw)
        lines = [Line(name, x, limits, style) for name, x in cells.items()]
        difference = reconstruction.astype(float) - original
        error = np.abs(difference)
        if are_pictures(error):
            error = error.mean(axis=-1, keepdims=True)
            error_kw = {"cmap": "magma", **(error_kw or {})}
        largest = error.max()
        name = f"absolute error\n0 to {_short(largest)}"
        style = sample_style(error, error_kw)
        lines.append(Line(name, error, (0, largest or 1), style))
        self.ax_, self.artists_ = draw_lines(ax, lines, group=len(lines))
        mean_squared = (difference.reshape(len(difference), -1) ** 2).mean(axis=1)
        labels = [_short(value) for value in mean_squared]
        label_columns(self.ax_, labels, "mean squared error")
        self.figure_ = self.ax_.figure
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
            Anything fitted with `transform` and `inverse_transform`: one of skae's, a
            Pipeline, a PCA.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        n_samples : int, default=8
            How many to draw at most: the first ones of X.

        corrupted : "auto", array-like of the shape of X or None, default="auto"
            What is reconstructed. ``"auto"`` is X with the noise of training, where
            `estimator` is an autoencoder of skae that has any; None is X itself.

        layout : {"channels_first", "channels_last", "signal"} or None, default=None
            What the axes of a sample are, as in the estimators. If it and
            `image_shape` are None, they are those of `estimator`.

        image_shape : tuple of int or None, default=None
            Shape of the picture that a flat row holds: ``(height, width)``, or with
            channels where `layout` says, first if it is None. Flat rows without a shape
            are drawn as curves.

        random_state : int, RandomState instance or None, default=None
            Draws the noise. None is the `random_state` of the estimator.

        ax : matplotlib Axes, default=None
            What to draw on. None is a new figure.

        sample_kw : dict, default=None
            Keywords of matplotlib's `imshow` for pictures, of its `plot` for rows and
            signals.

        error_kw : dict, default=None
            The same for the errors.

        Returns
        -------
        ReconstructionDisplay
            What was drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        shapes = find_blender(estimator).shapes
        X = as_batch(X, shapes, "X")[0][:n_samples]
        if isinstance(corrupted, str):
            corrupted = _add_noise(estimator, X, random_state, corrupted)
        elif corrupted is not None:
            corrupted = as_batch(corrupted, shapes, "corrupted")[0][:n_samples]
            check_consistent_length(X, corrupted)
        code = estimator.transform(X if corrupted is None else corrupted)
        reconstructed = np.asarray(estimator.inverse_transform(code))
        # Of two ways to shape a sample, the one that says more.
        shape = max(X.shape, reconstructed.shape, key=len)
        layout, image_shape = known_layout(
            estimator, math.prod(shape[1:]), layout, image_shape
        )
        display = cls(
            np.asarray(X).reshape(shape),
            reconstructed.reshape(shape),
            corrupted=None if corrupted is None else np.reshape(corrupted, shape),
            layout=layout,
            image_shape=image_shape,
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
    return model.layout.restore(noisy)


def _short(value):
    """Return two digits of a number: 4100 rather than 4.1e+03."""
    return f"{float(f'{value:.2g}'):g}"
