"""Display of the terms of the objective over the epochs."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._blending import real_steps
from skae._estimators.opening import open_model
from skae._objective.losses import LOSSES
from skae._plot.axes import (
    check_matplotlib,
    few_whole_numbers,
    merge_style,
    panel_axes,
)

_EXACT = 1e-6  # loss of PCA for a feature, below which it is rounding
_LOGARITHMIC = 20  # ratio of first to last value above which an axis is logarithmic


class TrainingHistoryDisplay:
    """Terms of the objective over the epochs, on training and on validation samples.

    It is best made by :meth:`from_estimator`. All parameters are stored as attributes.

    Each term has a panel. Its axis is logarithmic if all values are positive and the
    last is less than a twentieth of the first. If the loss has a single term, only this
    term is drawn.

    Read more in the :ref:`user guide <guide-plotting>`.

    Parameters
    ----------
    history : list of dict
        The `history_` of an estimator: for each epoch its number, ``epoch``, and the
        terms, ``train_loss``, ``valid_loss`` and so on.

    best_epoch : int, default=None
        Epoch whose weights early stopping restored, marked by a vertical line.

    pca_loss : float, default=None
        Reconstruction loss of PCA with as many components on the training samples,
        marked by a horizontal line.

    Attributes
    ----------
    axes_ : ndarray of shape (n_panels,)
        The axes of the panels.

    ax_ : matplotlib Axes
        The axes that were divided into panels.

    figure_ : matplotlib Figure
        The figure that contains the axes.

    lines_ : dict of str to matplotlib Line2D
        The curve of each term, under its name in `history`.

    best_lines_ : list of matplotlib Line2D
        The vertical line in each panel; empty without a best epoch.

    pca_line_ : matplotlib Line2D or None
        The horizontal line in the panel of the reconstruction; None without `pca_loss`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import TrainingHistoryDisplay, VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(2, max_epochs=5, validation_fraction=0.2,
    ...                              random_state=0).fit(X)
    >>> display = TrainingHistoryDisplay.from_estimator(vae)
    >>> [panel.get_title() for panel in display.axes_]
    ['loss', 'reconstruction', 'kl']
    """

    def __init__(self, history, *, best_epoch=None, pca_loss=None):
        self.history = history
        self.best_epoch = best_epoch
        self.pca_loss = pca_loss

    def plot(self, ax=None, *, train_kw=None, valid_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which are switched off and divided into panels. If None, a
            new figure is created.

        train_kw, valid_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the training and for the
            validation curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D

        if not self.history:
            raise ValueError("history is empty: no epoch has been trained.")
        epochs = [epoch["epoch"] for epoch in self.history]
        marker = "o" if len(epochs) < 10 else ""
        common = {"marker": marker, "markersize": 3}
        styles = {
            "train": merge_style(
                Line2D, {"color": "C0", "label": "training", **common}, train_kw
            ),
            "valid": merge_style(
                Line2D,
                {"color": "C1", "label": "validation", "linestyle": "--", **common},
                valid_kw,
            ),
        }
        terms = _terms(self.history)
        self.ax_, self.axes_ = panel_axes(ax, len(terms))
        self.figure_ = self.ax_.figure
        self.lines_, self.best_lines_ = {}, []
        for panel, term in zip(self.axes_, terms, strict=True):
            drawn = []
            for part, style in styles.items():
                name = f"{part}_{term}"
                values = np.array([epoch.get(name, np.nan) for epoch in self.history])
                if not np.isnan(values).all():
                    (self.lines_[name],) = panel.plot(epochs, values, **style)
                    drawn.append(values)
            if self.best_epoch is not None:
                self.best_lines_.append(
                    panel.axvline(
                        self.best_epoch, color="0.6", linewidth=1, label="best epoch"
                    )
                )
            if np.nanmin(drawn) > 0 and drawn[0][0] > _LOGARITHMIC * drawn[0][-1]:
                panel.set_yscale("log")
            panel.set(title=term, xlabel="epoch")
        self.pca_line_ = None
        if self.pca_loss is not None:
            is_term = "reconstruction" in terms
            panel = self.axes_[terms.index("reconstruction") if is_term else 0]
            style = {"color": "0.6", "linestyle": ":", "label": "PCA"}
            self.pca_line_ = panel.axhline(self.pca_loss, **style)
            if panel is not self.axes_[0]:
                panel.legend(handles=[self.pca_line_])
        few_whole_numbers(self.axes_)
        if len(self.axes_[0].lines) > 1:
            self.axes_[0].legend()
        return self

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, train_kw=None, valid_kw=None):
        """Draw the training history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted autoencoder of skae, or a Pipeline or search that contains one.

        ax : matplotlib Axes, default=None
            Axes to draw on, which are switched off and divided into panels. If None, a
            new figure is created.

        train_kw, valid_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the training and for the
            validation curves.

        Returns
        -------
        TrainingHistoryDisplay
            The display.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        trained = [step for step in real_steps(estimator) if hasattr(step, "history_")]
        if not trained:
            raise TypeError(
                f"{type(estimator).__name__} has no history_. Pass an autoencoder of "
                "skae, or a Pipeline that holds one."
            )
        last = trained[-1]
        best_epoch, pca_loss = _best_epoch(last.net_), _pca_loss(open_model(last))
        display = cls(last.history_, best_epoch=best_epoch, pca_loss=pca_loss)
        return display.plot(ax, train_kw=train_kw, valid_kw=valid_kw)


def _terms(history):
    """Return the names of the terms; the loss, first, only if it has several."""
    names = [
        name
        for epoch in history
        for name in epoch
        if name.startswith(("train_", "valid_"))
    ]
    terms = list(dict.fromkeys(name.partition("_")[2] for name in names))
    return [t for t in terms if t != "loss"] if len(terms) == 2 else terms


def _pca_loss(model):
    """Return the loss of PCA where the loss is half the squared error, or None.

    A row has on average the squared length `n_features` in units of the scale.
    """
    r2, is_squared = model.net.pca_r2_, model.loss is LOSSES["squared_error"]
    if r2 is None or not is_squared or model.takes_gaps or model.net.is_continued_:
        return None
    pca_loss = 0.5 * model.n_features * (1 - r2)
    is_exact = pca_loss < _EXACT * model.n_features
    return None if is_exact else pca_loss


def _best_epoch(net):
    """Return the epoch whose weights early stopping restored, or None."""
    best = [
        callback.best_epoch_
        for _, callback in net.callbacks_
        if getattr(callback, "selects", getattr(callback, "load_best", False))
        and getattr(callback, "best_epoch_", 0)
        and callback.monitor in net.history[-1]  # else `partial_fit` has trained since
    ]
    return best[-1] if best else None
