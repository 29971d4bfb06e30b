"""Display of how well each column of a table is reconstructed."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from skae._blending import coders_of, find_blender, real_steps
from skae._model.blending import as_batch
from skae._plot.axes import check_matplotlib, merge_style, single_axes
from skae._plot.columns import column_names
from skae.tabular._base import BaseTableEncoder
from skae.tabular._pipelines import through_steps

_LOWEST = -1.0  # longer bars to the left are cut, as their number says the rest


class ColumnScoresDisplay:
    r"""R² of each column of a table, with its name, lowest first.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    .. math:: R^2_j = 1 - \frac{\sum_i (x_{ij} - \hat x_{ij})^2}
                               {\sum_i (x_{ij} - \bar x_j)^2}

    with :math:`\hat x` the reconstruction and :math:`\bar x_j` the mean of the column:
    1 is exact, 0 is as good as the mean. Of a pipeline that starts with a
    :class:`~skae.tabular.TableEncoder`, x is its array, and the sums are over all
    columns of a block. Gaps are left out.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    r2 : ndarray of shape (n_columns,)
        R² of each column, NaN for columns that are constant.

    names : list of str
        Names of the columns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    bars_ : matplotlib BarContainer
        The bars, from top to bottom. Constant columns have none.

    See Also
    --------
    skae.tabular.column_errors : The errors of each row as a frame.
    ReconstructionDisplay : Single samples and their reconstructions.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderTransformer, ColumnScoresDisplay
    >>> X = load_wine(as_frame=True).data
    >>> X = X / X.std()
    >>> ae = AutoencoderTransformer(4, max_epochs=20, random_state=0).fit(X)
    >>> display = ColumnScoresDisplay.from_estimator(ae, X)
    >>> len(display.bars_), display.names[0]
    (13, 'alcohol')
    """

    def __init__(self, r2, names):
        self.r2 = r2
        self.names = names

    def plot(self, ax=None, *, max_columns=30, bar_kw=None):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        max_columns : int, default=30
            Maximum number of columns to draw, those with the lowest R².

        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `barh`.

        Returns
        -------
        ColumnScoresDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        check_scalar(max_columns, "max_columns", Integral, min_val=1)
        from matplotlib.patches import Rectangle

        r2 = np.asarray(self.r2, dtype=np.float64)
        known = np.flatnonzero(np.isfinite(r2))
        order = known[np.argsort(r2[known], kind="stable")]
        shown = order[:max_columns]
        self.ax_ = single_axes(ax, (6.4, 1.0 + 0.24 * max(len(shown), 3)))
        self.figure_ = self.ax_.figure
        places = np.arange(len(shown))
        style = merge_style(Rectangle, {"color": "C0", "height": 0.75}, bar_kw)
        self.bars_ = self.ax_.barh(places, r2[shown], **style)
        for place, value in zip(places, r2[shown], strict=True):
            self.ax_.text(
                max(value, 0) + 0.01, place, f"{value:.2f}", va="center", size="small"
            )
        self.ax_.set_yticks(places, [str(self.names[j]) for j in shown])
        lowest = min(r2[shown].min(initial=0.0), 0.0)
        self.ax_.set(
            xlim=(max(1.05 * lowest, _LOWEST), 1.12),
            ylim=(max(len(shown), 1) - 0.4, -0.6),
            xlabel="R² of the reconstruction",
        )
        self.ax_.axvline(0, color="0.3", linewidth=0.8)
        if len(shown) < len(order):
            self.ax_.set_title(f"the lowest {len(shown)} of {len(order)} columns")
        return self

    @classmethod
    def from_estimator(cls, estimator, X, *, max_columns=30, ax=None, bar_kw=None):
        """Reconstruct samples and draw R² of each column.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `transform` and `inverse_transform`: an autoencoder
            of skae, a PCA, or a Pipeline, also one that starts with an encoder of
            tables.

        X : array-like of shape (n_samples, n_features) or DataFrame
            Samples to reconstruct, best held out of training; at least two. Images and
            signals are taken as flat rows.

        max_columns : int, default=30
            Maximum number of columns to draw, those with the lowest R².

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is created.

        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `barh`.

        Returns
        -------
        ColumnScoresDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        encoder, *steps = real_steps(estimator)
        if isinstance(encoder, BaseTableEncoder):
            array, decoded = through_steps(encoder, steps, X)
            blocks = {block.name: block.columns for block in encoder.blocks_}
            names = [str(name) for name in encoder.feature_names_in_]
            columns = [blocks[name] for name in names]
        else:
            X = as_batch(X, find_blender(estimator).shapes, "X")[0]
            encode, decode = coders_of(estimator)
            decoded = decode(encode(X))
            array, decoded = (
                np.asarray(x, dtype=np.float64).reshape(len(X), -1)
                for x in (X, decoded)
            )
            names = column_names(estimator, array.shape[1])
            columns = [slice(j, j + 1) for j in range(array.shape[1])]
        r2 = np.array([_r2(array[:, j], decoded[:, j]) for j in columns])
        return cls(r2, names).plot(ax, max_columns=max_columns, bar_kw=bar_kw)


def _r2(x, reconstruction):
    """Return R² of some columns, without their gaps; NaN if they are constant."""
    known = ~np.isnan(x).any(axis=1)
    x, reconstruction = x[known], reconstruction[known]
    if len(x) == 0 or (x == x[0]).all():
        return np.nan
    total = np.square(x - x.mean(axis=0)).sum()
    return 1 - np.square(x - reconstruction).sum() / total
