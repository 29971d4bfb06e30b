"""Diagnostics of a fitted autoencoder: active units, rank of the code, R²."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import _safe_indexing, check_scalar
from sklearn.utils._optional_dependencies import check_pandas_support

from skae._blending import find_autoencoder
from skae._data.statistics import compute_statistics
from skae._estimators.fitting import checked_rows
from skae._estimators.opening import open_model
from skae._estimators.planning import random_source
from skae._model.collapse import active_components

# Variance of the posterior mean, in units of the prior's, from which a unit is active.
_ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    r"""The diagnostics that `report` returns; printing them shows a table.

    Read more in the :ref:`user guide <guide-diagnosing>`.

    Parameters
    ----------
    estimator : str
        Name of the class.

    n_samples, n_features, n_components : int
        Size of X and of the code.

    unit_names : tuple of str
        Name of each unit, as `get_feature_names_out` gives it.

    std : ndarray of shape (n_components,)
        Standard deviation of each unit over the samples.

    active : ndarray of shape (n_components,)
        Whether each unit is active. Otherwise it is inactive, or *dead*.

    zeros : ndarray of shape (n_components,)
        Fraction of the samples for which each unit is exactly zero.

    kl : ndarray of shape (n_components,) or None
        Divergence of the posterior of each unit from the prior, in nats, averaged over
        the samples. None for classes without a posterior.

    spectrum : ndarray of shape (n_components,)
        Eigenvalues of the covariance of the code, largest first.

    effective_rank : float
        Effective number of directions of the code: the exponential of the entropy of
        the eigenvalues, divided by their sum [1]_. 0 for a constant code.

    r2 : float
        :math:`R^2` of the reconstruction, the fraction of the variance of X that is
        explained, as `score` returns it.

    pca_r2 : float
        The same for a PCA with as many components.

    pca_fitted_on : {"X", "X_train"}
        The data that the PCA was fitted on.

    sensitivity : float
        Mean of what `sensitivity` returns, :math:`\|\partial z / \partial x\|_F`, in
        units of the code for one unit of X.

    References
    ----------
    .. [1] Roy & Vetterli, "The effective rank: a measure of effective dimensionality",
       EUSIPCO 2007. Of the covariance matrix, whose singular values are its
       eigenvalues.
    """

    estimator: str
    n_samples: int
    n_features: int
    n_components: int
    unit_names: tuple[str, ...]
    std: np.ndarray
    active: np.ndarray
    zeros: np.ndarray
    kl: np.ndarray | None
    spectrum: np.ndarray
    effective_rank: float
    r2: float
    pca_r2: float
    pca_fitted_on: str
    sensitivity: float

    @property
    def n_active(self) -> int:
        """Number of active units."""
        return int(self.active.sum())

    @property
    def n_dead(self) -> int:
        """Number of dead units."""
        return self.n_components - self.n_active

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for JSON.

        Returns
        -------
        dict
            Arrays become lists. `n_active` and `n_dead` are included.
        """
        counts = {"n_active": self.n_active, "n_dead": self.n_dead}
        return {name: _plain(value) for name, value in (vars(self) | counts).items()}

    def to_frame(self) -> Any:
        """Return the diagnostics of each unit as a table.

        Returns
        -------
        pandas.DataFrame of shape (n_components, 3 or 4)
            The columns `std`, `active`, `zeros` and, where there is one, `kl`; the
            index holds the names of the units.
        """
        pd = check_pandas_support("to_frame")
        columns = {"std": self.std, "active": self.active, "zeros": self.zeros}
        if self.kl is not None:
            columns["kl"] = self.kl
        return pd.DataFrame(columns, index=pd.Index(self.unit_names, name="unit"))

    def __repr__(self) -> str:
        figures = [
            ("active units", f"{self.n_active}"),
            ("dead units", f"{self.n_dead}"),
            ("exact zeros", f"{self.zeros.mean():.1%}"),
            ("effective rank", f"{self.effective_rank:.1f}"),
            ("R²", f"{self.r2:.3f}"),
            (f"R² of PCA on {self.pca_fitted_on}", f"{self.pca_r2:.3f}"),
            ("mean sensitivity", f"{self.sensitivity:.3g}"),
        ]
        units = [("deviation", self.std, ".3g"), ("exact zeros", self.zeros, ".1%")]
        if self.kl is not None:
            figures.append(("KL, nats", f"{self.kl.sum():.3g}"))
            units.append(("KL, nats", self.kl, ".3g"))
        lines = [
            f"{self.estimator} on X of shape ({self.n_samples}, {self.n_features})",
            *(f"  {name:<22}{figure:>9}" for name, figure in figures),
            f"  {f'{self.n_components} units':<22}{'least':>9}{'median':>9}{'most':>9}",
            *(f"  {name:<22}{_extremes(x, spec)}" for name, x, spec in units),
        ]
        return "\n".join(lines)


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _extremes(values, spec):
    of_three = (values.min(), np.median(values), values.max())
    return "".join(f"{value:>9{spec}}" for value in of_three)


def report(estimator, X, *, X_train=None, n_sensitivity_samples=256, random_state=None):
    r"""Diagnose the latent code of a fitted autoencoder.

    A unit is active if its standard deviation over X is at least 1 % of that of the
    unit that varies most. In :class:`~skae.VariationalAutoencoder`, where the prior
    fixes the scale of the code, it is active if the variance of its posterior mean is
    above 0.01 [1]_.

    Read more in the :ref:`user guide <guide-diagnosing>`.

    Parameters
    ----------
    estimator : estimator
        A fitted autoencoder of skae, or a :class:`~sklearn.pipeline.Pipeline` that ends
        with one. R² and the sensitivity of a Pipeline are those of its last step, in
        the units of what the other steps return.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Samples in the layout that `fit` saw, or flattened. Preferably rows that `fit`
        has not seen.

    X_train : array-like of shape (n_rows, n_features) or (n_rows, ...), default=None
        Rows that the PCA of `pca_r2` is fitted on. Pass the training rows of
        `estimator` to compare both on equal terms. None is X itself, which favours the
        PCA: no linear code of this size explains more of the variance of X, and with as
        many components as samples it explains all.

    n_sensitivity_samples : int, default=256
        Maximum number of samples, drawn at random, over which the sensitivity is
        averaged. On all samples it can take longer than the rest of the report.

    random_state : int, RandomState instance or None, default=None
        Draws those samples. None is the `random_state` of the estimator.

    Returns
    -------
    Report
        The diagnostics. ``str`` formats them as a table, `to_dict` and `to_frame`
        return them as data.

    Raises
    ------
    TypeError
        If `estimator` is neither an autoencoder of skae nor a Pipeline that ends with
        one.

    References
    ----------
    .. [1] Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders",
       ICLR 2016. :arxiv:`1509.00519`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder, diagnostics
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(8, max_epochs=5, random_state=0).fit(X)
    >>> found = diagnostics.report(vae, X)
    >>> found.n_active + found.n_dead
    8
    >>> bool(found.r2 < found.pca_r2)  # five epochs are too few
    True
    """
    steps = find_autoencoder(estimator, "report")
    estimator, X = steps.autoencoder, steps.transform(X)
    X_train = None if X_train is None else steps.transform(X_train)
    model = open_model(estimator)
    check_scalar(n_sensitivity_samples, "n_sensitivity_samples", Integral, min_val=1)
    rows = checked_rows(X, estimator, model)
    codes = model.encode(rows)
    std = np.sqrt(compute_statistics(codes).variance)
    kl, active = None, active_components(model, std)
    if hasattr(estimator, "posterior"):
        kl = _kl_of_units(*estimator.posterior(X))
        active = std**2 > _ACTIVE_VARIANCE
    spectrum = _spectrum(codes)
    draw = random_source(estimator, random_state).permutation(len(rows))
    chosen = np.sort(draw[:n_sensitivity_samples])
    fitted = rows if X_train is None else checked_rows(X_train, estimator, model)
    rows, fitted = model.features(rows), model.features(fitted)
    return Report(
        estimator=type(estimator).__name__,
        n_samples=len(rows),
        n_features=rows.shape[1],
        n_components=codes.shape[1],
        unit_names=tuple(estimator.get_feature_names_out().tolist()),
        std=std,
        active=active,
        zeros=(codes == 0).mean(axis=0),
        kl=kl,
        spectrum=spectrum,
        effective_rank=_effective_rank(spectrum),
        r2=estimator.score(X),
        pca_r2=_pca_r2(model, rows, fitted),
        pca_fitted_on="X" if X_train is None else "X_train",
        sensitivity=float(estimator.sensitivity(_safe_indexing(X, chosen)).mean()),
    )


def _kl_of_units(mean, std):
    mean, variance = mean.astype(np.float64), std.astype(np.float64) ** 2
    return 0.5 * (mean**2 + variance - np.log(variance) - 1).mean(axis=0)


def _spectrum(codes):
    """Return the eigenvalues of the covariance of the code, largest first."""
    centred = codes.astype(np.float64) - codes[0]  # a constant unit gives exact zeros
    centred -= centred.mean(axis=0)
    return np.linalg.eigvalsh(centred.T @ centred / len(codes))[::-1].clip(min=0)


def _effective_rank(spectrum):
    total = spectrum.sum()
    if total == 0:
        return 0.0
    shares = spectrum[spectrum > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _pca_r2(model, rows, rows_to_fit):
    """Return R² of a PCA as large as the code, against the training mean as `score`."""
    rows_to_fit, gaps = model.without_gaps(rows_to_fit), np.isnan(np.asarray(rows))
    filled = model.without_gaps(rows)
    shift = rows_to_fit.mean(axis=0)

    def standardize(x):  # so that float32 neither loses digits nor overflows
        return ((x - shift) / model.scale).astype(model.dtype)

    pca = PCA(min(model.n_components, *rows_to_fit.shape), random_state=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # constant, or a single row
        pca.fit(standardize(rows_to_fit))
    scaled = standardize(filled)
    missed = np.where(gaps, 0, scaled - pca.inverse_transform(pca.transform(scaled)))
    return model.r2_of_error(np.square(missed).sum(dtype=np.float64), rows)
