"""Display of R² against the number of components, with PCA beside it."""

import numpy as np
from sklearn.decomposition import PCA

from skae._blending import find_autoencoder
from skae._estimators.fitting import checked_rows
from skae._estimators.opening import open_model
from skae._plot.axes import (
    check_matplotlib,
    few_whole_numbers,
    merge_style,
    single_axes,
)


class ComponentsDisplay:
    """R² against the number of components, from one fit, with PCA beside it.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    The curve of the autoencoder is that of its first k components, which `truncate`
    leaves: an autoencoder that is fitted with k components reconstructs more. PCA of k
    components is the best linear code of each size. Where the curves level off, more
    components add little.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    r2 : ndarray of shape (n_components,)
        R² of the reconstructions from the first 1, 2, ... components.

    pca_r2 : ndarray of shape (n_components,)
        R² of PCA with as many components.

    estimator_name : str, default=None
        Label of the first curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    lines_ : list of matplotlib Line2D
        The two curves, that of PCA last.

    See Also
    --------
    AutoencoderTransformer.truncate : Keep the first components.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, ComponentsDisplay
    >>> X = load_digits().data
    >>> ae = AutoencoderTransformer(8, max_epochs=10, random_state=0).fit(X)
    >>> display = ComponentsDisplay.from_estimator(ae, X)
    >>> display.r2.shape, display.pca_r2.shape
    ((8,), (8,))
    """

    def __init__(self, r2, pca_r2, *, estimator_name=None):
        self.r2 = r2
        self.pca_r2 = pca_r2
        self.estimator_name = estimator_name

    def plot(self, ax=None, *, line_kw=None, pca_kw=None):
        """Draw both curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        line_kw, pca_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the curve of the autoencoder,
            and for that of PCA.

        Returns
        -------
        ComponentsDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        self.ax_ = single_axes(ax)
        self.figure_ = self.ax_.figure
        numbers = np.arange(1, len(self.r2) + 1)
        marker = {"marker": "o" if len(numbers) < 20 else "", "markersize": 3}
        own = {"color": "C0", "label": self.estimator_name or "autoencoder", **marker}
        others = {"color": "0.5", "label": "PCA", "linestyle": "--", **marker}
        self.lines_ = [
            *self.ax_.plot(numbers, self.r2, **merge_style(Line2D, own, line_kw)),
            *self.ax_.plot(numbers, self.pca_r2, **merge_style(Line2D, others, pca_kw)),
        ]
        self.ax_.set(xlabel="number of components", ylabel="R²")
        self.ax_.legend(loc="lower right")
        few_whole_numbers([self.ax_])
        return self

    @classmethod
    def from_estimator(
        cls, estimator, X, *, X_train=None, ax=None, line_kw=None, pca_kw=None
    ):
        """Draw R² of a fitted autoencoder and of PCA, for each number of components.

        Parameters
        ----------
        estimator : estimator
            A fitted autoencoder of skae, or a Pipeline that ends with one, whose code
            is ordered by variance: with shipped networks, a linear code, and no penalty
            on single units.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples to reconstruct, best held out of training.

        X_train : array-like of shape (n_samples, n_features) or (n_samples, ...), \
                default=None
            What PCA is fitted on, the training samples. None is X.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        line_kw, pca_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the curve of the autoencoder,
            and for that of PCA.

        Returns
        -------
        ComponentsDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        caller = f"{cls.__name__}.from_estimator"
        steps = find_autoencoder(estimator, caller)
        estimator, X = steps.autoencoder, steps.transform(X)
        X_train = None if X_train is None else steps.transform(X_train)
        model = open_model(estimator)
        rows = model.without_gaps(checked_rows(X, estimator, model))
        fitted = rows
        if X_train is not None:
            fitted = model.without_gaps(checked_rows(X_train, estimator, model))
        numbers = range(1, model.n_components + 1)
        r2 = np.array([estimator.truncate(k).score(X) for k in numbers])
        pca_r2 = _r2_of_pca(model, fitted, rows)
        name = type(estimator).__name__
        display = cls(r2, pca_r2, estimator_name=name)
        return display.plot(ax, line_kw=line_kw, pca_kw=pca_kw)


def _r2_of_pca(model, fitted, rows):
    """Return R² of PCA with 1, 2, ... components, against the training mean."""
    shift = fitted.mean(axis=0, dtype=np.float64)
    pca = PCA(min(model.n_components, *fitted.shape), random_state=0)
    pca.fit((fitted - shift) / model.scale)
    centred = (rows - shift) / model.scale
    total = np.square(centred).sum()
    along = np.square(centred @ pca.components_.T).sum(axis=0)
    errors = total - np.cumsum(along)
    errors = np.pad(errors, (0, model.n_components - len(errors)), mode="edge")
    return np.array([model.r2_of_error(float(error), rows) for error in errors])
