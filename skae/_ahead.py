"""Fits that are run before they are asked for, several at a time.

A search, or a Pipeline, calls ``fit`` of one estimator after another. To train them
together, these calls are made twice: in the first round each ends where training would
begin, and what it was called with is gathered; after training the second round finds
the results, by their parameters and data.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import joblib
from joblib import Parallel, delayed

from skae._stacked.together import Fit, train_together

_LOCK = threading.Lock()


class _Gathered(BaseException):
    """Raised to end a call of `fit` whose arguments were gathered."""


@dataclass
class Job:
    """A call of `fit`.

    Parameters
    ----------
    owner : BaseAutoencoder
        Whose method it is.
    X : array-like
        Its samples.
    given : dict
        Its other arguments.
    key : str
        Hash of all of these.
    """

    owner: Any
    X: Any
    given: dict[str, Any]
    key: str
    error: Exception | None = None
    reason: str | None = None
    seconds: float = 0.0
    warnings: list[Any] = field(default_factory=list)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep the warnings of the block."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            yield
        self.warnings.extend(found)

    def give(self, owner: Any) -> None:
        """Make another estimator, with equal parameters, the one that was fitted."""
        params = owner.get_params(deep=False)
        own = {k: v for k, v in vars(self.owner).items() if k not in params}
        vars(owner).update(own)
        for each in self.warnings:
            warnings.warn_explicit(
                each.message, each.category, each.filename, each.lineno
            )
        if self.error is not None:
            raise self.error


class Gathering:
    """Calls of `fit` that are gathered, trained and then given away.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Number of processes to train in.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs
        self.jobs: list[Job] = []
        self._samples: dict[str, Any] = {}  # equal ones are kept once

    def gather(self, fit: Callable[[], Any]) -> Job | None:
        """Call a function that fits an estimator, up to its training.

        Parameters
        ----------
        fit : callable
            The function.

        Returns
        -------
        Job or None
            What was gathered; None if the function ended without, or failed.
        """
        n_before = len(self.jobs)
        token = _GATHERING.set(self)
        try:
            with warnings.catch_warnings(), suppress(_Gathered, Exception):
                warnings.simplefilter("ignore")
                fit()
        finally:
            _GATHERING.reset(token)
        return self.jobs[-1] if len(self.jobs) > n_before else None

    def add(self, owner: Any, X: Any, given: dict[str, Any]) -> None:
        """Gather a call, and end it."""
        key = _key(owner, X, given)
        if key is None:
            return
        X = self._samples.setdefault(joblib.hash(X), X)
        self.jobs.append(Job(owner, X, given, key))
        raise _Gathered

    def train(self) -> None:
        """Train all."""
        n_jobs = min(joblib.effective_n_jobs(self.n_jobs), len(self.jobs)) or 1
        if n_jobs == 1:
            _train(self.jobs)
            return
        # Neighbours differ in the least: they are dealt out in turns of equal size.
        size = -(-len(self.jobs) // n_jobs)
        parts = [self.jobs[i : i + size] for i in range(0, len(self.jobs), size)]
        found = Parallel(n_jobs=n_jobs)(delayed(_train)(part) for part in parts)
        self.jobs = [job for part in found for job in part]

    @contextmanager
    def given_away(self) -> Iterator[None]:
        """Let calls of `fit` inside the block find their results."""
        with _LOCK:
            for job in self.jobs:
                _FITTED.setdefault(job.key, []).append(job)
        try:
            yield
        finally:
            with _LOCK:
                for job in self.jobs:
                    left = [x for x in _FITTED.pop(job.key, []) if x not in self.jobs]
                    if left:
                        _FITTED[job.key] = left

    @property
    def reasons(self) -> list[str]:
        """Why some were trained alone."""
        counts = Counter(job.reason for job in self.jobs if job.reason is not None)
        return [f"{n} because of {reason}" for reason, n in counts.items()]


_GATHERING: ContextVar[Gathering | None] = ContextVar("gathering", default=None)
_FITTED: dict[str, list[Job]] = {}


def adopted(owner: Any, X: Any, given: dict[str, Any]) -> bool:
    """Give an estimator the result of a fit that was run before, if there is one.

    Parameters
    ----------
    owner : BaseAutoencoder
        Whose `fit` is called.
    X : array-like
        Its samples.
    given : dict
        Its other arguments.

    Returns
    -------
    bool
        Whether there was one.
    """
    is_plain = not getattr(owner, "_skl_callbacks", None)
    gathering = _GATHERING.get()
    if gathering is not None and is_plain and not owner.__sklearn_is_fitted__():
        gathering.add(owner, X, given)
        return False
    if not _FITTED:
        return False
    key = _key(owner, X, given)
    with _LOCK:
        found = _FITTED.get(key or "")
        job = found.pop(0) if found else None
    if job is None:
        return False
    job.give(owner)
    return True


def _key(owner: Any, X: Any, given: dict[str, Any]) -> str | None:
    """Return a hash of a call of `fit`, or None if its parts cannot be pickled."""
    params = owner.get_params(deep=False)
    try:
        return joblib.hash((type(owner), params, X, given))
    except Exception:  # whatever a part raises
        return None


def _train(jobs: Sequence[Job]) -> Sequence[Job]:
    """Train all jobs, as far as they can be, as one network."""
    fits = [Fit(job.owner._fitting(job.X, **job.given), job.recorded) for job in jobs]
    train_together(fits)
    for job, fit in zip(jobs, fits, strict=True):
        job.error, job.reason, job.seconds = fit.error, fit.reason, fit.seconds
        job.X = job.given = None  # type: ignore[assignment]
    return jobs
