"""Display of the activity of units and of the spectrum of the code."""

import numpy as np

from skae._plot.axes import (
    check_matplotlib,
    few_whole_numbers,
    merge_style,
    panel_axes,
)
from skae.diagnostics import report

_LOGARITHMIC = 20  # ratio of eigenvalues above which the axis is logarithmic
_FLOOR = 1e-6  # of the largest eigenvalue; smaller ones are rounding errors


class LatentDiagnosticsDisplay:
    """Activity of the units of a code, and the spectrum of its covariance.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    The panels show the standard deviation of each unit, with dead units in grey; the
    eigenvalues of the covariance of the code, with a line at the effective rank; for
    a variational autoencoder the divergence of each unit from the prior; and, if any
    unit is ever exactly zero, the fraction of samples for which each unit is.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    report : Report
        What :func:`skae.diagnostics.report` returns.

    Attributes
    ----------
    axes_ : ndarray of shape (n_panels,)
        The axes of the panels.

    ax_ : matplotlib Axes
        The axes that were divided into panels.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    std_bars_, zeros_bars_, kl_bars_ : matplotlib BarContainer or None
        A bar for each unit; None without such a panel.

    spectrum_line_ : matplotlib Line2D
        The eigenvalues, largest first.

    rank_line_ : matplotlib Line2D
        The vertical line at the effective rank.

    See Also
    --------
    skae.diagnostics.report : The numbers as arrays and as text.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import LatentDiagnosticsDisplay, VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(8, max_epochs=5, random_state=0).fit(X)
    >>> display = LatentDiagnosticsDisplay.from_estimator(vae, X)
    >>> len(display.axes_), len(display.kl_bars_)
    (3, 8)
    """

    def __init__(self, report):
        self.report = report

    def plot(self, ax=None, *, bar_kw=None, line_kw=None):
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which are switched off and divided into panels. If None, a
            new figure is created.

        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `bar`, for the units.

        line_kw : dict, default=None
            Keyword arguments of matplotlib's `plot`, for the spectrum.

        Returns
        -------
        LatentDiagnosticsDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        found = self.report
        zeros = found.zeros if found.zeros.any() else None
        of_units = {
            "std": (found.std, "", "standard deviation"),
            "kl": (found.kl, "divergence from the prior", "KL, nats"),
            "zeros": (zeros, "exact zeros", "share of samples"),
        }
        n_panels = 1 + sum(values is not None for values, *_ in of_units.values())
        self.ax_, self.axes_ = panel_axes(ax, n_panels)
        self.figure_ = self.ax_.figure
        panels = iter(self.axes_)
        units = np.arange(found.n_components)
        colors = np.where(found.active, "C0", "0.7")
        bar_kw = merge_style(Rectangle, {"color": colors, "width": 0.8}, bar_kw)
        bars = dict.fromkeys(of_units)
        for name, (values, title, label) in of_units.items():
            if values is not None:
                panel = next(panels)
                bars[name] = panel.bar(units, values, **bar_kw)
                panel.set(title=title, xlabel="unit", ylabel=label)
        self.std_bars_, self.kl_bars_, self.zeros_bars_ = bars.values()
        self.axes_[0].set_title(f"{found.n_active} of {found.n_components} active")

        panel = next(panels)
        defaults = {"color": "C0", "marker": "o", "markersize": 3}
        line_kw = merge_style(Line2D, defaults, line_kw)
        (self.spectrum_line_,) = panel.plot(units + 1, found.spectrum, **line_kw)
        largest, smallest = found.spectrum[[0, -1]]
        if largest > _LOGARITHMIC * smallest:
            lowest = max(smallest, _FLOOR * largest)
            panel.set(yscale="log", ylim=(lowest / 2, largest * 2))
        else:
            panel.set_ylim(0, 1.1 * largest or 1)
        self.rank_line_ = panel.axvline(found.effective_rank, color="0.6", ls="--")
        panel.set(
            title=f"effective rank {found.effective_rank:.1f}",
            xlabel="principal component",
            ylabel="eigenvalue of the code",
        )
        few_whole_numbers(self.axes_)
        return self

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None, bar_kw=None, line_kw=None):
        """Compute the diagnostics of a code and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted autoencoder of skae.

        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout of the training samples, or flattened; preferably
            samples that were not used in `fit`.

        ax : matplotlib Axes, default=None
            Axes to draw on, which are switched off and divided into panels. If None, a
            new figure is created.

        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `bar`, for the units.

        line_kw : dict, default=None
            Keyword arguments of matplotlib's `plot`, for the spectrum.

        Returns
        -------
        LatentDiagnosticsDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        # The sensitivity is not drawn, and takes far longer than the rest.
        found = report(estimator, X, n_sensitivity_samples=1)
        return cls(found).plot(ax, bar_kw=bar_kw, line_kw=line_kw)
