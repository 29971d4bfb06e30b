"""Fits that are run before they are asked for, several at a time.

A search calls ``fit`` of one estimator after another. To train them together, these
calls are made twice. In the first round, each call ends where training would begin, and
its arguments are kept. In the second round, after training, each call finds its result
by its parameters and data.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import joblib
from joblib import Parallel, delayed
from numpy.random import RandomState

from skae._distributed.group import refuse_many
from skae._stacked.parts import hash_of
from skae._stacked.together import Fit, train_together
from skae._training.passes import Passes, run_alone

_LOCK = threading.Lock()
_ONE_PROCESS = (
    "Networks are trained as one in one process, but torch.distributed has started "
    "several. Use GridSearchCV or RandomizedSearchCV, or fit one estimator after "
    "another: each fit is divided over the processes."
)


class _Gathered(BaseException):
    """Raised to end a call of `fit` whose arguments were gathered."""


@dataclass(eq=False)
class Job:
    """A call of `fit`.

    Parameters
    ----------
    owner : BaseAutoencoder
        Whose method it is.
    fit : callable
        Another method of the owner, which fits it and yields each pass over data.
    X : array-like
        Its samples.
    given : dict
        Its other arguments.
    key : str
        Hash of all of these.
    n_calls : int
        Number of equal calls, which share the result.
    error : Exception or None
        What it has raised.
    reason : str or None
        Why it was trained alone.
    seconds : float
        Its share of the time of training.
    warnings : list of warnings.WarningMessage
        Its warnings.
    """

    owner: Any
    fit: Callable[..., Passes]
    X: Any
    given: dict[str, Any]
    key: str
    n_calls: int = 1
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

    @property
    def seconds_each(self) -> float:
        """The share of each of several equal calls."""
        return self.seconds / self.n_calls

    def give(self, owner: Any) -> None:
        """Make another estimator, with equal parameters, the one that was fitted."""
        params = owner.get_params(deep=False)
        own = {k: v for k, v in vars(self.owner).items() if k not in params}
        if self.n_calls > 1:
            own = copy.deepcopy(own)
        vars(owner).update(own)
        if isinstance(owner.random_state, RandomState):  # training has drawn from it
            owner.random_state.set_state(self.owner.random_state.get_state())
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
        Number of processes to train in, those of joblib's backend at this time.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        refuse_many(_ONE_PROCESS)
        self._n_jobs = joblib.effective_n_jobs(n_jobs)
        self._parallel = Parallel(n_jobs=n_jobs)
        self.jobs: list[Job] = []
        self._waiting: list[Job] = []  # those that are not trained yet
        self._samples: dict[str, Any] = {}  # equal ones are kept once
        self._repeated: dict[str, Job] = {}  # those whose result is determined
        self._unknown: Counter[str] = Counter()  # those without a key
        self._last: Job | None = None

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
        self._last = None
        token = _GATHERING.set(self)
        try:
            with warnings.catch_warnings(), suppress(_Gathered, Exception):
                warnings.simplefilter("ignore")
                fit()
        finally:
            _GATHERING.reset(token)
        return self._last

    def add(
        self, owner: Any, fit: Callable[..., Passes], X: Any, given: dict[str, Any]
    ) -> None:
        """Gather a call, and end it."""
        key, hash_of_x = _key(owner, X, given)
        if key is None:
            self._unknown["an X or a parameter that cannot be pickled"] += 1
            raise _Gathered
        same = self._repeated.get(key)
        if same is None:
            X = self._samples.setdefault(hash_of_x, X)
            self._last = Job(owner, fit, X, given, key)
            self.jobs.append(self._last)
            self._waiting.append(self._last)
            if isinstance(owner.random_state, Integral):
                self._repeated[key] = self._last
        else:
            same.n_calls += 1
            self._last = same
        raise _Gathered

    def train(self) -> None:
        """Train all that were gathered, and let calls of `fit` find the results."""
        jobs, self._waiting = self._waiting, []
        n_jobs = max(min(self._n_jobs, len(jobs)), 1)
        self._samples.clear()
        if n_jobs == 1:
            _train(jobs)
        else:
            size = -(-len(jobs) // n_jobs)
            parts = [jobs[i : i + size] for i in range(0, len(jobs), size)]
            for part, found in zip(
                parts, self._parallel(delayed(_train)(x) for x in parts), strict=True
            ):
                for job, trained in zip(part, found, strict=True):
                    vars(job).update(vars(trained))
        with _LOCK:
            for job in jobs:
                _FITTED.setdefault(job.key, []).extend([job] * job.n_calls)

    def __enter__(self) -> Gathering:
        return self

    def __exit__(self, *error: object) -> None:
        """Forget results that were not asked for."""
        with _LOCK:
            for job in self.jobs:
                left = [x for x in _FITTED.pop(job.key, []) if x not in self.jobs]
                if left:
                    _FITTED[job.key] = left

    @property
    def reasons(self) -> list[str]:
        """Why some were trained alone."""
        counts = Counter(self._unknown)
        for job in self.jobs:
            if job.reason is not None:
                counts[job.reason] += job.n_calls
        return [f"{n} because of {reason}" for reason, n in counts.items()]


_GATHERING: ContextVar[Gathering | None] = ContextVar("gathering", default=None)
_FITTED: dict[str, list[Job]] = {}


def fitted(owner: Any, fit: Callable[..., Passes], X: Any, **given: Any) -> Any:
    """Fit an estimator, or give it the result of an equal fit that was run before.

    Parameters
    ----------
    owner : BaseAutoencoder
        Whose `fit` is called.
    fit : callable
        A method of the owner, which fits it and yields each pass over data.
    X : array-like
        Its samples.
    **given : dict
        Its other arguments.

    Returns
    -------
    BaseAutoencoder
        The owner.
    """
    is_plain = not getattr(owner, "_skl_callbacks", None)
    is_new = is_plain and not owner.__sklearn_is_fitted__()
    gathering = _GATHERING.get()
    if gathering is not None and is_new:
        gathering.add(owner, fit, X, given)
    job = _find(owner, X, given) if _FITTED and is_new else None
    if job is None:
        run_alone(fit(X, **given))
    else:
        job.give(owner)
    return owner


def _find(owner: Any, X: Any, given: dict[str, Any]) -> Job | None:
    """Return a job that has been trained with equal arguments."""
    key, _ = _key(owner, X, given)
    with _LOCK:
        found = _FITTED.get(key or "")
        return found.pop(0) if found else None


def _key(owner: Any, X: Any, given: dict[str, Any]) -> tuple[str | None, str]:
    """Return hashes of a call of `fit`, None if it has none, and of X."""
    call = (type(owner), owner.get_params(deep=False), given)
    try:
        hash_of_x = joblib.hash(X)
        return hash_of(call, hash_of_x), hash_of_x
    except Exception:  # whatever a part raises
        return None, ""


def _train(jobs: Sequence[Job]) -> Sequence[Job]:
    """Train all jobs, as far as they can be, as one network."""
    fits = [Fit(job.fit(job.X, **job.given), job.recorded) for job in jobs]
    train_together(fits)
    for job, fit in zip(jobs, fits, strict=True):
        job.error, job.reason, job.seconds = fit.error, fit.reason, fit.seconds
        job.X = job.given = None  # type: ignore[assignment]
    return jobs
