"""Several estimators fitted to the same data at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from skae._ahead import Gathering
from skae._exceptions import warn
from skae._random import draw_seed


def fit_many(
    estimators: Any,
    X: Any,
    y: Any = None,
    *,
    n_repeats: int = 1,
    n_jobs: int | None = None,
    **fit_params: Any,
) -> list[Any]:
    """Fit several estimators to the same data, their networks trained as one.

    A small network leaves the processor idle. Autoencoders of one structure, which
    differ in numbers such as the sparsity, the learning rate or the seed, are trained
    as a single network with a leading axis; each keeps rows, noise, schedule and early
    stopping of its own, and ends as after `fit` up to rounding. Others are trained one
    after another.

    Read more in the :ref:`user guide <guide-many-fits>`.

    Parameters
    ----------
    estimators : estimator or sequence of estimator
        Autoencoders, or estimators around them such as Pipelines. They are cloned.

    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        What all are fitted to.

    y : array-like of shape (n_samples,), default=None
        Target of a step after the autoencoder.

    n_repeats : int, default=1
        Number of clones of each estimator. The autoencoders of several have seeds of
        their own, drawn from the `random_state` of the estimator: for error bars, or
        for an ensemble.

    n_jobs : int or None, default=None
        Number of processes that share the training. None is 1, unless in a
        :func:`joblib.parallel_config` context.

    **fit_params : dict
        Further arguments of `fit`.

    Returns
    -------
    list of estimator
        Fitted clones, in the order of `estimators`, repeats next to each other.

    Raises
    ------
    TypeError
        If `estimators` holds something else, or `n_repeats` is no integer.
    ValueError
        If `n_repeats` is below 1.

    Warns
    -----
    UserWarning
        If some were trained one by one, with the reason.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder, fit_many
    >>> X = load_digits().data[:500] / 16
    >>> ae = SparseAutoencoder(8, hidden_layer_sizes=32, max_epochs=5, random_state=0)
    >>> repeats = fit_many(ae, X, n_repeats=4)
    >>> [each.random_state for each in repeats][:2]
    [209652396, 398764591]
    >>> len({each.score(X) for each in repeats})
    4
    """
    given = estimators if isinstance(estimators, Sequence) else [estimators]
    for each in given:
        if not hasattr(each, "fit"):
            raise TypeError(
                f"estimators must be an estimator or a list of them, not {each!r}."
            )
    if not isinstance(n_repeats, Integral):
        raise TypeError(f"n_repeats={n_repeats!r} must be an integer.")
    if n_repeats < 1:
        raise ValueError(f"n_repeats={n_repeats!r} must be at least 1.")
    clones = [x for each in given for x in _repeats(each, n_repeats)]
    args = (X,) if y is None else (X, y)
    with Gathering(n_jobs) as gathering:
        for each in clones:
            once = clone(each)
            gathering.gather(partial(once.fit, *args, **fit_params))
        gathering.train()
        warn_of_alone(gathering, len(clones))
        return [each.fit(*args, **fit_params) for each in clones]


def warn_of_alone(gathering: Gathering, n_fits: int) -> None:
    """Warn of fits that were trained one by one, unless they are as fast so.

    Parameters
    ----------
    gathering : Gathering
        After training.
    n_fits : int
        Number of all fits.
    """
    if reasons := gathering.reasons:
        warn(
            f"Of {n_fits} fits some were trained one by one: {'; '.join(reasons)}.",
            UserWarning,
        )


def _repeats(estimator: Any, n_repeats: int) -> list[Any]:
    """Return clones of an estimator, with seeds of their own if there are several."""
    if n_repeats == 1:
        return [clone(estimator)]
    params = estimator.get_params(deep=True)
    names = [x for x in params if x.split("__")[-1] == "random_state"]
    sources = {name: check_random_state(params[name]) for name in names}
    return [
        clone(estimator).set_params(**{k: draw_seed(v) for k, v in sources.items()})
        for _ in range(n_repeats)
    ]
