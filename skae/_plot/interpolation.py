"""Displays of interpolations: between two samples, and between four."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from skae._blending import blend, find_blender, interpolate, mix
from skae._model.blending import as_batch
from skae._plot.axes import check_matplotlib
from skae._plot.cells import describe_samples, find_limits, sample_style
from skae._plot.columns import (
    MOST_COLUMNS,
    SHOWN,
    column_names,
    draw_columns,
    largest,
)
from skae._plot.grid import Line, _GridDisplay, label_columns, write_notes

_KINDS = ("content", "representation")
_SHARE = "share of the second sample"
_SUPPORTED = 0.05  # p-value from which a code is among those of the data
_SUPPORT = f"p: p-value of the code, in bold red below {_SUPPORTED}"


class InterpolationDisplay(_GridDisplay):
    """Interpolations between two samples, one line for each kind of interpolation.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Rows whose columns have names are drawn as dots, with a line for each column, from
    its lowest value at the left of a cell to its highest at the right, which stand
    beside its name. Of more than 30 columns, those 15 are drawn in which the kinds of
    interpolation differ most.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    walks : dict of str to array-like of shape (n_pairs, n_steps, ...)
        The interpolations of each kind, such as ``"content"`` and
        ``"representation"``, between the same pairs and with the same number of steps.

    limits : (float, float), default=None
        Lowest and highest value to draw. None is the range of the samples drawn;
        colours within [0, 1] or [0, 255] keep that range.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Layout of a sample, as in the estimators.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with a channel axis
        in the position given by `layout`, which is the first if `layout` is None. Flat
        rows without an image shape are drawn as curves.

    feature_names : list of str or None, default=None
        Names of the columns of flat rows. None draws rows as curves.

    support : array-like of shape (n_pairs, n_steps) or None, default=None
        The p-value of each code, as :func:`skae.interpolate` returns it with
        `return_support`. It is written below the interpolation by representation, in
        bold red where it is below 0.05: there the interpolation has left the data.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    support_texts_ : list of matplotlib Text
        The p-values, those of the first pair first; empty without `support`.

    artists_ : ndarray of shape (n_pairs * n_kinds, n_steps, n_artists)
        The image of each cell, or a curve for each channel. The lines of the first pair
        come first. Of named columns the shape is ``(n_kinds, n_pairs * n_steps, 1)``,
        and the cells of the first pair come first.

    See Also
    --------
    interpolate : Interpolations as arrays.
    BlendDisplay : A grid between four samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, InterpolationDisplay
    >>> X = load_digits().images / 16
    >>> ae = AutoencoderTransformer(16, max_epochs=5, random_state=0).fit(X)
    >>> display = InterpolationDisplay.from_estimator(ae, X[0], X[1], n_steps=5)
    >>> display.artists_.shape
    (2, 5, 1)
    """

    def __init__(
        self,
        walks,
        *,
        limits=None,
        layout=None,
        image_shape=None,
        feature_names=None,
        support=None,
    ):
        super().__init__(layout=layout, image_shape=image_shape)
        self.walks = walks
        self.limits = limits
        self.feature_names = feature_names
        self.support = support

    def plot(self, ax=None, *, sample_kw=None):
        """Draw the interpolations.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        InterpolationDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        samples = {kind: np.asarray(x) for kind, x in self.walks.items()}
        n_pairs, n_steps, *shape = next(iter(samples.values())).shape
        notes = self._notes(n_pairs, n_steps)
        title = f"{_SHARE}\n{_SUPPORT}" if notes else _SHARE
        if self.feature_names is not None:
            rows = {kind: x.reshape(-1, *shape) for kind, x in samples.items()}
            self._plot_columns(ax, rows, sample_kw)
            label_columns(self.ax_, _shares(n_steps) * n_pairs, title)
            self.support_texts_ = self._write_below(notes)
            return self
        cells = {
            kind: self._to_cells(x.reshape(-1, *shape)) for kind, x in samples.items()
        }
        limits = self.limits or find_limits(*cells.values())
        style = sample_style(next(iter(cells.values())), sample_kw)
        lines = [
            Line(
                kind,
                x[pair * n_steps : (pair + 1) * n_steps],
                limits,
                style,
                notes[pair * n_steps : (pair + 1) * n_steps]
                if kind == "representation"
                else (),
            )
            for pair in range(n_pairs)
            for kind, x in cells.items()
        ]
        self.support_texts_ = self._draw(
            ax, lines, group=len(cells), labels=_shares(n_steps), title=title
        )
        return self

    def _notes(self, n_pairs, n_steps):
        """Return the p-values of all codes as text, with their styles."""
        if self.support is None or "representation" not in self.walks:
            return []
        support = np.asarray(self.support, dtype=np.float64)
        if support.shape != (n_pairs, n_steps):
            raise ValueError(
                f"support has shape {support.shape}, but the interpolations are "
                f"{n_pairs} of {n_steps} steps. Pass an array of shape "
                f"({n_pairs}, {n_steps})."
            )
        left = {"color": "C3", "fontweight": "bold"}
        return [
            (f"p={_rounded(p)}", left if p < _SUPPORTED else {"color": "0.4"})
            for p in support.ravel()
        ]

    def _write_below(self, notes):
        """Write notes below the cells of columns."""
        bottom, top = self.ax_.get_ylim()
        if notes:
            self.ax_.set_ylim(bottom + 0.8, top)
        return write_notes(self.ax_, notes, bottom)

    def _plot_columns(self, ax, rows, sample_kw):
        """Draw a line for each column."""
        whole = np.stack(list(rows.values())).astype(np.float64)
        if len(self.feature_names) != whole.shape[2]:
            raise ValueError(
                f"feature_names has {len(self.feature_names)} entries, but the samples "
                f"have {whole.shape[2]} columns."
            )
        low, high = whole.min(axis=(0, 1)), whole.max(axis=(0, 1))
        half = np.where(high > low, (high - low) / 2, 1)
        shown = np.arange(whole.shape[2])
        title = ""
        if len(shown) > MOST_COLUMNS:
            differs = (np.ptp(whole, axis=0) / half).sum(axis=0)
            shown, title = largest(differs)[0], f"{SHOWN} of {len(shown)} columns"
        places = (whole[..., shown] - (low + high)[shown] / 2) / half[shown]
        names = [
            f"{self.feature_names[j]}  {_short(low[j])} to {_short(high[j])}"
            for j in shown
        ]
        self.ax_, self.artists_ = draw_columns(
            ax, dict(zip(rows, places, strict=True)), names, None, sample_kw
        )
        self.ax_.set_ylabel(title)
        self.figure_ = self.ax_.figure

    @classmethod
    def from_estimator(
        cls,
        estimator,
        x1,
        x2,
        n_steps=7,
        *,
        path="linear",
        through=None,
        kinds=_KINDS,
        layout=None,
        image_shape=None,
        ax=None,
        sample_kw=None,
    ):
        """Interpolate between samples and draw the interpolations.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform` and `inverse_transform`: an autoencoder
            of skae, a Pipeline, a PCA. Of an :class:`~skae.AnomalyDetector`, p-values
            of the codes are written below them.

        x1, x2 : array-like of the shape of one sample or of shape (n_pairs, ...)
            Both ends of the interpolation. If one is a single sample and the other a
            batch, the sample is paired with each row of the batch.

        n_steps : int, default=7
            Number of samples in an interpolation, both ends included.

        path : {"linear", "spherical", "projected", "data"}, default="linear"
            Path between the two codes.

        through : array-like of shape (n_others, ...) or None, default=None
            The samples that path ``"data"`` passes.

        kinds : tuple of str, default=("content", "representation")
            Kinds of interpolation, from top to bottom: ``"content"`` averages the
            samples themselves, ``"representation"`` interpolates between their codes
            and decodes the result.

        layout : {"channels_first", "channels_last", "signal"} or None, default=None
            Layout of a sample, as in the estimators. If both `layout` and
            `image_shape` are None, those of `estimator` are used.

        image_shape : tuple of int or None, default=None
            Shape of the image in a flat row: ``(height, width)``, or with a channel
            axis in the position given by `layout`, which is the first if `layout` is
            None. Flat rows without an image shape are drawn as curves.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        InterpolationDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        kinds = _check_kinds(kinds)
        blender = _find_blender(estimator, "interpolate")
        shapes, has_support = blender.shapes, blender.support is not None
        representation = interpolate(
            estimator,
            x1,
            x2,
            n_steps,
            path=path,
            through=through,
            return_support=has_support,
        )
        support = None
        if has_support:
            representation, support = representation
            support = np.atleast_2d(support)
        batch, is_one = as_batch(x1, shapes, "x1")
        if is_one and as_batch(x2, shapes, "x2")[1]:
            x1, representation = batch, representation[np.newaxis]
        shares = np.linspace(0, 1, n_steps)
        content = [blend(estimator, x1, x2, share, kind="content") for share in shares]
        found = {"content": np.stack(content, axis=1), "representation": representation}
        layout, image_shape, limits = describe_samples(
            estimator, np.concatenate([content[0], content[-1]]), layout, image_shape
        )
        is_named = getattr(estimator, "feature_names_in_", None) is not None
        if content[0].ndim > 2 or layout is not None or image_shape is not None:
            is_named = False
        names = column_names(estimator, content[0].shape[1]) if is_named else None
        display = cls(
            {kind: found[kind] for kind in kinds},
            limits=limits,
            layout=layout,
            image_shape=image_shape,
            feature_names=names,
            support=support,
        )
        return display.plot(ax, sample_kw=sample_kw)


class BlendDisplay(_GridDisplay):
    """Grid of blends between four samples, one at each corner.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    blends : array-like of shape (n_steps, n_steps, ...)
        The blends, from the upper left to the lower right corner.

    limits : (float, float), default=None
        Lowest and highest value to draw. None is the range of the samples drawn;
        colours within [0, 1] or [0, 255] keep that range.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Layout of a sample, as in the estimators.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with a channel axis
        in the position given by `layout`, which is the first if `layout` is None. Flat
        rows without an image shape are drawn as curves.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    artists_ : ndarray of shape (n_steps, n_steps, n_artists)
        The image of each cell, or a curve for each channel.

    See Also
    --------
    mix : The blends as arrays.
    InterpolationDisplay : Interpolations between two samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, BlendDisplay
    >>> X = load_digits().images / 16
    >>> ae = AutoencoderTransformer(16, max_epochs=5, random_state=0).fit(X)
    >>> display = BlendDisplay.from_estimator(ae, X[:4], n_steps=5)
    >>> display.artists_.shape
    (5, 5, 1)
    """

    def __init__(self, blends, *, limits=None, layout=None, image_shape=None):
        super().__init__(layout=layout, image_shape=image_shape)
        self.blends = blends
        self.limits = limits

    def plot(self, ax=None, *, sample_kw=None):
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        BlendDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        blends = np.asarray(self.blends)
        n_steps = len(blends)
        cells = self._to_cells(blends.reshape(-1, *blends.shape[2:]))
        limits = self.limits or find_limits(cells)
        style = sample_style(cells, sample_kw)
        shares = _shares(n_steps)
        lines = [
            Line(share, x, limits, style)
            for share, x in zip(shares, np.split(cells, n_steps), strict=True)
        ]
        title = "share of the right corners"
        self._draw(ax, lines, group=n_steps, labels=shares, title=title)
        self.ax_.set_ylabel("share of the lower corners")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        n_steps=5,
        *,
        kind="representation",
        layout=None,
        image_shape=None,
        ax=None,
        sample_kw=None,
    ):
        """Blend four samples and draw the grid between them.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform` and `inverse_transform`: an autoencoder
            of skae, a Pipeline, a PCA.

        X : array-like of shape (4, ...)
            The corners: upper left, upper right, lower left and lower right.

        n_steps : int, default=5
            Number of blends along each side, corners included.

        kind : {"representation", "content"}, default="representation"
            Whether the codes or the samples themselves are mixed.

        layout : {"channels_first", "channels_last", "signal"} or None, default=None
            Layout of a sample, as in the estimators. If both `layout` and
            `image_shape` are None, those of `estimator` are used.

        image_shape : tuple of int or None, default=None
            Shape of the image in a flat row: ``(height, width)``, or with a channel
            axis in the position given by `layout`, which is the first if `layout` is
            None. Flat rows without an image shape are drawn as curves.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        BlendDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        if kind not in _KINDS:
            raise ValueError(
                f"kind={kind!r} is not known. Choose 'representation' or 'content'."
            )
        X, is_one = as_batch(X, _find_blender(estimator, "blend").shapes, "X")
        if is_one or len(X) != 4:
            raise ValueError(
                f"X has {len(X)} sample(s), but the corners are 4: upper left, upper "
                "right, lower left and lower right."
            )
        right = np.tile(np.linspace(0, 1, n_steps), n_steps)
        low = np.repeat(np.linspace(0, 1, n_steps), n_steps)
        weights = np.stack(
            [(1 - low) * (1 - right), (1 - low) * right, low * (1 - right), low * right]
        ).T
        corners = blend(estimator, X, X, kind="content")
        if kind == "content":
            blends = np.tensordot(weights, corners, axes=1)
        else:
            blends = mix(estimator, X, weights)
        layout, image_shape, limits = describe_samples(
            estimator, corners, layout, image_shape
        )
        display = cls(
            blends.reshape(n_steps, n_steps, *blends.shape[1:]),
            limits=limits,
            layout=layout,
            image_shape=image_shape,
        )
        return display.plot(ax, sample_kw=sample_kw)


def _find_blender(estimator, function):
    """Return the blender of an estimator, if its samples can be drawn."""
    blender = find_blender(estimator)
    if blender.restore is not None:
        raise TypeError(
            "The samples are rows of a data frame, which cannot be drawn as images or "
            f"curves. Use skae.{function}, which gives a frame."
        )
    return blender


def _short(value):
    """Return three digits of a number."""
    return f"{float(f'{value:.3g}'):g}"


def _rounded(p):
    """Return a p-value with two digits, so that 0.046 does not become 0.05."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def _shares(n_steps):
    return [f"{share:.2g}" for share in np.linspace(0, 1, n_steps)]


def _check_kinds(kinds):
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if not kinds or set(kinds) - set(_KINDS):
        raise ValueError(
            f"kinds={kinds!r} must hold 'content', 'representation' or both."
        )
    return kinds
