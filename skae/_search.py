"""Searches over parameters whose fits are trained at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import joblib
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from skae._ahead import Gathering, Job
from skae._documented import DOC_PAGES
from skae._fit_many import warn_of_alone

_Params = dict[str, Any]

_MOST_BYTES = 2**28  # of training rows of several folds at once


class _StackedSearch:
    """A search whose fits are trained at once, before scikit-learn scores each."""

    _doc_link_module = "skae"
    _doc_link_template = DOC_PAGES

    n_jobs: int | None

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train all candidates, score them, and refit the best one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            The samples.

        y : array-like of shape (n_samples,), default=None
            Target of a step after the autoencoder, and of scores.

        **params : dict
            Arguments of the `fit` of the estimator, of the scorer and the splitter, as
            in scikit-learn.

        Returns
        -------
        self : object
            The search, fitted.

        Warns
        -----
        UserWarning
            If some fits were trained one by one, with the reason.
        """
        # Training may use processes, or a cluster; scores are computed here, where the
        # results are.
        self._gathering = Gathering(self.n_jobs)
        self._seconds: list[float] = []
        try:
            with self._gathering, joblib.parallel_config(backend="threading"):
                return super().fit(X, y, **params)  # type: ignore[misc]
        finally:
            for name in ("_gathering", "_seconds", "_routed"):
                vars(self).pop(name, None)

    def _get_routed_params_for_fit(self, params: _Params) -> Any:
        self._routed: Any = super()._get_routed_params_for_fit(params)  # type: ignore
        return self._routed

    def _run_search(
        self, evaluate_candidates: Any, *, callback_ctx: Any = None
    ) -> None:
        # Before scikit-learn 1.9 there are no callbacks.
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}

        def evaluate(candidates: Any, cv: Any = None, **options: Any) -> Any:
            candidates = list(candidates)
            cv = _Splits(
                cv or self._checked_cv_orig,  # type: ignore[attr-defined]
                lambda X, y, splits: self._train(X, y, splits, candidates),
            )
            return evaluate_candidates(candidates, cv=cv, **options)

        super()._run_search(evaluate, **context)  # type: ignore[misc]

    def _train(
        self, X: Any, y: Any, splits: Sequence[Any], candidates: Sequence[_Params]
    ) -> None:
        """Train all candidates on the training rows of all splits."""
        base: Any = clone(self.estimator)  # type: ignore[attr-defined]
        given = self._routed.estimator.fit

        def fit(params: _Params, args: Any, options: Any) -> Any:
            once = clone(base).set_params(**clone(params, safe=False))
            return once.fit(*args, **options)

        def gather(train: Any) -> list[Job | None]:
            rows, target = _safe_split(base, X, y, train)
            args = (rows,) if target is None else (rows, target)
            options = _check_method_params(X, params=given, indices=train)
            return [
                self._gathering.gather(partial(fit, params, args, options))
                for params in candidates
            ]

        jobs: list[list[Job | None]] = []
        n_at_once = max(1, _MOST_BYTES // max(1, getattr(X, "nbytes", 0)))
        for start in range(0, len(splits), n_at_once):
            jobs += [gather(train) for train, _ in splits[start : start + n_at_once]]
            self._gathering.train()
        warn_of_alone(self._gathering, len(candidates) * len(splits))
        self._seconds += [
            0.0 if job is None else job.seconds_each
            for of_candidate in zip(*jobs, strict=True)
            for job in of_candidate
        ]

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: Any, *args: Any, **kw: Any
    ) -> Any:
        """Add to the time of each fit its share of the time of training."""
        if len(out) == len(self._seconds):
            out = [
                {**each, "fit_time": each["fit_time"] + seconds}
                for each, seconds in zip(out, self._seconds, strict=True)
            ]
        found: Any = super()._format_results(  # type: ignore[misc]
            candidate_params, n_splits, out, *args, **kw
        )
        return found


class _Splits:
    """The splits of another splitter, made known before they are used."""

    def __init__(self, cv: Any, use: Callable[[Any, Any, list[Any]], None]) -> None:
        self._cv = cv
        self._use = use

    def split(self, X: Any, y: Any = None, **options: Any) -> list[Any]:
        """Return all splits."""
        splits = list(self._cv.split(X, y, **options))
        self._use(X, y, splits)
        return splits


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
    """Search a grid as GridSearchCV does, with small autoencoders trained as one.

    Candidates that differ in numbers only (the weight of a penalty, the learning rate,
    weight decay, noise level, seed), times the folds, are trained as one network with a
    leading axis. Candidates with networks of different shapes form groups. Each keeps
    rows, noise, schedule and early stopping of its own: scores are those of
    :class:`~sklearn.model_selection.GridSearchCV`, to about 1e-8 in float64 and up to
    rounding, which training amplifies, in float32. Networks that fill the processor by
    themselves, as wide ones and convolutions do, are trained one by one, and so are
    those with batch normalisation, with callbacks of your own, or with layers, losses
    and penalties of your own that torch's ``vmap`` does not take or that keep something
    from one call to the next. A warning names the reason. The training rows of
    several folds are in memory at once as far as they have 256 MiB.

    Read more in the :ref:`user guide <guide-many-fits>`.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, or an estimator around one such as a Pipeline.

    param_grid : dict or list of dict
        Names of parameters, and the values to try.

    scoring : str, callable, list, tuple, dict or None, default=None
        How held-out rows are scored, one metric or several: one of the names that
        :func:`~sklearn.metrics.get_scorer_names` returns, for instance. None is the
        `score` of the estimator: R² of an autoencoder.

    n_jobs : int or None, default=None
        Number of processes that share the training. None is 1, unless in a
        :func:`joblib.parallel_config` context, whose backend is used.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows; the metric, or a function, that
        decides which one it is.

    cv : int, cross-validation generator or iterable, default=None
        The splits. None is five folds.

    verbose : int, default=0
        As in scikit-learn.

    pre_dispatch : int or str, default="2*n_jobs"
        As in scikit-learn; training is not affected.

    error_score : "raise" or float, default=nan
        The score of a candidate whose training fails.

    return_train_score : bool, default=False
        Whether to score training rows, too.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The scores of each candidate. Its ``fit_time`` is a share of the common time.

    best_estimator_ : estimator
        An ordinary estimator with the best parameters, fitted to all rows.

    best_score_ : float
        Its mean score on held-out rows.

    best_params_ : dict
        Its parameters.

    best_index_ : int
        Its position in `cv_results_`.

    scorer_ : callable or dict
        How held-out rows were scored.

    n_splits_ : int
        Number of splits.

    refit_time_ : float
        Seconds of the last fit.

    multimetric_ : bool
        Whether there were several metrics.

    feature_names_in_ : ndarray of shape (n_features,)
        The names of the features, if they have any.

    classes_ : ndarray of shape (n_classes,)
        The classes, if the estimator is a classifier.

    See Also
    --------
    StackedRandomizedSearchCV : Draws candidates.
    fit_many : The same training, without scores.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder, StackedGridSearchCV
    >>> X = load_digits().data[:500] / 16
    >>> ae = SparseAutoencoder(8, hidden_layer_sizes=32, max_epochs=5, random_state=0)
    >>> search = StackedGridSearchCV(ae, {"sparsity": [0.01, 0.1, 1.0]}, cv=3).fit(X)
    >>> search.best_params_
    {'sparsity': 0.01}
    """


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
    """Search as RandomizedSearchCV does, with small autoencoders trained as one.

    It trains as :class:`StackedGridSearchCV` does.

    Read more in the :ref:`user guide <guide-many-fits>`.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, or an estimator around one such as a Pipeline.

    param_distributions : dict or list of dict
        Names of parameters, and the distributions or lists to draw from.

    n_iter : int, default=10
        Number of candidates.

    scoring : str, callable, list, tuple, dict or None, default=None
        How held-out rows are scored, one metric or several: one of the names that
        :func:`~sklearn.metrics.get_scorer_names` returns, for instance. None is the
        `score` of the estimator: R² of an autoencoder.

    n_jobs : int or None, default=None
        Number of processes that share the training. None is 1, unless in a
        :func:`joblib.parallel_config` context, whose backend is used.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows; the metric, or a function, that
        decides which one it is.

    cv : int, cross-validation generator or iterable, default=None
        The splits. None is five folds.

    verbose : int, default=0
        As in scikit-learn.

    pre_dispatch : int or str, default="2*n_jobs"
        As in scikit-learn; training is not affected.

    random_state : int, RandomState instance or None, default=None
        Draws the candidates.

    error_score : "raise" or float, default=nan
        The score of a candidate whose training fails.

    return_train_score : bool, default=False
        Whether to score training rows, too.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The scores of each candidate. Its ``fit_time`` is a share of the common time.

    best_estimator_ : estimator
        An ordinary estimator with the best parameters, fitted to all rows.

    best_score_ : float
        Its mean score on held-out rows.

    best_params_ : dict
        Its parameters.

    best_index_ : int
        Its position in `cv_results_`.

    scorer_ : callable or dict
        How held-out rows were scored.

    n_splits_ : int
        Number of splits.

    refit_time_ : float
        Seconds of the last fit.

    multimetric_ : bool
        Whether there were several metrics.

    feature_names_in_ : ndarray of shape (n_features,)
        The names of the features, if they have any.

    classes_ : ndarray of shape (n_classes,)
        The classes, if the estimator is a classifier.

    See Also
    --------
    StackedGridSearchCV : Tries all candidates of a grid.
    fit_many : The same training, without scores.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder, StackedRandomizedSearchCV
    >>> X = load_digits().data[:500] / 16
    >>> ae = SparseAutoencoder(8, hidden_layer_sizes=32, max_epochs=5, random_state=0)
    >>> search = StackedRandomizedSearchCV(
    ...     ae, {"sparsity": loguniform(0.01, 1)}, n_iter=4, cv=3, random_state=0
    ... ).fit(X)
    >>> search.cv_results_["mean_test_score"].shape
    (4,)
    """
