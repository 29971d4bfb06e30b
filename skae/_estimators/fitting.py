"""The steps of fitting an estimator, and of restoring one from a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_array

from skae._data.batches import RowDataset
from skae._data.condition import (
    divided,
    encode_condition,
    first_conditioned,
    given_with,
    joined,
)
from skae._data.faults import explained
from skae._data.gaps import extremes, has_values
from skae._data.rows import (
    check_observed,
    check_range,
    check_rows,
    check_squares,
    first_rows,
    resolve_dtype,
)
from skae._data.statistics import Statistics, compute_statistics
from skae._data.units import choose_units, converted
from skae._data.weights import (
    WeightedRows,
    check_weight,
    choose_sample,
    counted,
    merged,
)
from skae._distributed.group import from_first
from skae._estimators.checks import (
    check_instances,
    check_net_params,
    is_same,
)
from skae._estimators.planning import renew_plan
from skae._exceptions import DivergenceError, FitWarning, warn
from skae._model.model import TrainedModel
from skae._persistence.checkpoint import checkpointed
from skae._training.build import (
    build_net,
    prepare_net,
    resolve_batch_size,
    resume_net,
)
from skae._training.callbacks import reported_epochs, shown_epochs
from skae._training.passes import FROM_START, Course, Passes
from skae._training.plan import Plan, Task
from skae._training.settings import default_torch, held_out, restored_on_error

_OWN_LOSS_IN_OTHER_UNITS = (
    "X is far from zero, or extremely large or small, and loss is your own, which may "
    "depend on the values as they are: they lose digits in float32. Scale X, for "
    "instance with StandardScaler, or set dtype='float64'."
)
_N_PENDING = 256  # rows of a stream from which a model is described when it is used
_PENDING_LOCK = threading.RLock()

_Describe = Callable[[TrainedModel, WeightedRows], None]


def course_of(estimator: Any) -> AbstractContextManager[Course]:
    """Return the context in which `fit` runs, with a file or without.

    Parameters
    ----------
    estimator : BaseAutoencoder
        An estimator whose parameters have the right types.
    """
    path = estimator.checkpoint
    if path is not None and estimator.warm_start:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} and warm_start=True both say where "
            "training goes on. Set warm_start=False; to train a fitted estimator "
            "further, `save` it before."
        )
    return checkpointed(path, type(estimator), estimator.get_params(deep=False))


def start(
    X: Any,
    estimator: Any,
    plan: Plan,
    sample_weight: Any = None,
    course: Course = FROM_START,
) -> tuple[TrainedModel, WeightedRows]:
    """Return a new model, not yet trained, and the rows of X.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The argument of `fit`.
    estimator : BaseAutoencoder
        An estimator whose parameters have the right types.
    plan : Plan
        The plan made from its parameters.
    sample_weight : array-like of shape (n_samples,), float or None
        How much each row counts; those of weight 0 are left out.
    course : Course, default=FROM_START
        Where the fit begins.
    """
    takes_gaps = plan.task.takes_gaps
    X, given = given_with(X)
    rows, sample_shape, feature_names = first_rows(
        X,
        estimator,
        allow_gaps=takes_gaps,
        allow_sparse=not takes_gaps,
        shuffle_buffer=estimator.shuffle_buffer,
    )
    layout = plan.networks.resolve_layout(sample_shape, plan.layout)
    dtype = resolve_dtype(plan.dtype, rows)
    check_range(rows, dtype, feature_names)
    data = WeightedRows(rows, check_weight(sample_weight, len(rows)))
    columns = getattr(estimator, "condition", None)
    data, condition = first_conditioned(data, given, columns, feature_names)
    rows, weight = merged(
        data.rows, data.weight, resolve_batch_size(estimator.batch_size, 1)
    )
    rows, encoded = divided(rows, layout.n_features)
    places = choose_sample(rows)
    statistics = compute_statistics(rows, weight)
    check_observed(statistics, feature_names)
    check_squares(rows, statistics, dtype)
    plan = plan.for_rows(rows, feature_names)
    rows = plan.task.loss.checked(rows, statistics.low, statistics.high)
    units = choose_units(statistics, layout, dtype, takes_gaps=takes_gaps)
    if units is not None and plan.task.loss.degree != 2:
        units = None
        if plan.task.loss.is_custom and layout.image_shape is None:
            warn(_OWN_LOSS_IN_OTHER_UNITS, FitWarning)
    if units is not None:
        rows = converted(rows, units)
        statistics = compute_statistics(rows, weight)
    model = TrainedModel(
        net=build_net(
            plan,
            layout,
            statistics,
            dtype,
            seed=from_first(course.draw_seed(estimator.random_state)),
            data=WeightedRows(rows, weight).sampled(places),
            units=units,
            n_condition=0 if condition is None else condition.width,
        ),
        layout=layout,
        statistics=statistics,
        dtype=dtype,
        feature_names=feature_names,
        built_with=plan,
        trained_with=plan,
        units=units,
        condition=condition,
    )
    return model, WeightedRows(joined(rows, encoded), weight).sampled(places)


def resume(
    X: Any, estimator: Any, model: TrainedModel, task: Task, sample_weight: Any = None
) -> tuple[TrainedModel, WeightedRows]:
    """Return a model with a new plan of its training, and the rows of X.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The argument of `fit`.
    estimator : BaseAutoencoder
        An estimator whose parameters have the right types.
    model : TrainedModel
        The model trained so far; it is not changed.
    task : Task
        The task that it is trained for next.
    sample_weight : array-like of shape (n_samples,), float or None
        How much each row counts.
    """
    data, statistics = _more_rows(X, estimator, model, sample_weight)
    plan = renew_plan(model.built_with, estimator, task).for_rows(data.rows)
    return replace(model, statistics=statistics, trained_with=plan), data


def extend(
    X: Any, estimator: Any, model: TrainedModel, sample_weight: Any = None
) -> tuple[TrainedModel, WeightedRows]:
    """Return a model with the statistics of one more chunk, and the rows of X.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The chunk.
    estimator : BaseAutoencoder
        An estimator whose parameters have the right types.
    model : TrainedModel
        The model trained so far; it is not changed.
    sample_weight : array-like of shape (n_samples,), float or None
        How much each row counts.
    """
    _check_changes(estimator, model)
    data, statistics = _more_rows(X, estimator, model, sample_weight)
    return replace(model, statistics=model.statistics.merge(statistics)), data


def _check_changes(estimator: Any, model: TrainedModel) -> None:
    """Check the parameters of a stream, if one has changed since the last chunk."""
    now = {k: v for k, v in vars(estimator).items() if not k.startswith("_")}
    last = model.checked
    if now.keys() == last.keys() and all(now[name] is last[name] for name in now):
        return
    estimator._validate_params()
    check_instances(estimator)
    check_net_params(estimator)
    model.checked = now


def checked_codes(X: Any, estimator: Any, model: TrainedModel) -> np.ndarray:
    """Return codes in the type of a model.

    Parameters
    ----------
    X : array-like of shape (n_codes, n_components)
        The codes.
    estimator : BaseAutoencoder
        The estimator, for errors.
    model : TrainedModel
        Its model.
    """
    with explained(X):
        codes = check_array(X, dtype=model.dtype, estimator=estimator)
    if codes.shape[1] != model.n_components:
        raise ValueError(
            f"X has {codes.shape[1]} columns, but {type(estimator).__name__} was "
            f"fitted with n_components={model.n_components}."
        )
    return codes


def checked_rows(X: Any, estimator: Any, model: TrainedModel) -> np.ndarray:
    """Return the flat rows of X, checked against what `fit` saw.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The argument of a method.
    estimator : BaseAutoencoder
        The estimator, for feature names and error messages.
    model : TrainedModel
        Its model.
    """
    X, given = given_with(X)
    shape, takes_gaps = model.layout.sample_shape, model.takes_gaps
    rows = check_rows(
        X, estimator, shape, allow_gaps=takes_gaps, allow_sparse=not takes_gaps
    )
    encoded = encode_condition(rows, model.condition, given)
    rows = converted(rows, model.units)
    if model.units is None:
        check_range(rows, model.dtype, model.feature_names)
    return joined(rows, encoded)


def _more_rows(
    X: Any, estimator: Any, model: TrainedModel, sample_weight: Any
) -> tuple[WeightedRows, Statistics]:
    """Return the rows of a later fit, checked, and their statistics."""
    built_with = model.built_with.parameters
    for name in ("n_components", "loss", "missing", "condition"):
        value = getattr(estimator, name, None)
        if name in built_with and not is_same(value, built_with[name]):
            raise ValueError(
                f"{name}={value!r}, but the weights to resume from were trained with "
                f"{name}={built_with[name]!r}. Set it back, or fit a clone."
            )
    rows = checked_rows(X, estimator, model)
    rows, weight = counted(rows, check_weight(sample_weight, len(rows)))
    rows, encoded = divided(rows, model.n_features)
    places = choose_sample(rows)
    statistics = compute_statistics(rows, weight)
    rows = model.loss.checked(rows, statistics.low, statistics.high)
    data = WeightedRows(joined(rows, encoded), weight).sampled(places)
    return data, statistics


@contextmanager
def holding(estimator: Any, model: TrainedModel, resumes: bool) -> Iterator[None]:
    """Set the model of an estimator in training; restore the last one if that fails.

    After divergence the model stays set, with its last finite weights; after Ctrl-C or
    another interrupt it does if an epoch was finished.
    """
    before = vars(estimator).get("_model")
    try:
        with restored_on_error(model.net):
            estimator._model = model
            if resumes:
                resume_net(model.net, model.trained_with, model.n_features)
            yield
    except DivergenceError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or not len(model.net.history):
            _put_back(estimator, before)
        raise


@contextmanager
def validated(estimator: Any, model: TrainedModel, X_val: Any) -> Iterator[None]:
    """Hold out rows of the user's own during a fit, if there are any.

    Parameters
    ----------
    estimator : BaseAutoencoder
        It holds the model already.
    model : TrainedModel
        The model.
    X_val : array-like of shape (n_val, n_features) or (n_val, ...), or None
        The rows.
    """
    if X_val is None:
        yield
        return
    fraction, settings = estimator.validation_fraction, estimator.net_params or {}
    if fraction is not None or "train_split" in settings:
        other = "train_split" if fraction is None else "validation_fraction"
        raise ValueError(f"X_val and {other} both hold out rows. Give one of them.")
    try:
        rows = model.in_domain(checked_rows(X_val, estimator, model))
        if model.takes_gaps and not has_values(rows):
            raise ValueError("it holds only NaN.")
    except (TypeError, ValueError) as error:
        raise type(error)(f"X_val cannot be used: {error}") from error
    with held_out(model.net, RowDataset(rows, model.dtype)):
        yield


def _put_back(estimator: Any, model: TrainedModel | None) -> None:
    if model is None:
        vars(estimator).pop("_model", None)
    else:
        estimator._model = model


def train(
    estimator: Any,
    model: TrainedModel,
    data: WeightedRows,
    n_epochs: int,
    describe: _Describe,
    course: Course = FROM_START,
) -> Passes:
    """Train a model, show or report its epochs, and describe it.

    Each pass over data is yielded, to be run outside.

    Parameters
    ----------
    estimator : BaseAutoencoder
        It holds the model already, since its callbacks may use it.
    model : TrainedModel
        The model.
    data : WeightedRows
        The training rows.
    n_epochs : int
        Number of epochs.
    describe : callable
        Measures, from the model and the rows, what the model needs beside its weights:
        also after divergence and Ctrl-C, which leave trained weights.
    course : Course, default=FROM_START
        Where the fit begins, and what is done between its batches.
    """
    net, rows = model.net, data.rows
    if model.takes_gaps:
        model.module.fill_layer.widen(*extremes(model.features(rows)))
    prepare_net(
        net,
        batch_size=estimator.batch_size,
        precision=estimator.precision,
        lr=estimator.lr,
        shape=(len(rows), rows.shape[1]),
    )
    name = type(estimator).__name__
    try:
        with (
            shown_epochs(name, estimator.verbose, net, n_epochs),
            reported_epochs(estimator, net, rows, n_epochs),
        ):
            dataset = RowDataset(
                rows, model.dtype, weight=data.weight, sample=data.sample
            )
            yield from net.training(dataset, n_epochs, course)
    except (DivergenceError, KeyboardInterrupt):
        describe(model, data.in_memory)
        raise
    describe(model, data.in_memory)


def later(describe: _Describe) -> _Describe:
    """Return a function that lets a model of few rows be described when it is used.

    In a stream of small chunks that would take longer than to train on them.
    """

    def of_few_rows(model: TrainedModel, data: WeightedRows) -> None:
        if len(data.rows) > _N_PENDING:
            describe(model, data)
        else:
            model.pending = data.copy()

    return of_few_rows


def settled(model: TrainedModel, describe: _Describe) -> TrainedModel:
    """Return a model after measuring what it needs beside its weights."""
    if model.pending is not None:
        with _PENDING_LOCK, default_torch():
            if model.pending is not None:
                describe(model, model.pending)
                model.pending = None
    return model
