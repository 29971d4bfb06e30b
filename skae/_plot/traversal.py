"""Display of what each unit of a code changes in the samples that it decodes to."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar

from skae._blending import find_blender
from skae._model.blending import as_batch
from skae._plot.axes import check_matplotlib
from skae._plot.cells import describe_samples, find_limits, sample_style
from skae._plot.columns import column_units, describe_columns, draw_columns, largest
from skae._plot.grid import Line, _GridDisplay, label_columns

_REACH = 2  # standard deviations to both sides
_TITLE = "standard deviations of the unit from the mean code"
_SHARE = "%: change by 1 deviation, of the variance"


class TraversalDisplay(_GridDisplay):
    r"""What each unit of a code changes, a line for each unit, the strongest first.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Unit :math:`j` moves from -2 to 2 of its standard deviations :math:`\sigma_j` over
    the samples, while the others stay at the mean code :math:`\bar z`. Its effect,
    below its name, is what one standard deviation changes, as a share of the variance
    of the samples:

    .. math:: \frac{\tfrac12 \sum_{s = \pm 1}
                    \| g(\bar z + s \sigma_j e_j) - g(\bar z) \|^2}
                   {\tfrac1n \sum_i \| x_i - \bar x \|^2}

    with the decoder :math:`g` and the unit vector :math:`e_j`. Of a PCA it is the
    explained variance ratio. Of other decoders the shares need not add up to 1, as a
    unit may act differently at other codes.

    Rows whose columns have names are drawn as dots, with a line for each column, the
    one that changes most first, and units beside each other: hollow dots are the lowest
    step, filled ones the highest. Each column is in units of its standard deviation,
    around its mean, and so are the effects. Of more than 30 columns, 15 are drawn.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    traversals : array-like of shape (n_units, n_steps, ...)
        The decoded samples of each unit, from its lowest to its highest value.

    offsets : array-like of shape (n_steps,)
        Distance of each step from the mean code, in standard deviations of the unit.

    units : list of str, default=None
        Names of the units. None is ``"unit 0"``, ``"unit 1"``, ...

    effects : array-like of shape (n_units,), default=None
        Effect of each unit, written below its name.

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

    center, scale : array-like of shape (n_features,) or None, default=None
        Mean and standard deviation of each named column. None is those of the
        traversals.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    artists_ : ndarray of shape (n_units, n_steps, n_artists)
        The image of each cell, or a curve for each channel. Of named columns the shape
        is ``(3, n_units, 1)``: the dots of the lowest and of the highest step, and the
        lines between them.

    See Also
    --------
    LatentDiagnosticsDisplay : Standard deviations of units.
    LatentSpaceDisplay : The plane of two units, decoded.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, TraversalDisplay
    >>> X = load_digits().images / 16
    >>> ae = AutoencoderTransformer(16, max_epochs=5, random_state=0).fit(X)
    >>> display = TraversalDisplay.from_estimator(ae, X, n_units=4)
    >>> display.artists_.shape
    (4, 7, 1)
    """

    def __init__(
        self,
        traversals,
        offsets,
        *,
        units=None,
        effects=None,
        limits=None,
        layout=None,
        image_shape=None,
        feature_names=None,
        center=None,
        scale=None,
    ):
        super().__init__(layout=layout, image_shape=image_shape)
        self.traversals = traversals
        self.offsets = offsets
        self.units = units
        self.effects = effects
        self.limits = limits
        self.feature_names = feature_names
        self.center = center
        self.scale = scale

    def plot(self, ax=None, *, sample_kw=None):
        """Draw the traversals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        TraversalDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        traversals = np.asarray(self.traversals)
        n_units, n_steps, *shape = traversals.shape
        if len(self.offsets) != n_steps:
            raise ValueError(
                f"offsets has {len(self.offsets)} entries, but the traversals have "
                f"{n_steps} steps."
            )
        names = self.units or [f"unit {j}" for j in range(n_units)]
        if self.effects is not None:
            names = [
                f"{name}\n{effect:.1%}"
                for name, effect in zip(names, self.effects, strict=True)
            ]
        if self.feature_names is not None:
            self._plot_columns(ax, traversals, names, sample_kw)
            return self
        cells = self._to_cells(traversals.reshape(-1, *shape))
        limits = self.limits or find_limits(cells)
        style = sample_style(cells, sample_kw)
        lines = [
            Line(name, x, limits, style)
            for name, x in zip(names, np.split(cells, n_units), strict=True)
        ]
        offsets = [_signed(offset) for offset in self.offsets]
        self._draw(ax, lines, group=n_units, labels=offsets, title=self._titled(_TITLE))
        return self

    def _titled(self, title):
        """Return a title that explains the effects, if any are written."""
        return title if self.effects is None else f"{title}\n{_SHARE}"

    def _plot_columns(self, ax, traversals, names, sample_kw):
        """Draw both ends of each unit, with a line for each column."""
        ends = traversals[:, [0, -1]].astype(np.float64)
        n_features = ends.shape[-1]
        if len(self.feature_names) != n_features:
            raise ValueError(
                f"feature_names has {len(self.feature_names)} entries, but the samples "
                f"have {n_features} columns."
            )
        center, scale = column_units(ends.reshape(-1, n_features))
        center = center if self.center is None else np.asarray(self.center)
        scale = scale if self.scale is None else np.asarray(self.scale)
        ends = (ends - center) / scale
        shown, title = largest(np.abs(ends[:, 1] - ends[:, 0]).sum(axis=0), "change")
        ends = ends[..., shown]
        far = np.abs(ends).max() or 1.0
        low, high = (f"at {_signed(self.offsets[i])} deviations" for i in (0, -1))
        self.ax_, self.artists_ = draw_columns(
            ax,
            {low: ends[:, 0] / far, high: ends[:, 1] / far},
            [self.feature_names[j] for j in shown],
            (low, high),
            sample_kw,
            {"color": "0.6"},
            hollow=[low],
            between="change",
        )
        self.figure_ = self.ax_.figure
        self.ax_.set_ylabel(title)
        label_columns(self.ax_, names, self._titled("moved unit"))

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_units=8,
        n_steps=7,
        layout=None,
        image_shape=None,
        ax=None,
        sample_kw=None,
    ):
        """Decode codes along each unit and draw the samples.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform` and `inverse_transform`: an autoencoder
            of skae, a Pipeline, a PCA.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            At least two samples, in the layout of the training samples, or flattened.
            The mean and the standard deviations are those of their codes. If
            `estimator` was fitted to a frame, each column is drawn in units of its
            standard deviation in X.

        n_units : int, default=8
            Maximum number of units to draw, those with the largest effect.

        n_steps : int, default=7
            Number of samples in a line. An odd number includes the mean code.

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
        TraversalDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_scalar(n_units, "n_units", Integral, min_val=1)
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        blender = find_blender(estimator)
        if blender.restore is not None:
            raise TypeError(
                "The samples are rows of a data frame with columns that may be no "
                "numbers, which cannot be drawn. Decode codes by `inverse_transform`, "
                "which gives a frame."
            )
        X, is_one = as_batch(X, blender.shapes, "X")
        if is_one or len(X) < 2:
            raise ValueError(
                f"X has {len(X)} sample(s), but units have no standard deviation over "
                "less than two. Pass more samples, such as those of `fit`."
            )
        codes = np.asarray(blender.encode(X))
        moved = decode_along(blender.decode, codes, (-1, 0, 1))
        shape = max(X.shape, moved.shape[:1] + moved.shape[2:], key=len)[1:]
        samples = np.asarray(X).reshape(-1, *shape)
        layout, image_shape, limits = describe_samples(
            estimator, samples, layout, image_shape
        )
        columns = {}
        if len(shape) == 1 and layout is None and image_shape is None:
            columns = describe_columns(estimator, samples)
        effects = effects_of_units(moved, samples, columns.get("scale", 1.0))
        order = np.argsort(-effects, kind="stable")[:n_units]
        offsets = np.linspace(-_REACH, _REACH, n_steps)
        traversals = decode_along(blender.decode, codes, offsets, order)
        display = cls(
            traversals.reshape(len(order), n_steps, *shape),
            offsets,
            units=[f"unit {j}" for j in order],
            effects=effects[order],
            limits=limits,
            layout=layout,
            image_shape=image_shape,
            **columns,
        )
        return display.plot(ax, sample_kw=sample_kw)


def decode_along(decode, codes, offsets, units=None):
    """Return the samples along units.

    Parameters
    ----------
    decode : callable
        From codes to samples.
    codes : ndarray of shape (n_samples, n_components)
        Codes, whose mean is moved by their standard deviations.
    offsets : sequence of float
        Steps, in standard deviations.
    units : ndarray of int or None, default=None
        The units. None is all.

    Returns
    -------
    ndarray of shape (n_units, n_steps, ...)
    """
    mean, std = codes.mean(axis=0, dtype=np.float64), codes.std(axis=0)
    units = np.arange(len(mean)) if units is None else units
    moved = np.tile(mean, (len(units), len(offsets), 1))
    for i, unit in enumerate(units):
        moved[i, :, unit] += np.asarray(offsets) * std[unit]
    dtype = np.result_type(codes.dtype, np.float32)
    samples = np.asarray(decode(moved.reshape(-1, len(mean)).astype(dtype)))
    return samples.reshape(*moved.shape[:2], *samples.shape[1:])


def effects_of_units(moved, samples, scale):
    """Return the change by one standard deviation, as a share of the variance.

    Parameters
    ----------
    moved : ndarray of shape (n_units, 3, ...)
        What :func:`decode_along` returns for the offsets -1, 0 and 1.
    samples : ndarray of shape (n_samples, ...)
        The samples, with NaN at gaps.
    scale : float or ndarray of shape (n_features,)
        What both are divided by.

    Returns
    -------
    ndarray of shape (n_units,)
    """
    moved = moved.reshape(*moved.shape[:2], -1).astype(np.float64) / scale
    below, centre, above = np.moveaxis(moved, 1, 0)
    squares = ((below - centre) ** 2 + (above - centre) ** 2).sum(axis=1) / 2
    rows = samples.reshape(len(samples), -1).astype(np.float64) / scale
    n_known = np.maximum(np.isfinite(rows).sum(axis=0), 1)
    deviations = rows - np.nansum(rows, axis=0) / n_known
    variance = (np.nansum(deviations**2, axis=0) / n_known).sum()
    return squares / (variance or 1)


def _signed(offset):
    return f"{round(offset, 9) + 0.0:.2g}"
