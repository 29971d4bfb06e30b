"""The density of codes: new samples from it, and how likely a sample is."""

from __future__ import annotations

import copy
import inspect
import warnings
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import RandomState
from sklearn import config_context
from sklearn.base import DensityMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state, check_scalar, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from skae._blending import coders_of
from skae._documented import DocumentedEstimator
from skae._estimators.opening import is_frozen
from skae._random import seeded
from skae._sources.lazy import lazy

_MOST_ROWS = 20_000  # that choose the size of the mixture and fit it
_MOST_COMPONENTS = 256
_ROUNDING = 1e-6  # part of the largest variance, or of the size of equal codes
_PATIENCE = 2  # sizes without an improvement


class LatentDensity(DensityMixin, MetaEstimatorMixin, DocumentedEstimator):
    r"""A density of the codes of an autoencoder, to sample from.

    The codes of an autoencoder fill only a part of their space, and what is decoded
    from the gaps between them is no sample. A density that is fitted to the codes knows
    where they are. Samples are drawn from it and decoded.

    It can be fitted to any code, and does not need the prior of a
    :class:`VariationalAutoencoder`, which its codes do not match well: see
    :doc:`/sampling`.

    Read more in the :ref:`user guide <guide-sampling>`.

    Parameters
    ----------
    estimator : estimator
        What encodes and decodes: any estimator with ``transform`` and
        ``inverse_transform``, such as one of skae, a Pipeline or a
        :class:`~sklearn.decomposition.PCA`. A clone is fitted. To keep one that is
        fitted already, pass a :class:`~sklearn.frozen.FrozenEstimator` of it.

    density : estimator or None, default=None
        The density: an object with ``fit`` and ``sample``, such as a
        :class:`~sklearn.neighbors.KernelDensity`, of which a clone is fitted to the
        codes, unless it is in a :class:`~sklearn.frozen.FrozenEstimator`. None is a
        :class:`~sklearn.mixture.GaussianMixture` with full covariances and 1, 2, 4, ...
        or 256 components, as many as have the lowest Bayesian information criterion
        [1]_. Of more than 20,000 codes it is fitted to as many, drawn at random.

    random_state : int, RandomState instance or None, default=None
        Seeds the estimator, the density and their parts where their own `random_state`
        is None, and draws the samples.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.

    density_ : estimator
        The density, fitted to codes.

    n_features_in_ : int
        Number of features that `estimator_` saw, if it says so.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    VariationalAutoencoder.sample : Samples of the prior.
    sklearn.neighbors.KernelDensity : The same methods, for a density of X itself.

    Notes
    -----
    A density with many components, or of a small bandwidth, returns the training
    samples: compare the distance of samples to their nearest training sample with that
    of samples that were held out.

    References
    ----------
    .. [1] Ghosh, Sajjadi, Vergari, Black & Schölkopf, "From variational to
       deterministic autoencoders", ICLR 2020. :arxiv:`1903.12436`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, LatentDensity
    >>> X = load_digits().data / 16
    >>> ae = AutoencoderTransformer(8, max_epochs=10, random_state=0)
    >>> density = LatentDensity(ae, random_state=0).fit(X)
    >>> density.sample(5).shape
    (5, 64)
    >>> noise = density.score_samples(X[:, ::-1]).mean()
    >>> bool(density.score_samples(X).mean() > noise)
    True
    """

    _parameter_constraints: ClassVar = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"])],
        "density": [HasMethods(["fit", "sample"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        density: Any = None,
        *,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.density = density
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the estimator to X, and the density to its codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            What the estimator takes.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : estimator
            The fitted density.

        Raises
        ------
        ValueError
            If the estimator refuses X, or there are fewer than two samples.
        """
        self._validate_params()
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        estimator = seeded(clone(self.estimator), seed).fit(X, y)
        codes = check_array(
            coders_of(estimator)[0](X), dtype=np.float64, ensure_min_samples=2
        )
        if self.density is None:
            density: Any = _fit_mixture(codes, rng)
        elif is_frozen(self.density):
            density = self.density.estimator
        else:
            density = seeded(clone(self.density), seed)
            density.fit(codes)
        self.estimator_, self.density_ = estimator, density
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, name):
                setattr(self, name, getattr(estimator, name))
            elif hasattr(self, name):
                delattr(self, name)
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Any:
        """Draw codes and decode them.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.

        random_state : int, RandomState instance or None, default=None
            Draws the codes. None is the `random_state` of this object.

        Returns
        -------
        ndarray of shape (n_samples, ...) or DataFrame
            What ``inverse_transform`` of the estimator gives.
        """
        codes = self.sample_codes(n_samples, random_state=random_state)
        return coders_of(self.estimator_)[1](codes)

    def sample_codes(
        self, n_samples: int = 1, *, random_state: Any = None
    ) -> np.ndarray:
        """Draw codes.

        Parameters
        ----------
        n_samples : int, default=1
            Number of codes.

        random_state : int, RandomState instance or None, default=None
            Draws the codes. None is the `random_state` of this object.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The codes, in random order.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        own = self.random_state if random_state is None else random_state
        rng = check_random_state(own)
        return rng.permutation(_draw(self.density_, int(n_samples), rng))

    @lazy
    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-density of the code of each sample.

        It is the density of codes, not of X: two estimators cannot be compared by it,
        and a sample that is far from its reconstruction may have a high one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            What the estimator takes.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithm of the density.
        """
        check_is_fitted(self)
        codes = np.asarray(coders_of(self.estimator_)[0](X), dtype=np.float64)
        return np.asarray(self.density_.score_samples(codes))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-density of the codes of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            What the estimator takes.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        float
            The mean of `score_samples`, whatever `density_` itself calls its score.
        """
        return float(self.score_samples(X).mean())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def _fit_mixture(codes: np.ndarray, rng: RandomState) -> Any:
    """Return the Gaussian mixture of the size that has the lowest criterion."""
    from sklearn.mixture import GaussianMixture

    if len(codes) > _MOST_ROWS:
        codes = codes[rng.choice(len(codes), _MOST_ROWS, replace=False)]
    variance, square = codes.var(axis=0), (codes**2).mean()
    # Added to each variance: a small part of the least, but more than rounding is.
    least = max(variance.min(), _ROUNDING * variance.max(), _ROUNDING**2 * square)
    regularization = 1e-6 * float(least or _ROUNDING**2)
    best, lowest, n_worse, size = None, np.inf, 0, 1
    while size <= min(_MOST_COMPONENTS, len(codes) // 2) and n_worse < _PATIENCE:
        mixture = GaussianMixture(
            size, reg_covar=regularization, random_state=rng.randint(2**31 - 1)
        )
        with config_context(array_api_dispatch=False), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            criterion = mixture.fit(codes).bic(codes)
        if criterion < lowest:
            best, lowest, n_worse = mixture, criterion, 0
        else:
            n_worse += 1
        size *= 2
    return best


def _draw(density: Any, n_samples: int, rng: RandomState) -> np.ndarray:
    """Return codes that a density samples, with random numbers of ours if it can."""
    if "random_state" in inspect.signature(density.sample).parameters:
        found = density.sample(n_samples, random_state=rng)
    else:
        if "random_state" in getattr(density, "get_params", dict)():
            density = copy.copy(density)
            density.random_state = rng
        found = density.sample(n_samples)
    codes = found[0] if isinstance(found, tuple) else found  # a mixture adds labels
    if hasattr(codes, "detach"):
        codes = codes.detach().cpu().numpy()
    return np.asarray(codes)
