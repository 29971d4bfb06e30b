"""The detector: an estimator, a score, and the rows that calibrate it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.random import RandomState
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    clone,
)
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._anomaly.conformal import (
    highest_normal,
    n_expected,
    n_rows_needed,
    n_rows_to_hold,
    p_values,
)
from skae._anomaly.faults import about_X
from skae._anomaly.onnx import build_score
from skae._anomaly.scores import SCORES, Scorer, fit_scorer
from skae._anomaly.stored import Part, Samples
from skae._data.rows import as_frame, check_rows, first_rows
from skae._documented import DocumentedEstimator
from skae._estimators.denoising import DenoisingAutoencoder
from skae._exceptions import OutOfDomainWarning, warn
from skae._persistence.onnx import write_exported
from skae._random import seeded
from skae._sources.lazy import lazy
from skae._sources.rows import StoredRows

_LARGEST_CODE = 64
_N_FOLDS = 5
_FEWEST_ROWS, _FEWEST_TRAINING_ROWS = 4, 2
_USUAL_RATE = 0.05
_SHOWN = 5  # rows in a warning


def _default_estimator(n_features: int) -> Any:
    """Return the pipeline that None stands for."""
    from sklearn.pipeline import make_pipeline

    n_components = min(math.ceil(n_features / 2), _LARGEST_CODE)
    return make_pipeline(StandardScaler(), DenoisingAutoencoder(n_components))


def _cross_fitted(
    fit_part: Callable[[np.ndarray], Scorer], rows: np.ndarray, of_all: Scorer
) -> np.ndarray:
    """Return what `Scorer` measures of each row, by a fit that has not seen it.

    What the two scores are divided by is that of the fit to all rows: it varies from
    fit to fit, and scores have to be comparable.
    """
    measured = np.empty((len(rows), 2))
    for train, held_out in KFold(min(_N_FOLDS, len(rows))).split(rows):
        scorer = replace(fit_part(rows[train]), spreads=of_all.spreads)
        measured[held_out] = scorer.scores_and_distances(rows[held_out])
    return measured


class AnomalyDetector(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, DocumentedEstimator
):
    r"""Anomaly detection at a false positive rate that is asked for.

    An estimator is fitted to one part of the rows, and the rest, the calibration rows,
    are scored by it. The p-value of a new row :math:`x` is the share of rows that are
    at least as unusual [1]_,

    .. math:: p(x) = \frac{1 + \#\{i : s(x_i) \le s(x)\}}{n + 1},

    with :math:`s` the score, low for an unusual row, and :math:`x_i` the :math:`n`
    calibration rows. A row with :math:`p(x)` of at most `false_positive_rate` is an
    outlier. If normal rows are exchangeable with those of `fit`, the probability of
    flagging one is at most that rate, whatever the estimator and the data. It is an
    average over the rows of `fit`: with 100 calibration rows and a rate of 5 %, the
    rate of one fitted detector is between 2.0 % and 8.9 % in nine of ten cases, with 19
    between 0.3 % and 14.6 %.

    Among many rows, :meth:`select` bounds the expected share of normal rows among those
    selected [2]_, and :meth:`explain` says what each column contributes.
    :meth:`transform` returns the code, so that a detector can guard what follows in a
    Pipeline: see `out_of_domain`.

    Read more in the :ref:`user guide <guide-novelty>`.

    Parameters
    ----------
    estimator : estimator or None, default=None
        What encodes and reconstructs: any estimator with ``transform`` and
        ``inverse_transform``, such as one of skae, a Pipeline or a
        :class:`~sklearn.decomposition.PCA`. A clone of it is fitted to arrays, of the
        shape of X. One in a :class:`~sklearn.frozen.FrozenEstimator` is not fitted
        again; the rate is held if it has not seen X. None is a
        :class:`DenoisingAutoencoder` of flat rows after a
        :class:`~sklearn.preprocessing.StandardScaler`, with a code of half as many
        units as features, and at most 64.

    score_by : {"both", "reconstruction", "code"}, default="both"
        How unusual a row is. ``"reconstruction"``: the sum of the squared errors of its
        columns, each divided by the mean squared error of that column on training rows.
        ``"code"``: the mean distance of its code to the nearest training codes.
        ``"both"``: the sum of the logarithms of the two, each divided by its standard
        deviation on training rows.

    false_positive_rate : float or "auto", default="auto"
        The rate of normal rows that :meth:`predict` may call outliers, between 0 and 1.
        ``"auto"`` is 0.05, or ``1 / (n_samples + 1)`` if that is higher, the least that
        fewer than 19 rows can give.

    calibration_fraction : float or None, default=0.2
        About what part of the rows, drawn at random, calibrates. It is rounded to a
        number of rows that comes close to the rate: 19, 39, 59 and so on for 0.05. If
        even the first of these is more than half of X, and more than was asked for, or
        with None, all rows calibrate: the estimator is fitted to all, and once more for
        each of five folds, whose rows are scored by the fit without them. The rate is
        then approximate: see the notes.

    n_neighbors : int, default=5
        Number of nearest training codes whose distance counts.

    out_of_domain : {"ignore", "raise", "warn"}, default="ignore"
        What :meth:`transform` does if more rows are outliers than normal rows would be
        by chance: one row is enough alone, and of 100 it takes 12 at a rate of 0.05
        with 100 calibration rows, or 10 with many. For normal rows, the probability is
        at most `false_positive_rate` for all rows of a call together. A few outliers
        among many rows are left to :meth:`predict` and :meth:`select`.

    random_state : int, RandomState instance or None, default=None
        Draws the calibration rows, and seeds the estimator and its parts where their
        own `random_state` is None.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.

    calibration_scores_ : ndarray of shape (n_calibration,)
        What :meth:`score_samples` gives the calibration rows, in increasing order.

    calibration_method_ : {"split", "cross-fit"}
        Whether the calibration rows are a part of X or, by folds, all of it.

    false_positive_rate_ : float
        The rate that is held.

    offset_ : float
        The lowest score of a row that is not an outlier.

    usual_errors_ : ndarray of shape (n_features,)
        What the errors of columns are measured in, in the units of X: the root mean
        squared error of each on training rows.

    sample_shape_ : tuple of int
        Shape of one sample of X.

    n_features_in_ : int
        Number of features of a sample.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Detection by the depth of random trees.
    sklearn.neighbors.LocalOutlierFactor : Detection by the density of rows.

    Notes
    -----
    A p-value is small for an unusual row, as in the package nonconform, whereas
    ``score_samples`` and ``decision_function`` are low for it, as in scikit-learn.

    Cross-fitted calibration rows are scored by other fits than new rows are, so that
    the bound above is not proven. Those fits have seen fewer rows, which makes them
    somewhat worse and the rate, as a rule, lower than asked for.

    A column without an error on training rows, such as a constant, counts in units of a
    millionth of its size, and a column of zeros in its own. Distances between codes are
    at least a hundred-thousandth of the length of a code. What is below is rounding.

    References
    ----------
    .. [1] Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal
       p-values", Annals of Statistics 51(1), 2023. :doi:`10.1214/22-AOS2244`

    .. [2] Benjamini & Hochberg, "Controlling the false discovery rate: a practical and
       powerful approach to multiple testing", Journal of the Royal Statistical Society
       B 57(1), 1995. :doi:`10.1111/j.2517-6161.1995.tb02031.x`

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae import AnomalyDetector
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> benign, malignant = X[y == 1], X[y == 0]
    >>> detector = AnomalyDetector(random_state=0).fit(benign[:250])
    >>> detector.predict(malignant[:5])
    array([-1, -1, -1, -1, -1])
    >>> bool((detector.predict(benign[250:]) == -1).mean() < 0.1)
    True
    """

    _parameter_constraints: ClassVar = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "score_by": [StrOptions(set(SCORES))],
        "false_positive_rate": [
            Interval(Real, 0, 1, closed="neither"),
            StrOptions({"auto"}),
        ],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "out_of_domain": [StrOptions({"ignore", "raise", "warn"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        score_by: str = "both",
        false_positive_rate: float | str = "auto",
        calibration_fraction: float | None = 0.2,
        n_neighbors: int = 5,
        out_of_domain: str = "ignore",
        random_state: int | RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.score_by = score_by
        self.false_positive_rate = false_positive_rate
        self.calibration_fraction = calibration_fraction
        self.n_neighbors = n_neighbors
        self.out_of_domain = out_of_domain
        self.random_state = random_state

    # Fitting ----------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the estimator to one part of X, and calibrate by the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Normal rows, or images or signals if `estimator` takes them. Unusual rows
            among them make the detector more cautious.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : estimator
            The fitted detector.

        Raises
        ------
        ValueError
            If X has fewer than four rows, or too few for `false_positive_rate`, or if
            `estimator` refuses X. The error names the column and the row of a wrong
            value in X.
        """
        self._validate_params()
        rows, sample_shape, names = first_rows(X, self, allow_gaps=True)
        rate = self._check_rate(len(rows))
        random_state = check_random_state(self.random_state)
        seed = int(random_state.randint(2**31 - 1))
        n_calibration = self._count_calibration(len(rows), rate)
        fit_part = partial(self._fit_scorer, sample_shape=sample_shape, seed=seed)
        is_stored = isinstance(rows, StoredRows)
        order = np.arange(0) if is_stored else random_state.permutation(len(rows))
        with nullcontext() if is_stored else about_X(X, rows, names):
            if is_stored:
                method = "split"
                part = Part.draw(rows, rate, n_calibration, random_state)
                scorer = fit_part(part.sample, stored=part.training)
                measured = scorer.scores_and_distances(part.calibration)
            elif n_calibration < len(rows):
                method = "split"
                scorer = fit_part(rows[order[n_calibration:]])
                measured = scorer.scores_and_distances(rows[order[:n_calibration]])
            else:
                method = "cross-fit"
                scorer = fit_part(rows)
                measured = _cross_fitted(fit_part, rows[order], scorer)
        calibration, self._calibration_distances = np.sort(measured, axis=0).T
        self.n_features_in_, self.sample_shape_ = rows.shape[1], sample_shape
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._scorer, self.estimator_ = scorer, scorer.transformer
        self.usual_errors_ = scorer.units
        self.calibration_method_, self.calibration_scores_ = method, -calibration[::-1]
        self.false_positive_rate_ = rate
        self.offset_ = -highest_normal(calibration, rate)
        return self

    def _check_rate(self, n_rows: int) -> float:
        """Return the false positive rate, of which n_rows are enough."""
        if n_rows < _FEWEST_ROWS:
            raise ValueError(
                f"X has n_samples={n_rows}, but to fit and to calibrate takes at least "
                f"{_FEWEST_ROWS}."
            )
        if self.false_positive_rate == "auto":
            return max(_USUAL_RATE, 1 / (n_rows + 1))
        rate = float(self.false_positive_rate)
        needed = n_rows_needed(rate)
        if n_rows < needed:
            raise ValueError(
                f"false_positive_rate={rate:g} needs X of at least {needed} rows, but "
                f"X has {n_rows}: no p-value would be below 1 / {n_rows + 1} = "
                f"{1 / (n_rows + 1):.3g}, and no row could be an outlier. Pass more "
                "rows, or a higher rate."
            )
        return rate

    def _count_calibration(self, n_rows: int, rate: float) -> int:
        """Return how many rows calibrate: all of them if they are cross-fitted."""
        if self.calibration_fraction is None:
            return n_rows
        n_most = n_rows - _FEWEST_TRAINING_ROWS
        n_wanted = min(math.ceil(self.calibration_fraction * n_rows), n_most)
        n_calibration = n_rows_to_hold(rate, n_wanted, n_most)
        is_split = n_calibration <= max(n_wanted, n_rows // 2)
        return n_calibration if is_split else n_rows

    def _fit_scorer(
        self,
        rows: np.ndarray,
        *,
        sample_shape: tuple[int, ...],
        seed: int,
        stored: Any = None,
    ) -> Scorer:
        """Return a scorer made from training rows, or from stored ones and a sample."""
        if self.estimator is None:
            transformer, shape = _default_estimator(rows.shape[1]), rows.shape[1:]
        else:
            transformer, shape = clone(self.estimator), sample_shape
        return fit_scorer(
            seeded(transformer, seed),
            rows,
            shape,
            score_by=self.score_by,
            n_neighbors=self.n_neighbors,
            samples=None if stored is None else Samples(stored, shape),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            inner = get_tags(self.estimator)
            tags.input_tags.allow_nan = inner.input_tags.allow_nan
        return tags

    # Scores -----------------------------------------------------------------------

    def _check_X(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return check_rows(X, self, self.sample_shape_, allow_gaps=True)

    @lazy
    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal each row is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative of the quantity that `score_by` names: low for unusual rows.
        """
        rows = self._check_X(X)
        if isinstance(rows, StoredRows):
            return -np.concatenate([self._scorer.scores(x) for x in rows.blocks()])
        with about_X(X, rows, getattr(self, "feature_names_in_", None)):
            return -self._scorer.scores(rows)

    @lazy
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the score of each row, shifted so that outliers are below 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    @lazy
    def predict(self, X: Any) -> np.ndarray:
        """Return which rows are outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened. Rows of `fit` look more
            normal than others.

        Returns
        -------
        ndarray of shape (n_samples,)
            -1 for outliers, those whose p-value is at most `false_positive_rate`, and 1
            for the others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @lazy
    def p_values(self, X: Any) -> np.ndarray:
        """Return the conformal p-value of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples,)
            One more than the number of calibration rows that are at least as unusual,
            divided by one more than that of all: small for unusual rows, and never 0.
            Ties count as at least as unusual.
        """
        return p_values(-self.score_samples(X), -self.calibration_scores_[::-1])

    def support(self, X: Any, *, space: str = "data") -> np.ndarray:
        """Return how much samples, or codes such as those of blends, look like data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened; with ``space="latent"``
            codes of `estimator_`, of shape (n_codes, n_components).

        space : {"data", "latent"}, default="data"
            What X is. Codes are compared by their distance to training codes alone,
            whatever `score_by` is.

        Returns
        -------
        ndarray of shape (n_samples,)
            The p-values of samples or codes: small for what is unlike the calibration
            rows.

        See Also
        --------
        skae.blend, skae.interpolate, skae.mix : Return the support of their results.
        """
        if space == "data":
            return self.p_values(X)
        if space != "latent":
            raise ValueError(
                f"space={space!r} is not known. Choose 'data' or 'latent'."
            )
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float64, estimator=self)
        width = self._scorer.codes.shape[1]
        if codes.shape[1] != width:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but codes of `estimator_` have "
                f"{width} units. Pass codes, or space='data'."
            )
        return p_values(self._scorer.distances(codes), self._calibration_distances)

    @lazy
    def transform(self, X: Any) -> np.ndarray:
        """Return the code of each row, by `estimator_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The codes.

        Raises
        ------
        ValueError
            If X is out of the domain, with ``out_of_domain="raise"``.

        Warns
        -----
        OutOfDomainWarning
            If X is out of the domain, with ``out_of_domain="warn"``.
        """
        rows = self._check_X(X)
        self._validate_params()
        if isinstance(rows, StoredRows):
            parts = [self._scorer.codes_and_scores(x) for x in rows.blocks()]
            codes, scores = map(np.concatenate, zip(*parts, strict=True))
        else:
            with about_X(X, rows, getattr(self, "feature_names_in_", None)):
                codes, scores = self._scorer.codes_and_scores(rows)
        if self.out_of_domain != "ignore":
            self._check_domain(np.flatnonzero(-scores < self.offset_), len(rows))
        return codes

    def _check_domain(self, outliers: np.ndarray, n_rows: int) -> None:
        """Warn, or refuse, if there are more outliers than by chance."""
        rate = self.false_positive_rate_
        n_most = n_expected(n_rows, self.calibration_scores_, rate)
        if len(outliers) <= n_most:
            return
        shown = ", ".join(map(str, outliers[:_SHOWN]))
        dots = ", ..." if len(outliers) > _SHOWN else ""
        message = (
            f"{len(outliers)} of {n_rows} rows are unlike those of fit (rows {shown}"
            f"{dots}). Of as many normal rows at most {n_most} are, but in {rate:.0%} "
            "of such calls. Codes of unlike rows may mean nothing."
        )
        if self.out_of_domain == "raise":
            raise ValueError(message)
        warn(message, OutOfDomainWarning)

    @property
    def _n_features_out(self) -> int:
        return self._scorer.codes.shape[1]

    def select(self, X: Any, fdr: float = 0.1) -> np.ndarray:
        """Select outliers among many rows, few of them by mistake.

        The procedure of Benjamini and Hochberg is applied to the p-values of all rows
        together. Its answer for one row depends on the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        fdr : float, default=0.1
            False discovery rate, between 0 and 1: the expected part of the selected
            rows that are normal. It is an average over the rows of `fit`.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            True for selected rows. With n calibration rows, less than m / (n + 1) /
            `fdr` outliers among m rows are not found, however unusual they are.

        Raises
        ------
        ValueError
            If `fdr` is not between 0 and 1.
        """
        from scipy.stats import false_discovery_control

        if not 0 < fdr < 1:
            raise ValueError(
                f"fdr={fdr} is no false discovery rate. Pass a number between 0 and 1."
            )
        return false_discovery_control(self.p_values(X), method="bh") <= fdr

    def explain(self, X: Any) -> Any:
        """Return what each column contributes to the reconstruction score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples in the layout that `fit` saw, or flattened.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...), or DataFrame
            Squared errors, each divided by the mean squared error of the column on
            training rows: 1 is usual. Their sum over a row is the negative of its score
            with ``score_by="reconstruction"``. Those of images or signals have their
            shape. A frame of pandas gives a frame, with its index and its columns:
            ``explain(X).idxmax(axis=1)`` is the most unusual column of each row.

        Raises
        ------
        ValueError
            If the score is that of the code alone, to which no column contributes a
            part.

        See Also
        --------
        skae.tabular.column_errors : The same for frames of mixed columns, in a pipeline
            with a TableEncoder.
        """
        rows = self._check_X(X)
        if self._scorer.score_by == "code":
            raise ValueError(
                "score_by='code' is a distance between codes, which is no sum over "
                "columns. Fit with score_by='both' or 'reconstruction' to explain rows."
            )
        rows = np.asarray(rows)  # as large as the result
        with about_X(X, rows, getattr(self, "feature_names_in_", None)):
            contributions = self._scorer.contributions(rows)
        return as_frame(contributions.reshape(-1, *self.sample_shape_), X)

    # Files ------------------------------------------------------------------------

    def to_onnx(self, path: Any) -> None:
        """Write the whole detector to an ONNX file: from rows to decisions.

        Running the file needs none of skae, torch and scikit-learn. Its input ``"X"``
        are flat rows of float32, any number of them; cast other types first. Its
        outputs, each with one value for a row, are

        - ``"score"``, float32: what `score_samples` returns, up to the rounding of
          float32;
        - ``"p_value"``, float32: what `p_values` returns. Scores that differ from that
          of a calibration row by less than a hundred-thousandth of themselves count as
          tied with it;
        - ``"label"``, int64: what `predict` returns, -1 for outliers. It is decided by
          ranks, so that no rounding of ``"p_value"`` changes it.

        A row with NaN is an outlier whose score is NaN, unless the estimator was fitted
        with ``missing="mask"``.
        The file contains the training codes, unless ``score_by="reconstruction"``, and
        compares each row with all of them: pass many rows in batches.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write.

        Returns
        -------
        None
            One file is written.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        TypeError
            If `estimator` is neither one of skae, nor a PCA, nor a Pipeline of these
            and of a StandardScaler, RobustScaler, MinMaxScaler or MaxAbsScaler.
        ValueError
            If torch cannot translate a custom module.

        See Also
        --------
        skae.AutoencoderTransformer.to_onnx : Write an encoder, a decoder or both.
        """
        check_is_fitted(self)
        write_exported(
            build_score(
                self._scorer, self.calibration_scores_, self.false_positive_rate_
            ),
            path,
        )
