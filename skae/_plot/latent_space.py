"""Display of codes in the latent space."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length, check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skae._plot.axes import (
    check_matplotlib,
    merge_style,
    panel_axes,
    single_axes,
)
from skae._plot.cells import (
    are_images,
    find_limits,
    known_layout,
    sample_style,
    to_box,
    to_cells,
    to_mosaic,
    to_pixels,
)
from skae._plot.projection import (
    codes_of_grid,
    far_apart,
    find_classes,
    find_extent,
    find_places,
    merge_rare,
)

_TWO_PANELS = (11.5, 5.6)  # inches
_PALE = 0.35  # opacity of decoded images at no code
_LETTER = 0.085  # inches
_NAMES_IN_COLUMN = 16  # of the legend

# Colours of Okabe and Ito and a dark grey, told apart with any colour vision. With five
# shapes they are 35 marks; of more classes, the rarest share the last.
_COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#5a5a5a"]
_SHAPES = "o^sPD"
_MOST_MARKS = len(_COLORS) * len(_SHAPES)
_COLOR_OF_OTHERS = "#d0d4da"
_MOST_LABELS = 20  # classes whose names stand at their points


class LatentSpaceDisplay:
    """Scatter plot of codes, coloured by a label of each sample.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Two units are drawn as they are. More units are projected onto their first two
    principal components, and the labels of the axes give the explained variance ratios.
    A single unit is drawn on the horizontal axis, and `y` on the vertical one.

    With `decoded`, the images that the plane decodes to are drawn on it, beside the
    points and on the same scale. They are pale where no code lies: many of them next to
    each other are a gap.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        The codes.

    y : array-like of shape (n_samples,), default=None
        Label of each sample. Strings and booleans are classes, and so are whole numbers
        of at most 20 different values: they get a legend, and names at the medians of
        their points. Of more than 35 classes, the rarest share a grey mark. Other
        numbers get a colour bar.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...), default=None
        The samples, for the thumbnails.

    layout : {"channels_first", "channels_last", "signal"} or None, default=None
        Layout of a sample, as in the estimators.

    image_shape : tuple of int or None, default=None
        Shape of the image in a flat row: ``(height, width)``, or with a channel axis
        in the position given by `layout`, which is the first if `layout` is None. Flat
        rows without an image shape are drawn as curves.

    decoded : array-like of shape (n_cells, n_cells, ...) or None, default=None
        Images decoded on a grid that tiles the range of the codes, from the upper left
        to the lower right. They are drawn in the range of values of `X`, if it is
        given.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes. With `decoded`, they are switched off and divided into panels.

    axes_ : ndarray of shape (1,) or (2,)
        The axes of the points, and those of the decoded images, if any.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    scatter_ : matplotlib PathCollection
        The points.

    legend_ : matplotlib Legend or None
        Marks of the classes; None if there is no legend.

    texts_ : list of matplotlib Text
        Names of the classes at the medians of their points, if there are at most 20
        classes, two units and no thumbnails.

    colorbar_ : matplotlib Colorbar or None
        Colours of the numbers; None if there is no colour bar.

    thumbnails_ : list of matplotlib AnnotationBbox
        The thumbnails.

    plane_ : matplotlib AxesImage or None
        The decoded images, as one; None without `decoded`.

    explained_variance_ratio_ : ndarray of shape (2,) or None
        Fraction of the variance of the code that each axis explains; None if units are
        drawn as they are.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import LatentSpaceDisplay, VariationalAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> vae = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(vae, X, y)
    >>> display.ax_.get_xlabel()
    'unit 0'
    """

    def __init__(
        self, codes, *, y=None, X=None, layout=None, image_shape=None, decoded=None
    ):
        self.codes = codes
        self.y = y
        self.X = X
        self.layout = layout
        self.image_shape = image_shape
        self.decoded = decoded

    def plot(self, ax=None, *, thumbnails=None, scatter_kw=None, sample_kw=None):
        """Draw the codes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        thumbnails : int, default=None
            Number of samples that are drawn as thumbnails at their codes. They are
            chosen to be far from each other. None draws no thumbnails.

        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        codes = np.asarray(self.codes)
        if codes.ndim != 2:
            raise ValueError(
                f"codes has shape {codes.shape}, but (n_samples, n_components) is "
                "expected, as `transform` gives it."
            )
        n_most = _MOST_MARKS if codes.shape[1] > 1 else len(codes) + 1
        values, classes = _find_colours(self.y, len(codes), n_most)
        title = getattr(self.y, "name", None)
        is_new = ax is None
        names = classes or []
        n_columns = -(-len(names) // _NAMES_IN_COLUMN)
        widest = 0.5 + _LETTER * max(map(len, names), default=0)
        is_wide = n_columns * widest > 1.2  # inches
        wide = (5.2 + n_columns * widest, 4.8) if is_wide else None
        if self.decoded is None:
            self.ax_ = ax = single_axes(ax, wide)
            self.axes_ = np.array([ax], dtype=object)
        else:
            self.ax_, self.axes_ = panel_axes(single_axes(ax, _TWO_PANELS), 2)
            ax = self.axes_[0]
        self.figure_ = ax.figure
        self.legend_ = self.colorbar_ = None
        self.thumbnails_, self.texts_ = [], []
        labels, points, self.explained_variance_ratio_ = find_places(codes)
        if codes.shape[1] == 1 and values is not None:
            jitter = 0 if classes is None else 0.7 * (points[:, 1] - 0.5)
            points[:, 1] = values + jitter
            labels[1] = title or ""
        ax.set(xlabel=labels[0], ylabel=labels[1])
        self.plane_ = self._draw_plane(points, sample_kw)
        shapes = self._scatter(points, values, classes, scatter_kw)
        if codes.shape[1] == 1:
            if classes is not None or values is None:
                ax.set_yticks(np.arange(len(names)), names)
        elif names:
            self._add_legend(names, shapes, title, n_columns, is_new)
            is_flat = not hasattr(ax, "get_zlim")
            if is_flat and thumbnails is None and len(names) <= _MOST_LABELS:
                self._add_names(points, values, names)
        elif classes is None and values is not None:
            self.colorbar_ = self._add_colorbar(title)
        if thumbnails is not None:
            self._add_thumbnails(points, thumbnails, sample_kw)
        return self

    def _draw_plane(self, points, sample_kw):
        """Draw the decoded images on a panel, and give both panels their range."""
        if self.decoded is None:
            return None
        decoded = np.asarray(self.decoded)
        n_cells, shape = len(decoded), decoded.shape[2:]
        if decoded.shape[:2] != (n_cells, n_cells):
            raise ValueError(
                f"decoded has shape {decoded.shape}, but (n_cells, n_cells, ...) is "
                "expected: as many images along both sides."
            )
        images = _to_images(
            decoded.reshape(n_cells**2, *shape), self.layout, self.image_shape
        )
        height, width = images.shape[1:3]
        left, right, lower, upper = extent = find_extent(points)
        for panel in self.axes_:
            panel.set(
                box_aspect=height / width, xlim=(left, right), ylim=(lower, upper)
            )
        across = np.linspace(left, right, n_cells + 1)
        up = np.linspace(lower, upper, n_cells + 1)
        counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=[across, up])
        opacity = np.where(counts.T[::-1] > 0, 1, _PALE)
        originals = images
        if self.X is not None:
            originals = _to_images(self.X, self.layout, self.image_shape)
        low, high = limits = find_limits(originals)
        style = {
            "vmin": low,
            "vmax": high,
            "aspect": "auto",
            "extent": extent,
            "alpha": opacity.repeat(height, axis=0).repeat(width, axis=1),
            **sample_style(images, sample_kw),
        }
        ax = self.axes_[1]
        between = {"color": ax.get_facecolor(), "linewidth": 1.5, "zorder": 0.5}
        ax.vlines(across[1:-1], lower, upper, **between)
        ax.hlines(up[1:-1], left, right, **between)
        ax.set(
            xlabel=self.axes_[0].get_xlabel(), title="decoded, pale where no code lies"
        )
        return ax.imshow(to_pixels(to_mosaic(images), limits), **style)

    def _scatter(self, points, values, classes, scatter_kw):
        from matplotlib.collections import PathCollection
        from matplotlib.colors import ListedColormap

        # Small enough for many points to stay apart.
        style = {"s": np.clip(10000 / len(points), 4, 25), "linewidth": 0}
        if values is not None:
            style |= {"c": values, "cmap": "viridis"}
            if not {"c", "color"}.isdisjoint(scatter_kw or {}):
                raise ValueError(
                    "y sets the colours, and so does scatter_kw. Leave one of them "
                    "out; scatter_kw={'cmap': ...} chooses the colours of y."
                )
        if classes is not None:
            n = len(classes)
            colors = [_COLORS[k % len(_COLORS)] for k in range(n)]
            if n == _MOST_MARKS and classes[-1] not in np.asarray(self.y).astype(str):
                colors[-1] = _COLOR_OF_OTHERS
            style["cmap"] = ListedColormap(colors)
            if "norm" not in (scatter_kw or {}):
                style |= {"vmin": -0.5, "vmax": n - 0.5}
        style = merge_style(PathCollection, style, scatter_kw)
        self.scatter_ = self.axes_[0].scatter(*points.T, **style)
        n = len(classes or [])
        if "marker" in style:
            return [style["marker"]] * n
        shapes = [_SHAPES[k // len(_COLORS) % len(_SHAPES)] for k in range(n)]
        if n > len(_COLORS):
            paths = np.array([_path(shape) for shape in shapes], dtype=object)
            self.scatter_.set_paths(paths[values])
        return shapes

    def _add_legend(self, names, shapes, title, n_columns, is_new):
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=self.scatter_.to_rgba(k), marker=shape, linestyle="")
            for k, shape in enumerate(shapes)
        ]
        # Beside new axes: on them it would hide points.
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if is_new else {}
        self.legend_ = self.axes_[-1 if is_new else 0].legend(
            handles, names, title=title, ncols=n_columns, **place
        )

    def _add_names(self, points, values, names):
        from matplotlib.patheffects import withStroke

        ax = self.axes_[0]
        outline = [withStroke(linewidth=3, foreground=ax.get_facecolor())]
        style = {"ha": "center", "va": "center", "weight": "bold", "clip_on": True}
        self.texts_ = [
            ax.text(
                *np.nanmedian(points[values == k], axis=0),
                name,
                path_effects=outline,
                **style,
            )
            for k, name in enumerate(names)
        ]
        for text in self.texts_:
            text.set_in_layout(False)  # else long names shrink the axes

    def _add_colorbar(self, title):
        if self.plane_ is None:
            place = {"ax": self.ax_}
        else:  # a layout leaves no space for one beside panels of a fixed ratio
            place = {"cax": self.axes_[-1].inset_axes((1.02, 0, 0.04, 1))}
        return self.figure_.colorbar(self.scatter_, label=title, **place)

    def _add_thumbnails(self, points, n_thumbnails, sample_kw):
        from matplotlib.offsetbox import AnnotationBbox

        check_scalar(n_thumbnails, "thumbnails", Integral, min_val=0)
        if self.X is None:
            raise ValueError("thumbnails needs the samples: pass X to the display.")
        cells = to_cells(self.X, self.layout, self.image_shape)
        check_consistent_length(cells, points)
        limits, style = find_limits(cells), sample_style(cells, sample_kw)
        self.scatter_.update_scalarmappable()
        edges = self.scatter_.get_facecolor()
        ax = self.axes_[0]
        ax.margins(0.1)
        span = np.ptp(points, axis=0)
        for i in far_apart(points / np.where(span > 0, span, 1), n_thumbnails):
            frame = {"edgecolor": edges[i % len(edges)]}
            box = to_box(cells[i], limits, style)
            thumbnail = AnnotationBbox(box, points[i], pad=0.1, bboxprops=frame)
            self.thumbnails_.append(ax.add_artist(thumbnail))

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        thumbnails=None,
        decode=None,
        layout=None,
        image_shape=None,
        ax=None,
        scatter_kw=None,
        sample_kw=None,
    ):
        """Encode samples and draw the codes.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform`: an autoencoder of skae, a Pipeline, a
            PCA.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout of the training samples, or flattened.

        y : array-like of shape (n_samples,), default=None
            Label of each sample. Strings and booleans are classes, and so are whole
            numbers of at most 20 different values: they get a legend, and names at the
            medians of their points. Of more than 35 classes, the rarest share a grey
            mark. Other numbers get a colour bar.

        thumbnails : int, default=None
            Number of samples that are drawn as thumbnails at their codes. They are
            chosen to be far from each other. None draws no thumbnails.

        decode : int, default=None
            Number of cells along each side of the plane, such as 15, that are decoded
            to images, which are drawn beside the points. Of more than two units, the
            plane of the principal components goes through the mean of the codes: many
            of them lie beside it. It needs `inverse_transform`, images and at least two
            units. None decodes nothing.

        layout : {"channels_first", "channels_last", "signal"} or None, default=None
            Layout of a sample, as in the estimators. If both `layout` and
            `image_shape` are None, those of `estimator` are used.

        image_shape : tuple of int or None, default=None
            Shape of the image in a flat row: ``(height, width)``, or with a channel
            axis in the position given by `layout`, which is the first if `layout` is
            None. Flat rows without an image shape are drawn as curves.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        sample_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow` for images, or of its `plot` for
            rows and signals.

        Returns
        -------
        LatentSpaceDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        codes = np.asarray(estimator.transform(X))
        n_features = math.prod(np.shape(X)[1:])
        layout, image_shape = known_layout(estimator, n_features, layout, image_shape)
        decoded = None
        if decode is not None:
            _to_images(X, layout, image_shape)  # refuses others before decoding
            decoded = _decode_plane(estimator, codes, decode)
            decoded = decoded.reshape(decode, decode, *np.shape(X)[1:])
        display = cls(
            codes, y=y, X=X, layout=layout, image_shape=image_shape, decoded=decoded
        )
        return display.plot(
            ax, thumbnails=thumbnails, scatter_kw=scatter_kw, sample_kw=sample_kw
        )


def _to_images(samples, layout, image_shape):
    """Return the cells of samples that have to be images."""
    cells = to_cells(samples, layout, image_shape)
    if not are_images(cells):
        raise ValueError(
            f"A sample of shape {np.shape(samples)[1:]} is no image, but a plane is "
            "decoded to images. Pass image_shape=(height, width) if flat rows hold "
            "images; skae.TraversalDisplay draws rows and signals."
        )
    return cells


def _decode_plane(estimator, codes, n_cells):
    """Return the samples at the centres of the cells of a plane."""
    check_scalar(n_cells, "decode", Integral, min_val=2)
    if not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            f"decode needs `inverse_transform`, which {type(estimator).__name__} does "
            "not have: a plane such as that of t-SNE cannot be decoded. Pass the "
            "autoencoder itself, whose codes are projected by PCA."
        )
    if codes.shape[1] < 2:
        raise ValueError(
            "decode needs a plane, but the code has one unit. Use "
            "skae.TraversalDisplay, which decodes along each unit."
        )
    return np.asarray(estimator.inverse_transform(codes_of_grid(codes, n_cells)))


def _find_colours(y, n_samples, n_most):
    """Return a value for each sample and the names of the classes, None if none."""
    if y is None:
        return None, None
    y = column_or_1d(np.asarray(y))
    if len(y) != n_samples:
        raise ValueError(f"y has {len(y)} values, but there are {n_samples} codes.")
    values, classes = find_classes(y)
    if classes is None:
        return values, None
    return merge_rare(values, classes, n_most)


def _path(shape):
    """Return the outline of a mark."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(shape)
    return style.get_path().transformed(style.get_transform())
